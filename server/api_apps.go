package server

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"time"

	"github.com/valyala/fasthttp"

	"tintype/store"
)

// ErrFixedApp is returned by changes of an application that was given to the server, and so
// is changed there.
var ErrFixedApp = errors.New("the application was given to the server by --app: change it there")

// appInfo is an application as the native API tells it.
type appInfo struct {
	Key         string     `json:"key"`
	Created     *time.Time `json:"created,omitempty"`
	Secret      string     `json:"secret,omitempty"` // told once
	Secrets     int        `json:"secrets"`
	Disabled    bool       `json:"disabled"`
	Fixed       bool       `json:"fixed"`
	MaxBytes    int64      `json:"max_bytes"`
	MaxPictures int64      `json:"max_pictures"`
	Origins     []string   `json:"origins"`
	Accounts    []string   `json:"accounts"`
	Pictures    int64      `json:"pictures"`
	Bytes       int64      `json:"bytes"`
}

func (s *Server) describeApp(app store.App) appInfo {
	info := appInfo{
		Key: app.Key, Secrets: len(app.Secrets()), Disabled: app.Disabled, Fixed: app.Created.IsZero(), MaxBytes: app.MaxBytes, MaxPictures: app.MaxObjects,
		Origins: append([]string{}, app.Origins...), Accounts: append([]string{}, app.Accounts...),
	}
	if !app.Created.IsZero() {
		info.Created = &app.Created
	}
	var err error
	if info.Pictures, info.Bytes, err = s.usage(app.Key); err != nil { // which must not cost who has a new secret its sight
		s.cfg.Log.Error("usage", "app", app.Key, "err", err)
		info.Pictures, info.Bytes = -1, -1
	}
	return info
}

// listApps: GET /apps.
func (s *Server) listApps(*fasthttp.RequestCtx) (any, error) {
	apps := []appInfo{}
	for _, app := range s.cfg.Apps.Apps() {
		apps = append(apps, s.describeApp(app))
	}
	return map[string][]appInfo{"apps": apps}, nil
}

// addApp: POST /apps.
func (s *Server) addApp(ctx *fasthttp.RequestCtx) (any, error) {
	var req struct {
		Key string `json:"key"`
	}
	if err := readJSON(ctx, &req, maxRequest); err != nil {
		return nil, err
	}
	if req.Key == "" {
		req.Key = NewAppKey()
	}
	app, err := s.cfg.Apps.AddApp(req.Key, "", s.cfg.Now())
	if err != nil {
		return nil, err
	}
	s.audit(ctx, Event{Event: "app-add", App: app.Key, Name: app.Key})
	info := s.describeApp(app)
	info.Secret = app.Secret
	return created{info}, nil
}

// NewAppKey returns a random key of ten digits, which is the longest that dfsapi takes.
func NewAppKey() string {
	n, err := rand.Int(rand.Reader, big.NewInt(9e9))
	if err != nil {
		panic(err) // crypto/rand never fails
	}
	return fmt.Sprint(1e9 + n.Int64())
}

// changedApp answers with an application after a change, which is kept in the audit log.
func (s *Server) changedApp(ctx *fasthttp.RequestCtx, event string, change func(key string) (store.App, error)) (appInfo, error) {
	key, err := url.PathUnescape(ctx.UserValue("key").(string))
	if err != nil {
		return appInfo{}, errURI
	}
	app, err := change(key)
	if err != nil {
		return appInfo{}, err
	}
	s.audit(ctx, Event{Event: event, App: key, Name: key})
	return s.describeApp(app), nil
}

// changeApp: PATCH /apps/{key}.
func (s *Server) changeApp(ctx *fasthttp.RequestCtx) (any, error) {
	var req struct {
		Disabled    *bool     `json:"disabled"`
		MaxBytes    *int64    `json:"max_bytes"`
		MaxPictures *int64    `json:"max_pictures"`
		Origins     *[]string `json:"origins"`
		Accounts    *[]string `json:"accounts"`
	}
	if err := readJSON(ctx, &req, maxRequest); err != nil {
		return nil, err
	}
	return s.changedApp(ctx, "app-change", func(key string) (store.App, error) {
		return s.cfg.Apps.ChangeApp(key, func(app *store.App) error {
			set(&app.Disabled, req.Disabled)
			set(&app.MaxBytes, req.MaxBytes)
			set(&app.MaxObjects, req.MaxPictures)
			set(&app.Origins, req.Origins)
			set(&app.Accounts, req.Accounts)
			return checkApp(*app)
		})
	})
}

func set[T any](to, value *T) {
	if value != nil {
		*to = *value
	}
}

func checkApp(app store.App) error {
	if app.MaxBytes < 0 || app.MaxObjects < 0 {
		return fmt.Errorf("%w: limits are numbers from 0, which is none", errRequest)
	}
	for _, origin := range app.Origins {
		if !IsOrigin(origin) {
			return fmt.Errorf("%w: origin %q: want https://HOST or http://HOST", errRequest, origin)
		}
	}
	for _, account := range app.Accounts {
		if !IsAccount(account) {
			return fmt.Errorf("%w: account %q: want 1 to 128 of A-Z a-z 0-9 . _ @ -", errRequest, account)
		}
	}
	return nil
}

// removeApp: DELETE /apps/{key}.
func (s *Server) removeApp(ctx *fasthttp.RequestCtx) (any, error) {
	_, err := s.changedApp(ctx, "app-remove", func(key string) (store.App, error) { return store.App{Key: key}, s.cfg.Apps.RemoveApp(key) })
	return nil, err
}

// rotateApp: POST /apps/{key}/rotate.
func (s *Server) rotateApp(ctx *fasthttp.RequestCtx) (any, error) {
	var secret string
	info, err := s.changedApp(ctx, "app-rotate", func(key string) (store.App, error) {
		app, err := s.cfg.Apps.RotateApp(key)
		secret = app.Secret
		return app, err
	})
	info.Secret = secret
	return info, err
}

// dropPreviousSecret: DELETE /apps/{key}/previous.
func (s *Server) dropPreviousSecret(ctx *fasthttp.RequestCtx) (any, error) {
	_, err := s.changedApp(ctx, "app-change", func(key string) (store.App, error) { return store.App{Key: key}, s.cfg.Apps.DropPrevious(key) })
	return nil, err
}
