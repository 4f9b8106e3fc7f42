package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"
)

// owned is an item of another owner.
func owned(owner, name, body string) Item {
	it := item(name, body)
	it.Owner = owner
	return it
}

// putOwned stores something for some owners, a part of it in the journal alone.
func putOwned(t *testing.T, d *Disk) map[string]usage {
	put(t, d, owned("a", "1", "12345"), owned("a", "2", "1"), owned("b", "3", "12345"), owned("gone", "4", "x"))
	settle(t, d)
	put(t, d, owned("a", "5", "5"), owned("c", "6", strings.Repeat("6", maxInline+1)), owned("d", "3", "123"))
	if err := del(d, "2", "4"); err != nil {
		t.Fatal(err)
	}
	return map[string]usage{"a": {2, 6}, "c": {1, maxInline + 1}, "d": {1, 3}}
}

func counted(t *testing.T, at string, d *Disk, want map[string]usage) {
	t.Helper()
	if _, got, err := d.counters(); err != nil || !maps.Equal(got, want) {
		t.Errorf("%s: %+v, %v, want %+v", at, got, err, want)
	}
	for _, owner := range []string{"a", "b", "c", "d", "gone", "nobody", ""} {
		if objects, bytes, err := d.Usage(owner); err != nil || want[owner] != (usage{objects, bytes}) {
			t.Errorf("%s: Usage(%q) = %d, %d, %v, want %+v", at, owner, objects, bytes, err, want[owner])
		}
	}
}

func TestUsageIsMadeAnew(t *testing.T) {
	for name, opt := range map[string]Options{"durable": {}, "relaxed": {Relaxed: true}} {
		t.Run(name, func(t *testing.T) {
			dir, c := t.TempDir(), newClock()
			d := openTest(t, dir, c, opt)
			want := putOwned(t, d)
			counted(t, "stored", d, want)
			crash(d)
			if _, err := Rebuild(dir); err != nil {
				t.Fatal(err)
			}
			d = openTest(t, dir, c, opt)
			defer d.Close()
			counted(t, "rebuilt", d, want)
			if s := scrub(t, d, true); s.Bad() {
				t.Errorf("%+v", s)
			}
		})
	}
}

// An index from before is counted when it is opened, whatever is in the journal, and
// with whichever call of the start the power goes off.
func TestAnIndexOfFormat3IsCounted(t *testing.T) {
	for _, opt := range []Options{{}, {Relaxed: true}} {
		for n, more := 0, true; more; n++ {
			at := fmt.Sprintf("relaxed: %v, call %d", opt.Relaxed, n)
			opt.Now, opt.Log = newClock().Now, quietLog
			r := rand.New(rand.NewPCG(uint64(n), 9))
			m := newMachine(r)
			m.base.step = 1
			d := must(m.start(opt))
			m.base.age(d)
			want := putOwned(t, d)
			m.files.one = false
			must(0, m.files.SyncAll()) // of a relaxed one too
			if _, _, err := d.Usage("a"); !errors.Is(err, d.uncounted) {
				t.Fatalf("%s: an uncounted one says %v", at, err)
			}
			m.cut()
			crash(d)
			m = m.kill()
			if n > 0 {
				m.cutAfter(n, n%2 == 0)
				if d, err := m.start(opt); err == nil {
					crash(d)
				}
				more = m.isOff()
				m = m.crash(r)
			}
			d = must(m.start(opt))
			counted(t, at, d, want)
			put(t, d, owned("b", "7", "7"))
			want["b"] = usage{1, 1}
			counted(t, at+", gone on with", d, want)
			settle(t, d)
			for _, text := range inspect(d) {
				t.Errorf("%s: %s", at, text)
			}
			if value, err := (modelRows{m.base.snapshot()}).get(tableMeta, keyFormat); err != nil || value[0] != format {
				t.Errorf("%s: format %d, %v", at, value, err)
			}
			m.cut()
			crash(d)
		}
	}
}

// What cannot be counted is not told, and keeps nobody from anything else.
func TestAnIndexThatCannotBeCounted(t *testing.T) {
	for name, fault := range map[string]func(*machine){
		"full disk": func(m *machine) {
			m.failing(func(call string, _ int) error {
				if call == "commit" {
					return syscall.ENOSPC
				}
				return nil
			})
		},
		"damaged row": func(m *machine) { m.base.set([]row{{table: tableNames, key: "broken", value: []byte{tagSize}}}) },
	} {
		t.Run(name, func(t *testing.T) {
			opt := Options{Now: newClock().Now, Log: quietLog}
			m := newMachine(rand.New(rand.NewPCG(1, 9)))
			d := must(m.start(opt))
			m.base.age(d)
			want := putOwned(t, d)
			must(0, d.Close())
			m = m.kill()
			fault(m)
			d = must(m.start(opt))
			m.failing(nil)
			for range 2 {
				if objects, bytes, err := d.Usage("a"); err == nil || !errors.Is(err, ErrDamaged) && !isFull(err) {
					t.Errorf("Usage = %d, %d, %v", objects, bytes, err)
				}
				put(t, d, owned("b", "7", "7"))
				if read(t, d, "1") != "12345" {
					t.Error("1 has other bytes")
				}
				settle(t, d)
			}
			must(0, d.Close())
			m = m.kill()
			m.base.set([]row{{table: tableNames, key: "broken"}})
			d = must(m.start(opt))
			defer d.Close()
			want["b"] = usage{1, 1}
			counted(t, "the next start", d, want)
		})
	}
}

func TestScrubComparesUsage(t *testing.T) {
	d := openTest(t, t.TempDir(), newClock(), Options{})
	defer d.Close()
	putOwned(t, d)
	if s := scrub(t, d, false); s.Counts {
		t.Error("right ones are wrong")
	}
	for name, r := range map[string]row{
		"a wrong one": {key: "a", value: usage{2, 7}.pack()},
		"a missing":   {key: "c"},
		"one more":    {key: "nobody", value: usage{1, 0}.pack()},
	} {
		tell := func(value []byte) {
			must(0, d.base.commit([]row{{table: tableMeta, key: keyOwner + r.key, value: value}}, func(func(row) error) error { return nil }))
		}
		var was []byte
		if objects, bytes, err := d.Usage(r.key); err != nil {
			t.Fatal(err)
		} else if objects > 0 {
			was = usage{objects, bytes}.pack()
		}
		tell(r.value)
		if s := scrub(t, d, false); !s.Counts || !s.Bad() {
			t.Errorf("%s is not noticed", name)
		}
		tell(was)
	}
	if s := scrub(t, d, false); s.Counts {
		t.Error("right ones are wrong at the end")
	}
}

// A name whose blob is not counted stays, and what is told of the others is right.
func TestASweepPassesOverAWrongCount(t *testing.T) {
	c := newClock()
	d := openTest(t, t.TempDir(), c, Options{Log: quietLog})
	defer d.Close()
	short := item("short", "12345")
	short.Expires = c.Now().Add(time.Second)
	other := owned("a", "other", "123")
	other.Expires = short.Expires
	o := put(t, d, short, other)[0]
	settle(t, d)
	must(0, d.base.commit([]row{{table: tableBlobs, key: string(o.Digest[:])}}, func(func(row) error) error { return nil }))
	if err := del(d, "short"); !errors.Is(err, ErrDamaged) {
		t.Errorf("delete: %v", err)
	}
	c.add(time.Minute)
	if n, err := d.Sweep(time.Time{}); err != nil || n.Objects != 1 {
		t.Errorf("Sweep = %+v, %v", n, err)
	}
	if s, err := d.Stats(); err != nil || s.Objects != 1 || s.ObjectBytes != 5 {
		t.Errorf("Stats = %+v, %v", s, err)
	}
	if _, owners, err := d.counters(); err != nil || !maps.Equal(owners, map[string]usage{"app": {1, 5}}) {
		t.Errorf("usage %+v, %v", owners, err)
	}
}

func TestUsageThatIsNone(t *testing.T) {
	for _, value := range [][]byte{nil, {1}, {0, 0}, {0, 5}, {1, 2, 3}, binary.AppendUvarint([]byte{1}, 1<<63), binary.AppendUvarint(nil, 1<<63)} {
		if u, err := parseUsage("x", value); !errors.Is(err, ErrDamaged) || u != (usage{}) {
			t.Errorf("%x: %+v, %v", value, u, err)
		}
	}
}

func FuzzUsage(f *testing.F) {
	f.Add(usage{1, 2}.pack())
	f.Add([]byte{1, 2, 3})
	f.Add(binary.AppendUvarint([]byte{1}, 1<<63))
	f.Fuzz(func(t *testing.T, value []byte) {
		u, err := parseUsage("x", value)
		if err != nil && (u != usage{} || !errors.Is(err, ErrDamaged)) || err == nil && (u.objects <= 0 || u.bytes < 0) {
			t.Errorf("%+v, %v", u, err)
		}
		if again, err2 := parseUsage("x", u.pack()); err == nil && (err2 != nil || again != u) {
			t.Errorf("%+v becomes %+v, %v", u, again, err2)
		}
	})
}
