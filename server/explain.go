package server

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"tintype/sign"
	"tintype/store"
)

// Keys are what links are made of and checked with.
type Keys struct {
	Account string   // storage account of SAS tokens
	SAS     [][]byte // that verify; the first signs
	Secret  string   // of FastDFS-style links; empty: they need no token
	TTL     time.Duration
	Apps    Apps

	Pictures, Cache store.Store // to look for what is behind a link; nil: nobody does
	Thumbs          []int
}

// Keys returns those that the server works with.
func (c Config) Keys() Keys {
	secrets := c.Secrets()
	return Keys{c.Account, secrets.AccountKeys, secrets.TokenSecret, c.TokenTTL, c.Apps, c.Pictures, c.Cache, c.Thumbs}
}

// Explanation says why a link works or not, and what is behind it.
type Explanation struct {
	sign.Explanation
	// Answer is the status that a GET of the link is answered with.
	Answer string
	// There says that there is a picture behind a valid link.
	There bool
}

// Explain says why a link works or not at a time, for a client at ip; the zero Addr: anywhere.
// A path that the server would not even look at is a finding like any other.
func (k Keys) Explain(link string, now time.Time, ip netip.Addr) Explanation {
	path, query, _ := strings.Cut(link, "?")
	query, _, _ = strings.Cut(query, "#")
	host, https := "", strings.HasPrefix(link, "https://")
	if _, rest, ok := strings.Cut(path, "://"); ok {
		host, path, _ = strings.Cut(rest, "/")
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	var e sign.Explanation
	if isGroup(first) {
		e = sign.ExplainFastDFS(path, query, k.Secret, k.TTL, now)
	} else {
		a, err := parseAddress(path, host, k.Account)
		e = sign.ExplainSAS(query, sign.Check{
			Keys: k.SAS, Resource: sign.Resource{Account: k.Account, Container: a.container, Blob: a.blob}, Now: now, IP: ip, HTTPS: https, Need: "r",
		})
		switch {
		case err != nil:
			e.Refuse("url", err, "The path of the link is none that the server knows: %v.", err)
		case errors.Is(e.Err, sign.ErrNoToken) && isPublic(k.Apps, a.container):
			e.Pass("public", "Portraits are read without a token.")
		}
	}
	return k.answered(e)
}

// answered completes an explanation with what is behind the link.
func (k Keys) answered(e sign.Explanation) Explanation {
	x := Explanation{Explanation: e, Answer: answerTo(e.Kind, e.Err)}
	if !e.Valid {
		return x
	}
	if strings.HasSuffix(e.Name, "/") {
		x.Answer = "none: the link is of a container; put the name of a picture behind it"
		return x
	}
	about, there := k.about(e)
	if about == "" {
		x.Answer += ", if there is a picture of this name"
		return x
	}
	x.Findings = append(x.Findings, sign.Finding{Name: "picture", OK: there, Text: about})
	if x.There = there; !there {
		x.Answer = answerTo(e.Kind, store.ErrNotFound)
	}
	return x
}

// about says what is behind a valid link, and whether it is there: nothing where
// no server is asked.
func (k Keys) about(e sign.Explanation) (text string, there bool) {
	tier, name := k.Pictures, strings.TrimPrefix(e.Name, "/")
	if e.Kind == "fastdfs" && strings.HasPrefix(name, "cache") {
		tier = k.Cache
	}
	if tier == nil {
		return "", false
	}
	switch o, err := tier.Stat(name); {
	case err == nil && o.Width > 0:
		return fmt.Sprintf("It is there: %s of %dx%d pixels, %d bytes, stored at %s.", o.MediaType, o.Width, o.Height, o.Size, sign.FormatTime(o.Created)), true
	case err == nil:
		return fmt.Sprintf("It is there: %s, no picture that is known, %d bytes, stored at %s.", o.MediaType, o.Size, sign.FormatTime(o.Created)), true
	case !errors.Is(err, store.ErrNotFound):
		return fmt.Sprintf("It cannot be looked at: %v.", err), false
	}
	if e.Kind == "sas" && isMadeOnRequest(tier, name, k.Thumbs) {
		return "It is made of its original on the first request.", true
	}
	if o, err := tier.Stat(trashPrefix + name); err == nil {
		return fmt.Sprintf("It was deleted at %s and lies in the trash.", sign.FormatTime(o.Deleted)), false
	}
	return "There is none of this name: it was never stored, its time is over, or it is gone for good.", false
}
