package command

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestSecretsComeFromFiles(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, text := range map[string]string{
		"key": killKey + "\n", "previous": killKey + "\r\n", "token": " a b\n\n", "empty": "\n", "nothing": "",
		"apps": "one=1\n\ntwo=2 = 2\r\nthree=3", "broken": "one=1\nsecret-of-two\n",
	} {
		replace(t, at(name), []byte(text))
	}
	for _, test := range []struct {
		env  string // NAME=VALUE, a line each
		want string // of the error; "" there is none
	}{
		{"TINTYPE_ACCOUNT_KEY_FILE=" + at("key") + "\nTINTYPE_ACCOUNT_KEY_PREVIOUS_FILE=" + at("previous") +
			"\nTINTYPE_TOKEN_SECRET_FILE=" + at("token") + "\nTINTYPE_APP_FILE=" + at("apps"), ""},
		{"TINTYPE_ACCOUNT_KEY_FILE=" + at("none"), "TINTYPE_ACCOUNT_KEY_FILE: open " + at("none") + ": no such file"},
		{"TINTYPE_TOKEN_SECRET_FILE=" + at("empty"), "TINTYPE_TOKEN_SECRET_FILE: " + at("empty") + " is empty"},
		{"TINTYPE_ACCOUNT_KEY_FILE=" + at("nothing"), "TINTYPE_ACCOUNT_KEY_FILE: " + at("nothing") + " is empty"},
		{"TINTYPE_APP_FILE=" + at("broken"), "--app, number 2: want KEY=SECRET"},
		{"TINTYPE_APP_FILE=" + dir, "is a directory"},
		{"TINTYPE_TOKEN_SECRET=s\nTINTYPE_TOKEN_SECRET_FILE=" + at("token"), "TINTYPE_TOKEN_SECRET and TINTYPE_TOKEN_SECRET_FILE are both set"},
		{"TINTYPE_ACCOUNT_KEY_FILE=" + at("token"), "--account-key is not base64"},
	} {
		t.Run(test.env, func(t *testing.T) {
			for line := range strings.Lines(test.env) {
				name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
				t.Setenv(name, value)
			}
			s := newSettings()
			err := s.load()
			if err == nil {
				_, err = s.serverConfig()
			}
			if err == nil {
				_, err = s.givenApps()
			}
			if test.want != "" {
				if !errors.As(err, new(usageError)) || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret-of") {
					t.Errorf("%v, want %s", err, test.want)
				}
				return
			}
			if err != nil || s.accountKey != killKey || s.accountKeyPrevious != killKey || s.tokenSecret != " a b\n" ||
				!slices.Equal(s.apps, []string{"one=1", "two=2 = 2", "three=3"}) {
				t.Errorf("%v, %q %q %q %q", err, s.accountKey, s.accountKeyPrevious, s.tokenSecret, s.apps)
			}
		})
	}
	// there need be no application, nor a key before the present one
	t.Setenv("TINTYPE_ACCOUNT_KEY_PREVIOUS_FILE", at("empty"))
	t.Setenv("TINTYPE_APP_FILE", at("nothing"))
	s := newSettings()
	if err := s.load(); err != nil || s.accountKeyPrevious != "" || len(s.apps) > 0 {
		t.Errorf("empty: %v, %q, %q", err, s.accountKeyPrevious, s.apps)
	}
	// a flag needs no file
	t.Setenv("TINTYPE_TOKEN_SECRET_FILE", at("none"))
	s = newSettings()
	s.all.Set("token-secret", "given")
	if err := s.load(); err != nil || s.tokenSecret != "given" {
		t.Errorf("a flag: %v, %q", err, s.tokenSecret)
	}
	r := tintype(t, "serve", "--data", at("data"), "--listen", "127.0.0.1:0")
	if _, err := os.Stat(at("data")); r.code != 2 || strings.Contains(r.stderr, "\n") || err == nil {
		t.Errorf("a missing file: exit %d, %s", r.code, r.stderr)
	}
}

// TestSettingsAreCloned has every setting with another value than its default.
func TestSettingsAreCloned(t *testing.T) {
	s := newSettings()
	for name, value := range map[string]string{
		"data": "d", "listen": "l", "app": "k=s", "accounts": "registered", "token-ttl": "1h30m1s", "trash-ttl": "1.5d", "max-upload": "1000001",
		"max-pixels": "1234567", "thumb": "7", "cors": "none", "address-rate": "0.3", "log-format": "json", "log-level": "debug",
	} {
		if err := s.all.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	c := s.clone()
	s.all.VisitAll(func(a *pflag.Flag) {
		if b := c.all.Lookup(a.Name); !slices.Equal(valuesOf(a), valuesOf(b)) || a.Changed != b.Changed {
			t.Errorf("%s: %v, cloned %v", a.Name, valuesOf(a), valuesOf(b))
		}
	})
	if c.tokenTTL != s.tokenTTL || c.trashTTL != s.trashTTL || c.maxUpload != s.maxUpload || c.maxPixels != s.maxPixels || c.addressRate != s.addressRate {
		t.Errorf("%+v, cloned %+v", s, c)
	}
}
