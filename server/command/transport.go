package command

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/valyala/fasthttp/fasthttputil"

	"tintype/server"
)

// adminTokenEnv has the admin token for --server.
const adminTokenEnv = "TINTYPE_ADMIN_TOKEN"

// socketTokenLife is the life of the admin tokens that commands get through the admin socket.
const socketTokenLife = time.Hour

// apiCommand makes cmd one of those that are clients of the native API. check looks at what
// was typed; nil: there is nothing more to look at. run is called with the API of
//
//	--server URL          a server elsewhere, or
//	DIR/admin.sock        the one that has the data directory open, or
//	the data directory    a server in this process, for as long as run takes
func (p *program) apiCommand(cmd *cobra.Command, check func(args []string) error, run func(ctx context.Context, a *api, args []string) error) *cobra.Command {
	var elsewhere string
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if p.live != nil {
			return usagef("%s does not run inside a server", cmd.CommandPath())
		}
		if check != nil {
			if err := check(args); err != nil {
				return err
			}
		}
		f := func(a *api) error { return run(cmd.Context(), a, args) }
		if elsewhere != "" {
			return p.withServerAt(elsewhere, f)
		}
		return p.withServer(f)
	}
	cmd.Flags().AddFlagSet(p.set.flags(dataFlags...))
	cmd.Flags().StringVar(&elsewhere, "server", "", "`URL` of a server elsewhere; its admin token is in "+adminTokenEnv)
	return cmd
}

func (p *program) withServerAt(text string, f func(*api) error) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.User != nil {
		return usagef("--server %q: want http://host or https://host", text)
	}
	token := os.Getenv(adminTokenEnv)
	if token == "" {
		return usagef("--server needs an admin token in %s; on that machine, tintype token admin prints one", adminTokenEnv)
	}
	client := newHTTPClient()
	defer client.CloseIdleConnections()
	return f(&api{url: strings.TrimRight(text, "/"), http: client, token: token})
}

// withServer runs f with the server that has the data open, or one of this process.
func (p *program) withServer(f func(*api) error) error {
	p.set.fitMemory()
	if err := p.set.load(); err != nil {
		return err
	}
	door, err := p.askServer()
	if errors.Is(err, errNoServer) {
		return p.withOwnServer(f)
	}
	if err != nil {
		return err
	}
	client := newHTTPClient()
	defer client.CloseIdleConnections() // the server may be waiting for its end
	// Its certificate is for the public name, and that it is this server the socket has said,
	// which only its owner opens.
	client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	a := &api{url: door.URL, http: client}
	a.renew = func() (string, time.Duration, error) {
		door, err := p.askServer()
		return door.Token, socketTokenLife, err
	}
	return f(a)
}

// door is where and how a running server lets commands in.
type door struct {
	URL   string `json:"url"` // on the loopback, not the public one
	Token string `json:"token"`
}

// errNoServer is returned where no server has the data directory open.
var errNoServer = errors.New("no server runs on this data directory")

// askServer asks the server at the admin socket for the way in.
func (p *program) askServer() (door, error) {
	var out, stderr bytes.Buffer
	asked := &program{args: []string{"token", "admin", "--json", "--expiry", socketTokenLife.String()}, stdout: &out, stderr: &stderr, set: p.set}
	code, err := asked.forward()
	if err != nil {
		return door{}, fmt.Errorf("%w: %s", errNoServer, p.set.data)
	}
	var d door
	if code != 0 || json.Unmarshal(out.Bytes(), &d) != nil || d.URL == "" {
		return door{}, fmt.Errorf("the server lets no command in: %s", strings.TrimSpace(strings.TrimPrefix(stderr.String(), "tintype: ")))
	}
	return d, nil
}

// withOwnServer runs f with a server of this process on the data directory, which no
// other program reaches.
func (p *program) withOwnServer(f func(*api) error) error {
	if p.set.publicURL == "" {
		p.set.publicURL = "http://" + p.set.listen
	}
	if p.set.logLevel.value == "info" { // which has a line for each change
		p.set.logLevel.value = "warn"
	}
	return p.withOwnData(false, func(l *live) error {
		l.cfg.CacheSize = min(l.cfg.CacheSize, 16<<20) // for one client's work, not a day's
		l.cfg.SourceIP, l.cfg.Log = sourceIP(l.cfg.PublicURL), p.set.logger(p.stderr)
		srv, err := server.New(l.cfg)
		if err != nil {
			return usageError{err}
		}
		ln := fasthttputil.NewInmemoryListener()
		ended := make(chan error, 1)
		go func() { ended <- srv.Serve(loopback{ln}) }()
		client := &http.Client{CheckRedirect: noRedirects, Transport: &http.Transport{
			DialContext:         func(context.Context, string, string) (net.Conn, error) { return ln.Dial() },
			MaxIdleConnsPerHost: importers, DisableCompression: true,
		}}
		err = f(&api{url: "http://127.0.0.1", http: client, token: l.adminToken(time.Now().Add(365 * day))})
		client.CloseIdleConnections()
		end, cancel := context.WithTimeout(context.Background(), drainTime)
		defer cancel()
		return errors.Join(err, srv.Shutdown(end), <-ended)
	})
}

// loopback gives connections of this process the address that they stand for.
type loopback struct{ net.Listener }

func (l loopback) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return loopbackConn{conn}, err
}

type loopbackConn struct{ net.Conn }

func (loopbackConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// newHTTPClient returns a client for a server that is asked much at once.
func newHTTPClient() *http.Client {
	return &http.Client{CheckRedirect: noRedirects, Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 2 * time.Minute,
		MaxIdleConnsPerHost:   importers,
		DisableCompression:    true,
	}}
}

// noRedirects hands a redirect to the caller: nothing of the API is one, and a token is not
// to be carried elsewhere.
func noRedirects(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
