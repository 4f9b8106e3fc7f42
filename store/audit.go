package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// AuditOptions are the choices of an AuditLog. The zero value has the defaults.
type AuditOptions struct {
	// FileBytes is how long a file becomes before the next one is begun; 0: 16 MiB.
	FileBytes int64
	// Files is how many files are kept beside the one that is written; 0: 7.
	Files int
	// Log is told when events begin to be lost, and when they are not any more; nil:
	// slog.Default.
	Log *slog.Logger
}

const (
	auditBytes = 16 << 20
	auditFiles = 7
	// maxEvent bounds the line of one event: a name of MaxName takes six bytes for each in JSON.
	maxEvent = 64 << 10
	// auditFirst is the number of the first file: above those that there may be already.
	auditFirst = 1 << 32
)

// AuditLog keeps events, one line of JSON for each, in files of mode 0600:
//
//	audit.log      what is written
//	audit.1.log    what was written before, up to audit.7.log, the oldest
//
// A line goes to the system with one write: a kill costs no event for which Append has
// returned nil. It is not forced to the disk: a power cut may cost the last seconds.
// The methods may be called concurrently.
type AuditLog struct {
	dir  string
	opt  AuditOptions
	run  uint64 // tells this process from others, whose files had other numbers
	lost atomic.Int64

	mu      sync.Mutex     // guards what follows
	file    io.WriteCloser // audit.log; nil: it is not open
	size    int64
	limit   int64 // with which size the next file is begun
	torn    bool  // the last line is without its end
	failing bool
	closed  bool

	// moving is held while files get other names, and, to read, while they are opened.
	moving sync.RWMutex
	number uint64 // of audit.log; that of each older file is one less; guarded by moving

	block, budget int64 // of Read, in bytes; see there
}

// OpenAuditLog opens the log in dir, which must be there, and makes it where it is
// missing. A full disk is no error: events are lost until there is room.
func OpenAuditLog(dir string, opt AuditOptions) (*AuditLog, error) {
	if opt.FileBytes <= 0 {
		opt.FileBytes = auditBytes
	}
	if opt.Files <= 0 {
		opt.Files = auditFiles
	}
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	a := &AuditLog{dir: dir, opt: opt, run: rand.Uint64(), limit: opt.FileBytes, number: auditFirst, block: auditBlock, budget: auditBudget}
	err := a.open()
	if err != nil && !noSpace(err) {
		return nil, fmt.Errorf("store: audit log: %w", err)
	}
	a.tell(err)
	return a, nil
}

// Append writes an event as one line: what json.Marshal makes of it, up to 64 KiB. An
// error says that the event is lost, which Lost counts; the next one is tried anew.
func (a *AuditLog) Append(event any) error {
	line, err := json.Marshal(event)
	if err == nil && len(line) >= maxEvent {
		err = fmt.Errorf("event of %d bytes", len(line))
	}
	if err == nil {
		err = a.write(append(line, '\n'))
	}
	if err != nil {
		a.lost.Add(1)
		return fmt.Errorf("store: audit log: %w", err)
	}
	return nil
}

// Lost returns how many events could not be written since the start.
func (a *AuditLog) Lost() int64 { return a.lost.Load() }

// Close ends the writing; Read goes on.
func (a *AuditLog) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	if a.file == nil {
		return nil
	}
	err := a.file.Close()
	a.file = nil
	return err
}

func (a *AuditLog) write(line []byte) (err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return errClosed
	}
	defer func() { a.tell(err) }()
	if a.file != nil && a.size > 0 && a.size+int64(len(line)) > a.limit {
		a.rotate()
	}
	if a.file == nil {
		if err := a.open(); err != nil {
			return err
		}
	}
	if a.torn {
		line = append([]byte{'\n'}, line...)
	}
	n, err := a.file.Write(line)
	a.size += int64(n)
	if n > 0 {
		a.torn = line[n-1] != '\n'
	}
	return err
}

// open opens audit.log.
func (a *AuditLog) open() error {
	f, err := os.OpenFile(a.path(0), os.O_RDWR|os.O_APPEND, 0)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = a.create()
	}
	if err != nil {
		return err
	}
	info, err := f.Stat()
	last := []byte{'\n'}
	if err == nil && info.Size() > 0 {
		_, err = f.ReadAt(last, info.Size()-1)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	a.file, a.size, a.torn = f, info.Size(), last[0] != '\n'
	return nil
}

func (a *AuditLog) create() (*os.File, error) {
	a.moving.Lock()
	defer a.moving.Unlock()
	f, err := os.OpenFile(a.path(0), os.O_RDWR|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		a.number++
	}
	return f, err
}

// rotate gives audit.log the name of an older file, and each of those the next, up to the
// first name that is free: one that was interrupted is gone on with. Where that fails the
// log goes on where it is, and tries again after a while.
func (a *AuditLog) rotate() {
	a.file.Close() // first, since Windows gives no open file another name
	a.file = nil
	a.moving.Lock()
	defer a.moving.Unlock()
	free := 1
	for free < a.opt.Files {
		if _, err := os.Lstat(a.path(free)); err != nil {
			break
		}
		free++
	}
	for n := free; n > 0; n-- {
		if err := os.Rename(a.path(n-1), a.path(n)); err != nil {
			a.limit = a.size + a.opt.FileBytes/16
			a.opt.Log.Warn("cannot begin another file of the audit log", "err", err)
			return
		}
	}
	a.limit = a.opt.FileBytes
}

// tell logs the first event that is lost, and the first that is not any more.
func (a *AuditLog) tell(err error) {
	if failing := err != nil; failing == a.failing {
		return
	}
	if a.failing = err != nil; a.failing {
		a.opt.Log.Error("the audit log cannot be written; events are lost until it can", "dir", a.dir, "err", err)
	} else {
		a.opt.Log.Warn("the audit log is written again", "dir", a.dir, "lost", a.Lost())
	}
}

// path is that of a file: 0 is the newest.
func (a *AuditLog) path(n int) string {
	if n == 0 {
		return filepath.Join(a.dir, "audit.log")
	}
	return filepath.Join(a.dir, fmt.Sprintf("audit.%d.log", n))
}
