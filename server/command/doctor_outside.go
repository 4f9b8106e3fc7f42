package command

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"tintype/sign"
)

// maxSkew is the most by which two clocks of one machine may differ.
const maxSkew = 5 * time.Second

const fixClock = "set the clock, and let it be kept right: timedatectl set-ntp true"

// clock compares this clock with that of the file system. Tokens and signatures are of no
// use where it is wrong.
func (d *doctor) clock() finding {
	now := time.Now()
	if now.Year() < 2025 || now.Year() > 2100 {
		return fail("clock", fixClock, "it is not %s", sign.FormatTime(now))
	}
	f, err := os.CreateTemp(d.set.data, "clock-*")
	if err != nil {
		f, err = os.CreateTemp("", "clock-*")
	}
	if err != nil {
		return warn("clock", "see what the error says", "%s; it cannot be compared with the file system's: %v", sign.FormatTime(now), err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return warn("clock", "see what the error says", "%v", err)
	}
	if skew := info.ModTime().Sub(now); skew.Abs() > maxSkew {
		return fail("clock", "mend the clock of the machine that has the disk, or of this one", "the file system's differs by %v", skew.Round(time.Second))
	}
	return fine("clock", "%s, and the file system agrees", sign.FormatTime(now))
}

// renewalDue is how long before its end a certificate should have been renewed.
const renewalDue = 14 * day

// certificate looks at the one that clients are shown.
func (d *doctor) certificate() []finding {
	var cert *tls.Certificate
	var err error
	switch {
	case d.runs && d.live.cfg.TLS != nil:
		cert, err = d.live.cfg.TLS.GetCertificate(&tls.ClientHelloInfo{})
	case d.set.tlsCert != "" && d.set.tlsKey != "":
		var p *pair
		if p, err = newPair(d.set.tlsCert, d.set.tlsKey); err == nil {
			cert, err = p.get(nil)
		}
	default:
		return nil
	}
	if err != nil {
		return []finding{fail("certificate", "see the log; for ACME, port 443 of the domain must lead here", "%v", err)}
	}
	names := slices.Clone(cert.Leaf.DNSNames)
	for _, ip := range cert.Leaf.IPAddresses {
		names = append(names, ip.String())
	}
	text := fmt.Sprintf("of %s, until %s", strings.Join(names, ", "), sign.FormatTime(cert.Leaf.NotAfter))
	const fix = "renew it; the server reads it again by itself"
	switch left := time.Until(cert.Leaf.NotAfter); {
	case left <= 0 || time.Now().Before(cert.Leaf.NotBefore):
		return []finding{fail("certificate", fix, "%s: clients refuse it", text)}
	case left < renewalDue:
		return []finding{warn("certificate", fix, "%s", text)}
	}
	return []finding{fine("certificate", "%s", text)}
}

// publicURL looks whether clients reach this very server at the URL that they are given.
func (d *doctor) publicURL(ctx context.Context) []finding {
	text := d.set.publicURL
	if d.runs {
		text = d.live.cfg.PublicURL
	}
	if text == "" {
		text = "http://" + d.set.listen
	}
	text = strings.TrimRight(text, "/")
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "":
		return []finding{fail("public-url", "--public-url https://HOST", "%q is no URL", text)}
	case isLoopback(u.Hostname()):
		return []finding{fine("public-url", "%s: links work on this machine alone; --public-url is for others", text)}
	case !d.runs:
		return []finding{fine("public-url", "%s: looked at while the server runs", text)}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	resp, err := d.ask(ctx, text)
	if err != nil {
		return []finding{fail("public-url", "look at DNS, firewall and proxy: curl -v "+text+"/healthz", "%s is not reached from here: %v", text, err)}
	}
	var all []finding
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil && time.Since(date).Abs() > maxSkew+time.Second {
		all = append(all, warn("clock", fixClock, "the clock of what answers at %s differs by %v", text, time.Since(date).Round(time.Second)))
	}
	switch resp.Header.Get("x-ms-error-code") {
	case "BlobNotFound":
		return append(all, fine("public-url", "%s leads to this server", text))
	case "AuthenticationFailed":
		return append(all, fail("public-url", "let it lead to this one", "%s leads to a server with another key", text))
	}
	return append(all, fail("public-url", "let the proxy pass paths and queries as they come: curl -v "+text+"/healthz",
		"%s does not lead to this server: a link is answered with status %d", text, resp.StatusCode))
}

// ask reads a link to nothing at a URL. Its token is good for this server alone, which
// says that there is nothing, where others do not let it in.
func (d *doctor) ask(ctx context.Context, base string) (*http.Response, error) {
	r := sign.Resource{Account: d.live.cfg.Account, Container: "doctor-" + strings.ToLower(rand.Text()), Blob: "nothing"}
	token, err := sign.Issue(d.live.secrets.Load().AccountKeys[0], r, sign.Token{Expiry: sign.FormatTime(time.Now().Add(time.Minute)), Permissions: "r"})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/"+r.Container+"/"+r.Blob+"?"+token.Query(), nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{CheckRedirect: noRedirects, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if lost := new(url.Error); errors.As(err, &lost) {
		return nil, lost.Err // without its URL, which has the token
	}
	if err != nil {
		return nil, err
	}
	return resp, resp.Body.Close()
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
