package server

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"tintype/sign"
	"tintype/store"
	"tintype/thumb"
)

// dfsapiExtensions are the file names that saveImage takes, in lower case only:
// it looks at them before anything else (dfsapi.md 1.3).
var dfsapiExtensions = []string{"bmp", "jpg", "jpeg", "gif", "png"}

// maxDFSAPIKey is the longest appKey, in bytes (dfsapi.md 1.3).
const maxDFSAPIKey = 10

// maxCacheTime caps the life of a time-limited picture.
const maxCacheTime = 10 * 365 * 24 * time.Hour

// saveImage fields, refused in this order.
var (
	errExtension = errors.New("file name has no extension that is taken")
	errAppKey    = errors.New("appKey is missing or not 1 to 10 characters long")
	errNoApp     = errors.New("appKey is unknown")
	errSign      = errors.New("sign does not match")
	errLength    = errors.New("length is not that of the file")
	errIsStorage = errors.New("isStorage is neither true nor false")
	errCacheTime = errors.New("cacheTime is not a number of seconds above 0")
)

// saved is the answer to saveImage: the document's fields, in its order, all of
// them strings.
type saved struct {
	URL      string `json:"url"`
	FileID   string `json:"fileID"`
	FileSize string `json:"fileSize"`
}

// saveImage stores one picture: POST /dfsapi/v2/saveImage.
func (s *Server) saveImage(ctx *fasthttp.RequestCtx) (any, error) {
	f, err := s.form(ctx, "mmfile")
	if err != nil {
		return nil, err
	}
	defer f.release()
	dot := strings.LastIndexByte(f.fileName, '.')
	if dot < 0 || !slices.Contains(dfsapiExtensions, f.fileName[dot+1:]) {
		return nil, errExtension
	}
	req, err := s.verifySaveImage(ctx, f)
	if err != nil {
		return nil, err
	}
	pic, err := thumb.Stat(f.file, s.cfg.Limits)
	if err != nil {
		return nil, err
	}
	obj, err := s.putLink(req, pic, f.file)
	if err != nil {
		return nil, err
	}
	s.audit(ctx, Event{Event: "upload", App: obj.Owner, Name: obj.Name, Bytes: obj.Size})
	return saved{s.linkURL(obj), obj.ID, strconv.FormatInt(obj.Size, 10)}, nil
}

// saveRequest is what saveImage was asked, verified.
type saveRequest struct {
	app     store.App
	durable bool
	expires time.Time // zero: never
}

// verifySaveImage makes the checks of dfsapi.md 1.3 from the key on, in its order.
func (s *Server) verifySaveImage(ctx *fasthttp.RequestCtx, f form) (saveRequest, error) {
	p, err := dfsapiParams(ctx, f)
	if err != nil {
		return saveRequest{}, err
	}
	if n := len(p.appKey); n < 1 || n > maxDFSAPIKey {
		return saveRequest{}, errAppKey
	}
	app, err := s.cfg.Apps.App(p.appKey)
	if err != nil || app.Disabled {
		return saveRequest{}, errNoApp
	}
	if !s.dfsapiSigned(app, p, f.cut) {
		return saveRequest{}, errSign
	}
	if err := errors.Join(checkOrigin(ctx, app), s.callers.take(app.Key, s.cfg.Now())); err != nil {
		return saveRequest{}, err
	}
	length, err := strconv.ParseUint(p.length, 10, 63)
	switch {
	case err != nil || int64(length) != f.fileSize:
		return saveRequest{}, errLength
	case f.fileSize >= s.cfg.MaxUpload: // "小于8M"
		return saveRequest{}, errTooLarge
	}
	req := saveRequest{app: app}
	switch strings.ToLower(p.isStorage) {
	case "true":
		req.durable = true
	case "false", "":
	default:
		return saveRequest{}, errIsStorage
	}
	req.expires, err = s.cacheTime(p.cacheTime)
	return req, err
}

// dfsapiSigned tries the application's live secrets.
func (s *Server) dfsapiSigned(app store.App, p dfsapiRequest, cut bool) bool {
	rules := sign.RulesAny
	switch {
	case s.cfg.StrictSign:
		rules = sign.RulesStrict
	case cut:
		rules &^= sign.RuleForm
	}
	return slices.ContainsFunc(app.Secrets(), func(secret string) bool {
		return sign.VerifyDFSAPI(secret, p.sign, p.signed, rules) == nil
	})
}

// cacheTime returns when a picture with that cacheTime expires. The document has
// it hold in both modes; absent or empty is never.
func (s *Server) cacheTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	seconds, err := strconv.ParseUint(text, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		seconds, err = uint64(maxCacheTime/time.Second), nil
	}
	if err != nil || seconds == 0 {
		return time.Time{}, errCacheTime
	}
	life := time.Duration(min(seconds, uint64(maxCacheTime/time.Second))) * time.Second
	return s.cfg.Now().Add(life), nil
}

// dfsapiRequest is the text of a saveImage call. signed holds all text fields.
type dfsapiRequest struct {
	appKey, sign, length, isStorage, cacheTime string
	signed                                     []sign.Field
}

// dfsapiParams collects the fields. Of those that decide, a second one is
// refused. appKey and sign may come as headers, where one client has them.
func dfsapiParams(ctx *fasthttp.RequestCtx, f form) (dfsapiRequest, error) {
	p := dfsapiRequest{signed: f.fields}
	seen := make(map[*string]bool)
	for _, field := range f.fields {
		var to *string
		switch {
		case strings.EqualFold(field.Name, "appKey"):
			to = &p.appKey
		case field.Name == "sign":
			to = &p.sign
		case field.Name == "length":
			to = &p.length
		case field.Name == "isStorage":
			to = &p.isStorage
		case field.Name == "cacheTime":
			to = &p.cacheTime
		default:
			continue
		}
		if seen[to] {
			return p, fmt.Errorf("%w: %s", errDuplicate, field.Name)
		}
		seen[to], *to = true, field.Value
	}
	var errs [2]error
	if !seen[&p.appKey] {
		if p.appKey, errs[0] = header(ctx, "appKey"); p.appKey != "" {
			p.signed = append(slices.Clip(p.signed), sign.Field{Name: "appKey", Value: p.appKey})
		}
	}
	if !seen[&p.sign] {
		p.sign, errs[1] = header(ctx, "sign")
	}
	return p, errors.Join(errs[:]...)
}

// putLink stores a picture under a new FastDFS-style name and a new file ID.
func (s *Server) putLink(req saveRequest, pic thumb.Picture, data []byte) (store.Object, error) {
	now := s.cfg.Now()
	tier, group := s.cfg.Cache, "cache1"
	if req.durable {
		tier, group = s.cfg.Pictures, "group1"
	}
	sum := crc32.ChecksumIEEE(data)
	// FastDFS tries ten names too: of the same bytes in the same second, 23
	// random bits keep two apart
	var err error
	for range 10 {
		var objs []store.Object
		objs, err = tier.Apply(store.Change{Decide: func(now store.View, _ *store.Change) error {
			return withinQuota(now, s.otherTier(tier), req.app, int64(len(data)), 1)
		}, Put: []store.Item{{
			Object: store.Object{
				ID: newFileID(), Owner: req.app.Key, MediaType: pic.Format.MediaType(),
				Width: pic.Width, Height: pic.Height, Created: now, Expires: req.expires,
			},
			Body: bytes.NewReader(data), New: true,
			Inspect: func(o *store.Object, _ io.ReadSeeker) error {
				name, err := sign.NewFileID(sign.FileSpec{
					Group: group, Dir: [2]byte(o.Digest[:2]), Source: s.cfg.SourceIP, Created: now,
					Size: int64(len(data)), CRC32: sum, Ext: pic.Format.Ext(),
				}, rand.Reader)
				o.Name = name.String()
				return err
			},
		}}})
		if err == nil {
			return objs[0], nil
		}
		if !errors.Is(err, store.ErrExists) {
			break
		}
	}
	return store.Object{}, err
}

// newFileID returns 32 hex digits: a random UUID without its dashes. The
// original's were of version 1, which tells time and network card.
func newFileID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return hex.EncodeToString(b[:])
}

// linkURL returns the URL of a FastDFS-style object, with a token where links
// need one. A token for a picture that expires lives as long as the picture.
func (s *Server) linkURL(o store.Object) string {
	url := s.cfg.PublicURL + "/" + o.Name
	secret := s.cfg.Secrets().TokenSecret
	if secret == "" {
		return url
	}
	ts := s.cfg.Now().Unix()
	if !o.Expires.IsZero() {
		ts = o.Expires.Add(-s.cfg.TokenTTL).Unix()
	}
	_, path, _ := strings.Cut(o.Name, "/")
	return fmt.Sprintf("%s?token=%s&ts=%d", url, sign.FastDFSToken(path, secret, ts), ts)
}
