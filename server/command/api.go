package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"syscall"
	"time"
)

// apiCode is a code of the native API's errors; errors.Is finds it in what a call returns.
type apiCode string

func (c apiCode) Error() string { return string(c) }

// The codes that commands tell apart.
const (
	codeUnauthorized apiCode = "unauthorized"
	codeForbidden    apiCode = "forbidden"
	codeNotFound     apiCode = "not_found"
	codeExists       apiCode = "exists"
	codeBusy         apiCode = "busy"
	codeRate         apiCode = "rate"
	codeFull         apiCode = "full"
	codeReadOnly     apiCode = "read_only"
)

// apiError is what the native API answers where it does not do what it was asked.
type apiError struct {
	code    apiCode
	message string
}

func (e *apiError) Error() string { return e.message }
func (e *apiError) Unwrap() error { return e.code }

// api calls the native API of one server. Its methods may be called concurrently.
type api struct {
	url  string // of the server, without a slash at its end
	http *http.Client

	mu    sync.Mutex // guards what follows
	token string
	until time.Time                             // when the token is to be renewed
	renew func() (string, time.Duration, error) // returns another token and its life; nil: there is none to be had
}

// The answers of the native API, as far as commands read them: server/openapi.json.
type (
	picture struct {
		Name    string    `json:"name"`
		Tier    string    `json:"tier"`
		Digest  string    `json:"digest"`
		MD5     string    `json:"md5"`
		Size    int64     `json:"size"`
		Type    string    `json:"type"`
		Width   int       `json:"width"`
		Height  int       `json:"height"`
		Created time.Time `json:"created"`
		URL     string    `json:"url"`
		Public  bool      `json:"public"`
	}
	session struct {
		Version   string `json:"version"`
		PublicURL string `json:"public_url"`
		Account   string `json:"account"`
		MaxUpload int64  `json:"max_upload"`
	}
)

// bearer returns a token that is good for a while.
func (a *api) bearer() (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.renew != nil && time.Now().After(a.until) {
		token, life, err := a.renew()
		if err != nil {
			return "", err
		}
		a.token, a.until = token, time.Now().Add(life/2)
	}
	return a.token, nil
}

// request is one of the native API.
type request struct {
	method, path string // below /api/v1
	query        url.Values
	header       map[string]string
	body         io.Reader // nil: none
	size         int64     // of the body, in bytes
}

// send makes a request. The error is an *apiError where the server says no. The caller
// closes the answer's body.
func (a *api) send(ctx context.Context, r request) (*http.Response, error) {
	target := a.url + "/api/v1" + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, r.body)
	if err != nil {
		return nil, err
	}
	if req.ContentLength = r.size; r.size == 0 {
		req.Body = http.NoBody // or the size would be taken for unknown
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	token, err := a.bearer()
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := a.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		defer resp.Body.Close()
		return nil, refusal(resp)
	}
	return resp, nil
}

// refusal reads the error out of an answer.
func refusal(resp *http.Response) error {
	var answer struct {
		Error struct {
			Code    apiCode `json:"code"`
			Message string  `json:"message"`
		} `json:"error"`
	}
	data, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if json.Unmarshal(data, &answer) != nil || answer.Error.Code == "" {
		e := &apiError{message: fmt.Sprintf("%s answers %s; is it a tintype server?", resp.Request.URL.Host, resp.Status)}
		if resp.StatusCode == http.StatusBadGateway || resp.StatusCode == http.StatusServiceUnavailable || resp.StatusCode == http.StatusGatewayTimeout {
			e.code = codeBusy // of a proxy, whose server starts again
		}
		return e
	}
	return &apiError{answer.Error.Code, answer.Error.Message}
}

// call makes a request and decodes the answer into out; nil: there is nothing to decode.
// created says whether something is there now that was not.
func (a *api) call(ctx context.Context, r request, out any) (created bool, err error) {
	resp, err := a.send(ctx, r)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	if out != nil {
		if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
			return false, fmt.Errorf("answer of the server: %w", err)
		}
	}
	io.Copy(io.Discard, resp.Body) // the rest, so that the connection is used again
	return resp.StatusCode == http.StatusCreated, nil
}

func (a *api) get(ctx context.Context, path string, query url.Values, out any) error {
	_, err := a.call(ctx, request{method: http.MethodGet, path: path, query: query}, out)
	return err
}

func (a *api) session(ctx context.Context) (s session, err error) {
	return s, a.get(ctx, "/session", nil, &s)
}

// picture returns what is known of a picture; codeNotFound.
func (a *api) picture(ctx context.Context, name string) (pic picture, err error) {
	return pic, a.get(ctx, "/picture", url.Values{"name": {name}}, &pic)
}

// list yields what is listed for query, page by page, as the server tells it.
func (a *api) list(ctx context.Context, query url.Values, yield func(json.RawMessage) error) error {
	for {
		var page struct {
			Pictures []json.RawMessage `json:"pictures"`
			Cursor   string            `json:"cursor"`
		}
		if err := a.get(ctx, "/pictures", query, &page); err != nil {
			return err
		}
		for _, pic := range page.Pictures {
			if err := yield(pic); err != nil {
				return err
			}
		}
		if page.Cursor == "" {
			return nil
		}
		query.Set("cursor", page.Cursor)
	}
}

// app returns the key of an application to store for: the one asked for, or else the first
// that may store.
func (a *api) app(ctx context.Context, key string) (string, error) {
	if key != "" {
		return key, nil
	}
	var known struct {
		Apps []struct {
			Key      string `json:"key"`
			Disabled bool   `json:"disabled"`
		} `json:"apps"`
	}
	if err := a.get(ctx, "/apps", nil, &known); err != nil {
		return "", err
	}
	for _, app := range known.Apps {
		if !app.Disabled {
			return app.Key, nil
		}
	}
	return "", errors.New("there is no application yet; add one: tintype app add KEY")
}

// sign returns a link to a picture, with the token that it needs until expiry.
func (a *api) sign(ctx context.Context, name string, expiry time.Time) (string, error) {
	body, err := json.Marshal(map[string]any{"name": name, "expiry": expiry.UTC().Format(time.RFC3339)})
	if err != nil {
		return "", err
	}
	var link struct {
		URL string `json:"url"`
	}
	_, err = a.call(ctx, request{
		method: http.MethodPost, path: "/links", body: bytes.NewReader(body), size: int64(len(body)),
		header: map[string]string{"Content-Type": "application/json"},
	}, &link)
	return link.URL, err
}

// patience is how long a server that does not answer is waited for, in all.
const patience = 30 * time.Second

// retry calls f, and again for as long as its error may pass by itself.
func retry(ctx context.Context, f func() error) error {
	wait, end := 250*time.Millisecond, time.Now().Add(patience)
	for {
		err := f()
		if err == nil || !passes(err) || time.Now().Add(wait).After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(wait):
		}
		wait = min(2*wait, 8*time.Second)
	}
}

// passes says whether an error is of the kind that another try may not meet: of the
// connection, or of a server that has too much to do.
func passes(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	if errors.Is(err, codeBusy) || errors.Is(err, codeRate) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		return true
	}
	var lost *url.Error
	return errors.As(err, &lost)
}
