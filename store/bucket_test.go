package store

import (
	"bytes"
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
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tintype/store/s3test"
)

var bucketPrefixes atomic.Int64

// openBucket opens a tier of its own in an S3 in memory or, where TINTYPE_S3 has endpoints,
// a comma between them, in the bucket tintype of that one, with the keys of AWS_ACCESS_KEY_ID and
// AWS_SECRET_ACCESS_KEY.
func openBucket(t testing.TB, c *clock, change func(*BucketOptions)) *Bucket {
	t.Helper()
	opt := BucketOptions{
		Options: Options{Now: c.Now}, AccessKey: "test", SecretKey: "testtest", Bucket: "tintype", Tier: "pictures", Node: "n1", Temp: t.TempDir(),
		Prefix: fmt.Sprintf("test/%d-%d", time.Now().UnixNano(), bucketPrefixes.Add(1)),
	}
	if real := os.Getenv("TINTYPE_S3"); real != "" {
		opt.Endpoints = strings.Split(real, ",")
		opt.AccessKey, opt.SecretKey = os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
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
const longestName = maxPutKey - maxPutKey/(longSegment+1)

// inMemory is an S3 in memory with two endpoints, and what opens a tier in it.
type inMemory struct {
	*s3test.Server
	endpoints []string
	attempt   time.Duration // 0: attemptTime
}

func newInMemory(t *testing.T) *inMemory {
	s, one := s3test.New(t)
	return &inMemory{Server: s, endpoints: []string{one, s.Endpoint(t)}}
}

// open opens the tier for the server called node.
func (m *inMemory) open(t *testing.T, c *clock, node string) *Bucket {
	t.Helper()
	return openBucket(t, c, func(opt *BucketOptions) {
		opt.Endpoints, opt.Node, opt.Prefix, opt.Log = m.endpoints, node, "p", slog.New(slog.DiscardHandler)
		opt.attempt = m.attempt
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
	m.Calls()
	put(t, b, in)
	if calls := m.Calls(); calls["PUT"] != 1 || calls["COPY"] > 0 {
		t.Errorf("calls: %v", calls)
	}
	in = item("a", "x")
	in.New = true
	if _, err := tryPut(b, in); !errors.Is(err, ErrExists) || lost != 1 {
		t.Errorf("put again: %v, %d answers lost", err, lost)
	}
}

// A gateway that hung may do a put when the picture has long been put by another one, and
// deleted.
func TestBucketKeepsAwayAPutThatComesLate(t *testing.T) {
	putAgain := func(b *Bucket) error {
		in := item("a", "again")
		in.New = true
		_, err := tryPut(b, in)
		return err
	}
	trash := func(b *Bucket) error { return move(b, rename{"a", "delete-a", b.opt.Now()}) }
	drop := func(b *Bucket) error { return del(b, "a") }
	const doneBefore, overAnother = "done by a try before", "over another"
	for name, test := range map[string]struct {
		isNew bool
		then  []func(*Bucket) error
		left  []string
	}{
		"moved":                {true, []func(*Bucket) error{trash}, []string{"delete-a"}},
		doneBefore:             {true, []func(*Bucket) error{drop}, nil},
		overAnother:            {false, []func(*Bucket) error{drop}, nil},
		"deleted":              {true, []func(*Bucket) error{drop}, nil},
		"put as may be":        {false, []func(*Bucket) error{drop}, nil},
		"put again":            {true, []func(*Bucket) error{drop, putAgain, drop}, nil},
		"replaced":             {true, []func(*Bucket) error{func(b *Bucket) error { _, err := tryPut(b, item("a", "y")); return err }, drop}, nil},
		"restored and deleted": {true, []func(*Bucket) error{trash, func(b *Bucket) error { return move(b, rename{"delete-a", "a", time.Time{}}) }, drop}, nil},
		"with more attributes": {true, []func(*Bucket) error{func(b *Bucket) error {
			return edit(b, "a", func(o *Object) { o.Attributes = map[string]string{"k": strings.Repeat("v", 5000)} })
		}, drop}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c, m := newClock(), newInMemory(t)
			b := m.open(t, c, "n1")
			defer b.Close()
			if name == overAnother {
				put(t, b, item("a", "older"))
			}
			var before, late *http.Request
			m.Fault = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method != "PUT" || late != nil {
					return false
				}
				body, _ := io.ReadAll(r.Body)
				if w.WriteHeader(http.StatusGatewayTimeout); name == doneBefore && before == nil {
					before = again(r, body)
					return true
				}
				if late = again(r, body); before != nil {
					m.Do(httptest.NewRecorder(), before)
				}
				return true
			}
			in := item("a", "x")
			in.New = test.isNew
			put(t, b, in)
			for _, change := range test.then {
				if err := change(b); err != nil {
					t.Fatal(err)
				}
			}
			m.Do(httptest.NewRecorder(), late)
			absent(t, b, "a")
			if objs, err := b.List("", "", "", 10); err != nil || len(objs) != len(test.left) {
				t.Errorf("List = %v, %v, want %q", objs, err, test.left)
			}
			c.add(lateTime + time.Second)
			if n, err := b.Sweep(time.Time{}); err != nil || n != (Stats{}) {
				t.Errorf("Sweep = %+v, %v", n, err)
			}
			if got := m.objects(t); !slices.Equal(got, test.left) {
				t.Errorf("S3 has %q", got)
			}
			if err := putAgain(b); err != nil {
				t.Error(err)
			}
		})
	}
}

// What is in the way of a put that comes late stays as long as that may be, and what has no
// doubts any more is just deleted.
func TestBucketKeepsAwayForAsLongAsItMustBe(t *testing.T) {
	c, m := newClock(), newInMemory(t)
	b := m.open(t, c, "n1")
	defer b.Close()
	doubtful := func(name string) {
		t.Helper()
		failed := false
		m.Fault = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != "PUT" || failed || !strings.HasSuffix(r.URL.Path, "/o/"+keyOf(name)) {
				return false
			}
			failed = true
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		in := item(name, "x")
		in.Expires = c.Now().Add(time.Hour)
		put(t, b, in)
	}
	doubtful("old")
	c.add(lateTime)
	del(b, "old")
	if got := m.objects(t); len(got) > 0 {
		t.Errorf("S3 has %q of what was put long ago", got)
	}
	doubtful("a")
	edit(b, "a", func(o *Object) { o.Expires = c.Now().Add(time.Minute) })
	del(b, "a")
	c.add(2 * time.Minute)
	for _, wait := range []time.Duration{0, lateTime} {
		c.add(wait)
		if n, err := b.Sweep(time.Time{}); err != nil || n != (Stats{}) {
			t.Errorf("Sweep = %+v, %v", n, err)
		}
		if got := m.objects(t); len(got) == 1 != (wait == 0) {
			t.Errorf("after %v more, S3 has %q", wait, got)
		}
	}
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
		if got := namesIn(t, b, "", limit); !slices.Equal(got, all) {
			t.Errorf("%d at a time: %d names, want %d: %q", limit, len(got), len(all), got)
		}
	}
	objs, err := b.List("", "", "/", 100)
	if err != nil || len(objs) != 10 || objs[9].Name != "c9/" {
		t.Errorf("containers: %v, %v", objs, err)
	}
}

// Keys of others, and answers of S3 with no keys that are not the last, end no list.
func TestBucketListsBesideKeysOfOthers(t *testing.T) {
	c, m := newClock(), newInMemory(t)
	b := m.open(t, c, "n1")
	defer b.Close()
	var items []Item
	for i := range 100 {
		items = append(items, item(fmt.Sprintf("n%03d", i), "x"))
	}
	put(t, b, items...)
	base := "tintype/p/pictures/o/"
	m.Change(base+keyOf("n048")+"x", bytes.Clone) // the last of 50
	for i := range 60 {
		m.Change(fmt.Sprint(base, "n070.", i), bytes.Clone)
	}
	if objs, err := b.List("", "", "", 50); err != nil || len(objs) != 50 {
		t.Errorf("%d objects, %v", len(objs), err)
	}
	if objs, err := b.List("n0", "n050", "", 1000); err != nil || len(objs) != 50 {
		t.Errorf("%d objects, %v", len(objs), err)
	}
	if objs, err := b.List("n", "n070\x00", "", 10); err != nil || len(objs) != 10 || objs[0].Name != "n071" {
		t.Errorf("%d objects, %v", len(objs), err)
	}
	empty := 0
	m.Fault = func(w http.ResponseWriter, r *http.Request) bool {
		if !r.URL.Query().Has("list-type") || empty > 0 {
			return false
		}
		empty++
		fmt.Fprint(w, "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken></ListBucketResult>")
		return true
	}
	if objs, err := b.List("", "", "", 1000); err != nil || len(objs) != 100 || empty != 1 {
		t.Errorf("%d objects, %v", len(objs), err)
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

// Between the look that tells that there are long attributes and the one that reads them they
// may change, and answers may break off.
func TestBucketReadsLongAttributesThatChange(t *testing.T) {
	c, m := newClock(), newInMemory(t)
	b := m.open(t, c, "n1")
	defer b.Close()
	with := func(n int) map[string]string { return map[string]string{"a": strings.Repeat("v", n)} }
	for name, test := range map[string]struct {
		change func(*Object) // between the two looks
		want   int
	}{
		"longer":  {func(o *Object) { o.Attributes = with(9000) }, 9000},
		"shorter": {func(o *Object) { o.Attributes = with(3000) }, 3000},
		"none":    {func(o *Object) { o.Attributes = nil }, 0},
		"broken":  {nil, 5000},
	} {
		in := item("a", "some bytes")
		in.Attributes = with(5000)
		put(t, b, in)
		var once atomic.Bool
		m.Fault = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != "GET" || r.Header.Get("Range") == "" || once.Swap(true) {
				return false
			}
			if test.change != nil {
				if err := edit(b, "a", test.change); err != nil {
					t.Error(err)
				}
				return false
			}
			cut(m, w, r)
			return true
		}
		if o, err := b.Stat("a"); err != nil || len(o.Attributes["a"]) != test.want || b.damage.Load() != 0 {
			t.Errorf("%s: attributes of %d bytes, %v", name, len(o.Attributes["a"]), err)
		}
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

// What is refused leaves nothing where something had expired either.
func TestBucketRefusesAllOfAPut(t *testing.T) {
	c, m := newClock(), newInMemory(t)
	b := m.open(t, c, "n1")
	defer b.Close()
	old := item("a", "12345")
	old.ID, old.Expires = "1", c.Now().Add(time.Second)
	put(t, b, old, item("b", "x"))
	c.add(time.Second)
	one, two := item("a", "new"), item("b", "new")
	one.ID, one.New, two.New = "2", true, true
	if _, err := tryPut(b, one, two); !errors.Is(err, ErrExists) {
		t.Error(err)
	}
	absent(t, b, "a")
	c.add(2 * inFlight)
	b.Sweep(time.Time{})
	if s, err := b.Stats(); err != nil || s.Objects != 1 || s.ObjectBytes != 1 {
		t.Errorf("Stats = %+v, %v", s, err)
	}
	for _, key := range m.Keys() {
		if key != "tintype/p/_layout" && key != "tintype/p/pictures/o/"+keyOf("b") {
			t.Errorf("%s is left", key)
		}
	}
}

// While a change has looked at a name, or moves something there, no other one changes it.
func TestBucketHoldsWhatAChangeLooksAt(t *testing.T) {
	c, m := newClock(), newInMemory(t)
	b := m.open(t, c, "n1")
	defer b.Close()
	put(t, b, item("delete-a", "old"), item("c/full", "x"))
	for name, test := range map[string]struct {
		slow  string // the key whose PUT waits until the other change has had its time
		first func() error
		other func() error
		want  func() bool // after both, the first one first
	}{
		"a name that something moves to": {
			"a", func() error { return move(b, rename{"delete-a", "a", time.Time{}}) },
			func() error { _, err := tryPut(b, item("a", "new")); return err },
			func() bool { return read(t, b, "a") == "new" },
		},
		"the original of a variant": {
			"c/1024", func() error {
				_, err := b.Apply(Change{Put: []Item{item("c/1024", "small")}, Decide: func(now View, _ *Change) error {
					_, err := now.Stat("c/full")
					return err
				}})
				return err
			},
			func() error {
				_, err := b.Apply(Change{Decide: func(now View, ch *Change) error {
					objs, err := now.List("c/", "", "", 10)
					for _, o := range objs {
						ch.Delete = append(ch.Delete, o.Name)
					}
					return err
				}})
				return err
			},
			func() bool { objs, err := b.List("c/", "", "", 10); return err == nil && len(objs) == 0 },
		},
	} {
		reached, done := make(chan bool), make(chan error, 1)
		var slow atomic.Bool
		m.Fault = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == "PUT" && r.URL.Path == "/tintype/p/pictures/o/"+keyOf(test.slow) && !slow.Swap(true) {
				reached <- true
				time.Sleep(200 * time.Millisecond) // in which a change that did not wait would be done
			}
			return false
		}
		go func() { done <- test.first() }()
		<-reached
		if err := errors.Join(test.other(), <-done); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !test.want() {
			t.Errorf("%s: the change that began later is undone; S3 has %q", name, m.objects(t))
		}
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

// An ID leads to what has it, whatever fails, and goes with it.
func TestBucketKeepsIDs(t *testing.T) {
	c, m := newClock(), newInMemory(t)
	b := m.open(t, c, "n1")
	defer b.Close()
	with := func(name, id string) Item {
		in := item(name, "x")
		in.ID = id
		return in
	}
	find := func(what, id, want string) {
		t.Helper()
		if o, err := b.Find(id); err != nil && (want != "" || !errors.Is(err, ErrNotFound)) || o.Name != want {
			t.Errorf("%s: Find(%q) = %q, %v, want %q", what, id, o.Name, err, want)
		}
	}
	put(t, b, with("a", "1"))
	m.Fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("X-Amz-Copy-Source") != "" {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	}
	if err := move(b, rename{"a", "delete-a", c.Now()}); err == nil {
		t.Error("a copy that is refused is none")
	}
	m.Fault = nil
	find("a deletion that failed", "1", "a")
	put(t, b, with("a", "2"))
	find("replaced", "1", "")
	find("replaced", "2", "a")
	move(b, rename{"a", "delete-a", c.Now()})
	find("in the trash", "2", "")
	m.Fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == "DELETE" || r.Method == "PUT" && strings.Contains(r.URL.Path, "/i/") {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	}
	if err := move(b, rename{"delete-a", "b", time.Time{}}); !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
	m.Fault = nil
	move(b, rename{"delete-a", "b", time.Time{}})
	find("restored, at the second time", "2", "b")
	move(b, rename{"b", "delete-b", c.Now()})
	if n, err := b.Sweep(c.Now()); err != nil || n.Objects != 1 {
		t.Errorf("Sweep = %+v, %v", n, err)
	}
	for _, key := range m.Keys() {
		if strings.HasPrefix(key, "tintype/p/pictures/i/") {
			t.Errorf("an ID is left of what is gone: %s", key)
		}
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
	put(t, b, variant("c/1/a_1024"), variant("c/2/a_1024"), item("c/2/a_full", "full"), item("top", "x"),
		variant("\x00c/2/a_full\x00")) // of which blocks a blob was made
	put(t, b, variant("c/3/a_1024"), item("c/3/a_full", "full"), variant("c/4/a_1024"), item("c/4/a_full", "full"))
	move(b, rename{"c/3/a_1024", "delete-c/3/a_1024", c.Now()}, rename{"c/4/a_full", "delete-c/4/a_full", c.Now()})
	if _, n, err := b.Collect(time.Time{}, noProgress); err != nil || n != 0 {
		t.Errorf("at once: %d, %v", n, err)
	}
	c.add(inFlight)
	if _, n, err := b.Collect(time.Time{}, noProgress); err != nil || n != 1 {
		t.Errorf("an hour later: %d, %v", n, err)
	}
	if got := m.objects(t); !slices.Equal(got, []string{"\x00c/2/a_full\x00", "c/2/a_1024", "c/2/a_full", "c/3/a_full", "c/4/a_1024",
		"delete-c/3/a_1024", "delete-c/4/a_full", "top"}) {
		t.Errorf("S3 has %q", got)
	}
}

// cut gives half of S3's answer.
func cut(m *inMemory, w http.ResponseWriter, r *http.Request) {
	rec := httptest.NewRecorder()
	m.Do(rec, r)
	maps.Copy(w.Header(), rec.Header())
	w.Header().Set("Content-Length", strconv.Itoa(rec.Body.Len()))
	w.WriteHeader(rec.Code)
	w.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
	panic(http.ErrAbortHandler)
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
		cut(m, w, r)
		return true
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
}

// What is damaged is told, counted and found by Scrub, and what has been replaced is not
// taken for it.
func TestBucketFindsDamage(t *testing.T) {
	c, m := newClock(), newInMemory(t)
	b := m.open(t, c, "n1")
	defer b.Close()
	large := item("large with attributes", strings.Repeat("x", MaxWhole+1))
	large.Attributes = map[string]string{"k": strings.Repeat("v", 5000)}
	items := []Item{item("large", strings.Repeat("x", MaxWhole+1)), item("small", "12345"), large}
	put(t, b, items...)
	_, old, err := b.Open("large")
	if err != nil {
		t.Fatal(err)
	}
	put(t, b, item("large", "y"))
	old.Seek(-1, io.SeekEnd)
	if _, err := io.ReadAll(old); !errors.Is(err, ErrNotFound) || b.damage.Load() > 0 {
		t.Errorf("reading on what is replaced: %v, %d damaged", err, b.damage.Load())
	}
	old.Close()
	items[0].Body = strings.NewReader(strings.Repeat("x", MaxWhole+1))
	put(t, b, items[0])
	for _, in := range items {
		for what, change := range map[string]func([]byte) []byte{
			"damaged":          func(data []byte) []byte { data[1] ^= 1; return data },
			"cut off":          func(data []byte) []byte { return data[:len(data)-1] },
			"cut off, to none": func([]byte) []byte { return nil },
		} {
			key, before := "tintype/p/pictures/o/"+keyOf(in.Name), b.damage.Load()
			var sound []byte
			m.Change(key, func(data []byte) []byte { sound = data; return change(bytes.Clone(data)) })
			if _, _, err := slurp(b, in.Name); !errors.Is(err, ErrDamaged) || b.damage.Load() != before+1 {
				t.Errorf("%s, %s: %v, %d damaged", in.Name, what, err, b.damage.Load()-before)
			}
			if s, err := b.Scrub(false, noProgress); err != nil || len(s.Damaged) != 1 || s.Objects != 3 || !s.Bad() {
				t.Errorf("%s, %s: Scrub = %+v, %v", in.Name, what, s, err)
			}
			m.Change(key, func([]byte) []byte { return sound })
		}
	}
}

// What a decision goes by is looked at while nobody else changes it, be it found by a list.
func TestBucketDecidesAgainWhereAListIsOutOfDate(t *testing.T) {
	b := openBucket(t, newClock(), nil)
	defer b.Close()
	put(t, b, item("x1", "x"), item("x2", "x"))
	var other sync.Once
	_, err := b.Apply(Change{Decide: func(now View, ch *Change) error {
		objs, err := now.List("x", "", "", 10)
		other.Do(func() {
			if err := del(b, "x1"); err != nil {
				t.Error(err)
			}
		})
		for _, o := range objs {
			if _, err := now.Stat(o.Name); err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			ch.Delete = append(ch.Delete, o.Name)
		}
		return err
	}})
	if err != nil {
		t.Error(err)
	}
	if objs, err := b.List("", "", "", 10); err != nil || len(objs) > 0 {
		t.Errorf("List = %v, %v", objs, err)
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
	f.Add("a", m.user[metaRow], "-3")
	f.Fuzz(func(t *testing.T, name, row, tail string) {
		if k, err := parseKept(name, meta{user: map[string]string{metaRow: row, metaTail: tail}}); err != nil && !reflect.DeepEqual(k, kept{}) {
			t.Errorf("%+v beside %v", k, err)
		}
	})
}

// Another server puts while this one moves an object: no bytes get a row that is not theirs.
func TestBucketMovesNoBytesOfOthers(t *testing.T) {
	c, m := newClock(), newInMemory(t)
	one, two := m.open(t, c, "n1"), m.open(t, c, "n2")
	defer one.Close()
	defer two.Close()
	put(t, one, item("a", "old"))
	raced := false
	m.Fault = func(_ http.ResponseWriter, r *http.Request) bool {
		if !raced && r.Header.Get("X-Amz-Copy-Source") != "" {
			raced = true
			put(t, two, item("a", "new"))
		}
		return false
	}
	if err := move(one, rename{"a", "delete-a", c.Now()}); !raced || !errors.Is(err, ErrUnreachable) {
		t.Error(err)
	}
	m.Fault = nil
	if got := read(t, two, "a"); got != "new" {
		t.Errorf("there is %q", got)
	}
	if got := m.objects(t); !slices.Equal(got, []string{"a"}) {
		t.Errorf("S3 has %q", got)
	}
}

func TestBucketSpreadsLinksAndIDs(t *testing.T) {
	b := &Bucket{opt: BucketOptions{Tier: "p", Bucket: "b", Buckets: 64}}
	links, ids, uploads := make(map[int]bool), make(map[string]bool), make(map[int]bool)
	for i := range 200 {
		name := fmt.Sprintf("group1/M00/%02X/%02X/file", i, i)
		at, known := b.bucketOf(name)
		if list, also := b.bucketOf(name[:len("group1/M00/00/00/")]); list != at || !known || !also {
			t.Errorf("%s is in %d, and a list of its directory in %d", name, at, list)
		}
		links[at], ids[b.atID(fmt.Sprint(i)).bucket] = true, true
		at, _ = b.bucketOf(fmt.Sprintf("c/M00/%d/%d/file", i, i))
		uploads[at] = true
	}
	if len(links) < 50 || len(ids) < 50 || len(uploads) != 1 {
		t.Errorf("links are in %d buckets of 64, IDs in %d, one container in %d", len(links), len(ids), len(uploads))
	}
	if _, known := b.bucketOf("group1/M00/"); known {
		t.Error("a list of a group is one of a single bucket")
	}
}

// What can be put can be moved to the trash.
func TestBucketHasRoomForTheTrash(t *testing.T) {
	c, m := newClock(), newInMemory(t)
	b := m.open(t, c, "n1")
	defer b.Close()
	name := strings.Repeat("n", longestName)
	put(t, b, item(name, "x"))
	if err := move(b, rename{name, "delete-" + name + ".0123456789abc/", c.Now()}); err != nil {
		t.Error(err)
	}
}
