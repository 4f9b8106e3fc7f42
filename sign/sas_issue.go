package sign

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// QStorageVersion is the version of the tokens in the QStorage document: "sv=2016-05-31&sr=c&st=..&se=..&sp=r&sig=..".
const QStorageVersion = "2016-05-31"

// ErrKey is returned when Issue is given an empty key.
var ErrKey = errors.New("sign: empty key")

// Issue returns t signed for r, ready for Query. An empty Version becomes QStorageVersion; an empty Kind becomes that of r: a
// blob when r has one, else the container. Times are text, best made by FormatTime: SDKs re-write some other forms, and the
// signature with them is lost.
//
// It refuses what Verify would refuse whenever it was asked, with the same errors: a token that can never open anything is a
// mistake of who asks for it.
func Issue(key []byte, r Resource, t Token) (Token, error) {
	if t.Version == "" {
		t.Version = QStorageVersion
	}
	if t.Kind == "" {
		t.Kind = kindBlob
		if r.Blob == "" {
			t.Kind = kindContainer
		}
	}
	if len(key) == 0 {
		return Token{}, ErrKey
	}
	if t.Kind == kindBlob && r.Blob == "" {
		return Token{}, fmt.Errorf("%w: sr=b without a blob", ErrMalformed)
	}
	t.Signature = t.Sign(key, r)
	start, expiry, err := t.window(time.Time{})
	if err != nil {
		return Token{}, err
	}
	if !start.IsZero() && !expiry.After(start) {
		return Token{}, &TimeError{Verdict: Malformed, Start: start, Expiry: expiry}
	}
	if err := t.checkRange(); err != nil {
		return Token{}, err
	}
	c := Check{Resource: r, HTTPS: true} // true: "https" is a value that some request can satisfy
	for _, check := range [...]func(Token, Check) error{
		Token.checkForm, Token.checkPolicy, Token.checkSyntax, Token.checkProtocol, Token.checkHeaders,
	} {
		if err := check(t, c); err != nil {
			return Token{}, err
		}
	}
	return t, nil
}

// checkRange is the part of checkAddress that needs no client.
func (t Token) checkRange() error {
	if t.Addresses == "" {
		return nil
	}
	_, _, err := t.addressRange()
	return err
}

// Query returns t as a query string without a leading "?", in the exact shape of the QStorage document: colons stay, and of the
// fields in its example only sig is percent-encoded. Empty fields are left out. ParseToken of the result is t again.
func (t Token) Query() string {
	var b strings.Builder
	for _, f := range t.fields() {
		if *f.text == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(f.name)
		b.WriteByte('=')
		escapeQuery(&b, *f.text)
	}
	return b.String()
}

// escapeQuery writes s percent-encoded but for the unreserved characters of RFC 3986 and the colon.
func escapeQuery(b *strings.Builder, s string) {
	const upperHex = "0123456789ABCDEF"
	for i := 0; i < len(s); i++ {
		c := s[i]
		if isAlphanumeric(c) || strings.IndexByte("-._~:", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(upperHex[c>>4])
		b.WriteByte(upperHex[c&15])
	}
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
