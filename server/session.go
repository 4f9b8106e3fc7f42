package server

import (
	"crypto/rand"
	"crypto/sha256"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"tintype/sign"
)

const (
	// SetupTTL is how long a one-time link to the console works.
	SetupTTL      = 30 * time.Minute
	sessionTTL    = 12 * time.Hour
	sessionCookie = "tintype_session"
)

// sessions knows who may sign in, and who has signed out. A session is an admin token in
// a cookie, so that it outlives a restart; one that was signed out is forgotten by the
// browser, and until a restart refused. Here are only digests.
type sessions struct {
	mu    sync.Mutex                      // guards all below
	links map[[sha256.Size]byte]time.Time // tokens of one-time links, and when they end
	ended map[[sha256.Size]byte]time.Time // tokens that were signed out, until they would have ended
}

// SetupLink returns a link that opens the console once, within SetupTTL. The token is
// behind "#", which browsers send to no server.
func (s *Server) SetupLink() string {
	token := rand.Text()
	s.sessions.add(&s.sessions.links, token, s.cfg.Now(), s.cfg.Now().Add(SetupTTL))
	return s.cfg.PublicURL + "/console/#setup=" + token
}

// add notes a token until its end, and forgets those whose end has come.
func (c *sessions) add(to *map[[sha256.Size]byte]time.Time, token string, now, end time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *to == nil {
		*to = make(map[[sha256.Size]byte]time.Time)
	}
	for sum, end := range *to {
		if !now.Before(end) {
			delete(*to, sum)
		}
	}
	(*to)[sha256.Sum256([]byte(token))] = end
}

// redeem spends the token of a one-time link, and says whether it was good.
func (c *sessions) redeem(token string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	sum := sha256.Sum256([]byte(token))
	end, ok := c.links[sum]
	delete(c.links, sum)
	return ok && now.Before(end)
}

func (c *sessions) hasEnded(token string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.ended[sha256.Sum256([]byte(token))]
	return ok
}

// expiryKey is the context value of when the token of an operation ends.
const expiryKey = "admin token ends"

// signedIn is h for who brings an admin token.
func (s *Server) signedIn(h handler) handler {
	return func(ctx *fasthttp.RequestCtx) (any, error) {
		expiry, err := s.checkAdmin(ctx)
		if err != nil {
			if limit := s.addresses.take(network(remoteIP(ctx)), s.cfg.Now()); limit != nil {
				err = limit
			}
			return nil, err
		}
		ctx.SetUserValue(expiryKey, expiry)
		return h(ctx)
	}
}

// checkAdmin returns when the admin token of a request ends; errSignedOut, errCrossSite.
func (s *Server) checkAdmin(ctx *fasthttp.RequestCtx) (expiry time.Time, err error) {
	token, bearer := adminToken(ctx)
	if expiry, err = s.verifyAdmin(token); err != nil {
		return time.Time{}, err
	}
	if !bearer && !isSameOrigin(ctx) {
		return time.Time{}, errCrossSite
	}
	return expiry, nil
}

// verifyAdmin returns when an admin token ends; errSignedOut.
func (s *Server) verifyAdmin(token string) (time.Time, error) {
	for _, key := range s.cfg.Secrets().AdminKeys {
		if expiry, err := sign.VerifyAdminToken(key, token, s.cfg.Now()); err == nil && !s.sessions.hasEnded(token) {
			return expiry, nil
		}
	}
	return time.Time{}, errSignedOut
}

// adminToken returns the token of a request: of its Authorization header, or else of the
// console's cookie.
func adminToken(ctx *fasthttp.RequestCtx) (token string, bearer bool) {
	if scheme, token, _ := strings.Cut(string(ctx.Request.Header.Peek(fasthttp.HeaderAuthorization)), " "); strings.EqualFold(scheme, "Bearer") {
		return token, true
	}
	return string(ctx.Request.Header.Cookie(sessionCookie)), false
}

// isSameOrigin says whether a browser sends a request for a page of this very origin. SameSite
// keeps other sites away, and not another port of this host.
func isSameOrigin(ctx *fasthttp.RequestCtx) bool {
	switch string(ctx.Request.Header.Peek("Sec-Fetch-Site")) {
	case "same-origin", "none":
		return true
	case "":
	default:
		return false
	}
	origin := string(ctx.Request.Header.Peek(fasthttp.HeaderOrigin))
	u, err := url.Parse(origin)
	return origin == "" || err == nil && u.Host == string(ctx.Host())
}

// signIn takes the token of a one-time link, or an admin token, and sets the cookie.
func (s *Server) signIn(ctx *fasthttp.RequestCtx) (any, error) {
	if err := s.addresses.take(network(remoteIP(ctx)), s.cfg.Now()); err != nil {
		return nil, err
	}
	var req struct {
		Token string `json:"token"`
	}
	if err := readJSON(ctx, &req, maxSignIn); err != nil {
		return nil, err
	}
	if !isSameOrigin(ctx) {
		return nil, errCrossSite
	}
	expiry := s.cfg.Now().Add(sessionTTL)
	if !s.sessions.redeem(req.Token, s.cfg.Now()) {
		var err error
		if expiry, err = s.verifyAdmin(req.Token); err != nil {
			if s.forged.AllowN(s.cfg.Now(), 1) {
				s.audit(ctx, Event{Event: "refused", Why: "sign-in"})
			}
			return nil, errSignIn
		}
	}
	s.setCookie(ctx, sign.AdminToken(s.cfg.Secrets().AdminKeys[0], expiry), expiry)
	s.audit(ctx, Event{Event: "sign-in"})
	return nil, nil
}

// setCookie gives the console a session until expiry; an empty one takes it back. It is the
// same cookie only with the same path.
func (s *Server) setCookie(ctx *fasthttp.RequestCtx, token string, expiry time.Time) {
	var cookie fasthttp.Cookie
	cookie.SetKey(sessionCookie)
	cookie.SetValue(token)
	cookie.SetPath("/")
	cookie.SetHTTPOnly(true)
	cookie.SetSecure(isHTTPS(ctx))
	cookie.SetSameSite(fasthttp.CookieSameSiteStrictMode)
	if token == "" {
		cookie.SetExpire(fasthttp.CookieExpireDelete)
	} else {
		cookie.SetMaxAge(int(expiry.Sub(s.cfg.Now()) / time.Second))
	}
	ctx.Response.Header.SetCookie(&cookie)
}

// signOut ends the token of a request, wherever else it is.
func (s *Server) signOut(ctx *fasthttp.RequestCtx) (any, error) {
	token, _ := adminToken(ctx)
	s.sessions.add(&s.sessions.ended, token, s.cfg.Now(), ctx.UserValue(expiryKey).(time.Time))
	s.setCookie(ctx, "", time.Time{})
	return nil, nil
}

// session is what the console has to know of its server.
type session struct {
	Expires    time.Time `json:"expires"`
	Version    string    `json:"version"`
	PublicURL  string    `json:"public_url"`
	Account    string    `json:"account"`
	Thumbs     []int     `json:"thumbs"`
	MaxUpload  int64     `json:"max_upload"`
	TrashTTL   int64     `json:"trash_ttl"` // seconds
	LinkTokens bool      `json:"link_tokens"`
	Empty      bool      `json:"empty"` // and may be filled by a backup
}

func (s *Server) getSession(ctx *fasthttp.RequestCtx) (any, error) {
	var empty bool
	var err error
	if s.cfg.Data != nil {
		empty, err = s.cfg.Data.Empty()
	}
	return session{
		ctx.UserValue(expiryKey).(time.Time).UTC(), s.cfg.Version, s.cfg.PublicURL, s.cfg.Account, s.cfg.Thumbs, s.cfg.MaxUpload, int64(s.cfg.TrashTTL / time.Second),
		s.cfg.Secrets().TokenSecret != "", empty,
	}, err
}
