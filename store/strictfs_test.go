package store

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// strictFiles is a fileSystem in memory that keeps what the interface promises to
// keep over a power cut, and of the rest what a random source says.
type strictFiles struct {
	*power
	one bool // it has no SyncAll

	mu      sync.Mutex // guards what follows, and all nodes
	root    *node
	pending []entryOp // changes of directories that are not on the disk, in order
	bytes   uint64    // Room
	files   uint64
}

// node is a file or a directory, as it is and as the disk has it.
type node struct {
	isDir    bool
	entries  map[string]*node
	onDisk   map[string]*node
	data     []byte
	diskData []byte
	writes   []write // from diskData to data
}

// write is a change of a file: bytes at an offset, or with a nil data a new size.
type write struct {
	at   int64
	data []byte
}

// slot is where a directory entry is.
type slot struct {
	dir  *node
	name string
}

// entryOp gives a node the name to, if there is one, and takes from from it.
type entryOp struct {
	node     *node
	from, to slot
}

// moves says whether op is a rename: whole only with the directories that it goes to.
func (op entryOp) moves() bool { return op.from.dir != nil && op.to.dir != nil }

const sector = 512

func newDir() *node {
	return &node{isDir: true, entries: make(map[string]*node), onDisk: make(map[string]*node)}
}

func newStrictFiles(p *power) *strictFiles {
	return &strictFiles{power: p, root: newDir(), bytes: 1 << 40, files: 1 << 40}
}

func (s *strictFiles) setRoom(bytes, files uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes, s.files = bytes, files
}

func pathError(op, path string, err error) error {
	return &fs.PathError{Op: op, Path: path, Err: err}
}

// find returns the directory that has path, path's name in it, and what is there.
func (s *strictFiles) find(path string) (slot, *node) {
	at := slot{s.root, ""}
	n := s.root
	for name := range strings.SplitSeq(filepath.ToSlash(path), "/") {
		if n == nil || !n.isDir {
			return slot{}, nil
		}
		at = slot{n, name}
		n = n.entries[name]
	}
	return at, n
}

// do makes op true, for now.
func (s *strictFiles) do(op entryOp) {
	if op.from.dir != nil {
		delete(op.from.dir.entries, op.from.name)
	}
	if op.to.dir != nil {
		op.to.dir.entries[op.to.name] = op.node
	}
	s.pending = append(s.pending, op)
}

func (s *strictFiles) Create(path string) (file, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	done, err := s.use("create")
	at, n := s.find(path)
	switch {
	case !done:
	case at.dir == nil:
		err = fs.ErrNotExist
	case n != nil:
		err = fs.ErrExist
	default:
		n = &node{}
		s.do(entryOp{node: n, to: at})
	}
	if err != nil {
		return nil, pathError("create", path, err)
	}
	return &handle{fs: s, node: n, path: path, writes: true}, nil
}

func (s *strictFiles) open(path string, writes bool) (file, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.use("open")
	_, n := s.find(path)
	if err == nil && (n == nil || n.isDir) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, pathError("open", path, err)
	}
	return &handle{fs: s, node: n, path: path, writes: writes}, nil
}

func (s *strictFiles) Open(path string) (file, error) { return s.open(path, false) }
func (s *strictFiles) Edit(path string) (file, error) { return s.open(path, true) }

func (s *strictFiles) Rename(from, to string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	done, err := s.use("rename")
	at, n := s.find(from)
	there, old := s.find(to)
	if err == nil && (n == nil || n.isDir || there.dir == nil || old != nil && old.isDir) {
		done, err = false, fs.ErrNotExist
	}
	if done && n != nil && there.dir != nil {
		s.do(entryOp{n, at, there})
	}
	if err != nil {
		return pathError("rename", from, err)
	}
	return nil
}

func (s *strictFiles) Remove(path string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	done, err := s.use("remove")
	at, n := s.find(path)
	if err == nil && n == nil {
		done, err = false, fs.ErrNotExist
	}
	if done && n != nil {
		s.do(entryOp{node: n, from: at})
	}
	if err != nil {
		return pathError("remove", path, err)
	}
	return nil
}

func (s *strictFiles) Mkdir(path string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	done, err := s.use("mkdir")
	for i := range len(path) + 1 {
		if !done || i < len(path) && path[i] != filepath.Separator {
			continue
		}
		if at, n := s.find(path[:i]); n == nil {
			s.do(entryOp{node: newDir(), to: at})
		}
	}
	if err != nil {
		return pathError("mkdir", path, err)
	}
	return nil
}

func (s *strictFiles) List(path string) (entries []fs.DirEntry, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err = s.use("list")
	_, n := s.find(path)
	if err == nil && (n == nil || !n.isDir) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, pathError("list", path, err)
	}
	for _, name := range slices.Sorted(maps.Keys(n.entries)) {
		entries = append(entries, listed{name, n.entries[name].isDir})
	}
	return entries, nil
}

func (s *strictFiles) SyncDir(path string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	done, err := s.use("syncdir")
	_, n := s.find(path)
	if err == nil && (n == nil || !n.isDir) {
		return pathError("open", path, fs.ErrNotExist)
	}
	if done && n != nil {
		s.keepEntries(func(d *node) bool { return d == n })
	}
	if err != nil {
		return synced(pathError("sync", path, err))
	}
	return nil
}

func (s *strictFiles) SyncAll() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.one {
		return errors.ErrUnsupported
	}
	done, err := s.use("syncall")
	if done {
		s.keepEntries(func(*node) bool { return true })
		s.root.keepAll()
	}
	return synced(err)
}

func (n *node) keepAll() {
	n.keepData()
	for _, e := range n.entries {
		e.keepAll()
	}
}

func (s *strictFiles) Room() (bytes, files uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err = s.use("room")
	return s.bytes, s.files, err
}

// handle is an open file.
type handle struct {
	fs     *strictFiles
	node   *node
	path   string
	writes bool
	closed bool
}

// use counts a call of an open file.
func (h *handle) use(call string, writes bool) (done bool, err error) {
	if h.closed {
		return false, pathError(call, h.path, fs.ErrClosed)
	}
	if writes && !h.writes {
		return false, pathError(call, h.path, fs.ErrPermission)
	}
	if done, err = h.fs.use(call); err != nil {
		err = pathError(call, h.path, err)
	}
	return done, err
}

func (h *handle) ReadAt(p []byte, at int64) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if _, err := h.use("read", false); err != nil {
		return 0, err
	}
	if at >= int64(len(h.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, h.node.data[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt writes half of p where it fails.
func (h *handle) WriteAt(p []byte, at int64) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	done, err := h.use("write", true)
	if err != nil && !done && h.fs.isOff() || h.closed || !h.writes {
		return 0, err
	}
	if !done {
		p = p[:len(p)/2]
	}
	if len(p) > 0 {
		w := write{at, slices.Clone(p)}
		h.node.data = w.apply(h.node.data)
		h.node.writes = append(h.node.writes, w)
	}
	return len(p), err
}

func (h *handle) Size() (int64, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	_, err := h.use("size", false)
	return int64(len(h.node.data)), err
}

func (h *handle) Truncate(size int64) error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	done, err := h.use("truncate", true)
	if done && size != int64(len(h.node.data)) {
		w := write{at: size}
		h.node.data = w.apply(h.node.data)
		h.node.writes = append(h.node.writes, w)
	}
	return err
}

func (h *handle) Sync() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	done, err := h.use("sync", false)
	if done {
		h.node.keepData()
	}
	return synced(err)
}

func (h *handle) Close() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.closed {
		return pathError("close", h.path, fs.ErrClosed)
	}
	h.closed = true
	return nil
}

// listed is an entry of a directory.
type listed struct {
	name string
	dir  bool
}

func (l listed) Name() string               { return l.name }
func (l listed) IsDir() bool                { return l.dir }
func (l listed) Info() (fs.FileInfo, error) { return nil, errors.ErrUnsupported }
func (l listed) Type() fs.FileMode {
	if l.dir {
		return fs.ModeDir
	}
	return 0
}
