package store

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// Keys of a Bucket are names in an alphabet that every S3 takes, [A-Za-z0-9._-] in segments
// of at most 200 bytes, and sort as the names do:
//
//	0-9 B-Z a-y        themselves
//	/                  itself; ".2f/" where nothing is before it in its segment
//	00-2e              ".hh"
//	3a-41, A included  "Ahh"
//	5b-60              "_hh"
//	7a-ff, z included  "zhh"
//	end of the name    "-"
//	longSegment bytes  "/", if the name goes on
//
// The end sorts before all else, so that a name sorts before those that go on from it, and
// no key is a directory of another, which engines over files could not hold. A break after
// longSegment bytes comes before the name's own slash, which is ".2f/" then: so no two
// names have one key.
const (
	longSegment = 190
	nameEnd     = "-"
)

// AWS takes keys of 1,024 bytes. What is left besides that of a name is for a prefix of up to
// maxPrefix, the tier, and a time.
const (
	maxNameKey = 900
	maxPrefix  = 64
)

// appendKey appends the key of a prefix of names to b: that of all names that begin with it
// begins so. A name's own key has nameEnd behind it.
func appendKey(b []byte, name string) []byte {
	segment := 0
	for i := range len(name) {
		if segment >= longSegment {
			b, segment = append(b, '/'), 0
		}
		c := name[i]
		switch escape := escapeOf(c); {
		case c == '/' && segment > 0:
			b, segment = append(b, '/'), 0
		case c == '/':
			b, segment = append(b, ".2f/"...), 0
		case escape == 0:
			b, segment = append(b, c), segment+1
		default:
			b, segment = hex.AppendEncode(append(b, escape), []byte{c}), segment+3
		}
	}
	return b
}

// escapeOf returns what an escaped byte begins with; 0: it is none.
func escapeOf(c byte) byte {
	switch {
	case c < '/':
		return '.'
	case c > '9' && c < 'B':
		return 'A'
	case c > 'Z' && c < 'a':
		return '_'
	case c > 'y':
		return 'z'
	}
	return 0
}

// parseKey returns the name of a key that appendKey and nameEnd have made, and no other.
func parseKey(key string) (string, error) {
	bad := fmt.Errorf("%w: key %q", ErrDamaged, key)
	text, ok := strings.CutSuffix(key, nameEnd)
	if !ok {
		return "", bad
	}
	name := make([]byte, 0, len(text))
	segment := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '/':
			if segment < longSegment {
				name = append(name, c)
			}
			segment = 0
		case '.', 'A', '_', 'z':
			var of [1]byte
			if n, err := hex.Decode(of[:], []byte(text[i+1:min(i+3, len(text))])); err != nil || n != 1 {
				return "", bad
			}
			i, segment = i+2, segment+3
			if of[0] == '/' { // an empty segment: the slash is behind it
				segment = 1
				continue
			}
			name = append(name, of[0])
		default:
			name, segment = append(name, c), segment+1
		}
	}
	if string(appendKey(nil, string(name))) != text {
		return "", bad
	}
	return string(name), nil
}
