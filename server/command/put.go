package command

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

// putters is how many files are sent at once.
const putters = 4

// put is one run of the command of that name.
type put struct {
	*program
	api *api

	app, container, resource, as string
	ttl, link                    duration
	recursive, replace, asJSON   bool

	mu          sync.Mutex // guards what follows, and the output
	show        func(done, total int64)
	clear       func()
	sent, total int64
	failed      bool
	needsToken  bool // of a link that was printed without
}

func (p *program) putCommand() *cobra.Command {
	u := &put{program: p}
	cmd := &cobra.Command{
		Use: "put FILE... [--app KEY] [--container C | --resource R | --ttl D] [--as NAME]", Short: "Store files; prints the URL of each",
		Long: "Store files, \"-\" for stdin, and print the URL of each when it is done.\n" +
			"Pictures get a FastDFS-style link that is kept for good, or with --ttl for a time. With --resource they are QStorage's,\n" +
			"with their thumbnails; with --container, files of any kind lie there under their own name.",
		Args: exactly(1, true, "FILE..."),
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&u.app, "app", "", "`KEY` of the application they belong to (default: the first)")
	f.StringVar(&u.container, "container", "", "store under exactly this container and the file's name")
	f.StringVar(&u.resource, "resource", "", "QStorage `RESOURCE`, such as 1/bb2c")
	f.Var(&u.ttl, "ttl", "how long the picture is kept")
	f.StringVar(&u.as, "as", "", "`NAME` in the container, for one file (default: its base name)")
	f.BoolVar(&u.replace, "replace", false, "replace what has the name in the container")
	f.BoolVar(&u.recursive, "recursive", false, "store the files in directories too, but hidden ones")
	f.Var(&u.link, "link", "print links that need no more and work so long")
	f.BoolVar(&u.asJSON, "json", false, "print a line of JSON for each file: file, name, url, digest, size, error")
	for _, name := range []string{"ttl", "link"} {
		f.Lookup(name).DefValue = "" // and not 0s
	}
	return p.apiCommand(cmd, u.check, func(ctx context.Context, a *api, args []string) error {
		u.api = a
		return u.run(ctx, args)
	})
}

// check refuses flags that do not go together.
func (u *put) check(args []string) error {
	ways := 0
	for _, given := range []bool{u.container != "", u.resource != "", u.ttl > 0} {
		if given {
			ways++
		}
	}
	switch {
	case ways > 1:
		return usagef("--container, --resource and --ttl exclude each other")
	case u.container == "" && (u.as != "" || u.replace):
		return usagef("--as and --replace are for --container")
	case u.as != "" && len(args) > 1:
		return usagef("--as is for one file")
	case u.ttl > 0 && time.Duration(u.ttl) < time.Second:
		return usagef("--ttl: want at least a second")
	}
	for i, arg := range args {
		if arg == "-" && u.container != "" && u.as == "" {
			return usagef("stdin has no name: give --as")
		}
		if arg == "-" && i != len(args)-1 {
			return usagef("\"-\" comes last, and once")
		}
	}
	return nil
}

// putFile is a file to send: where it is, and what it is called in a container.
type putFile struct{ path, name string }

func (u *put) run(ctx context.Context, args []string) error {
	var err error
	if u.app == "" && u.container == "" { // a container has its owner
		if u.app, err = u.api.app(ctx, ""); err != nil {
			return err
		}
	}
	files := u.files(args)
	u.show, u.clear = u.progress("put", inBytes)
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(putters)
	for _, file := range files {
		work.Go(func() error {
			pic, err := u.one(ctx, file)
			u.tell(file.path, pic, err)
			return nil
		})
	}
	work.Wait()
	u.clear()
	if u.needsToken && !u.asJSON {
		fmt.Fprintln(u.stderr, "These need a token: --link 30m prints links that have one.")
	}
	if u.failed {
		return errSilent
	}
	return nil
}

// files returns what args name, and adds up their sizes. What is wrong with one is told
// when its turn comes.
func (u *put) files(args []string) []putFile {
	var all []putFile
	for _, arg := range args {
		info, err := os.Stat(arg)
		switch {
		case err == nil && info.IsDir() && u.recursive:
			all = append(all, u.walk(arg)...)
			continue
		case err == nil && !info.IsDir():
			u.total += info.Size()
		}
		name := filepath.Base(arg)
		if u.as != "" {
			name = u.as
		}
		all = append(all, putFile{arg, name})
	}
	return all
}

func (u *put) walk(dir string) (files []putFile) {
	err := filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			u.tell(at, picture{}, err)
		case at != dir && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
		case d.Type().IsRegular():
			rel, err := filepath.Rel(dir, at)
			if err != nil {
				return err
			}
			if info, err := d.Info(); err == nil {
				u.total += info.Size()
			}
			files = append(files, putFile{at, filepath.ToSlash(rel)})
		}
		return nil
	})
	if err != nil {
		u.tell(dir, picture{}, err)
	}
	return files
}

// one stores a file.
func (u *put) one(ctx context.Context, file putFile) (pic picture, err error) {
	f, size, err := openFile(file.path)
	if err != nil {
		return pic, err
	}
	defer f.Close()
	digest, err := digestOf(io.NewSectionReader(f, 0, size))
	if err != nil {
		return pic, err
	}
	r := request{method: http.MethodPost, path: "/pictures", query: url.Values{}, size: size}
	switch {
	case u.container != "":
		r.method, r.path = http.MethodPut, "/picture"
		r.query.Set("name", u.container+"/"+strings.TrimPrefix(file.name, "/"))
		r.query.Set("sha256", digest)
		if u.replace {
			r.query.Set("exists", "replace")
		}
	case u.resource != "":
		r.query.Set("resource", u.resource)
	case u.ttl > 0:
		r.query.Set("ttl", strconv.FormatInt(int64(time.Duration(u.ttl)/time.Second), 10))
	}
	if u.app != "" {
		r.query.Set("app", u.app)
	}
	err = retry(ctx, func() error {
		body := &counted{SectionReader: io.NewSectionReader(f, 0, size), add: u.count}
		r.body = body
		_, err := u.api.call(ctx, r, &pic)
		if err != nil {
			u.count(-body.n.Load())
		}
		return err
	})
	if err == nil && pic.Digest != digest {
		err = fmt.Errorf("the server has stored something else: %s", pic.Name)
	}
	if err == nil && u.link > 0 {
		pic.URL, err = u.api.sign(ctx, pic.Name, time.Now().Add(time.Duration(u.link)))
	}
	return pic, err
}

// openFile opens a file to be sent, or what stdin has.
func openFile(path string) (content, int64, error) {
	if path == "-" {
		return spool(os.Stdin)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	switch {
	case err == nil && info.IsDir():
		err = errors.New("is a directory; --recursive stores the files in it")
	case err == nil && !info.Mode().IsRegular():
		err = errors.New("is no file")
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// spool copies r into a file that is gone when it is closed.
func spool(r io.Reader) (content, int64, error) {
	f, err := os.CreateTemp("", "tintype-*")
	if err != nil {
		return nil, 0, err
	}
	os.Remove(f.Name()) // not on Windows, while it is open
	size, err := io.Copy(f, r)
	if err != nil {
		spooled{f}.Close()
		return nil, 0, err
	}
	return spooled{f}, size, nil
}

type spooled struct{ *os.File }

func (s spooled) Close() error {
	err := s.File.Close()
	os.Remove(s.Name())
	return err
}

// digestOf returns the SHA-256 of what r has, in hexadecimal digits.
func digestOf(r io.Reader) (string, error) {
	h := sha256.New()
	_, err := io.Copy(h, r)
	return hex.EncodeToString(h.Sum(nil)), err
}

// counted tells how much of a body has been read.
type counted struct {
	*io.SectionReader
	n   atomic.Int64 // a client may still read when its call has returned
	add func(int64)
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.SectionReader.Read(b)
	c.n.Add(int64(n))
	c.add(int64(n))
	return n, err
}

func (u *put) count(n int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sent += n
	u.show(u.sent, u.total)
}

// tell prints what became of a file.
func (u *put) tell(file string, pic picture, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.clear != nil {
		u.clear()
	}
	u.failed = u.failed || err != nil
	u.needsToken = u.needsToken || err == nil && !pic.Public && u.link == 0
	switch {
	case u.asJSON:
		line := map[string]any{"file": file}
		if err != nil {
			line["error"] = reason(err)
		} else {
			line["name"], line["url"], line["digest"], line["size"] = pic.Name, pic.URL, pic.Digest, pic.Size
		}
		printJSON(u.stdout, line)
	case err != nil:
		fmt.Fprintf(u.stderr, "tintype: %s: %s\n", file, reason(err))
	default:
		fmt.Fprintln(u.stdout, pic.URL)
	}
}

// reason is an error without the file's name, which is told before it.
func reason(err error) string {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err.Error()
	}
	return err.Error()
}

// printJSON prints one line.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
