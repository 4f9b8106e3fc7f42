// Command bench measures how fast pictures are stored. "bench load" starts the
// servers one at a time, uploads to them and prints the tables; "bench raw" is
// the simplest of the servers. The script run beside it prepares both.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func init() {
	// the kernel sends Pdeathsig when the thread that started a server ends, which the main thread never does before us
	runtime.LockOSThread()
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) > 0 && args[0] == "load":
		p, err := parsePlan(args[1:])
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		return p.run(ctx)
	case len(args) == 3 && args[0] == "raw":
		return serveRaw(args[1], args[2])
	}
	return errors.New("usage: bench load FLAGS, or bench raw DIR ADDR")
}

// parsePlan reads the flags of load.
func parsePlan(args []string) (*plan, error) {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	dir := flags.String("dir", "", "empty `directory`, on the disk to measure")
	tintype := flags.String("tintype", "tintype", "the `binary`; the others are found by PATH")
	names := flags.String("targets", "raw tintype-put", "`names` of targets, in order")
	sizes := flags.String("sizes", "50000", "`bytes` of a picture")
	clients := flags.String("clients", "1", "`numbers` of clients")
	rounds := flags.Int("rounds", 5, "`times` that each target is measured in a cell")
	seconds := flags.Float64("seconds", 4, "`seconds` measured each time")
	disk := flags.Int64("disk-gb", 20, "`GB` of disk to use at most")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	p := &plan{
		dir:      *dir,
		tintype:  *tintype,
		rounds:   *rounds,
		duration: time.Duration(*seconds * float64(time.Second)),
		budget:   *disk << 30,
	}
	if p.dir == "" || p.rounds < 1 || p.duration <= 0 {
		return nil, errors.New("-dir, -rounds and -seconds must be given")
	}
	for _, name := range strings.Fields(*names) {
		t, ok := targetNamed(name)
		if !ok {
			return nil, fmt.Errorf("no target is named %q", name)
		}
		p.targets = append(p.targets, t)
	}
	var err error
	if p.sizes, err = numbers(*sizes); err != nil {
		return nil, err
	}
	if p.clients, err = numbers(*clients); err != nil {
		return nil, err
	}
	return p, nil
}

// numbers parses positive numbers with blanks between them.
func numbers(list string) ([]int, error) {
	var all []int
	for _, s := range strings.Fields(list) {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no positive number", s)
		}
		all = append(all, n)
	}
	return all, nil
}
