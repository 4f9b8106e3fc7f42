package store

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"tintype/store/redistest"
)

// openRedis opens a tier over servers that are emptied, and over a rest of its own.
func openRedis(t *testing.T, servers redistest.Servers, c *clock) *Redis {
	t.Helper()
	servers.Flush(t)
	r, err := OpenRedis(RedisOptions{
		Options: Options{Now: c.Now}, Addresses: servers.Addresses(), Temp: t.TempDir(),
	}, openBucket(t, c, func(opt *BucketOptions) { opt.Tier = "cache" }))
	if err != nil {
		t.Fatalf("OpenRedis: %v", err)
	}
	return r
}

func TestRedis(t *testing.T) {
	for name, start := range map[string]func(testing.TB, ...string) redistest.Servers{
		"alone": redistest.Single, "cluster": redistest.Cluster,
	} {
		t.Run(name, func(t *testing.T) {
			servers := start(t)
			t.Run("without an expiry", func(t *testing.T) {
				testStore(t, promises{maxName: longestName, guessed: true}, func(t *testing.T, c *clock) Store { return openRedis(t, servers, c) })
			})
			t.Run("with one", func(t *testing.T) {
				testStore(t, promises{maxName: MaxName, guessed: true}, func(t *testing.T, c *clock) Store {
					return expiring{openRedis(t, servers, c), c}
				})
			})
			for name, test := range redisTests {
				t.Run(name, func(t *testing.T) {
					c := newClock()
					r := openRedis(t, servers, c)
					test(t, r, c)
					if err := r.Close(); err != nil {
						t.Errorf("Close: %v", err)
					}
				})
			}
		})
	}
}

// expiring gives an expiry to what has none.
type expiring struct {
	*Redis
	c *clock
}

func (e expiring) Apply(ch Change) ([]Object, error) {
	for i := range ch.Put {
		if o := &ch.Put[i].Object; o.Expires.IsZero() {
			o.Expires = e.c.Now().Add(24 * time.Hour)
		}
	}
	return e.Redis.Apply(ch)
}

// shortLived is an item for Redis.
func shortLived(c *clock, name, body string) Item {
	in := item(name, body)
	in.Expires = c.Now().Add(time.Hour)
	return in
}

// is compares where a name is, and what it has: "redis", "rest", or "" for nowhere.
func (r *Redis) is(t *testing.T, name, where, body string) {
	t.Helper()
	_, redisErr := r.front(name)
	_, restErr := r.rest.Stat(name)
	if (redisErr == nil) != (where == "redis") || (restErr == nil) != (where == "rest") {
		t.Errorf("%s: in Redis %v, in rest %v, want it in %q", name, redisErr, restErr, where)
	}
	if where == "" {
		absent(t, r, name)
	} else if got := read(t, r, name); got != body {
		t.Errorf("%s = %.20q, want %.20q", name, got, body)
	}
}

// redisTests are what a Redis promises beyond a Store.
var redisTests = map[string]func(*testing.T, *Redis, *clock){
	"a name is in Redis or in rest": func(t *testing.T, r *Redis, c *clock) {
		put(t, r, shortLived(c, "a", "1"), item("b", "2"))
		r.is(t, "a", "redis", "1")
		r.is(t, "b", "rest", "2")
		put(t, r, item("a", "3"), shortLived(c, "b", "4"))
		r.is(t, "a", "rest", "3")
		r.is(t, "b", "redis", "4")
		big := strings.Repeat("x", MaxWhole+1)
		put(t, r, shortLived(c, "b", big), shortLived(c, "c", big[1:]))
		r.is(t, "b", "rest", big)
		r.is(t, "c", "redis", big[1:])
		if err := del(r, "a", "b", "c"); err != nil {
			t.Error(err)
		}
		for _, name := range []string{"a", "b", "c"} {
			r.is(t, name, "", "")
		}
	},
	"bytes in memory, in buffers and in files come whole to either": func(t *testing.T, r *Redis, c *clock) {
		for _, size := range []int{0, 1, smallBody, smallBody + 1, maxInMemory, maxInMemory + 2, MaxWhole, MaxWhole + 1} {
			body := bytes.Repeat([]byte("0123456789abcdefg"), size/17+1)[:size]
			for kind, reader := range map[string]io.Reader{"memory": bytes.NewReader(body), "stream": iotest.HalfReader(bytes.NewReader(body))} {
				in, forever := shortLived(c, kind, ""), item("forever "+kind, "")
				in.Body = reader
				put(t, r, in)
				if from, ok := reader.(*bytes.Reader); ok {
					from.Seek(0, io.SeekStart)
				} else {
					reader = iotest.HalfReader(bytes.NewReader(body))
				}
				forever.Body = reader
				put(t, r, forever)
				if read(t, r, in.Name) != string(body) || read(t, r, forever.Name) != string(body) {
					t.Errorf("%d bytes from a %s are others", size, kind)
				}
			}
		}
	},
	"an edit moves what must not be in Redis any more": func(t *testing.T, r *Redis, c *clock) {
		in := shortLived(c, "a", "1")
		in.ID = "id"
		put(t, r, in, item("b", "2"))
		err1 := edit(r, "a", func(o *Object) { o.Expires = time.Time{} })
		err2 := edit(r, "b", func(o *Object) { o.Expires = c.Now().Add(time.Hour) })
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		r.is(t, "a", "rest", "1")
		r.is(t, "b", "rest", "2")
		if o, err := r.Find("id"); err != nil || o.Name != "a" {
			t.Errorf("Find = %+v, %v", o, err)
		}
	},
	"names change places within and between the two": func(t *testing.T, r *Redis, c *clock) {
		put(t, r, shortLived(c, "a", "a"), shortLived(c, "b", "b"), item("c", "c"), item("d", "d"))
		swap := func(a, b string) {
			t.Helper()
			if err := move(r, rename{From: a, To: "free"}, rename{From: b, To: a}, rename{From: "free", To: b}); err != nil {
				t.Errorf("swap %s and %s: %v", a, b, err)
			}
		}
		swap("a", "b")
		r.is(t, "a", "redis", "b")
		swap("c", "d")
		r.is(t, "c", "rest", "d")
		swap("b", "d")
		r.is(t, "b", "rest", "c")
		r.is(t, "d", "redis", "a")
		if err := move(r, rename{From: "b", To: "d"}); err != nil {
			t.Error(err)
		}
		r.is(t, "b", "", "")
		r.is(t, "d", "rest", "c")
		if err := move(r, rename{From: "a", To: "d"}, rename{From: "c", To: "e"}); err != nil {
			t.Error(err)
		}
		r.is(t, "d", "redis", "b")
		r.is(t, "e", "rest", "d")
		r.is(t, "free", "", "")
	},
	"a list has both": func(t *testing.T, r *Redis, c *clock) {
		for i, name := range []string{"[*/1", "[*/2", "[*/3/x", "[*/3/y", "[*/4", "[x/5", "[*/5\\?"} {
			if i%2 == 0 {
				put(t, r, shortLived(c, name, name))
			} else {
				put(t, r, item(name, name))
			}
		}
		for limit, want := range map[int]string{0: "", 2: "[*/1 [*/2", 3: "[*/1 [*/2 [*/3/", 9: "[*/1 [*/2 [*/3/ [*/4 [*/5\\?"} {
			objs, err := r.List("[*/", "", "/", limit)
			if got := strings.Join(names(objs), " "); err != nil || got != want {
				t.Errorf("%d of them: %s, %v, want %s", limit, got, err, want)
			}
		}
	},
	"what was expired when it was put is nowhere": func(t *testing.T, r *Redis, c *clock) {
		late := item("a", "x")
		late.Expires, late.ID = c.Now(), "id"
		put(t, r, late)
		r.is(t, "a", "", "")
		put(t, r, shortLived(c, "a", "1"), item("b", "2"))
		late.Body = strings.NewReader("x")
		other := item("b", "x")
		other.Expires = c.Now().Add(-time.Hour)
		put(t, r, late, other)
		r.is(t, "a", "", "")
		r.is(t, "b", "", "")
		if _, err := r.Find("id"); !errors.Is(err, ErrNotFound) {
			t.Errorf("Find: %v", err)
		}
	},
	"both keys go by themselves when it expires": func(t *testing.T, r *Redis, c *clock) {
		in := item("a", "x")
		in.ID, in.Expires = "id", c.Now().Add(time.Minute)
		put(t, r, in)
		for _, key := range []string{objectPrefix + "a", idPrefix + "id"} {
			ms, err := r.client.Do(t.Context(), r.client.B().Pttl().Key(key).Build()).AsInt64()
			if err != nil || ms <= 0 || ms > 60_000 {
				t.Errorf("%s expires in %d ms, %v", key, ms, err)
			}
		}
		c.add(time.Minute) // which Redis does not know of
		absent(t, r, "a")
		if _, err := r.Find("id"); !errors.Is(err, ErrNotFound) {
			t.Errorf("Find: %v", err)
		}
	},
	"an ID goes with its object, and to who had it last": func(t *testing.T, r *Redis, c *clock) {
		in := shortLived(c, "a", "1")
		in.ID = "id"
		put(t, r, in)
		other := item("b", "2")
		other.ID = "id"
		put(t, r, other)
		if o, err := r.Find("id"); err != nil || o.Name != "b" {
			t.Errorf("Find = %q, %v, want b", o.Name, err)
		}
		in.Body = strings.NewReader("3")
		put(t, r, in)
		if o, err := r.Find("id"); err != nil || o.Name != "a" {
			t.Errorf("Find = %q, %v, want a", o.Name, err)
		}
		if err := edit(r, "a", func(o *Object) { o.ID = "another" }); err != nil {
			t.Error(err)
		}
		if o, err := r.Find("another"); err != nil || o.Name != "a" {
			t.Errorf("Find = %q, %v, want a", o.Name, err)
		}
		if err := del(r, "a"); err != nil {
			t.Error(err)
		}
		if _, err := r.read(idPrefix+"another", 1); !errors.Is(err, ErrNotFound) {
			t.Errorf("the key of its ID: %v", err)
		}
	},
	"what is damaged, or a stranger's, is never served": func(t *testing.T, r *Redis, c *clock) {
		long := shortLived(c, "long", "x")
		long.Attributes = map[string]string{"k": strings.Repeat("v", maxAttributes-10)}
		put(t, r, shortLived(c, "bytes", "0123"), shortLived(c, "row", "0123"), shortLived(c, "moved", "0123"), shortLived(c, "fine", "0123"), long)
		spoil := func(name string, change func([]byte) []byte) {
			b, err := r.read(objectPrefix+name, maxValue)
			if err == nil || name == "stranger" {
				err = r.set(t.Context(), objectPrefix+name, change(bytes.Clone(b)), time.Hour, false)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		spoil("bytes", func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
		spoil("row", func(b []byte) []byte { b[valueHeader+5] ^= 1; return b })
		spoil("moved", func([]byte) []byte { return must(r.read(objectPrefix+"fine", maxValue)) })
		spoil("stranger", func([]byte) []byte { return []byte("hello") })
		for i, name := range []string{"bytes", "row", "moved", "stranger"} {
			if _, _, err := r.Open(name); !errors.Is(err, ErrDamaged) {
				t.Errorf("Open(%q): %v, want ErrDamaged", name, err)
			}
			if blobs, _ := r.Damage(); blobs != int64(i+1) {
				t.Errorf("%d damaged, want %d", blobs, i+1)
			}
		}
		if objs, err := r.List("", "", "", 9); err != nil || strings.Join(names(objs), " ") != "bytes fine long" {
			t.Errorf("List = %v, %v", names(objs), err)
		}
		if err := edit(r, "row", func(*Object) {}); !errors.Is(err, ErrDamaged) {
			t.Errorf("Edit: %v", err)
		}
		in := shortLived(c, "row", "new")
		in.New = true
		if _, err := tryPut(r, in); !errors.Is(err, ErrDamaged) {
			t.Errorf("Put: %v", err)
		}
		put(t, r, shortLived(c, "row", "new"))
		r.is(t, "row", "redis", "new")
		if err := del(r, "stranger", "moved"); err != nil {
			t.Error(err)
		}
		absent(t, r, "stranger")
		if o, err := r.Stat("long"); err != nil || !maps.Equal(o.Attributes, long.Attributes) {
			t.Errorf("Stat of a long row: %v", err)
		}
	},
	"a version goes on with each change, and by itself": func(t *testing.T, r *Redis, c *clock) {
		var seen []uint64
		for _, change := range []func(){
			func() {}, func() { put(t, r, shortLived(c, "a", "1")) }, func() { put(t, r, item("a", "2")) },
			func() { edit(r, "a", func(*Object) {}) }, func() { move(r, rename{From: "a", To: "b"}) },
			func() { move(r, rename{From: "b", To: "a"}) }, func() { del(r, "a") }, func() { c.add(RememberFor) },
		} {
			change()
			v := r.Version("a")
			if slices.Contains(seen, v) || v != r.Version("a") {
				t.Errorf("version %d came after %d", v, seen)
			}
			seen = append(seen, v)
		}
	},
	"what takes a name is later than what had it": func(t *testing.T, r *Redis, c *clock) {
		var last time.Time
		for i, in := range []Item{shortLived(c, "a", "1"), shortLived(c, "a", "2"), item("a", "3"), item("a", "4"), shortLived(c, "a", "5")} {
			o := put(t, r, in)[0]
			if got, err := r.Stat("a"); err != nil || !same(got, o) || !o.LastModified().After(last) {
				t.Errorf("%d: %v came after %v, and Stat = %+v, %v", i, o.LastModified(), last, got, err)
			}
			last = o.LastModified()
		}
	},
	"changes of one name come one after the other": func(t *testing.T, r *Redis, c *clock) {
		const workers, rounds = 8, 10
		put(t, r, shortLived(c, "a", "x"))
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for i := range rounds {
					wider := []Edit{{"a", func(o *Object) error { o.Width++; return nil }}}
					ch := Change{Edit: wider}
					if i%2 == 0 { // and such as nobody knows of before they are decided
						ch = Change{Decide: func(_ View, ch *Change) error { ch.Edit = wider; return nil }}
					}
					if _, err := r.Apply(ch); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if o, err := r.Stat("a"); err != nil || o.Width != 3+workers*rounds {
			t.Errorf("%d changes, %v, want %d", o.Width-3, err, workers*rounds)
		}
	},
	"of many who put a new name one does": func(t *testing.T, r *Redis, c *clock) {
		var wg sync.WaitGroup
		var done, refused atomic.Int32
		for i := range 8 {
			wg.Go(func() {
				// each is another server, as far as Redis knows
				other := &Redis{opt: r.opt, client: r.client, rest: r.rest, arrivals: r.arrivals, versions: versions{seed: maphash.MakeSeed()}}
				for j := range 10 {
					in := shortLived(c, fmt.Sprint(j), fmt.Sprint(i))
					in.New = true
					switch _, err := tryPut(other, in); {
					case err == nil:
						done.Add(1)
					case errors.Is(err, ErrExists):
						refused.Add(1)
					default:
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if done.Load() != 10 || refused.Load() != 70 {
			t.Errorf("%d puts were done and %d refused", done.Load(), refused.Load())
		}
	},
	"what there is is guessed once a minute": func(t *testing.T, r *Redis, c *clock) {
		for i := range 60 {
			in := shortLived(c, fmt.Sprint(i), strings.Repeat("x", 1000))
			in.ID = fmt.Sprint(i)
			put(t, r, in)
		}
		put(t, r, item("rest", "x"))
		s, err := r.Stats()
		if err != nil || s.Objects != 61 || s.ObjectBytes < 55_000 || s.ObjectBytes > 66_000 {
			t.Errorf("Stats = %+v, %v", s, err)
		}
		for i := range 60 {
			del(r, fmt.Sprint(i))
		}
		if s, _ := r.Stats(); s.Objects != 61 {
			t.Errorf("Stats = %+v before its time", s)
		}
		c.add(estimateEvery)
		if s, _ := r.Stats(); s.Objects != 1 {
			t.Errorf("Stats = %+v", s)
		}
	},
}
