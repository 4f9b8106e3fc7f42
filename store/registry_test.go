package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func openRegistry(t *testing.T, dir string) *Registry {
	t.Helper()
	r, err := OpenRegistry(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestARegistryKeepsWhatItAcknowledged(t *testing.T) {
	dir := t.TempDir()
	r := openRegistry(t, dir)
	key := r.AccountKey()
	if len(key) != 64 || !r.Fresh() {
		t.Errorf("new: a key of %d bytes, fresh %v", len(key), r.Fresh())
	}
	app, err := r.AddApp("Forum", "", time.Now())
	if err != nil || len(app.Secret) != 32 {
		t.Fatalf("AddApp = %+v, %v", app, err)
	}
	if err := r.AddAccounts("Forum", "b", "a", "b"); err != nil {
		t.Fatal(err)
	}
	rotated, err := r.RotateApp("Forum")
	if err != nil || rotated.Secret == app.Secret || rotated.Previous != app.Secret {
		t.Errorf("RotateApp = %+v, %v", rotated, err)
	}
	again := openRegistry(t, dir)
	got, err := again.App("Forum")
	if err != nil || got.Secret != rotated.Secret || got.Previous != app.Secret || strings.Join(got.Accounts, " ") != "a b" || again.Fresh() {
		t.Errorf("reopened: %+v, %v, fresh %v", got, err, again.Fresh())
	}
	if string(again.AccountKey()) != string(key) {
		t.Error("the account key has changed")
	}
	if err := again.RemoveAccounts("Forum", "a", "none"); err != nil || strings.Join(again.Accounts("Forum"), " ") != "b" {
		t.Errorf("RemoveAccounts: %v, %v", again.Accounts("Forum"), err)
	}
	if err := again.RemoveApp("Forum"); err != nil || len(again.Apps()) != 0 || len(again.Accounts("Forum")) != 0 || again.Fresh() {
		t.Errorf("RemoveApp: %v, %v", again.Apps(), err)
	}
}

func TestARegistryRefuses(t *testing.T) {
	r := openRegistry(t, t.TempDir())
	if _, err := r.AddApp("forum", "s", time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.AddApp("FORUM", "s", time.Now()); !errors.Is(err, ErrAppExists) {
		t.Errorf("a key in other letters: %v", err)
	}
	for _, key := range []string{"", "a b", "a/b", "Delete", "delete-me", "ключ", strings.Repeat("x", 129)} {
		if _, err := r.AddApp(key, "s", time.Now()); !errors.Is(err, ErrAppKey) {
			t.Errorf("key %q: %v", key, err)
		}
	}
	for name, err := range map[string]error{"App": second(r.App("none")), "RotateApp": second(r.RotateApp("none")), "RemoveApp": r.RemoveApp("none")} {
		if !errors.Is(err, ErrApp) {
			t.Errorf("%s of an unknown key: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestAKeyFileThatOthersMayReadIsRefused(t *testing.T) {
	dir := t.TempDir()
	openRegistry(t, dir)
	path := filepath.Join(dir, "keys.json")
	os.Chmod(path, 0o640)
	if _, err := OpenRegistry(dir); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("mode 0640: %v", err)
	}
	os.Chmod(path, 0o600)
	os.WriteFile(path, []byte("{"), 0o600)
	if _, err := OpenRegistry(dir); !errors.Is(err, ErrDamaged) {
		t.Errorf("broken file: %v", err)
	}
}
