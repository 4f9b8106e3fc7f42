package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tintype/store/s3test"
)

var bucketPrefixes atomic.Int64

// openBucket opens a tier of its own in an S3 in memory or, where TINTYPE_S3 has endpoints,
// a comma between them, in the bucket tintype of that one, with test and testtest as its keys.
func openBucket(t testing.TB, c *clock, change func(*BucketOptions)) *Bucket {
	t.Helper()
	opt := BucketOptions{
		Options: Options{Now: c.Now}, AccessKey: "test", SecretKey: "testtest", Bucket: "tintype", Tier: "pictures", Node: "n1", Temp: t.TempDir(),
		Prefix: fmt.Sprintf("test/%d-%d", time.Now().UnixNano(), bucketPrefixes.Add(1)),
	}
	if real := os.Getenv("TINTYPE_S3"); real != "" {
		opt.Endpoints = strings.Split(real, ",")
	}
	if change != nil {
		change(&opt)
	}
	if len(opt.Endpoints) == 0 {
		_, endpoint := s3test.New(t)
		opt.Endpoints = []string{endpoint}
	}
	b, err := OpenBucket(opt)
	if err != nil {
		t.Fatalf("OpenBucket: %v", err)
	}
	return b
}

func TestBucket(t *testing.T) {
	testStore(t, promises{maxName: longestName}, func(t *testing.T, c *clock) Store { return openBucket(t, c, nil) })
}

// longestName is how many letters a name may have of which each is one in a key: a break
// comes after every longSegment of them.
const longestName = maxNameKey - maxNameKey/(longSegment+1)

// inMemory is an S3 in memory with two endpoints, and what opens a tier in it.
type inMemory struct {
	*s3test.Server
	endpoints []string
}

func newInMemory(t *testing.T) *inMemory {
	s, one := s3test.New(t)
	return &inMemory{s, []string{one, s.Endpoint(t)}}
}

// open opens the tier for the server called node.
func (m *inMemory) open(t *testing.T, c *clock, node string) *Bucket {
	t.Helper()
	return openBucket(t, c, func(opt *BucketOptions) {
		opt.Endpoints, opt.Node, opt.Prefix, opt.Log = m.endpoints, node, "p", slog.New(slog.DiscardHandler)
	})
}

// objects returns the names that have a key.
func (m *inMemory) objects(t *testing.T) (all []string) {
	for _, key := range m.Keys() {
		if key, ok := strings.CutPrefix(key, "tintype/p/pictures/o/"); ok {
			name, err := parseKey(key)
			if err != nil {
				t.Error(err)
			}
			all = append(all, name)
		}
	}
	return all
}

func TestBucketLeavesAnEndpointThatFails(t *testing.T) {
	c, m := newClock(), newInMemory(t)
	dead := httptest.NewServer(nil)
	m.endpoints = []string{dead.URL, m.endpoints[0], m.endpoints[1]}
	b := func() *Bucket { dead.Close(); return m.open(t, c, "n1") }()
	defer b.Close()
	if b.s3.now.Load() != 1 {
		t.Errorf("endpoint %d is called, not the first that answers", b.s3.now.Load())
	}
	put(t, b, item("a", "x"))
	m.Fault = func(w http.ResponseWriter, r *http.Request) bool {
		down := "http://"+r.Host == m.endpoints[1]
		if down {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return down
	}
	if got := read(t, b, "a"); got != "x" || b.s3.now.Load() != 2 {
		t.Errorf("read %q of endpoint %d", got, b.s3.now.Load())
	}
}

// A put that S3 has done, and whose answer was lost, is not taken for another's.
func TestBucketKnowsItsOwnPut(t *testing.T) {
	c, m := newClock(), newInMemory(t)
	b := m.open(t, c, "n1")
	defer b.Close()
	lost := 0
	m.Fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != "PUT" || lost > 0 {
			return false
		}
		lost++
		m.Do(httptest.NewRecorder(), r)
		w.WriteHeader(http.StatusBadGateway)
		return true
	}
	in := item("a", "x")
	in.New = true
	put(t, b, in)
	in = item("a", "x")
	in.New = true
	if _, err := tryPut(b, in); !errors.Is(err, ErrExists) || lost != 1 {
		t.Errorf("put again: %v, %d answers lost", err, lost)
	}
}

// A gateway that hung may do a put when the picture has long been put by another one, and
// deleted.
func TestBucketKeepsAwayAPutThatComesLate(t *testing.T) {
	c, m := newClock(), newInMemory(t)
	b := m.open(t, c, "n1")
	defer b.Close()
	var late *http.Request
	m.Fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != "PUT" || late != nil {
			return false
		}
		body, _ := io.ReadAll(r.Body)
		late = r.Clone(context.Background())
		late.Body = io.NopCloser(bytes.NewReader(body))
		w.WriteHeader(http.StatusGatewayTimeout)
		return true
	}
	in := item("a", "x")
	in.New = true
	put(t, b, in)
	if err := move(b, rename{"a", "delete-a", c.Now()}); err != nil {
		t.Fatal(err)
	}
	m.Do(httptest.NewRecorder(), late)
	absent(t, b, "a")
	if objs, err := b.List("", "", "", 10); err != nil || len(objs) != 1 || objs[0].Name != "delete-a" {
		t.Errorf("List = %v, %v, want delete-a alone", objs, err)
	}
	c.add(lateTime + time.Second)
	if n, err := b.Sweep(time.Time{}); err != nil || n != (Stats{}) {
		t.Errorf("Sweep = %+v, %v", n, err)
	}
	if got := m.objects(t); !slices.Equal(got, []string{"delete-a"}) {
		t.Errorf("S3 has %q", got)
	}
	in = item("a", "y")
	in.New = true
	put(t, b, in)
}

func TestBucketIsOpenedAsItWasSetUp(t *testing.T) {
	c, m := newClock(), newInMemory(t)
	m.open(t, c, "n1").Close()
	opt := BucketOptions{Options: Options{Now: c.Now}, Endpoints: m.endpoints, AccessKey: "a", SecretKey: "b", Bucket: "tintype", Tier: "pictures", Node: "n2", Prefix: "p"}
	for name, test := range map[string]struct {
		change func(*BucketOptions)
		want   error
	}{
		"another prefix":          {func(o *BucketOptions) { o.Prefix = "q" }, nil},
		"buckets where there are": {func(o *BucketOptions) { o.Buckets, o.Bucket = 3, "many" }, nil},
		"as before":               {func(o *BucketOptions) {}, nil},
		"no such S3":              {func(o *BucketOptions) { o.AccessKey = "" }, ErrRefused},
	} {
		o := opt
		test.change(&o)
		b, err := OpenBucket(o)
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
		if err == nil {
			b.Close()
		}
	}
	m.Change("tintype/p/_layout", func([]byte) []byte { return []byte(`{"format":1,"buckets":4}`) })
	if _, err := OpenBucket(opt); !errors.Is(err, ErrLayout) {
		t.Errorf("set up for 4 buckets: %v", err)
	}
	m.NoConditions = true
	opt.Prefix = "new"
	if _, err := OpenBucket(opt); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "If-None-Match") {
		t.Errorf("an S3 without conditions: %v", err)
	}
	for _, prefix := range []string{"/p", "p/", "a//b", "..", "ä", strings.Repeat("p", maxPrefix+1)} {
		opt.Prefix = prefix
		if _, err := OpenBucket(opt); err == nil || errors.Is(err, ErrRefused) {
			t.Errorf("prefix %q: %v", prefix, err)
		}
	}
}

// A list goes over buckets, answers of S3 and what has expired, in order.
func TestBucketListsOverBuckets(t *testing.T) {
	c := newClock()
	b := openBucket(t, c, func(opt *BucketOptions) {
		_, endpoint := s3test.New(t)
		opt.Endpoints, opt.Buckets = []string{endpoint}, 4
	})
	defer b.Close()
	var all []string
	for i := range 300 {
		in := item(fmt.Sprintf("c%d/%d/%d", i%10, i%3, i), "x")
		if i%7 == 0 {
			in.Expires = c.Now().Add(time.Second)
		} else {
			all = append(all, in.Name)
		}
		put(t, b, in)
	}
	c.add(time.Second)
	slices.Sort(all)
	for _, limit := range []int{7, 60, 1000} {
		var got []string
		for from := ""; ; from = got[len(got)-1] + "\x00" {
			objs, err := b.List("", from, "", limit)
			if err != nil {
				t.Fatal(err)
			}
			if len(objs) == 0 {
				break
			}
			for _, o := range objs {
				got = append(got, o.Name)
			}
		}
		if !slices.Equal(got, all) {
			t.Errorf("%d at a time: %d names, want %d: %q", limit, len(got), len(all), got)
		}
	}
	objs, err := b.List("", "", "/", 100)
	if err != nil || len(objs) != 10 || objs[9].Name != "c9/" {
		t.Errorf("containers: %v, %v", objs, err)
	}
}

// Attributes of more than S3 keeps beside bytes lie behind them.
func TestBucketKeepsLongAttributes(t *testing.T) {
	c, m := newClock(), newInMemory(t)
	b := m.open(t, c, "n1")
	defer b.Close()
	check := func(what, name, body string, want map[string]string) {
		t.Helper()
		o, err := b.Stat(name)
		o2, blob, err2 := b.Open(name)
		if err != nil || err2 != nil {
			t.Fatalf("%s: %v, %v", what, err, err2)
		}
		defer blob.Close()
		if !maps.Equal(o.Attributes, want) || !same(o, o2) {
			t.Errorf("%s: attributes %v and %v", what, o.Attributes, o2.Attributes)
		}
		if got := read(t, b, name); got != body {
			t.Errorf("%s: read %d bytes", what, len(got))
		}
	}
	long := map[string]string{"a": strings.Repeat("v", 5000), "b": "ä"}
	for _, body := range []string{"", "x", strings.Repeat("0123456789abcdef", MaxWhole/16+1)} {
		in := item("a", body)
		in.Attributes = long
		put(t, b, in)
		check("put", "a", body, long)
		move(b, rename{"a", "b", c.Now()})
		check("moved", "b", body, long)
		longer := map[string]string{"a": strings.Repeat("w", 7000)}
		if err := edit(b, "b", func(o *Object) { o.Attributes = longer }); err != nil {
			t.Fatal(err)
		}
		check("edited", "b", body, longer)
		short := map[string]string{"s": "1"}
		edit(b, "b", func(o *Object) { o.Attributes = short })
		check("short", "b", body, short)
		edit(b, "b", func(o *Object) { o.Attributes = long })
		check("long again", "b", body, long)
		del(b, "b")
	}
}

// Two servers see each other's pictures, counts and deletions, the last after RememberFor
// where they remember.
func TestBucketsOfTwoServers(t *testing.T) {
	c, m := newClock(), newInMemory(t)
	one, two := m.open(t, c, "n1"), m.open(t, c, "n2")
	short := item("short", "12")
	short.Expires = c.Now().Add(time.Hour)
	put(t, one, item("a", "x"), short)
	put(t, two, item("b", "y"))
	if read(t, two, "a") != "x" || read(t, one, "b") != "y" {
		t.Error("bytes differ")
	}
	before := one.Version("a")
	if one.Version("a") != before {
		t.Error("the version goes on by itself")
	}
	if err := del(two, "a"); err != nil {
		t.Fatal(err)
	}
	absent(t, one, "a")
	c.add(RememberFor)
	if one.Version("a") == before {
		t.Errorf("after %v the version is the same", RememberFor)
	}
	c.add(time.Hour)
	if n, err := two.Sweep(time.Time{}); err != nil || n.Objects != 1 {
		t.Errorf("Sweep = %+v, %v", n, err)
	}
	for _, b := range []*Bucket{one, two} {
		b.tally.flush(b, 0)
	}
	c.add(2 * tallyEvery)
	for _, b := range []*Bucket{one, two} {
		if objects, bytes, err := b.Usage("app"); err != nil || objects != 1 || bytes != 1 {
			t.Errorf("Usage = %d, %d, %v", objects, bytes, err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	again := m.open(t, c, "n1")
	defer again.Close()
	if s, err := again.Stats(); err != nil || s.Objects != 1 {
		t.Errorf("after a restart: %+v, %v", s, err)
	}
}

// Variants are there before their original, and what was refused leaves none of them.
func TestBucketPutsTheOriginalLast(t *testing.T) {
	c, m := newClock(), newInMemory(t)
	b := m.open(t, c, "n1")
	defer b.Close()
	var mu sync.Mutex
	var puts []string
	m.Fault = func(_ http.ResponseWriter, r *http.Request) bool {
		if key, ok := strings.CutPrefix(r.URL.Path, "/tintype/p/pictures/o/"); ok && r.Method == "PUT" {
			name, _ := parseKey(key)
			mu.Lock()
			puts = append(puts, name)
			mu.Unlock()
		}
		return false
	}
	upload := func(body string) error {
		full, small := item("c/f/a_full", body), item("c/f/a_1024", "small")
		small.Original = Sum([]byte(body))
		full.New, small.New = true, true
		_, err := tryPut(b, full, small)
		return err
	}
	if err := upload("x"); err != nil || fmt.Sprint(puts) != "[c/f/a_1024 c/f/a_full]" {
		t.Errorf("%v, in the order %v", err, puts)
	}
	del(b, "c/f/a_1024")
	if err := upload("y"); !errors.Is(err, ErrExists) {
		t.Errorf("over an original: %v", err)
	}
	if got := m.objects(t); !slices.Equal(got, []string{"c/f/a_full"}) || read(t, b, "c/f/a_full") != "x" {
		t.Errorf("S3 has %q", got)
	}
}

// A deletion that S3's delete has failed is done by the next one.
func TestBucketMoveIsRepeated(t *testing.T) {
	c, m := newClock(), newInMemory(t)
	b := m.open(t, c, "n1")
	defer b.Close()
	put(t, b, item("a", "x"))
	m.Fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == "DELETE" {
			w.WriteHeader(http.StatusForbidden)
		}
		return r.Method == "DELETE"
	}
	if err := move(b, rename{"a", "delete-a", c.Now()}); !errors.Is(err, ErrRefused) {
		t.Errorf("Move: %v", err)
	}
	if read(t, b, "a") != "x" {
		t.Error("it is gone though that was not acknowledged")
	}
	m.Fault = nil
	if err := move(b, rename{"a", "delete-a", c.Now()}); err != nil {
		t.Error(err)
	}
	absent(t, b, "a")
	if read(t, b, "delete-a") != "x" {
		t.Error("it is not in the trash")
	}
}

// Variants whose server was stopped before it put the original are collected.
func TestBucketCollectsVariantsWithoutAnOriginal(t *testing.T) {
	c, m := newClock(), newInMemory(t)
	b := m.open(t, c, "n1")
	defer b.Close()
	variant := func(name string) Item {
		in := item(name, "small")
		in.Original = Sum([]byte("full"))
		return in
	}
	put(t, b, variant("c/1/a_1024"), variant("c/2/a_1024"), item("c/2/a_full", "full"), item("top", "x"))
	if _, n, err := b.Collect(time.Time{}, noProgress); err != nil || n != 0 {
		t.Errorf("at once: %d, %v", n, err)
	}
	c.add(inFlight)
	if _, n, err := b.Collect(time.Time{}, noProgress); err != nil || n != 1 {
		t.Errorf("an hour later: %d, %v", n, err)
	}
	if got := m.objects(t); !slices.Equal(got, []string{"c/2/a_1024", "c/2/a_full", "top"}) {
		t.Errorf("S3 has %q", got)
	}
}

// A large blob is read to its end over answers that break off, and damage is told of.
func TestBucketReadsLargeBlobs(t *testing.T) {
	c, m := newClock(), newInMemory(t)
	b := m.open(t, c, "n1")
	defer b.Close()
	body := strings.Repeat("0123456789abcdef", MaxWhole/16) + "the end"
	put(t, b, item("large", body), item("small", "12345"))
	gets := 0
	m.Fault = func(w http.ResponseWriter, r *http.Request) bool {
		if gets++; r.Method != "GET" || gets > 3 {
			return false
		}
		rec := httptest.NewRecorder()
		m.Do(rec, r)
		maps.Copy(w.Header(), rec.Header())
		w.WriteHeader(rec.Code)
		w.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
		panic(http.ErrAbortHandler)
	}
	if got := read(t, b, "large"); got != body || gets != 4 {
		t.Errorf("read %d bytes of %d in %d answers", len(got), len(body), gets)
	}
	m.Fault = nil
	_, blob, err := b.Open("large")
	if err != nil {
		t.Fatal(err)
	}
	blob.Seek(-7, io.SeekEnd)
	if end, err := io.ReadAll(blob); string(end) != "the end" || err != nil {
		t.Errorf("its end is %q, %v", end, err)
	}
	blob.Close()
	for _, name := range []string{"large", "small"} {
		m.Change("tintype/p/pictures/o/"+keyOf(name), func(data []byte) []byte { data[1] ^= 1; return data })
		_, blob, err := b.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(blob); !errors.Is(err, ErrDamaged) || len(got) == len(body) {
			t.Errorf("%s, damaged: %d bytes, %v", name, len(got), err)
		}
		blob.Close()
		m.Change("tintype/p/pictures/o/"+keyOf(name), func(data []byte) []byte { return data[:len(data)-1] })
		if _, blob, err = b.Open(name); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(blob); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s, cut off: %v", name, err)
		}
		blob.Close()
	}
	if s, err := b.Scrub(false, noProgress); err != nil || len(s.Damaged) != 2 || s.Objects != 2 || !s.Bad() {
		t.Errorf("Scrub = %+v, %v", s, err)
	}
}

func FuzzDue(f *testing.F) {
	b := &Bucket{opt: BucketOptions{Tier: "p", Buckets: 1, Bucket: "b"}}
	f.Add("2026031408/0000/c/a-")
	f.Fuzz(func(t *testing.T, text string) {
		at, name, err := parseDue(text)
		if err == nil && b.atDue(keyDue, at, name).key != b.key(keyDue)+text {
			t.Errorf("%q is %v, %q", text, at, name)
		}
	})
}

func FuzzKept(f *testing.F) {
	m, _ := kept{Object: Object{Name: "a", Size: 3, Created: time.Unix(1, 0)}, put: "1"}.meta()
	f.Add("a", m.user[metaRow], "3")
	f.Fuzz(func(t *testing.T, name, row, tail string) {
		if k, err := parseKept(name, meta{user: map[string]string{metaRow: row, metaTail: tail}}); err != nil && !reflect.DeepEqual(k, kept{}) {
			t.Errorf("%+v beside %v", k, err)
		}
	})
}
