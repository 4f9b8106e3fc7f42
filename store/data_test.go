package store

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

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
