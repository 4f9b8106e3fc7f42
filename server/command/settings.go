package command

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/spf13/pflag"

	"tintype/server"
	"tintype/thumb"
)

// settings are the values of all flags that have an environment variable and a
// key in the configuration file. A command binds those that it uses.
type settings struct {
	config             string
	data               string
	store              string
	listen             string
	publicURL          string
	tlsCert, tlsKey    string
	acmeDomains        []string
	acmeEmail          string
	acmeDirectory      string
	trustedProxies     []string
	apps               []string
	account            string
	accountKey         string
	accountKeyPrevious string
	accounts           choice
	tokenSecret        string
	tokenTTL           duration
	sign               choice
	maxUpload          size
	maxPixels          pixels
	decodeMemory       size
	uploadMemory       size
	thumbs             []int
	cacheSize          size
	cache              string
	cors               []string
	maxTokenLife       duration
	trashTTL           duration
	addressRate        float64
	appRate            float64
	logFormat          choice
	logLevel           choice

	collect bool // the collector is ours to fit

	all *pflag.FlagSet // every setting; commands share its flags
}

const day = 24 * time.Hour

// newSettings returns the settings with their defaults.
func newSettings() *settings {
	s := &settings{}
	f := pflag.NewFlagSet("settings", pflag.ContinueOnError)
	f.SortFlags = false
	f.StringVar(&s.config, "config", "", "TOML `FILE` with these flags as keys")
	f.StringVar(&s.data, "data", "./tintype-data", "`DIR` for everything that is kept")
	f.StringVar(&s.store, "store", "", "`DIR` of pictures, or s3://bucket/prefix?endpoint=URL,URL for many servers (default: that of --data)")
	f.StringVar(&s.listen, "listen", "127.0.0.1:8080", "`ADDR` for APIs, pictures, console and health")
	f.StringVar(&s.publicURL, "public-url", "", "`URL` that handed-out URLs begin with (default http://ADDR, or https://)")
	f.StringVar(&s.tlsCert, "tls-cert", "", "PEM `FILE` with the certificate to speak TLS with; read again when it changes")
	f.StringVar(&s.tlsKey, "tls-key", "", "PEM `FILE` with its key")
	f.StringArrayVar(&s.acmeDomains, "acme-domain", nil, "`DOMAIN` to get a certificate for; its port 443 must lead here; repeatable")
	f.StringVar(&s.acmeEmail, "acme-email", "", "`MAIL` that the CA may write to about certificates")
	f.StringVar(&s.acmeDirectory, "acme-directory", "", "`URL` of the CA (default: Let's Encrypt's)")
	f.StringArrayVar(&s.trustedProxies, "trusted-proxies", nil, "`CIDR` of proxies whose X-Forwarded-For, -Proto and -Host hold; repeatable")
	f.StringArrayVar(&s.apps, "app", nil, "application as `KEY=SECRET`; repeatable")
	f.StringVar(&s.account, "account", "tintype", "storage account `NAME` inside SAS tokens")
	f.StringVar(&s.accountKey, "account-key", "", "`BASE64` key for SAS tokens (default: made once, kept in DIR)")
	f.StringVar(&s.accountKeyPrevious, "account-key-previous", "", "`BASE64` key that is still accepted")
	s.accounts = choice{"any", []string{"any", "registered"}}
	f.Var(&s.accounts, "accounts", "QStorage accounts accepted: any or registered")
	f.StringVar(&s.tokenSecret, "token-secret", "", "makes FastDFS-style links carry and require a token")
	s.tokenTTL = duration(900 * time.Second)
	f.Var(&s.tokenTTL, "token-ttl", "age limit of such tokens")
	s.sign = choice{"any", []string{"any", "strict"}}
	f.Var(&s.sign, "sign", "dfsapi sign rules accepted: any or strict")
	s.maxUpload = 8 << 20
	f.Var(&s.maxUpload, "max-upload", "largest upload accepted, by the APIs and by PUT")
	s.maxPixels = 50e6
	f.Var(&s.maxPixels, "max-pixels", "largest width x height that is decoded")
	s.decodeMemory = 256 << 20
	f.Var(&s.decodeMemory, "decode-memory", "memory for all pictures being decoded at once, at least 32MiB")
	s.uploadMemory = 64 << 20
	f.Var(&s.uploadMemory, "upload-memory", "memory for all forms being received at once; more of them wait in files")
	f.IntSliceVar(&s.thumbs, "thumb", []int{1024}, "long side in `PIXELS` of the pictures made at upload; repeatable")
	s.cacheSize = 256 << 20
	f.Var(&s.cacheSize, "cache-size", "memory for hot and short-lived pictures")
	f.StringVar(&s.cache, "cache", "", "`SIZE`, as --cache-size, or redis://host:port,host:port for short-lived pictures, with --store s3://")
	f.StringArrayVar(&s.cors, "cors", []string{"*"}, "browser `ORIGIN` allowed at uploads and pictures, or none; repeatable")
	s.maxTokenLife = duration(400 * day)
	f.Var(&s.maxTokenLife, "max-token-life", "longest life of a SAS token that /sastoken issues")
	s.trashTTL = duration(30 * day)
	f.Var(&s.trashTTL, "trash-ttl", "how long deleted pictures can be restored")
	f.Float64Var(&s.addressRate, "address-rate", 0, "`REQUESTS` a second that one client address may ask for; 0: any number")
	f.Float64Var(&s.appRate, "app-rate", 0, "`CALLS` a second of uploads, deletions and tokens of one application; 0: any number")
	s.logFormat = choice{"text", []string{"text", "json"}}
	f.Var(&s.logFormat, "log-format", "text or json")
	s.logLevel = choice{"info", []string{"debug", "info", "warn", "error"}}
	f.Var(&s.logLevel, "log-level", "debug, info, warn or error")
	s.all = f
	return s
}

// flags returns the flags of the settings called names.
func (s *settings) flags(names ...string) *pflag.FlagSet {
	some := pflag.NewFlagSet("some", pflag.ContinueOnError)
	some.SortFlags = false
	for _, name := range append([]string{"config"}, names...) {
		some.AddFlag(s.all.Lookup(name))
	}
	return some
}

// env is the environment variable of a flag.
func env(flag string) string {
	return "TINTYPE_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// load fills the settings that no flag gave from the environment, and what is left
// from the configuration file.
func (s *settings) load() error {
	given := make(map[string]bool)
	var errs []error
	s.all.VisitAll(func(f *pflag.Flag) {
		if given[f.Name] = f.Changed; f.Changed {
			return
		}
		values, where, err := fromEnvironment(f)
		if err == nil && where != "" {
			given[f.Name] = true
			err = set(f, values, where)
		}
		errs = append(errs, err)
	})
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if s.config != "" {
		if err := s.loadFile(given); err != nil {
			return err
		}
	}
	return s.settleStorage()
}

func (s *settings) loadFile(given map[string]bool) error {
	var file map[string]any
	if _, err := toml.DecodeFile(s.config, &file); err != nil {
		return usagef("config file %s: %s", s.config, strings.ReplaceAll(err.Error(), "\n", " "))
	}
	var names []string
	s.all.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if format, ok := file["log-format"].(string); ok && !given["log-format"] {
		s.logFormat.Set(format) // in which what is wrong with the rest is told
	}
	for _, key := range slices.Sorted(maps.Keys(file)) {
		value := file[key]
		if !slices.Contains(names, key) || key == "config" {
			return usagef("%s: unknown key %q%s", s.config, key, meant(key, names, ""))
		}
		if given[key] {
			continue
		}
		list, ok := value.([]any)
		if !ok {
			list = []any{value}
		}
		var values []string
		for _, v := range list {
			values = append(values, fmt.Sprint(v))
		}
		if err := set(s.all.Lookup(key), values, s.config+": "+key); err != nil {
			return err
		}
	}
	return nil
}

func isList(f *pflag.Flag) bool {
	_, ok := f.Value.(pflag.SliceValue)
	return ok
}

// set gives a flag values from where, in place of its default.
func set(f *pflag.Flag, values []string, where string) error {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		if err := list.Replace(values); err != nil {
			return usagef("%s: %v", where, err)
		}
		return nil
	}
	if len(values) != 1 {
		return usagef("%s: want one value", where)
	}
	if err := f.Value.Set(values[0]); err != nil {
		return usagef("%s: %v", where, err)
	}
	return nil
}

// serverConfig translates what does not need the data directory.
func (s *settings) serverConfig() (server.Config, error) {
	cfg := server.Config{
		PublicURL:          s.publicURL,
		Account:            s.account,
		RegisteredAccounts: s.accounts.value == "registered",
		TokenTTL:           time.Duration(s.tokenTTL),
		StrictSign:         s.sign.value == "strict",
		MaxUpload:          int64(s.maxUpload),
		Limits:             thumb.Limits{Pixels: int(s.maxPixels)},
		AddressRate:        s.addressRate,
		AppRate:            s.appRate,
		CacheSize:          int64(s.cacheSize),
		DecodeMemory:       max(int64(s.decodeMemory), 1), // 0 would be the default
		UploadMemory:       max(int64(s.uploadMemory), 1),
		Thumbs:             s.thumbs,
		CORS:               s.cors,
		MaxTokenLife:       time.Duration(s.maxTokenLife),
		TrashTTL:           time.Duration(s.trashTTL),
		Version:            version(),
	}
	if slices.Equal(cfg.CORS, []string{"none"}) {
		cfg.CORS = nil
	}
	for _, origin := range cfg.CORS {
		if origin != "*" && !server.IsOrigin(origin) {
			return cfg, usagef("--cors %q: want *, none or an origin such as https://example.com", origin)
		}
	}
	if s.maxUpload == 0 {
		return cfg, usagef("--max-upload 0 takes no picture")
	}
	// the secret that FastDFS's http.conf comes with is known to everyone
	if s.tokenSecret == "FastDFS1234567890" {
		return cfg, usagef("--token-secret is the sample of FastDFS's http.conf; choose another")
	}
	if _, err := s.secrets(nil); err != nil {
		return cfg, err
	}
	var err error
	cfg.TrustedProxies, err = s.proxies()
	return cfg, err
}

// proxies returns whom --trusted-proxies names; an address stands for itself.
func (s *settings) proxies() ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range s.trustedProxies {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			var ip netip.Addr
			ip, err = netip.ParseAddr(text)
			p = netip.PrefixFrom(ip, ip.BitLen())
		}
		if err != nil || p.Addr().Is4In6() || p.Addr().Zone() != "" {
			return nil, usagef("--trusted-proxies %q: want addresses such as 10.0.0.0/8 or 127.0.0.1", text)
		}
		all = append(all, p)
	}
	return all, nil
}

// logsJSON says whether a server that args start writes its log as JSON, even where they
// could not be read to their end.
func (s *settings) logsJSON(args []string) bool {
	const name = "log-format"
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.ParseErrorsAllowlist.UnknownFlags = true
	f.SetOutput(io.Discard)
	format := f.String(name, "", "")
	f.Parse(args) // as far as it goes
	if text, ok := os.LookupEnv(env(name)); ok && *format == "" {
		*format = text
	}
	if *format == "" {
		*format = s.logFormat.value
	}
	return strings.EqualFold(*format, "json")
}

// logger writes to w as configured.
func (s *settings) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.logLevel.value)); err != nil {
		panic(err) // choice has made sure
	}
	opt := &slog.HandlerOptions{Level: level}
	if s.logFormat.value == "json" {
		return slog.New(slog.NewJSONHandler(w, opt))
	}
	return slog.New(slog.NewTextHandler(w, opt))
}
