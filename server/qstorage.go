package server

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"tintype/sign"
	"tintype/store"
)

// QStorage failures, in the order in which they are looked for (qstorage.md).
var (
	errLang       = errors.New("lang is missing or unknown")
	errMissing    = errors.New("mandatory field is missing")
	errField      = errors.New("field has the wrong format")
	errFieldLong  = errors.New("field is too long")
	errUnknownApp = errors.New("app-key is unknown")
	errNotOwner   = errors.New("container belongs to another application")
	errAccount    = errors.New("account is not registered")
	errBody       = errors.New("body cannot be read")
	errAuthority  = errors.New("picture belongs to another application")
	errNoPicture  = errors.New("URL names no picture")
)

// Longest values of headers and query, in characters.
const (
	maxValue      = 128
	maxResourceID = 256
)

// value is a header or query parameter of a call, and what it has to look like.
type value struct {
	name   string
	inURL  bool                   // in the query, else a header
	format func(text string) bool // nil: anything
	max    int                    // characters; 0: any number
}

// common are the values that every call has.
var common = []value{
	{name: "app-key", max: maxValue},
	{name: "signature-time", format: isTime, max: maxValue},
	{name: "signature", max: maxValue},
	{name: "account", format: isID, max: maxValue},
	{name: "uuid", inURL: true, format: isID, max: maxValue},
	{name: "Content-Type"},
}

// call is a QStorage request that has been authenticated.
type call struct {
	app    store.App
	values map[string]string
}

// qcall checks everything but the body, in the order of the contract. extra are
// the call's own values, and check may refuse what they say together.
func (s *Server) qcall(ctx *fasthttp.RequestCtx, extra []value, check func(map[string]string) error) (call, error) {
	if lang, err := query(ctx, "lang"); err != nil || !knownLang(lang) {
		return call{}, errLang
	}
	c := call{values: make(map[string]string)}
	if err := c.collect(ctx, slices.Concat(common, extra)); err != nil {
		return c, err
	}
	if check != nil {
		if err := check(c.values); err != nil {
			return c, err
		}
	}
	for _, v := range slices.Concat(common, extra) {
		if v.max > 0 && utf8.RuneCountInString(c.values[v.name]) > v.max {
			return c, fmt.Errorf("%w: %s", errFieldLong, v.name)
		}
	}
	if err := s.authenticate(&c); err != nil {
		return c, err
	}
	return c, checkOrigin(ctx, c.app)
}

// collect reads the values: first all that must be there, then how they look.
func (c *call) collect(ctx *fasthttp.RequestCtx, values []value) error {
	var twice error
	for _, v := range values {
		read := header
		if v.inURL {
			read = query
		}
		text, err := read(ctx, v.name)
		if err != nil {
			twice = fmt.Errorf("%w: %s: %v", errField, v.name, err)
			continue
		}
		if text == "" {
			return fmt.Errorf("%w: %s", errMissing, v.name)
		}
		c.values[v.name] = text
	}
	if twice != nil {
		return twice
	}
	for _, v := range values {
		if v.format != nil && !v.format(c.values[v.name]) {
			return fmt.Errorf("%w: %s", errField, v.name)
		}
	}
	return nil
}

// authenticate finds the application before anything is compared, then looks at
// signature, time and account.
func (s *Server) authenticate(c *call) (err error) {
	if c.app, err = s.cfg.Apps.App(c.values["app-key"]); err != nil || c.app.Disabled {
		return errUnknownApp
	}
	at := c.values["signature-time"]
	for _, secret := range c.app.Secrets() {
		if err = sign.VerifyQStorage(secret, at, c.values["signature"]); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	if err := sign.VerifyQStorageTime(at, s.cfg.Now()); err != nil {
		return err
	}
	if s.cfg.RegisteredAccounts && !slices.Contains(c.app.Accounts, c.values["account"]) {
		return errAccount
	}
	return s.callers.take(c.app.Key, s.cfg.Now())
}

func isTime(s string) bool { return len(s) == 10 && strings.Trim(s, "0123456789") == "" }

// IsAccount says whether a text can be the account of a call.
func IsAccount(s string) bool { return isID(s) && len(s) <= maxValue }

// isID accepts [A-Za-z0-9._@-].
func isID(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !isAlnum(r) && !strings.ContainsRune("._@-", r)
	})
}

// isResourceID accepts segments of [A-Za-z0-9-] with slashes between.
func isResourceID(s string) bool {
	for segment := range strings.SplitSeq(s, "/") {
		if segment == "" || strings.ContainsFunc(segment, func(r rune) bool { return !isAlnum(r) && r != '-' }) {
			return false
		}
	}
	return true
}

func isAlnum(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}
