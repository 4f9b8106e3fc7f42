package store

import (
	"crypto/sha256"
	"fmt"
	"io"
	"time"
)

// Tier is a Store that its operator looks after.
type Tier interface {
	Store
	// Collect removes what has expired, what was moved to the trash before the given time (the
	// zero time: nothing) and what nothing names, and says what it took.
	Collect(trashedBefore time.Time, progress Progress) (freed Stats, unnamed int64, err error)
	// Scrub reads every blob and compares its SHA-256 with its digest. done and total count
	// bytes.
	Scrub(repair bool, progress Progress) (Scrubbed, error)
}

var _, _ Tier = (*Disk)(nil), (*Bucket)(nil)

// verify reads all of an object and compares its SHA-256 with its digest: ErrDamaged.
func verify(s Store, name string) (Object, error) {
	o, blob, err := s.Open(name)
	if err != nil {
		return o, err
	}
	defer blob.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, blob); err != nil {
		return o, err
	}
	if got := Digest(sum.Sum(nil)); got != o.Digest {
		return o, fmt.Errorf("%w: digest is %v", ErrDamaged, got)
	}
	return o, nil
}
