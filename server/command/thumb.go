package command

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"tintype/thumb"
)

// thumbCommand is the engine alone, file to file: what an upload makes of IN.
func (p *program) thumbCommand() *cobra.Command {
	var size int
	cmd := &cobra.Command{
		Use: "thumb IN OUT [--size N]", Short: "Make a thumbnail, file to file", Args: exactly(2, false, "IN OUT [--size N]"),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := p.set.load(); err != nil {
				return err
			}
			if size < 1 {
				return usagef("--size %d: want at least 1", size)
			}
			return makeThumb(args[0], args[1], size, thumb.Limits{Pixels: int(p.set.maxPixels)})
		},
	}
	cmd.Flags().IntVar(&size, "size", 1024, "long side in `PIXELS`")
	cmd.Flags().AddFlagSet(p.set.flags("max-pixels"))
	return cmd
}

// makeThumb writes out whole or not at all. Its extension must be that of what is
// made: which one that is, the picture says.
func makeThumb(in, out string, size int, limits thumb.Limits) error {
	data, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	made, err := thumb.Make(data, limits, size)
	if err != nil {
		return fmt.Errorf("%s: %w", in, err)
	}
	t := made[0]
	if thumb.FormatOf(strings.TrimPrefix(filepath.Ext(out), ".")) != t.Format {
		return fmt.Errorf("the thumbnail of %s is a %v: %s must end in .%s", in, t.Format, out, t.Format.Ext())
	}
	f, err := os.CreateTemp(filepath.Dir(out), ".thumb-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // where it has not become out
	_, err = f.Write(t.Data)
	if err := errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), out)
}
