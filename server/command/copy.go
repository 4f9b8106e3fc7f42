package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tintype/store"
)

func (p *program) copyCommand() *cobra.Command {
	var from, to string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "copy --from PLACE --to PLACE", Short: "Bring all pictures from a directory into S3, or from S3 into a directory",
		Long: "Bring all pictures, those in the trash and those with a time limit too, from one place to another. A place is a data\n" +
			"directory on which no server runs, or s3://bucket/prefix?endpoint=URL,URL as of serve --store.\n" +
			"Each picture is compared with its SHA-256 and read back. What is there already is passed over: after a break, or\n" +
			"for what has come meanwhile, run it again. Nothing is deleted. Exit code 1: something could not be brought.\n\n" +
			"Applications and keys stay where they are: give them to servers over S3 by --app and --account-key.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if p.live != nil {
				return usagef("copy does not run inside a server")
			}
			if from == "" || to == "" || from == to {
				return usagef("copy needs two places: --from and --to")
			}
			n, err := p.copyAll(from, to)
			if err == nil && asJSON {
				err = json.NewEncoder(p.stdout).Encode(n)
			} else if err == nil {
				p.printCopied(n)
			}
			if err == nil && n["pictures"].Refused+n["cache"].Refused > 0 {
				err = errSilent
			}
			return err
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&from, "from", "", "`PLACE` of the pictures: a data directory, or s3://...")
	cmd.Flags().StringVar(&to, "to", "", "`PLACE` they are brought to")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// copyAll copies both tiers.
func (p *program) copyAll(from, to string) (done map[string]store.Copied, err error) {
	src, closeSrc, err := p.openPlace(from, false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeSrc()) }()
	dst, closeDst, err := p.openPlace(to, true)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeDst()) }()
	done = make(map[string]store.Copied)
	for _, tier := range []struct {
		name     string
		from, to store.Store
	}{{"pictures", src.Pictures, dst.Pictures}, {"cache", src.Cache, dst.Cache}} {
		show, clear := p.progress("copy "+tier.name, func(n int64) string { return fmt.Sprint(n) })
		n, err := store.Copy(tier.to, tier.from, show)
		clear()
		done[tier.name] = n
		if err != nil {
			return done, fmt.Errorf("copy of %s: %w; %d pictures were brought, and the next run goes on from there", tier.name, err, n.Objects)
		}
	}
	return done, nil
}

// openPlace opens a data directory or S3. A directory is made if it may be new.
func (p *program) openPlace(text string, mayBeNew bool) (*store.Data, func() error, error) {
	opt := store.Options{Log: p.set.logger(p.stderr), Now: now}
	if !strings.Contains(text, "://") {
		if _, err := os.Stat(text); err != nil && !mayBeNew {
			return nil, nil, fmt.Errorf("no data in %s", text)
		}
		data, err := store.OpenData(text, opt)
		if errors.Is(err, store.ErrLocked) {
			err = fmt.Errorf("%s is in use: stop the server that has it, so that nothing comes while it is copied", text)
		}
		if err != nil {
			return nil, nil, err
		}
		return data, data.Close, nil
	}
	all, err := newShared(text, "")
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "tintype-copy-")
	if err != nil {
		return nil, nil, err
	}
	data, err := all.openData(dir, opt)
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return data, func() error { return errors.Join(data.Close(), os.RemoveAll(dir)) }, nil
}

func (p *program) printCopied(all map[string]store.Copied) {
	for _, tier := range []string{"pictures", "cache"} {
		n := all[tier]
		for _, name := range slices.Sorted(maps.Keys(n.Failed)) {
			fmt.Fprintf(p.stdout, "%s: not brought: %q: %s\n", tier, name, n.Failed[name])
		}
		fmt.Fprintf(p.stdout, "%s: %d brought and read back, %s; %d were there, %d are newer there, %d could not be brought\n",
			tier, n.Objects, inBytes(n.Bytes), n.There, n.Newer, n.Refused)
	}
}
