package command

import (
	"fmt"
	"io"
	"os"
	"time"

	"tintype/store"
)

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// progress shows how far a long work is, on a terminal alone. done takes the line
// away, for the last one.
func (p *program) progress(what string, amount func(int64) string) (show store.Progress, done func()) {
	if !p.terminal {
		return func(int64, int64) {}, func() {}
	}
	var last time.Time
	show = func(done, total int64) {
		if time.Since(last) < 100*time.Millisecond {
			return
		}
		last = time.Now()
		line := fmt.Sprintf("%s: %s", what, amount(done))
		if total > 0 {
			line += fmt.Sprintf(" of %s, %d%%", amount(total), done*100/total)
		}
		fmt.Fprintf(p.stderr, "\r\x1b[K%s", line)
	}
	return show, func() { fmt.Fprint(p.stderr, "\r\x1b[K") }
}

// inBytes writes a number of bytes for people.
func inBytes(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f := float64(n)
	for f >= 1024 && len(units) > 1 {
		f, units = f/1024, units[1:]
	}
	if units[0] == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[0])
}
