package store

import (
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// MaxName is the longest name in bytes. Azure allows a container of 63 characters,
// a blob name of 1,024 with up to 4 bytes each, and block IDs of 64 bytes.
const MaxName = 5 << 10

const (
	maxField      = 256      // the longest ID, Owner or MediaType in bytes
	maxAttributes = 32 << 10 // as a row has them, in bytes
)

var (
	// ErrNotFound is returned when a name or id has no object, or an expired one.
	ErrNotFound = errors.New("store: no such object")
	// ErrExists is returned when an Item asks for a new name that is taken.
	ErrExists = errors.New("store: object exists")
	// ErrDamaged is returned when stored bytes or an index row fail their checksum.
	ErrDamaged = errors.New("store: damaged")
	// ErrIndex is the ErrDamaged of an index that cannot answer: what is stored
	// under a name is not known.
	ErrIndex = fmt.Errorf("%w: index", ErrDamaged)
	// ErrReadOnly is returned by every change after a failed fsync: what the
	// kernel dropped then cannot be known, so nothing more is acknowledged.
	ErrReadOnly = errors.New("store: read-only after a failed sync")
	// ErrFull is returned by changes that the disk has no room for. They are accepted
	// again as soon as it has.
	ErrFull = errors.New("store: disk is full")
	// ErrLocked is returned when another process holds the data directory.
	ErrLocked = errors.New("store: data directory is in use by another process")
	// ErrField is returned for an empty name or one longer than MaxName, for an ID,
	// Owner or MediaType beyond 256 bytes, and Attributes beyond 32 KiB.
	ErrField = errors.New("store: field of an object is missing or too long")
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
	CRC       uint32         // CRC-32C of the bytes
	MD5       [md5.Size]byte // as its owner says; zero: not known
	Size      int64          // bytes
	Original  Digest         // of the picture that it was made from; zero: of none
	MediaType string
	Width     int // pixels, as a viewer shows them; 0: not a picture
	Height    int

	Created  time.Time // microseconds are kept
	Modified time.Time // when something of it last changed; zero: when it was created
	Expires  time.Time // zero: never
	Deleted  time.Time // when it was moved to the trash; zero: it was not

	// Attributes is what else its owner wants kept with it. The store does not
	// look at them. Not to be changed in an Object that a Store returned.
	Attributes map[string]string
}

// LastModified returns when the bytes or anything told of them last changed.
func (o Object) LastModified() time.Time {
	if o.Modified.IsZero() {
		return o.Created
	}
	return o.Modified
}

// Change is what one call of Apply does, in the order of its fields, all of it or
// nothing.
type Change struct {
	// Decide is called first, with what is true at that moment; nil: nothing to
	// decide. It may add to Delete and Edit. Its error refuses the change, and is
	// returned. It must not call the Store, and may be called more than once: an error of
	// now that is not ErrNotFound may mean just that, and is to be returned.
	Decide func(now View, c *Change) error
	Delete []string // names to remove for good; ErrNotFound if one is missing
	Edit   []Edit
	Put    []Item
}

// Edit changes what is known of an object, and not its bytes.
type Edit struct {
	Name string // ErrNotFound if it is missing
	// Do may change every field but Digest, CRC and Size. With another Name the
	// object moves there, replacing what was there. It may be called more than once.
	Do func(*Object) error
}

// Item is one object to be stored, replacing what had its name. Apply fills in
// Digest, CRC and Size, and Created, when it is zero, as the time when the bytes
// were complete.
type Item struct {
	Object
	// Body is read to its end. An error from it fails the whole Change and is returned.
	Body io.Reader
	// Inspect, if there is one, is called when the bytes are complete, with Digest,
	// CRC and Size, before they are visible and before those of the next Item are
	// read. It may fill in what else only the bytes tell, the name too; its error is
	// as one of Body.
	Inspect func(o *Object, bytes io.ReadSeeker) error
	// New makes Apply fail with ErrExists when the name is taken.
	New bool
}

// View is a look at names.
type View interface {
	// Stat returns an object by its name.
	Stat(name string) (Object, error)
	// List returns up to limit objects whose names begin with prefix and are not
	// before from, by name. With a delimiter, all names that go on with it behind
	// the prefix and the same text are one Object, with only a Name: what they
	// have in common.
	List(prefix, from, delimiter string, limit int) ([]Object, error)
	// Usage returns how many objects an Owner has, and the sum of their sizes, without
	// a scan: those in the trash, and expired ones until they are swept, included.
	Usage(owner string) (objects, bytes int64, err error)
}

// Blob is the bytes of an object, open until Close, even if it is deleted.
type Blob interface {
	// ReadSeekCloser streams them. Read from start to end they are checked:
	// ErrDamaged comes before the last of them.
	io.ReadSeekCloser
	// Whole returns all of them, checked and not to be changed; nil for more than MaxWhole.
	Whole() ([]byte, error)
	// File returns the file that begins with them, for who has the system send them; nil
	// where there is none. It is closed with the Blob.
	File() *os.File
}

// MaxWhole is the size in bytes up to which a blob is read whole: the largest picture
// that the upload APIs take by default.
const MaxWhole = 8 << 20

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
	View
	// Apply does all of c or nothing, and returns what it put, complete and in order.
	Apply(c Change) ([]Object, error)
	// Open returns an object and its bytes, which the caller closes.
	Open(name string) (Object, Blob, error)
	// Version returns a number that is another one from before the time when a change of
	// what is under name is acknowledged: who takes it before Open may keep what that
	// returned, but for its expiry, for as long as it is the same.
	Version(name string) uint64
	// Find returns an object by its ID.
	Find(id string) (Object, error)
	// Sweep removes what has expired and what was moved to the trash before the
	// given time (the zero time: nothing), and says what it took.
	Sweep(trashedBefore time.Time) (Stats, error)
	// Stats counts what is there, without a scan.
	Stats() (Stats, error)
	// Damage counts what was found not to be as it was stored, since the start: reads
	// of blobs, and of the index.
	Damage() (blobs, index int64)
	// Ready returns nil while changes are accepted.
	Ready() error
	// Close waits for running changes; the Store is not used after it.
	Close() error
}

var _ Store = (*Disk)(nil)

// Expired says whether o is not to be seen any more.
func (o Object) Expired(now time.Time) bool {
	return !o.Expires.IsZero() && !now.Before(o.Expires)
}
