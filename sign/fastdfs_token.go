package sign

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// fastdfsTokenLength is the length of an MD5 in hex.
const fastdfsTokenLength = 2 * md5.Size

// FastDFSToken returns the token for path and the time stamp ts, in Unix seconds: the MD5 of path, secret and ts, in 32 lower-case
// hex digits. Path is that of FileID.Path, "M00/00/13/….jpg": no group, no slash before it, no query.
//
// A link that ends at E has ts = E - ttl, whatever the present time.
func FastDFSToken(path, secret string, ts int64) string {
	sum := md5.Sum([]byte(path + secret + strconv.FormatInt(ts, 10)))
	return hex.EncodeToString(sum[:])
}

// VerifyFastDFSToken returns nil when token is that of path, secret and ts, and ts is at most ttl old, in whole seconds. The checks
// come in the order of FastDFS: ErrMalformed for a token that is not 32 characters long or a ts that is not a number, then
// ErrExpired (as *TimeError), then ErrSignature.
//
// As with FastDFS, a ts of 0 never expires, one in the future is good, and upper-case hex is not. Unlike it, a ts such as "12abc"
// or "-5" is refused: C's atoi reads the former as 12.
func VerifyFastDFSToken(path, secret, token, ts string, ttl time.Duration, now time.Time) error {
	if len(token) != fastdfsTokenLength {
		return fmt.Errorf("%w: token is not %d characters long", ErrMalformed, fastdfsTokenLength)
	}
	seconds, err := parseStamp(ts)
	if err != nil {
		return err
	}
	if err := checkStamp(seconds, ttl, now); err != nil {
		return err
	}
	return checkFastDFSToken(path, secret, token, seconds)
}

// FastDFSTokenEnd returns the last moment of a token that holds now, with this ts; the zero time if it never ends.
func FastDFSTokenEnd(ts string, ttl time.Duration) time.Time {
	seconds, err := parseStamp(ts)
	if err != nil || seconds <= 0 {
		return time.Time{}
	}
	return time.Unix(min(seconds, 1<<40)+int64(ttl/time.Second), int64(time.Second)-1)
}

// parseStamp reads the digits of ts. ParseUint takes no sign and no blanks.
func parseStamp(ts string) (int64, error) {
	seconds, err := strconv.ParseUint(ts, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%w: ts %q", ErrMalformed, ts)
	}
	return int64(seconds), nil
}

// checkStamp compares the age of a link with ttl. It does not add: a ts near the end of int64 would overflow.
func checkStamp(ts int64, ttl time.Duration, now time.Time) error {
	if ts == 0 || now.Unix()-ts <= int64(ttl/time.Second) {
		return nil
	}
	start := time.Unix(ts, 0).UTC()
	return &TimeError{Verdict: Expired, Start: start, Expiry: start.Add(ttl), Now: now}
}

func checkFastDFSToken(path, secret, token string, ts int64) error {
	if secret == "" || !hmac.Equal([]byte(token), []byte(FastDFSToken(path, secret, ts))) {
		return ErrSignature
	}
	return nil
}

// ExplainFastDFS tells what VerifyFastDFSToken finds in a link, and what its file ID says. Path is the decoded path of the link,
// with its group and with or without a slash before it; rawQuery holds token and ts. The secret is shown as {secret}.
//
// With an empty secret no link is valid here, because there is nothing to verify; a server that asks for no tokens has no need to.
func ExplainFastDFS(path, rawQuery, secret string, ttl time.Duration, now time.Time) Explanation {
	e := Explanation{Kind: "fastdfs", Valid: true, Now: now, Permissions: "r", Resource: path, Name: path}
	if secret == "" && rawQuery == "" {
		e.Signature, e.Time = OK, OK
		e.explainName(path)
		e.add("token", true, "No secret is set for links of this kind, so that they need no token: whoever has the link has the picture.")
		return e
	}
	e.explainName(path)
	_, signed, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	token, ts, err := fastdfsQuery(rawQuery)
	e.StringToSign = signed + "{secret}" + ts
	if err != nil {
		e.Signature, e.Time = Malformed, Malformed
		e.fail(err)
		e.add("query", false, "The link must carry token and ts, each once: %v.", err)
		return e
	}
	seconds, stampErr := parseStamp(ts)
	e.explainStamp(seconds, ts, ttl, stampErr)
	switch {
	case len(token) != fastdfsTokenLength || stampErr != nil:
		e.Signature = Malformed
		e.fail(ErrMalformed)
		e.add("signature", false, "The token cannot be checked: it must be %d hex digits, and ts a number.", fastdfsTokenLength)
	case checkFastDFSToken(signed, secret, token, seconds) != nil:
		e.Signature = Bad
		e.fail(ErrSignature)
		e.add("signature", false, "The token does not match: it is the lower-case hex MD5 of the path without its group, "+
			"the secret and ts. The secret, the path or ts differs from what the issuer used.")
	default:
		e.Signature = OK
		e.add("signature", true, "The token matches.")
	}
	return e
}

func (e *Explanation) explainName(path string) {
	id, err := ParseFileID(strings.TrimPrefix(path, "/"))
	switch {
	case err != nil:
		e.fail(err)
		e.add("name", false, "The path does not end in a FastDFS file ID: %q.", path)
	case id.IsSlave():
		e.add("name", true, "The file was made from one of %s.", FormatTime(id.Created()))
	default:
		e.add("name", true, "The file is of %s, %d bytes, CRC-32 %08x.", FormatTime(id.Created()), id.Size(), id.CRC32)
	}
}

func (e *Explanation) explainStamp(ts int64, text string, ttl time.Duration, err error) {
	if err != nil {
		e.Time = Malformed
		e.fail(ErrMalformed)
		e.add("time", false, "The time stamp ts=%q is not a number.", text)
		return
	}
	e.Time = OK
	if ts == 0 {
		e.add("time", true, "The time stamp is 0: the link never ends.")
		return
	}
	e.Start = time.Unix(ts, 0).UTC()
	e.Expiry = e.Start.Add(ttl)
	verb := "ends"
	if err := checkStamp(ts, ttl, e.Now); err != nil {
		e.fail(err)
		e.Time, verb = Expired, "ended"
	}
	e.add("time", e.Time == OK, "The link was stamped %s (%s), %v are allowed: it %s %s.",
		FormatTime(e.Start), distance(e.Start, e.Now), ttl, verb, distance(e.Expiry, e.Now))
}

// fastdfsQuery returns token and ts of a raw query. An empty one is as good as none.
func fastdfsQuery(rawQuery string) (token, ts string, err error) {
	for pair := range strings.SplitSeq(rawQuery, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name = unescapeForm(name)
		var to *string
		switch name {
		case "token":
			to = &token
		case "ts":
			to = &ts
		default:
			continue
		}
		if *to != "" {
			return token, ts, fmt.Errorf("%w: %s", ErrDuplicate, name)
		}
		*to = unescapeForm(value)
	}
	if token == "" || ts == "" {
		return token, ts, ErrNoToken
	}
	return token, ts, nil
}
