package command

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"tintype/server"
)

func (p *program) getCommand() *cobra.Command {
	var out string
	var force bool
	cmd := &cobra.Command{
		Use: "get URL|NAME [-o FILE|-]", Short: "Write a stored picture to a file",
		Long: "Write a stored picture to a file of its own name, or to FILE, or to stdout. A URL needs no token.\n" +
			"The file is there only when it is whole and has the digest that the server tells.",
		Args: exactly(1, false, "URL|NAME [-o FILE|-]"),
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "`FILE` or directory to write to, or - for stdout")
	cmd.Flags().BoolVar(&force, "force", false, "write over a file that is there")
	return p.apiCommand(cmd, nil, func(ctx context.Context, a *api, args []string) error {
		name, err := a.nameOf(ctx, args[0])
		if err != nil {
			return err
		}
		var pic picture
		err = retry(ctx, func() (err error) {
			pic, err = a.picture(ctx, name)
			return err
		})
		if err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		if out == "-" {
			return p.fetch(ctx, a, pic, p.stdout)
		}
		return p.fetchFile(ctx, a, pic, out, force)
	})
}

// nameOf returns the name of the picture that text is, or is a URL of: of this server, by
// whatever address.
func (a *api) nameOf(ctx context.Context, text string) (string, error) {
	if !strings.Contains(text, "://") {
		return strings.TrimPrefix(text, "/"), nil
	}
	s, err := a.session(ctx)
	if err != nil {
		return "", err
	}
	name, err := server.NameOf(text, s.Account)
	if err != nil {
		return "", usageError{err}
	}
	return name, nil
}

// fetchFile writes a picture to out, which is a file, a directory or "" for a file of the
// picture's name; under another name until it is whole.
func (p *program) fetchFile(ctx context.Context, a *api, pic picture, out string, force bool) error {
	if info, err := os.Stat(out); out == "" || err == nil && info.IsDir() {
		base, err := baseOf(pic.Name)
		if err != nil {
			return err
		}
		out = filepath.Join(out, base)
	}
	if _, err := os.Lstat(out); err == nil && !force {
		return fmt.Errorf("%s is there already; --force writes over it", out)
	}
	partial := out + ".partial"
	f, err := os.Create(partial)
	if err != nil {
		return err
	}
	defer os.Remove(partial)
	err = p.fetch(ctx, a, pic, f)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(partial, out); err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "%s: %s\n", out, inBytes(pic.Size))
	return nil
}

// fetch writes the bytes of a picture, and compares them with its digest.
func (p *program) fetch(ctx context.Context, a *api, pic picture, w io.Writer) error {
	resp, err := a.send(ctx, request{method: http.MethodGet, path: "/picture/content", query: url.Values{"name": {pic.Name}}})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	show, done := p.progress("get", inBytes)
	defer done()
	h := sha256.New()
	n := int64(0)
	buf := make([]byte, 256<<10)
	for {
		got, err := resp.Body.Read(buf)
		h.Write(buf[:got])
		n += int64(got)
		show(n, pic.Size)
		if _, err := w.Write(buf[:got]); err != nil {
			return err
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if hex.EncodeToString(h.Sum(nil)) != pic.Digest {
		return fmt.Errorf("%q: the %d bytes that came are not those of its digest", pic.Name, n)
	}
	return nil
}

// baseOf returns the last part of a picture's name, if it can be that of a file here.
func baseOf(name string) (string, error) {
	base := name[strings.LastIndexByte(name, '/')+1:]
	if base == "." || !filepath.IsLocal(base) || strings.ContainsAny(base, `/\:`) {
		return "", usagef("%q ends in no name for a file: give -o FILE", name)
	}
	return base, nil
}
