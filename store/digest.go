package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Digest is the SHA-256 of a blob's bytes: its address. It is comparable.
type Digest [sha256.Size]byte

// String returns 64 lower-case hex digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

func (d Digest) compare(o Digest) int { return bytes.Compare(d[:], o[:]) }

// ParseDigest reads what String writes and nothing else.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	if len(s) != hex.EncodedLen(len(d)) {
		return Digest{}, fmt.Errorf("store: digest %q: want 64 hex digits", s)
	}
	if _, err := hex.Decode(d[:], []byte(s)); err != nil || d.String() != s {
		return Digest{}, fmt.Errorf("store: digest %q: want 64 lower-case hex digits", s)
	}
	return d, nil
}

// Sum returns the digest of data.
func Sum(data []byte) Digest { return sha256.Sum256(data) }
