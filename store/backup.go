package store

import (
	"archive/tar"
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"time"
)

// A backup is a tar file of what a data directory has at rest:
//
//	tintype-backup.json                      format and time
//	keys.json                                as it is
//	{tier}/blobs/ab/<digest>.<size>       bytes and a ledger of one name
//	{tier}/names/<digest>.<size>             a record for the ledger of a blob before
//	end.json                                 what there has to be: without it, it is cut off
//
// Each blob is named by its SHA-256, and each record has a checksum, so that it can be
// verified without the server.
const (
	backupBegin = "tintype-backup.json"
	backupEnd   = "end.json"
)

type backupHeader struct {
	Format  int       `json:"format"`
	Created time.Time `json:"created"`
}

// BackedUp counts what is in a backup.
type BackedUp struct {
	Pictures Stats `json:"pictures"`
	Cache    Stats `json:"cache"`
	// Damaged counts names that are left out, as their blobs are damaged.
	Damaged int64 `json:"damaged"`
}

func (d *Data) tiers(b *BackedUp) ([]backupTier, error) {
	pictures, ok1 := d.Pictures.(*Disk)
	cache, ok2 := d.Cache.(*Disk)
	if !ok1 || !ok2 {
		return nil, ErrElsewhere
	}
	return []backupTier{{"pictures", pictures, &b.Pictures}, {"cache", cache, &b.Cache}}, nil
}

type backupTier struct {
	name string
	disk *Disk
	n    *Stats
}

// Backup writes everything that is stored at one moment after it was called: all that
// was acknowledged before. Uploads and deletions go on meanwhile, and what is deleted
// keeps its file until the end. done and total count bytes. ErrElsewhere.
func (d *Data) Backup(w io.Writer, progress Progress) (b BackedUp, err error) {
	tiers, err := d.tiers(&b)
	if err != nil {
		return b, err
	}
	out := tar.NewWriter(w)
	put := func(name string, v any) error {
		data, ok := v.([]byte)
		if !ok {
			if data, err = json.Marshal(v); err != nil {
				return err
			}
		}
		return writeEntry(out, name, int64(len(data)), bytes.NewReader(data))
	}
	keys, err := os.ReadFile(d.Registry.path)
	if err != nil {
		return b, fmt.Errorf("store: backup: %w", err)
	}
	if err := errors.Join(put(backupBegin, backupHeader{1, time.Now().UTC()}), put("keys.json", keys)); err != nil {
		return b, err
	}
	done, total := int64(0), int64(0)
	for _, t := range tiers {
		if s, err := t.disk.Stats(); err == nil {
			total += s.BlobBytes
		}
	}
	for _, t := range tiers {
		damaged, err := t.disk.backup(out, t.name, t.n, func(n int64) {
			done += n
			progress(done, max(total, done))
		})
		b.Damaged += damaged
		if err != nil {
			return b, fmt.Errorf("store: backup of %s: %w", t.name, err)
		}
	}
	return b, errors.Join(put(backupEnd, b), out.Close())
}

func writeEntry(out *tar.Writer, name string, size int64, r io.Reader) error {
	if err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: size, Format: tar.FormatPAX}); err != nil {
		return err
	}
	_, err := io.Copy(out, r)
	return err
}

// backup writes one tier.
func (d *Disk) backup(out *tar.Writer, tier string, n *Stats, wrote func(int64)) (damaged int64, err error) {
	d.pin(1)
	defer func() { err = errors.Join(err, d.unpin()) }()
	if err := d.Flush(); err != nil {
		return 0, err
	}
	spool, tmp, err := d.blobs.createTmp()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, spool.Close(), d.fs.Remove(tmp)) }()
	if err := d.spool(io.NewOffsetWriter(spool, 0)); err != nil {
		return 0, err
	}
	size, err := spool.Size()
	if err != nil {
		return 0, err
	}
	in := bufio.NewReaderSize(io.NewSectionReader(spool, 0, size), 1<<16)
	return d.backupSpooled(out, tier, in, n, wrote)
}

// backupSpooled writes the objects of a spool, a blob with the first of its names.
func (d *Disk) backupSpooled(out *tar.Writer, tier string, in *bufio.Reader, n *Stats, wrote func(int64)) (damaged int64, err error) {
	again := make(map[Digest]bool) // of blobs with several names: is it written
	for {
		o, names, err := readSpooled(in)
		if err == io.EOF {
			return damaged, nil
		}
		if err != nil {
			return damaged, err
		}
		written, known := again[o.Digest]
		entry := entryOf(tier, o)
		record := appendRecord(nil, gained, o)
		if !known {
			if written, err = d.backupBlob(out, entry("blobs"), o, record); err != nil {
				return damaged, err
			}
			if names > 1 {
				again[o.Digest] = written
			}
			wrote(o.Size)
			if written {
				n.Blobs++
				n.BlobBytes += o.Size
			}
		} else if written {
			err = writeEntry(out, entry("names"), int64(len(record)), bytes.NewReader(record))
		}
		if err != nil {
			return damaged, err
		}
		if !written {
			damaged++
			continue
		}
		n.Objects++
		n.ObjectBytes += o.Size
	}
}

// entryOf returns the names of entries for o's blob, by kind.
func entryOf(tier string, o Object) func(kind string) string {
	hex := o.Digest.String()
	file := hex + "." + strconv.FormatInt(o.Size, 10)
	return func(kind string) string {
		if kind == "blobs" {
			return path.Join(tier, kind, hex[:2], file)
		}
		return path.Join(tier, kind, file)
	}
}

// pin keeps the files of blobs that lose their last name, until unpin.
func (d *Disk) pin(n int) {
	d.files.Lock()
	defer d.files.Unlock()
	d.pinned += n
}

// unpin has the next checkpoint remove what was kept.
func (d *Disk) unpin() error {
	d.pin(-1)
	return d.commit(func(c *change) error {
		c.write(tableMeta, keyStats, c.stats.pack())
		return nil
	})
}

// spool writes all objects of the index at one moment, each as a record of a ledger
// behind the number of names that its blob has. That takes some seconds for millions;
// the copying of blobs must not hold the index for so long.
func (d *Disk) spool(w io.Writer) error {
	out := bufio.NewWriterSize(w, 1<<20)
	err := d.base.view(func(base rows) error {
		l := look{rows: base, now: d.opt.Now()}
		cur := base.cursor(tableNames)
		r, ok, err := cur.seek("")
		for ; err == nil && ok; r, ok, err = cur.next() {
			o, err := parseRow(r.key, r.value)
			if err != nil {
				return err
			}
			if o.Expired(l.now) {
				continue
			}
			names, _, err := l.blob(o.Digest)
			if err != nil {
				return err
			}
			record := appendRecord(nil, gained, o)
			if _, err := out.Write(append([]byte{byte(min(names, 2))}, record...)); err != nil {
				return err
			}
		}
		return err
	})
	return errors.Join(err, out.Flush())
}

func readSpooled(in *bufio.Reader) (o Object, names int, err error) {
	many, err := in.ReadByte()
	if err != nil {
		return o, 0, err
	}
	head, err := in.Peek(4)
	if err != nil {
		return o, 0, err
	}
	record := make([]byte, recordLength(head))
	if _, err := io.ReadFull(in, record); err != nil {
		return o, 0, err
	}
	e, _, err := parseRecord(record)
	return e.obj, int(many), err
}

// backupBlob writes a blob and a ledger. false: it is damaged.
func (d *Disk) backupBlob(out *tar.Writer, entry string, o Object, record []byte) (bool, error) {
	f, err := d.bytesOf(o.Digest, o.Size)
	if errors.Is(err, ErrDamaged) && !errors.Is(err, ErrIndex) {
		d.damaged(o, err)
		return false, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		d.damaged(o, fmt.Errorf("%w: no file of %v", ErrDamaged, o.Digest))
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	if crc, err := checksum(f, o.Size); err != nil || crc != o.CRC {
		d.damaged(o, fmt.Errorf("%w: checksum of %v", ErrDamaged, o.Digest))
		return false, nil
	}
	bytesAndLedger := io.MultiReader(io.NewSectionReader(f, 0, o.Size), bytes.NewReader(record))
	return true, writeEntry(out, entry, o.Size+int64(len(record)), bytesAndLedger)
}
