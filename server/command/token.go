package command

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tintype/server"
	"tintype/sign"
	"tintype/store"
)

// tokenFlags are the settings of commands that make and read tokens.
var tokenFlags = []string{"data", "account", "account-key", "account-key-previous", "token-secret", "token-ttl", "app"}

func (p *program) tokenCommand() *cobra.Command {
	token := &cobra.Command{Use: "token", Short: "Make signatures and tokens, and explain links"}
	token.AddCommand(p.tokenSAS(), p.tokenFastDFS(), p.tokenSign(), p.tokenHeader(), p.tokenAdmin(), p.tokenExplain())
	for _, c := range token.Commands() {
		c.Flags().AddFlagSet(p.set.flags(tokenFlags...))
	}
	return token
}

// withKeys runs f with the keys that the flags give, else those of the server,
// else those of the data directory, which is only read.
func (p *program) withKeys(cmd *cobra.Command, f func(server.Keys) error) error {
	if p.live == nil {
		if err := p.set.load(); err != nil {
			return err
		}
		if p.set.accountKey == "" && p.set.tokenSecret == "" {
			if code, err := p.forward(); err == nil {
				return exitError(code)
			}
		}
	}
	k, err := p.keys(cmd)
	if err != nil {
		return err
	}
	return f(k)
}

func (p *program) keys(cmd *cobra.Command) (server.Keys, error) {
	secrets, err := p.set.secrets(nil)
	if err != nil {
		return server.Keys{}, err
	}
	given := server.Keys{Account: p.set.account, SAS: secrets.AccountKeys, Secret: secrets.TokenSecret, TTL: time.Duration(p.set.tokenTTL)}
	if p.live != nil {
		k, changed := p.live.cfg.Keys(), cmd.Flags().Changed
		if changed("account") {
			k.Account = given.Account
		}
		if changed("account-key") {
			k.SAS = given.SAS
		}
		if changed("token-secret") {
			k.Secret = given.Secret
		}
		if changed("token-ttl") {
			k.TTL = given.TTL
		}
		return k, nil
	}
	k := given
	registry := &store.Registry{}
	switch stored, err := store.ReadRegistry(p.set.data); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return k, err
	default:
		registry = stored
		if p.set.accountKey == "" {
			k.SAS = append([][]byte{registry.AccountKey()}, k.SAS...)
		}
	}
	apps, err := p.set.givenApps()
	k.Apps = newApps(registry, apps, strings.Contains(p.set.store, "://"))
	return k, err
}

func (p *program) tokenSAS() *cobra.Command {
	var r sign.Resource
	var t sign.Token
	var start, expiry string
	cmd := &cobra.Command{
		Use: "sas --container C [--blob B] [--permissions r] [--start T] [--expiry T] [--version V]", Short: "Print a SAS query string",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withKeys(cmd, func(k server.Keys) error {
				if len(k.SAS) == 0 {
					return usagef("no key: %s holds none; give --data or --account-key", p.set.data)
				}
				r.Account = k.Account
				if err := server.CheckContainer(r.Container); err != nil {
					return usagef("--container %q: %w", r.Container, err)
				}
				now := time.Now()
				var err error
				if t.Start, err = sasTime("start", start, now); err != nil {
					return err
				}
				if t.Expiry, err = sasTime("expiry", expiry, now.Add(30*time.Minute)); err != nil {
					return err
				}
				signed, err := sign.Issue(k.SAS[0], r, t)
				switch {
				case errors.Is(err, sign.ErrPermissionSyntax):
					return usagef("--permissions %q: want letters of racwdl, in that order", t.Permissions)
				case errors.Is(err, sign.ErrTime):
					return usagef("--expiry %s is not after --start %s", t.Expiry, t.Start)
				case errors.Is(err, sign.ErrMalformed):
					return usagef("--version %q: want a date from 2012-02-12 on, such as %s", t.Version, sign.QStorageVersion)
				case err != nil:
					return usageError{err}
				}
				fmt.Fprintln(p.stdout, signed.Query())
				return nil
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.Container, "container", "", "container that it opens")
	f.StringVar(&r.Blob, "blob", "", "the one blob that it opens (default: all of the container)")
	f.StringVar(&t.Permissions, "permissions", "r", "letters of racwdl, in that order")
	f.StringVar(&start, "start", "", "when it begins, such as 2026-03-14T08:00:00Z (default: now)")
	f.StringVar(&expiry, "expiry", "", "when it ends (default: in 30 minutes)")
	f.StringVar(&t.Version, "version", sign.QStorageVersion, "SAS version")
	return cmd
}

// sasTime checks a time and passes it on as it was written, since that is what
// is signed.
func sasTime(flag, text string, missing time.Time) (string, error) {
	if text == "" {
		return sign.FormatTime(missing), nil
	}
	if _, err := sign.ParseTime(text); err != nil {
		return "", usagef("--%s %q: want a time such as 2026-03-14T08:00:00Z", flag, text)
	}
	return text, nil
}

func (p *program) tokenFastDFS() *cobra.Command {
	var ts int64
	cmd := &cobra.Command{
		Use: "fastdfs PATH [--ts N]", Short: "Print the token query of a FastDFS-style link", Args: exactly(1, false, "PATH [--ts N]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withKeys(cmd, func(k server.Keys) error {
				if k.Secret == "" {
					return usagef("no --token-secret: links need no token")
				}
				if !cmd.Flags().Changed("ts") {
					ts = time.Now().Unix()
				}
				path, err := linkPath(args[0])
				if err != nil || ts < 0 {
					return usagef("want group1/M00/.. or M00/.. and a time stamp from 0 on: %q, %d", args[0], ts)
				}
				fmt.Fprintf(p.stdout, "token=%s&ts=%d\n", sign.FastDFSToken(path, k.Secret, ts), ts)
				return nil
			})
		},
	}
	cmd.Flags().Int64Var(&ts, "ts", 0, "time stamp in Unix seconds (default: now)")
	return cmd
}

// linkPath returns what a token signs of a path or URL: M00/.. without the group.
func linkPath(text string) (string, error) {
	if u, err := url.Parse(text); err == nil {
		text = u.Path
	}
	text = strings.TrimPrefix(text, "/")
	if strings.HasPrefix(text, "M") {
		text = "group1/" + text
	}
	id, err := sign.ParseFileID(text)
	return id.Path(), err
}

func (p *program) tokenSign() *cobra.Command {
	var app, secret, isStorage, cacheTime string
	var length int64
	cmd := &cobra.Command{
		Use: "sign --app KEY --length N [--secret S] [--isStorage V] [--cacheTime V]", Short: "Print a dfsapi sign",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withKeys(cmd, func(k server.Keys) error {
				secret, err := appSecret(k, app, secret)
				if err != nil {
					return err
				}
				if !cmd.Flags().Changed("length") || length < 0 {
					return usagef("--length is needed: the bytes of the file")
				}
				fields := []sign.Field{{Name: "appKey", Value: app}, {Name: "length", Value: strconv.FormatInt(length, 10)}}
				for _, f := range []sign.Field{{Name: "isStorage", Value: isStorage}, {Name: "cacheTime", Value: cacheTime}} {
					if cmd.Flags().Changed(f.Name) {
						fields = append(fields, f)
					}
				}
				fmt.Fprintln(p.stdout, sign.DFSAPISign(secret, fields))
				return nil
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&app, "app", "", "key of the application")
	f.StringVar(&secret, "secret", "", "its secret (default: the one stored)")
	f.Int64Var(&length, "length", 0, "bytes of the file")
	f.StringVar(&isStorage, "isStorage", "", "the field's value, if it is sent")
	f.StringVar(&cacheTime, "cacheTime", "", "the field's value, if it is sent")
	return cmd
}

func (p *program) tokenHeader() *cobra.Command {
	var app, secret string
	cmd := &cobra.Command{
		Use: "header --app KEY [--secret S]", Short: "Print QStorage headers, good for 15 minutes",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withKeys(cmd, func(k server.Keys) error {
				secret, err := appSecret(k, app, secret)
				if err != nil {
					return err
				}
				now := strconv.FormatInt(time.Now().Unix(), 10)
				fmt.Fprintf(p.stdout, "app-key: %s\nsignature-time: %s\nsignature: %s\n", app, now, sign.QStorageSignature(secret, now))
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&app, "app", "", "key of the application")
	cmd.Flags().StringVar(&secret, "secret", "", "its secret (default: the one stored)")
	return cmd
}

// appSecret returns the secret that was given, or the application's.
func appSecret(k server.Keys, app, secret string) (string, error) {
	if app == "" {
		return "", usagef("--app is needed: the key of the application")
	}
	if secret != "" {
		return secret, nil
	}
	known, err := k.Apps.App(app)
	return known.Secret, err
}
