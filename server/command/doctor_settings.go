package command

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/BurntSushi/toml"
	"github.com/spf13/pflag"
)

func (d *doctor) version() finding {
	return fine("version", "tintype %s, %s %s/%s", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// settings checks what the next start would read.
func (d *doctor) settings() finding {
	const fix = "mend it; tintype serve --help has all settings"
	next := *d.set
	if d.live != nil && d.set.config != "" { // the file may be another by now
		again := newSettings()
		again.config = d.set.config
		if err := again.load(); err != nil {
			return fail("settings", fix, "the server runs, and would not start again: %v", err)
		}
	}
	if next.publicURL == "" {
		next.publicURL = "http://" + next.listen
	}
	cfg, err := next.serverConfig()
	if err == nil {
		err = cfg.Check()
	}
	if err == nil {
		_, err = next.givenApps()
	}
	if err == nil {
		err = next.checkTLS()
	}
	switch {
	case err != nil:
		return fail("settings", fix, "%v", err)
	case d.set.config != "":
		return fine("settings", "good, with the file %s", d.set.config)
	}
	return fine("settings", "good, without a file")
}

// environment looks for variables that nothing reads.
func (d *doctor) environment() (all []finding) {
	known := []string{adminTokenEnv}
	d.set.all.VisitAll(func(f *pflag.Flag) { known = append(known, env(f.Name)) })
	for _, name := range secretFlags {
		known = append(known, env(name)+"_FILE")
	}
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "TINTYPE_") && !slices.Contains(known, name) {
			all = append(all, warn("environment", "unset it, or give it the name that it should have", "nothing reads %s%s", name, meant(name, known, "")))
		}
	}
	return all
}

// secrets checks who can read what only the owner should.
func (d *doctor) secrets() (all []finding) {
	if runtime.GOOS == "windows" {
		return []finding{fine("secrets", "modes of files are not looked at on Windows")}
	}
	paths := []string{filepath.Join(d.set.data, "keys.json"), filepath.Join(d.set.data, "audit.log"), filepath.Join(d.set.data, "admin.sock"), d.set.tlsKey}
	for _, flag := range secretFlags {
		paths = append(paths, secretFile(flag))
	}
	if d.set.config != "" && hasSecrets(d.set.config) {
		paths = append(paths, d.set.config)
	}
	for _, path := range paths {
		if path == "" {
			continue
		}
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			all = append(all, fail("secrets", "let this user read it", "%v", err))
		case info.Mode().Perm()&0o077 != 0:
			all = append(all, fail("secrets", "chmod 600 "+shellQuote(path), "%s is its owner's alone, and others may read it: mode %04o", path, info.Mode().Perm()))
		}
	}
	if info, err := os.Stat(d.set.data); err == nil && info.Mode().Perm()&0o077 != 0 {
		all = append(all, warn("secrets", "chmod 700 "+shellQuote(d.set.data), "others see what is in %s: mode %04o", d.set.data, info.Mode().Perm()))
	}
	if len(all) == 0 {
		return []finding{fine("secrets", "only their owner reads them")}
	}
	return all
}

// hasSecrets says whether a configuration file sets one.
func hasSecrets(path string) bool {
	var file map[string]any
	_, err := toml.DecodeFile(path, &file)
	return err == nil && slices.ContainsFunc(secretFlags, func(key string) bool { return file[key] != nil })
}

// port says whether a server could listen, or does.
func (d *doctor) port() finding {
	if d.runs {
		return fine("port", "this server listens on %s", d.live.addr)
	}
	ln, err := net.Listen("tcp", d.set.listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fail("port", "stop it, or choose another: --listen "+nextPort(d.set.listen), "%s is taken by another program", d.set.listen)
	case errors.Is(err, fs.ErrPermission):
		return fail("port", "choose a port above 1023, or let the service have CAP_NET_BIND_SERVICE", "this user may not listen on %s", d.set.listen)
	case err != nil:
		return fail("port", "want an address of this machine: --listen 127.0.0.1:8080", "%v", err)
	}
	ln.Close()
	return fine("port", "%s is free; no server runs", d.set.listen)
}
