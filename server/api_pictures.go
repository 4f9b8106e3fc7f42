package server

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"tintype/store"
	"tintype/thumb"
)

// pictureInfo is a picture as the native API tells it.
type pictureInfo struct {
	Name     string            `json:"name"`
	Tier     string            `json:"tier"`
	App      string            `json:"app,omitempty"`
	FileID   string            `json:"file_id,omitempty"`
	Digest   string            `json:"digest"`
	MD5      string            `json:"md5,omitempty"`
	Size     int64             `json:"size"`
	Type     string            `json:"type"`
	Width    int               `json:"width"`
	Height   int               `json:"height"`
	Created  time.Time         `json:"created"`
	Modified time.Time         `json:"modified"`
	Expires  *time.Time        `json:"expires,omitempty"`
	URL      string            `json:"url"`
	Public   bool              `json:"public"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Variants []variantInfo     `json:"variants,omitempty"`
	EXIF     []exifTag         `json:"exif,omitempty"`
}

type variantInfo struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	Type   string `json:"type"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

// describe tells what a list tells of an object.
func (s *Server) describe(o store.Object) pictureInfo {
	_, tier := s.tierOf(o.Name)
	container, _, _ := strings.Cut(o.Name, "/")
	p := pictureInfo{
		Name: o.Name, Tier: tier, App: o.Owner, FileID: o.ID, Digest: o.Digest.String(), Size: o.Size, Type: o.MediaType, Width: o.Width, Height: o.Height,
		Created: o.Created, Modified: o.LastModified(), URL: s.pictureURL(o.Name),
		Public: isGroup(container) && s.cfg.Secrets().TokenSecret == "" || isPublic(s.cfg.Apps, container),
	}
	if !o.Expires.IsZero() {
		p.Expires = &o.Expires
	}
	if o.MD5 != (md5Sum{}) {
		p.MD5 = hex.EncodeToString(o.MD5[:])
	}
	for name, value := range o.Attributes {
		if name, ok := strings.CutPrefix(name, metaPrefix); ok {
			if p.Metadata == nil {
				p.Metadata = make(map[string]string)
			}
			p.Metadata[name] = value
		}
	}
	return p
}

// pictureName is the name that an operation is about; store.ErrNotFound if it is a staged
// block's, which is no picture.
func pictureName(ctx *fasthttp.RequestCtx) (string, error) {
	name, err := wanted(ctx, "name")
	if strings.HasPrefix(name, "\x00") {
		err = store.ErrNotFound
	}
	return name, err
}

// named returns the object that an operation is about, and its tier.
func (s *Server) named(ctx *fasthttp.RequestCtx) (store.Object, store.Store, error) {
	name, err := pictureName(ctx)
	if err != nil {
		return store.Object{}, nil, err
	}
	tier, _ := s.tierOf(name)
	o, err := tier.Stat(name)
	return o, tier, err
}

// getPicture tells everything of one picture: GET /picture.
func (s *Server) getPicture(ctx *fasthttp.RequestCtx) (any, error) {
	o, tier, err := s.named(ctx)
	if err != nil {
		return nil, err
	}
	p := s.describe(o)
	if v, ok := parseVariant(o.Name); ok && v.suffix == original {
		all, err := family(tier, v.stem)
		if err != nil {
			return nil, err
		}
		for _, m := range all {
			if m.Name != o.Name {
				p.Variants = append(p.Variants, variantInfo{m.Name, m.Size, m.MediaType, m.Width, m.Height})
			}
		}
	}
	p.EXIF = s.exif(tier, o)
	return p, nil
}

// addPicture stores the body as an application's picture: POST /pictures.
func (s *Server) addPicture(ctx *fasthttp.RequestCtx) (any, error) {
	q, err := queries(ctx, "app", "resource")
	if err != nil {
		return nil, err
	}
	ttl, err := number(ctx, "ttl", 0, 1, int64(maxCacheTime/time.Second))
	if err != nil {
		return nil, err
	}
	app, err := s.cfg.Apps.App(q["app"])
	if err != nil {
		return nil, err
	}
	in, err := newIncoming(ctx, s.cfg.MaxUpload)
	if err != nil {
		return nil, err
	}
	up := upload{uploads: s.uploads}
	defer up.release()
	if err := up.read(in, int64(ctx.Request.Header.ContentLength()), s.cfg.MaxUpload+1); err != nil {
		return nil, err
	}
	data := up.buf.Bytes()
	pic, err := thumb.Stat(data, s.cfg.Limits)
	if err != nil {
		return nil, err
	}
	var o store.Object
	if q["resource"] == "" {
		req := saveRequest{app: app, durable: ttl == 0}
		if ttl > 0 {
			req.expires = s.cfg.Now().Add(time.Duration(ttl) * time.Second)
		}
		o, err = s.putLink(req, pic, data)
	} else {
		o, err = s.addToResource(app, q["resource"], pic, data)
	}
	if err != nil {
		return nil, err
	}
	s.audit(ctx, Event{Event: "upload", App: app.Key, Name: o.Name, Bytes: o.Size})
	return created{s.describe(o)}, nil
}

// addToResource stores a picture with its variants as a QStorage upload does.
func (s *Server) addToResource(app store.App, resource string, pic thumb.Picture, data []byte) (store.Object, error) {
	container := resourceContainer(app.Key, resource)
	if err := CheckContainer(container); err != nil || !isResourceID(resource) {
		return store.Object{}, fmt.Errorf("%w: resource %q: want letters, digits and hyphens in parts between slashes, and a container of up to 63 characters", errRequest, resource)
	}
	if s.owner(container) != app.Key {
		return store.Object{}, fmt.Errorf("%w: container %s is another application's", errRequest, container)
	}
	objs, err := s.putUpload(app, container, pic, data)
	if err != nil {
		return store.Object{}, err
	}
	return objs[0], nil
}

// putPicture stores the body under a name that is given: PUT /picture.
func (s *Server) putPicture(ctx *fasthttp.RequestCtx) (any, error) {
	o, tier, err := s.givenObject(ctx)
	if err != nil {
		return nil, err
	}
	q, err := queries(ctx, "exists", "sha256")
	if err != nil {
		return nil, err
	}
	if q["exists"] != "" && q["exists"] != "fail" && q["exists"] != "replace" {
		return nil, fmt.Errorf("%w: exists %q: want fail or replace", errRequest, q["exists"])
	}
	app, _ := s.cfg.Apps.App(o.Owner) // one that is gone has no limits
	in, err := newIncoming(ctx, s.cfg.MaxUpload)
	if err != nil {
		return nil, err
	}
	var got store.Object
	objs, err := tier.Apply(store.Change{
		Put: []store.Item{{Object: o, Body: in, New: q["exists"] != "replace", Inspect: func(o *store.Object, bytes io.ReadSeeker) (err error) {
			if o.MD5, err = in.sum(ctx); err != nil {
				return err
			}
			if q["sha256"] != "" && !strings.EqualFold(q["sha256"], o.Digest.String()) {
				return fmt.Errorf("%w: the SHA-256 of the body is another", errRequest)
			}
			err = s.inspect(o, bytes)
			got = *o
			return err
		}}},
		Decide: func(now store.View, ch *store.Change) error {
			if err := replace(now, ch, o.Name); err != nil {
				return err
			}
			return withinQuota(now, s.otherTier(tier), app, got.Size, 1, append(slices.Clone(ch.Delete), o.Name)...)
		},
	})
	if errors.Is(err, store.ErrExists) {
		if there, err := tier.Stat(o.Name); err == nil && there.Digest == got.Digest {
			return s.describe(there), nil
		}
	}
	if err != nil {
		return nil, err
	}
	s.audit(ctx, Event{Event: "upload", App: o.Owner, Name: o.Name, Bytes: objs[0].Size})
	return created{s.describe(objs[0])}, nil
}

// givenObject is what the query of putPicture says of the object.
func (s *Server) givenObject(ctx *fasthttp.RequestCtx) (o store.Object, tier store.Store, err error) {
	q, err := queries(ctx, "app", "created", "expires", "type")
	if err != nil {
		return o, nil, err
	}
	if o.Name, err = wanted(ctx, "name"); err != nil {
		return o, nil, err
	}
	if err := CheckName(o.Name, s.cfg.Account); err != nil {
		return o, nil, fmt.Errorf("%w: %q", err, o.Name)
	}
	container, _, _ := strings.Cut(o.Name, "/")
	tier, _ = s.tierOf(o.Name)
	for name, to := range map[string]*time.Time{"created": &o.Created, "expires": &o.Expires} {
		if q[name] == "" {
			continue
		}
		if *to, err = time.Parse(time.RFC3339, q[name]); err != nil {
			return o, nil, fmt.Errorf("%w: %s %q: want a time such as 2026-03-14T08:00:00Z", errRequest, name, q[name])
		}
	}
	if !o.Expires.IsZero() && !o.Expires.After(s.cfg.Now()) {
		return o, nil, fmt.Errorf("%w: expires %s: want a time that is to come", errRequest, q["expires"])
	}
	o.Owner = q["app"]
	if o.Owner == "" {
		o.Owner = s.owner(container)
	} else if _, err := s.cfg.Apps.App(o.Owner); err != nil {
		return o, nil, err
	}
	if err := errors.Join(setObjectProperties(ctx, &o), setObjectMetadata(ctx, &o)); err != nil {
		return o, nil, err
	}
	if f := thumb.FormatOf(strings.TrimPrefix(path.Ext(o.Name), ".")); f != 0 {
		o.MediaType = f.MediaType()
	}
	if q["type"] != "" {
		o.MediaType = q["type"]
	}
	if !isPlain(o.MediaType) {
		return o, nil, fmt.Errorf("%w: type %q", errRequest, o.MediaType)
	}
	return o, tier, nil
}

// removePicture moves a picture with its variants into the trash: DELETE /picture. The
// other tier has none.
func (s *Server) removePicture(ctx *fasthttp.RequestCtx) (any, error) {
	name, err := pictureName(ctx)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(name, trashPrefix) {
		return nil, fmt.Errorf("%w: %q is in the trash; purge it there", errRequest, name)
	}
	tier, kind := s.tierOf(name)
	var o store.Object
	_, err = tier.Apply(store.Change{Decide: func(now store.View, ch *store.Change) (err error) {
		if o, err = now.Stat(name); err != nil {
			return err
		}
		if kind == cacheTier {
			ch.Delete = append(ch.Delete, name)
			return nil
		}
		names, err := variants(now, name)
		return errors.Join(err, s.toTrash(now, ch, names))
	}})
	if err == nil {
		s.audit(ctx, Event{Event: "delete", App: o.Owner, Name: name, Bytes: o.Size})
	}
	return nil, err
}
