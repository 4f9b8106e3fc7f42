package command

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tintype/server"
	"tintype/store"
)

// live is the data directory in use, with the configuration that goes with it.
type live struct {
	data *store.Data
	apps apps
	cfg  server.Config
}

// apps are the applications of the registry and those given by --app, which win.
type apps struct {
	*store.Registry
	given []store.App
}

// newApps parses KEY=SECRET, split at the first "=".
func newApps(r *store.Registry, pairs []string) (apps, error) {
	a := apps{Registry: r}
	for _, pair := range pairs {
		key, secret, ok := strings.Cut(pair, "=")
		if !ok || secret == "" {
			return a, usagef("--app %q: want KEY=SECRET", key)
		}
		if err := store.CheckAppKey(key); err != nil {
			return a, usagef("--app: %w", err)
		}
		if slices.ContainsFunc(a.given, func(o store.App) bool { return strings.EqualFold(o.Key, key) }) {
			return a, usagef("--app %q is given twice", key)
		}
		a.given = append(a.given, store.App{Key: key, Secret: secret})
	}
	return a, nil
}

// App implements server.Apps. Accounts are registered in the data directory,
// for given applications too.
func (a apps) App(key string) (store.App, error) {
	for _, app := range a.given {
		if app.Key == key {
			app.Accounts = a.Registry.Accounts(key)
			return app, nil
		}
	}
	return a.Registry.App(key)
}

// Apps implements server.Apps.
func (a apps) Apps() []store.App {
	all := slices.Clone(a.given)
	for _, app := range a.Registry.Apps() {
		if !slices.ContainsFunc(a.given, func(o store.App) bool { return strings.EqualFold(o.Key, app.Key) }) {
			all = append(all, app)
		}
	}
	return all
}

// rotate and remove are for the applications of the registry alone.
func (a apps) rotate(key string) (store.App, error) {
	if err := a.mine(key); err != nil {
		return store.App{}, err
	}
	return a.RotateApp(key)
}

func (a apps) remove(key string) error {
	if err := a.mine(key); err != nil {
		return err
	}
	return a.RemoveApp(key)
}

func (a apps) mine(key string) error {
	if slices.ContainsFunc(a.given, func(o store.App) bool { return o.Key == key }) {
		return fmt.Errorf("application %q was given to the server by --app: change it there", key)
	}
	return nil
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
	if _, err := os.Stat(p.set.data); err != nil && cmd.CommandPath() != "tintype app add" {
		return fmt.Errorf("no data in %s; give --data", p.set.data)
	}
	data, err := store.OpenData(p.set.data, store.Options{Log: p.set.logger(p.stderr)})
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
	if p.set.accountKey == "" {
		cfg.AccountKeys = slices.Insert(cfg.AccountKeys, 0, data.Registry.AccountKey())
	}
	known, err := newApps(data.Registry, p.set.apps)
	if err != nil {
		return nil, err
	}
	cfg.Apps, cfg.Pictures, cfg.Cache, cfg.TempDir, cfg.Now = known, data.Pictures, data.Cache, data.Temp, time.Now
	return &live{data, known, cfg}, nil
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
