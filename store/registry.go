package store

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

var (
	// ErrApp is returned when no application has the key.
	ErrApp = errors.New("no such application")
	// ErrAppExists is returned when an application's key is taken, in any letter
	// case: containers are named by it in lower case.
	ErrAppExists = errors.New("application exists")
	// ErrAppKey is returned for a key that is empty, longer than 128 characters,
	// has others than A-Z a-z 0-9 . _ @ -, or is "delete" or begins with "delete-".
	ErrAppKey = errors.New("an application key is 1 to 128 of A-Z a-z 0-9 . _ @ - and does not begin with delete-")
)

// App is an application: who may store pictures.
type App struct {
	Key    string `json:"key"`
	Secret string `json:"secret"`
	// Previous is the secret before the last rotation, still accepted; may be empty.
	Previous string    `json:"previous,omitempty"`
	Created  time.Time `json:"created"`
	// Accounts may use QStorage for it where accounts have to be registered.
	Accounts []string `json:"-"`
}

// Secrets returns the secrets that verify, the newest first.
func (a App) Secrets() []string {
	if a.Previous == "" {
		return []string{a.Secret}
	}
	return []string{a.Secret, a.Previous}
}

// keyFile is keys.json.
type keyFile struct {
	Format     int            `json:"format"`
	AccountKey []byte         `json:"account_key"` // for SAS tokens, 64 random bytes
	Used       bool           `json:"used"`        // an application has been added, once
	Apps       map[string]App `json:"apps"`        // by key
	// by application, which may be one that is not in Apps
	Accounts map[string][]string `json:"accounts"`
}

// Registry knows the applications and the key that signs SAS tokens. It lives in
// one file, which is replaced whole: a change that returned nil is on the disk.
// Its methods may be called concurrently.
type Registry struct {
	path string
	mu   sync.RWMutex // guards file
	file keyFile
}

// OpenRegistry reads dir/keys.json and makes it, with a new account key, where it
// is missing. A file that others than its owner may read is refused.
func OpenRegistry(dir string) (*Registry, error) {
	// what an interrupted save may have left has secrets in it
	if left, err := filepath.Glob(filepath.Join(dir, "keys-*")); err == nil {
		for _, path := range left {
			os.Remove(path)
		}
	}
	r, err := ReadRegistry(dir)
	if errors.Is(err, fs.ErrNotExist) {
		key := make([]byte, 64)
		rand.Read(key)
		r = &Registry{path: filepath.Join(dir, "keys.json")}
		return r, r.save(keyFile{Format: 1, AccountKey: key})
	}
	return r, err
}

// ReadRegistry is OpenRegistry for who only reads: fs.ErrNotExist where there is
// no file.
func ReadRegistry(dir string) (*Registry, error) {
	r := &Registry{path: filepath.Join(dir, "keys.json")}
	data, err := os.ReadFile(r.path)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if info, err := os.Stat(r.path); err != nil || info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("store: %s holds secrets and others may read it; run: chmod 600 %s", r.path, r.path)
	}
	if err := json.Unmarshal(data, &r.file); err != nil || r.file.Format != 1 {
		return nil, fmt.Errorf("%w: %s: format %d, %v", ErrDamaged, r.path, r.file.Format, err)
	}
	return r, nil
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
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if err := os.Rename(tmp.Name(), r.path); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if err := syncDir(filepath.Dir(r.path)); err != nil {
		return err
	}
	r.file = f
	return nil
}

// Fresh says whether no application has ever been added.
func (r *Registry) Fresh() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return !r.file.Used
}

// AccountKey returns the key that signs SAS tokens.
func (r *Registry) AccountKey() []byte {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.file.AccountKey
}

// App returns an application; ErrApp if there is none.
func (r *Registry) App(key string) (App, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	app, ok := r.file.Apps[key]
	if !ok {
		return App{}, fmt.Errorf("%w: %q", ErrApp, key)
	}
	app.Accounts = r.file.Accounts[key]
	return app, nil
}

// Accounts returns the accounts registered with an application, known here or not.
func (r *Registry) Accounts(key string) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.file.Accounts[key]
}

// Apps returns all applications by key.
func (r *Registry) Apps() []App {
	r.mu.RLock()
	defer r.mu.RUnlock()
	apps := make([]App, 0, len(r.file.Apps))
	for key, app := range r.file.Apps {
		app.Accounts = r.file.Accounts[key]
		apps = append(apps, app)
	}
	slices.SortFunc(apps, func(a, b App) int { return strings.Compare(a.Key, b.Key) })
	return apps
}

// AddApp stores an application, with a random secret where secret is empty.
func (r *Registry) AddApp(key, secret string, now time.Time) (App, error) {
	if err := CheckAppKey(key); err != nil {
		return App{}, err
	}
	if secret == "" {
		secret = newSecret()
	}
	app := App{Key: key, Secret: secret, Created: now.UTC().Truncate(time.Second)}
	return app, r.edit(func(f *keyFile) error {
		for have := range f.Apps {
			if strings.EqualFold(have, key) {
				return fmt.Errorf("%w: %q", ErrAppExists, have)
			}
		}
		f.Apps[key], f.Used = app, true
		return nil
	})
}

// RotateApp gives an application a new random secret; the one it had goes on
// being accepted until the next rotation.
func (r *Registry) RotateApp(key string) (app App, err error) {
	err = r.edit(func(f *keyFile) error {
		var ok bool
		if app, ok = f.Apps[key]; !ok {
			return fmt.Errorf("%w: %q", ErrApp, key)
		}
		app.Previous, app.Secret = app.Secret, newSecret()
		f.Apps[key] = app
		return nil
	})
	return app, err
}

// RemoveApp forgets an application and its accounts; its pictures stay.
func (r *Registry) RemoveApp(key string) error {
	return r.edit(func(f *keyFile) error {
		if _, ok := f.Apps[key]; !ok {
			return fmt.Errorf("%w: %q", ErrApp, key)
		}
		delete(f.Apps, key)
		delete(f.Accounts, key)
		return nil
	})
}

// AddAccounts registers accounts with an application; known ones are passed over.
func (r *Registry) AddAccounts(key string, accounts ...string) error {
	return r.edit(func(f *keyFile) error {
		all := slices.Concat(f.Accounts[key], accounts)
		slices.Sort(all)
		f.Accounts[key] = slices.Compact(all)
		return nil
	})
}

// RemoveAccounts takes accounts from an application; unknown ones are passed over.
func (r *Registry) RemoveAccounts(key string, accounts ...string) error {
	return r.edit(func(f *keyFile) error {
		f.Accounts[key] = slices.DeleteFunc(slices.Clone(f.Accounts[key]), func(s string) bool { return slices.Contains(accounts, s) })
		return nil
	})
}

// edit changes a copy of the file and saves it.
func (r *Registry) edit(change func(*keyFile) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
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

// CheckAppKey returns ErrAppKey for a key that no request could carry. "delete"
// is refused because trash lies in containers called delete-...
func CheckAppKey(key string) error {
	bad := func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("._@-", c))
	}
	if key == "" || len(key) > 128 || strings.ContainsFunc(key, bad) || strings.HasPrefix(strings.ToLower(key)+"-", "delete-") {
		return fmt.Errorf("%w: %q", ErrAppKey, key)
	}
	return nil
}

// newSecret returns 192 random bits as text.
func newSecret() string {
	b := make([]byte, 24)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}
