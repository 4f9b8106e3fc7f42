package main

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	account = "devstoreaccount1"
	key     = "YSBrZXkgZm9yIGJlbmNobWFya3M="
	app     = "1234567890"
	secret  = "a secret for benchmarks"
)

var (
	expiry = time.Now().Add(24 * time.Hour).UTC()
	token  string
)

func startTintype(dir, binary string) (*server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "tintype")
	out, err := exec.Command(binary, "token", "sas", "--data", data, "--account-key", key, "--container", "bench-pictures",
		"--permissions", "rw", "--expiry", expiry.Format(time.RFC3339)).Output()
	if err != nil {
		return nil, fmt.Errorf("tintype token sas: %w", err)
	}
	token = strings.TrimSpace(string(out))
	args := []string{binary, "serve", "--data", data, "--listen", addr, "--app", app + "=" + secret, "--account-key", key, "--log-level", "warn"}
	return launch("tintype", addr, isHealthy, append(args, strings.Fields(os.Getenv("FLAGS"))...)...)
}

// nginxConf has DIR, ADDR and SECRET to fill in.
const nginxConf = `daemon off;
user root;
worker_processes 1;
pid DIR/nginx.pid;
error_log stderr error;
events { worker_connections 4096; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  keepalive_timeout 3600;
  open_file_cache max=12000 inactive=600s;
  open_file_cache_valid 600s;
  types { image/jpeg jpg; }
  client_body_temp_path DIR/tmp;
  proxy_temp_path DIR/unused;
  fastcgi_temp_path DIR/unused;
  uwsgi_temp_path DIR/unused;
  scgi_temp_path DIR/unused;
  server {
    listen ADDR;
    root DIR/www;
    location /healthz { return 200; }
    location / {
      secure_link $arg_md5,$arg_expires;
      secure_link_md5 "$secure_link_expires$uri SECRET";
      if ($secure_link = "") { return 403; }
      if ($secure_link = "0") { return 410; }
    }
  }
}
`

func startNginx(dir string) (*server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	own := filepath.Join(dir, "nginx")
	if err := os.MkdirAll(filepath.Join(own, "www", "bench-pictures"), 0o755); err != nil {
		return nil, err
	}
	conf := filepath.Join(own, "nginx.conf")
	text := strings.NewReplacer("DIR", own, "ADDR", addr, "SECRET", secret).Replace(nginxConf)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return nil, err
	}
	return launch("nginx", addr, isHealthy, "nginx", "-p", own, "-e", "stderr", "-c", conf)
}

func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// fill gives both servers the same pictures, and their URLs to wrk.
func (b *bench) fill(size, distinct int) error {
	t, n := b.servers[0], b.servers[1]
	t.urls, n.urls = nil, nil
	for i := range distinct {
		path := fmt.Sprintf("/bench-pictures/%d-%d.jpg", size, i)
		t.urls = append(t.urls, path+"?"+token)
		sum := md5.Sum(fmt.Appendf(nil, "%d%s %s", expiry.Unix(), path, secret))
		n.urls = append(n.urls, fmt.Sprintf("%s?md5=%s&expires=%d", path, base64.RawURLEncoding.EncodeToString(sum[:]), expiry.Unix()))
	}
	var wait sync.WaitGroup
	var next atomic.Int64
	errs := make(chan error, 16)
	for range cap(errs) {
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < distinct; i = int(next.Add(1)) - 1 {
				if err := b.store(t, size, i); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wait.Wait()
	select {
	case err := <-errs:
		return err
	default:
	}
	time.Sleep(5 * time.Second) // until tintype has brought them to their places
	script := `local all, at = {}, 0
function init()
  for line in io.lines(os.getenv("URLS")) do all[#all + 1] = wrk.format("GET", line) end
end
function request()
  at = at % #all + 1
  return all[at]
end
`
	if err := os.WriteFile(filepath.Join(b.dir, "urls.lua"), []byte(script), 0o644); err != nil {
		return err
	}
	for _, s := range b.servers {
		s.list = filepath.Join(b.dir, s.name+".urls")
		if err := os.WriteFile(s.list, []byte(strings.Join(s.urls, "\n")+"\n"), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// store puts picture i in both places.
func (b *bench) store(t *server, size, i int) error {
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(i), byte(i >> 8), byte(size), byte(size >> 8)}).Read(data)
	if err := os.WriteFile(filepath.Join(b.dir, "nginx", "www", "bench-pictures", fmt.Sprintf("%d-%d.jpg", size, i)), data, 0o644); err != nil {
		return err
	}
	return put(context.Background(), "http://"+t.addr+t.urls[i], data)
}
