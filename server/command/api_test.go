package command

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestWhatPassesIsTriedAgain(t *testing.T) {
	lost := &url.Error{Op: "Get", URL: "http://h", Err: net.ErrClosed}
	for _, test := range []struct {
		name  string
		errs  []error // of one try after the other; then nil
		tries int
	}{
		{"a connection that breaks", []error{lost, lost}, 3},
		{"a server that is busy", []error{&apiError{codeBusy, ""}}, 2},
		{"what is not there", []error{&apiError{codeNotFound, ""}}, 1},
		{"what was stopped", []error{&url.Error{Op: "Get", URL: "http://h", Err: context.Canceled}}, 1},
	} {
		tries := 0
		err := retry(context.Background(), func() error {
			tries++
			if tries <= len(test.errs) {
				return test.errs[tries-1]
			}
			return nil
		})
		if tries != test.tries || (err == nil) != (tries > len(test.errs)) {
			t.Errorf("%s: %d tries, %v", test.name, tries, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := retry(ctx, func() error { return lost }); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped while it waits: %v", err)
	}
}

func TestTokensAreRenewedBeforeTheyEnd(t *testing.T) {
	var seen atomic.Value
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r.Header.Get("Authorization"))
		w.Write([]byte("{}"))
	}))
	defer srv.Close()
	made := 0
	a := &api{url: srv.URL, http: newHTTPClient(), renew: func() (string, time.Duration, error) {
		made++
		return strings.Repeat("t", made), time.Hour, nil
	}}
	for i, want := range []string{"Bearer t", "Bearer t", "Bearer tt"} {
		if i == 2 {
			a.until = time.Now().Add(-time.Second)
		}
		if _, err := a.session(context.Background()); err != nil || seen.Load() != want {
			t.Errorf("call %d: %v, %v", i, seen.Load(), err)
		}
	}
	a.until, a.renew = time.Time{}, func() (string, time.Duration, error) { return "", 0, errNoServer }
	if _, err := a.session(context.Background()); !errors.Is(err, errNoServer) {
		t.Errorf("no token to be had: %v", err)
	}
}

func TestErrorsOfTheAPI(t *testing.T) {
	for _, test := range []struct {
		status     int
		body, want string
		code       apiCode
	}{
		{404, `{"error":{"code":"not_found","message":"no such picture"}}`, "no such picture", codeNotFound},
		{404, `<html>`, "is it a tintype server?", ""},
		{502, `<html>`, "502", codeBusy},
		{301, ``, "301", ""},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://elsewhere.invalid/")
			w.WriteHeader(test.status)
			w.Write([]byte(test.body))
		}))
		a := &api{url: srv.URL, http: newHTTPClient(), token: "t"}
		_, err := a.session(context.Background())
		var told *apiError
		if !errors.As(err, &told) || told.code != test.code || !strings.Contains(told.Error(), test.want) {
			t.Errorf("%d %s: %v", test.status, test.body, err)
		}
		srv.Close()
	}
}
