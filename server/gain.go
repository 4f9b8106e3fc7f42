package server

import (
	"errors"
	"net/url"
	"regexp"
	"strings"

	"github.com/valyala/fasthttp"

	"tintype/store"
	"tintype/thumb"
)

// Failures of gainImage.
var (
	errNoParams = errors.New("file, or both of group and isStorage, are missing")
	errFileName = errors.New("file is not TIME:ID.EXT with an extension of three characters")
	errGroup    = errors.New("group is unknown")
	errOutput   = errors.New("cannot write that format")
)

// gainCodes are the statuses of gainImage: dfsapi.md section 1.6.
var gainCodes = statuses{
	{errNotModified, 304},
	{errNoParams, 400},
	{errDuplicate, 400},
	{errFileName, 403},
	{thumb.ErrScaling, 403},
	{thumb.ErrTooLarge, 403},
	{thumb.ErrTooSlow, 403},
	{store.ErrNotFound, 404},
	{errCondition, 412},
	{errRange, 416},
	{errGroup, 500},
	{errOutput, 500},
	{store.ErrIndex, 503},
	{store.ErrUnreachable, 503},
	{errBusy, 503},
	{errRate, 429},
}

// gainGroups are the groups that the original handed out or knew.
var gainGroups = regexp.MustCompile(`^(dfsdb_\d+|redis_\d+|group_?\d+|cache\d+|ssdb_bak)$`)

// gainReply answers GET /dfsapi/v2/gainImage: errors have no body.
func (s *Server) gainReply(ctx *fasthttp.RequestCtx) {
	_, err := s.limited(ctx, func(ctx *fasthttp.RequestCtx) (any, error) { return nil, s.gainImage(ctx) })
	drain(ctx)
	if err != nil {
		status, known := gainCodes.of(err)
		s.refused(ctx, err, known)
		if status != 304 {
			ctx.SetContentType("application/json")
		}
		ctx.SetStatusCode(status)
		tellBusy(ctx, err)
	}
	s.gains.count(ctx)
}

// gainRequest is a parsed gainImage query.
type gainRequest struct {
	fileID  string
	format  thumb.Format
	scaling *thumb.Scaling // nil: none asked for
	durable bool
}

// gainImage serves a picture of saveImage by its file ID, scaled and converted.
func (s *Server) gainImage(ctx *fasthttp.RequestCtx) error {
	req, err := parseGain(string(ctx.URI().QueryString()))
	if err != nil {
		return err
	}
	tier := s.cfg.Cache
	if req.durable {
		tier = s.cfg.Pictures
	}
	obj, err := tier.Find(req.fileID)
	if err != nil {
		return err
	}
	p, err := s.hot.get(tier, obj.Name, nginxRules, s.cfg.Now())
	if err != nil {
		return err
	}
	w, h := p.Width, p.Height
	if req.scaling != nil {
		if w, h, err = req.scaling.Size(w, h); err != nil {
			return errors.Join(err, p.release())
		}
	}
	if w == p.Width && h == p.Height && req.format.MediaType() == p.MediaType {
		return s.serve(ctx, p, nginxRules, nil)
	}
	defer p.release()
	return s.decoding(func() error {
		data, err := s.hot.bytes(p)
		if err != nil {
			return err
		}
		made, err := thumb.Convert(data, s.cfg.Limits, req.format, w, h)
		ctx.SetContentType(req.format.MediaType())
		ctx.SetBody(made.Data)
		return err
	})
}

// parseGain reads the query of gainImage. URLs of the original join their
// parameters with %26, so a query of one piece is decoded once more.
func parseGain(rawQuery string) (gainRequest, error) {
	if !strings.Contains(rawQuery, "&") && strings.Contains(rawQuery, "%26") {
		if once, err := url.PathUnescape(rawQuery); err == nil {
			rawQuery = once
		}
	}
	q, err := url.ParseQuery(rawQuery)
	if err != nil {
		return gainRequest{}, errNoParams
	}
	for _, name := range []string{"file", "group", "isStorage", "scaling"} {
		if len(q[name]) > 1 {
			return gainRequest{}, errDuplicate
		}
	}
	if q.Get("file") == "" || !q.Has("group") && !q.Has("isStorage") {
		return gainRequest{}, errNoParams
	}
	var req gainRequest
	if req.fileID, req.format, err = parseGainFile(q.Get("file")); err != nil {
		return gainRequest{}, err
	}
	if q.Has("scaling") {
		scaling, err := thumb.ParseScaling(q.Get("scaling"))
		if err != nil {
			return gainRequest{}, err
		}
		req.scaling = &scaling
	}
	if !gainGroups.MatchString(q.Get("group")) {
		return gainRequest{}, errGroup
	}
	if req.format == 0 {
		return gainRequest{}, errOutput
	}
	// absent is the durable tier, anything but "true" the other
	req.durable = !q.Has("isStorage") || q.Get("isStorage") == "true"
	return req, nil
}

// parseGainFile reads "TIME:ID.EXT". The time was a key of the original's; the
// extension is the format to answer in.
func parseGainFile(file string) (fileID string, format thumb.Format, err error) {
	_, name, ok := strings.Cut(file, ":")
	id, ext, dotted := strings.Cut(name, ".")
	if !ok || !dotted || len(ext) != 3 {
		return "", 0, errFileName
	}
	return id, thumb.FormatOf(ext), nil
}
