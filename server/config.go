package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"tintype/store"
	"tintype/thumb"
)

// Apps knows the applications, and changes them as *store.Registry does. A change is seen
// by the next request.
type Apps interface {
	// App returns an application by its key; store.ErrApp if there is none.
	App(key string) (store.App, error)
	// Apps returns all of them.
	Apps() []store.App

	// The others change applications of the registry: ErrFixedApp for those that were given
	// to the server, which have no time at which they were Created.
	AddApp(key, secret string, now time.Time) (store.App, error)
	ChangeApp(key string, change func(*store.App) error) (store.App, error)
	RotateApp(key string) (store.App, error)
	DropPrevious(key string) error
	RemoveApp(key string) error
}

// Secrets are what links and admin tokens are signed with and checked against. They are
// never changed in place.
type Secrets struct {
	// AccountKeys verify SAS tokens; the first signs. There is one at least, and none is empty.
	AccountKeys [][]byte
	// TokenSecret makes FastDFS-style links carry and require a token; empty: they don't.
	TokenSecret string
	// AdminKeys verify admin tokens, and sessions of the console; the first signs. Without one nobody can sign in.
	AdminKeys [][]byte
}

// Fixed returns secrets that never change, for Config.
func (s Secrets) Fixed() func() *Secrets { return func() *Secrets { return &s } }

// Config is every choice that an operator has. Apps, Pictures, Cache, PublicURL,
// Account and Secrets are required; for the rest zero means the default.
type Config struct {
	Apps     Apps
	Pictures store.Store // durable tier
	Cache    store.Store // time-limited tier

	// TLS has the certificate of the listener, and protocols to negotiate besides HTTP/1.1; nil: it speaks plain HTTP.
	TLS *tls.Config
	// TrustedProxies are the peers that are believed what X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host tell
	// of the client; none: nobody is.
	TrustedProxies []netip.Prefix

	// PublicURL is what handed-out URLs begin with, without a slash at its end.
	PublicURL string
	// Account is the storage account's name inside SAS tokens.
	Account string
	// Secrets returns the secrets of links, at the same address until there are others. The
	// next request sees those: a link that was checked with the ones before is checked again.
	Secrets func() *Secrets
	// RegisteredAccounts makes QStorage refuse accounts that are not registered
	// with the application.
	RegisteredAccounts bool
	// TokenTTL is the age limit of the tokens of FastDFS-style links; default 900 s.
	TokenTTL time.Duration
	// StrictSign accepts only dfsapi signs that cover isStorage and cacheTime.
	StrictSign bool
	// MaxUpload is the largest picture that the upload APIs take, and the largest blob, in bytes; default 8 MiB.
	MaxUpload int64
	// Limits bound what is decoded; zero fields have thumb's defaults. Admit is the server's own.
	Limits thumb.Limits
	// DecodeMemory is what all pictures being decoded may take together, in bytes; default 256 MiB, at least MinDecodeMemory. One
	// that needs more than all of it is too large.
	DecodeMemory int64
	// UploadMemory is what the files of all forms may take together, in bytes, while they arrive and are worked on; default 64 MiB,
	// at least twice MaxUpload. More of them go to TempDir first.
	UploadMemory int64
	// TempDir has such files, which are gone with the process; empty: the system's.
	TempDir string
	// CacheSize is what pictures that are kept in memory for the next read may take, in bytes; 0: none are.
	CacheSize int64
	// Thumbs are the long sides, in pixels, of the pictures made at upload; default 1024.
	Thumbs []int
	// CORS lists the browser origins allowed at the upload APIs and picture URLs;
	// "*" is any. Empty: none.
	CORS []string
	// MaxTokenLife is the longest life of a SAS token that /sastoken issues; default 400 days.
	MaxTokenLife time.Duration
	// AddressRate and AppRate are how many requests a second one client address, and uploads, deletions and tokens one
	// application, may ask for; 0: any number.
	AddressRate, AppRate float64
	// TrashTTL is how long deleted pictures can be restored; default 30 days.
	TrashTTL time.Duration
	// SweepEvery is how often what has expired, and old trash, is looked for and removed; default 10 s. What has expired is not
	// served meanwhile.
	SweepEvery time.Duration
	// SourceIP is the address inside FastDFS-style ids; default 127.0.0.1. It is
	// IPv4 and does not end in 0, which FastDFS would read as a storage's number.
	SourceIP netip.Addr
	// Data is the directory of both stores, for backup, restore and free space; nil: there is none of these.
	Data *store.Data
	// Audit keeps who did what; nil: nobody does.
	Audit *store.AuditLog
	// Restart is called when a backup has been restored beside the data directory: the server is to be stopped, and started on
	// what was restored. nil: no backup is taken.
	Restart func()
	// Version is told by the console and the metrics.
	Version string

	Now func() time.Time // default time.Now
	Log *slog.Logger     // default slog.Default
}

// MinDecodeMemory is what a thumbnail of 1024 pixels of any baseline JPEG can be made in, and of most others.
const MinDecodeMemory = 32 << 20

// ours are the first path segments of what is for the operator: no other origin
// is let near them. reserved are those and the ones of the APIs: no containers.
var (
	ours     = []string{"console", "api", "docs", "openapi.json", "healthz", "readyz", "metrics"}
	reserved = func() map[string]bool {
		all := make(map[string]bool)
		for _, name := range append([]string{"picture", "sastoken", "portrait", "dfsapi", "qstorage"}, ours...) {
			all[name] = true
		}
		return all
	}()
)

// Check returns what is wrong with the operator's choices; they need not be
// complete. It says the same as New, before anything is opened.
func (c Config) Check() error {
	_, err := c.withDefaults()
	return err
}

// withDefaults returns c complete, or what is wrong with it.
func (c Config) withDefaults() (Config, error) {
	setDefault(&c.TokenTTL, 900*time.Second)
	setDefault(&c.MaxUpload, 8<<20)
	setDefault(&c.DecodeMemory, 256<<20)
	setDefault(&c.UploadMemory, 64<<20)
	setDefault(&c.MaxTokenLife, 400*24*time.Hour)
	setDefault(&c.TrashTTL, 30*24*time.Hour)
	setDefault(&c.SweepEvery, sampleEvery)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if len(c.Thumbs) == 0 {
		c.Thumbs = []int{1024}
	}
	if !c.SourceIP.Is4() {
		c.SourceIP = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	switch u, err := url.Parse(c.PublicURL); {
	case err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "":
		return c, fmt.Errorf("public-url %q: want http://host or https://host", c.PublicURL)
	case !(c.AddressRate >= 0 && c.AddressRate <= maxRate && c.AppRate >= 0 && c.AppRate <= maxRate):
		return c, errors.New("address-rate and app-rate: want requests a second, or 0 for no limit")
	case c.DecodeMemory < MinDecodeMemory:
		return c, fmt.Errorf("decode-memory %d: want at least %dMiB", c.DecodeMemory, MinDecodeMemory>>20)
	case CheckContainer(c.Account) != nil || reserved[c.Account] || isGroup(c.Account):
		return c, fmt.Errorf("account %q: want 3 to 63 of a-z 0-9 and single hyphens, and no word of a route", c.Account)
	}
	c.Thumbs = slices.Compact(slices.Sorted(slices.Values(c.Thumbs)))
	if c.Thumbs[0] < 1 || c.Thumbs[len(c.Thumbs)-1] > 10000 {
		return c, fmt.Errorf("thumb %v: want 1 to 10000 pixels", c.Thumbs)
	}
	return c, nil
}

func setDefault[T int64 | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}
