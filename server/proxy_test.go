//go:build fire && linux

package server

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// proxyConf has DIR, FRONT and BACK to fill in.
const proxyConf = `daemon off;
user root;
worker_processes 1;
pid DIR/nginx.pid;
error_log DIR/error.log error;
events { worker_connections 1024; }
http {
  log_format requests '$uri $upstream_status';
  access_log DIR/access.log requests;
  client_body_temp_path DIR/tmp;
  proxy_temp_path DIR/proxy;
  fastcgi_temp_path DIR/unused;
  uwsgi_temp_path DIR/unused;
  scgi_temp_path DIR/unused;
  upstream tintype { server BACK; keepalive 8; }
  server {
    listen FRONT;
    location / {
      proxy_pass http://tintype;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_request_buffering off;
      proxy_next_upstream off;
    }
  }
}
`

// TestBehindNginx sends every request of framing, to two kinds of address, to an nginx in
// front of the server, each with a plain one behind it: the server sees as many requests
// for each address as nginx has passed on.
func TestBehindNginx(t *testing.T) {
	s := newTestServer(t)
	conn, err := s.dial()
	if err != nil {
		t.Fatal(err)
	}
	back := conn.RemoteAddr().String()
	conn.Close()
	dir, front := startProxy(t, back)
	s.dial = func() (net.Conn, error) { return net.Dial("tcp", front) }
	cases := 0
	t.Run("cases", func(t *testing.T) {
		for i, test := range framing {
			for j, path := range []string{"/container-%d/a", "/group1/M00/00/00/%d.jpg"} {
				cases++
				t.Run(fmt.Sprint(test.name, j), func(t *testing.T) {
					t.Parallel()
					path = fmt.Sprintf(path, 100+i)
					s.answers(t, strings.ReplaceAll(test.request, "/healthz", path)+"GET "+path+"-next HTTP/1.1\r\nHost: h\r\n\r\n", 300*time.Millisecond)
				})
			}
		}
	})
	time.Sleep(time.Second) // until both have written their logs
	passed, err := os.ReadFile(filepath.Join(dir, "access.log"))
	if err != nil {
		t.Fatal(err)
	}
	count := func(text, line string) map[string]int {
		n := make(map[string]int)
		for _, m := range regexp.MustCompile(line).FindAllStringSubmatch(text, -1) {
			n[m[1]]++
		}
		return n
	}
	of := count(string(passed), `(?m)^(\S+) \d+$`)
	seen := count(s.log.String(), `msg=request .*path=(\S+) `)
	sum, unread := 0, 0
	for path, n := range of {
		sum += n
		switch seen[path] {
		case n:
		case 0: // refused before its address was read
			unread += n
		default:
			t.Errorf("nginx passed %d requests for %s on, %d were seen", n, path, seen[path])
		}
	}
	refused := int(s.srv.set.GetOrCreateCounter(`tintype_requests_total{api="http",code="400"}`).Get())
	if refused -= strings.Count(s.log.String(), errFraming.Error()); refused != unread {
		t.Errorf("%d requests that nginx passed on were not seen, %d were refused unread", unread, refused)
	}
	for path, n := range seen {
		if of[path] == 0 {
			t.Errorf("%d requests for %s were seen, nginx passed none on", n, path)
		}
	}
	t.Logf("%d cases, %d requests on both sides", cases, sum)
	if cases < 200 || sum < 50 {
		t.Error("too few")
	}
}

// startProxy starts nginx in front of a server, and says where.
func startProxy(t *testing.T, back string) (dir, front string) {
	return startProxyWith(t, strings.ReplaceAll(proxyConf, "BACK", back))
}

// startProxyWith starts nginx with a configuration that has DIR and FRONT to fill in.
func startProxyWith(t *testing.T, text string) (dir, front string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	front = ln.Addr().String()
	ln.Close()
	dir = t.TempDir()
	conf := filepath.Join(dir, "nginx.conf")
	text = strings.NewReplacer("DIR", dir, "FRONT", front).Replace(text)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin")
	cmd := exec.Command("nginx", "-p", dir, "-e", "stderr", "-c", conf)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	})
	for range 200 {
		if conn, err := net.Dial("tcp", front); err == nil {
			conn.Close()
			return dir, front
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("nginx does not answer")
	return "", ""
}
