package command

import (
	_ "embed"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

//go:embed tintype.service
var unitText string

// stateDir is where systemd keeps what services store: StateDirectory=.
const stateDir = "/var/lib/"

func (p *program) unitCommand() *cobra.Command {
	var user, data, binary string
	cmd := &cobra.Command{
		Use: "install-unit [--user NAME] [--data DIR]", Short: "Print a systemd unit that runs the server with as few rights as it needs",
		Long: "Print a systemd unit that runs the server with as few rights as it needs, and how to install it. Without --user it runs\n" +
			"as a user that exists as long as the service does.",
		RunE: func(*cobra.Command, []string) error {
			data = filepath.Clean(data)
			state, ok := strings.CutPrefix(data, stateDir)
			switch {
			case !filepath.IsAbs(data) || !filepath.IsAbs(binary) || strings.ContainsAny(data+binary, " \t\n\"'\\%$"):
				return usagef("--data %q, --binary %q: want paths from / on, without blanks and quotes", data, binary)
			case strings.ContainsAny(user, " \t\n/:%"):
				return usagef("--user %q is no name of a user", user)
			case !ok && user == "":
				return usagef("--data %s is not below %s: it needs an owner, give --user", data, stateDir)
			}
			owner, place, flags := "DynamicUser=yes", "ReadWritePaths="+data, ""
			if user != "" {
				owner, flags = "User="+user, " --user "+user
			}
			if ok {
				place = "StateDirectory=" + state + "\nStateDirectoryMode=0700"
			}
			if data != stateDir+"tintype" {
				flags += " --data " + data
			}
			_, err := io.WriteString(p.stdout, strings.NewReplacer("@binary@", binary, "@data@", data, "@flags@", flags, "@owner@", owner, "@place@", place,
				"@stop@", fmt.Sprintf("%.0f", (drainTime+15*time.Second).Seconds())).Replace(unitText))
			return err
		},
	}
	cmd.Flags().StringVar(&user, "user", "", "`NAME` of the user to run as, who owns the data directory")
	cmd.Flags().StringVar(&data, "data", stateDir+"tintype", "`DIR` for everything that is kept")
	cmd.Flags().StringVar(&binary, "binary", "/usr/local/bin/tintype", "where the binary is")
	return cmd
}
