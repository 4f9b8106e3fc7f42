package server

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"tintype/sign"
)

// asked returns who asks, how, and for which host, after a request from peer has gone
// through forwarded. headers are pairs.
func asked(s *Server, peer string, headers ...string) (ip netip.Addr, https bool, host string) {
	var req fasthttp.Request
	req.Header.SetHost("sent.example")
	req.SetRequestURI("/a")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	var ctx fasthttp.RequestCtx
	ctx.Init(&req, &net.TCPAddr{IP: net.ParseIP(peer), Port: 1}, nil)
	s.forwarded(&ctx)
	return remoteIP(&ctx), isHTTPS(&ctx), string(ctx.Host())
}

// proxied returns what only knows whom it trusts.
func proxied(prefixes ...string) *Server {
	s := &Server{}
	for _, p := range prefixes {
		s.cfg.TrustedProxies = append(s.cfg.TrustedProxies, netip.MustParsePrefix(p))
	}
	return s
}

func TestTrustedProxiesAreBelieved(t *testing.T) {
	s := proxied("10.0.0.0/8", "2001:db8:1::/48", "127.0.0.1/32")
	for _, test := range []struct {
		name, peer, headers string // NAME: VALUE, a line each
		ip, scheme, host    string
	}{
		{"nothing is told", "10.0.0.1", "", "10.0.0.1", "http", "sent.example"},
		{"all is told", "10.0.0.1", "X-Forwarded-For: 192.0.2.7\nX-Forwarded-Proto: https\nX-Forwarded-Host: told.example", "192.0.2.7", "https", "told.example"},
		{"by a stranger", "192.0.2.1", "X-Forwarded-For: 192.0.2.7\nX-Forwarded-Proto: https\nX-Forwarded-Host: told.example", "192.0.2.1", "http", "sent.example"},
		{"by an address next to a trusted one", "127.0.0.2", "X-Forwarded-For: 192.0.2.7\nX-Forwarded-Proto: https", "127.0.0.2", "http", "sent.example"},
		{"by a trusted IPv6 address", "2001:db8:1::9", "X-Forwarded-For: 192.0.2.7", "192.0.2.7", "http", "sent.example"},
		{"in the form of the RFC", "10.0.0.1", `Forwarded: for=192.0.2.7;proto=https;host=told.example`, "10.0.0.1", "http", "sent.example"},

		{"what the client sent before", "10.0.0.1", "X-Forwarded-For: 1.1.1.1, 192.0.2.7", "192.0.2.7", "http", "sent.example"},
		{"over two proxies", "10.0.0.1", "X-Forwarded-For: 1.1.1.1, 192.0.2.7, 10.0.0.2", "192.0.2.7", "http", "sent.example"},
		{"as several lines", "10.0.0.1", "X-Forwarded-For: 1.1.1.1\nX-Forwarded-For: 192.0.2.7\nX-Forwarded-For: 10.0.0.2, 10.0.0.3", "192.0.2.7", "http", "sent.example"},
		{"by nobody but proxies", "10.0.0.1", "X-Forwarded-For: 10.0.0.3, 10.0.0.2", "10.0.0.3", "http", "sent.example"},
		{"garbage before the client", "10.0.0.1", "X-Forwarded-For: <script>, 192.0.2.7, 10.0.0.2", "192.0.2.7", "http", "sent.example"},
		{"garbage as the client", "10.0.0.1", "X-Forwarded-For: 192.0.2.7, <script>, 10.0.0.2", "10.0.0.1", "http", "sent.example"},
		{"an unknown client", "10.0.0.1", "X-Forwarded-For: unknown", "10.0.0.1", "http", "sent.example"},
		{"a name", "10.0.0.1", "X-Forwarded-For: client.example", "10.0.0.1", "http", "sent.example"},
		{"nothing between commas", "10.0.0.1", "X-Forwarded-For: , 192.0.2.7, ,\t,", "192.0.2.7", "http", "sent.example"},
		{"nothing", "10.0.0.1", "X-Forwarded-For: ", "10.0.0.1", "http", "sent.example"},
		{"spaces and tabs", "10.0.0.1", "X-Forwarded-For:   192.0.2.7\t ,  10.0.0.2 ", "192.0.2.7", "http", "sent.example"},
		{"spaces inside", "10.0.0.1", "X-Forwarded-For: 192.0.2.7 10.0.0.2", "10.0.0.1", "http", "sent.example"},
		{"with a port", "10.0.0.1", "X-Forwarded-For: 192.0.2.7:4711, 10.0.0.2:80", "192.0.2.7", "http", "sent.example"},
		{"with a port that is none", "10.0.0.1", "X-Forwarded-For: 192.0.2.7:99999", "10.0.0.1", "http", "sent.example"},
		{"IPv6", "10.0.0.1", "X-Forwarded-For: 2001:db8::7", "2001:db8::7", "http", "sent.example"},
		{"IPv6 in brackets", "10.0.0.1", "X-Forwarded-For: [2001:db8::7], [2001:db8:1::5]", "2001:db8::7", "http", "sent.example"},
		{"IPv6 with a port", "10.0.0.1", "X-Forwarded-For: [2001:db8::7]:4711", "2001:db8::7", "http", "sent.example"},
		{"IPv6 of a link", "10.0.0.1", "X-Forwarded-For: fe80::1%eth0", "10.0.0.1", "http", "sent.example"},
		{"IPv6 without an end", "10.0.0.1", "X-Forwarded-For: [2001:db8::7", "10.0.0.1", "http", "sent.example"},
		{"IPv4 in brackets", "10.0.0.1", "X-Forwarded-For: [192.0.2.7]", "10.0.0.1", "http", "sent.example"},
		{"IPv4 as IPv6", "10.0.0.1", "X-Forwarded-For: ::ffff:192.0.2.7, ::ffff:10.0.0.2", "192.0.2.7", "http", "sent.example"},
		{"in quotes", "10.0.0.1", `X-Forwarded-For: "192.0.2.7"`, "10.0.0.1", "http", "sent.example"},

		{"TLS to the first of two", "10.0.0.1", "X-Forwarded-Proto: https, http", "10.0.0.1", "http", "sent.example"},
		{"TLS to both", "10.0.0.1", "X-Forwarded-Proto: HTTPS\nX-Forwarded-Proto: https", "10.0.0.1", "https", "sent.example"},
		{"TLS, and garbage", "10.0.0.1", "X-Forwarded-Proto: https, ", "10.0.0.1", "http", "sent.example"},
		{"another protocol", "10.0.0.1", "X-Forwarded-Proto: wss", "10.0.0.1", "http", "sent.example"},
		{"two hosts", "10.0.0.1", "X-Forwarded-Host: client.example, told.example:8443", "10.0.0.1", "http", "told.example:8443"},
		{"a host that is none", "10.0.0.1", "X-Forwarded-Host: user@told.example", "10.0.0.1", "http", "sent.example"},
		{"a host with a path", "10.0.0.1", "X-Forwarded-Host: told.example/a", "10.0.0.1", "http", "sent.example"},
		{"a host without end", "10.0.0.1", "X-Forwarded-Host: " + strings.Repeat("a", 256), "10.0.0.1", "http", "sent.example"},
	} {
		var headers []string
		for line := range strings.Lines(test.headers) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			headers = append(headers, name, value)
		}
		ip, https, host := asked(s, test.peer, headers...)
		if ip.String() != test.ip || https != (test.scheme == "https") || host != test.host {
			t.Errorf("%s: %v, TLS %v, %s", test.name, ip, https, host)
		}
	}
}

// FuzzForwarded: who is not trusted changes nothing. What a trusted one tells is an
// address as it is written anywhere, and stays the same behind one more proxy.
func FuzzForwarded(f *testing.F) {
	for _, s := range []string{"192.0.2.7", "a, [2001:db8::7]:1,10.0.0.2", "", ",", "[::]", "fe80::1%a", "::ffff:10.0.0.1", "10.1.1.1:80 , x"} {
		f.Add(s, "https", "h.example")
	}
	s := proxied("10.0.0.0/8")
	f.Fuzz(func(t *testing.T, far, proto, host string) {
		if strings.ContainsAny(far+proto+host, "\r\n") {
			return // the end of a header
		}
		all := func(far string) []string {
			return []string{"X-Forwarded-For", far, "X-Forwarded-Proto", proto, "X-Forwarded-Host", host}
		}
		if ip, https, to := asked(s, "192.0.2.1", all(far)...); ip.String() != "192.0.2.1" || https || to != "sent.example" {
			t.Errorf("a stranger is believed: %v, %v, %q", ip, https, to)
		}
		ip, https, to := asked(s, "10.0.0.1", all(far)...)
		if !ip.IsValid() || ip.Is4In6() || ip.Zone() != "" || to != "sent.example" && !strings.Contains(strings.ToLower(host), to) || https && !strings.EqualFold(strings.TrimSpace(proto)[:5], "https") {
			t.Errorf("%q: %v, %v, %q", far, ip, https, to)
		}
		if again, _, _ := asked(s, "10.0.0.1", all(far+",10.0.0.2")...); again != ip && !s.trusts(ip) {
			t.Errorf("%q: %v, behind one more proxy %v", far, ip, again)
		}
		if last, _, _ := asked(s, "10.0.0.1", all(far+", 192.0.2.9")...); last.String() != "192.0.2.9" {
			t.Errorf("%q hides who asks: %v", far, last)
		}
	})
}

// TestBehindATrustedProxy asks for what depends on the client, as a proxy and as a stranger.
func TestBehindATrustedProxy(t *testing.T) {
	const client = "198.51.100.7"
	told := []string{"X-Forwarded-For", client, "X-Forwarded-Proto", "https", "X-Forwarded-Host", "devstoreaccount1.pictures.example"}
	for _, trusted := range []bool{true, false} {
		t.Run(fmt.Sprint("trusted ", trusted), func(t *testing.T) {
			s := newTestServer(t, func(c *Config) {
				c.AddressRate = 2
				if trusted {
					c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
				}
			})
			get := func(url, ifTrusted, otherwise string, headers ...string) {
				t.Helper()
				want := otherwise
				if trusted {
					want = ifTrusted
				}
				if got := s.do("GET", url, nil, headers...).header.Get("x-ms-error-code"); got != want {
					t.Errorf("%s %v: %s, want %s", url, headers, got, want)
				}
			}
			path := func(sip, spr string) string {
				token, err := sign.Issue([]byte(accountKey), sign.Resource{Account: "devstoreaccount1", Container: seedContainer},
					sign.Token{Expiry: sign.FormatTime(s.clock.Now().Add(time.Hour)), Permissions: "r", Addresses: sip, Protocol: spr})
				if err != nil {
					t.Fatal(err)
				}
				return "/" + seedContainer + "/none?" + token.Query()
			}
			const none, noIP, noTLS = "BlobNotFound", "AuthorizationSourceIPMismatch", "AuthorizationProtocolMismatch"
			get(publicURL+path(client, ""), none, noIP, told...)
			get(publicURL+path("127.0.0.1", ""), noIP, none, told...)
			get(publicURL+path("127.0.0.1", ""), none, none) // on the same connection
			s.clock.add(10 * time.Second)
			get(publicURL+path("", "https"), none, noTLS, told...)
			get(publicURL+path("", "https"), noTLS, noTLS)
			s.clock.add(10 * time.Second)
			get(publicURL+"/devstoreaccount1"+path("", ""), "ResourceNotFound", none, told...) // the host has the account already
			a := s.signIn(publicURL, told...)
			if secure := strings.Contains(strings.ToLower(a.header.Get("Set-Cookie")), "secure"); a.status != 204 || secure != trusted {
				t.Errorf("session: %d, %v", a.status, a.header)
			}
			s.clock.add(10 * time.Second)
			for i, busy := range []string{none, none, none, none, "ServerBusy", "ServerBusy"} { // three clients, or one
				get(publicURL+path("", ""), none, busy, "X-Forwarded-For", fmt.Sprintf("198.51.100.%d", i%3))
			}
			if strings.Contains(s.log.String(), "from="+client) != trusted {
				t.Error(s.log.String())
			}
		})
	}
}
