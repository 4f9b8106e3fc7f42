package command

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"tintype/server"
)

func (p *program) snippetCommand() *cobra.Command {
	var key string
	languages := strings.Join(server.SnippetLanguages, "|")
	cmd := &cobra.Command{
		Use: "snippet " + languages + " [--app KEY]", Short: "Print a program that uploads a picture to this server",
		Long: "Print a program that uploads a picture to this server by dfsapi and prints its URL. It needs nothing but what the\n" +
			"language comes with, and has the secret of the application in it.",
		Args: exactly(1, false, languages+" [--app KEY]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withData(cmd, func(l *live) error {
				app, err := server.SnippetApp(l.apps, key)
				if errors.Is(err, server.ErrSnippet) {
					return fmt.Errorf("%w; add one: tintype app add KEY", err)
				}
				if err != nil {
					return err
				}
				url := l.cfg.PublicURL
				if url == "" { // no server runs: where it would listen
					url = "http://" + p.set.listen
				}
				text, err := server.Snippet(args[0], server.SnippetValues{PublicURL: strings.TrimRight(url, "/"), App: app.Key, Secret: app.Secret})
				if err != nil {
					return usageError{err}
				}
				_, err = io.WriteString(p.stdout, text)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&key, "app", "", "`KEY` of the application that uploads (default: the first that can)")
	cmd.Flags().AddFlagSet(p.set.flags(dataFlags...))
	return cmd
}
