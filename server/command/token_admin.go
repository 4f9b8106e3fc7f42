package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"tintype/server"
	"tintype/sign"
	"tintype/store"
)

// adminTokenLife is the life of an admin token where no other is asked for.
const adminTokenLife = 12 * time.Hour

// tokenAdmin prints a token for the native API. With --json, which other commands ask
// the server for, the server's own address comes along.
func (p *program) tokenAdmin() *cobra.Command {
	var expiry string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "admin [--expiry T]", Short: "Print an admin token: bearer of the native API, and key to the console",
		Long: "Print an admin token: who has it may do everything, by /api/v1 and in the console, until it expires.\n" +
			"Commands with --server take it from " + adminTokenEnv + ".",
		RunE: func(cmd *cobra.Command, _ []string) error {
			end, err := endOf(expiry, time.Now())
			if err != nil {
				return err
			}
			if p.live != nil {
				return p.printAdminToken(p.live.adminToken(end), asJSON)
			}
			if err := p.set.load(); err != nil {
				return err
			}
			if code, err := p.forward(); err == nil {
				return exitError(code)
			}
			key, err := p.adminKey()
			if err != nil {
				return err
			}
			return p.printAdminToken(sign.AdminToken(key, end), asJSON)
		},
	}
	cmd.Flags().StringVar(&expiry, "expiry", "", "when it ends: a time, or a duration such as 1h (default: in 12h)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, with the address of a running server")
	return cmd
}

// adminKey returns the key that signs admin tokens, where no server runs that could.
func (p *program) adminKey() ([]byte, error) {
	all, err := p.set.secrets(nil)
	if err != nil {
		return nil, err
	}
	if len(all.AdminKeys) > 0 { // of servers that share their tiers
		return all.AdminKeys[0], nil
	}
	registry, err := store.ReadRegistry(p.set.data)
	if err != nil {
		return nil, fmt.Errorf("no keys in %s; give --data: %w", p.set.data, err)
	}
	if len(registry.AdminKey()) == 0 {
		return nil, errors.New("the key of admin tokens is made by the next start of the server")
	}
	return registry.AdminKey(), nil
}

// endOf reads a time, or a duration from now on.
func endOf(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return now.Add(adminTokenLife), nil
	}
	var life duration
	if life.Set(text) == nil {
		return now.Add(time.Duration(life)), nil
	}
	end, err := sign.ParseTime(text)
	if err != nil {
		return end, usagef("--expiry %q: want a time such as 2026-03-14T08:00:00Z, or a duration such as 12h", text)
	}
	if !end.After(now) {
		return end, usagef("--expiry %q is over", text)
	}
	return end, nil
}

func (p *program) printAdminToken(token string, asJSON bool) error {
	if !asJSON {
		fmt.Fprintln(p.stdout, token)
		return nil
	}
	d := door{Token: token}
	if p.live != nil && p.live.addr != nil {
		d.URL = "http://" + reachable(p.live.addr)
		if p.live.cfg.TLS != nil {
			d.URL = "https://" + reachable(p.live.addr)
		}
	}
	return json.NewEncoder(p.stdout).Encode(d)
}

func (p *program) consoleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "console", Short: "Print a link to the console that signs in once",
		RunE: func(*cobra.Command, []string) error {
			if p.live != nil {
				fmt.Fprintln(p.stdout, p.live.srv.SetupLink())
				fmt.Fprintf(p.stderr, "It works once, for %d minutes.\n", int(server.SetupTTL.Minutes()))
				return nil
			}
			if err := p.set.load(); err != nil {
				return err
			}
			code, err := p.forward()
			if err != nil {
				return fmt.Errorf("no server runs on %s, and the console is a part of it: tintype serve", p.set.data)
			}
			return exitError(code)
		},
	}
	cmd.Flags().AddFlagSet(p.set.flags(dataFlags...))
	return cmd
}
