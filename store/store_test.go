package store

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock {
	return &clock{t: time.Date(2026, 3, 14, 8, 0, 0, 0, time.UTC)}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func item(name, body string) Item {
	return Item{Object: Object{Name: name, Owner: "app", MediaType: "image/png", Width: 3, Height: 4}, Body: strings.NewReader(body)}
}

func tryPut(s Store, items ...Item) ([]Object, error) { return s.Apply(Change{Put: items}) }

func same(a, b Object) bool { return reflect.DeepEqual(a, b) }

func del(s Store, names ...string) error {
	_, err := s.Apply(Change{Delete: names})
	return err
}

// rename moves the object From to the name To.
type rename struct {
	From, To string
	Deleted  time.Time
}

func move(s Store, renames ...rename) error {
	var c Change
	for _, r := range renames {
		c.Edit = append(c.Edit, Edit{r.From, func(o *Object) error {
			o.Name, o.Deleted = r.To, r.Deleted
			return nil
		}})
	}
	_, err := s.Apply(c)
	return err
}

func put(t *testing.T, s Store, items ...Item) []Object {
	t.Helper()
	objs, err := tryPut(s, items...)
	if err != nil {
		t.Fatalf("Put: %v", err)
	}
	return objs
}

func read(t *testing.T, s Store, name string) string {
	t.Helper()
	o, r, err := s.Open(name)
	if err != nil {
		t.Fatalf("Open(%q): %v", name, err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil || int64(len(data)) != o.Size {
		t.Fatalf("read %q: %d bytes of %d, %v", name, len(data), o.Size, err)
	}
	return string(data)
}

func absent(t *testing.T, s Store, name string) {
	t.Helper()
	if _, err := s.Stat(name); !errors.Is(err, ErrNotFound) {
		t.Errorf("Stat(%q): %v, want ErrNotFound", name, err)
	}
	if _, _, err := s.Open(name); !errors.Is(err, ErrNotFound) {
		t.Errorf("Open(%q): %v, want ErrNotFound", name, err)
	}
}

// blobFiles returns the paths of all blob files below a Disk's directory.
func blobFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "blobs/*/*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// promises are those of a Store that are not the same of all.
type promises struct {
	maxName int  // bytes of the longest name of letters
	sharing bool // objects of the same bytes have one blob
	guessed bool // it tells more or less how many objects there are, and does not sweep them
}

// namesIn returns all names with a prefix, read so many at a time.
func namesIn(t *testing.T, s Store, prefix string, limit int) (names []string) {
	t.Helper()
	for from := ""; ; from = names[len(names)-1] + "\x00" {
		objs, err := s.List(prefix, from, "", limit)
		if err != nil {
			t.Fatal(err)
		}
		if len(objs) == 0 {
			return names
		}
		for _, o := range objs {
			names = append(names, o.Name)
		}
	}
}

// testStore holds the promises of Store.
func testStore(t *testing.T, p promises, open func(t *testing.T, c *clock) Store) {
	tests := map[string]func(*testing.T, Store, *clock){
		"what was put is read back with all that is known of it": func(t *testing.T, s Store, c *clock) {
			in := item("c/f/a", "bytes")
			in.ID, in.Expires = "id1", c.Now().Add(time.Hour)
			want := put(t, s, in)[0]
			got, err := s.Stat("c/f/a")
			if err != nil || !same(got, want) {
				t.Errorf("Stat = %+v, %v\nwant %+v", got, err, want)
			}
			if got.Size != 5 || got.Digest.String() != "277089d91c0bdf4f2e6862ba7e4a07605119431f5d13f726dd352b06f1b206a9" {
				t.Errorf("size %d, digest %v", got.Size, got.Digest)
			}
			if got := read(t, s, "c/f/a"); got != "bytes" {
				t.Errorf("read %q", got)
			}
			if got, err := s.Find("id1"); err != nil || !same(got, want) {
				t.Errorf("Find = %+v, %v", got, err)
			}
		},
		"an empty body and one larger than the cache takes are kept": func(t *testing.T, s Store, _ *clock) {
			big := strings.Repeat("0123456789abcdef", MaxWhole/16+1)
			put(t, s, item("empty", ""), item("big", big))
			if read(t, s, "empty") != "" || read(t, s, "big") != big {
				t.Error("bytes differ")
			}
		},
		"an unknown name or id is ErrNotFound": func(t *testing.T, s Store, _ *clock) {
			absent(t, s, "nope")
			if _, err := s.Find("nope"); !errors.Is(err, ErrNotFound) {
				t.Errorf("Find: %v", err)
			}
			if err := del(s, "nope"); !errors.Is(err, ErrNotFound) {
				t.Errorf("Delete: %v", err)
			}
			if err := move(s, rename{From: "nope", To: "x"}); !errors.Is(err, ErrNotFound) {
				t.Errorf("Move: %v", err)
			}
		},
		"a failing body stores none of the items": func(t *testing.T, s Store, _ *clock) {
			bad := item("b", "")
			bad.Body = io.MultiReader(strings.NewReader("half"), errReader{})
			if _, err := tryPut(s, item("a", "x"), bad); !errors.Is(err, errBody) {
				t.Fatalf("Put: %v, want the reader's error", err)
			}
			absent(t, s, "a")
			absent(t, s, "b")
		},
		"a new name that is taken is refused and nothing changes": func(t *testing.T, s Store, c *clock) {
			put(t, s, item("a", "old"))
			in := item("a", "new")
			in.New = true
			if _, err := tryPut(s, item("b", "other"), in); !errors.Is(err, ErrExists) {
				t.Fatalf("Put: %v, want ErrExists", err)
			}
			absent(t, s, "b")
			if got := read(t, s, "a"); got != "old" {
				t.Errorf("a = %q", got)
			}
		},
		"a new name may take the place of an expired one": func(t *testing.T, s Store, c *clock) {
			in := item("a", "old")
			in.Expires = c.Now().Add(time.Second)
			put(t, s, in)
			c.add(time.Second)
			in = item("a", "new")
			in.New = true
			put(t, s, in)
			if got := read(t, s, "a"); got != "new" {
				t.Errorf("a = %q", got)
			}
		},
		"a name put again has the new bytes": func(t *testing.T, s Store, _ *clock) {
			put(t, s, item("a", "old"))
			put(t, s, item("a", "new"))
			if got := read(t, s, "a"); got != "new" {
				t.Errorf("a = %q", got)
			}
			want := Stats{Objects: 1, ObjectBytes: 3, Blobs: 1, BlobBytes: 3}
			if got, err := s.Stats(); err != nil || got != want && !p.guessed {
				t.Errorf("Stats = %+v, %v, want %+v", got, err, want)
			}
		},
		"deleting one name keeps the bytes of another": func(t *testing.T, s Store, _ *clock) {
			put(t, s, item("a", "same"))
			put(t, s, item("b", "same"))
			if err := del(s, "a"); err != nil {
				t.Fatal(err)
			}
			absent(t, s, "a")
			if got := read(t, s, "b"); got != "same" {
				t.Errorf("b = %q", got)
			}
			if err := del(s, "b"); err != nil {
				t.Fatal(err)
			}
			if got, err := s.Stats(); err != nil || got != (Stats{}) && !p.guessed {
				t.Errorf("Stats = %+v, %v, want zeros", got, err)
			}
		},
		"two items of one call may have the same bytes": func(t *testing.T, s Store, _ *clock) {
			put(t, s, item("a", "same"), item("b", "same"))
			if err := del(s, "a"); err != nil {
				t.Fatal(err)
			}
			if got := read(t, s, "b"); got != "same" {
				t.Errorf("b = %q", got)
			}
		},
		"a delete that misses one name deletes none": func(t *testing.T, s Store, _ *clock) {
			put(t, s, item("a", "x"))
			if err := del(s, "a", "nope"); !errors.Is(err, ErrNotFound) {
				t.Errorf("Delete: %v", err)
			}
			read(t, s, "a")
		},
		"a moved object keeps everything but its name": func(t *testing.T, s Store, c *clock) {
			in := item("a", "x")
			in.ID = "id"
			want := put(t, s, in)[0]
			want.Name, want.Deleted = "delete-a", c.Now()
			if err := move(s, rename{"a", "delete-a", c.Now()}); err != nil {
				t.Fatal(err)
			}
			absent(t, s, "a")
			if got, err := s.Stat("delete-a"); err != nil || !same(got, want) {
				t.Errorf("Stat = %+v, %v\nwant %+v", got, err, want)
			}
			if _, err := s.Find("id"); !errors.Is(err, ErrNotFound) {
				t.Errorf("Find of trash: %v, want ErrNotFound", err)
			}
			if err := move(s, rename{From: "delete-a", To: "a"}); err != nil {
				t.Fatal(err)
			}
			if got, err := s.Find("id"); err != nil || got.Name != "a" || !got.Deleted.IsZero() {
				t.Errorf("Find after restore = %+v, %v", got, err)
			}
		},
		"an object moved to its own name stays": func(t *testing.T, s Store, c *clock) {
			put(t, s, item("a", "x"))
			if err := move(s, rename{From: "a", To: "a"}); err != nil {
				t.Fatal(err)
			}
			if got := read(t, s, "a"); got != "x" {
				t.Errorf("a = %q", got)
			}
		},
		"a move may take the name of another and give it on": func(t *testing.T, s Store, c *clock) {
			put(t, s, item("a", "x"), item("b", "y"))
			if err := move(s, rename{From: "a", To: "b"}, rename{From: "b", To: "a"}); err != nil {
				t.Fatal(err)
			}
			absent(t, s, "b")
			if got := read(t, s, "a"); got != "x" {
				t.Errorf("a = %q", got)
			}
			if n, err := s.Stats(); err != nil || (n.Objects != 1 || n.Blobs != 1) && !p.guessed {
				t.Errorf("Stats = %+v, %v", n, err)
			}
		},
		"a sweep of no time, or of one before all others, takes no trash": func(t *testing.T, s Store, c *clock) {
			put(t, s, item("a", "x"))
			move(s, rename{"a", "delete-a", c.Now()})
			for _, at := range []time.Time{{}, c.Now().AddDate(-100, 0, 0)} {
				if n, err := s.Sweep(at); err != nil || n != (Stats{}) {
					t.Errorf("Sweep(%v) = %+v, %v", at, n, err)
				}
			}
		},
		"an expired object is gone to the second and swept later": func(t *testing.T, s Store, c *clock) {
			in := item("a", "x")
			in.Expires = c.Now().Add(time.Minute)
			put(t, s, in, item("b", "stays"))
			c.add(time.Minute - time.Microsecond)
			read(t, s, "a")
			c.add(time.Microsecond)
			absent(t, s, "a")
			if objs, err := s.List("", "", "", 10); err != nil || len(objs) != 1 {
				t.Errorf("List = %v, %v, want b alone", objs, err)
			}
			want := Stats{Objects: 1, ObjectBytes: 1, Blobs: 1, BlobBytes: 1}
			if got, err := s.Sweep(time.Time{}); err != nil || got != want && !p.guessed {
				t.Errorf("Sweep = %+v, %v, want %+v", got, err, want)
			}
			read(t, s, "b")
		},
		"trash is swept by the time of its deletion": func(t *testing.T, s Store, c *clock) {
			if p.guessed {
				t.Skip("it is not")
			}
			put(t, s, item("a", "x"), item("b", "y"))
			move(s, rename{"a", "delete-a", c.Now()})
			move(s, rename{"b", "delete-b", c.Now().Add(time.Hour)})
			if got, err := s.Sweep(c.Now()); err != nil || got.Objects != 1 {
				t.Errorf("Sweep = %+v, %v", got, err)
			}
			absent(t, s, "delete-a")
			read(t, s, "delete-b")
		},
		"a decision may think of another name each time": func(t *testing.T, s Store, _ *clock) {
			put(t, s, item("a", "x"))
			n := 0
			_, err := s.Apply(Change{Decide: func(now View, ch *Change) error {
				if n++; n > 10 {
					return errors.New("it is decided again and again")
				}
				if _, err := now.Stat(fmt.Sprint("looked at ", n)); !errors.Is(err, ErrNotFound) {
					return err
				}
				to := fmt.Sprint("new ", n)
				ch.Edit = append(ch.Edit, Edit{"a", func(o *Object) error { o.Name = to; return nil }})
				return nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			absent(t, s, "a")
			if got := read(t, s, fmt.Sprint("new ", n)); got != "x" {
				t.Errorf("read %q", got)
			}
		},
		"a list goes by name, prefix and page": func(t *testing.T, s Store, _ *clock) {
			for _, name := range []string{"c/1", "c/2", "c/3", "d/1", "b"} {
				put(t, s, item(name, name))
			}
			if got := namesIn(t, s, "c/", 2); fmt.Sprint(got) != "[c/1 c/2 c/3]" {
				t.Errorf("listed %v", got)
			}
		},
		"a list with a delimiter folds what lies behind it": func(t *testing.T, s Store, c *clock) {
			expired := item("c/gone/1", "x")
			expired.Expires = c.Now().Add(time.Second)
			put(t, s, expired)
			c.add(time.Second)
			for _, name := range []string{"c/a", "c/b/", "c/b/1", "c/b/2/3", "c/b0", "c/d//1", "c/e", "d/1"} {
				put(t, s, item(name, name))
			}
			for _, test := range []struct{ prefix, from, delimiter, want string }{
				{"c/", "", "/", "c/a c/b/ c/b0 c/d/ c/e"},
				{"c/", "c/b/", "/", "c/b/ c/b0 c/d/ c/e"},
				{"c/", "c/b0", "/", "c/b0 c/d/ c/e"},
				{"c/b/", "", "/", "c/b/ c/b/1 c/b/2/"},
				{"c/b", "", "/", "c/b/ c/b0"},
				{"c/d/", "", "/", "c/d//"},
				{"c/", "", "//", "c/a c/b/ c/b/1 c/b/2/3 c/b0 c/d// c/e"},
				{"c/", "c/d", "", "c/d//1 c/e"},
				{"x", "", "/", ""},
			} {
				objs, err := s.List(test.prefix, test.from, test.delimiter, 100)
				var names []string
				for _, o := range objs {
					names = append(names, o.Name)
				}
				if got := strings.Join(names, " "); err != nil || got != test.want {
					t.Errorf("%+v: %q, %v", test, got, err)
				}
			}
			if objs, err := s.List("c/", "", "/", 2); err != nil || len(objs) != 2 || !same(objs[1], Object{Name: "c/b/"}) {
				t.Errorf("two of them: %+v, %v", objs, err)
			}
		},
		"an edit changes what is told of an object": func(t *testing.T, s Store, c *clock) {
			in := item("a", "x")
			in.Attributes = map[string]string{"kept": "1", "gone": "2"}
			was := put(t, s, in, item("b", "x"))[0]
			c.add(time.Second)
			var want Object
			_, err := s.Apply(Change{Edit: []Edit{{"a", func(o *Object) error {
				o.Attributes["new"], o.Modified, o.MediaType = "3", c.Now(), "text/plain"
				delete(o.Attributes, "gone")
				o.Digest, o.Size = Digest{}, 7 // these are not its to change
				want = *o
				return nil
			}}}})
			want.Digest, want.Size = was.Digest, was.Size
			got, err2 := s.Stat("a")
			if errors.Join(err, err2) != nil || !same(got, want) || !got.LastModified().Equal(c.Now()) || !was.LastModified().Equal(was.Created) {
				t.Errorf("%+v, %v, %v\nwant %+v", got, err, err2, want)
			}
			refused := errors.New("refused")
			_, err = s.Apply(Change{Edit: []Edit{{"b", func(o *Object) error { o.Owner = "x"; return nil }}, {"a", func(*Object) error { return refused }}}})
			if b, _ := s.Stat("b"); !errors.Is(err, refused) || b.Owner != "app" {
				t.Errorf("%v, owner %q", err, b.Owner)
			}
		},
		"a decision sees what is true, and adds to the change or refuses it": func(t *testing.T, s Store, c *clock) {
			put(t, s, item("a", "x"), item("a-old", "y"))
			refused := errors.New("refused")
			change := Change{Put: []Item{item("a", "new")}, Decide: func(now View, ch *Change) error {
				if _, err := now.Stat("a"); err != nil {
					return err
				}
				objs, err := now.List("a-", "", "", 10)
				for _, o := range objs {
					ch.Delete = append(ch.Delete, o.Name)
				}
				if len(objs) == 0 {
					return refused
				}
				return err
			}}
			if _, err := s.Apply(change); err != nil || read(t, s, "a") != "new" {
				t.Errorf("Apply: %v", err)
			}
			absent(t, s, "a-old")
			change.Put = []Item{item("a", "newer")}
			if _, err := s.Apply(change); !errors.Is(err, refused) || read(t, s, "a") != "new" {
				t.Errorf("Apply: %v", err)
			}
		},
		"an inspection adds to what is stored or refuses it": func(t *testing.T, s Store, c *clock) {
			in := item("a", "0123456789")
			in.Inspect = func(o *Object, r io.ReadSeeker) error {
				data, err := io.ReadAll(r)
				o.MD5, o.Attributes = md5.Sum(data), map[string]string{"length": fmt.Sprint(len(data))}
				return err
			}
			put(t, s, in)
			if o, _ := s.Stat("a"); o.MD5 != md5.Sum([]byte("0123456789")) || o.Attributes["length"] != "10" {
				t.Errorf("%+v", o)
			}
			refused := errors.New("refused")
			in = item("b", "x")
			in.Inspect = func(*Object, io.ReadSeeker) error { return refused }
			if _, err := tryPut(s, in); !errors.Is(err, refused) {
				t.Errorf("Put: %v", err)
			}
			absent(t, s, "b")
		},
		"usage is what each owner has, the trash and what has expired included": func(t *testing.T, s Store, c *clock) {
			if p.guessed {
				t.Skip("it is not")
			}
			is := func(what, owner string, objects, bytes int64) {
				t.Helper()
				if o, b, err := s.Usage(owner); err != nil || o != objects || b != bytes {
					t.Errorf("%s: Usage(%q) = %d, %d, %v, want %d, %d", what, owner, o, b, err, objects, bytes)
				}
			}
			other, none := item("other", "12345"), item("none", "123")
			other.Owner, none.Owner = "other", ""
			short := item("short", "1234567")
			short.Expires = c.Now().Add(time.Minute)
			is("nothing", "app", 0, 0)
			put(t, s, item("a", "12345"), item("b", "12345"), item("empty", ""), other, none, short)
			for owner, want := range map[string][2]int64{"app": {4, 17}, "other": {1, 5}, "": {1, 3}, "ap": {}, "nobody": {}} {
				is("put", owner, want[0], want[1])
			}
			put(t, s, item("a", "1"), item("other", "12345"))
			is("replaced", "app", 5, 18)
			is("replaced by another's", "other", 0, 0)
			if err := edit(s, "b", func(o *Object) { o.Owner = "other" }); err != nil {
				t.Fatal(err)
			}
			is("edited", "app", 4, 13)
			is("edited", "other", 1, 5)
			move(s, rename{"b", "a", time.Time{}}, rename{"other", "trash/other", c.Now()})
			is("moved over it, and into the trash", "app", 3, 12)
			is("moved", "other", 1, 5)
			c.add(time.Hour)
			is("expired", "app", 3, 12)
			s.Sweep(time.Time{})
			is("swept", "app", 2, 5)
			_, err := s.Apply(Change{Put: []Item{item("c", "1")}, Delete: []string{"empty"}, Decide: func(now View, _ *Change) error {
				if o, b, err := now.Usage("app"); err != nil || o != 2 || b != 5 {
					t.Errorf("Decide sees %d, %d, %v", o, b, err)
				}
				return errBody
			}})
			if !errors.Is(err, errBody) {
				t.Error(err)
			}
			is("refused", "app", 2, 5)
			s.Sweep(c.Now())
			is("the trash swept", "app", 1, 0)
			if err := del(s, "a", "empty", "none"); err != nil {
				t.Fatal(err)
			}
			for _, owner := range []string{"app", "other", ""} {
				is("deleted", owner, 0, 0)
			}
		},
		"a name or attributes of no possible length are ErrField": func(t *testing.T, s Store, _ *clock) {
			long := item("a", "x")
			long.Attributes = map[string]string{"k": strings.Repeat("v", maxAttributes)}
			if _, err := tryPut(s, long); !errors.Is(err, ErrField) {
				t.Errorf("attributes: %v", err)
			}
			for _, name := range []string{"", strings.Repeat("n", p.maxName+1)} {
				if _, err := tryPut(s, item(name, "x")); !errors.Is(err, ErrField) {
					t.Errorf("name of %d bytes: %v", len(name), err)
				}
			}
			put(t, s, item(strings.Repeat("n", p.maxName), "x"))
		},
		"uploads, deletes and sweeps of the same bytes do not harm each other": func(t *testing.T, s Store, c *clock) {
			testContention(t, p, s, c)
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			s := open(t, c)
			defer func() {
				if err := s.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}()
			test(t, s, c)
		})
	}
}

// testContention puts, reads and deletes few contents under many names at once.
// Each worker knows its own names and must find them as it left them.
func testContention(t *testing.T, p promises, s Store, c *clock) {
	const workers, rounds, contents = 8, 30, 4
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range rounds {
				name, body := fmt.Sprintf("w%d/%d", w, i), fmt.Sprintf("content %d", (w+i)%contents)
				in := item(name, body)
				if i%3 == 0 {
					in.Expires = c.Now() // at once: food for Sweep
				}
				if _, err := tryPut(s, in); err != nil {
					t.Errorf("Put: %v", err)
					return
				}
				if i%3 == 0 {
					if _, err := s.Sweep(time.Time{}); err != nil {
						t.Errorf("Sweep: %v", err)
					}
					continue
				}
				if got := read(t, s, name); got != body {
					t.Errorf("%s = %q, want %q", name, got, body)
				}
				if i%3 == 1 {
					if err := del(s, name); err != nil {
						t.Errorf("Delete: %v", err)
					}
				}
			}
		})
	}
	wg.Wait()
	got, err := s.Stats()
	objects, blobs := int64(workers*rounds/3), int64(contents)
	if !p.sharing {
		blobs = objects
	}
	if err != nil || (got.Objects != objects || got.Blobs != blobs) && !p.guessed {
		t.Errorf("Stats = %+v, %v, want %d objects of %d blobs", got, err, objects, blobs)
	}
}

var errBody = errors.New("body broke off")

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errBody }

func TestDisk(t *testing.T) {
	for name, opt := range map[string]Options{"durable": {}, "relaxed": {Relaxed: true}} {
		t.Run(name, func(t *testing.T) {
			testStore(t, promises{maxName: MaxName, sharing: true}, func(t *testing.T, c *clock) Store { return openTest(t, t.TempDir(), c, opt) })
		})
	}
}

func openTest(t *testing.T, dir string, c *clock, opt Options) *Disk {
	t.Helper()
	opt.Now = c.Now
	d, err := OpenDisk(dir, opt)
	if err != nil {
		t.Fatalf("OpenDisk: %v", err)
	}
	return d
}

func TestDiskKeepsEverythingOverARestart(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	d := openTest(t, dir, c, Options{})
	want := put(t, d, item("a", "x"), item("b", "y"))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = openTest(t, dir, c, Options{})
	defer d.Close()
	got, err := d.List("", "", "", 10)
	if err != nil || len(got) != 2 || !same(got[0], want[0]) || !same(got[1], want[1]) {
		t.Errorf("List = %+v, %v\nwant %+v", got, err, want)
	}
}

func TestASecondServerIsRefused(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	d := openTest(t, dir, c, Options{})
	defer d.Close()
	if _, err := OpenDisk(dir, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("second open: %v, want ErrLocked", err)
	}
	if _, err := Rebuild(dir); !errors.Is(err, ErrLocked) {
		t.Errorf("rebuild of an open store: %v, want ErrLocked", err)
	}
}

// crash leaves a Disk as a kill would: nothing is closed cleanly.
func crash(d *Disk) {
	d.closing.Lock()
	defer d.closing.Unlock()
	close(d.stop)
	<-d.ended
	d.release()
}

// settle brings everything to its place.
func settle(t *testing.T, d *Disk) {
	t.Helper()
	if err := d.Flush(); err != nil {
		t.Fatalf("Flush: %v", err)
	}
}

func TestLeftOversOfAKillAreSwept(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	d := openTest(t, dir, c, Options{})
	put(t, d, item("a", "named"), item("big", strings.Repeat("named", maxInline)))
	if _, err := d.stage(&Object{Name: "c"}, Item{Body: strings.NewReader(strings.Repeat("never named", maxInline))}); err != nil {
		t.Fatal(err)
	}
	crash(d)

	d = openTest(t, dir, c, Options{})
	defer d.Close()
	if files := blobFiles(t, dir); len(files) != 2 {
		t.Errorf("blob files after recovery: %v, want those of a and big", files)
	}
	for _, sub := range []string{"tmp", "journal"} {
		if left, _ := os.ReadDir(filepath.Join(dir, sub)); len(left) != 0 {
			t.Errorf("%d files in %s after recovery", len(left), sub)
		}
	}
	if got := read(t, d, "a"); got != "named" || read(t, d, "big") != strings.Repeat("named", maxInline) {
		t.Errorf("a = %q", got)
	}
}

func TestALeftOverBlobIsReplacedNotTrusted(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	d := openTest(t, dir, c, Options{})
	defer d.Close()
	for i, body := range []string{"bytes", strings.Repeat("bytes", maxInline)} {
		o := put(t, d, item("a", body))[0]
		settle(t, d)
		if err := del(d, "a"); err != nil {
			t.Fatal(err)
		}
		settle(t, d)
		if err := os.WriteFile(d.blobs.path(o.Digest, o.Size), []byte("torn"), 0o600); err != nil {
			t.Fatal(err)
		}
		put(t, d, item("b", body))
		for range 2 {
			if got := read(t, d, "b"); got != body {
				t.Errorf("%d: b = %.10q", i, got)
			}
			settle(t, d)
		}
	}
}

func TestDamagedBytesAreNeverServed(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	d := openTest(t, dir, c, Options{})
	defer d.Close()
	big := strings.Repeat("x", MaxWhole+1)
	put(t, d, item("flipped", "0123456789"), item("short", "abcdefghij"), item("gone", "klm"), item("big", big))
	settle(t, d)
	for _, path := range blobFiles(t, dir) {
		data, _ := os.ReadFile(path)
		switch {
		case bytes.HasPrefix(data, []byte("012")):
			data[4] ^= 1
			os.WriteFile(path, data, 0o600)
		case bytes.HasPrefix(data, []byte("abc")):
			os.Truncate(path, 4)
		case bytes.HasPrefix(data, []byte("xxx")):
			data[0] ^= 1
			os.WriteFile(path, data, 0o600)
		default:
			os.Remove(path)
		}
	}
	if _, _, err := d.Open("gone"); !errors.Is(err, ErrDamaged) {
		t.Errorf("Open: %v, want ErrDamaged", err)
	}
	for _, name := range []string{"flipped", "short", "big"} {
		o, b, err := d.Open(name)
		if err != nil {
			t.Fatalf("Open(%q): %v", name, err)
		}
		if data, err := b.Whole(); data != nil || !errors.Is(err, ErrDamaged) && o.Size <= MaxWhole {
			t.Errorf("Whole of %q: %q, %v", name, data, err)
		}
		for range 2 {
			if data, err := io.ReadAll(b); !errors.Is(err, ErrDamaged) || int64(len(data)) >= o.Size {
				t.Errorf("read %q: %d bytes, %v", name, len(data), err)
			}
			b.Seek(0, io.SeekStart)
		}
		b.Close()
	}
}

func TestAFailedSyncEndsAllChanges(t *testing.T) {
	d := openTest(t, t.TempDir(), newClock(), Options{})
	put(t, d, item("a", "x"))
	d.fail(&syncError{errors.New("input/output error")})
	if _, err := tryPut(d, item("b", "y")); !errors.Is(err, ErrReadOnly) {
		t.Errorf("Put: %v, want ErrReadOnly", err)
	}
	if err := del(d, "a"); !errors.Is(err, ErrReadOnly) {
		t.Errorf("Delete: %v, want ErrReadOnly", err)
	}
	if err := d.Ready(); !errors.Is(err, ErrReadOnly) {
		t.Errorf("Ready: %v, want ErrReadOnly", err)
	}
	if got := read(t, d, "a"); got != "x" {
		t.Errorf("a = %q", got)
	}
	d.Close()
}

func TestANewerFormatIsRefused(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	d := openTest(t, dir, c, Options{})
	err := d.base.commit(nil, func(put func(row) error) error {
		return put(row{table: tableMeta, key: keyFormat, value: []byte{format + 1}})
	})
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
	if _, err := OpenDisk(dir, Options{}); err == nil || !strings.Contains(err.Error(), fmt.Sprint("has format ", format+1)) {
		t.Errorf("OpenDisk: %v, want the format named", err)
	}
}
