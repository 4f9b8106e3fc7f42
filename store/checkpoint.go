package store

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"maps"
	"slices"
)

// job is one checkpoint: frozen goes to blob files and to the index.
type job struct {
	frozen    *layer
	seq       uint64     // of the last frame in it
	segments  []*segment // that have its frames
	useless   []*segment // that have none, from an earlier run
	over      []string   // segments that need not stay any more, their paths
	owed      int64      // bytes of bodies in it
	unsynced  bool       // the segment is not on the disk yet
	recovered bool       // by a start after an unclean stop
}

type checkpointed struct {
	*job
	err error
}

// plan is what a checkpoint does to blob files.
type plan struct {
	place   map[Digest]*spot    // new blobs
	told    map[Digest]*telling // what ledgers are told
	dead    map[Digest]int64    // blobs without a name, and their size
	useless []string            // staged files that nothing names
	mended  map[Digest][]byte   // ledgers that new files of old blobs begin with
	first   []row               // for the index, before those of the layer and all at once

	bodiless map[Digest]bool // dead blobs without a file
	over     []string        // segments that need not stay any more
}

func newPlan() *plan {
	return &plan{place: make(map[Digest]*spot), told: make(map[Digest]*telling), dead: make(map[Digest]int64),
		mended: make(map[Digest][]byte), bodiless: make(map[Digest]bool)}
}

type telling struct {
	size    int64
	times   int
	name    string // of the last time
	records []byte
}

func (p *plan) tell(op byte, o Object) {
	t := p.told[o.Digest]
	if t == nil {
		t = &telling{size: o.Size}
		p.told[o.Digest] = t
	}
	t.times, t.name = t.times+1, o.Name
	t.records = appendRecord(t.records, op, o)
}

// checkpoint brings what is frozen to its place: bytes and ledgers into blob files,
// then rows into the index. Until it returns nil the journal has all of that as
// well, and the whole can be done again: after a stop at any point, or for want
// of room.
func (d *Disk) checkpoint(j *job) error {
	if d.opt.Relaxed && !j.recovered {
		for _, s := range j.segments {
			if err := s.file.Truncate(s.end); err != nil {
				return err
			}
		}
	}
	if j.unsynced {
		if err := d.syncRelaxed(j.segments[0]); err != nil {
			return err
		}
		j.unsynced = false
	}
	if seeded("early-name") {
		if err := d.commitRows(j, nil); err != nil {
			return err
		}
	}
	d.files.Lock()
	defer d.files.Unlock()
	d.blobs.torn = j.recovered
	p, err := d.plan(j)
	if err != nil {
		return err
	}
	j.over = p.over // a commit that breaks off may have told the index
	if err := d.carryOut(p); err != nil {
		return err
	}
	if err := d.commitRows(j, p.first); err != nil {
		return err
	}
	for _, path := range p.useless { // last: by them a start knows a frame for whole
		if err := d.fs.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			d.opt.Log.Warn("cannot remove an upload that nothing names", "err", err)
		}
	}
	if j.recovered || d.opt.Relaxed { // they are removed, or stay
		return nil
	}
	for _, s := range j.segments {
		if err := s.renew(); err != nil {
			return err
		}
	}
	return nil
}

// commitRows brings the rows of a layer into the index, and says up to which frame.
func (d *Disk) commitRows(j *job, first []row) error {
	return d.base.commit(first, func(put func(row) error) (err error) {
		j.frozen.Scan(func(r row) bool {
			if r.table != tableStaged {
				err = put(r)
			}
			return err == nil
		})
		if err != nil {
			return err
		}
		return put(row{table: tableMeta, key: keyApplied, value: binary.AppendUvarint(nil, j.seq)})
	})
}

// plan compares what is frozen with the index.
func (d *Disk) plan(j *job) (*plan, error) {
	p, frozen := newPlan(), j.frozen
	err := d.base.view(func(base rows) (err error) {
		frozen.Scan(func(r row) bool {
			switch r.table {
			case tableNames:
				err = p.name(r, base)
			case tableBlobs:
				err = p.blob(r, base)
			case tableStaged:
				p.body(r, frozen)
			case tableDamaged:
				err = d.planMending(p, r, base)
			}
			return err == nil
		})
		if err != nil {
			return err
		}
		for digest, at := range p.place {
			if p.told[digest] == nil { // it was damaged, and who mended it is gone
				p.told[digest] = &telling{size: at.size}
			}
		}
		if err := d.planDoomed(p, look{rows: stack{[]*layer{frozen}, base}}); err != nil || !d.opt.Relaxed {
			return err
		}
		return d.planResidents(p, j, base)
	})
	return p, err
}

// name compares the object under a name now with the one in the index.
func (p *plan) name(r row, base rows) error {
	old, err := look{rows: base}.object(r.key)
	had := err == nil
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	var o Object
	if r.value != nil {
		if o, err = parseRow(r.key, r.value); err != nil {
			return err
		}
	}
	if had && (r.value == nil || o.Digest != old.Digest) {
		p.tell(lost, old)
	}
	if r.value != nil {
		p.tell(gained, o)
	}
	return nil
}

// blob notes one that has lost its last name.
func (p *plan) blob(r row, base rows) error {
	if r.value != nil {
		return nil
	}
	d := Digest([]byte(r.key))
	names, size, err := look{rows: base}.blob(d)
	if names > 0 {
		p.dead[d] = size
	}
	return err
}

// body notes a new blob, or bytes that are of no use any more.
func (p *plan) body(r row, frozen *layer) {
	d := Digest([]byte(r.key))
	if b, ok := frozen.Get(row{table: tableBlobs, key: r.key}); ok && b.value != nil {
		p.place[d] = r.at
	} else if r.at.file != "" {
		p.useless = append(p.useless, r.at.file)
	}
}

// planMending sees to it that a blob which is put again in the place of a damaged one
// keeps its other names.
func (d *Disk) planMending(p *plan, r row, base rows) error {
	digest := Digest([]byte(r.key))
	names, size, err := look{rows: base}.blob(digest)
	if err != nil || r.value != nil || names == 0 {
		return err
	}
	p.mended[digest], err = d.blobs.ledgerOf(digest, size)
	return err
}

// planDoomed keeps the files of dead blobs while a backup needs them, and removes
// them after that.
func (d *Disk) planDoomed(p *plan, now look) error {
	if d.pinned > 0 {
		for digest, size := range p.dead {
			p.first = append(p.first, row{table: tableDoomed, key: string(digest[:]), value: packBlob(1, size)})
		}
		p.dead = nil
		return nil
	}
	cur := now.cursor(tableDoomed)
	r, ok, err := cur.seek("")
	for ; err == nil && ok; r, ok, err = cur.next() {
		digest := Digest([]byte(r.key))
		names, _, err := now.blob(digest)
		if err != nil {
			return err
		}
		if names == 0 {
			_, p.dead[digest], err = parseBlob(digest, r.value)
		}
		if err != nil {
			return err
		}
		p.first = append(p.first, row{table: tableDoomed, key: r.key})
	}
	return err
}

// carryOut does to blob files what is planned, and forces it to the disk.
func (d *Disk) carryOut(p *plan) error {
	for digest := range p.dead { // first, for the room
		if !p.bodiless[digest] {
			if err := d.blobs.remove(digest, p.dead[digest]); err != nil {
				return err
			}
		}
		delete(p.told, digest)
	}
	// by digest: one fan-out directory after the other
	for _, digest := range slices.SortedFunc(maps.Keys(p.told), Digest.compare) {
		t := p.told[digest]
		var err error
		if at := p.place[digest]; at != nil {
			d.marked.Delete(digest)
			err = d.blobs.place(digest, at, append(p.mended[digest], t.records...))
		} else {
			err = d.blobs.note(digest, t.size, t.records)
		}
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrDamaged) {
			// its names stay, and reads say the same
			d.damage.blobs.Add(1)
			d.opt.Log.Error("a blob is damaged", "digest", digest, "err", err)
		} else if err != nil {
			return err
		}
	}
	if seeded("unsynced-blobs") {
		return nil
	}
	return d.blobs.changed.sync()
}
