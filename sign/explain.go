package sign

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Verdict is the outcome of one part of a check, as `token explain --json` prints it.
type Verdict string

const (
	OK        Verdict = "ok"
	Bad       Verdict = "bad"       // a signature of the right shape that does not match
	Malformed Verdict = "malformed" // not even of the right shape
	Early     Verdict = "early"     // not valid yet
	Expired   Verdict = "expired"
)

// Explanation says why a link opens its picture, or why not. It is for who runs the server and holds its keys: the string to sign
// helps a forger of a link as little as the link itself, but it is nothing to answer strangers with. It holds no secret.
type Explanation struct {
	Kind         string  `json:"kind"`           // "sas" or "fastdfs"
	StringToSign string  `json:"string_to_sign"` // with {secret} in the place of a secret
	Signature    Verdict `json:"signature"`      // OK, Bad or Malformed
	Time         Verdict `json:"time"`           // OK, Early, Expired or Malformed
	Permissions  string  `json:"permissions"`    // "r"
	Resource     string  `json:"resource"`       // "/blob/account/container", or the path of the file
	Valid        bool    `json:"valid"`          // whether every check passed

	Name     string    `json:"-"` // of the object: container/blob, or the path of the file
	Err      error     `json:"-"` // that of the first check which fails
	Start    time.Time `json:"-"` // when the link begins and ends to be good; zero: no limit, or unreadable
	Expiry   time.Time `json:"-"`
	Now      time.Time `json:"-"`
	Findings []Finding `json:"-"` // every check, in the order in which a request meets them
}

// Finding is one check of a link.
type Finding struct {
	Name string // one word: "signature", "time"
	OK   bool
	Text string // a sentence for who asks why a picture does not load
}

// Refuse puts a check that failed before all others in front of the findings.
func (e *Explanation) Refuse(name string, err error, format string, args ...any) {
	e.Findings = append([]Finding{{name, false, fmt.Sprintf(format, args...)}}, e.Findings...)
	e.Valid, e.Err = false, err
}

// Pass makes a link valid that needs no token, with the one finding why.
func (e *Explanation) Pass(name, text string) {
	e.Findings = []Finding{{name, true, text}}
	e.Valid, e.Err, e.Signature, e.Time, e.Permissions = true, nil, OK, OK, "r"
}

func (e *Explanation) fail(err error) {
	if e.Err == nil {
		e.Err = err
	}
}

func (e *Explanation) add(name string, ok bool, format string, args ...any) {
	e.Findings = append(e.Findings, Finding{name, ok, fmt.Sprintf(format, args...)})
	e.Valid = e.Valid && ok
}

// ExplainSAS tells what Verify finds in the token of rawQuery, all of it and not only the first fault. Valid is true exactly when
// ParseToken and Verify return nil, but for one thing: when c.IP is the zero Addr a well-formed sip counts as passed, because
// nobody said from where the request would come.
func ExplainSAS(rawQuery string, c Check) Explanation {
	e := Explanation{Kind: "sas", Valid: true, Now: c.Now, Signature: Malformed, Time: Malformed, Name: c.Resource.Container + "/" + c.Resource.Blob}
	t, err := ParseToken(rawQuery)
	if err != nil {
		e.fail(err)
		like := Token{Version: QStorageVersion, Kind: kindContainer}
		if c.Resource.Blob != "" {
			like.Kind = kindBlob
		}
		e.Resource = like.canonicalResource(c.Resource)
		e.add("token", false, "%s", unparsed(err))
		return e
	}
	e.StringToSign = t.StringToSign(c.Resource)
	e.Resource = t.canonicalResource(c.Resource)
	e.Permissions = t.Permissions
	e.Start, e.Expiry = t.readableTimes()
	e.Signature, e.Time = OK, OK
	for _, s := range steps {
		err := s.check(t, c)
		if s.name == "address" && !c.IP.IsValid() {
			err = t.checkRange()
		}
		e.fail(err)
		e.verdict(s.name, err)
		e.add(s.name, err == nil, "%s", t.sentence(s.name, c, err))
	}
	return e
}

// verdict folds the outcome of one step into the verdicts. A malformed token has no signature worth the name, matching or not.
func (e *Explanation) verdict(name string, err error) {
	switch {
	case errors.Is(err, ErrMalformed):
		e.Signature = Malformed
	case errors.Is(err, ErrSignature) && e.Signature == OK:
		e.Signature = Bad
	}
	if te, ok := errors.AsType[*TimeError](err); ok {
		e.Time = te.Verdict
	}
}

// readableTimes returns st and se, each zero if it cannot be read.
func (t Token) readableTimes() (start, expiry time.Time) {
	start, _ = parseTime(t.Start, 7)
	expiry, _ = parseTime(t.Expiry, 7)
	return start, expiry
}

func unparsed(err error) string {
	if errors.Is(err, ErrNoToken) {
		return "The link carries no token: there is no sig parameter. A private picture is then answered as if it did not exist."
	}
	return fmt.Sprintf("The link carries a parameter of its token twice (%v), so it is not clear which one counts.", err)
}

// sentence says in words what step name found in t.
func (t Token) sentence(name string, c Check, err error) string {
	switch name {
	case "form":
		return t.formSentence(err)
	case "signature":
		return t.signatureSentence(c, err)
	case "time":
		return t.timeSentence(c.Now, err)
	case "address":
		return t.addressSentence(c.IP, err)
	case "policy":
		return choose(err, "The token carries its own limits and names no stored access policy.",
			fmt.Sprintf("The token relies on the stored access policy %q (si). This server has no such policies.", t.Policy))
	case "syntax":
		return choose(err, fmt.Sprintf("The permissions sp=%s are well formed.", t.Permissions),
			fmt.Sprintf("The permissions sp=%q are not well formed: letters must be of %q, in this order, and once each.",
				t.Permissions, permissionOrder))
	case "protocol":
		return choose(err, "The token may be used over this protocol.",
			fmt.Sprintf("The token is for spr=%q; the request came without TLS, or this value is not a permitted one.", t.Protocol))
	case "permission":
		return choose(err, fmt.Sprintf("The permissions sp=%s suffice: they are to %s.", t.Permissions, t.permitted()),
			fmt.Sprintf("The permissions sp=%s do not suffice: they are to %s, and the request needs one of %q.", t.Permissions, t.permitted(), c.Need))
	case "headers":
		return choose(err, "The reply headers that the token asks for are harmless, if there are any.",
			fmt.Sprintf("A reply header that the token asks for holds a line break: %v.", err))
	}
	return choose(err, "Passed.", fmt.Sprint(err))
}

// permitted says in words what the permissions that are served here allow.
func (t Token) permitted() string {
	var words []string
	for _, letter := range t.Permissions {
		switch letter {
		case 'r':
			words = append(words, "read")
		case 'c':
			words = append(words, "create")
		case 'w':
			words = append(words, "write")
		case 'd':
			words = append(words, "delete")
		case 'l':
			words = append(words, "list")
		}
	}
	if len(words) == 0 {
		return "do nothing that this server does"
	}
	return strings.Join(words, ", ")
}

func choose(err error, good, bad string) string {
	if err == nil {
		return good
	}
	return bad
}

func (t Token) formSentence(err error) string {
	if err != nil {
		return fmt.Sprintf("This is not a token that the server takes: %v.", err)
	}
	what := "the whole container"
	if t.Kind == kindBlob {
		what = "one blob"
	}
	return fmt.Sprintf("The token is of version %s and for %s.", t.Version, what)
}

func (t Token) signatureSentence(c Check, err error) string {
	switch {
	case errors.Is(err, ErrMalformed):
		return "The signature is not the base64 of 32 bytes. It was cut off, or percent-encoded twice or not at all."
	case err != nil:
		return fmt.Sprintf("The signature does not match. The token was made with another account key, or not for %s, "+
			"or a field was changed afterwards. Compare the string to sign with that of the issuer.", t.canonicalResource(c.Resource))
	}
	if i, _ := t.matchingKey(c); i > 0 {
		return fmt.Sprintf("The signature matches, with a previous account key (number %d of %d): it ends with the rotation.",
			i+1, len(c.Keys))
	}
	return "The signature matches."
}

func (t Token) timeSentence(now time.Time, err error) string {
	start, expiry := t.readableTimes()
	te, _ := errors.AsType[*TimeError](err)
	switch {
	case te == nil && start.IsZero():
		return fmt.Sprintf("The token ends %s, at %s.", distance(expiry, now), t.Expiry)
	case te == nil:
		return fmt.Sprintf("The token began %s, at %s, and ends %s, at %s.",
			distance(start, now), t.Start, distance(expiry, now), t.Expiry)
	case te.Verdict == Expired:
		return fmt.Sprintf("The token ended %s, at %s. It is now %s.", distance(expiry, now), t.Expiry, FormatTime(now))
	case te.Verdict == Early:
		return fmt.Sprintf("The token begins only %s, at %s. It is now %s, and %v of difference between clocks are allowed: "+
			"the clock of the issuer is fast or that of the server slow.",
			distance(start, now), t.Start, FormatTime(now), ClockSkew)
	case t.Expiry == "":
		return "The token has no end (se), which is required."
	case !start.IsZero() && !expiry.IsZero():
		return fmt.Sprintf("The token ends at %s, which is not after its start at %s.", t.Expiry, t.Start)
	}
	return fmt.Sprintf("A time cannot be read: start %q, end %q. The form is 2018-03-14T07:50:33Z; "+
		"a \"+\" in a query must be sent as %%2B.", t.Start, t.Expiry)
}

func (t Token) addressSentence(ip netip.Addr, err error) string {
	switch {
	case t.Addresses == "":
		return "The token may be used from any address."
	case err != nil && ip.IsValid():
		return fmt.Sprintf("The token is for the addresses %q, and the client is %v.", t.Addresses, ip)
	case err != nil:
		return fmt.Sprintf("The addresses %q cannot be read.", t.Addresses)
	case !ip.IsValid():
		return fmt.Sprintf("The token is for the addresses %s. No address was given, so this was not checked.", t.Addresses)
	}
	return fmt.Sprintf("The token is for the addresses %s, and the client is %v.", t.Addresses, ip)
}

// distance says how far t is from now: "9m27s ago", "in 20m33s".
func distance(t, now time.Time) string {
	d := t.Sub(now).Truncate(time.Second)
	if d < 0 {
		return days(-d) + " ago"
	}
	return "in " + days(d)
}

// days writes d with days, which time.Duration does not know: a token may live a year.
func days(d time.Duration) string {
	const day = 24 * time.Hour
	if d < day {
		return d.String()
	}
	return fmt.Sprintf("%dd%v", d/day, d%day)
}
