package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tintype/server"
	"tintype/sign"
	"tintype/store"
)

func (p *program) tokenExplain() *cobra.Command {
	var at, ip string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "explain URL [--at TIME] [--ip IP] [--json]", Short: "Say why a link works or not; exit code 1 if not", Args: exactly(1, false, "URL [--at TIME] [--ip IP] [--json]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withKeys(cmd, func(k keys) error {
				e, err := explain(k, args[0], at, ip)
				if err != nil {
					return err
				}
				if asJSON {
					enc := json.NewEncoder(p.stdout)
					enc.SetEscapeHTML(false)
					err = enc.Encode(e)
				} else {
					printExplanation(p, k, e)
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

// explain says why a link works or not. An address that the server would not even
// look at is a finding like any other.
func explain(k keys, link, at, ip string) (sign.Explanation, error) {
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
		return sign.Explanation{}, err
	}
	path, query, _ := strings.Cut(link, "?")
	query, _, _ = strings.Cut(query, "#")
	host, https := "", strings.HasPrefix(link, "https://")
	if _, rest, ok := strings.Cut(path, "://"); ok {
		host, path, _ = strings.Cut(rest, "/")
	}
	if server.IsLink(path) {
		return sign.ExplainFastDFS(path, query, k.secret, k.ttl, now), nil
	}
	r, err := server.ParseResource(path, host, k.account)
	e := sign.ExplainSAS(query, sign.Check{Keys: k.sas, Resource: r, Now: now, IP: addr, HTTPS: https, Need: "r"})
	switch {
	case err != nil:
		e.Refuse("url", err, "The path of the link is none that the server knows: %v.", err)
	case errors.Is(e.Err, sign.ErrNoToken) && server.IsPublic(k.apps, r.Container):
		e.Pass("public", "Portraits are read without a token.")
	}
	return e, nil
}

func printExplanation(p *program, k keys, e sign.Explanation) {
	for _, f := range e.Findings {
		mark := "ok  "
		if !f.OK {
			mark = "FAIL"
		}
		fmt.Fprintf(p.stdout, "%s  %-11s  %s\n", mark, f.Name, f.Text)
	}
	answer := server.Answer(e.Kind, e.Err)
	switch about, there := k.about(e); {
	case !e.Valid:
	case strings.HasSuffix(e.Name, "/"):
		answer = "none: the link is of a container; put the name of a picture behind it"
	case about == "":
		answer += ", if there is a picture of this name"
	default:
		fmt.Fprintf(p.stdout, "      %-11s  %s\n", "picture", about)
		if !there {
			answer = server.Answer(e.Kind, store.ErrNotFound)
		}
	}
	fmt.Fprintf(p.stdout, "\nresource        %s\nstring to sign  %q\nanswer to GET   %s\n", e.Resource, e.StringToSign, answer)
	verdict := "The link is valid."
	if !e.Valid {
		verdict = "The link is not valid."
	}
	fmt.Fprintf(p.stdout, "\n%s\n", verdict)
}

// about says what is behind a valid link, and whether it is there: nothing where
// no server is asked.
func (k keys) about(e sign.Explanation) (text string, there bool) {
	tier, name := k.pictures, strings.TrimPrefix(e.Name, "/")
	if e.Kind == "fastdfs" && strings.HasPrefix(name, "cache") {
		tier = k.cache
	}
	if tier == nil {
		return "", false
	}
	switch o, err := tier.Stat(name); {
	case err == nil && o.Width > 0:
		return fmt.Sprintf("It is there: %s of %dx%d pixels, %d bytes, stored at %s.", o.MediaType, o.Width, o.Height, o.Size, sign.FormatTime(o.Created)), true
	case err == nil:
		return fmt.Sprintf("It is there: %s, no picture that is known, %d bytes, stored at %s.", o.MediaType, o.Size, sign.FormatTime(o.Created)), true
	case !errors.Is(err, store.ErrNotFound):
		return fmt.Sprintf("It cannot be looked at: %v.", err), false
	}
	if e.Kind == "sas" && server.IsMadeOnRequest(tier, name, k.thumbs) {
		return "It is made of its original on the first request.", true
	}
	if o, err := tier.Stat(server.TrashName(name)); err == nil {
		return fmt.Sprintf("It was deleted at %s and lies in the trash.", sign.FormatTime(o.Deleted)), false
	}
	return "There is none of this name: it was never stored, its time is over, or it is gone for good.", false
}
