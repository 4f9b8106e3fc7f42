package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"tintype/sign"
)

// Event is one line of the audit log: who did what, when and from where. No secret,
// signature or token is in it.
type Event struct {
	Time  time.Time `json:"time"`
	Event string    `json:"event"` // one of EventNames
	By    string    `json:"by"`    // dfsapi, qstorage, sas, link, console or command
	App   string    `json:"app,omitempty"`
	Name  string    `json:"name,omitempty"` // of the picture, container or application
	Bytes int64     `json:"bytes,omitempty"`
	From  string    `json:"from,omitempty"` // the client's address
	Why   string    `json:"why,omitempty"`  // of what was refused
}

// EventNames are the events that are kept.
var EventNames = []string{"upload", "delete", "restore", "purge", "token", "app-add", "app-rotate", "app-change", "app-remove", "sign-in", "refused"}

// refusedEvents is how many failed signatures a second are kept, so that who tries many
// does not push everything else out of the log.
const refusedEvents = 10

// audit keeps an event of a request. That it cannot be kept fails no request: the store has
// said so in its log.
func (s *Server) audit(ctx *fasthttp.RequestCtx, e Event) {
	e.By, e.From = s.caller(ctx), remoteIP(ctx).String()
	if s.cfg.Record(e) != nil {
		s.set.GetOrCreateCounter("tintype_audit_lost_total").Inc()
	}
	if e.Event == "upload" {
		s.history.uploads.Add(1)
	}
}

// Record keeps an event of now in the audit log, if there is one.
func (c Config) Record(e Event) error {
	if c.Audit == nil {
		return nil
	}
	e.Time = c.Now().UTC().Truncate(time.Millisecond)
	return c.Audit.Append(e)
}

// caller is the API that a request came by.
func (s *Server) caller(ctx *fasthttp.RequestCtx) string {
	switch first := string(firstSegment(ctx)); {
	case first == "dfsapi":
		return "dfsapi"
	case first == "api":
		if _, bearer := adminToken(ctx); bearer {
			return "command"
		}
		return "console"
	case isGroup(first):
		return "link"
	case reserved[first] || isVersion([]byte(first)):
		return "qstorage"
	}
	return "sas"
}

// auditRefused keeps that a signature did not hold, if err says so.
func (s *Server) auditRefused(ctx *fasthttp.RequestCtx, err error) {
	var why string
	switch {
	case errors.Is(err, sign.ErrSignature), errors.Is(err, errSign):
		why = "signature"
	case errors.Is(err, sign.ErrMalformed):
		why = "malformed"
	case errors.Is(err, sign.ErrTime):
		why = "time"
	default:
		return
	}
	if s.forged.AllowN(s.cfg.Now(), 1) {
		s.audit(ctx, Event{Event: "refused", Name: strings.TrimPrefix(safePath(ctx), "/"), Why: why})
	}
}

// listEvents tells what was done, the latest first: GET /audit.
func (s *Server) listEvents(ctx *fasthttp.RequestCtx) (any, error) {
	q, err1 := queries(ctx, "event", "app", "cursor")
	limit, err2 := pageLimit(ctx)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	if q["event"] != "" && !slices.Contains(EventNames, q["event"]) {
		return nil, fmt.Errorf("%w: event: want one of %s", errRequest, strings.Join(EventNames, ", "))
	}
	var page struct {
		Events []json.RawMessage `json:"events"`
		Cursor string            `json:"cursor,omitempty"`
	}
	page.Events = []json.RawMessage{}
	if s.cfg.Audit == nil {
		return page, nil
	}
	lines, next, err := s.cfg.Audit.Read(q["cursor"], limit, func(line []byte) bool {
		var e Event
		return json.Unmarshal(line, &e) == nil && (q["event"] == "" || e.Event == q["event"]) && (q["app"] == "" || e.App == q["app"])
	})
	for _, line := range lines {
		page.Events = append(page.Events, line)
	}
	page.Cursor = next
	return page, err
}
