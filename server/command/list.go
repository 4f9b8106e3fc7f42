package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
)

// pageSize is how many names a page of a long list has: the most that the API takes.
const pageSize = 1000

func (p *program) lsCommand() *cobra.Command {
	var search string
	var limit int
	var long, asJSON bool
	tier := choice{"durable", []string{"durable", "cache"}}
	cmd := &cobra.Command{
		Use: "ls [PREFIX] [--search S] [--limit N] [-l]", Short: "List stored pictures by name",
		Long: "List stored pictures by name, without the variants made of them.",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("usage: %s [PREFIX]", cmd.CommandPath())
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.Var(&tier, "tier", "durable: what is kept; cache: the short-lived")
	f.StringVar(&search, "search", "", "part of a name, a URL, a file ID, or 8 digits and more of a SHA-256")
	f.IntVar(&limit, "limit", 0, "`NAMES` at most (default: all)")
	f.BoolVarP(&long, "long", "l", false, "size, time, type and pixels too")
	f.BoolVar(&asJSON, "json", false, "print a line of JSON for each")
	check := func([]string) error {
		if limit < 0 {
			return usagef("--limit %d: want at least 1", limit)
		}
		return nil
	}
	return p.apiCommand(cmd, check, func(ctx context.Context, a *api, args []string) error {
		query := url.Values{"tier": {tier.value}, "limit": {strconv.Itoa(pageSize)}}
		if limit > 0 {
			query.Set("limit", strconv.Itoa(min(limit, pageSize)))
		}
		if len(args) > 0 {
			query.Set("prefix", args[0])
		}
		if search != "" {
			query.Set("search", search)
		}
		n := 0
		err := a.list(ctx, query, func(line json.RawMessage) error {
			if n++; limit > 0 && n > limit {
				return errEnough
			}
			return p.printPicture(line, long, asJSON)
		})
		if errors.Is(err, errEnough) {
			return nil
		}
		return err
	})
}

// errEnough ends a list.
var errEnough = errors.New("enough")

func (p *program) printPicture(line json.RawMessage, long, asJSON bool) error {
	if asJSON {
		_, err := fmt.Fprintf(p.stdout, "%s\n", line)
		return err
	}
	var pic picture
	if err := json.Unmarshal(line, &pic); err != nil {
		return fmt.Errorf("answer of the server: %w", err)
	}
	if long {
		pixels := "-"
		if pic.Width > 0 {
			pixels = fmt.Sprintf("%dx%d", pic.Width, pic.Height)
		}
		fmt.Fprintf(p.stdout, "%10d  %s  %-24s  %11s  ", pic.Size, pic.Created.Local().Format(time.DateTime), shown(pic.Type), pixels)
	}
	_, err := fmt.Fprintln(p.stdout, shown(pic.Name))
	return err
}

// shown is a stranger's text as a terminal may see it: quoted where it has what is not to
// be printed.
func shown(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
		return strconv.Quote(text)
	}
	return text
}

func (p *program) rmCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "rm NAME|URL...", Short: "Move pictures with their variants to the trash",
		Long: "Move pictures with their variants to the trash; short-lived ones are gone.\n" +
			"tintype trash list shows what can be restored.",
		Args: exactly(1, true, "NAME|URL..."),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a line of JSON for each: name, and error if it failed")
	return p.apiCommand(cmd, nil, func(ctx context.Context, a *api, args []string) error {
		failed := false
		for _, arg := range args {
			name, err := a.nameOf(ctx, arg)
			if err == nil {
				_, err = a.call(ctx, request{method: http.MethodDelete, path: "/picture", query: url.Values{"name": {name}}}, nil)
			} else {
				name = arg
			}
			failed = failed || err != nil
			switch {
			case asJSON && err != nil:
				printJSON(p.stdout, map[string]string{"name": name, "error": err.Error()})
			case asJSON:
				printJSON(p.stdout, map[string]string{"name": name})
			case err != nil:
				fmt.Fprintf(p.stderr, "tintype: %s: %v\n", shown(name), err)
			default:
				fmt.Fprintln(p.stdout, shown(name))
			}
			if err != nil && fatal(err) {
				return errSilent
			}
		}
		if failed {
			return errSilent
		}
		return nil
	})
}
