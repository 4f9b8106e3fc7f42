package store

import (
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAPowerCutWhileALedgerIsWrittenAnew cuts the power with each call of the
// checkpoint that shortens a ledger, whose blob is nowhere else.
func TestAPowerCutWhileALedgerIsWrittenAnew(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	c := newClock()
	opt := Options{Now: c.Now, Log: slog.New(slog.DiscardHandler)}
	m := newMachine(r)
	d := must(m.start(opt))
	put(t, d, item("a", "bytes"), item("b", "bytes"))
	settle(t, d)
	value := strings.Repeat("v", maxAttributes-10)
	tell := func(d *Disk) error {
		c.add(time.Second)
		_, err := d.Apply(Change{Edit: []Edit{{"a", func(o *Object) error {
			o.Modified, o.Attributes = c.Now(), map[string]string{"k": value}
			return nil
		}}}})
		return err
	}
	for range longLedger/maxAttributes - 1 {
		if err := tell(d); err != nil {
			t.Fatal(err)
		}
		settle(t, d)
	}
	crash(d)
	renamed := false
	for n, off := 1, true; off; n++ {
		m := m.crash(r)
		d := must(m.start(opt))
		if err := tell(d); err != nil {
			t.Fatal(err)
		}
		m.failing(func(call string, _ int) error { renamed = renamed || call == "rename"; return nil })
		m.cutAfter(n, n%2 == 0)
		d.Flush()
		off = m.isOff()
		after := m.crash(r)
		crash(d)
		d, err := after.start(opt)
		if err != nil {
			t.Fatalf("call %d: %v", n, err)
		}
		for _, text := range inspect(d) {
			t.Errorf("call %d: %s", n, text)
		}
		crash(d)
	}
	if !renamed {
		t.Error("no ledger was written anew")
	}
}

func TestRebuildTakesANameFromWhoHadItBefore(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	d := openTest(t, dir, c, Options{})
	old := put(t, d, item("a", "old"))[0]
	settle(t, d)
	path := d.blobs.path(old.Digest, old.Size)
	data, _ := os.ReadFile(path)
	put(t, d, item("a", "new"))
	settle(t, d)
	d.Close()
	os.MkdirAll(filepath.Dir(path), 0o700)
	if err := os.WriteFile(path, data, 0o600); err != nil { // as if its removal were not on the disk
		t.Fatal(err)
	}
	must(Rebuild(dir))
	d = openTest(t, dir, c, Options{})
	if err := del(d, "a"); err != nil {
		t.Fatal(err)
	}
	d.Close()
	must(Rebuild(dir))
	d = openTest(t, dir, c, Options{})
	defer d.Close()
	absent(t, d, "a")
}
