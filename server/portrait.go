package server

import (
	"errors"
	"fmt"
	"strings"

	"github.com/valyala/fasthttp"

	"tintype/store"
	"tintype/thumb"
)

// putPortrait stores the account's portrait as PNG in place of an earlier one:
// POST /portrait.
func (s *Server) putPortrait(ctx *fasthttp.RequestCtx) (any, error) {
	c, container, err := s.portraitCall(ctx)
	if err != nil {
		return nil, err
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
	variants := make([]variant, 1, 1+len(s.cfg.Thumbs))
	err = s.decoding(func() error {
		full, err := thumb.Convert(data, s.cfg.Limits, thumb.PNG, pic.Width, pic.Height)
		variants[0] = variant{original, full}
		for i := 0; i < len(s.cfg.Thumbs) && err == nil; i++ {
			var t thumb.Thumbnail
			w, h := thumb.Fit(pic.Width, pic.Height, s.cfg.Thumbs[i])
			t, err = thumb.Convert(data, s.cfg.Limits, thumb.PNG, w, h)
			variants = append(variants, variant{fmt.Sprint(s.cfg.Thumbs[i]), t})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	account := c.values["account"]
	objs, err := s.putVariants(c.app, container, account, account, false, variants)
	if err != nil {
		return nil, err
	}
	s.audit(ctx, Event{Event: "upload", App: c.app.Key, Name: objs[0].Name, Bytes: objs[0].Size})
	return s.uploadContent(container, "", objs), nil
}

// deletePortrait removes the account's portrait for good: DELETE /portrait.
func (s *Server) deletePortrait(ctx *fasthttp.RequestCtx) (any, error) {
	c, container, err := s.portraitCall(ctx)
	if err != nil {
		return nil, err
	}
	account := c.values["account"]
	_, err = s.cfg.Pictures.Apply(store.Change{Decide: func(now store.View, ch *store.Change) error {
		names, err := variants(now, fmt.Sprintf("%s/%s/%s_full.png", container, account, account))
		for _, name := range names {
			ch.Delete = append(ch.Delete, name)
			err = errors.Join(err, dropBlocks(now, ch, name))
		}
		return err
	}})
	if errors.Is(err, store.ErrNotFound) {
		err = errNoPicture
	}
	if err == nil {
		s.audit(ctx, Event{Event: "delete", App: c.app.Key, Name: container + "/" + account})
	}
	return "", err
}

func (s *Server) portraitCall(ctx *fasthttp.RequestCtx) (call, string, error) {
	var container string
	c, err := s.qcall(ctx, nil, func(v map[string]string) error {
		container = portraitContainer(v["app-key"])
		if err := CheckContainer(container); err != nil && len(v["app-key"]) <= maxValue {
			return fmt.Errorf("%w: container: %v", errField, err)
		}
		if strings.Trim(v["account"], ".") == "" { // a folder that browsers resolve away
			return fmt.Errorf("%w: account", errField)
		}
		return nil
	})
	return c, container, err
}
