package command

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

// lookEvery is how often files are looked at. A change counts when two looks agree, so
// that no file is read while somebody writes it.
const lookEvery = 250 * time.Millisecond

// reloader reads again, while the server runs, what may change without a restart: the
// registry, the values of secretFlags, and the certificate.
type reloader struct {
	base  *settings // what the flags say, before environment and file
	now   *settings
	live  *live
	pair  *pair // nil: no certificate of files
	log   *slog.Logger
	files []string
}

func newReloader(s *serving, now *settings, l *live) *reloader {
	r := &reloader{base: s.base, now: now, live: l, pair: s.pair, log: s.log}
	r.files = []string{filepath.Join(now.data, "keys.json"), now.config, now.tlsCert, now.tlsKey}
	for _, flag := range secretFlags {
		r.files = append(r.files, secretFile(flag))
	}
	r.files = slices.DeleteFunc(r.files, func(path string) bool { return path == "" })
	return r
}

// hangups returns the SIGHUPs that ask for reading again. One that comes because the
// server's terminal is gone stops the server, as it would any program.
func hangups(ctx context.Context, stop func()) <-chan os.Signal {
	interactive := !signal.Ignored(syscall.SIGHUP) && hasTerminal()
	signals, asked := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case s := <-signals:
				if interactive && !hasTerminal() {
					stop()
					return
				}
				asked <- s
			}
		}
	}()
	return asked
}

func hasTerminal() bool {
	tty, err := os.Open("/dev/tty")
	if err == nil {
		tty.Close()
	}
	return err == nil
}

// run reloads when a file changes and when asked, until ctx ends. The first look counts
// as a change: there may have been one since the files were read.
func (r *reloader) run(ctx context.Context, asked <-chan os.Signal) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var last, done look
	for {
		select {
		case <-ctx.Done():
			return
		case <-asked:
			done = lookAt(r.files)
			r.log.Info("reading applications, keys and certificate again, by SIGHUP")
			r.reload()
		case <-tick.C:
			now := lookAt(r.files)
			if now.same(last) && !now.same(done) {
				done = now
				r.reload()
			}
			last = now
		}
	}
}

// reload reads everything again. What is broken is logged, and what it would have
// replaced goes on.
func (r *reloader) reload() {
	if err := r.reloadSettings(); err != nil {
		r.log.Error("applications and keys stay as they are", "err", err)
	}
	if r.pair == nil {
		return
	}
	switch changed, err := r.pair.reload(); {
	case err != nil:
		r.log.Error("the certificate stays as it is", "err", err)
	case changed:
		r.pair.tell(r.log)
	}
}

func (r *reloader) reloadSettings() error {
	next := r.base.clone()
	if err := next.load(); err != nil {
		return err
	}
	if _, err := next.serverConfig(); err != nil {
		return err
	}
	given, err := next.givenApps()
	if err != nil {
		return err
	}
	apps := r.live.apps.Apps()
	if err := r.live.data.Registry.Reload(); err != nil {
		return err
	}
	secrets, err := next.secrets(r.live.data.Registry)
	if err != nil {
		return err
	}
	before := r.live.secrets.Load()
	if !r.live.data.Shared() && bytes.Equal(secrets.AdminKeys[0], before.AdminKeys[0]) {
		secrets.AdminKeys = before.AdminKeys // live.admit
	}
	r.live.apps.now.Store(&given)
	if !reflect.DeepEqual(apps, r.live.apps.Apps()) {
		r.log.Info("applications have changed", "there are", len(r.live.apps.Apps()))
	}
	if !reflect.DeepEqual(secrets, before) {
		r.live.secrets.Store(secrets)
		r.log.Info("keys have changed", "account keys", len(secrets.AccountKeys))
	}
	r.tellRest(next)
	return nil
}

// tellRest logs which settings have changed that a restart alone brings into effect.
func (r *reloader) tellRest(next *settings) {
	var names []string
	next.all.VisitAll(func(f *pflag.Flag) {
		if !slices.Contains(secretFlags, f.Name) && !slices.Equal(valuesOf(f), valuesOf(r.now.all.Lookup(f.Name))) {
			names = append(names, f.Name)
		}
	})
	if len(names) > 0 {
		r.log.Warn("settings have changed that take effect after a restart", "settings", names)
	}
}

// clone returns settings with the same values, given by the same flags.
func (s *settings) clone() *settings {
	c := newSettings()
	var errs []error
	s.all.VisitAll(func(f *pflag.Flag) {
		to := c.all.Lookup(f.Name)
		errs = append(errs, set(to, valuesOf(f), f.Name))
		to.Changed = f.Changed
	})
	if err := errors.Join(errs...); err != nil {
		panic(err) // a flag that does not take what it has written
	}
	return c
}

func valuesOf(f *pflag.Flag) []string {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return list.GetSlice()
	}
	return []string{f.Value.String()}
}

// look is what files look like; nil: one that is not there.
type look []os.FileInfo

func lookAt(paths []string) look {
	all := make(look, len(paths))
	for i, path := range paths {
		all[i], _ = os.Stat(path)
	}
	return all
}

func (l look) same(o look) bool {
	return slices.EqualFunc(l, o, func(a, b os.FileInfo) bool {
		if a == nil || b == nil {
			return a == nil && b == nil
		}
		return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && a.Mode() == b.Mode()
	})
}
