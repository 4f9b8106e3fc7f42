package command

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tintype/server"
	"tintype/sign"
)

func (p *program) importFastDFS() *cobra.Command {
	var group, first string
	cmd := &cobra.Command{
		Use: "fastdfs DIR... [--group group1] [--path M00]", Short: "Import the store paths of a FastDFS storage, under their file IDs",
		Long: "Import the store paths of a FastDFS storage, under their file IDs: DIR/data/HH/LL/file becomes group1/M00/HH/LL/file,\n" +
			"and of a second DIR group1/M01/HH/LL/file. Size and CRC-32 in each ID are compared with the bytes.",
		Args: exactly(1, true, "DIR... [--group group1] [--path M00]"),
	}
	cmd.Flags().StringVar(&group, "group", "group1", "group that the storage is of")
	cmd.Flags().StringVar(&first, "path", "M00", "store path that the first DIR is")
	return p.importFrom(cmd, func(args []string) (source, string, error) {
		if !server.InGroup(group+"/") || strings.HasPrefix(group, "cache") {
			return nil, "", usagef("--group %q: links are served of group1, group2 and so on", group)
		}
		number, err := storePath(first)
		if err != nil || number+len(args) > 256 {
			return nil, "", usagef("--path %q: want M00 to MFF", first)
		}
		s := storage{group: group}
		for i, dir := range args {
			root, err := dataDir(dir)
			if err != nil {
				return nil, "", err
			}
			s.roots = append(s.roots, storageRoot{root, fmt.Sprintf("%s/M%02X/", group, number+i)})
		}
		return s.source, group + "/", nil
	})
}

// storePath reads M00 to MFF.
func storePath(text string) (n int, err error) {
	digits, ok := strings.CutPrefix(text, "M")
	if !ok || len(digits) != 2 || !isHexDir(digits) {
		return 0, errors.New("no store path")
	}
	_, err = fmt.Sscanf(digits, "%X", &n)
	return n, err
}

// isHexDir says whether a directory is one of those that a storage spreads its files over.
func isHexDir(name string) bool {
	return len(name) == 2 && strings.Trim(name, "0123456789ABCDEF") == ""
}

// dataDir returns where the directories 00 to FF are: in dir, or in its data.
func dataDir(dir string) (string, error) {
	if err := isDirectory(dir); err != nil {
		return "", err
	}
	for _, at := range []string{filepath.Join(dir, "data"), dir} {
		if real, err := filepath.EvalSymlinks(at); err == nil {
			at = real
		}
		files, err := os.ReadDir(at)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		for _, f := range files {
			if isHexDir(f.Name()) {
				return at, nil
			}
		}
	}
	return "", fmt.Errorf("%s is no store path of a FastDFS storage: no directory data/00 is in it", dir)
}

// storage is what a FastDFS storage has of one group.
type storage struct {
	group string
	roots []storageRoot
}

// storageRoot is a directory with 00 to FF in it, and how the IDs of its files begin.
type storageRoot struct{ dir, prefix string }

// Files that are in a storage's directories and are none of its clients'.
const (
	kindOwn  = "of the storage itself"
	kindMeta = "with metadata of others"
)

func (s storage) source(_ context.Context, passed map[string]int) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		for _, root := range s.roots {
			if err := s.walk(root, passed, yield); err != nil {
				if !errors.Is(err, errEnough) {
					yield(entry{}, err)
				}
				return
			}
		}
	}
}

// walk yields the files of HH/LL below a root, and no others.
func (s storage) walk(root storageRoot, passed map[string]int, yield func(entry, error) bool) error {
	return filepath.WalkDir(root.dir, func(at string, d fs.DirEntry, err error) error {
		if at == root.dir {
			return err
		}
		rel, relErr := filepath.Rel(root.dir, at)
		parts := strings.Split(filepath.ToSlash(rel), "/")
		switch {
		case errors.Join(err, relErr) != nil:
			return next(yield, entry{from: at, refused: reason(errors.Join(err, relErr))})
		case len(parts) < 3 && d.IsDir() && isHexDir(d.Name()):
			return nil
		case len(parts) < 3 && d.Type()&fs.ModeSymlink != 0 && isHexDir(d.Name()):
			return next(yield, entry{from: at, refused: "it is a link, and its files are not looked at"})
		case d.IsDir():
			passed[kindOwn]++
			return fs.SkipDir
		case len(parts) < 3: // sync marks, statistics, the pid file
			passed[kindOwn]++
			return nil
		case strings.HasSuffix(d.Name(), "-m"):
			if _, err := readMetadata(at); err != nil {
				return next(yield, entry{from: at, refused: "metadata that no picture can have: " + reason(err)})
			}
			passed[kindMeta]++
			return nil
		}
		return next(yield, s.entry(root, at, strings.Join(parts, "/"), d))
	})
}

// entry looks at one file of HH/LL.
func (s storage) entry(root storageRoot, at, rel string, d fs.DirEntry) entry {
	e := entry{from: at, name: root.prefix + rel, size: -1, open: opener(at)}
	if why := notWhole(d.Name()); why != "" {
		e.refused = why
		return e
	}
	id, err := sign.ParseFileID(e.name)
	if err != nil {
		e.refused = "the name is no FastDFS file ID"
		return e
	}
	info, err := os.Stat(at) // of what a link leads to: a storage makes links to files that it has twice
	switch {
	case err != nil:
		e.refused = reason(err)
	case !info.Mode().IsRegular():
		e.refused = "it is no file"
	case d.Type()&fs.ModeSymlink != 0 && !s.contains(at):
		e.refused = "it is a link out of the storage"
	}
	e.created = id.Created()
	if e.size = id.Size(); e.size >= 0 {
		e.sum, e.want, e.sumName = crc32.NewIEEE(), binary.BigEndian.AppendUint32(nil, id.CRC32), "CRC-32 in its ID"
	} else if err == nil {
		e.size = info.Size() // a slave's ID has its master's, and that of a file that grows has none
	}
	e.header, _ = readMetadata(at + "-m") // whose own turn tells what is wrong with it
	return e
}

// contains says whether a link leads to a file of the storage.
func (s storage) contains(at string) bool {
	to, err := filepath.EvalSymlinks(at)
	return err == nil && slices.ContainsFunc(s.roots, func(root storageRoot) bool {
		rel, err := filepath.Rel(root.dir, to)
		return err == nil && filepath.IsLocal(rel)
	})
}

// Trunk files: six digits, with many small files in one; and what is in one has 16 more
// characters in its ID.
const (
	trunkName   = 6
	encodedID   = 27
	trunkIDMore = 16
	idTail      = 7
)

// notWhole says why a name in HH/LL is not that of a whole file; "": it may be.
func notWhole(name string) string {
	if len(name) == trunkName && strings.Trim(name, "0123456789") == "" {
		return "a trunk file: small files are in it that have no names here; download them from the running storage"
	}
	const isTrunk = 1 << 59
	if len(name) == encodedID+trunkIDMore+idTail {
		b, err := base64.RawURLEncoding.DecodeString(name[:encodedID])
		if err == nil && len(b) == 20 && binary.BigEndian.Uint64(b[8:])&isTrunk != 0 {
			return "its bytes are in a trunk file; download it from the running storage"
		}
	}
	return ""
}
