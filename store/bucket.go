package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// BucketOptions say where an S3 is, and how it is used.
type BucketOptions struct {
	Options // Relaxed means nothing: what S3 has acknowledged, it has

	// Endpoints are URLs without a path, each of which leads to the same buckets. They are
	// called one at a time, the next one when one fails.
	Endpoints            []string
	Region               string // empty: us-east-1
	AccessKey, SecretKey string
	// Bucket is the bucket's name, or with Buckets over 1 what the names of all of them begin
	// with: NAME-0 to NAME-63. They have to be there.
	Bucket string
	// Buckets is among how many buckets containers are spread, 1 to 1,000; 0: 1. It is kept in
	// the first of them, and cannot be another later.
	Buckets int
	// Prefix begins all keys: up to 64 of [A-Za-z0-9._-] with slashes between; empty: nothing does.
	Prefix string
	// Tier is a word that keeps tiers apart that share a Prefix.
	Tier string
	// Node is this server's own name among those that share the buckets, in letters, digits
	// and hyphens.
	Node string
	// Clock is told what time it is at S3, and is asked for the time instead of Now; nil: S3's clock does
	// not matter.
	Clock *Clock
	// Temp is the directory for bodies on their way in that are too large for memory; empty:
	// the system's.
	Temp string

	// In tests, in the place of attemptTime and of a dialer; 0 and nil: these.
	attempt time.Duration
	dial    func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Bucket is a Store in S3, which any number of servers share: none of them keeps anything
// of it that another one has to know. doc.go says what is in it, and how a change goes.
type Bucket struct {
	opt BucketOptions
	s3  *s3
	arrivals

	locks    nameLocks
	versions versions
	tally    *tally
	damage   atomic.Int64 // blobs that were not as they were stored
	failed   atomic.Pointer[error]
	warned   bool // of the clock; watch's
	stop     chan struct{}
	ended    sync.WaitGroup
}

var _ Store = (*Bucket)(nil)

// How often a Bucket looks whether S3 answers, and how many seconds its clock may differ:
// signatures that S3 and clients make hold for 15 minutes.
const (
	probeEvery = 5 * time.Second
	skewToTell = 30 * time.Second
	skewToStop = 10 * time.Minute
)

var (
	// ErrLayout is returned for a Prefix that was set up with another number of Buckets, or by
	// a version that is not known.
	ErrLayout = errors.New("store: the bucket is set up otherwise")
	// ErrClock is returned while the clocks of this machine and of S3 differ by 10 minutes.
	ErrClock = errors.New("store: this machine's clock is not S3's")
)

// Buckets are named as AWS has it, with room for a number behind.
var isBucket = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,58}[a-z0-9]$`)

var isPrefix = regexp.MustCompile(`^$|^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$`)

// OpenBucket opens a tier in S3, once S3 has shown that it refuses to put what is to be the
// first under a key that is taken. ErrRefused, ErrUnreachable, ErrLayout.
func OpenBucket(opt BucketOptions) (*Bucket, error) {
	opt.Options = opt.Options.withDefaults()
	opt.Region, opt.Buckets = cmp.Or(opt.Region, "us-east-1"), cmp.Or(opt.Buckets, 1)
	if !isPrefix.MatchString(opt.Prefix) || len(opt.Prefix) > maxPrefix {
		return nil, fmt.Errorf("store: prefix %q: want up to %d of A-Z a-z 0-9 . _ - with slashes between", opt.Prefix, maxPrefix)
	}
	if opt.Prefix != "" {
		opt.Prefix += "/"
	}
	if !isBucket.MatchString(opt.Bucket) {
		return nil, fmt.Errorf("store: bucket %q: want 3 to 60 of a-z 0-9 . -", opt.Bucket)
	}
	if opt.Clock != nil {
		opt.Now = opt.Clock.Now
	}
	client, err := newS3(opt)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	b := &Bucket{
		opt: opt, s3: client, arrivals: arrivals{newIntake(), opt.Temp, opt.Now}, versions: versions{seed: maphash.MakeSeed()}, stop: make(chan struct{}),
	}
	if err := b.setUp(); err != nil {
		return nil, err
	}
	if b.tally, err = b.openTally(); err != nil {
		return nil, err
	}
	b.ended.Go(b.watch)
	return b, nil
}

// layout is what the key _layout has, for who opens the same buckets otherwise.
type layout struct {
	Format  int `json:"format"`
	Buckets int `json:"buckets"`
}

const bucketFormat = 1

// setUp makes sure that S3 is one that a Bucket can be in, and that it is used as before.
func (b *Bucket) setUp() error {
	for i := range b.opt.Buckets {
		at := address{b.bucket(i), b.opt.Prefix + "_layout"}
		want := layout{bucketFormat, b.opt.Buckets}
		data, err := json.Marshal(want)
		if err != nil {
			return err
		}
		switch err := b.s3.putSmall(at, data, true); {
		case err == nil:
			// for the next put there has to be something
		case !errors.Is(err, errTaken):
			return fmt.Errorf("bucket %s: %w", at.bucket, err)
		}
		if err := b.s3.putSmall(at, data, true); !errors.Is(err, errTaken) {
			return fmt.Errorf("%w: bucket %s: a put with If-None-Match over a key that is taken ended with %v; pictures would replace each other", ErrRefused, at.bucket, err)
		}
		var got layout
		if data, err = b.s3.getSmall(at); err == nil {
			err = json.Unmarshal(data, &got)
		}
		if err != nil {
			return fmt.Errorf("bucket %s: %w", at.bucket, err)
		}
		if got != want {
			return fmt.Errorf("%w: bucket %s, key %s: %d buckets in format %d, and this server is told of %d in format %d",
				ErrLayout, at.bucket, at.key, got.Buckets, got.Format, want.Buckets, want.Format)
		}
	}
	_, _, err := b.s3.list(b.bucket(0), b.opt.Prefix, "", 1)
	return err
}

// bucket returns the name of one of the buckets.
func (b *Bucket) bucket(i int) string {
	if b.opt.Buckets == 1 {
		return b.opt.Bucket
	}
	return b.opt.Bucket + "-" + strconv.Itoa(i)
}

// bucketOf returns in which bucket a name is: that of its container, so that a list is of
// one. Of FastDFS-style names, which have few groups, that of group/M00/HH/LL. known: the text
// is as much of a name as that takes.
func (b *Bucket) bucketOf(name string) (i int, known bool) {
	parts, segments := 1, strings.SplitN(strings.TrimPrefix(name, "\x00"), "/", 5)
	if isGroup.MatchString(segments[0]) {
		parts = 4
	}
	known = len(segments) > parts
	return b.spread(strings.Join(segments[:min(parts, len(segments))], "/")), known || b.opt.Buckets == 1
}

var isGroup = regexp.MustCompile(`^(group|cache)[0-9]+$`)

// spread returns one of the buckets, the same for the same text.
func (b *Bucket) spread(text string) int {
	sum := Sum([]byte(text))
	return int(binary.BigEndian.Uint32(sum[:]) % uint32(b.opt.Buckets))
}

// Kinds of keys, each behind the prefix and the tier.
const (
	keyObject  = "o/" // then the name's: bytes, and the row beside them
	keyID      = "i/" // then the ID's: the name
	keyDue     = "x/" // then time and name: when an object expires
	keyTrashed = "t/" // then time and name: when it was moved to the trash
	keyTally   = "n/" // then the node: what it has counted
)

func (b *Bucket) key(kind string) string { return b.opt.Prefix + b.opt.Tier + "/" + kind }

// at is where the object called name is, or would be.
func (b *Bucket) at(name string) (address, error) {
	return b.atUpTo(maxNameKey, name)
}

// atUpTo is at for names whose key has up to so many bytes.
func (b *Bucket) atUpTo(limit int, name string) (address, error) {
	base := b.key(keyObject)
	key := appendKey([]byte(base), name)
	if n := len(key) - len(base); name == "" || n > limit {
		return address{}, fmt.Errorf("%w: a name whose key in S3 has %d bytes; up to %d can be kept there", ErrField, n, limit)
	}
	i, _ := b.bucketOf(name)
	return address{b.bucket(i), string(key) + nameEnd}, nil
}

// atID is where the name is kept that has an ID.
func (b *Bucket) atID(id string) address {
	return address{b.bucket(b.spread(id)), string(appendKey([]byte(b.key(keyID)), id)) + nameEnd}
}

// watch looks whether S3 answers, and tells it what was counted, until Close.
func (b *Bucket) watch() {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-tick.C:
		}
		_, err := b.s3.head(address{b.bucket(0), b.opt.Prefix + "_layout"})
		skew := b.opt.Clock.Skew()
		if err == nil && skew.Abs() >= skewToStop {
			err = fmt.Errorf("%w: it differs by %v", ErrClock, skew.Round(time.Second))
		}
		b.tell(err, skew)
		if err == nil {
			err = b.tally.flush(b, tallyEvery)
		}
		if err != nil {
			b.opt.Log.Debug("s3", "err", err)
		}
	}
}

// tell keeps, and logs, whether S3 can be used.
func (b *Bucket) tell(err error, skew time.Duration) {
	before := b.failed.Load()
	switch {
	case err != nil:
		b.failed.Store(&err)
		if before == nil {
			b.opt.Log.Error("pictures cannot be stored", "tier", b.opt.Tier, "err", err)
		}
	case before != nil:
		b.failed.Store(nil)
		b.opt.Log.Info("pictures can be stored again", "tier", b.opt.Tier)
	case skew.Abs() <= skewToTell:
		b.warned = false
	case !b.warned:
		b.warned = true
		b.opt.Log.Warn("this machine's clock is not S3's; at 10 minutes this server takes no more pictures", "differs by", skew.Round(time.Second))
	}
}

// Ready implements Store.
func (b *Bucket) Ready() error {
	if err := b.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// Damage implements Store.
func (b *Bucket) Damage() (blobs, index int64) { return b.damage.Load(), 0 }

// Version implements Store. Other servers change names without telling this one: what is
// remembered is looked at again after RememberFor, whatever happens.
func (b *Bucket) Version(name string) uint64 {
	return b.versions.remembered(name, b.opt.Now())
}

// Close implements Store.
func (b *Bucket) Close() error {
	close(b.stop)
	b.ended.Wait()
	defer b.s3.transport.CloseIdleConnections()
	return b.tally.flush(b, 0)
}
