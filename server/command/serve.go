package command

import (
	"context"
	"crypto/rand"
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
			"the flag wins over the variable, the variable over the file. Lists in a variable are separated by blanks.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if p.live != nil {
				return usagef("serve does not run inside a server")
			}
			p.set.fitMemory()
			if err := p.set.load(); err != nil {
				return err
			}
			return p.serve(cmd.Context())
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().AddFlagSet(p.set.all)
	return cmd
}

// serve runs the server until ctx ends or a signal comes.
func (p *program) serve(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	go p.set.fitCollector(ctx)
	log := p.set.logger(p.stderr)
	cfg, err := p.set.serverConfig() // before anything is made
	if err != nil {
		return err
	}
	if _, err := newApps(nil, p.set.apps); err != nil {
		return err
	}
	ln, err := p.listen()
	if err != nil {
		return err
	}
	defer ln.Close()
	if p.set.publicURL == "" {
		p.set.publicURL = "http://" + reachable(ln.Addr())
	}
	cfg.PublicURL = p.set.publicURL
	if err := cfg.Check(); err != nil {
		return usagef("--%w", err)
	}
	data, err := store.OpenData(p.set.data, store.Options{Log: log})
	if errors.Is(err, store.ErrLocked) {
		return fmt.Errorf("%s is in use by another tintype; stop it, or give this one a --data of its own", p.set.data)
	}
	if err != nil {
		return err
	}
	l, err := p.liveData(data)
	if err != nil {
		return errors.Join(err, data.Close())
	}
	return errors.Join(p.serveData(ctx, stop, ln, l, log), data.Close())
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

func (p *program) serveData(ctx context.Context, restoreSignals func(), ln net.Listener, l *live, log *slog.Logger) error {
	l.cfg.SourceIP = sourceIP(l.cfg.PublicURL)
	l.cfg.Log = log
	first := l.data.Registry.Fresh() && len(l.apps.given) == 0
	if first {
		l.cfg.SetupToken = rand.Text()
	}
	srv, err := server.New(l.cfg)
	if err != nil {
		return err
	}
	admin, err := serveAdmin(ctx, p.set.data, l)
	if err != nil { // a file system without sockets: the server is whole without
		log.Warn("commands will not reach this server", "err", err)
	} else {
		defer admin.Close()
	}
	welcome := fmt.Sprintf("tintype %s listens on %s, data in %s\n", version(), l.cfg.PublicURL, p.set.data)
	if first {
		more, err := p.firstStart(l)
		if err != nil {
			return err
		}
		welcome += more
	}
	io.WriteString(p.stdout, welcome)
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ln) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	restoreSignals() // a second signal ends the process at once
	log.Info("stopping: finishing requests in flight", "at most", drainTime)
	end, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if err := srv.Shutdown(end); err != nil {
		log.Warn("requests were cut off", "err", err)
	}
	return nil
}

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
	key, err := rand.Int(rand.Reader, tenDigits)
	if err != nil {
		return "", err
	}
	sample, length, err := writeSample(p.set.data)
	if err != nil {
		return "", err
	}
	sample, err = filepath.Abs(sample)
	if err != nil {
		return "", err
	}
	// last: from here on the start is no longer the first
	app, err := l.apps.AddApp(fmt.Sprint(1e9+key.Int64()), "", time.Now())
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(`
An application has been made for you. Its secret is not shown again:

  app key   %s
  secret    %s

Console, by a link that works once, for %d minutes:

  %s/console/#setup=%s

Store a picture (paste this), then open the "url" of the answer:

  %s

`, app.Key, app.Secret, int(server.SetupTTL.Minutes()), l.cfg.PublicURL, l.cfg.SetupToken,
		curlUpload(l.cfg.PublicURL, app, sample, length)), nil
}
