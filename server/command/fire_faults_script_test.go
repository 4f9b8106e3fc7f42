//go:build fire && linux

package command

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tintype/store"
)

// The test binary is the script below, on this data directory, where it is set.
const asScript = "TINTYPE_TEST_SCRIPT_DIR"

func init() {
	if dir := os.Getenv(asScript); dir != "" {
		os.Exit(runScript(dir))
	}
}

// scriptStep is one change of one tier. It is done to a store, and to a world.
type scriptStep struct {
	cache bool
	put   [][2]string // name, content
	isNew bool
	until time.Duration // 0: for ever
	trash [][2]string   // from, to
	del   []string
	sweep []string // what it takes; the clock is then beyond every until
}

const (
	scriptTwin  = "group1/M00/00/02/twin.jpg"
	scriptFull  = "1234567890-picture-1/f/f_full.jpg"
	scriptSmall = "1234567890-picture-1/f/f_1024.jpg"
)

// script is a life of a store: uploads of every kind, one expiring, the same
// bytes under two names, a name with new bytes, trash, deletes, a sweep.
var script = []scriptStep{
	{put: [][2]string{{"group1/M00/00/01/save.jpg", "saved"}}},
	{put: [][2]string{{scriptFull, "original"}, {scriptSmall, "thumbnail"}}, isNew: true},
	{put: [][2]string{{"1234567890-blobs/big", "big"}}},
	{put: [][2]string{{scriptTwin, "saved"}}},
	{put: [][2]string{{"cache1/M00/00/01/short.jpg", "short"}}, cache: true, until: time.Hour},
	{put: [][2]string{{"cache1/M00/00/01/long.jpg", "long"}}, cache: true},
	{trash: [][2]string{{scriptFull, "delete-" + scriptFull}, {scriptSmall, "delete-" + scriptSmall}}},
	{del: []string{"group1/M00/00/01/save.jpg"}},
	{put: [][2]string{{scriptTwin, "other"}}},
	{del: []string{"1234567890-blobs/big"}},
	{sweep: []string{"cache1/M00/00/01/short.jpg"}, cache: true},
	{put: [][2]string{{"group1/M00/00/03/last.jpg", "last"}}},
}

// scriptContents are the bytes that the script puts, by what it calls them.
var scriptContents = sync.OnceValue(func() map[string][]byte {
	contents := make(map[string][]byte)
	for key, size := range map[string]int{"saved": 3000, "original": 40_000, "thumbnail": 5000, "big": 600 << 10,
		"short": 8000, "long": 2000, "other": 3500, "last": 900} {
		contents[key] = make([]byte, size)
		rand.NewChaCha8(sha256.Sum256([]byte(key))).Read(contents[key])
	}
	return contents
})

// runScript prints a line for each step when it has returned: "ok N", or "no N"
// and why. Everything it does itself it does on one thread, as strace counts calls
// by thread.
func runScript(dir string) int {
	runtime.LockOSThread()
	time.AfterFunc(time.Minute, func() { panic("the script hangs") })
	var ahead atomic.Int64
	data, err := store.OpenData(dir, store.Options{Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	if err != nil {
		fmt.Println("not opened:", err)
		return 1
	}
	for i, s := range script {
		if s.sweep != nil {
			ahead.Store(int64(2 * time.Hour))
		}
		if err := s.do(data); err != nil {
			fmt.Println("no", i, err)
		} else {
			fmt.Println("ok", i)
		}
	}
	if err := data.Close(); err != nil {
		fmt.Println("not closed:", err)
		return 1
	}
	fmt.Println("closed")
	return 0
}

// tier returns the Store that a step changes.
func (s scriptStep) tier(d *store.Data) store.Store {
	if s.cache {
		return d.Cache
	}
	return d.Pictures
}

func (s scriptStep) do(d *store.Data) error {
	if s.sweep != nil {
		_, err := s.tier(d).Sweep(time.Time{})
		return err
	}
	c := store.Change{Delete: s.del}
	for _, p := range s.put {
		o := store.Object{Name: p[0], Owner: killApp, MediaType: "image/jpeg"}
		if s.until > 0 {
			o.Expires = time.Now().Add(s.until)
		}
		c.Put = append(c.Put, store.Item{Object: o, Body: bytes.NewReader(scriptContents()[p[1]]), New: s.isNew})
	}
	for _, m := range s.trash {
		c.Edit = append(c.Edit, store.Edit{Name: m[0], Do: func(o *store.Object) error {
			o.Name, o.Deleted = m[1], time.Now()
			return nil
		}})
	}
	_, err := s.tier(d).Apply(c)
	return err
}

// world is what a store may hold: contents by name.
type world map[string]string

// after returns w after s; false if a store could not have done s to it.
func (s scriptStep) after(w world) (world, bool) {
	w = maps.Clone(w)
	for _, name := range s.del {
		if w[name] == "" {
			return nil, false
		}
		delete(w, name)
	}
	for _, m := range s.trash {
		if w[m[0]] == "" {
			return nil, false
		}
		w[m[1]] = w[m[0]]
		delete(w, m[0])
	}
	for _, p := range s.put {
		if s.isNew && w[p[0]] != "" {
			return nil, false
		}
		w[p[0]] = p[1]
	}
	for _, name := range s.sweep {
		delete(w, name)
	}
	return w, true
}

// worldsAfter returns what a store may hold after the script has printed out: an
// acknowledged step is in all worlds, another one may have happened or not. What
// was refused may come after a sweep that found nothing.
func worldsAfter(worlds []world, out string) []world {
	for i, s := range script {
		acked := strings.Contains(out, fmt.Sprintf("ok %d\n", i)) && (s.sweep == nil || !strings.Contains(out, "no "))
		var next []world
		for _, w := range worlds {
			if !acked {
				next = append(next, w)
			}
			if w, can := s.after(w); can {
				next = append(next, w)
			}
		}
		worlds = slices.CompactFunc(next, maps.Equal[world, world])
	}
	return worlds
}

// scriptState opens a store without faults and returns what it holds, having
// tried that it takes and gives up a picture.
func scriptState(dir string) (w world, err error) {
	data, err := store.OpenData(dir, store.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	w = make(world)
	for _, s := range script {
		names := append(slices.Clone(s.del), s.sweep...)
		for _, p := range append(slices.Clone(s.put), s.trash...) {
			names = append(names, p[0])
		}
		for _, m := range s.trash {
			names = append(names, m[1])
		}
		for _, name := range names {
			switch key, err := scriptRead(s.tier(data), name); {
			case err == nil:
				w[name] = key
			case !errors.Is(err, store.ErrNotFound):
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	for _, s := range []scriptStep{{put: [][2]string{{"new", "last"}}}, {del: []string{"new"}}} {
		if err := s.do(data); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// scriptRead returns the key of the content that name has.
func scriptRead(s store.Store, name string) (string, error) {
	_, b, err := s.Open(name)
	if err != nil {
		return "", err
	}
	defer b.Close()
	data, err := io.ReadAll(b)
	if err != nil {
		return "", err
	}
	for key, content := range scriptContents() {
		if bytes.Equal(data, content) {
			return key, nil
		}
	}
	return "", fmt.Errorf("%d bytes that nobody put", len(data))
}

// scriptBad compares a store with what it may hold, and returns what is wrong.
func scriptBad(t *testing.T, dir string, worlds []world) error {
	got, err := scriptState(dir)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(worlds, func(w world) bool { return maps.Equal(w, got) }) {
		return fmt.Errorf("holds %v, may hold one of %v", got, worlds)
	}
	k := &killer{t: t, dir: dir}
	if n := k.leftOvers(); n > 0 {
		return fmt.Errorf("%d left-overs", n)
	}
	return nil
}
