package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// Rebuild makes the index of the store in dir anew from its blob files and its
// journal alone and returns what it holds. The old index, if any, is kept as
// meta.db.old. The store must not be open: ErrLocked.
func Rebuild(dir string) (Stats, error) {
	if _, err := os.Stat(filepath.Join(dir, "blobs")); err != nil {
		return Stats{}, fmt.Errorf("store: rebuild: %w", err)
	}
	path := filepath.Join(dir, indexName)
	if _, err := os.Stat(path); err == nil {
		old, err := openBolt(path)
		if errors.Is(err, ErrLocked) {
			return Stats{}, err
		}
		if err == nil {
			defer old.close() // locked until the new one has taken its place
		}
	}
	files, err := openDir(dir)
	if err != nil {
		return Stats{}, err
	}
	defer files.Close()
	return rebuild(dir, files, Options{Now: time.Now, Log: slog.Default()})
}

// rebuild is Rebuild for a caller that knows the index to be nobody else's. It
// does not open the old one: where that panics, bbolt never unlocks it. The new
// one is filled aside, so that a stop half-way changes nothing.
func rebuild(dir string, files fileSystem, opt Options) (Stats, error) {
	fresh, err := initIndex(dir)
	if err != nil {
		return Stats{}, fmt.Errorf("store: rebuild: %w", err)
	}
	base, err := openBolt(fresh)
	if err != nil {
		return Stats{}, err
	}
	base.db.NoSync = true // until the end
	d := newDisk(dir, files, base, opt)
	err = d.reindex()
	s, statsErr := d.Stats()
	err = errors.Join(err, statsErr, d.blobs.changed.sync(), base.db.Sync(), base.close())
	if err != nil {
		return Stats{}, errors.Join(fmt.Errorf("store: rebuild: %w", err), os.Remove(fresh))
	}
	path := filepath.Join(dir, indexName)
	if _, err := os.Stat(path); err == nil {
		if err := os.Rename(path, path+".old"); err != nil {
			return Stats{}, fmt.Errorf("store: rebuild: %w", err)
		}
	}
	if err := os.Rename(fresh, path); err != nil {
		return Stats{}, fmt.Errorf("store: rebuild: %w", err)
	}
	return s, files.SyncDir(dir)
}

// reindex names every blob as its ledger says, and then as the journal says, which
// is newer.
func (d *Disk) reindex() error {
	if err := d.blobs.flatten(); err != nil {
		return err
	}
	frames, _, err := d.journal.read(0, nil)
	if err != nil {
		return err
	}
	d.blobs.torn = true
	news, seq := newLayer(), uint64(0)
	for i, f := range frames {
		if i > 0 && f.seq != seq+1 {
			d.opt.Log.Error("a part of the journal is damaged; what it says is lost", "dir", d.dir, "from", seq+1, "to", f.seq-1)
		}
		if err := f.replay(news, d.blobs.tmp()); err != nil {
			return err
		}
		seq = f.seq
	}
	p, err := d.planNews(news)
	if err != nil {
		return err
	}
	if err := d.carryOut(p); err != nil {
		return err
	}
	losers, err := d.readLedgers()
	if err := errors.Join(err, d.addNews(news), d.tellLosers(losers)); err != nil {
		return err
	}
	// what the index has now must not be played again
	return d.base.commit(nil, func(put func(row) error) error {
		return put(row{table: tableMeta, key: keyApplied, value: binary.AppendUvarint(nil, seq)})
	})
}

// planNews makes blob files of what the journal has, and tells ledgers of the names
// gained there.
func (d *Disk) planNews(news *layer) (p *plan, err error) {
	p = newPlan()
	news.Ascend(row{table: tableNames}, func(r row) bool {
		var o Object
		if r.table != tableNames {
			return false
		}
		if r.value == nil {
			return true
		}
		if o, err = parseRow(r.key, r.value); err != nil {
			return false
		}
		p.tell(gained, o)
		if s, ok := news.Get(row{table: tableStaged, key: string(o.Digest[:])}); ok && !d.blobs.whole(o) {
			p.place[o.Digest] = s.at
		}
		return true
	})
	return p, err
}

// whole says whether there is a file with all bytes of a blob.
func (b *blobs) whole(o Object) bool {
	f, err := b.fs.Open(b.path(o.Digest, o.Size))
	if err != nil {
		return false
	}
	defer f.Close()
	crc, err := checksum(f, o.Size)
	return err == nil && crc == o.CRC
}

// readLedgers names every blob as its ledger says. Where two blobs claim a name, a
// replacement was cut off before the older ledger knew: the newer one has it. A
// blob that has lost all its names is removed. losers are claims that do not count.
func (d *Disk) readLedgers() (losers []Object, err error) {
	var batch []Object
	add := func() error {
		some, err := d.addObjects(batch)
		batch, losers = batch[:0], append(losers, some...)
		return err
	}
	err = d.blobs.walk(func(digest Digest, size int64, path string) error {
		f, err := d.fs.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		names, whole, err := readLedger(f, digest, size)
		switch {
		case err != nil:
			return err
		case len(names) > 0:
			batch = append(batch, names...)
		case whole:
			return d.blobs.remove(digest, size)
		default:
			d.opt.Log.Warn("a blob has no ledger that can be read; it is left alone", "path", path)
		}
		if len(batch) < sweepBatch {
			return nil
		}
		return add()
	})
	return losers, errors.Join(err, add())
}

func (d *Disk) addObjects(objs []Object) (losers []Object, err error) {
	err = d.changeBase(func(c *change) error {
		for _, o := range objs {
			old, err := c.object(o.Name)
			if err == nil && old.LastModified().After(o.LastModified()) {
				losers = append(losers, o)
				continue
			}
			if err == nil {
				losers = append(losers, old)
			}
			if err := c.put(o); err != nil {
				return err
			}
		}
		return nil
	})
	return losers, err
}

// tellLosers tells ledgers of the names that they claimed and did not get, or the next
// Rebuild would give them one that is free by then.
func (d *Disk) tellLosers(losers []Object) error {
	return d.base.view(func(base rows) error {
		for _, o := range losers {
			now, err := look{rows: base}.object(o.Name)
			if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			if err == nil && now.Digest == o.Digest {
				continue
			}
			if err := d.blobs.note(o.Digest, o.Size, appendRecord(nil, lost, o)); err != nil {
				return err
			}
		}
		return nil
	})
}

// addNews gives and takes names as the journal says.
func (d *Disk) addNews(news *layer) error {
	return d.changeBase(func(c *change) (err error) {
		news.Ascend(row{table: tableNames}, func(r row) bool {
			if r.table != tableNames {
				return false
			}
			old, oldErr := c.object(r.key)
			var o Object
			if r.value != nil {
				o, err = parseRow(r.key, r.value)
				err = errors.Join(err, c.put(o))
			} else if oldErr == nil {
				err = c.drop(r.key)
			}
			if err == nil && oldErr == nil && old.Digest != o.Digest {
				err = d.blobs.note(old.Digest, old.Size, appendRecord(nil, lost, old))
			}
			return err == nil
		})
		return err
	})
}

// changeBase runs f and brings what it writes into the index.
func (d *Disk) changeBase(f func(*change) error) error {
	c := &change{news: newLayer()}
	err := d.base.view(func(base rows) (err error) {
		c.look = look{rows: stack{[]*layer{c.news}, base}, now: d.opt.Now()}
		if c.stats, err = c.look.stats(); err != nil {
			return err
		}
		if err := f(c); err != nil {
			return err
		}
		return c.tellOwners()
	})
	if err != nil {
		return err
	}
	c.write(tableMeta, keyStats, c.stats.pack())
	return d.base.commit(nil, func(put func(row) error) (err error) {
		c.news.Scan(func(r row) bool {
			err = put(r)
			return err == nil
		})
		return err
	})
}

// readLedger returns the objects that a blob file says it has. whole: nothing of
// the ledger is missing or damaged but for a torn record at its end.
func readLedger(f file, digest Digest, size int64) (objs []Object, whole bool, err error) {
	end, err := f.Size()
	if err != nil {
		return nil, false, err
	}
	b, err := io.ReadAll(io.NewSectionReader(f, size, max(end-size, 0)))
	if err != nil {
		return nil, false, err
	}
	entries, _ := parseLedger(b)
	named := make(map[string]Object)
	for _, e := range entries {
		switch {
		case e.op == lost:
			delete(named, e.obj.Name)
		case e.obj.Digest == digest && e.obj.Size == size:
			named[e.obj.Name] = e.obj
		}
	}
	for _, o := range named {
		objs = append(objs, o)
	}
	return objs, len(entries) > 0, nil
}
