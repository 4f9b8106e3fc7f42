package server

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/valyala/fasthttp"

	"tintype/store"
)

// maxScanned is how many names one call looks at. What is found later comes with the next
// page, so that no call takes long, however much is stored.
const maxScanned = 20_000

// The two tiers, as the native API calls them.
const (
	durableTier = "durable"
	cacheTier   = "cache"
)

// tierCalled returns a tier and what names are in it.
func (s *Server) tierCalled(tier string) (store.Store, error) {
	switch tier {
	case "", durableTier:
		return s.cfg.Pictures, nil
	case cacheTier:
		return s.cfg.Cache, nil
	}
	return nil, fmt.Errorf("%w: tier %q: want %s or %s", errRequest, tier, durableTier, cacheTier)
}

// tierOf returns the tier that a name is in: by its group, as links are served.
func (s *Server) tierOf(name string) (store.Store, string) {
	if group, _, _ := strings.Cut(name, "/"); isGroup(group) && strings.HasPrefix(group, "cache") {
		return s.cfg.Cache, cacheTier
	}
	return s.cfg.Pictures, durableTier
}

func (s *Server) otherTier(tier store.Store) store.Store {
	if tier == s.cfg.Cache {
		return s.cfg.Pictures
	}
	return s.cfg.Cache
}

// find returns up to limit of the objects with a prefix, not before from and not in the trash,
// that are wanted, how many names were looked at, and where to go on; "" at the end.
func find(now store.View, prefix, from string, limit int, wanted func(store.Object) bool) (found []store.Object, scanned int, next string, err error) {
	for scanned < maxScanned {
		objs, err := now.List(prefix, from, "", 1000)
		if err != nil || len(objs) == 0 {
			return found, scanned, "", err
		}
		for _, o := range objs {
			if strings.HasPrefix(o.Name, trashPrefix) {
				from = past(trashPrefix)
				break
			}
			scanned++
			from = o.Name + "\x00"
			if wanted(o) {
				if found = append(found, o); len(found) == limit {
					return found, scanned, from, nil
				}
			}
		}
	}
	return found, scanned, from, nil
}

// past is the first name that sorts behind all that begin with prefix.
func past(prefix string) string {
	last := len(prefix) - 1
	return prefix[:last] + string(prefix[last]+1)
}

// isListed says whether an object is one to be listed: no staged block, and not made of
// another that is.
func isListed(o store.Object) bool {
	if strings.HasPrefix(o.Name, "\x00") {
		return false
	}
	v, ok := parseVariant(o.Name)
	return !ok || v.suffix == original || o.Original == (store.Digest{})
}

// wish is what listPictures is asked for.
type wish struct{ app, mediaType, search string }

func (w wish) isMetBy(o store.Object) bool {
	switch {
	case !isListed(o), w.app != "" && o.Owner != w.app:
		return false
	case w.mediaType != "" && o.MediaType != w.mediaType && !strings.HasPrefix(o.MediaType, w.mediaType+"/"):
		return false
	case w.search == "", strings.Contains(strings.ToLower(o.Name), w.search):
		return true
	}
	return len(w.search) >= 8 && isHex(w.search) && strings.HasPrefix(o.Digest.String(), w.search)
}

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }

// listPictures lists what is stored: GET /pictures.
func (s *Server) listPictures(ctx *fasthttp.RequestCtx) (any, error) {
	q, err := queries(ctx, "tier", "prefix", "search", "app", "type", "cursor")
	if err != nil {
		return nil, err
	}
	limit, err := pageLimit(ctx)
	if err != nil {
		return nil, err
	}
	tier, err := s.tierCalled(q["tier"])
	if err != nil {
		return nil, err
	}
	var page struct {
		Pictures []pictureInfo `json:"pictures"`
		Scanned  int           `json:"scanned"`
		Cursor   string        `json:"cursor,omitempty"`
	}
	page.Pictures = []pictureInfo{}
	if q["search"] != "" && q["cursor"] == "" {
		if o, ok := s.findOne(strings.TrimSpace(q["search"])); ok {
			page.Pictures, page.Scanned = append(page.Pictures, s.describe(o)), 1
			return page, nil
		}
	}
	from, err := parseCursor(q["cursor"])
	if err != nil {
		return nil, err
	}
	w := wish{q["app"], q["type"], strings.ToLower(strings.TrimSpace(q["search"]))}
	found, scanned, next, err := find(tier, q["prefix"], from, limit, w.isMetBy)
	for _, o := range found {
		page.Pictures = append(page.Pictures, s.describe(o))
	}
	page.Scanned, page.Cursor = scanned, formatCursor(next)
	return page, err
}

// findOne returns the one object that a text names: as a URL, with or without its token, as
// a name, or by its file ID.
func (s *Server) findOne(text string) (store.Object, bool) {
	name := text
	if strings.HasPrefix(text, "/") {
		text = "http://" + text // without a host
	}
	if strings.Contains(text, "://") {
		var err error
		if name, err = NameOf(text, s.cfg.Account); err != nil {
			return store.Object{}, false
		}
	}
	tier, _ := s.tierOf(name)
	if o, err := tier.Stat(name); err == nil && !strings.HasPrefix(name, "\x00") {
		return o, true
	}
	for _, tier := range []store.Store{s.cfg.Pictures, s.cfg.Cache} {
		if o, err := tier.Find(text); err == nil {
			return o, true
		}
	}
	return store.Object{}, false
}

// queries returns parameters of the query, "" where there is none.
func queries(ctx *fasthttp.RequestCtx, names ...string) (map[string]string, error) {
	q := make(map[string]string)
	var errs []error
	for _, name := range names {
		var err error
		q[name], err = query(ctx, name)
		errs = append(errs, err)
	}
	return q, errors.Join(errs...)
}

// A cursor is the name to go on with, so that it holds whatever changes meanwhile.
func formatCursor(name string) string { return base64.RawURLEncoding.EncodeToString([]byte(name)) }

func parseCursor(text string) (string, error) {
	name, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return "", fmt.Errorf("%w: cursor", errRequest)
	}
	return string(name), nil
}

type containerInfo struct {
	Name   string `json:"name"`
	App    string `json:"app,omitempty"`
	Tier   string `json:"tier"`
	Public bool   `json:"public,omitempty"`
}

type containerPage struct {
	Containers []containerInfo `json:"containers"`
	Cursor     string          `json:"cursor,omitempty"`
}

func (p *containerPage) add(s *Server, name, tier string) {
	p.Containers = append(p.Containers, containerInfo{name, s.owner(name), tier, isPublic(s.cfg.Apps, name)})
}

// eachFirst calls f for up to limit first parts of names, not of the trash or of blocks, and
// returns where to go on; "" at the end.
func eachFirst(tier store.Store, from string, limit int, f func(first string)) (next string, err error) {
	for n := 0; n < limit; {
		objs, err := tier.List("", from, "/", 1)
		if err != nil || len(objs) == 0 {
			return "", err
		}
		first, _, _ := strings.Cut(objs[0].Name, "/")
		switch {
		case strings.HasPrefix(first, "\x00"):
			from = "\x01"
		case strings.HasPrefix(first, trashPrefix):
			from = past(trashPrefix)
		default:
			from = past(first + "/")
			f(first)
			n++
		}
	}
	return from, nil
}

// listContainers lists the first parts of names: GET /containers.
func (s *Server) listContainers(ctx *fasthttp.RequestCtx) (any, error) {
	page := containerPage{Containers: []containerInfo{}}
	text, err1 := query(ctx, "cursor")
	from, err2 := parseCursor(text)
	limit, err3 := pageLimit(ctx)
	err := errors.Join(err1, err2, err3)
	if err != nil {
		return nil, err
	}
	if from == "" { // the other tier has a group or two
		if _, err = eachFirst(s.cfg.Cache, "", limit, func(first string) { page.add(s, first, cacheTier) }); err != nil {
			return nil, err
		}
	}
	next, err := eachFirst(s.cfg.Pictures, from, limit, func(first string) { page.add(s, first, durableTier) })
	page.Cursor = formatCursor(next)
	return page, err
}
