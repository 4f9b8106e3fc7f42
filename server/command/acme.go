package command

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
	"golang.org/x/net/idna"
)

// errNoCertificate ends handshakes for a domain that has no certificate, or not yet.
var errNoCertificate = errors.New("no certificate for this name")

// How long until a CA that gave no certificate is asked again; Let's Encrypt bears five
// failures an hour.
const (
	firstRetry = 2 * time.Minute // autocert itself waits for one
	lastRetry  = time.Hour
)

// certifier gets certificates by ACME. It proves that the domains are the operator's by
// TLS-ALPN-01: the CA connects to port 443 of each, which must lead to the listener.
// Handshakes begin nothing and wait for nothing.
type certifier struct {
	manager *autocert.Manager
	domains []string
	ready   sync.Map // those that have a certificate
}

// certifier returns what gets certificates for --acme-domain, kept in dir; nil where there
// is none.
func (s *settings) certifier(dir string) (*certifier, error) {
	c := &certifier{}
	for _, name := range s.acmeDomains {
		domain, err := idna.Lookup.ToASCII(strings.TrimSuffix(name, "."))
		if _, isIP := netip.ParseAddr(name); err != nil || isIP == nil || !strings.Contains(domain, ".") {
			return nil, usagef("--acme-domain %q: want a name such as pictures.example.com", name)
		}
		c.domains = append(c.domains, domain)
	}
	if len(c.domains) == 0 {
		return nil, nil
	}
	if u, err := url.Parse(s.acmeDirectory); s.acmeDirectory != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		return nil, usagef("--acme-directory %q: want a URL", s.acmeDirectory)
	}
	c.manager = &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		Cache:      autocert.DirCache(dir), // which makes it, mode 0700
		HostPolicy: autocert.HostWhitelist(c.domains...),
		Email:      s.acmeEmail,
		Client:     &acme.Client{DirectoryURL: s.acmeDirectory, UserAgent: "tintype/" + version()},
	}
	return c, nil
}

func (c *certifier) config() *tls.Config {
	return &tls.Config{GetCertificate: c.get, NextProtos: []string{acme.ALPNProto}}
}

// get returns a domain's certificate, of the first one where a client names none.
func (c *certifier) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if slices.Equal(hello.SupportedProtos, []string{acme.ALPNProto}) { // the CA
		return c.manager.GetCertificate(hello)
	}
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	if name == "" {
		name = c.domains[0]
	}
	if _, ok := c.ready.Load(name); !ok {
		return nil, errNoCertificate
	}
	return c.certificate(name)
}

// certificate returns a domain's certificate, which it may have to get first: that takes
// up to five minutes. It is ECDSA for all clients, so that none of them makes another be got.
func (c *certifier) certificate(domain string) (*tls.Certificate, error) {
	return c.manager.GetCertificate(&tls.ClientHelloInfo{
		ServerName: domain, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
	})
}

// run gets what is missing, until ctx ends. Renewing is the manager's.
func (c *certifier) run(ctx context.Context, log *slog.Logger, address net.Addr) {
	log.Info("certificates come by ACME: port 443 of each domain must lead to this listener", "domains", c.domains, "listener", address.String())
	for _, domain := range c.domains {
		go c.keep(ctx, log, domain)
	}
}

// keep gets the certificate of a domain, and says so if it is not renewed in time.
func (c *certifier) keep(ctx context.Context, log *slog.Logger, domain string) {
	told := false
	for retry := firstRetry; ; {
		wait := 12 * time.Hour
		cert, err := c.certificate(domain)
		switch {
		case err != nil:
			wait, retry = retry, min(2*retry, lastRetry)
			log.Error("no certificate: the CA must reach this server at port 443 of the domain", "domain", domain, "err", err, "again in", wait)
		case !told:
			c.ready.Store(domain, true)
			log.Info("certificate", "domain", domain, "until", cert.Leaf.NotAfter)
			told = true
		case time.Until(cert.Leaf.NotAfter) < cert.Leaf.NotAfter.Sub(cert.Leaf.NotBefore)/6: // half of the time that is left when renewing begins
			log.Warn("the certificate is not renewed: can the CA reach this server at port 443 of the domain?", "domain", domain, "until", cert.Leaf.NotAfter)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}
