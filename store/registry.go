package store

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
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
	// Disabled refuses everything that it signs; what it stored stays readable.
	Disabled bool `json:"disabled,omitempty"`
	// MaxBytes and MaxObjects are how much it may store, as Usage counts it; 0: no limit.
	MaxBytes   int64 `json:"max_bytes,omitempty"`
	MaxObjects int64 `json:"max_objects,omitempty"`
	// Origins are the browser origins allowed to use it; none: the server's own list.
	// Not to be changed in an App that a Registry returned.
	Origins []string `json:"origins,omitempty"`
	// Accounts may use QStorage for it where accounts have to be registered. Not to be
	// changed either.
	Accounts []string `json:"-"`
}

// Secrets returns the secrets that verify, the newest first.
func (a App) Secrets() []string {
	if a.Previous == "" {
		return []string{a.Secret}
	}
	return []string{a.Secret, a.Previous}
}

// Registry knows the applications and the keys that sign SAS tokens and the console's
// sessions. It lives in one file, keys.json, which is replaced whole: a change that
// returned nil is on the disk. Its methods may be called concurrently.
type Registry struct {
	path     string
	changing sync.Mutex   // held while the file is read or replaced
	mu       sync.RWMutex // guards file and seen
	file     keyFile
	seen     fs.FileInfo // of the file as it was read or written last
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

// AdminKey returns the 32 bytes that sign the console's sessions and admin tokens.
func (r *Registry) AdminKey() []byte {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.file.AdminKey
}

// App returns an application; ErrApp if there is none.
func (r *Registry) App(key string) (App, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.file.app(key)
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
		var err error
		if app, err = f.app(key); err != nil {
			return err
		}
		app.Previous, app.Secret = app.Secret, newSecret()
		f.Apps[key] = app
		return nil
	})
	return app, err
}

// ChangeApp has change edit an application, and returns what it is then. Key, Secret,
// Previous and Created stay what they are; Accounts are registered as AddAccounts does.
// An error of change is returned, and nothing is changed. change must not change the
// Registry otherwise. ErrApp if there is no such application.
func (r *Registry) ChangeApp(key string, change func(*App) error) (App, error) {
	var app App
	err := r.edit(func(f *keyFile) error {
		old, err := f.app(key)
		if err != nil {
			return err
		}
		app = old
		app.Origins, app.Accounts = slices.Clone(old.Origins), slices.Clone(old.Accounts)
		if err := change(&app); err != nil {
			return err
		}
		app.Key, app.Secret, app.Previous, app.Created = old.Key, old.Secret, old.Previous, old.Created
		app.Origins = slices.Clone(app.Origins) // change may go on with its own
		f.Apps[key] = app
		f.setAccounts(key, app.Accounts)
		app.Accounts = f.Accounts[key]
		return nil
	})
	if err != nil {
		return App{}, err
	}
	return app, nil
}

// DropPrevious ends the secret from before the last rotation, if there is one.
func (r *Registry) DropPrevious(key string) error {
	return r.edit(func(f *keyFile) error {
		app, err := f.app(key)
		if err != nil {
			return err
		}
		app.Previous = ""
		f.Apps[key] = app
		return nil
	})
}

// RemoveApp forgets an application and its accounts; its pictures stay.
func (r *Registry) RemoveApp(key string) error {
	return r.edit(func(f *keyFile) error {
		if _, err := f.app(key); err != nil {
			return err
		}
		delete(f.Apps, key)
		delete(f.Accounts, key)
		return nil
	})
}

// AddAccounts registers accounts with an application; known ones are passed over.
func (r *Registry) AddAccounts(key string, accounts ...string) error {
	return r.edit(func(f *keyFile) error {
		f.setAccounts(key, slices.Concat(f.Accounts[key], accounts))
		return nil
	})
}

// RemoveAccounts takes accounts from an application; unknown ones are passed over.
func (r *Registry) RemoveAccounts(key string, accounts ...string) error {
	return r.edit(func(f *keyFile) error {
		f.setAccounts(key, slices.DeleteFunc(slices.Clone(f.Accounts[key]), func(s string) bool { return slices.Contains(accounts, s) }))
		return nil
	})
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
	return base64.RawURLEncoding.EncodeToString(random(24))
}
