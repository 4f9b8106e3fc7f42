package store

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
)

// keyFile is keys.json. What is in its maps is never changed, but replaced.
type keyFile struct {
	Format     int            `json:"format"`
	AccountKey []byte         `json:"account_key"`         // for SAS tokens, 64 random bytes
	AdminKey   []byte         `json:"admin_key,omitempty"` // for sessions and admin tokens, 32 random bytes
	Used       bool           `json:"used"`                // an application has been added, once
	Apps       map[string]App `json:"apps"`                // by key
	// by application, which may be one that is not in Apps
	Accounts map[string][]string `json:"accounts"`
}

const adminKeyBytes = 32

func (f *keyFile) app(key string) (App, error) {
	app, ok := f.Apps[key]
	if !ok {
		return App{}, fmt.Errorf("%w: %q", ErrApp, key)
	}
	app.Accounts = f.Accounts[key]
	return app, nil
}

func (f *keyFile) setAccounts(key string, accounts []string) {
	all := slices.Clone(accounts)
	slices.Sort(all)
	if f.Accounts[key] = slices.Compact(all); len(all) == 0 {
		delete(f.Accounts, key)
	}
}

// check says what is wrong with a file that somebody may have written by hand. An empty
// key or secret would let everybody sign.
func (f *keyFile) check() error {
	switch {
	case f.Format != 1:
		return fmt.Errorf("format %d, this version of tintype reads 1", f.Format)
	case len(f.AccountKey) == 0:
		return errors.New("there is no account_key")
	case len(f.AdminKey) != 0 && len(f.AdminKey) != adminKeyBytes:
		return fmt.Errorf("the admin_key has %d bytes, not %d", len(f.AdminKey), adminKeyBytes)
	}
	for key, app := range f.Apps {
		if app.Key != key || app.Secret == "" {
			return fmt.Errorf("application %q has another key inside, or no secret", key)
		}
	}
	return nil
}

// OpenRegistry reads dir/keys.json and makes it, with new keys, where it is missing. A
// file that others than its owner may read is refused.
func OpenRegistry(dir string) (*Registry, error) {
	// what an interrupted save may have left has secrets in it
	if left, err := fs.Glob(os.DirFS(dir), "keys-*"); err == nil {
		for _, name := range left {
			os.Remove(filepath.Join(dir, name))
		}
	}
	r := &Registry{path: filepath.Join(dir, "keys.json")}
	err := r.load()
	if errors.Is(err, fs.ErrNotExist) {
		return r, r.save(keyFile{Format: 1, AccountKey: random(64), AdminKey: random(adminKeyBytes)})
	}
	if err != nil {
		return nil, err
	}
	if r.lendAdminKey() {
		_ = r.save(r.file) // where there is no room for it, sessions end with the process
	}
	return r, nil
}

// ReadRegistry is OpenRegistry for who only reads: fs.ErrNotExist where there is
// no file. The admin key of a file from before there was one is nobody else's.
func ReadRegistry(dir string) (*Registry, error) {
	r := &Registry{path: filepath.Join(dir, "keys.json")}
	if err := r.load(); err != nil {
		return nil, err
	}
	r.lendAdminKey()
	return r, nil
}

// lendAdminKey makes an admin key where the file has none.
func (r *Registry) lendAdminKey() bool {
	if len(r.file.AdminKey) > 0 {
		return false
	}
	r.file.AdminKey = random(adminKeyBytes)
	return true
}

// Reload reads keys.json again if it is not the file that was read or written last.
// Where it is broken, missing, or may be read by others, that is an error, and what was
// known stays.
func (r *Registry) Reload() error {
	r.changing.Lock()
	defer r.changing.Unlock()
	return r.load()
}

// load reads the file unless it is known already.
func (r *Registry) load() error {
	in, err := os.Open(r.path)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	defer in.Close()
	info, err := in.Stat() // before it is read: what is written meanwhile is read the next time
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if r.seen != nil && os.SameFile(info, r.seen) && info.Size() == r.seen.Size() && info.ModTime().Equal(r.seen.ModTime()) && info.Mode() == r.seen.Mode() {
		return nil
	}
	if info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return fmt.Errorf("store: %s holds secrets and others may read it; run: chmod 600 %s", r.path, r.path)
	}
	data, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	var f keyFile
	if err := json.Unmarshal(data, &f); err != nil {
		return fmt.Errorf("%w: %s: %v", ErrDamaged, r.path, err)
	}
	if err := f.check(); err != nil {
		return fmt.Errorf("%w: %s: %v", ErrDamaged, r.path, err)
	}
	if len(f.AdminKey) == 0 {
		f.AdminKey = r.file.AdminKey
	}
	r.learn(f, info)
	return nil
}

func (r *Registry) learn(f keyFile, seen fs.FileInfo) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.file, r.seen = f, seen
}

// save replaces the file, then what the methods see.
func (r *Registry) save(f keyFile) error {
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(r.path), "keys-*") // mode 0600
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(append(data, '\n'))
	seen, statErr := tmp.Stat()
	if err := errors.Join(err, statErr, tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if err := os.Rename(tmp.Name(), r.path); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if err := syncDir(filepath.Dir(r.path)); err != nil {
		return err
	}
	r.learn(f, seen)
	return nil
}

// edit changes a copy of the file and saves it. What somebody has written there by hand
// is read first: it is not to be undone.
func (r *Registry) edit(change func(*keyFile) error) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	if err := r.load(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	next := r.file
	next.Apps = make(map[string]App, len(r.file.Apps)+1)
	maps.Copy(next.Apps, r.file.Apps)
	next.Accounts = make(map[string][]string, len(r.file.Accounts)+1)
	maps.Copy(next.Accounts, r.file.Accounts)
	if err := change(&next); err != nil {
		return err
	}
	return r.save(next)
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}
