package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"tintype/store"
)

func (p *program) statsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "stats", Short: "Print how much is stored",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withData(cmd, func(l *live) error { return p.printStats(l, asJSON) })
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().AddFlagSet(p.set.flags(dataFlags...))
	return cmd
}

func (p *program) printStats(l *live, asJSON bool) error {
	pictures, err := l.data.Pictures.Stats()
	if err != nil {
		return err
	}
	cache, err := l.data.Cache.Stats()
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(p.stdout).Encode(map[string]store.Stats{"pictures": pictures, "cache": cache})
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	defer w.Flush()
	fmt.Fprint(w, "tier\tpictures\tbytes\tblobs\tbytes on disk\t\n")
	for _, t := range []struct {
		name string
		n    store.Stats
	}{{"durable", pictures}, {"time-limited", cache}} {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t\n", t.name, t.n.Objects, t.n.ObjectBytes, t.n.Blobs, t.n.BlobBytes)
	}
	return nil
}

func (p *program) rebuildCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rebuild", Short: "Make the index anew from the blob files; the server must not run",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if p.live != nil {
				return errors.New("stop the server first: rebuild makes its index anew")
			}
			if err := p.set.load(); err != nil {
				return err
			}
			if code, err := p.forward(); err == nil {
				return exitError(code) // the server says no
			}
			if all, err := p.set.shared(); err != nil || all != nil {
				return errors.Join(err, fmt.Errorf("%w: S3 has no index", store.ErrElsewhere))
			}
			pictures, cache, err := store.RebuildData(p.set.data)
			if err != nil {
				return err
			}
			fmt.Fprintf(p.stdout, "found %d pictures in %d blobs, and %d time-limited ones in %d\n", pictures.Objects, pictures.Blobs, cache.Objects, cache.Blobs)
			return nil
		},
	}
	cmd.Flags().AddFlagSet(p.set.flags(dataFlags...))
	return cmd
}
