package command

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tintype/server"
	"tintype/store"
)

// dataFlags are the settings of commands that use the data directory.
var dataFlags = []string{"data", "store"}

func (p *program) appCommand() *cobra.Command {
	app := &cobra.Command{Use: "app", Short: "Add, list, rotate and remove applications"}
	var show bool
	list := &cobra.Command{
		Use: "list", Short: "List applications",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withData(cmd, func(l *live) error {
				p.listApps(l.apps.Apps(), show)
				return nil
			})
		},
	}
	list.Flags().BoolVar(&show, "show-secrets", false, "print secrets too")
	rotate := &cobra.Command{
		Use: "rotate KEY", Short: "Give an application a new secret; the one before stays valid", Args: exactly(1, false, "KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withData(cmd, func(l *live) error {
				app, err := l.apps.RotateApp(args[0])
				if err == nil {
					p.printSecret(app)
				}
				return l.audited("app-rotate", args[0], args[0], err)
			})
		},
	}
	remove := &cobra.Command{
		Use: "remove KEY", Short: "Remove an application; its pictures stay", Args: exactly(1, false, "KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withData(cmd, func(l *live) error { return l.audited("app-remove", args[0], args[0], l.apps.RemoveApp(args[0])) })
		},
	}
	app.AddCommand(p.appAdd(), list, rotate, remove)
	for _, c := range app.Commands() {
		c.Flags().AddFlagSet(p.set.flags(dataFlags...))
	}
	return app
}

func (p *program) appAdd() *cobra.Command {
	var secret string
	add := &cobra.Command{
		Use: "add KEY [--secret S]", Short: "Add an application; prints its secret", Args: exactly(1, false, "KEY [--secret S]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withData(cmd, func(l *live) error {
				app, err := l.apps.AddApp(args[0], secret, time.Now())
				if errors.Is(err, store.ErrAppKey) {
					return usageError{err}
				}
				if err == nil {
					p.printSecret(app)
				}
				return l.audited("app-add", args[0], args[0], err)
			})
		},
	}
	add.Flags().StringVar(&secret, "secret", "", "its secret (default: random)")
	return add
}

func (p *program) printSecret(app store.App) {
	fmt.Fprintf(p.stdout, "app-key  %s\nsecret   %s\n", app.Key, app.Secret)
}

func (p *program) listApps(all []store.App, show bool) {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	defer w.Flush()
	fmt.Fprint(w, "APP-KEY\tCREATED\tACCOUNTS\tSECRETS\n")
	for _, app := range all {
		created := "by --app"
		if !app.Created.IsZero() {
			created = app.Created.Format("2006-01-02")
		}
		secrets := fmt.Sprint(len(app.Secrets()))
		if show {
			secrets = strings.Join(app.Secrets(), " ")
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", app.Key, created, len(app.Accounts), secrets)
	}
}

func (p *program) accountCommand() *cobra.Command {
	account := &cobra.Command{Use: "account", Short: "Say which accounts may use QStorage with --accounts registered"}
	change := func(name, short string, f func(*live, string, []string) error) *cobra.Command {
		return &cobra.Command{
			Use: name + " APP ACCOUNT...", Short: short, Args: exactly(2, true, "APP ACCOUNT..."),
			RunE: func(cmd *cobra.Command, args []string) error {
				return p.withData(cmd, func(l *live) error {
					if _, err := l.apps.App(args[0]); err != nil {
						return err
					}
					return l.audited("app-change", args[0], args[0], f(l, args[0], args[1:]))
				})
			},
		}
	}
	list := &cobra.Command{
		Use: "list APP", Short: "List an application's accounts", Args: exactly(1, false, "APP"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withData(cmd, func(l *live) error {
				app, err := l.apps.App(args[0])
				for _, a := range app.Accounts {
					fmt.Fprintln(p.stdout, a)
				}
				return err
			})
		},
	}
	account.AddCommand(
		change("add", "Register accounts with an application", func(l *live, app string, accounts []string) error {
			for _, a := range accounts {
				if !server.IsAccount(a) {
					return usagef("account %q: want 1 to 128 of A-Z a-z 0-9 . _ @ -", a)
				}
			}
			return l.apps.AddAccounts(app, accounts...)
		}),
		list,
		change("remove", "Take accounts from an application", func(l *live, app string, accounts []string) error {
			return l.apps.RemoveAccounts(app, accounts...)
		}),
	)
	for _, c := range account.Commands() {
		c.Flags().AddFlagSet(p.set.flags(dataFlags...))
	}
	return account
}
