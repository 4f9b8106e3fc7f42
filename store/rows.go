package store

import (
	"github.com/tidwall/btree"
)

// table is one of the sorted maps that the index is made of.
type table byte

const (
	tableNames  table = iota // name -> row of its object (row.go)
	tableIDs                 // id -> name
	tableBlobs               // digest -> number of names, size
	tableExpiry              // microseconds u64 big endian, name -> nothing
	tableTrash               // likewise, by time of deletion
	tableMeta                // keys below, and keyOwner with each -> numbers
	// tableDoomed has digest -> size of blobs without a name whose files are kept for
	// a backup that reads them.
	tableDoomed
	// tableDamaged has digest -> size of blobs that were found damaged or missing. Who
	// puts the same bytes again mends them.
	tableDamaged
	// tableResidents has digest -> where a blob is that stays in the journal.
	tableResidents
	// tableSegments has number of the first frame u64 big endian -> a segment that
	// stays; see stay.
	tableSegments
	// tableStaged has, in layers alone, digest -> where the bytes are that have not
	// come to their place yet.
	tableStaged
	tables = int(tableStaged) // those of the index
)

var (
	keyFormat  = "format"
	keyStats   = "stats"
	keyApplied = "applied" // the last frame of the journal that the index has
)

// row is an entry of a table. A nil value says that there is none.
type row struct {
	table table
	key   string
	value []byte
	at    *spot // of tableStaged
}

func (r row) before(o row) bool {
	if r.table != o.table {
		return r.table < o.table
	}
	return r.key < o.key
}

// layer is the rows that changed since the index last took them all. One that has
// been published is never changed: the next group of changes goes into a Copy.
type layer = btree.BTreeG[row]

func newLayer() *layer {
	return btree.NewBTreeGOptions(row.before, btree.Options{NoLocks: true, Degree: 8})
}

// rows is all tables at one moment.
type rows interface {
	// get returns the value under key; ErrNotFound; ErrDamaged if it cannot be told.
	get(t table, key string) ([]byte, error)
	cursor(t table) cursor
}

// cursor walks the rows of one table by key.
type cursor interface {
	// seek returns the first row whose key is not before key, next the one after
	// that. ok: there is one.
	seek(key string) (r row, ok bool, err error)
	next() (r row, ok bool, err error)
}

// stack is layers over the index, the newest first.
type stack struct {
	layers []*layer
	base   rows
}

func (s stack) get(t table, key string) ([]byte, error) {
	for _, l := range s.layers {
		if r, ok := l.Get(row{table: t, key: key}); ok {
			if r.value == nil {
				return nil, ErrNotFound
			}
			return r.value, nil
		}
	}
	return s.base.get(t, key)
}

// spot returns where the bytes of a blob are, nil for a file of its own.
func (s stack) spot(d Digest) *spot {
	for _, l := range s.layers {
		if r, ok := l.Get(row{table: tableStaged, key: string(d[:])}); ok {
			return r.at
		}
	}
	return nil
}

func (s stack) cursor(t table) cursor {
	m := &merged{}
	for _, l := range s.layers {
		m.from = append(m.from, &layerCursor{table: t, it: l.Iter()})
	}
	m.from = append(m.from, s.base.cursor(t))
	m.at = make([]place, len(m.from))
	return m
}

// merged is a cursor over several: of rows with one key the first cursor's counts.
type merged struct {
	from []cursor
	at   []place
}

type place struct {
	row
	ok bool
}

func (m *merged) seek(key string) (row, bool, error) {
	for i, c := range m.from {
		var err error
		if m.at[i].row, m.at[i].ok, err = c.seek(key); err != nil {
			return row{}, false, err
		}
	}
	return m.first()
}

func (m *merged) next() (row, bool, error) {
	_, key, ok := m.least()
	if !ok {
		return row{}, false, nil
	}
	if err := m.pass(key); err != nil {
		return row{}, false, err
	}
	return m.first()
}

// first is the least row that is there, past those that a layer has removed.
func (m *merged) first() (row, bool, error) {
	for {
		r, key, ok := m.least()
		if !ok || r.value != nil {
			return r, ok, nil
		}
		if err := m.pass(key); err != nil {
			return row{}, false, err
		}
	}
}

func (m *merged) least() (least row, key string, ok bool) {
	for _, p := range m.at {
		if p.ok && (!ok || p.key < key) {
			least, key, ok = p.row, p.key, true
		}
	}
	return least, key, ok
}

// pass moves every cursor that stands at key.
func (m *merged) pass(key string) error {
	for i, c := range m.from {
		if m.at[i].ok && m.at[i].key == key {
			var err error
			if m.at[i].row, m.at[i].ok, err = c.next(); err != nil {
				return err
			}
		}
	}
	return nil
}

type layerCursor struct {
	table table
	it    btree.IterG[row]
}

func (c *layerCursor) seek(key string) (row, bool, error) {
	return c.here(c.it.Seek(row{table: c.table, key: key}))
}

func (c *layerCursor) next() (row, bool, error) { return c.here(c.it.Next()) }

func (c *layerCursor) here(ok bool) (row, bool, error) {
	if !ok || c.it.Item().table != c.table {
		return row{}, false, nil
	}
	return c.it.Item(), true, nil
}
