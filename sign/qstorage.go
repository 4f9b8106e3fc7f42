package sign

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"time"
)

// QStorageWindow is how far the time of a request may lie from the server's, on either side: "allow 15 minute".
const QStorageWindow = 900 * time.Second

// QStorageSignature returns the signature header for a signature-time header: base64 of the HMAC-SHA256 of the time's text, keyed
// with the secret. The document writes base64(sha256(timestamp, secretKey)); the HMAC is what its clients compute.
func QStorageSignature(secret, signatureTime string) string {
	return base64.StdEncoding.EncodeToString(qstorageMAC(secret, signatureTime))
}

func qstorageMAC(secret, signatureTime string) []byte {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(signatureTime))
	return h.Sum(nil)
}

// VerifyQStorage returns nil when signature, in standard base64 with padding, is that of signatureTime, and ErrSignature
// otherwise. It does not look at the clock: VerifyQStorageTime does, after it.
func VerifyQStorage(secret, signatureTime, signature string) error {
	if secret == "" || len(signature) != signatureLength {
		return ErrSignature
	}
	got, err := base64.StdEncoding.Strict().DecodeString(signature)
	if err != nil || !hmac.Equal(got, qstorageMAC(secret, signatureTime)) {
		return ErrSignature
	}
	return nil
}

// VerifyQStorageTime returns nil when signatureTime, ten digits of Unix seconds, is within QStorageWindow of now, both ends
// included and fractions of a second dropped: clients round theirs, so it may be half a second in the future. The error is
// ErrMalformed, or an ErrTime as *TimeError.
func VerifyQStorageTime(signatureTime string, now time.Time) error {
	seconds, err := strconv.ParseUint(signatureTime, 10, 63)
	if err != nil || len(signatureTime) != 10 {
		return fmt.Errorf("%w: signature-time %q", ErrMalformed, signatureTime)
	}
	const window = int64(QStorageWindow / time.Second)
	e := TimeError{
		Start:  time.Unix(int64(seconds)-window, 0).UTC(),
		Expiry: time.Unix(int64(seconds)+window, 0).UTC(),
		Now:    now,
	}
	switch {
	case now.Unix() < e.Start.Unix():
		e.Verdict = Early
	case now.Unix() > e.Expiry.Unix():
		e.Verdict = Expired
	default:
		return nil
	}
	return &e
}
