//go:build fire && linux

package command

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"tintype/store"
)

// relaxedLag is how long before a power cut the acknowledgement of a time-limited
// picture has to be to count: store.SyncInterval, and the sync itself.
const relaxedLag = 1500 * time.Millisecond

// powerCut returns the moment of a cut: acknowledgements count until all, those of
// time-limited pictures until a while before the cut.
func powerCut(all, cut time.Time) moment { return moment{all, cut.Add(-relaxedLag)} }

// examineCut is examine for a power cut, with some of the last pictures.
func (k *killer) examineCut(m moment) (bad int) {
	known := slices.DeleteFunc(slices.Clone(k.all), func(s *stored) bool { return s.acked.After(m.all) })
	return k.examine(known[max(0, len(known)-50):], m)
}

// autopsy opens the store that a stop left, without a server, and counts what is not
// as promised: all pictures, what was never acknowledged, and left-overs. The
// pictures can be read again by what it returns; nil if the store is beyond reading.
func (k *killer) autopsy(m moment) (bad int, read func(*stored) reading) {
	all, err := readAll(k.dir)
	if err != nil {
		k.log("%v", err)
		return 1, nil
	}
	for name, r := range all {
		if r.Err != "" {
			k.log("%s: %v", name, r.Err)
			bad++
		}
	}
	read = func(s *stored) reading {
		if r, ok := all[strings.TrimPrefix(s.url, "/")]; ok {
			return r
		}
		return reading{Gone: true}
	}
	return bad + k.judge(k.all, m, read) + k.leftOvers(), read
}

// settle makes what is there after a stop the promise for the next one: pictures and
// deletes that might have been lost were not, or were.
func (k *killer) settle(read func(*stored) reading) {
	for _, s := range k.all {
		s.relaxed = false
		if read(s).Gone {
			s.deleted = s.acked
		} else {
			s.deleting = time.Time{}
		}
	}
}

// The test binary prints what is in the store in a directory where this is set: in a
// process of its own, since a damaged store may take its reader along.
const asReader = "TINTYPE_TEST_AS_READER"

func init() {
	dir := os.Getenv(asReader)
	if dir == "" {
		return
	}
	all, err := readTiers(dir)
	if err := errors.Join(err, gob.NewEncoder(os.Stdout).Encode(all)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// readAll returns what the names in a store lead to.
func readAll(dir string) (all map[string]reading, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), asReader+"="+dir)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("read everything: %w\n%s", err, stderr.String())
	}
	return all, gob.NewDecoder(&out).Decode(&all)
}

func readTiers(dir string) (map[string]reading, error) {
	data, err := store.OpenData(dir, store.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	all := make(map[string]reading)
	for _, tier := range []store.Store{data.Pictures, data.Cache} {
		objs, err := tier.List("", "", "", math.MaxInt)
		if err != nil {
			return nil, err
		}
		for _, o := range objs {
			all[o.Name] = readObject(tier, o.Name)
		}
	}
	return all, data.Close()
}

func readObject(tier store.Store, name string) (r reading) {
	o, body, err := tier.Open(name)
	if err != nil {
		return reading{Err: err.Error()}
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	r.Digest, r.Metadata = sha256.Sum256(data), o.Attributes["x-ms-meta-k"]
	switch {
	case err != nil:
		r.Err = err.Error()
	case r.Digest != o.Digest:
		r.Err = fmt.Sprintf("%d bytes of another digest", len(data))
	}
	return r
}
