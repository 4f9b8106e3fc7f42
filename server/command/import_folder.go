package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"mime"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"tintype/server"
)

func (p *program) importFolder() *cobra.Command {
	var container string
	cmd := &cobra.Command{
		Use: "folder DIR --container C", Short: "Import every file below DIR as C/its/path",
		Long: "Import every file below DIR as C/its/path, created when it was last changed. Hidden files and links are passed over.",
		Args: exactly(1, false, "DIR --container C"),
	}
	cmd.Flags().StringVar(&container, "container", "", "first part of the names")
	return p.importFrom(cmd, func(args []string) (source, string, error) {
		if err := server.CheckContainer(container); err != nil {
			return nil, "", usagef("--container %q: %w", container, err)
		}
		dir, err := filepath.EvalSymlinks(args[0])
		if err == nil {
			err = isDirectory(dir)
		}
		return folder(dir, container), container + "/", err
	})
}

func isDirectory(dir string) error {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is no directory", dir)
	}
	return err
}

// folder is the files below dir.
func folder(dir, container string) source {
	return func(_ context.Context, passed map[string]int) iter.Seq2[entry, error] {
		return func(yield func(entry, error) bool) {
			err := filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
				switch {
				case err != nil && at == dir:
					return err
				case err != nil:
					return next(yield, entry{from: at, refused: reason(err)})
				case at != dir && strings.HasPrefix(d.Name(), "."):
					passed["hidden"]++
					if d.IsDir() {
						return fs.SkipDir
					}
				case d.Type()&fs.ModeSymlink != 0:
					passed["links"]++
				case d.Type().IsRegular():
					return next(yield, folderEntry(dir, at, container, d))
				case !d.IsDir():
					passed["no files"]++
				}
				return nil
			})
			if err != nil && !errors.Is(err, errEnough) {
				yield(entry{}, err)
			}
		}
	}
}

// next yields e; errEnough where no more is wanted.
func next(yield func(entry, error) bool, e entry) error {
	if !yield(e, nil) {
		return errEnough
	}
	return nil
}

func folderEntry(dir, at, container string, d fs.DirEntry) entry {
	e := entry{from: at, open: opener(at)}
	rel, err := filepath.Rel(dir, at)
	if err != nil {
		e.refused = err.Error()
		return e
	}
	e.name = container + "/" + filepath.ToSlash(rel)
	e.mediaType = mime.TypeByExtension(filepath.Ext(e.name))
	info, err := d.Info()
	if err != nil {
		e.refused = reason(err)
		return e
	}
	e.size, e.created = info.Size(), info.ModTime()
	return e
}

// opener opens a file of this machine.
func opener(path string) func(context.Context) (content, error) {
	return func(context.Context) (content, error) { return os.Open(path) }
}
