package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

// keyOwner begins the keys of tableMeta under which is what an owner has. One who has
// nothing has no row.
const keyOwner = "owner:"

// formatUncounted is that of an index in which owners have no rows yet, or wrong ones.
const formatUncounted = 3

// usage is how many objects there are of an owner, and the sum of their sizes.
type usage struct{ objects, bytes int64 }

func (u usage) pack() []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, uint64(u.objects)), uint64(u.bytes))
}

func parseUsage(owner string, value []byte) (usage, error) {
	p := parser{b: value}
	u := usage{int64(p.uvarint()), int64(p.uvarint())}
	if p.bad || len(p.b) > 0 || u.objects <= 0 || u.bytes < 0 {
		return usage{}, fmt.Errorf("%w: usage of %q", ErrDamaged, owner)
	}
	return u, nil
}

// add counts n of o, which may be negative.
func (u usage) add(n int64, o Object) usage { return usage{u.objects + n, u.bytes + n*o.Size} }

// Usage implements View.
func (l look) Usage(owner string) (objects, bytes int64, err error) {
	u, err := l.usage(owner)
	return u.objects, u.bytes, err
}

func (l look) usage(owner string) (usage, error) {
	if l.uncounted != nil {
		return usage{}, l.uncounted
	}
	value, err := l.get(tableMeta, keyOwner+owner)
	if errors.Is(err, ErrNotFound) {
		return usage{}, nil
	}
	if err != nil {
		return usage{}, err
	}
	return parseUsage(owner, value)
}

// allUsage returns the usage of everybody who has any, as the rows say.
func (l look) allUsage() (map[string]usage, error) {
	all := make(map[string]usage)
	cur := l.cursor(tableMeta)
	r, ok, err := cur.seek(keyOwner)
	for ; err == nil && ok && strings.HasPrefix(r.key, keyOwner); r, ok, err = cur.next() {
		owner := r.key[len(keyOwner):]
		if all[owner], err = parseUsage(owner, r.value); err != nil {
			return nil, err
		}
	}
	return all, err
}

// Usage implements Store.
func (d *Disk) Usage(owner string) (objects, bytes int64, err error) {
	err = d.view(func(l look) error {
		objects, bytes, err = l.Usage(owner)
		return err
	})
	return objects, bytes, err
}

// tellOwners writes what a change has made of the usage of owners.
func (c *change) tellOwners() error {
	if c.uncounted != nil {
		return nil
	}
	for owner, more := range c.owners {
		if more == (usage{}) {
			continue
		}
		now, err := c.usage(owner)
		if err != nil {
			return err
		}
		now.objects, now.bytes = now.objects+more.objects, now.bytes+more.bytes
		var value []byte
		switch {
		case now.objects < 0 || now.bytes < 0 || now.objects == 0 && now.bytes > 0:
			return fmt.Errorf("%w: usage of %q comes to %d objects of %d bytes", ErrDamaged, owner, now.objects, now.bytes)
		case now.objects > 0:
			value = now.pack()
		}
		c.write(tableMeta, keyOwner+owner, value)
	}
	return nil
}

// countOwners brings up an index of formatUncounted. All rows are told at once, with the
// format that says that they count: a stop before leaves the whole to be done again.
func (d *Disk) countOwners() error {
	var rows []row
	err := d.view(func(l look) error {
		value, err := l.get(tableMeta, keyFormat)
		if v, _ := binary.Uvarint(value); err != nil || v != formatUncounted {
			return err
		}
		rows, err = d.ownerRows(l)
		return err
	})
	if err != nil || rows == nil {
		return err
	}
	return d.base.commit(rows, func(func(row) error) error { return nil })
}

// ownerRows counts what everybody has, and returns the rows that an index lacks for it.
func (d *Disk) ownerRows(l look) ([]row, error) {
	left, err := l.allUsage() // where this version has run on it before, and an older one since
	stats, err2 := l.stats()
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	n, told := int64(0), time.Now()
	all := make(map[string]usage)
	cur := l.cursor(tableNames)
	r, ok, err := cur.seek("")
	for ; err == nil && ok; r, ok, err = cur.next() {
		o, err := parseRow(r.key, r.value)
		if err != nil {
			return nil, err
		}
		all[o.Owner] = all[o.Owner].add(1, o)
		if n++; n%1000 == 0 && time.Since(told) > countingTold {
			told = time.Now()
			d.opt.Log.Info("counting what each application has, once", "dir", d.dir, "objects", n, "of", stats.Objects)
		}
	}
	if err != nil {
		return nil, err
	}
	rows := []row{{table: tableMeta, key: keyFormat, value: binary.AppendUvarint(nil, format)}}
	for owner, u := range all {
		rows = append(rows, row{table: tableMeta, key: keyOwner + owner, value: u.pack()})
		delete(left, owner)
	}
	for owner := range left {
		rows = append(rows, row{table: tableMeta, key: keyOwner + owner})
	}
	return rows, nil
}

// countingTold is after how long a count that goes on is told again.
const countingTold = 5 * time.Second
