package main

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// target is a server to measure, in one way of uploading to it.
type target struct {
	name    string
	durable bool // what is acknowledged survives a power cut

	// fresh targets begin each round with an empty directory.
	fresh bool

	// ready is a path that answers 200 when the server takes uploads; empty: once it accepts connections.
	ready string

	// command prepares dir, which may have data of an earlier round, and returns the server's command line.
	command func(p *plan, dir, addr string) ([]string, error)

	// dial prepares uploads of picture to a running server, and returns what makes one client.
	dial func(s *server, picture body) (func() (client, error), error)
}

var targets = []target{
	{name: "raw", durable: true, command: rawCommand, dial: dialPut},
	{name: "tintype-put", durable: true, ready: "/readyz", command: tintypeCommand, dial: dialBlob},
	{name: "tintype-save", durable: true, ready: "/readyz", command: tintypeCommand, dial: dialSave("isStorage", "true")},
	{name: "tintype-ttl", ready: "/readyz", command: tintypeCommand, dial: dialSave("isStorage", "false", "cacheTime", "86400")},
	// its log only grows, and is read whole at a start
	{name: "redis", durable: true, fresh: true, command: redisCommand, dial: dialRedis},
	{name: "versitygw", ready: "/health", command: versitygwCommand, dial: dialS3},
	{name: "nginx", command: nginxCommand, dial: dialPut},
}

func targetNamed(name string) (target, bool) {
	i := slices.IndexFunc(targets, func(t target) bool { return t.name == name })
	if i < 0 {
		return target{}, false
	}
	return targets[i], true
}

// place returns where upload id goes below a container, for servers that take paths.
func place(id uint64) string { return fmt.Sprintf("/bench-pictures/%02x/%d.jpg", id%256, id) }

func rawCommand(_ *plan, dir, addr string) ([]string, error) {
	self, err := os.Executable()
	return []string{self, "raw", dir, addr}, err
}

func dialPut(s *server, picture body) (func() (client, error), error) {
	return dialHTTP(s, picture, httpTarget{method: "PUT", contentType: "image/jpeg", address: place, status: 201}), nil
}

func dialHTTP(s *server, picture body, t httpTarget) func() (client, error) {
	return func() (client, error) { return t.client(s.addr, picture), nil }
}

const (
	tintypeApp    = "1234567890"
	tintypeSecret = "a secret for benchmarks"
	tintypeKey    = "YSBrZXkgZm9yIGJlbmNobWFya3M="
)

func tintypeCommand(p *plan, dir, addr string) ([]string, error) {
	return []string{p.tintype, "serve", "--data", dir, "--listen", addr, "--app", tintypeApp + "=" + tintypeSecret,
		"--account-key", tintypeKey, "--max-upload", "16MiB", "--log-level", "warn"}, nil
}

func dialBlob(s *server, picture body) (func() (client, error), error) {
	token, err := s.tool("token", "sas", "--data", s.dir, "--account-key", tintypeKey, "--container", "bench-pictures",
		"--permissions", "racwdl", "--expiry", time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	return dialHTTP(s, picture, httpTarget{
		method: "PUT", contentType: "image/jpeg", headers: []string{"x-ms-blob-type", "BlockBlob"},
		address: func(id uint64) string { return place(id) + "?" + token }, status: 201,
	}), err
}

// dialSave uploads by saveImage, with more fields than it must have. The sign
// covers the fields and the length, so one is enough for all uploads.
func dialSave(fields ...string) func(*server, body) (func() (client, error), error) {
	return func(s *server, picture body) (func() (client, error), error) {
		length := strconv.Itoa(len(picture.data))
		args := []string{"token", "sign", "--data", s.dir, "--app", tintypeApp, "--secret", tintypeSecret, "--length", length}
		all := []string{"appKey", tintypeApp, "length", length}
		for i := 0; i < len(fields); i += 2 {
			args = append(args, "--"+fields[i], fields[i+1])
			all = append(all, fields[i], fields[i+1])
		}
		sign, err := s.tool(args...)
		if err != nil {
			return nil, err
		}
		t := httpTarget{
			method: "POST", status: 200, text: `"ERRORCODE":"0"`,
			address: func(uint64) string { return "/dfsapi/v2/saveImage" },
		}
		t.form(append(all, "sign", sign))
		return dialHTTP(s, picture, t), nil
	}
}

// form makes t send fields, names and values in turn, with the picture as a file.
func (t *httpTarget) form(fields []string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b) // a Buffer takes everything
	for i := 0; i < len(fields); i += 2 {
		w.WriteField(fields[i], fields[i+1])
	}
	w.CreateFormFile("mmfile", "1.jpg")
	split := b.Len()
	w.Close()
	t.contentType = w.FormDataContentType()
	t.prefix, t.suffix = b.Bytes()[:split], b.Bytes()[split:]
}

func redisCommand(_ *plan, dir, addr string) ([]string, error) {
	host, port, _ := strings.Cut(addr, ":")
	return []string{"redis-server", "--bind", host, "--port", port, "--dir", dir, "--save", "", "--appendonly", "yes",
		"--appendfsync", "always", "--auto-aof-rewrite-percentage", "0", "--maxmemory", "4gb", "--maxmemory-policy", "allkeys-random"}, nil
}

func dialRedis(s *server, picture body) (func() (client, error), error) {
	return func() (client, error) { return newRedisClient(s.addr, picture) }, nil
}

func versitygwCommand(_ *plan, dir, addr string) ([]string, error) {
	return []string{"versitygw", "--port", addr, "--access", s3Access, "--secret", s3Secret, "--region", s3Region,
		"--health", "/health", "--keep-alive", "--quiet", "posix", dir}, os.MkdirAll(filepath.Join(dir, "bench-pictures"), 0o755)
}

func dialS3(s *server, picture body) (func() (client, error), error) {
	return dialHTTP(s, picture, httpTarget{
		method: "PUT", contentType: "image/jpeg", address: place, authorize: signS3, status: 200,
	}), nil
}

// nginxConf has DIR and ADDR to fill in. What keeps connections is set as high as it goes, as the others have no limit.
const nginxConf = `daemon off;
user root;
worker_processes auto;
pid DIR/nginx.pid;
error_log stderr error;
events { worker_connections 1024; }
http {
  access_log off;
  client_max_body_size 0;
  keepalive_requests 1000000000;
  keepalive_timeout 3600;
  client_body_temp_path DIR/tmp;
  proxy_temp_path DIR/unused;
  fastcgi_temp_path DIR/unused;
  uwsgi_temp_path DIR/unused;
  scgi_temp_path DIR/unused;
  server {
    listen ADDR;
    root DIR/www;
    location / {
      dav_methods PUT;
      create_full_put_path on;
    }
  }
}
`

func nginxCommand(_ *plan, dir, addr string) ([]string, error) {
	conf := filepath.Join(dir, "nginx.conf")
	text := strings.NewReplacer("DIR", dir, "ADDR", addr).Replace(nginxConf)
	return []string{"nginx", "-p", dir, "-e", "stderr", "-c", conf}, os.WriteFile(conf, []byte(text), 0o644)
}
