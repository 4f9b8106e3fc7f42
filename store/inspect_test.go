package store

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"testing"
)

// inspect says what does not fit together in a store after Flush: rows of the index
// with each other, with its counters, with the blob files and with their ledgers.
func inspect(d *Disk) (wrong []string) {
	got, told, err := allRows(d)
	if err != nil {
		return []string{fmt.Sprint("index: ", err)}
	}
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	var want [tables]map[string]string
	for t := range want {
		want[t] = make(map[string]string)
	}
	named := make(map[Digest]map[string]Object)
	var stats Stats
	owners := make(map[string]usage)
	for name, value := range got[tableNames] {
		o, err := parseRow(name, []byte(value))
		if err != nil {
			bad("row of %q: %v", name, err)
		}
		if named[o.Digest] == nil {
			named[o.Digest] = make(map[string]Object)
			stats.Blobs++
			stats.BlobBytes += o.Size
		}
		named[o.Digest][name] = o
		owners[o.Owner] = owners[o.Owner].add(1, o)
		stats.Objects++
		stats.ObjectBytes += o.Size
		want[tableBlobs][string(o.Digest[:])] = string(packBlob(int64(len(named[o.Digest])), o.Size))
		if o.ID != "" {
			want[tableIDs][o.ID] = name
		}
		if !o.Expires.IsZero() {
			want[tableExpiry][dueKey(o.Expires, name)] = ""
		}
		if !o.Deleted.IsZero() {
			want[tableTrash][dueKey(o.Deleted, name)] = ""
		}
	}
	for t := range table(tables) {
		if t != tableNames && t != tableMeta && t != tableResidents && t != tableSegments && !maps.Equal(got[t], want[t]) {
			bad("table %d is %q, want %q", t, got[t], want[t])
		}
	}
	if stats != told {
		bad("counters are %+v, want %+v", told, stats)
	}
	if _, has, err := d.counters(); d.uncounted == nil && (err != nil || !maps.Equal(has, owners)) {
		bad("usage is %+v, %v, want %+v", has, err, owners)
	}
	residents, more := inspectResidents(d, named)
	return slices.Concat(wrong, more, inspectFiles(d, named, residents))
}

// inspectResidents compares what stays in the journal with the name that each blob there
// should have.
func inspectResidents(d *Disk, named map[Digest]map[string]Object) (residents map[Digest]bool, wrong []string) {
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	residents, live := make(map[Digest]bool), make(map[uint64]int64)
	err := d.view(func(l look) error {
		stays, err := l.stays()
		for _, s := range stays {
			live[s.segment] -= s.live
			f, err := d.fs.Open(d.journal.path(s.segment))
			if err != nil {
				return err
			}
			f.Close()
		}
		cur := l.cursor(tableResidents)
		r, ok, err2 := cur.seek("")
		for ; err2 == nil && ok; r, ok, err2 = cur.next() {
			digest := Digest([]byte(r.key))
			at, _, err := l.resident(digest)
			if err != nil {
				return err
			}
			residents[digest] = true
			live[at.segment] += at.size + 1
			if _, ok := named[digest][at.name]; !ok || len(named[digest]) != 1 {
				bad("%v stays as %q, has %d names", digest, at.name, len(named[digest]))
			}
			if data, err := d.journal.spot(at).readBody(); err != nil || Sum(data) != digest {
				bad("%v stays, read %d bytes, %v", digest, len(data), err)
			}
		}
		return errors.Join(err, err2)
	})
	for segment, n := range live {
		if n != 0 {
			bad("segment %d has %d bytes of residents more than it says", segment, n)
		}
	}
	if err != nil {
		bad("residents: %v", err)
	}
	return residents, wrong
}

// allRows returns the tables of the index and its counters.
func allRows(d *Disk) (got [tables]map[string]string, told Stats, err error) {
	err = d.view(func(l look) (err error) {
		for t := range got {
			got[t] = make(map[string]string)
			cur := l.cursor(table(t))
			r, ok, err := cur.seek("")
			for ; err == nil && ok; r, ok, err = cur.next() {
				got[t][r.key] = string(r.value)
			}
			if err != nil {
				return err
			}
		}
		told, err = l.stats()
		return err
	})
	return got, told, err
}

// inspectFiles compares blob files and their ledgers with the names that each blob
// should have.
func inspectFiles(d *Disk, named map[Digest]map[string]Object, residents map[Digest]bool) (wrong []string) {
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	seen := make(map[Digest]bool)
	err := d.blobs.walk(func(digest Digest, size int64, path string) error {
		seen[digest] = true
		if residents[digest] { // it has begun to move out, and a file that comes to nothing
			return nil
		}
		if named[digest] == nil {
			bad("nothing names %s", path)
			return nil
		}
		f, err := d.fs.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if data, err := io.ReadAll(io.NewSectionReader(f, 0, size)); err != nil || Sum(data) != digest {
			bad("bytes of %s: %d of them, %v", path, len(data), err)
		}
		objs, _, err := readLedger(f, digest, size)
		if err != nil || len(objs) != len(named[digest]) {
			bad("ledger of %s: %v, %v, want %d names", path, names(objs), err, len(named[digest]))
		}
		for _, o := range objs {
			if !same(o, named[digest][o.Name]) {
				bad("ledger of %s: %v, want %v", path, brief(o), brief(named[digest][o.Name]))
			}
		}
		return nil
	})
	if err != nil {
		bad("blobs: %v", err)
	}
	for digest := range named {
		if !seen[digest] && !residents[digest] {
			bad("no file of %v, which has %d names", digest, len(named[digest]))
		}
	}
	return wrong
}

func names(objs []Object) (names []string) {
	for _, o := range objs {
		names = append(names, o.Name)
	}
	return names
}

// leftOver returns the files of tmp/ and of the journal, but for segments that stay.
func leftOver(d *Disk, stays ...*stay) (paths []string, err error) {
	for _, dir := range [...]string{d.blobs.tmp(), d.journal.dir} {
		entries, listErr := d.fs.List(dir)
		err = errors.Join(err, listErr)
		for _, e := range entries {
			if slices.ContainsFunc(stays, func(s *stay) bool { return d.journal.path(s.segment) == dir+"/"+e.Name() }) {
				continue
			}
			paths = append(paths, dir+"/"+e.Name())
		}
	}
	return paths, err
}

// slurp reads an object to its end.
func slurp(s Store, name string) (Object, string, error) {
	o, b, err := s.Open(name)
	if err != nil {
		return o, "", err
	}
	defer b.Close()
	data, err := io.ReadAll(b)
	return o, string(data), err
}

// intact reports everything that inspect finds.
func intact(t *testing.T, d *Disk) {
	t.Helper()
	settle(t, d)
	for _, text := range inspect(d) {
		t.Error(text)
	}
}
