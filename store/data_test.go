package store

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestSpaceIsThatOfTheDisk(t *testing.T) {
	d := openData(t, t.TempDir())
	defer d.Close()
	free, total, err := d.Space()
	if err != nil || free <= 0 || total < free || total < 1<<20 {
		t.Errorf("Space = %d, %d, %v", free, total, err)
	}
	if bytes, _, err := d.Pictures.(*Disk).fs.Room(); err != nil || max(free, int64(bytes))-min(free, int64(bytes)) > total/4 {
		t.Errorf("%d bytes are free, and Room says %d, %v", free, bytes, err)
	}
}

func TestWhatIsEmpty(t *testing.T) {
	c := newClock()
	d, err := OpenData(t.TempDir(), Options{Now: c.Now, Log: quietLog})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	is := func(what string, want bool) {
		t.Helper()
		if empty, err := d.Empty(); err != nil || empty != want {
			t.Errorf("%s: Empty = %v, %v", what, empty, err)
		}
	}
	is("new", true)
	short := item("short", "x")
	short.Expires = c.Now().Add(time.Minute)
	put(t, d.Cache, short)
	is("a time-limited picture", false)
	c.add(time.Minute)
	is("it has expired", true)
	put(t, d.Pictures, item("a", ""))
	is("an empty picture", false)
	move(d.Pictures, rename{"a", "trash/a", c.Now()})
	is("in the trash", false)
	d.Pictures.Sweep(c.Now())
	is("gone", true)
}

func TestDataHasAnAuditLogThatNoBackupHas(t *testing.T) {
	dir := t.TempDir()
	d := openData(t, dir)
	note(t, d.Audit, "a", 0, 3)
	var backup bytes.Buffer
	must(d.Backup(&backup, noProgress))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Audit.Append(noted{}); err == nil {
		t.Error("it is written after Close")
	}
	again := openData(t, dir)
	if got := listing(t, again.Audit, "", 10); len(got) != 3 {
		t.Errorf("after a restart: %q", got)
	}
	if bytes.Contains(backup.Bytes(), []byte("audit")) {
		t.Error("it is in the backup")
	}
	again.Close()
	os.Remove(filepath.Join(dir, "audit.log"))
	os.Mkdir(filepath.Join(dir, "audit.log"), 0o700)
	if d, err := OpenData(dir, Options{}); err == nil {
		t.Errorf("opened with a directory for its log: %v", d.Close())
	}
}
