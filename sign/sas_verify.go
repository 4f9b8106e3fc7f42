package sign

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

var (
	// ErrMalformed is returned when a token or signature has not the shape of one: a version or kind that is not served, broken
	// base64, a time stamp that is not a number, a field that the token's version does not sign.
	ErrMalformed = errors.New("sign: malformed")

	// ErrSignature is returned when a signature does not match, or there is no key or secret to compare it with.
	ErrSignature = errors.New("sign: signature does not match")

	// ErrPolicy is returned when a token names a stored access policy. There are none here.
	ErrPolicy = errors.New("sign: unknown stored access policy")

	// ErrPermissionSyntax is returned when sp is missing, or holds an unknown letter, a repeated one, or one out of order.
	ErrPermissionSyntax = errors.New("sign: permissions are not well formed")

	// ErrIP is returned when a token is for other client addresses, or its sip cannot be read.
	ErrIP = errors.New("sign: not for this address")

	// ErrProtocol is returned when a token asks for https and the request came without, or its spr is not a permitted value.
	ErrProtocol = errors.New("sign: not over this protocol")

	// ErrPermission is returned when a token is good but does not permit what the request needs.
	ErrPermission = errors.New("sign: permission is missing")

	// ErrOverride is returned when a reply header in a token holds a line break or NUL.
	ErrOverride = errors.New("sign: line break in a reply header")
)

// permissionOrder is every letter of sp, in the only order in which they are permitted. Source: blob.md section 2, step 6.
const permissionOrder = "racwdxyltmeopif"

// The values of spr. "http" alone is not permitted.
const (
	protocolTLS = "https"
	protocolAny = "https,http"
)

// signatureLength is the base64 of 32 bytes, padding included. With it a decoded length of 32 leaves no room for the line breaks
// that package base64 skips.
const signatureLength = 44

// Check is what a token is checked against.
type Check struct {
	Keys     [][]byte   // account keys, the current one first; an empty one is passed over
	Resource Resource   // what the request asks for
	Now      time.Time  // the server's time
	IP       netip.Addr // the client's address; the zero Addr fails every sip
	HTTPS    bool       // whether the request came over TLS
	Need     string     // permission letters of which any one suffices; "" is what no token permits
}

// step is one part of Verify. Explain tells the same steps, so that the two cannot disagree.
type step struct {
	name  string
	check func(Token, Check) error
}

// steps are 3 to 10 of blob.md section 2, and last the reply headers, which that page gives no place in the order.
var steps = [...]step{
	{"form", Token.checkForm},
	{"signature", Token.checkSignature},
	{"policy", Token.checkPolicy},
	{"syntax", Token.checkSyntax},
	{"time", Token.checkTime},
	{"address", Token.checkAddress},
	{"protocol", Token.checkProtocol},
	{"permission", Token.checkPermission},
	{"headers", Token.checkHeaders},
}

// Verify returns nil when t permits the request in c. Otherwise it returns the first of these, in this order: ErrMalformed,
// ErrSignature, ErrPolicy, ErrPermissionSyntax, ErrTime (as *TimeError), ErrIP, ErrProtocol, ErrPermission, ErrOverride.
// Nothing of the store is asked, so the answer is the same whether the blob exists or not.
func (t Token) Verify(c Check) error {
	for _, s := range steps {
		if err := s.check(t, c); err != nil {
			return err
		}
	}
	return nil
}

// End returns the last moment at which t, that permits a request now, permits it still. ok: and whoever sends it, over whatever.
func (t Token) End() (last time.Time, ok bool) {
	last, err := parseTime(t.Expiry, 7)
	return last, err == nil && t.Addresses == "" && t.Protocol != protocolTLS
}

// checkForm refuses what could not be trusted even if it were signed rightly.
//
// A field that t's version leaves out of the text (rsct before 2013-08-15, sv itself before 2012-02-12) is refused, not ignored: anyone
// may have added it, so it must not take effect, and whoever issued a token with an sip believes that it is obeyed.
//
// A line break inside a field would let two tokens share one text. In the reply headers, which come last in the text, it is left
// to checkHeaders, so that a signed one gets its own error.
func (t Token) checkForm(c Check) error {
	if !isVersion(t.Version) {
		return fmt.Errorf("%w: sv %q", ErrMalformed, t.Version)
	}
	if t.Kind != kindContainer && t.Kind != kindBlob {
		return fmt.Errorf("%w: sr %q", ErrMalformed, t.Kind)
	}
	for _, f := range t.fields() {
		if *f.text == "" {
			continue
		}
		if t.Version < f.since {
			return fmt.Errorf("%w: %s is not signed by version %s", ErrMalformed, f.name, t.Version)
		}
		if f.since != versionHeaders && strings.Contains(*f.text, "\n") {
			return fmt.Errorf("%w: line break in %s", ErrMalformed, f.name)
		}
	}
	r := c.Resource
	blobless := t.Kind == kindBlob && r.Blob == "" // or it would open its container's list
	if !isSegment(r.Account) || !isSegment(r.Container) || blobless || t.Kind == kindBlob && strings.Contains(r.Blob, "\n") {
		return fmt.Errorf("%w: resource %q", ErrMalformed, t.canonicalResource(r))
	}
	return nil
}

// isVersion reports whether s has the shape of a date, which is all that can be asked of a version not yet written.
func isVersion(s string) bool {
	if len(s) != len(versionFirst) {
		return false
	}
	for i := range len(s) {
		if i == 4 || i == 7 {
			if s[i] != '-' {
				return false
			}
		} else if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// isSegment reports whether s can stand between two slashes of a canonical resource and be told from its neighbours.
func isSegment(s string) bool {
	return s != "" && !strings.ContainsAny(s, "/\n")
}

func (t Token) checkSignature(c Check) error {
	_, err := t.matchingKey(c)
	return err
}

// matchingKey returns the index of the key that t was signed with. It always tries all of them: how long it takes does not tell
// which one was right.
func (t Token) matchingKey(c Check) (int, error) {
	if len(t.Signature) != signatureLength {
		return 0, fmt.Errorf("%w: sig is not %d characters long", ErrMalformed, signatureLength)
	}
	// Strict: otherwise the last character before the "=" could be any of four.
	got, err := base64.StdEncoding.Strict().DecodeString(t.Signature)
	if err != nil || len(got) != sha256.Size {
		return 0, fmt.Errorf("%w: sig is not base64", ErrMalformed)
	}
	match := -1
	for i, key := range c.Keys {
		if len(key) > 0 && hmac.Equal(got, t.mac(key, c.Resource)) && match < 0 {
			match = i
		}
	}
	if match < 0 {
		return 0, ErrSignature
	}
	return match, nil
}

func (t Token) checkPolicy(Check) error {
	if t.Policy != "" {
		return fmt.Errorf("%w: %q", ErrPolicy, t.Policy)
	}
	return nil
}

func (t Token) checkSyntax(Check) error {
	last := -1
	for i := range len(t.Permissions) {
		n := strings.IndexByte(permissionOrder, t.Permissions[i])
		if n <= last {
			return fmt.Errorf("%w: %q", ErrPermissionSyntax, t.Permissions)
		}
		last = n
	}
	if last < 0 {
		return fmt.Errorf("%w: none", ErrPermissionSyntax)
	}
	return nil
}

// window reads st and se. Without st the start is zero; se is required. The error carries now, which is not compared yet.
func (t Token) window(now time.Time) (start, expiry time.Time, err error) {
	var startErr, expiryErr error
	if t.Start != "" {
		start, startErr = parseTime(t.Start, 7)
	}
	expiry, expiryErr = parseTime(t.Expiry, 7)
	if startErr != nil || expiryErr != nil {
		return time.Time{}, time.Time{}, &TimeError{Verdict: Malformed, Start: start, Expiry: expiry, Now: now}
	}
	return start, expiry, nil
}

// checkTime takes both ends as inside. An expiry that is not after the start is refused, as Azure does ("Signed expiry time must
// be after signed start time"): with ClockSkew it would be good for up to five minutes before its start.
func (t Token) checkTime(c Check) error {
	start, expiry, err := t.window(c.Now)
	if err != nil {
		return err
	}
	var v Verdict
	switch {
	case c.Now.After(expiry):
		v = Expired
	case !expiry.After(start):
		v = Malformed
	case start.After(c.Now.Add(ClockSkew)):
		v = Early
	default:
		return nil
	}
	return &TimeError{Verdict: v, Start: start, Expiry: expiry, Now: c.Now}
}

func (t Token) checkAddress(c Check) error {
	if t.Addresses == "" {
		return nil
	}
	first, last, err := t.addressRange()
	if err != nil {
		return err
	}
	// A listener on both families reports IPv4 clients as ::ffff:a.b.c.d, and an address with a zone compares equal to none.
	ip := c.IP.Unmap().WithZone("")
	if ip.Less(first) || last.Less(ip) { // Less puts the zero Addr before all IPv4, and that before all IPv6
		return fmt.Errorf("%w: sip %q, client %v", ErrIP, t.Addresses, c.IP)
	}
	return nil
}

// addressRange reads sip: one address, or two of one family with a hyphen between, both inside.
func (t Token) addressRange() (first, last netip.Addr, err error) {
	a, b, isRange := strings.Cut(t.Addresses, "-")
	if !isRange {
		b = a
	}
	first, err1 := netip.ParseAddr(a)
	last, err2 := netip.ParseAddr(b)
	if err1 != nil || err2 != nil || first.Zone() != "" || last.Zone() != "" {
		return netip.Addr{}, netip.Addr{}, fmt.Errorf("%w: sip %q", ErrIP, t.Addresses)
	}
	first, last = first.Unmap(), last.Unmap()
	if first.BitLen() != last.BitLen() || last.Less(first) {
		return netip.Addr{}, netip.Addr{}, fmt.Errorf("%w: sip %q", ErrIP, t.Addresses)
	}
	return first, last, nil
}

func (t Token) checkProtocol(c Check) error {
	switch {
	case t.Protocol == "" || t.Protocol == protocolAny:
		return nil
	case t.Protocol == protocolTLS && c.HTTPS:
		return nil
	}
	return fmt.Errorf("%w: spr %q", ErrProtocol, t.Protocol)
}

func (t Token) checkPermission(c Check) error {
	if !strings.ContainsAny(t.Permissions, c.Need) {
		return fmt.Errorf("%w: sp %q, need one of %q", ErrPermission, t.Permissions, c.Need)
	}
	return nil
}

func (t Token) checkHeaders(Check) error {
	for _, f := range t.fields() {
		if f.since == versionHeaders && strings.ContainsAny(*f.text, "\r\n\x00") {
			return fmt.Errorf("%w: %s", ErrOverride, f.name)
		}
	}
	return nil
}
