package command

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"tintype/server"
	"tintype/store"
)

// drainTime is how long a stop waits for requests in flight.
const drainTime = 30 * time.Second

func (p *program) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the server",
		Long: "Run the server.\nEvery flag has an environment variable (--public-url: TINTYPE_PUBLIC_URL) and a key in the config file;\n" +
			"the flag wins over the variable, the variable over the file. Lists in a variable are separated by blanks.\n" +
			"TINTYPE_TOKEN_SECRET_FILE, and so for every secret, names a file that has it; of TINTYPE_APP_FILE each line is one.\n" +
			"Applications, keys, secrets and the certificate are read again when their files change, and on SIGHUP.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if p.live != nil {
				return usagef("serve does not run inside a server")
			}
			p.set.fitMemory()
			base := p.set.clone()
			if err := p.set.load(); err != nil {
				return err
			}
			return p.serve(cmd.Context(), base)
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().AddFlagSet(p.set.all)
	return cmd
}

// serving is what of a server stays when it starts on a restored backup, and what goes on
// beside it.
type serving struct {
	base  *settings // what the flags say, without environment and file
	cfg   server.Config
	ln    net.Listener
	pair  *pair            // nil: no certificate of files
	certs *certifier       // nil: none by ACME
	asked <-chan os.Signal // to read again what may change
	log   *slog.Logger
}

// serve runs the server until ctx ends or a signal comes.
func (p *program) serve(ctx context.Context, base *settings) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	asked := hangups(ctx, stop)
	go p.set.fitCollector(ctx)
	s, err := p.prepare()
	if err != nil {
		return err
	}
	defer s.ln.Close()
	s.base, s.asked = base, asked
	for keys := [][]byte(nil); ; {
		l, err := p.openLive(s.log)
		if err != nil {
			return err
		}
		l.admit(keys) // who has restored a backup stays signed in
		restored, err := p.serveData(ctx, stop, s, l)
		if err := errors.Join(err, l.data.Close()); err != nil || !restored {
			return err
		}
		s.log.Info("a backup was restored; starting on it")
		if s.ln, err = net.Listen("tcp", s.ln.Addr().String()); err != nil {
			return err
		}
		keys = l.secrets.Load().AdminKeys
	}
}

// prepare checks all settings and opens the port, before anything is made.
func (p *program) prepare() (*serving, error) {
	s := &serving{log: p.set.logger(p.stderr)}
	slog.SetDefault(s.log) // of libraries too
	var err error
	if s.cfg, err = p.set.serverConfig(); err != nil {
		return nil, err
	}
	if _, err := p.set.givenApps(); err != nil {
		return nil, err
	}
	if err := p.set.checkTLS(); err != nil {
		return nil, err
	}
	if s.certs, err = p.set.certifier(filepath.Join(p.set.data, "acme")); err != nil {
		return nil, err
	}
	if p.set.tlsCert != "" {
		if s.pair, err = newPair(p.set.tlsCert, p.set.tlsKey); err != nil {
			return nil, usageError{err}
		}
	}
	if s.ln, err = p.listen(); err != nil {
		return nil, err
	}
	address := "http://" + reachable(s.ln.Addr())
	switch {
	case s.certs != nil:
		s.cfg.TLS, address = s.certs.config(), "https://"+s.certs.domains[0]
	case s.pair != nil:
		s.cfg.TLS, address = &tls.Config{GetCertificate: s.pair.get}, "https://"+reachable(s.ln.Addr())
	}
	if s.cfg.PublicURL == "" {
		s.cfg.PublicURL = address
	}
	if err := s.cfg.Check(); err != nil {
		return nil, errors.Join(usagef("--%w", err), s.ln.Close())
	}
	return s, nil
}

// openLive opens the data directory for a server.
func (p *program) openLive(log *slog.Logger) (*live, error) {
	data, err := p.set.openData(log)
	if errors.Is(err, store.ErrLocked) {
		return nil, fmt.Errorf("%s is in use by another tintype; stop it, or give this one a --data of its own", p.set.data)
	}
	if err != nil {
		return nil, err
	}
	l, err := p.liveData(data)
	if err != nil {
		err = errors.Join(err, data.Close())
	}
	return l, err
}

// listen opens the port, and says what to do where it is taken.
func (p *program) listen() (net.Listener, error) {
	_, port, err := net.SplitHostPort(p.set.listen)
	if _, notPort := strconv.ParseUint(port, 10, 16); err != nil || notPort != nil {
		return nil, usagef("--listen %q: want HOST:PORT, such as 127.0.0.1:8080", p.set.listen)
	}
	ln, err := net.Listen("tcp", p.set.listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is taken by another program; stop it, or choose another address: tintype serve --listen %s", p.set.listen, nextPort(p.set.listen))
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("not allowed to listen on %s; choose a port above 1023: tintype serve --listen 127.0.0.1:8080", p.set.listen)
	}
	return ln, err
}

// nextPort returns addr with a port that is free at this moment.
func nextPort(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return "127.0.0.1:8081"
	}
	for port := 8081; port < 8181; port++ {
		next := net.JoinHostPort(host, fmt.Sprint(port))
		if ln, err := net.Listen("tcp", next); err == nil {
			ln.Close()
			return next
		}
	}
	return net.JoinHostPort(host, "0")
}

// serveData serves l until ctx ends, or a backup was restored beside it.
func (p *program) serveData(ctx context.Context, restoreSignals func(), s *serving, l *live) (restored bool, err error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	log := s.log
	l.cfg.PublicURL, l.cfg.TLS, l.cfg.Log = s.cfg.PublicURL, s.cfg.TLS, log
	l.cfg.SourceIP = sourceIP(l.cfg.PublicURL)
	l.addr = s.ln.Addr()
	l.cfg.Restart = func() { stop(errRestored) }
	srv, err := server.New(l.cfg)
	if err != nil {
		return false, err
	}
	l.srv = srv
	admin, err := serveAdmin(ctx, p.set.data, l)
	if err != nil { // a file system without sockets: the server is whole without
		log.Warn("commands will not reach this server", "err", err)
	} else {
		defer admin.Close()
	}
	welcome := fmt.Sprintf("tintype %s listens on %s, %s\n", version(), l.cfg.PublicURL, p.set.place())
	if l.data.Registry.Fresh() && len(l.apps.given()) == 0 {
		more, err := p.firstStart(l)
		if err != nil {
			return false, err
		}
		welcome += more
	}
	io.WriteString(p.stdout, welcome)
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(s.ln) }()
	if s.pair != nil {
		s.pair.tell(log)
	}
	if s.certs != nil {
		s.certs.run(ctx, log, s.ln.Addr())
	}
	go newReloader(s, p.set, l).run(ctx, s.asked)
	select {
	case err := <-ended:
		return false, err
	case <-ctx.Done():
	}
	restored = errors.Is(context.Cause(ctx), errRestored)
	if !restored {
		restoreSignals() // a second signal ends the process at once
	}
	log.Info("stopping: finishing requests in flight", "at most", drainTime)
	end, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if err := srv.Shutdown(end); err != nil {
		log.Warn("requests were cut off", "err", err)
	}
	return restored, nil
}

// errRestored stops a server whose data directory is to be another.
var errRestored = errors.New("a backup has been restored")

// reachable is the host and port under which this machine reaches addr.
func reachable(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("127.0.0.1:%d", tcp.Port)
	}
	return addr.String()
}

// sourceIP returns the address that FastDFS-style ids carry: that of the public
// URL if it has one that FastDFS reads as an address. The zero Addr: the default.
func sourceIP(publicURL string) netip.Addr {
	u, err := url.Parse(publicURL)
	if err != nil {
		return netip.Addr{}
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if err != nil || !ip.Is4() || ip.As4()[3] == 0 {
		return netip.Addr{}
	}
	return ip
}

// firstStart makes an application and returns what is told this once: all that a
// first upload takes.
func (p *program) firstStart(l *live) (string, error) {
	sample, length, err := writeSample(p.set.data)
	if err != nil {
		return "", err
	}
	sample, err = filepath.Abs(sample)
	if err != nil {
		return "", err
	}
	// last: from here on the start is no longer the first
	app, err := l.apps.AddApp(server.NewAppKey(), "", time.Now())
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(`
An application has been made for you. Its secret is not shown again:

  app key   %s
  secret    %s

Console, by a link that works once, for %d minutes:

  %s

Store a picture (paste this), then open the "url" of the answer:

  %s

`, app.Key, app.Secret, int(server.SetupTTL.Minutes()), l.srv.SetupLink(),
		curlUpload(l.cfg.PublicURL, app, sample, length)), nil
}
