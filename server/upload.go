package server

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"tintype/store"
	"tintype/thumb"
)

// tokenLife is the life of the token that comes with an upload: "you have
// 30minutes to use url with sas_token".
const tokenLife = 30 * time.Minute

// uploadPicture stores a picture with its thumbnails: POST /picture/upload.
func (s *Server) uploadPicture(ctx *fasthttp.RequestCtx) (any, error) {
	var container string
	c, err := s.qcall(ctx, []value{{name: "resource-id", format: isResourceID, max: maxResourceID}}, func(v map[string]string) error {
		container = resourceContainer(v["app-key"], v["resource-id"])
		// one that is too long by itself is told so
		if err := CheckContainer(container); err != nil && len(v["resource-id"]) <= maxResourceID && len(v["app-key"]) <= maxValue {
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
	f, err := s.pictureForm(ctx)
	if err != nil {
		return nil, err
	}
	defer f.release()
	data := f.file
	pic, err := thumb.Stat(data, s.cfg.Limits)
	if err != nil {
		return nil, err
	}
	objs, err := s.putUpload(c.app, container, pic, data)
	if err != nil {
		return nil, err
	}
	s.audit(ctx, Event{Event: "upload", App: c.app.Key, Name: objs[0].Name, Bytes: objs[0].Size})
	token, err := s.token(container, "", "r", s.cfg.Now(), s.cfg.Now().Add(tokenLife))
	if err != nil {
		return nil, err
	}
	return s.uploadContent(container, token, objs), nil
}

// resourceContainer is where the pictures of a resource are.
func resourceContainer(appKey, resourceID string) string {
	return strings.ToLower(appKey + "-picture-" + strings.ReplaceAll(resourceID, "/", "-"))
}

// putUpload stores a picture with its variants under a new folder of a container.
func (s *Server) putUpload(app store.App, container string, pic thumb.Picture, data []byte) ([]store.Object, error) {
	small, err := s.thumbnails(data)
	if err != nil {
		return nil, err
	}
	all := append([]variant{{original, thumb.Thumbnail{Picture: pic, Data: data}}}, small...)
	for {
		folder := s.folders.next(s.cfg.Now())
		objs, err := s.putVariants(app, container, folder, folder, true, all)
		if !errors.Is(err, store.ErrExists) {
			return objs, err
		}
		// another server's, or a clock that went back: the next is later
	}
}

// pictureForm reads the form of an upload: its file is the part called files, or the
// first. The caller releases it.
func (s *Server) pictureForm(ctx *fasthttp.RequestCtx) (form, error) {
	f, err := s.form(ctx, "files")
	if err != nil {
		return f, err
	}
	switch {
	case thumb.Sniff(f.file) == 0:
		err = thumb.ErrFormat // before the size, as the contract has it
	case f.fileSize > s.cfg.MaxUpload:
		err = errTooLarge
	default:
		return f, nil
	}
	f.release()
	return f, err
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

// putVariants stores the variants of one picture together, the original first.
func (s *Server) putVariants(app store.App, container, folder, stem string, isNew bool, variants []variant) ([]store.Object, error) {
	items := make([]store.Item, len(variants))
	var full store.Digest
	var size int64
	names := make([]string, len(variants))
	for i, v := range variants {
		size += int64(len(v.Data))
		items[i] = store.Item{
			Object: store.Object{
				Name:  fmt.Sprintf("%s/%s/%s_%s.%s", container, folder, stem, v.suffix, v.Format.Ext()),
				Owner: app.Key, MediaType: v.Format.MediaType(), Width: v.Width, Height: v.Height, MD5: md5.Sum(v.Data),
				Created: s.cfg.Now(),
			},
			Body: bytes.NewReader(v.Data), New: isNew,
			Inspect: func(o *store.Object, _ io.ReadSeeker) error {
				if i == 0 { // which is complete before the others
					full = o.Digest
				} else {
					o.Original = full
				}
				return nil
			},
		}
		names[i] = items[i].Name
	}
	return s.cfg.Pictures.Apply(store.Change{Put: items, Decide: func(now store.View, ch *store.Change) error {
		if !isNew {
			if err := replace(now, ch, items[0].Name); err != nil {
				return err
			}
		}
		return withinQuota(now, s.cfg.Cache, app, size, int64(len(items)), slices.Concat(names, ch.Delete)...)
	}})
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
