package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"time"
)

// Progress is told how much of a long work is done, in units of its own; total may
// grow. It is called often, by one goroutine at a time.
type Progress func(done, total int64)

// Scrubbed is what Scrub has found.
type Scrubbed struct {
	Objects int64 `json:"objects"` // names looked at
	Blobs   int64 `json:"blobs"`   // blobs read
	Bytes   int64 `json:"bytes"`   // of these

	Damaged  []Damage `json:"damaged"`  // blobs that are not what was stored
	Nameless []string `json:"nameless"` // names without a blob
	Unnamed  int64    `json:"unnamed"`  // blob files that nothing names; Repair removes them
	Counts   bool     `json:"counts"`   // the counters differ from what is there; Rebuild mends them
}

// Damage is a blob that cannot be read as it was stored. Its file is in quarantine.
type Damage struct {
	Digest string   `json:"digest"`
	Size   int64    `json:"size"`
	Why    string   `json:"why"`
	Names  []string `json:"names"`
}

// Bad says whether anything is wrong that Scrub has not mended.
func (s Scrubbed) Bad() bool {
	return len(s.Damaged)+len(s.Nameless) > 0 || s.Unnamed > 0 || s.Counts
}

// scrubPage is how many rows are taken from the index at once.
const scrubPage = 500

// Scrub reads every blob and compares its SHA-256 with its digest, and every name
// with its blob. Blobs that are damaged go to quarantine/: reads of them fail, as
// before, and who puts the same bytes again mends them. With repair, files that
// nothing names are removed. It runs beside everything else; done and total count
// bytes.
func (d *Disk) Scrub(repair bool, progress Progress) (s Scrubbed, err error) {
	if err := d.Flush(); err != nil {
		return s, err
	}
	stats, owners, err := d.counters()
	if err != nil {
		return s, err
	}
	damaged := make(map[Digest]*Damage)
	err = d.eachRow(tableBlobs, func(r row) error {
		digest := Digest([]byte(r.key))
		_, size, err := parseBlob(digest, r.value)
		if err != nil {
			return err
		}
		s.Blobs++
		s.Bytes += size
		progress(s.Bytes, max(stats.BlobBytes, s.Bytes))
		why, err := d.scrubBlob(digest, size)
		if why != "" {
			damaged[digest] = &Damage{Digest: digest.String(), Size: size, Why: why}
		}
		return err
	})
	seen := make(map[string]usage)
	if err := errors.Join(err, d.scrubNames(&s, damaged, seen)); err != nil {
		return s, err
	}
	after, ownersAfter, err := d.counters()
	if err != nil {
		return s, err
	}
	s.Counts = after == stats && maps.Equal(ownersAfter, owners) &&
		(s.Objects != stats.Objects || s.Blobs != stats.Blobs || s.Bytes != stats.BlobBytes || !maps.Equal(seen, owners))
	for _, dm := range damaged {
		s.Damaged = append(s.Damaged, *dm)
	}
	s.Unnamed, err = d.unnamed(repair, func(int64, int64) {})
	if repair {
		s.Unnamed = 0
	}
	return s, err
}

// counters are all that says how much there is.
func (d *Disk) counters() (s Stats, owners map[string]usage, err error) {
	err = d.view(func(l look) (err error) {
		if s, err = l.stats(); err != nil {
			return err
		}
		owners, err = l.allUsage()
		return err
	})
	return s, owners, err
}

// eachRow calls f for the rows of a table that are there all the time, outside of any
// view.
func (d *Disk) eachRow(t table, f func(row) error) error {
	from := ""
	for {
		page := make([]row, 0, scrubPage)
		err := d.view(func(l look) error {
			page = page[:0]
			cur := l.cursor(t)
			r, ok, err := cur.seek(from)
			for ; err == nil && ok && len(page) < scrubPage; r, ok, err = cur.next() {
				r.value = append([]byte{}, r.value...)
				page = append(page, r)
			}
			return err
		})
		if err != nil {
			return err
		}
		for _, r := range page {
			if err := f(r); err != nil {
				return err
			}
		}
		if len(page) < scrubPage {
			return nil
		}
		from = page[len(page)-1].key + "\x00"
	}
}

// scrubBlob says what is wrong with a blob, and puts it into quarantine.
func (d *Disk) scrubBlob(digest Digest, size int64) (why string, err error) {
	if why = d.compare(digest, size); why == "" {
		return "", nil
	}
	if why, err = d.quarantine(digest, size); why == "" || err != nil {
		return why, err
	}
	d.damage.blobs.Add(1)
	return why, d.commit(func(c *change) error { return c.markDamaged(digest) })
}

// quarantine moves the file of a damaged blob away, unless it is none any more.
func (d *Disk) quarantine(digest Digest, size int64) (why string, err error) {
	d.files.Lock()
	defer d.files.Unlock()
	names := int64(0)
	err = d.view(func(l look) error {
		names, _, err = l.blob(digest)
		if l.rows.(stack).spot(digest) != nil { // just put, and mended if it was damaged
			names = 0
		}
		return err
	})
	if err != nil || names == 0 {
		return "", err
	}
	if why = d.compare(digest, size); why == "" { // a checkpoint was at it
		return "", nil
	}
	d.versions.all.Add(1) // who remembers it looks again
	to := d.blobs.quarantined(digest, size)
	err = d.fs.Mkdir(filepath.Dir(to))
	if err == nil {
		err = d.fs.Rename(d.blobs.path(digest, size), to)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return why, err
}

// compare says what is wrong with the file of a blob; "" for nothing.
func (d *Disk) compare(digest Digest, size int64) string {
	f, err := d.bytesOf(digest, size)
	if errors.Is(err, fs.ErrNotExist) {
		return "no file"
	}
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, io.NewSectionReader(f, 0, size))
	switch {
	case err != nil:
		return err.Error()
	case n < size:
		return fmt.Sprintf("%d of %d bytes", n, size)
	case Digest(sum.Sum(nil)) != digest:
		return "other bytes"
	}
	return ""
}

// scrubNames looks for the blob of every name, tells the names of damaged ones, and counts
// what each owner has.
func (d *Disk) scrubNames(s *Scrubbed, damaged map[Digest]*Damage, owners map[string]usage) error {
	return d.eachRow(tableNames, func(r row) error {
		s.Objects++
		o, err := parseRow(r.key, r.value)
		if err != nil {
			return err
		}
		owners[o.Owner] = owners[o.Owner].add(1, o)
		if dm := damaged[o.Digest]; dm != nil {
			dm.Names = append(dm.Names, o.Name)
		}
		return d.view(func(l look) error {
			names, size, err := l.blob(o.Digest)
			if err != nil || names > 0 && size == o.Size {
				return err
			}
			if now, err := l.object(o.Name); err == nil && now.Digest == o.Digest {
				s.Nameless = append(s.Nameless, o.Name)
			}
			return nil
		})
	})
}

// unnamed counts blob files that nothing names, and removes them if it is told to.
// Files without a ledger are none of ours, or damaged: they stay.
func (d *Disk) unnamed(remove bool, progress Progress) (n int64, err error) {
	err = d.blobs.walk(func(digest Digest, size int64, path string) error {
		progress(int64(digest[0]), fanOut)
		d.files.Lock()
		defer d.files.Unlock()
		useless := false
		if err := d.view(func(l look) error {
			names, named, err := l.blob(digest)
			if inIndex, _, _ := (look{rows: l.rows.(stack).base}).blob(digest); names == 0 && inIndex > 0 {
				return err // the checkpoint that tells the index removes it
			}
			doomed, err2 := l.has(tableDoomed, string(digest[:]))
			resident, err3 := l.has(tableResidents, string(digest[:])) // it has begun to move out
			useless = (names == 0 || named != size || resident) && !doomed
			return errors.Join(err, err2, err3)
		}); err != nil || !useless {
			return err
		}
		f, err := d.fs.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		defer f.Close()
		if _, whole, err := readLedger(f, digest, size); err != nil || !whole {
			d.opt.Log.Warn("a blob has neither a name nor a ledger; it is left alone", "path", path, "err", err)
			return nil
		}
		n++
		if !remove {
			return nil
		}
		return d.blobs.removeFile(path)
	})
	d.files.Lock()
	defer d.files.Unlock()
	return n, errors.Join(err, d.fail(d.blobs.changed.sync()))
}

// Collect removes what has expired, what was moved to the trash before the given
// time (the zero time: nothing) and blob files that nothing names, and says what it
// took. When it returns, the space is free, but for segments of the journal that others
// need.
func (d *Disk) Collect(trashedBefore time.Time, progress Progress) (freed Stats, unnamed int64, err error) {
	if freed, err = d.Sweep(trashedBefore); err != nil {
		return freed, 0, err
	}
	if err := d.Flush(); err != nil {
		return freed, 0, err
	}
	unnamed, err = d.unnamed(true, progress)
	return freed, unnamed, err
}
