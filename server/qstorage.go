package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"tintype/sign"
	"tintype/store"
	"tintype/thumb"
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

// maxJSON bounds the body of a delete call: some 5,000 URLs.
const maxJSON = 1 << 20

// tokenLife is the life of the token that comes with an upload: "you have
// 30minutes to use url with sas_token".
const tokenLife = 30 * time.Minute

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
	return c, s.authenticate(&c)
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
	if c.app, err = s.cfg.Apps.App(c.values["app-key"]); err != nil {
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
	return nil
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

// uploadPicture stores a picture with its thumbnails: POST /picture/upload.
func (s *Server) uploadPicture(ctx *fasthttp.RequestCtx) (any, error) {
	var container string
	c, err := s.qcall(ctx, []value{{name: "resource-id", format: isResourceID, max: maxResourceID}}, func(v map[string]string) error {
		container = strings.ToLower(v["app-key"] + "-picture-" + strings.ReplaceAll(v["resource-id"], "/", "-"))
		// one that is too long by itself is told so
		if err := CheckContainer(container); err != nil && len(v["resource-id"]) <= maxResourceID {
			return fmt.Errorf("%w: container: %v", errField, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if s.owner(container) != c.app.Key {
		return nil, fmt.Errorf("%w: container is another application's", errField)
	}
	data, err := s.pictureFile(ctx)
	if err != nil {
		return nil, err
	}
	pic, err := thumb.Stat(data, s.cfg.Limits)
	if err != nil {
		return nil, err
	}
	small, err := s.thumbnails(data)
	if err != nil {
		return nil, err
	}
	full := variant{"full", thumb.Thumbnail{Picture: pic, Data: data}}
	for {
		folder := s.folders.next(s.cfg.Now())
		objs, err := s.putVariants(c, container, folder, folder, true, append([]variant{full}, small...))
		if errors.Is(err, store.ErrExists) {
			continue // another server's, or a clock that went back: the next is later
		}
		if err != nil {
			return nil, err
		}
		token, err := s.token(container, "", "r", s.cfg.Now(), s.cfg.Now().Add(tokenLife))
		if err != nil {
			return nil, err
		}
		return s.uploadContent(container, token, objs), nil
	}
}

// pictureFile reads the file of an upload: from the part called files, or the first.
func (s *Server) pictureFile(ctx *fasthttp.RequestCtx) ([]byte, error) {
	f, err := s.form(ctx, "files")
	if err != nil {
		return nil, err
	}
	if thumb.Sniff(f.file) == 0 {
		return nil, thumb.ErrFormat // before the size, as the contract has it
	}
	if f.fileSize > s.cfg.MaxUpload {
		return nil, errTooLarge
	}
	return f.file, nil
}

// variant is a picture on its way into the store, under {stem}_{suffix}.{ext}.
type variant struct {
	suffix string
	thumb.Thumbnail
}

// thumbnails makes one variant for each configured size.
func (s *Server) thumbnails(data []byte) ([]variant, error) {
	var made []thumb.Thumbnail
	err := s.decoding(func() (err error) {
		made, err = thumb.Make(data, s.cfg.Limits, s.cfg.Thumbs...)
		return err
	})
	if err != nil {
		return nil, err
	}
	variants := make([]variant, len(made))
	for i, t := range made {
		variants[i] = variant{fmt.Sprint(s.cfg.Thumbs[i]), t}
	}
	return variants, nil
}

// putVariants stores the variants of one picture together.
func (s *Server) putVariants(c call, container, folder, stem string, isNew bool, variants []variant) ([]store.Object, error) {
	items := make([]store.Item, len(variants))
	for i, v := range variants {
		items[i] = store.Item{
			Object: store.Object{
				Name:  fmt.Sprintf("%s/%s/%s_%s.%s", container, folder, stem, v.suffix, v.Format.Ext()),
				Owner: c.app.Key, MediaType: v.Format.MediaType(), Width: v.Width, Height: v.Height, Created: s.cfg.Now(),
			},
			Body: bytes.NewReader(v.Data), New: isNew,
		}
	}
	return s.cfg.Pictures.Put(items...)
}

// uploadContent is the Content of an upload's answer, keys in the document's
// order. Without a token there is no sas_token.
func (s *Server) uploadContent(container, token string, objs []store.Object) fields {
	full := objs[0]
	content := fields{
		{"type", full.MediaType},
		{"original_width", full.Width},
		{"original_height", full.Height},
		{"original_size", full.Size},
		{"original_url", s.pictureURL(full.Name)},
		{"target", container},
	}
	if token != "" {
		content = append(content, field{"sas_token", token})
	}
	for i, o := range objs[1:] {
		prefix := fmt.Sprintf("thumbnail_%d_", s.cfg.Thumbs[i])
		content = append(content,
			field{prefix + "width", o.Width}, field{prefix + "height", o.Height}, field{prefix + "url", s.pictureURL(o.Name)})
	}
	return content
}

func (s *Server) pictureURL(name string) string { return s.cfg.PublicURL + "/" + name }

// deletePicture moves pictures to the trash: /picture/delete.
func (s *Server) deletePicture(ctx *fasthttp.RequestCtx) (any, error) {
	c, err := s.qcall(ctx, nil, nil)
	if err != nil {
		return nil, err
	}
	urls, err := fileURLs(ctx)
	if err != nil {
		return nil, err
	}
	var moves []store.Rename
	taken := make(map[string]bool)
	for _, u := range urls {
		names, err := s.namedBy(c, u)
		if err != nil {
			return nil, err
		}
		names = slices.DeleteFunc(names, func(name string) bool { return taken[name] })
		for _, name := range names {
			taken[name] = true
		}
		renames, err := s.toTrash(names)
		if err != nil {
			return nil, err
		}
		moves = append(moves, renames...)
	}
	err = s.cfg.Pictures.Move(moves...)
	if errors.Is(err, store.ErrNotFound) { // another call was faster
		err = errNoPicture
	}
	return "", err
}

// toTrash returns the moves that delete the variants of one picture, softly:
// container/folder/file becomes delete-container/folder/file. Where an earlier
// picture of that name lies in the trash, the folder gets a suffix of its own.
func (s *Server) toTrash(names []string) ([]store.Rename, error) {
	now, suffix := s.cfg.Now(), ""
	for _, name := range names {
		_, err := s.cfg.Pictures.Stat(trashPrefix + name)
		if err == nil {
			suffix = "." + s.folders.next(now)
		} else if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
	}
	renames := make([]store.Rename, len(names))
	for i, name := range names {
		slash := strings.LastIndexByte(name, '/')
		renames[i] = store.Rename{From: name, To: trashPrefix + name[:slash] + suffix + name[slash:], Deleted: now}
	}
	return renames, nil
}

// fileURLs reads the list of a delete call: {"fileUrls":[...]}, or the query
// where a client cannot send a body with its method.
func fileURLs(ctx *fasthttp.RequestCtx) ([]string, error) {
	var list []string
	for _, v := range ctx.QueryArgs().PeekMulti("fileUrls") {
		for u := range strings.SplitSeq(string(v), ",") {
			if u != "" {
				list = append(list, u)
			}
		}
	}
	if len(list) > 0 {
		return list, nil
	}
	data, err := io.ReadAll(io.LimitReader(body(ctx), maxJSON+1))
	if err != nil || len(data) > maxJSON {
		return nil, fmt.Errorf("%w: %v", errBody, err)
	}
	var req struct {
		FileURLs []string `json:"fileUrls"`
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // a byte order mark, as .NET writes
	if err := json.Unmarshal(data, &req); err != nil || len(req.FileURLs) == 0 {
		return nil, fmt.Errorf("%w: %v", errBody, err)
	}
	return req.FileURLs, nil
}

// namedBy returns the names of all variants of the picture that a URL names by
// its last three segments; host and scheme may be those of an earlier server. No
// error quotes it: clients pass URLs with their tokens.
func (s *Server) namedBy(c call, rawURL string) ([]string, error) {
	path, _, _ := strings.Cut(rawURL, "?")
	path, _, _ = strings.Cut(path, "#")
	if _, rest, ok := strings.Cut(path, "://"); ok {
		_, path, _ = strings.Cut(rest, "/")
	}
	segments := strings.Split(strings.Trim(path, "/"), "/")
	if len(segments) < 3 {
		return nil, fmt.Errorf("%w: too short", errNoPicture)
	}
	segments = segments[len(segments)-3:]
	for i := range segments {
		var err error
		if segments[i], err = url.PathUnescape(segments[i]); err != nil {
			return nil, fmt.Errorf("%w: broken escape", errNoPicture)
		}
	}
	if s.owner(segments[0]) != c.app.Key {
		return nil, errAuthority
	}
	name := strings.Join(segments, "/")
	if _, err := s.cfg.Pictures.Stat(name); errors.Is(err, store.ErrNotFound) {
		return nil, errNoPicture
	} else if err != nil {
		return nil, err
	}
	return s.variants(name)
}

// variants returns the names of the picture that name is a variant of: itself,
// and what differs from it by the suffix _full or _{size} alone.
func (s *Server) variants(name string) ([]string, error) {
	stem, ok := variantStem(name)
	if !ok {
		return []string{name}, nil
	}
	var names []string
	objs, err := s.cfg.Pictures.List(stem+"_", "", 1000)
	for _, o := range objs {
		if other, ok := variantStem(o.Name); ok && other == stem {
			names = append(names, o.Name)
		}
	}
	return names, err
}

// variantStem cuts _full.ext or _{size}.ext from a name.
func variantStem(name string) (string, bool) {
	slash, line, dot := strings.LastIndexByte(name, '/'), strings.LastIndexByte(name, '_'), strings.LastIndexByte(name, '.')
	if line <= slash || dot < line {
		return "", false
	}
	suffix := name[line+1 : dot]
	return name[:line], suffix == "full" || suffix != "" && strings.Trim(suffix, "0123456789") == ""
}
