package server

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"io"
	"mime"
	"path"
	"sync"
	"time"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"

	"tintype/store"
	"tintype/web"
)

const (
	// SetupTTL is how long the one-time link to the console works.
	SetupTTL      = 30 * time.Minute
	sessionTTL    = 12 * time.Hour
	sessionCookie = "tintype_session"
	consolePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; " +
		"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

// console keeps who is signed in. Tokens are kept as digests.
type console struct {
	mu       sync.Mutex // guards all below
	token    [sha256.Size]byte
	until    time.Time // zero: the token is spent, or there was none
	sessions map[[sha256.Size]byte]time.Time
}

func (c *console) setup(cfg Config) {
	c.sessions = make(map[[sha256.Size]byte]time.Time)
	if cfg.SetupToken != "" {
		c.token, c.until = sha256.Sum256([]byte(cfg.SetupToken)), cfg.Now().Add(SetupTTL)
	}
}

// redeem spends the one-time token and returns a session's; "" if it is not good.
func (c *console) redeem(token string, now time.Time) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	sum := sha256.Sum256([]byte(token))
	if !now.Before(c.until) || subtle.ConstantTimeCompare(sum[:], c.token[:]) == 0 {
		return ""
	}
	c.until = time.Time{}
	session := rand.Text()
	c.sessions[sha256.Sum256([]byte(session))] = now.Add(sessionTTL)
	return session
}

func (c *console) signedIn(session string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return now.Before(c.sessions[sha256.Sum256([]byte(session))])
}

func (s *Server) consoleRoutes(r *router.Router) {
	r.ANY("/", func(ctx *fasthttp.RequestCtx) {
		if !ctx.IsGet() || ctx.QueryArgs().Len() > 0 { // of the account, by an SDK
			r.NotFound(ctx)
			return
		}
		ctx.Response.Header.Set(fasthttp.HeaderLocation, "/console/")
		ctx.SetStatusCode(fasthttp.StatusFound)
	})
	r.GET("/console/{file?}", s.consoleFile)
	r.POST("/api/v1/session", s.newSession)
	r.GET("/api/v1/stats", s.consoleStats)
}

func (s *Server) consoleFile(ctx *fasthttp.RequestCtx) {
	name, _ := ctx.UserValue("file").(string)
	if name == "" {
		name = "index.html"
	}
	data, err := web.Files.ReadFile(name)
	if err != nil {
		ctx.SetStatusCode(fasthttp.StatusNotFound)
		return
	}
	h := &ctx.Response.Header
	h.Set("Content-Security-Policy", consolePolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set(fasthttp.HeaderCacheControl, "no-cache")
	ctx.SetContentType(mime.TypeByExtension(path.Ext(name)))
	ctx.SetBody(data)
}

// newSession signs in who has the one-time token.
func (s *Server) newSession(ctx *fasthttp.RequestCtx) {
	var req struct {
		Token string `json:"token"`
	}
	dec := json.NewDecoder(io.LimitReader(body(ctx), 4<<10))
	session := ""
	if dec.Decode(&req) == nil {
		session = s.console.redeem(req.Token, s.cfg.Now())
	}
	drain(ctx)
	if session == "" {
		ctx.SetStatusCode(fasthttp.StatusForbidden)
		return
	}
	var cookie fasthttp.Cookie
	cookie.SetKey(sessionCookie)
	cookie.SetValue(session)
	cookie.SetPath("/")
	cookie.SetHTTPOnly(true)
	cookie.SetSecure(ctx.IsTLS())
	cookie.SetSameSite(fasthttp.CookieSameSiteStrictMode)
	cookie.SetMaxAge(int(sessionTTL / time.Second))
	ctx.Response.Header.SetCookie(&cookie)
	ctx.SetStatusCode(fasthttp.StatusNoContent)
}

// consoleStats tells the signed-in operator what is stored.
func (s *Server) consoleStats(ctx *fasthttp.RequestCtx) {
	ctx.SetContentType("application/json")
	if !s.console.signedIn(string(ctx.Request.Header.Cookie(sessionCookie)), s.cfg.Now()) {
		ctx.SetStatusCode(fasthttp.StatusUnauthorized)
		ctx.SetBodyString(`{"error":"sign in with the link that the server printed"}`)
		return
	}
	tiers := make(map[string]store.Stats)
	for name, tier := range map[string]store.Store{"pictures": s.cfg.Pictures, "cache": s.cfg.Cache} {
		st, err := tier.Stats()
		if err != nil {
			s.cfg.Log.Error("stats", "tier", name, "err", err)
			ctx.SetStatusCode(fasthttp.StatusInternalServerError)
			return
		}
		tiers[name] = st
	}
	ctx.SetBody(plainJSON(tiers))
}
