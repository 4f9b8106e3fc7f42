package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

// Bodies that find all large buffers in use go to files, and come back as they were; so do those of each size at which the way
// changes. No buffer is forgotten, whatever becomes of its body.
func TestBodiesInAndOutOfMemory(t *testing.T) {
	for _, relaxed := range []bool{false, true} {
		d := openTest(t, t.TempDir(), newClock(), Options{Relaxed: relaxed})
		defer d.Close()
		for _, full := range []bool{false, true} {
			if full {
				for len(d.large) < maxLarge {
					d.large <- struct{}{}
				}
			}
			for _, size := range []int{0, 1, smallBody - 1, smallBody, smallBody + 1, maxInline, maxInline + 1, maxInMemory - 1, maxInMemory,
				maxInMemory + 1, maxInMemory + 2, 3 * maxInMemory} {
				name := fmt.Sprint(full, size)
				body := strings.Repeat(name, size/len(name)+1)[:size]
				put(t, d, Item{Object: Object{Name: name}, Body: iotest.HalfReader(strings.NewReader(body))})
				if got := read(t, d, name); got != body {
					t.Errorf("%s: %d bytes come back", name, len(got))
				}
				settle(t, d)
				if got := read(t, d, name); got != body {
					t.Errorf("%s: %d bytes come back from their place", name, len(got))
				}
				broken := io.MultiReader(strings.NewReader(body), iotest.ErrReader(errors.New("broken")))
				if _, err := d.Apply(Change{Put: []Item{{Object: Object{Name: "broken"}, Body: broken}}}); err == nil {
					t.Errorf("%s: a body that breaks off was taken", name)
				}
			}
			if want := map[bool]int{false: 0, true: maxLarge}[full]; len(d.large) != want {
				t.Errorf("%d large buffers in use, want %d", len(d.large), want)
			}
		}
		if left, _ := os.ReadDir(filepath.Join(d.dir, "tmp")); len(left) > 0 {
			t.Errorf("%d files are left in tmp", len(left))
		}
	}
}
