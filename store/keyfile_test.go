package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// editKeys changes keys.json as somebody with an editor would.
func editKeys(t *testing.T, dir string, change func(keys map[string]any)) {
	t.Helper()
	path := filepath.Join(dir, "keys.json")
	data, err := os.ReadFile(path)
	var keys map[string]any
	if err := errors.Join(err, json.Unmarshal(data, &keys)); err != nil {
		t.Fatal(err)
	}
	change(keys)
	data, _ = json.Marshal(keys)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAnApplicationIsChanged(t *testing.T) {
	dir := t.TempDir()
	r := openRegistry(t, dir)
	was := must(r.AddApp("forum", "secret", time.Now()))
	must(r.RotateApp("forum"))
	must(0, r.AddAccounts("forum", "a", "b"))
	origins := []string{"https://a.example"}
	app, err := r.ChangeApp("forum", func(a *App) error {
		if a.Previous != "secret" || strings.Join(a.Accounts, " ") != "a b" {
			t.Errorf("change sees %+v", a)
		}
		a.Disabled, a.MaxBytes, a.MaxObjects, a.Origins = true, 1<<40, 7, origins
		a.Key, a.Secret, a.Previous, a.Created = "other", "x", "y", time.Time{} // these are not its to change
		a.Accounts = []string{"c", "b", "c"}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	origins[0] = "changed since"
	for name, r := range map[string]*Registry{"here": r, "reopened": openRegistry(t, dir)} {
		got, err := r.App("forum")
		if err != nil || !slices.Equal(got.Origins, []string{"https://a.example"}) || !got.Disabled || got.MaxBytes != 1<<40 || got.MaxObjects != 7 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if got.Key != "forum" || len(got.Secret) != 32 || got.Previous != "secret" || !got.Created.Equal(was.Created) || strings.Join(got.Accounts, " ") != "b c" {
			t.Errorf("%s: %+v", name, got)
		}
		if fmt.Sprint(got) != fmt.Sprint(app) || len(r.Apps()) != 1 {
			t.Errorf("%s: %+v, ChangeApp returned %+v", name, got, app)
		}
	}
	refused := errors.New("refused")
	app, err = r.ChangeApp("forum", func(a *App) error {
		a.Disabled, a.Origins[0], a.Accounts[0] = false, "half", "half"
		return refused
	})
	if got, _ := r.App("forum"); !errors.Is(err, refused) || app.Key != "" || !got.Disabled || got.Origins[0] == "half" || got.Accounts[0] == "half" {
		t.Errorf("a change that was refused: %+v, %v", got, err)
	}
	must(r.ChangeApp("forum", func(a *App) error { a.Accounts = nil; return nil }))
	if got := r.Accounts("forum"); len(got) != 0 {
		t.Errorf("accounts %v", got)
	}
	if _, err := r.ChangeApp("none", func(*App) error { return nil }); !errors.Is(err, ErrApp) {
		t.Errorf("ChangeApp of an unknown key: %v", err)
	}
}

func TestTheSecretFromBeforeIsDropped(t *testing.T) {
	dir := t.TempDir()
	r := openRegistry(t, dir)
	must(r.AddApp("forum", "secret", time.Now()))
	rotated := must(r.RotateApp("forum"))
	for range 2 { // once more there is none
		if err := r.DropPrevious("forum"); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := openRegistry(t, dir).App("forum"); err != nil || !slices.Equal(got.Secrets(), []string{rotated.Secret}) {
		t.Errorf("%+v, %v", got, err)
	}
	if err := r.DropPrevious("none"); !errors.Is(err, ErrApp) {
		t.Errorf("DropPrevious of an unknown key: %v", err)
	}
}

func TestAFileFromBeforeGetsAnAdminKey(t *testing.T) {
	dir := t.TempDir()
	r := openRegistry(t, dir)
	key := r.AdminKey()
	if len(key) != 32 || !bytes.Equal(openRegistry(t, dir).AdminKey(), key) {
		t.Fatalf("%d bytes, or others after a restart", len(key))
	}
	must(r.AddApp("forum", "secret", time.Now()))
	editKeys(t, dir, func(keys map[string]any) { delete(keys, "admin_key") })
	if read := must(ReadRegistry(dir)).AdminKey(); len(read) != 32 {
		t.Errorf("who only reads has %d bytes", len(read))
	}
	again := openRegistry(t, dir).AdminKey()
	if len(again) != 32 || bytes.Equal(again, key) || !bytes.Equal(openRegistry(t, dir).AdminKey(), again) {
		t.Errorf("%d bytes, or others after a restart", len(again))
	}
	if _, err := must(ReadRegistry(dir)).App("forum"); err != nil {
		t.Error(err)
	}
}

// A path that is too long for another file is a disk that is too full for one, for who
// may write everywhere.
func TestAnAdminKeyThatCannotBeWrittenLastsForTheProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("paths have other limits")
	}
	home, longest := t.TempDir(), 4096-len("/keys.json")-1
	openRegistry(t, home)
	editKeys(t, home, func(keys map[string]any) { delete(keys, "admin_key") })
	dir := home
	for len(dir) < longest {
		n := min(longest-len(dir)-1, 200)
		if rest := longest - len(dir) - 1 - n; rest == 1 {
			n-- // there has to be a name behind the slash
		}
		dir += "/" + strings.Repeat("d", n)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Skip(err)
	}
	if err := os.Rename(filepath.Join(home, "keys.json"), filepath.Join(dir, "keys.json")); err != nil {
		t.Fatal(err)
	}
	r := openRegistry(t, dir)
	if _, err := r.AddApp("forum", "", time.Now()); err == nil {
		t.Fatal("there is room")
	}
	if key := r.AdminKey(); len(key) != 32 || r.Reload() != nil || !bytes.Equal(r.AdminKey(), key) {
		t.Errorf("%d bytes, or others after a reload", len(key))
	}
}

func TestKeysThatSomebodyWroteAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "keys.json")
	r := openRegistry(t, dir)
	must(r.AddApp("forum", "secret", time.Now()))
	admin := r.AdminKey()
	disable := func(yes bool) func(map[string]any) {
		return func(keys map[string]any) {
			keys["apps"].(map[string]any)["forum"].(map[string]any)["disabled"] = yes
			delete(keys, "admin_key")
		}
	}
	is := func(what string, disabled bool) {
		t.Helper()
		if app, err := r.App("forum"); err != nil || app.Disabled != disabled || app.Secret != "secret" || !bytes.Equal(r.AdminKey(), admin) {
			t.Errorf("%s: %+v, %v, or another admin key", what, app, err)
		}
	}
	reload := func(what string, disabled bool) {
		t.Helper()
		if err := r.Reload(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		is(what, disabled)
	}
	refuse := func(what string, as error) {
		t.Helper()
		for range 2 { // what was refused is not taken for known
			if err := r.Reload(); err == nil || as != nil && !errors.Is(err, as) {
				t.Errorf("%s: %v", what, err)
			}
		}
		is(what, true)
	}
	reload("nothing has changed", false)
	editKeys(t, dir, disable(true))
	is("not reloaded", false)
	reload("written in place", true)

	good := must(os.ReadFile(path))
	for what, bad := range map[string]string{
		"cut off":            string(good[:len(good)/2]),
		"empty":              "",
		"of another format":  strings.Replace(string(good), `"format":1`, `"format":2`, 1),
		"without a secret":   strings.Replace(string(good), `"secret":"secret"`, `"secret":""`, 1),
		"with another key":   strings.Replace(string(good), `"key":"forum"`, `"key":"other"`, 1),
		"without an account": strings.Replace(string(good), `"account_key"`, `"account"`, 1),
		"with a short key":   strings.Replace(string(good), `{`, `{"admin_key":"AAAA",`, 1),
	} {
		if bad == string(good) {
			t.Fatalf("%s: nothing was replaced in %s", what, good)
		}
		os.WriteFile(path, []byte(bad), 0o600)
		refuse(what, ErrDamaged)
		if err := r.AddAccounts("forum", "a"); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: a change goes over it: %v", what, err)
		}
		if _, err := OpenRegistry(dir); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: OpenRegistry: %v", what, err)
		}
	}
	os.Remove(path)
	refuse("missing", fs.ErrNotExist)
	os.WriteFile(path, good, 0o600)
	reload("whole again", true)
	if runtime.GOOS != "windows" {
		os.Chmod(path, 0o644)
		refuse("open to others", nil)
		os.Chmod(path, 0o600)
		reload("closed again", true)
	}
	other := filepath.Join(dir, "other")
	os.WriteFile(other, bytes.Replace(good, []byte(`"disabled":true`), []byte(`"disabled":null`), 1), 0o600)
	os.Chtimes(other, time.Time{}, must(os.Stat(path)).ModTime())
	os.Rename(other, path)
	reload("replaced by one of the same size and time", false)
}

func TestWhatACutOffSaveHasLeftIsRemoved(t *testing.T) {
	home := t.TempDir()
	for _, dir := range []string{"a[b]", "ab"} {
		must(0, os.Mkdir(filepath.Join(home, dir), 0o700))
		must(0, os.WriteFile(filepath.Join(home, dir, "keys-123"), []byte("{}"), 0o600))
	}
	openRegistry(t, filepath.Join(home, "a[b]"))
	if exists(filepath.Join(home, "a[b]", "keys-123")) || !exists(filepath.Join(home, "ab", "keys-123")) {
		t.Error("it is left, or another one is gone")
	}
}

func TestAChangeKeepsWhatSomebodyWrote(t *testing.T) {
	dir := t.TempDir()
	r := openRegistry(t, dir)
	must(r.AddApp("forum", "secret", time.Now()))
	editKeys(t, dir, func(keys map[string]any) {
		keys["apps"].(map[string]any)["forum"].(map[string]any)["max_bytes"] = 5
	})
	must(r.AddApp("shop", "", time.Now()))
	again := openRegistry(t, dir)
	if app, err := again.App("forum"); err != nil || app.MaxBytes != 5 || len(again.Apps()) != 2 {
		t.Errorf("%+v, %v, %d applications", app, err, len(again.Apps()))
	}
	os.Remove(filepath.Join(dir, "keys.json"))
	must(r.AddApp("third", "", time.Now()))
	if again := openRegistry(t, dir); len(again.Apps()) != 3 {
		t.Errorf("%d applications in a file that was removed", len(again.Apps()))
	}
}

func TestARegistryIsUsedWhileItChanges(t *testing.T) {
	r := openRegistry(t, t.TempDir())
	must(r.AddApp("forum", "secret", time.Now()))
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 25 {
				must(r.ChangeApp("forum", func(a *App) error { a.MaxObjects++; return nil }))
				must(0, r.Reload())
				must(r.App("forum"))
				r.Apps()
				r.AdminKey()
			}
		})
	}
	all.Wait()
	if app, err := r.App("forum"); err != nil || app.MaxObjects != 100 {
		t.Errorf("%+v, %v", app, err)
	}
}
