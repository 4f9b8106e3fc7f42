package store

import (
	"errors"
	"io"
	"time"
)

// MaxName is the longest name in bytes. Azure allows a container of 63 characters
// and a blob name of 1,024; each character takes up to 4 bytes.
const MaxName = 64 + 4*1024

// maxField is the longest ID, Owner or MediaType in bytes.
const maxField = 256

var (
	// ErrNotFound is returned when a name or id has no object, or an expired one.
	ErrNotFound = errors.New("store: no such object")
	// ErrExists is returned when an Item asks for a new name that is taken.
	ErrExists = errors.New("store: object exists")
	// ErrDamaged is returned when stored bytes or an index row fail their checksum.
	ErrDamaged = errors.New("store: damaged")
	// ErrReadOnly is returned by every change after a failed fsync: what the
	// kernel dropped then cannot be known, so nothing more is acknowledged.
	ErrReadOnly = errors.New("store: read-only after a failed sync")
	// ErrLocked is returned when another process holds the data directory.
	ErrLocked = errors.New("store: data directory is in use by another process")
	// ErrName is returned for an empty name or one longer than MaxName, and for an
	// ID, Owner or MediaType beyond 256 bytes.
	ErrName = errors.New("store: bad object name")
)

// Object is a name for a blob and what is known about it.
type Object struct {
	// Name is container/folder/file, or group/M00/HH/LL/file; any bytes, 1 to MaxName.
	Name string
	// ID is a second key, under which Find answers; empty: none.
	ID string
	// Owner is the key of the application that stored it; empty: none.
	Owner string

	Digest    Digest
	CRC       uint32 // CRC-32C of the bytes
	Size      int64  // bytes
	MediaType string
	Width     int // pixels, as a viewer shows them; 0: not a picture
	Height    int

	Created time.Time // microseconds are kept
	Expires time.Time // zero: never
	Deleted time.Time // when it was moved to the trash; zero: it was not
}

// Item is one object to be stored: Put fills in Digest, CRC and Size, and
// Created when it is zero.
type Item struct {
	Object
	// Body is read to its end. An error from it fails the whole Put and is returned.
	Body io.Reader
	// New makes Put fail with ErrExists when the name is taken.
	New bool
}

// Rename moves the object From to the name To, replacing what was there.
type Rename struct {
	From, To string
	// Deleted becomes the object's Deleted: zero takes it out of the trash.
	Deleted time.Time
}

// Stats counts what a Store holds.
type Stats struct {
	Objects     int64 `json:"objects"`      // names, expired ones included until they are swept
	ObjectBytes int64 `json:"object_bytes"` // sum of their sizes
	Blobs       int64 `json:"blobs"`
	BlobBytes   int64 `json:"blob_bytes"` // bytes on disk, without ledgers
}

// Store is a tier of pictures. All methods may be called concurrently. A change
// that returned nil is seen by every later call; one that returned an error has
// not happened, or may be repeated safely.
type Store interface {
	// Put stores the items, all visible together or none, and returns them
	// complete and in order. It replaces objects of the same names.
	Put(items ...Item) ([]Object, error)
	// Open returns an object and its bytes, which the caller closes. The reader
	// may also have a method Bytes() []byte: the whole content, not to be changed.
	Open(name string) (Object, io.ReadSeekCloser, error)
	// Stat returns an object by its name.
	Stat(name string) (Object, error)
	// Find returns an object by its ID.
	Find(id string) (Object, error)
	// List returns up to limit objects whose names begin with prefix and sort
	// after after, by name.
	List(prefix, after string, limit int) ([]Object, error)
	// Move renames objects, all or none; ErrNotFound if one is missing.
	Move(moves ...Rename) error
	// Delete removes objects for good, all or none; ErrNotFound if one is missing.
	Delete(names ...string) error
	// Sweep removes what has expired and what was moved to the trash before the
	// given time (the zero time: nothing), and says what it took.
	Sweep(trashedBefore time.Time) (Stats, error)
	// Stats counts what is there, without a scan.
	Stats() (Stats, error)
	// Ready returns nil while changes are accepted.
	Ready() error
	// Close waits for running changes; the Store is not used after it.
	Close() error
}

var _ Store = (*Disk)(nil)

func (o Object) expired(now time.Time) bool {
	return !o.Expires.IsZero() && !now.Before(o.Expires)
}
