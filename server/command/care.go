package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"tintype/store"
)

func (p *program) backupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "backup FILE|-", Short: "Copy everything that is stored into one file, while the server runs",
		Long: "Copy everything that is stored into one file, or to stdout, while the server runs.\n" +
			"The file is a tar file of the blobs, named by their SHA-256. Exit code 1: it is not whole.",
		Args: exactly(1, false, "FILE|-"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if p.live != nil || args[0] == "-" {
				return p.withData(cmd, func(l *live) error { return p.backup(l, p.stdout) })
			}
			return p.backupFile(cmd, args[0])
		},
	}
	cmd.Flags().AddFlagSet(p.set.flags(dataFlags...))
	return cmd
}

// backupFile writes FILE here, whoever has the data open, and under another name until
// it is whole.
func (p *program) backupFile(cmd *cobra.Command, path string) error {
	partial := path + ".partial"
	f, err := os.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(partial)
	p.stdout, p.args = f, []string{"backup", "-"} // a server's paths are not those of here
	err = p.withData(cmd, func(l *live) error { return p.backup(l, f) })
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(partial, path)
}

func (p *program) backup(l *live, w io.Writer) error {
	show, done := p.progress("backup", inBytes)
	b, err := l.data.Backup(w, show)
	done()
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "backed up %d pictures in %d blobs, %s; %d time-limited ones in %d, %s\n", b.Pictures.Objects, b.Pictures.Blobs,
		inBytes(b.Pictures.BlobBytes), b.Cache.Objects, b.Cache.Blobs, inBytes(b.Cache.BlobBytes))
	if b.Damaged > 0 {
		return fmt.Errorf("%d pictures are damaged and not in the backup; see tintype scrub", b.Damaged)
	}
	return nil
}

func (p *program) restoreCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "restore FILE|-", Short: "Make the data directory out of a backup; it must be empty",
		Args: exactly(1, false, "FILE|-"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if p.live != nil {
				return errors.New("a server has this directory: restore makes a new one, give --data")
			}
			if err := p.set.load(); err != nil {
				return err
			}
			if all, err := p.set.shared(); err != nil || all != nil {
				return errors.Join(err, fmt.Errorf("%w: restore into a directory, and bring it to S3 by tintype copy", store.ErrElsewhere))
			}
			in := io.Reader(os.Stdin)
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer f.Close()
				in = f
			}
			show, done := p.progress("restore", inBytes)
			b, err := store.RestoreData(p.set.data, in, show)
			done()
			if err != nil {
				return err
			}
			fmt.Fprintf(p.stdout, "restored %d pictures in %d blobs, %s, and %d time-limited ones, into %s\n", b.Pictures.Objects, b.Pictures.Blobs,
				inBytes(b.Pictures.BlobBytes), b.Cache.Objects, p.set.data)
			return nil
		},
	}
	cmd.Flags().AddFlagSet(p.set.flags(dataFlags...))
	return cmd
}

func (p *program) scrubCommand() *cobra.Command {
	var repair, asJSON bool
	cmd := &cobra.Command{
		Use: "scrub", Short: "Read every picture and compare it with what was stored",
		Long: "Read every blob and compare it with its digest, and every name with its blob, while the server runs.\n" +
			"Damaged blobs are listed with their names and moved to quarantine/; an upload of the same bytes mends them.\n" +
			"Exit code 1: something is wrong.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withData(cmd, func(l *live) error { return p.scrub(l, repair, asJSON) })
		},
	}
	cmd.Flags().BoolVar(&repair, "repair", false, "remove blob files that nothing names")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().AddFlagSet(p.set.flags(dataFlags...))
	return cmd
}

func (p *program) scrub(l *live, repair, asJSON bool) error {
	found := make(map[string]store.Scrubbed)
	bad := false
	for _, tier := range tiersOf(l) {
		show, done := p.progress("scrub "+tier.name, inBytes)
		s, err := tier.Scrub(repair, show)
		done()
		if err != nil {
			return fmt.Errorf("scrub of %s: %w", tier.name, err)
		}
		found[tier.name] = s
		bad = bad || s.Bad()
		if !asJSON {
			p.printScrubbed(tier.name, s)
		}
	}
	if asJSON {
		if err := json.NewEncoder(p.stdout).Encode(found); err != nil {
			return err
		}
	}
	if bad {
		return errSilent
	}
	return nil
}

func (p *program) printScrubbed(tier string, s store.Scrubbed) {
	for _, d := range s.Damaged {
		fmt.Fprintf(p.stdout, "%s: damaged: %s.%d: %s\n", tier, d.Digest, d.Size, d.Why)
		for _, name := range d.Names {
			fmt.Fprintf(p.stdout, "%s:   name: %q\n", tier, name)
		}
	}
	for _, name := range s.Nameless {
		fmt.Fprintf(p.stdout, "%s: no blob: %q\n", tier, name)
	}
	if s.Counts {
		fmt.Fprintf(p.stdout, "%s: the counters are wrong; tintype rebuild mends them\n", tier)
	}
	fmt.Fprintf(p.stdout, "%s: %d pictures, %d blobs, %s read: %d damaged, %d names without a blob, %d files without a name\n",
		tier, s.Objects, s.Blobs, inBytes(s.Bytes), len(s.Damaged), len(s.Nameless), s.Unnamed)
}

type tierOf struct {
	name string
	store.Tier
}

func tiersOf(l *live) []tierOf {
	return []tierOf{{"pictures", l.data.Pictures}, {"cache", l.data.Cache}}
}

func (p *program) gcCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "gc", Short: "Remove expired pictures, old trash and bytes nothing names",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withData(cmd, func(l *live) error {
				ttl := l.cfg.TrashTTL
				if cmd.Flags().Changed("trash-ttl") {
					ttl = time.Duration(p.set.trashTTL)
				}
				return p.gc(l, time.Now().Add(-ttl))
			})
		},
	}
	cmd.Flags().AddFlagSet(p.set.flags(append(dataFlags, "trash-ttl")...))
	return cmd
}

func (p *program) gc(l *live, trashedBefore time.Time) error {
	var all store.Stats
	unnamed := int64(0)
	for _, tier := range tiersOf(l) {
		show, done := p.progress("gc "+tier.name, func(n int64) string { return fmt.Sprintf("%d directories", n) })
		freed, n, err := tier.Collect(trashedBefore, show)
		done()
		if err != nil {
			return fmt.Errorf("gc of %s: %w", tier.name, err)
		}
		all.Objects += freed.Objects
		all.Blobs += freed.Blobs
		all.BlobBytes += freed.BlobBytes
		unnamed += n
	}
	fmt.Fprintf(p.stdout, "removed %d pictures in %d blobs, %s, and %d files without a name\n", all.Objects, all.Blobs, inBytes(all.BlobBytes), unnamed)
	return nil
}
