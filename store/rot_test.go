package store

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// How TestRottenIndex damages an index.
var damages = []struct {
	name string
	do   func(r *rand.Rand, b []byte) []byte
}{
	{"bit", func(r *rand.Rand, b []byte) []byte {
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		return b
	}},
	{"header bit", func(r *rand.Rand, b []byte) []byte { // of a page that is a page, where most harm is
		b[r.IntN(len(b)/rotPage)*rotPage+r.IntN(64)] ^= 1 << r.IntN(8)
		return b
	}},
	{"zeroed page", func(r *rand.Rand, b []byte) []byte {
		clear(pageOf(r, b))
		return b
	}},
	{"swapped pages", func(r *rand.Rand, b []byte) []byte {
		one, other := pageOf(r, b), pageOf(r, b)
		was := append([]byte{}, one...)
		copy(one, other)
		copy(other, was)
		return b
	}},
	{"cut off", func(r *rand.Rand, b []byte) []byte { return b[:r.IntN(len(b))] }},
}

const rotPage = 4 << 10

func pageOf(r *rand.Rand, b []byte) []byte {
	return b[r.IntN(len(b)/rotPage)*rotPage:][:rotPage]
}

// TestRottenIndex damages the index of a store in TINTYPE_ROT_INDEX rounds of each
// kind, and asks it for everything: an answer is right or ErrDamaged, and Rebuild
// brings all of it back. Rounds run in a process of their own, since damage might end
// it.
func TestRottenIndex(t *testing.T) {
	if dir := os.Getenv("TINTYPE_ROT_DIR"); dir != "" {
		rot(t, dir, number("TINTYPE_ROT_FROM", 0))
		return
	}
	dir, c := t.TempDir(), newClock()
	d := openTest(t, dir, c, Options{Relaxed: true})
	for i := range 60 {
		var ch Change
		for k := range 50 {
			it := item(fmt.Sprintf("container %d/folder/%d", i%7, i*50+k), fmt.Sprint("body ", i*k))
			it.ID, it.Attributes = fmt.Sprint("id ", i*50+k), map[string]string{"k": strings.Repeat("v", k)}
			ch.Put = append(ch.Put, it)
		}
		if _, err := d.Apply(ch); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	rounds, found, deaths := number("TINTYPE_ROT_INDEX", 4)*len(damages), make(map[string]int), 0
	for next := 0; next < rounds; next++ {
		next = rotFrom(t, dir, next, rounds, found)
		if next < rounds {
			deaths++
		}
	}
	t.Logf("%d rounds: %v, %d deaths", rounds, found, deaths)
	if deaths > 0 || found["wrong"] > 0 {
		t.Errorf("%d deaths, %d rounds with wrong answers", deaths, found["wrong"])
	}
}

// rotFrom has another process do rounds, counts what they found, and returns the one
// that ended it.
func rotFrom(t *testing.T, dir string, from, to int, found map[string]int) (next int) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestRottenIndex$")
	cmd.Env = append(os.Environ(), "TINTYPE_ROT_DIR="+dir, fmt.Sprint("TINTYPE_ROT_FROM=", from), fmt.Sprint("TINTYPE_ROT_TO=", to))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	next = from
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "round "); ok {
			var n int
			var kind string
			fmt.Sscanf(text, "%d %s", &n, &kind)
			next, found[kind] = n+1, found[kind]+1
			if kind == "wrong" || kind == "lost" {
				t.Log(text)
			}
		}
	}
	if err := cmd.Wait(); err != nil && next < to {
		t.Errorf("round %d (%s) ended the process: %v\n%.2000s", next, damages[next%len(damages)].name, err, stderr.String())
	}
	return next
}

// rot does rounds and prints a line for each.
func rot(t *testing.T, dir string, from int) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	path := filepath.Join(dir, indexName)
	sound, err := os.ReadFile(filepath.Join(dir, "sound"))
	if errors.Is(err, os.ErrNotExist) {
		if sound, err = os.ReadFile(path); err == nil {
			err = os.WriteFile(filepath.Join(dir, "sound"), sound, 0o600)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	replace := func(data []byte) {
		os.Remove(path) // and with it a lock of the last round
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	replace(sound)
	c := newClock()
	d := openTest(t, dir, c, Options{})
	want := everything(t, d)
	d.Close()
	each := 1 // Rebuild takes longer than all the rest
	if os.Getenv("TINTYPE_ROT_INDEX") == "" {
		each = 8
	}
	for i := from; i < number("TINTYPE_ROT_TO", 0); i++ {
		watch := time.AfterFunc(20*time.Second, func() { panic(fmt.Sprintf("round %d does not end", i)) })
		r, damage := rand.New(rand.NewPCG(uint64(i), 6)), damages[i%len(damages)]
		rotten := damage.do(r, append([]byte{}, sound...))
		replace(rotten)
		kind, what := interrogate(dir, c, want)
		fmt.Printf("round %d %s (%s from byte %d on) %.300s\n", i, kind, damage.name, firstDifference(rotten, sound), what)
		watch.Stop()
		if i%each != 0 {
			continue
		}
		replace(rotten)
		if _, err := Rebuild(dir); err != nil {
			fmt.Printf("round %d wrong (%s): Rebuild: %v\n", i, damage.name, err)
		} else if kind, what := interrogate(dir, c, want); kind != "right" {
			fmt.Printf("round %d wrong (%s): after Rebuild: %.300s\n", i, damage.name, what)
		}
	}
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// interrogate asks a store for everything and says how bad the worst answer was:
// "right", "damaged" for an ErrDamaged, "lost" for something that is there and was said
// not to be, "wrong" for all else.
func interrogate(dir string, c *clock, want map[string]Object) (kind, what string) {
	kinds := []string{"right", "damaged", "lost", "wrong"}
	worst := 0
	note := func(err error, ok bool, format string, args ...any) bool {
		is := 0
		switch {
		case err == nil && !ok:
			is = 3
		case errors.Is(err, ErrNotFound):
			is = 2
		case errors.Is(err, ErrDamaged):
			is = 1
		case err != nil:
			is = 3
		}
		if is > worst {
			worst, what = is, fmt.Sprintf(format, args...)+fmt.Sprint(": ", err)
		}
		return err == nil
	}
	d, err := OpenDisk(dir, Options{Now: c.Now})
	if !note(err, true, "OpenDisk") {
		return kinds[worst], what
	}
	defer d.Close()
	for name, o := range want {
		got, err := d.Stat(name)
		note(err, same(got, o), "Stat(%q) = %v", name, brief(got))
		got, err = d.Find(o.ID)
		note(err, same(got, o), "Find(%q) = %v", o.ID, brief(got))
		if o.Digest[0]%4 == 0 {
			got, body, err := slurp(d, name)
			note(err, same(got, o) && Sum([]byte(body)) == o.Digest, "Open(%q) = %v, %.20q", name, brief(got), body)
		}
	}
	objs, err := d.List("", "", "", 1<<20)
	if err == nil && len(objs) < len(want) {
		err = ErrNotFound
	}
	note(err, len(objs) == len(want), "List: %d of %d", len(objs), len(want))
	for _, o := range objs {
		note(nil, same(o, want[o.Name]), "List: %v", brief(o))
	}
	s, err := d.Stats()
	note(err, s.Objects == int64(len(want)), "Stats: %+v", s)
	for owner, has := range map[string]int64{"app": int64(len(want)), "nobody": 0} {
		n, bytes, err := d.Usage(owner)
		note(err, n == has && (bytes > 0) == (n > 0), "Usage(%q): %d, %d", owner, n, bytes)
	}
	return kinds[worst], what
}
