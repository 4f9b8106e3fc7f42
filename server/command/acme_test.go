package command

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/acme"
)

// testCA is an ACME server that believes every signature, but visits each domain before it
// signs for it: at reach, with the protocol of the challenge.
type testCA struct {
	*httptest.Server
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool

	mu       sync.Mutex // guards all below
	reach    string
	orders   []*testOrder
	contacts []string
}

type testOrder struct {
	domain, status, token string
	chain                 []byte
}

func newTestCA(t *testing.T) *testCA {
	ca := &testCA{t: t, pool: x509.NewCertPool()}
	var err error
	if ca.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	ca.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, ca.cert, ca.cert, ca.key.Public(), ca.key)
	if err != nil {
		t.Fatal(err)
	}
	if ca.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	ca.pool.AddCert(ca.cert)
	ca.Server = httptest.NewUnstartedServer(http.HandlerFunc(ca.serve))
	ca.Start()
	t.Cleanup(ca.Close)
	return ca
}

// serve answers /directory, /nonce, /account, /order, and for an order of number N
// /order/N, /authz/N, /challenge/N, /finalize/N and /cert/N.
func (ca *testCA) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Replay-Nonce", rand.Text())
	var number int
	what, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	fmt.Sscan(rest, &number)
	var request struct {
		Identifiers []struct{ Value string }
		Contact     []string
		CSR         string
	}
	payload(r, &request)
	ca.mu.Lock()
	defer ca.mu.Unlock()
	if rest != "" && number >= len(ca.orders) {
		http.NotFound(w, r)
		return
	}
	switch what {
	case "directory":
		json.NewEncoder(w).Encode(map[string]string{"newNonce": ca.URL + "/nonce", "newAccount": ca.URL + "/account", "newOrder": ca.URL + "/order"})
		return
	case "nonce":
		return
	case "account":
		ca.contacts = request.Contact
		w.Header().Set("Location", ca.URL+"/account/0")
		w.WriteHeader(http.StatusCreated)
		w.Write([]byte(`{"status":"valid"}`))
		return
	case "order":
		if rest == "" {
			number = len(ca.orders)
			ca.orders = append(ca.orders, &testOrder{domain: request.Identifiers[0].Value, status: "pending", token: rand.Text()})
			w.Header().Set("Location", fmt.Sprintf("%s/order/%d", ca.URL, number))
			w.WriteHeader(http.StatusCreated)
		}
	}
	o := ca.orders[number]
	switch what {
	case "authz", "challenge":
		if what == "challenge" {
			o.status = "invalid"
			if err := ca.visit(o.domain); err == nil {
				o.status = "ready"
			}
		}
		challenge := map[string]string{"type": "tls-alpn-01", "url": fmt.Sprintf("%s/challenge/%d", ca.URL, number), "token": o.token, "status": "pending"}
		if what == "challenge" {
			json.NewEncoder(w).Encode(challenge)
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"status": strings.Replace(o.status, "ready", "valid", 1), "challenges": []any{challenge}})
		return
	case "finalize":
		if o.status == "ready" {
			o.chain, o.status = ca.sign(request.CSR, o.domain), "valid"
		}
	case "cert":
		w.Header().Set("Content-Type", "application/pem-certificate-chain")
		w.Write(o.chain)
		return
	}
	of := func(what string) string { return fmt.Sprintf("%s/%s/%d", ca.URL, what, number) }
	json.NewEncoder(w).Encode(map[string]any{"status": o.status, "authorizations": []string{of("authz")}, "finalize": of("finalize"), "certificate": of("cert")})
}

// payload reads what a signed request says.
func payload(r *http.Request, into any) {
	var signed struct{ Payload string }
	if json.NewDecoder(r.Body).Decode(&signed) == nil {
		data, _ := base64.RawURLEncoding.DecodeString(signed.Payload)
		json.Unmarshal(data, into)
	}
}

// visit looks whether a domain answers the challenge.
func (ca *testCA) visit(domain string) error {
	conn, err := tls.Dial("tcp", ca.reach, &tls.Config{ServerName: domain, NextProtos: []string{acme.ALPNProto}, InsecureSkipVerify: true})
	if err != nil {
		return err
	}
	defer conn.Close()
	if state := conn.ConnectionState(); state.NegotiatedProtocol != acme.ALPNProto || state.PeerCertificates[0].VerifyHostname(domain) != nil {
		return fmt.Errorf("%s: %q, %v", domain, state.NegotiatedProtocol, state.PeerCertificates[0].DNSNames)
	}
	return nil
}

func (ca *testCA) sign(csr, domain string) []byte {
	der, _ := base64.RawURLEncoding.DecodeString(csr)
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		ca.t.Error(err)
		return nil
	}
	der, err = x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{domain}, NotBefore: ca.cert.NotBefore, NotAfter: ca.cert.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, ca.cert, request.PublicKey, ca.key)
	if err != nil {
		ca.t.Error(err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})...)
}

func (ca *testCA) count() int {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	return len(ca.orders)
}

func TestCertificatesComeByACME(t *testing.T) {
	const domain, second = "pictures.test.example", "photos.test.example"
	ca, dir := newTestCA(t), t.TempDir()
	ca.mu.Lock() // nothing is answered yet
	start := func() (p *proc, address string) {
		p = startProgram(t, "--data", dir, "--acme-domain", domain, "--acme-domain", second, "--acme-directory", ca.URL+"/directory",
			"--acme-email", "ops@test.example", "--log-level", "info")
		until(t, "the listener is told", func() bool {
			m := regexp.MustCompile(`port 443 .* listener=(\S+)`).FindStringSubmatch(p.stderr.String())
			if m != nil {
				address = m[1]
			}
			return m != nil
		})
		return p, address
	}
	handshake := func(address, name string) (*x509.Certificate, error) {
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", address, &tls.Config{ServerName: name, RootCAs: ca.pool, InsecureSkipVerify: name == ""})
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0], nil
	}
	p, address := start()
	if p.url != "https://"+domain {
		t.Errorf("public URL %s", p.url)
	}
	for range 3 {
		if _, err := handshake(address, domain); err == nil || !strings.Contains(err.Error(), "remote error") {
			t.Errorf("before there is a certificate: %v", err)
		}
	}
	ca.reach = address
	ca.mu.Unlock()
	for _, name := range []string{domain, second, ""} {
		until(t, "there is a certificate for "+name, func() bool { _, err := handshake(address, name); return err == nil })
	}
	if cert, err := handshake(address, ""); err != nil || cert.VerifyHostname(domain) != nil {
		t.Errorf("without a name: %v", err)
	}
	for _, name := range []string{"127.0.0.1", "other.test.example", strings.ToUpper(domain)} {
		if _, err := handshake(address, name); (err == nil) != (name == strings.ToUpper(domain)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p.stop()
	if ca.count() != 2 || fmt.Sprint(ca.contacts) != "[mailto:ops@test.example]" {
		t.Errorf("%d orders, contacts %v", ca.count(), ca.contacts)
	}
	if info, err := os.Stat(filepath.Join(dir, "acme")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("acme: %v, %v", info, err)
	}
	p, address = start()
	until(t, "the certificate is there after a restart", func() bool { _, err := handshake(address, domain); return err == nil })
	p.stop()
	if ca.count() != 2 {
		t.Errorf("%d orders after a restart", ca.count())
	}
}

func TestACAThatGivesNoCertificateIsLogged(t *testing.T) {
	ca := newTestCA(t) // which can reach nobody
	p := startProgram(t, "--data", t.TempDir(), "--acme-domain", "pictures.test.example", "--acme-directory", ca.URL+"/directory")
	until(t, "it is logged", func() bool { return strings.Contains(p.stderr.String(), "no certificate: the CA must reach") })
	p.stop()
}
