package store

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// What of strictFiles is on the disk, and what a power cut makes of the rest.

// keepEntries puts what is pending in some directories on the disk, and before that
// what is pending for the same entries elsewhere.
func (s *strictFiles) keepEntries(of func(*node) bool) {
	touched := make(map[slot]bool)
	var kept, left []entryOp
	needed := make(map[*node]bool)
	for _, op := range slices.Backward(s.pending) {
		if of(op.from.dir) || of(op.to.dir) || touched[op.from] || touched[op.to] || needed[op.node] {
			for _, at := range [...]slot{op.from, op.to} {
				touched[at] = touched[at] || at.dir != nil
			}
			if op.moves() || needed[op.node] {
				needed[op.to.dir] = true
			}
			kept = append(kept, op)
		} else {
			left = append(left, op)
		}
	}
	for _, op := range slices.Backward(kept) {
		if op.from.dir != nil && op.from.dir.onDisk[op.from.name] == op.node {
			delete(op.from.dir.onDisk, op.from.name)
		}
		if op.to.dir != nil {
			op.to.dir.onDisk[op.to.name] = op.node
		}
	}
	slices.Reverse(left)
	s.pending = left
}

// apply makes a write to data.
func (w write) apply(data []byte) []byte {
	if w.data == nil {
		return resize(data, w.at)
	}
	if end := w.at + int64(len(w.data)); int64(len(data)) < end {
		data = resize(data, end)
	}
	copy(data[w.at:], w.data)
	return data
}

func resize(data []byte, size int64) []byte {
	if size <= int64(len(data)) {
		return data[:size]
	}
	return append(data, make([]byte, size-int64(len(data)))...)
}

func (n *node) keepData() {
	for _, w := range n.writes {
		n.diskData = w.apply(n.diskData)
	}
	n.writes = nil
}

// crash returns the files as they may be after a power cut.
func (s *strictFiles) crash(r *rand.Rand, p *power) *strictFiles {
	s.mu.Lock()
	defer s.mu.Unlock()
	dirs := s.entriesAfter(r)
	after := newStrictFiles(p)
	after.one, after.bytes, after.files = r.IntN(2) == 0, s.bytes, s.files
	var build func(from, to *node)
	build = func(from, to *node) {
		for _, name := range slices.Sorted(maps.Keys(dirs[from])) {
			old, n := dirs[from][name], &node{}
			if old.isDir {
				n = newDir()
				build(old, n)
			} else {
				n.diskData = old.crash(r)
				n.data = slices.Clone(n.diskData)
			}
			to.entries[name], to.onDisk[name] = n, n
		}
	}
	build(s.root, after.root)
	return after
}

// entriesAfter returns what each directory has after a power cut.
func (s *strictFiles) entriesAfter(r *rand.Rand) map[*node]map[string]*node {
	at := make(map[*node]slot)
	dirs := make(map[*node]map[string]*node)
	var look func(*node)
	look = func(dir *node) {
		if !dir.isDir || dirs[dir] != nil {
			return
		}
		dirs[dir] = maps.Clone(dir.onDisk)
		for name, n := range dir.onDisk {
			at[n] = slot{dir, name}
			look(n)
		}
	}
	look(s.root)
	for _, op := range s.pending {
		look(op.node)
	}
	for _, op := range s.survivors(someOf(r)) {
		if old, ok := at[op.node]; ok && (op.to.dir != nil || old == op.from) {
			delete(dirs[old.dir], old.name)
			delete(at, op.node)
		}
		if op.to.dir == nil {
			continue
		}
		if n := dirs[op.to.dir][op.to.name]; n != nil {
			delete(at, n)
		}
		dirs[op.to.dir][op.to.name], at[op.node] = op.node, op.to
	}
	return dirs
}

// survivors returns some of what is pending, with the directories that renames go to.
func (s *strictFiles) survivors(keep func() bool) (ops []entryOp) {
	needed := make(map[*node]bool)
	for _, op := range slices.Backward(s.pending) {
		if !keep() && !needed[op.node] {
			continue
		}
		if op.moves() || needed[op.node] {
			needed[op.to.dir] = true
		}
		ops = append(ops, op)
	}
	slices.Reverse(ops)
	return ops
}

// crash returns the bytes of a file as they may be after a power cut: each sector as
// it was at some time since the last sync, and as many as there were at some time.
func (n *node) crash(r *rand.Rand) []byte {
	out, now := slices.Clone(n.diskData), slices.Clone(n.diskData)
	keep, size := someOf(r), int64(len(out))
	for _, w := range n.writes {
		now = w.apply(now)
		if keep() {
			size = int64(len(now))
		}
		for at := w.at / sector * sector; at < w.at+int64(len(w.data)); at += sector {
			if keep() {
				out = write{at, now[at:min(at+sector, int64(len(now)))]}.apply(out)
			}
		}
	}
	return resize(out, size)
}

// someOf returns a source of answers that is for all, for none, or for some.
func someOf(r *rand.Rand) func() bool {
	part := [...]float64{0, 1, 0.5, 0.9, r.Float64()}[r.IntN(5)]
	return func() bool { return r.Float64() < part }
}
