package command

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"tintype/server"
	"tintype/sign"
	"tintype/store"
)

// live is the data directory in use, with the configuration that goes with it.
type live struct {
	data    *store.Data
	apps    *apps
	cfg     server.Config
	set     *settings // what cfg is made of
	secrets atomic.Pointer[server.Secrets]

	// The server that listens on it; nil: none does.
	srv  *server.Server
	addr net.Addr
}

// admit lets admin tokens of these keys go on.
func (l *live) admit(keys [][]byte) {
	all := *l.secrets.Load()
	all.AdminKeys = slices.Concat(all.AdminKeys, keys)
	l.secrets.Store(&all)
}

// audited keeps that a command did something, if err is nil.
func (l *live) audited(event, app, name string, err error) error {
	if err == nil {
		err = l.cfg.Record(server.Event{Event: event, By: "command", App: app, Name: name})
		if err != nil {
			err = fmt.Errorf("done, but the audit log does not have it: %w", err)
		}
	}
	return err
}

// adminToken returns a token for the native API.
func (l *live) adminToken(expiry time.Time) string {
	return sign.AdminToken(l.secrets.Load().AdminKeys[0], expiry)
}

// sharedSweepEvery is how often one of many servers looks for what has expired: each look is
// two lists in S3.
const sharedSweepEvery = time.Minute

// apps are the applications of the registry and those given by --app, which win. Others
// may be given at any time.
type apps struct {
	*store.Registry
	fixed bool // all are: the registry is one server's, and others know nothing of it
	now   atomic.Pointer[[]store.App]
}

func (a *apps) given() []store.App { return *a.now.Load() }

// givenApps parses KEY=SECRET, split at the first "=".
func (s *settings) givenApps() ([]store.App, error) {
	var given []store.App
	for i, pair := range s.apps {
		key, secret, ok := strings.Cut(pair, "=")
		switch {
		case !ok: // all of it may be the secret
			return nil, usagef("--app, number %d: want KEY=SECRET", i+1)
		case secret == "":
			return nil, usagef("--app %q: want KEY=SECRET", key)
		case slices.ContainsFunc(given, func(o store.App) bool { return strings.EqualFold(o.Key, key) }):
			return nil, usagef("--app %q is given twice", key)
		}
		if err := store.CheckAppKey(key); err != nil {
			return nil, usagef("--app: %w", err)
		}
		given = append(given, store.App{Key: key, Secret: secret})
	}
	return given, nil
}

func newApps(r *store.Registry, given []store.App, fixed bool) *apps {
	a := &apps{Registry: r, fixed: fixed}
	a.now.Store(&given)
	return a
}

// App implements server.Apps. Accounts are registered in the data directory,
// for given applications too.
func (a *apps) App(key string) (store.App, error) {
	for _, app := range a.given() {
		if app.Key == key {
			app.Accounts = a.Registry.Accounts(key)
			return app, nil
		}
	}
	if a.fixed {
		return store.App{}, store.ErrApp
	}
	return a.Registry.App(key)
}

// Apps implements server.Apps.
func (a *apps) Apps() []store.App {
	given := a.given()
	all := slices.Clone(given)
	if a.fixed {
		return all
	}
	for _, app := range a.Registry.Apps() {
		if !slices.ContainsFunc(given, func(o store.App) bool { return strings.EqualFold(o.Key, app.Key) }) {
			all = append(all, app)
		}
	}
	return all
}

// changeable returns server.ErrFixedApp for an application that was given.
func (a *apps) changeable(key string) error {
	if a.fixed || slices.ContainsFunc(a.given(), func(o store.App) bool { return o.Key == key }) {
		return fmt.Errorf("%w: %q", server.ErrFixedApp, key)
	}
	return nil
}

// AddApp implements server.Apps. Of two whose keys differ in the case of letters, one would
// be hidden by the other.
func (a *apps) AddApp(key, secret string, now time.Time) (store.App, error) {
	if a.fixed {
		return store.App{}, a.changeable(key)
	}
	for _, have := range a.given() {
		if strings.EqualFold(have.Key, key) {
			return store.App{}, fmt.Errorf("%w: %q", store.ErrAppExists, have.Key)
		}
	}
	return a.Registry.AddApp(key, secret, now)
}

// ChangeApp implements server.Apps.
func (a *apps) ChangeApp(key string, change func(*store.App) error) (store.App, error) {
	if err := a.changeable(key); err != nil {
		return store.App{}, err
	}
	return a.Registry.ChangeApp(key, change)
}

// RotateApp implements server.Apps.
func (a *apps) RotateApp(key string) (store.App, error) {
	if err := a.changeable(key); err != nil {
		return store.App{}, err
	}
	return a.Registry.RotateApp(key)
}

// DropPrevious implements server.Apps.
func (a *apps) DropPrevious(key string) error {
	if err := a.changeable(key); err != nil {
		return err
	}
	return a.Registry.DropPrevious(key)
}

// RemoveApp implements server.Apps.
func (a *apps) RemoveApp(key string) error {
	if err := a.changeable(key); err != nil {
		return err
	}
	return a.Registry.RemoveApp(key)
}

// withData runs f on the data directory, in the server that has it open or here.
func (p *program) withData(cmd *cobra.Command, f func(*live) error) error {
	if p.live != nil {
		return f(p.live)
	}
	if err := p.set.load(); err != nil {
		return err
	}
	if code, err := p.forward(); err == nil {
		return exitError(code)
	}
	return p.withOwnData(cmd.CommandPath() == "tintype app add", f)
}

// withOwnData runs f on the data directory, opened here. Where there is none, it is only
// made if it may be new.
func (p *program) withOwnData(mayBeNew bool, f func(*live) error) error {
	_, err := os.Stat(p.set.data)
	if all, _ := p.set.shared(); err != nil && !mayBeNew && all == nil {
		return fmt.Errorf("no data in %s; give --data", p.set.data)
	}
	data, err := p.set.openData(p.set.logger(p.stderr))
	if errors.Is(err, store.ErrLocked) {
		return fmt.Errorf("%s is in use by a process that does not answer at admin.sock", p.set.data)
	}
	if err != nil {
		return err
	}
	l, err := p.liveData(data)
	if err != nil {
		return errors.Join(err, data.Close())
	}
	return errors.Join(f(l), data.Close())
}

// liveData puts an open data directory and the settings together.
func (p *program) liveData(data *store.Data) (*live, error) {
	cfg, err := p.set.serverConfig()
	if err != nil {
		return nil, err
	}
	secrets, err := p.set.secrets(data.Registry)
	if err != nil {
		return nil, err
	}
	given, err := p.set.givenApps()
	if err != nil {
		return nil, err
	}
	l := &live{data: data, apps: newApps(data.Registry, given, data.Shared()), set: p.set}
	l.secrets.Store(secrets)
	cfg.Apps, cfg.Secrets, cfg.Pictures, cfg.Cache = l.apps, l.secrets.Load, data.Pictures, data.Cache
	cfg.Audit, cfg.TempDir, cfg.Now = data.Audit, data.Temp, data.Now
	if data.Shared() {
		cfg.SweepEvery = sharedSweepEvery
	} else {
		cfg.Data = data
	}
	l.cfg = cfg
	return l, nil
}

// exitError is the error that ends a command with code when its words are out.
func exitError(code int) error {
	switch code {
	case 0:
		return nil
	case 2:
		return usageError{errSilent}
	}
	return errSilent
}
