package sign

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrNoToken is returned when a query holds no sig parameter, or an empty one: the request is anonymous.
	ErrNoToken = errors.New("sign: no token")

	// ErrDuplicate is returned when a query holds a SAS parameter twice, even if one of them is empty. Neither the first nor the
	// last may win: another reader of the same URL could choose the other.
	ErrDuplicate = errors.New("sign: parameter sent twice")
)

// The versions (sv) at which the text that is signed changed. They compare as strings. Source: blob.md section 1.
const (
	versionFirst   = "2012-02-12" // sv itself joins the text; older tokens are refused
	versionHeaders = "2013-08-15" // rscc, rscd, rsce, rscl, rsct
	versionPrefix  = "2015-02-21" // the resource begins with /blob
	versionAddress = "2015-04-05" // sip, spr
	versionKind    = "2018-11-09" // sr, snapshot
	versionScope   = "2020-12-06" // ses
)

// The values of Token.Kind that are served. Others (snapshots, directories, user delegation) are not.
const (
	kindContainer = "c"
	kindBlob      = "b"
)

// Resource is what a request asks for. Blob is the name decoded once, slashes included; an empty Blob is the container itself.
// Account and Container are plain names, without slashes.
type Resource struct{ Account, Container, Blob string }

// Token is a SAS token: the text of its query parameters, decoded once and otherwise as received. An absent parameter and an
// empty one are the same. Nothing in a Token is to be believed before Verify has returned nil; after that the reply headers
// (CacheControl to ContentType) are what the issuer asked for, and empty if the issuer did not sign them.
type Token struct {
	Version     string // sv, "2016-05-31"
	Kind        string // sr: "c" for a container, "b" for one blob
	Start       string // st
	Expiry      string // se
	Permissions string // sp, letters in the order of permissionOrder
	Policy      string // si, name of a stored access policy
	Addresses   string // sip, "a" or "a-b"
	Protocol    string // spr, "https" or "https,http"
	Scope       string // ses, encryption scope
	Snapshot    string // snapshot

	CacheControl       string // rscc
	ContentDisposition string // rscd
	ContentEncoding    string // rsce
	ContentLanguage    string // rscl
	ContentType        string // rsct

	Signature string // sig, base64
}

// tokenField is one parameter of a token.
type tokenField struct {
	name  string
	text  *string
	since string // first version that signs it
}

// fields lists every parameter of t, in the order in which Query writes them. It begins as the example of the QStorage document
// does; for the rest any order is good.
func (t *Token) fields() [16]tokenField {
	return [...]tokenField{
		{"sv", &t.Version, versionFirst},
		{"sr", &t.Kind, versionFirst},
		{"st", &t.Start, versionFirst},
		{"se", &t.Expiry, versionFirst},
		{"sp", &t.Permissions, versionFirst},
		{"si", &t.Policy, versionFirst},
		{"sip", &t.Addresses, versionAddress},
		{"spr", &t.Protocol, versionAddress},
		{"ses", &t.Scope, versionScope},
		{"snapshot", &t.Snapshot, versionKind},
		{"rscc", &t.CacheControl, versionHeaders},
		{"rscd", &t.ContentDisposition, versionHeaders},
		{"rsce", &t.ContentEncoding, versionHeaders},
		{"rscl", &t.ContentLanguage, versionHeaders},
		{"rsct", &t.ContentType, versionHeaders},
		{"sig", &t.Signature, versionFirst},
	}
}

// ParseToken reads the SAS parameters of a raw query string, without its leading "?". It decodes once, by the rules of a form:
// "+" is a space, %XX a byte, and a broken escape stays as it is. Names are case-sensitive and unknown ones are ignored.
// The error is ErrDuplicate or ErrNoToken, the former first. It checks no value: Verify does.
func ParseToken(rawQuery string) (Token, error) {
	var t Token
	var seen [16]bool
	fields := t.fields()
	for pair := range strings.SplitSeq(rawQuery, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name = unescapeForm(name)
		for i, f := range fields {
			if f.name != name {
				continue
			}
			if seen[i] {
				return Token{}, fmt.Errorf("%w: %s", ErrDuplicate, name)
			}
			seen[i] = true
			*f.text = unescapeForm(value)
		}
	}
	if t.Signature == "" {
		return Token{}, ErrNoToken
	}
	// A "+" sent raw has become a space, and base64 has no spaces: this cannot make a wrong signature right.
	t.Signature = strings.ReplaceAll(t.Signature, " ", "+")
	return t, nil
}

// unescapeForm decodes a name or value of a form once. Unlike url.QueryUnescape it keeps a broken escape, as browsers and
// fasthttp do, so that all readers of one URL see the same text.
func unescapeForm(s string) string {
	if !strings.ContainsAny(s, "+%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b = append(b, ' ')
		case s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			b = append(b, hexValue(s[i+1])<<4|hexValue(s[i+2]))
			i += 2
		default:
			b = append(b, s[i])
		}
	}
	return string(b)
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func hexValue(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10 // either letter case
}

// StringToSign returns the text that a signature of t for r covers: fields joined by newlines, in the order of blob.md section 1
// for t's version. It never changes a field, so times and permissions count as they were written.
func (t Token) StringToSign(r Resource) string {
	sv := t.Version
	lines := make([]string, 0, 16)
	lines = append(lines, t.Permissions, t.Start, t.Expiry, t.canonicalResource(r), t.Policy)
	if sv >= versionAddress {
		lines = append(lines, t.Addresses, t.Protocol)
	}
	if sv >= versionFirst {
		lines = append(lines, sv)
	}
	if sv >= versionKind {
		lines = append(lines, t.Kind, t.Snapshot)
	}
	if sv >= versionScope {
		lines = append(lines, t.Scope)
	}
	if sv >= versionHeaders {
		lines = append(lines, t.CacheControl, t.ContentDisposition, t.ContentEncoding, t.ContentLanguage, t.ContentType)
	}
	return strings.Join(lines, "\n")
}

// canonicalResource returns the name of what t is for, if it is for r: the blob, or with sr=c the container around it. It is the
// same for every form of URL, and carries no scheme, host or port.
func (t Token) canonicalResource(r Resource) string {
	name := "/" + r.Account + "/" + r.Container
	if t.Version >= versionPrefix {
		name = "/blob" + name
	}
	if t.Kind == kindBlob {
		name += "/" + r.Blob
	}
	return name
}

// Sign returns the base64 signature of t for r. It ignores t.Signature and checks nothing; Issue does.
func (t Token) Sign(key []byte, r Resource) string {
	return base64.StdEncoding.EncodeToString(t.mac(key, r))
}

func (t Token) mac(key []byte, r Resource) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(t.StringToSign(r)))
	return h.Sum(nil)
}
