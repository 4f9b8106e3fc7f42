package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"tintype/store"
)

// The verdicts of a finding.
const (
	isOK   = "ok"
	isWarn = "warn"
	isFail = "fail"
)

// finding is what doctor says of one thing.
type finding struct {
	Verdict string `json:"verdict"` // ok, warn or fail
	Name    string `json:"name"`
	Text    string `json:"text"`
	Fix     string `json:"fix,omitempty"` // what to do about it; of what is not ok
}

func fine(name, format string, args ...any) finding {
	return finding{Verdict: isOK, Name: name, Text: fmt.Sprintf(format, args...)}
}

func warn(name, fix, format string, args ...any) finding {
	return finding{isWarn, name, fmt.Sprintf(format, args...), fix}
}

func fail(name, fix, format string, args ...any) finding {
	return finding{isFail, name, fmt.Sprintf(format, args...), fix}
}

// doctor looks for what keeps a server from its work, or will. It runs inside the server
// where there is one, because that has the limits, the settings and the files that count.
type doctor struct {
	set  *settings
	live *live // nil: the data directory is not open
	runs bool  // a server listens
}

func (p *program) doctorCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "doctor", Short: "Look for what is wrong with the installation, and say what to do",
		Long: "Look for what is wrong with settings, secrets, clock, public URL, port, store, disk and limits, and say what to do.\n" +
			"It speaks to nobody but this server and its public URL. Exit code 1: something fails.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if p.live != nil {
				d := &doctor{set: p.live.set, live: p.live, runs: p.live.addr != nil}
				return p.printFindings(d.examine(cmd.Context()), asJSON)
			}
			p.set.fitMemory()
			loadErr := p.set.load()
			if code, err := p.forward(); err == nil {
				return exitError(code)
			}
			d := &doctor{set: p.set}
			if loadErr != nil {
				return p.printFindings([]finding{d.version(), fail("settings", "mend it; tintype serve --help has all settings", "%v", loadErr)}, asJSON)
			}
			return p.printFindings(d.examine(cmd.Context()), asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a line of JSON for each: verdict, name, text, fix")
	cmd.Flags().AddFlagSet(p.set.flags(append(dataFlags, "listen", "public-url")...))
	return cmd
}

// examine makes all checks.
func (d *doctor) examine(ctx context.Context) []finding {
	return slices.Concat(
		[]finding{d.version(), d.settings()}, d.environment(), d.secrets(), []finding{d.clock(), d.port()},
		d.certificate(), d.publicURL(ctx), d.store(), d.disk(), d.limits(),
	)
}

// printFindings prints them, each with what to do, and fails if one does.
func (p *program) printFindings(all []finding, asJSON bool) error {
	failed := false
	for _, f := range all {
		failed = failed || f.Verdict == isFail
		if asJSON {
			if err := printJSON(p.stdout, f); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(p.stdout, "%-4s  %-11s  %s\n", f.Verdict, f.Name, f.Text)
		if f.Fix != "" {
			fmt.Fprintf(p.stdout, "      %-11s  -> %s\n", "", f.Fix)
		}
	}
	if failed {
		return errSilent
	}
	return nil
}

// store looks at what is stored, in the server or opened here.
func (d *doctor) store() []finding {
	if d.live != nil {
		return d.tiers()
	}
	if all, err := d.set.shared(); err == nil && all != nil {
		return d.shared(all)
	}
	keys, err := os.Stat(filepath.Join(d.set.data, "keys.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return []finding{fine("store", "nothing is in %s yet; the first start makes it", d.set.data)}
	}
	if err != nil {
		return []finding{fail("store", "let this user read it", "%v", err)}
	}
	if owner, other := anothers(keys); other { // files made here would be of no use to it
		return []finding{warn("store", "run doctor as that user: sudo -u \\#"+owner+" tintype doctor", "%s belongs to user %s and is not opened", d.set.data, owner)}
	}
	data, err := d.set.openData(d.set.logger(io.Discard))
	switch {
	case errors.Is(err, store.ErrLocked):
		return []finding{fail("store", "fuser -v "+shellQuote(filepath.Join(d.set.data, "pictures", "meta.db"))+" tells which", "a process has %s open that does not answer at admin.sock", d.set.data)}
	case errors.Is(err, store.ErrDamaged):
		return []finding{fail("store", "tintype rebuild makes the index anew", "%v", err)}
	case err != nil:
		return []finding{fail("store", "see what the error says of the file", "%v", err)}
	}
	defer data.Close()
	d.live = &live{data: data}
	defer func() { d.live = nil }()
	return d.tiers()
}

// shared looks at tiers that several servers use, as one of them would, and leaves nothing in
// the data directory.
func (d *doctor) shared(all *shared) []finding {
	dir, err := os.MkdirTemp("", "tintype-doctor-")
	if err != nil {
		return []finding{fail("store", "make room for temporary files", "%v", err)}
	}
	defer os.RemoveAll(dir)
	data, err := all.openData(dir, store.Options{Log: d.set.logger(io.Discard), Now: now})
	if err != nil {
		return []finding{fail("store", sharedHint, "%v", err)}
	}
	defer data.Close()
	d.live = &live{data: data}
	defer func() { d.live = nil }()
	return d.tiers()
}

const sharedHint = "see what it says: the endpoints and the bucket of --store, its keys, the addresses of --cache, the clock"

// tiers looks at both tiers.
func (d *doctor) tiers() (all []finding) {
	for _, tier := range tiersOf(d.live) {
		n, err := tier.Stats()
		blobs, index := tier.Damage()
		quarantined := countFiles(filepath.Join(d.set.data, tier.name, "quarantine"))
		switch ready := tier.Ready(); {
		case errors.Is(errors.Join(err, ready), store.ErrUnreachable), errors.Is(errors.Join(err, ready), store.ErrRefused), errors.Is(ready, store.ErrClock):
			all = append(all, fail("store", sharedHint, "%s: %v", tier.name, errors.Join(err, ready)))
		case err != nil:
			all = append(all, fail("store", "stop the server and run: tintype rebuild", "%s: the index cannot tell what is stored: %v", tier.name, err))
		case errors.Is(ready, store.ErrFull):
			all = append(all, fail("store", "make room on the disk; tintype gc removes what nobody needs", "%s: %v", tier.name, ready))
		case ready != nil:
			all = append(all, fail("store", "look at the disk (dmesg), then start the server again", "%s: %v", tier.name, ready))
		case index > 0:
			all = append(all, fail("store", "stop the server and run: tintype rebuild", "%s: %d reads of the index met damage since the start", tier.name, index))
		case blobs > 0:
			all = append(all, fail("store", "tintype scrub lists the pictures; an upload of the same bytes mends each", "%s: %d reads met damaged pictures since the start", tier.name, blobs))
		case quarantined > 0:
			all = append(all, warn("store", "tintype scrub lists their pictures; an upload of the same bytes mends each", "%s: %d damaged files are in quarantine", tier.name, quarantined))
		default:
			all = append(all, fine("store", "%s: ready, %d names, %d files, %s", tier.name, n.Objects, n.Blobs, inBytes(n.BlobBytes)))
		}
	}
	return all
}

// countFiles counts what is in a directory; 0 where there is none.
func countFiles(path string) int {
	files, err := os.ReadDir(path)
	if err != nil {
		return 0
	}
	return len(files)
}
