package store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// How long S3 is waited for: for an answer to begin, and to go on, attemptTime. A hung endpoint
// is left after one attempt, and there are up to three of them in a call; bytes that are put
// or copied have time for slowest of them a second besides.
const (
	attemptTime = 5 * time.Second
	slowest     = 256 << 10
)

var (
	// ErrUnreachable is returned when no endpoint of S3, or Redis, has answered in time. What
	// was to be changed may have been.
	ErrUnreachable = errors.New("store: the storage behind this server does not answer")
	// ErrRefused is returned when S3 does not let this server in, or has no such bucket.
	ErrRefused = errors.New("store: S3 refuses")

	errTaken  = errors.New("key is taken") // of a put that is to be the first
	errThere  = fmt.Errorf("%w, and an attempt is not answered", errTaken)
	errNoCopy = errors.New("S3 has begun to copy and failed")
)

// meta is what S3 keeps beside the bytes of a key.
type meta struct {
	mediaType string
	tag       string            // of the bytes, as S3 makes it; to be compared with that of a copy alone
	user      map[string]string // names in lower case, values in ASCII; 2 KB in all
}

// userMeta begins the headers of meta.user.
const userMeta = "X-Amz-Meta-"

// s3 makes the calls that every S3 knows, to one of several endpoints: the same one until it
// fails, as a dead one would cost every other call an attempt.
type s3 struct {
	clients   []*minio.Core
	transport *http.Transport // of all of them
	now       atomic.Uint32   // which of them is called
	attempt   time.Duration   // attemptTime
}

// newS3 returns the client for endpoints, each a URL without a path.
func newS3(opt BucketOptions) (*s3, error) {
	s := &s3{attempt: cmp.Or(opt.attempt, attemptTime)}
	s.transport = s.newTransport()
	if opt.dial != nil {
		s.transport.DialContext = opt.dial
	}
	for i, endpoint := range opt.Endpoints {
		u, err := url.Parse(endpoint)
		if err == nil && u.User != nil {
			return nil, errors.New("an endpoint with a name or password in it, which do not belong there")
		}
		if err != nil || u.Host == "" || u.Path != "" && u.Path != "/" || u.RawQuery+u.Fragment != "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("endpoint %q: want http://host:port or https://host", endpoint)
		}
		client, err := minio.NewCore(u.Host, &minio.Options{
			Creds: credentials.NewStaticV4(opt.AccessKey, opt.SecretKey, ""), Secure: u.Scheme == "https", Region: opt.Region,
			Transport: &clocked{&watched{s.transport, s, uint32(i)}, opt.Clock}, BucketLookup: minio.BucketLookupPath, MaxRetries: 1,
		})
		if err != nil {
			return nil, fmt.Errorf("endpoint %q: %w", endpoint, err)
		}
		s.clients = append(s.clients, client)
	}
	return s, nil
}

// newTransport returns one that speaks HTTP/1.1: one connection of HTTP/2 has all calls, and one
// that hangs would have those that come after it, too.
func (s *s3) newTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: s.attempt / 2, KeepAlive: s.attempt}).DialContext,
		TLSHandshakeTimeout: s.attempt / 2,
		MaxIdleConnsPerHost: 256,
		IdleConnTimeout:     time.Minute,
		DisableCompression:  true,
	}
}

// watched gives up an answer that does not begin, or does not go on, for attemptTime.
type watched struct {
	http.RoundTripper
	s3     *s3
	client uint32
}

func (w *watched) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(req.Context())
	timer := time.AfterFunc(w.s3.attempt, cancel)
	if req.Method == http.MethodPut { // whose bytes take their time, which is that of the attempt
		timer.Stop()
	}
	resp, err := w.RoundTripper.RoundTrip(req.WithContext(ctx))
	if err != nil {
		timer.Stop()
		cancel()
		return nil, err
	}
	timer.Reset(w.s3.attempt)
	resp.Body = &impatient{resp.Body, w, timer, cancel}
	return resp, nil
}

// impatient is a body that ends with an error where nothing comes for attemptTime. One that
// breaks off is asked for again elsewhere.
type impatient struct {
	io.ReadCloser
	from   *watched
	timer  *time.Timer
	cancel func()
}

func (i *impatient) Read(p []byte) (int, error) {
	i.timer.Reset(i.from.s3.attempt)
	defer i.timer.Stop()
	n, err := i.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		i.from.s3.leave(i.from.client)
	}
	return n, err
}

func (i *impatient) Close() error {
	i.timer.Stop()
	defer i.cancel()
	return i.ReadCloser.Close()
}

// call makes attempts until one of them tells something, or time is up.
func (s *s3) call(size int64, attempt func(context.Context, *minio.Core) error) error {
	more := time.Duration(size/slowest) * time.Second
	until := time.Now().Add(s.attempt*13/5 + more)
	wait := s.attempt / 250
	for {
		client := s.now.Load() % uint32(len(s.clients))
		ctx, cancel := context.WithTimeout(context.Background(), s.attempt+more)
		err := attempt(ctx, s.clients[client])
		cancel()
		if err == nil || !mayRetry(err) {
			return s3Error(err)
		}
		s.leave(client)
		if time.Now().Add(wait).After(until) {
			return fmt.Errorf("%w: %w", ErrUnreachable, err)
		}
		time.Sleep(time.Duration(rand.Int64N(int64(wait))) + wait/2)
		wait = min(2*wait, s.attempt/5)
	}
}

// leave has another client called than one that failed, if that is not done yet.
func (s *s3) leave(client uint32) {
	if now := s.now.Load(); now%uint32(len(s.clients)) == client {
		s.now.CompareAndSwap(now, now+1)
	}
}

// mayRetry says whether another attempt may have another answer. Of a conflict it may: two
// that wanted to be the first, or, in an engine over directories, to have one and to remove
// it when it was empty.
func mayRetry(err error) bool {
	if errors.Is(err, errTaken) {
		return false
	}
	switch told := minio.ToErrorResponse(err); told.StatusCode {
	case 0: // nothing of S3's
		return true
	case http.StatusConflict, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	case http.StatusBadRequest: // AWS's, where the bytes came too slowly
		return told.Code == "RequestTimeout"
	case http.StatusNotImplemented:
		return false
	default:
		return told.StatusCode >= 500
	}
}

func s3Error(err error) error {
	if err == nil {
		return nil
	}
	code := minio.ToErrorResponse(err)
	switch {
	case errors.Is(err, errTaken):
		return err
	case code.Code == "NoSuchBucket", code.StatusCode == http.StatusForbidden, code.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("%w: %w", ErrRefused, err)
	case code.StatusCode == http.StatusNotFound:
		return ErrNotFound
	case code.StatusCode == http.StatusPreconditionFailed:
		return errTaken
	case code.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		return io.EOF // from a range on that begins there
	}
	return fmt.Errorf("store: S3: %w", err)
}

// address is a key of a bucket.
type address struct{ bucket, key string }

// put stores body, of so many bytes and a SHA-256, from its start, and beside it what about
// returns for an attempt, which are counted from 1: after the first, an earlier one may still
// do its work. first: errTaken if there is something already, be it of an earlier attempt; errThere where
// one has not been answered.
func (s *s3) put(at address, body io.ReaderAt, size int64, sum Digest, about func(try int) meta, first bool) error {
	try := 0
	return s.call(size, func(ctx context.Context, c *minio.Core) error {
		if first && try > 0 { // most often it is done, and one attempt less may come late
			if _, err := c.StatObject(ctx, at.bucket, at.key, minio.StatObjectOptions{}); err == nil {
				return errThere
			} else if minio.ToErrorResponse(err).StatusCode != http.StatusNotFound {
				return err
			}
		}
		try++
		m := about(try)
		opt := minio.PutObjectOptions{UserMetadata: m.user, ContentType: plainType(m.mediaType), DisableContentSha256: true}
		if first {
			opt.SetMatchETagExcept("*")
		}
		_, err := c.PutObject(ctx, at.bucket, at.key, &lent{from: io.NewSectionReader(body, 0, size)}, size, "", sum.String(), opt)
		return err
	})
}

// lent is a body for one attempt, which closes it: the transport may go on reading after that,
// when the bytes are another body's.
type lent struct {
	mu   sync.Mutex // guards from
	from io.Reader  // nil: it is closed
}

func (l *lent) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.from == nil {
		return 0, io.ErrClosedPipe
	}
	return l.from.Read(p)
}

func (l *lent) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.from = nil
	return nil
}

const octets = "application/octet-stream"

// plainType returns a media type, or octets for one that not every S3 would take, or sign as it
// is: of no bytes, of others than ASCII has, or that marks a directory.
func plainType(mediaType string) string {
	other := func(c rune) bool { return c < ' ' || c > '~' }
	if mediaType == "" || strings.TrimSpace(mediaType) != mediaType || strings.ContainsFunc(mediaType, other) || strings.HasSuffix(mediaType, "directory") {
		return octets
	}
	return mediaType
}

// putSmall is put for a few bytes. first: errTaken if there is something already, of an
// earlier attempt too.
func (s *s3) putSmall(at address, data []byte, first bool) error {
	return s.put(at, bytes.NewReader(data), int64(len(data)), Sum(data), func(int) meta { return meta{mediaType: octets} }, first)
}

// get opens the bytes [from, to) of a key and tells what is kept beside them; to -1: up to the end.
// Another attempt is the caller's when they break off.
func (s *s3) get(at address, from, to int64) (m meta, body io.ReadCloser, err error) {
	opt := minio.GetObjectOptions{}
	if to >= 0 {
		err = opt.SetRange(from, to-1)
	} else if from > 0 {
		err = opt.SetRange(from, 0)
	}
	if err != nil {
		return m, nil, err
	}
	err = s.call(0, func(_ context.Context, c *minio.Core) error {
		in, info, header, err := c.GetObject(context.Background(), at.bucket, at.key, opt)
		if err == nil {
			m, body = metaOf(info, header), in
		}
		return err
	})
	return m, body, err
}

// getSmall returns all of a key whose bytes are few.
func (s *s3) getSmall(at address) (data []byte, err error) {
	err = s.call(0, func(ctx context.Context, c *minio.Core) error {
		in, _, _, err := c.GetObject(ctx, at.bucket, at.key, minio.GetObjectOptions{})
		if err != nil {
			return err
		}
		defer in.Close()
		data, err = io.ReadAll(in)
		return err
	})
	return data, err
}

// head tells what is kept beside the bytes of a key.
func (s *s3) head(at address) (m meta, err error) {
	err = s.call(0, func(ctx context.Context, c *minio.Core) error {
		info, err := c.StatObject(ctx, at.bucket, at.key, minio.StatObjectOptions{})
		m = metaOf(info, info.Metadata)
		return err
	})
	return m, err
}

func metaOf(info minio.ObjectInfo, header http.Header) meta {
	m := meta{mediaType: info.ContentType, tag: info.ETag, user: make(map[string]string)}
	for name := range header {
		if len(name) > len(userMeta) && http.CanonicalHeaderKey(name[:len(userMeta)]) == userMeta {
			m.user[strings.ToLower(name[len(userMeta):])] = header.Get(name)
		}
	}
	return m
}

// copy copies so many bytes of a key, and gives them m in the place of what was beside them. It
// returns the tag of what it has copied.
func (s *s3) copy(from, to address, size int64, m meta) (tag string, err error) {
	headers := map[string]string{"x-amz-metadata-directive": "REPLACE", "Content-Type": plainType(m.mediaType)}
	for name, value := range m.user {
		headers[userMeta+name] = value
	}
	err = s.call(size, func(ctx context.Context, c *minio.Core) error {
		info, err := c.CopyObject(ctx, from.bucket, from.key, to.bucket, to.key, headers, minio.CopySrcOptions{}, minio.PutObjectOptions{})
		if err == nil && info.ETag == "" { // the answer begins with 200 before there is a copy, and has an error behind
			err = errNoCopy
		}
		tag = info.ETag
		return err
	})
	return tag, err
}

// remove removes a key, if it is there.
func (s *s3) remove(at address) error {
	err := s.call(0, func(ctx context.Context, c *minio.Core) error {
		return c.Client.RemoveObject(ctx, at.bucket, at.key, minio.RemoveObjectOptions{})
	})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// list returns up to limit keys, at most 1,000, that begin with prefix and are behind after,
// in their order, and whether there are more: none only at the end.
func (s *s3) list(bucket, prefix, after string, limit int) (keys []string, more bool, err error) {
	for token := ""; err == nil && len(keys) == 0; {
		err = s.call(0, func(_ context.Context, c *minio.Core) error {
			page, err := c.ListObjectsV2(bucket, prefix, after, token, "", min(limit, 1000))
			if err != nil {
				return err
			}
			keys, more, token = keys[:0], page.IsTruncated, page.NextContinuationToken
			for _, o := range page.Contents {
				keys = append(keys, o.Key)
			}
			return nil
		})
		if !more {
			break
		}
	}
	slices.Sort(keys) // which they are, but for engines over directories
	return keys, more, err
}
