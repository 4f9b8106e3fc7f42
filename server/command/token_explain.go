package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"tintype/server"
	"tintype/sign"
)

func (p *program) tokenExplain() *cobra.Command {
	var at, ip string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "explain URL [--at TIME] [--ip IP] [--json]", Short: "Say why a link works or not; exit code 1 if not", Args: exactly(1, false, "URL [--at TIME] [--ip IP] [--json]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withKeys(cmd, func(k server.Keys) error {
				e, err := explain(k, args[0], at, ip)
				if err != nil {
					return err
				}
				if asJSON {
					enc := json.NewEncoder(p.stdout)
					enc.SetEscapeHTML(false)
					err = enc.Encode(e.Explanation)
				} else {
					printExplanation(p, e)
				}
				if err == nil && !e.Valid {
					err = errSilent
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&at, "at", "", "the time of the request (default: now)")
	cmd.Flags().StringVar(&ip, "ip", "", "the client's address, for tokens that have one")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// explain says why a link works or not, at a time and for an address that are given as text.
func explain(k server.Keys, link, at, ip string) (server.Explanation, error) {
	now := time.Now()
	var addr netip.Addr
	var err1, err2 error
	if at != "" {
		if now, err1 = sign.ParseTime(at); err1 != nil {
			err1 = usagef("--at %q: want a time such as 2026-03-14T08:00:00Z", at)
		}
	}
	if ip != "" {
		if addr, err2 = netip.ParseAddr(ip); err2 != nil {
			err2 = usagef("--ip %q is no address", ip)
		}
	}
	if err := errors.Join(err1, err2); err != nil {
		return server.Explanation{}, err
	}
	return k.Explain(link, now, addr), nil
}

func printExplanation(p *program, e server.Explanation) {
	for _, f := range e.Findings {
		mark := "ok  "
		switch {
		case !f.OK && f.Name == "picture" && e.Valid:
			mark = "    "
		case !f.OK:
			mark = "FAIL"
		}
		fmt.Fprintf(p.stdout, "%s  %-11s  %s\n", mark, f.Name, f.Text)
	}
	fmt.Fprintf(p.stdout, "\nresource        %s\nstring to sign  %q\nanswer to GET   %s\n", e.Resource, e.StringToSign, e.Answer)
	verdict := "The link is valid."
	if !e.Valid {
		verdict = "The link is not valid."
	}
	fmt.Fprintf(p.stdout, "\n%s\n", verdict)
}
