package sign

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// adminPrefix begins every admin token, so that scanners of source code know one.
const adminPrefix = "tintype1_"

const (
	adminNonce = 16 // random bytes, which tell two tokens apart
	adminBody  = 8 + adminNonce
)

// AdminToken returns a token for everything that an operator may do, good until expiry,
// in whole seconds:
//
//	"tintype1_" base64url( expiry, Unix seconds u64 | 16 random bytes | HMAC-SHA256 of both )
//
// key is used for nothing else.
func AdminToken(key []byte, expiry time.Time) string {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, adminBody+sha256.Size), uint64(expiry.Unix()))
	b = b[:adminBody]
	rand.Read(b[8:])
	return adminPrefix + base64.RawURLEncoding.EncodeToString(append(b, adminMAC(key, b)...))
}

// VerifyAdminToken returns when a token of AdminToken ends. ErrMalformed, ErrSignature or
// ErrTime: it is not good, or no more.
func VerifyAdminToken(key []byte, token string, now time.Time) (expiry time.Time, err error) {
	text, ok := strings.CutPrefix(token, adminPrefix)
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	// with line feeds in it, which the decoder passes over, it would be another text of the same token
	if !ok || err != nil || len(b) != adminBody+sha256.Size || len(text) != base64.RawURLEncoding.EncodedLen(len(b)) {
		return time.Time{}, fmt.Errorf("%w: admin token", ErrMalformed)
	}
	if len(key) == 0 || !hmac.Equal(b[adminBody:], adminMAC(key, b[:adminBody])) {
		return time.Time{}, ErrSignature
	}
	expiry = time.Unix(int64(binary.BigEndian.Uint64(b)), 0)
	if !now.Before(expiry) {
		return time.Time{}, ErrTime
	}
	return expiry, nil
}

func adminMAC(key, body []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(adminPrefix))
	mac.Write(body)
	return mac.Sum(nil)
}
