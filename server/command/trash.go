package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tintype/server"
)

func (p *program) trashCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "trash", Short: "Deleted pictures: list, restore, empty"}
	cmd.AddCommand(p.trashList(), p.trashRestore(), p.trashEmpty())
	return cmd
}

func (p *program) trashList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List what was deleted and can be restored",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withData(cmd, func(l *live) error { return p.printTrash(l, asJSON) })
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a line of JSON for each")
	cmd.Flags().AddFlagSet(p.set.flags(dataFlags...))
	return cmd
}

func (p *program) printTrash(l *live, asJSON bool) error {
	enc := json.NewEncoder(p.stdout)
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	n := 0
	for from, more := "", true; more; more = from != "" {
		page, next, err := server.TrashPage(l.data.Pictures, from, 1000)
		for _, t := range page {
			if asJSON {
				err = errors.Join(err, enc.Encode(t))
				continue
			}
			fmt.Fprintf(w, "%s\t%s\t%d files\t%s\n", t.Path, t.Deleted.Format(time.RFC3339), t.Files, inBytes(t.Bytes))
		}
		if err := errors.Join(err, w.Flush()); err != nil {
			return err
		}
		n, from = n+len(page), next
	}
	if n == 0 && !asJSON {
		fmt.Fprintln(p.stderr, "the trash is empty")
	}
	return nil
}

func (p *program) trashRestore() *cobra.Command {
	cmd := &cobra.Command{
		Use: "restore CONTAINER/FOLDER", Short: "Bring a picture back with all its variants, at its old URL",
		Args: exactly(1, false, "CONTAINER/FOLDER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withData(cmd, func(l *live) error {
				names, err := server.RestoreTrash(l.data.Pictures, args[0])
				for _, name := range names {
					if err == nil {
						fmt.Fprintln(p.stdout, name)
					}
				}
				return l.audited("restore", "", args[0], err)
			})
		},
	}
	cmd.Flags().AddFlagSet(p.set.flags(dataFlags...))
	return cmd
}

func (p *program) trashEmpty() *cobra.Command {
	var older duration
	cmd := &cobra.Command{
		Use: "empty", Short: "Remove deleted pictures for good",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withData(cmd, func(l *live) error {
				freed, err := l.data.Pictures.Sweep(time.Now().Add(-time.Duration(older)))
				if err != nil {
					return err
				}
				fmt.Fprintf(p.stdout, "removed %d files, %s freed\n", freed.Objects, inBytes(freed.BlobBytes))
				return l.audited("purge", "", fmt.Sprintf("%d files", freed.Objects), nil)
			})
		},
	}
	cmd.Flags().Var(&older, "older-than", "only what was deleted before, such as 30d (default: all)")
	cmd.Flags().AddFlagSet(p.set.flags(dataFlags...))
	return cmd
}
