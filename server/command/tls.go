package command

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"
)

// pair is the certificate and key of two files, which may change while it is in use.
type pair struct {
	cert, key string // paths
	now       atomic.Pointer[tls.Certificate]
}

// newPair reads the files.
func newPair(cert, key string) (*pair, error) {
	p := &pair{cert: cert, key: key}
	_, err := p.reload()
	return p, err
}

// reload reads the files again, and says whether the certificate is another. What is
// broken changes nothing.
func (p *pair) reload() (changed bool, err error) {
	next, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err != nil {
		return false, fmt.Errorf("--tls-cert %s, --tls-key %s: %w", p.cert, p.key, err)
	}
	before := p.now.Swap(&next)
	return before == nil || !slices.EqualFunc(before.Certificate, next.Certificate, bytes.Equal), nil
}

func (p *pair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.now.Load(), nil }

// tell logs whom the certificate is for and until when.
func (p *pair) tell(log *slog.Logger) {
	leaf := p.now.Load().Leaf
	names := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	told := []any{"file", p.cert, "names", names, "until", leaf.NotAfter}
	if now := time.Now(); now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		log.Warn("the certificate is not valid at this time: clients will refuse it", told...)
		return
	}
	log.Info("certificate", told...)
}

// checkTLS returns what is wrong with the flags of TLS together.
func (s *settings) checkTLS() error {
	switch {
	case (s.tlsCert == "") != (s.tlsKey == ""):
		return usagef("--tls-cert and --tls-key go together")
	case s.tlsCert != "" && len(s.acmeDomains) > 0:
		return usagef("--acme-domain gets certificates by itself: leave --tls-cert and --tls-key out, or it")
	case len(s.acmeDomains) == 0 && s.acmeEmail+s.acmeDirectory != "":
		return usagef("--acme-email and --acme-directory need --acme-domain")
	}
	return nil
}
