package command

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// makePair returns a certificate for 127.0.0.1 and its key as PEM, and who trusts it.
func makePair(t *testing.T) (cert, key []byte, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	made := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, made, made, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), pool
}

// replace writes a file as it should be: whole, or not at all.
func replace(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// trusting returns a client that makes a new connection for each request.
func trusting(pool *x509.CertPool) *http.Client {
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool},
	}}
}

func works(client *http.Client, url string) bool {
	resp, err := client.Get(url + "/healthz")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body) // so that the connection is kept
	return resp.StatusCode == 200 && string(body) == "ok\n" && err == nil
}

func TestTheCertificateIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	cert, key, first := makePair(t)
	replace(t, certFile, cert)
	replace(t, keyFile, key)
	p := startProgram(t, "--data", filepath.Join(dir, "data"), "--tls-cert", certFile, "--tls-key", keyFile)
	if !strings.HasPrefix(p.url, "https://127.0.0.1:") || !works(trusting(first), p.url) {
		t.Fatalf("at first: %s", p.url)
	}
	kept := trusting(first) // a connection that outlives the certificate
	kept.Transport.(*http.Transport).DisableKeepAlives = false
	works(kept, p.url)

	// another certificate alone does not go with the key
	cert, key, second := makePair(t)
	replace(t, certFile, cert)
	until(t, "a pair that does not fit is logged", func() bool {
		return strings.Contains(p.stderr.String(), "the certificate stays as it is") && strings.Contains(p.stderr.String(), "private key does not match public key")
	})
	if !works(trusting(first), p.url) {
		t.Error("the old certificate does not go on")
	}
	replace(t, keyFile, key)
	until(t, "the new pair is used", func() bool { return works(trusting(second), p.url) })
	if works(trusting(first), p.url) || !works(kept, p.url) {
		t.Error("the old certificate is still used, or a connection has ended with it")
	}

	os.Remove(keyFile)
	until(t, "a file that is gone is logged", func() bool { return strings.Contains(p.stderr.String(), "key.pem: no such file") })
	replace(t, keyFile, key)
	cert, key, third := makePair(t)
	// in place, and at once
	os.WriteFile(certFile, cert, 0o600)
	os.WriteFile(keyFile, key, 0o600)
	p.cmd.Process.Signal(syscall.SIGHUP)
	until(t, "files that were written in place are used", func() bool { return works(trusting(third), p.url) })
	p.stop()
	if strings.Contains(p.stderr.String(), "PRIVATE KEY") {
		t.Error(p.stderr.String())
	}
}

func TestFlagsOfTLSGoTogether(t *testing.T) {
	dir := t.TempDir()
	cert, key, _ := makePair(t)
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, data := range map[string][]byte{"cert": cert, "key": key, "garbage": []byte("garbage")} {
		replace(t, at(name), data)
	}
	for _, test := range []struct{ args, want string }{
		{"--tls-cert " + at("cert"), "--tls-cert and --tls-key go together"},
		{"--tls-key " + at("key"), "--tls-cert and --tls-key go together"},
		{"--tls-cert " + at("cert") + " --tls-key " + at("none"), "none: no such file"},
		{"--tls-cert " + at("garbage") + " --tls-key " + at("key"), "failed to find any PEM data in certificate input"},
		{"--tls-cert " + at("key") + " --tls-key " + at("cert"), "certificate"},
		{"--tls-cert " + at("cert") + " --tls-key " + at("key") + " --acme-domain a.example", "leave --tls-cert"},
		{"--acme-email a@b.example", "need --acme-domain"},
		{"--acme-directory https://ca.example", "need --acme-domain"},
		{"--acme-domain a.example --acme-directory ca.example", `--acme-directory "ca.example"`},
		{"--acme-domain *.a.example", `--acme-domain "*.a.example"`},
		{"--acme-domain 127.0.0.1", `--acme-domain "127.0.0.1"`},
		{"--acme-domain a.example:443", `--acme-domain "a.example:443"`},
		{"--acme-domain localhost", `--acme-domain "localhost"`},
		{"--trusted-proxies 10.0.0.0/33", `--trusted-proxies "10.0.0.0/33"`},
		{"--trusted-proxies proxy.example", `--trusted-proxies "proxy.example"`},
		{"--trusted-proxies ::ffff:10.0.0.0/104", "--trusted-proxies"},
	} {
		data := at("data")
		r := tintype(t, append(strings.Fields("serve --listen 127.0.0.1:0 --data "+data), strings.Fields(test.args)...)...)
		if r.code != 2 || strings.Contains(r.stderr, "\n") || !strings.Contains(r.stderr, test.want) {
			t.Errorf("%s: exit %d, %q", test.args, r.code, r.stderr)
		}
		if _, err := os.Stat(data); err == nil {
			t.Errorf("%s: the data directory was made", test.args)
		}
	}
}
