package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageError is a mistake in what was typed or configured: exit code 2.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errSilent ends a command that has said everything itself: exit code 1.
var errSilent = errors.New("said already")

// program is one run of the command line.
type program struct {
	args   []string
	stdout io.Writer
	stderr io.Writer
	// terminal: a person looks at stderr, and wants to see that work goes on.
	terminal bool
	live     *live // the data of the server that runs this command; nil: a process of its own
	set      *settings
}

// Main runs the command line args and returns the exit code. Cancelling ctx
// stops a server as SIGTERM does.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return run(ctx, &program{args: args, stdout: stdout, stderr: stderr, terminal: isTerminal(stderr)})
}

func run(ctx context.Context, p *program) int {
	p.set = newSettings()
	root := p.root()
	root.SetArgs(p.args)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	cmd, err := root.ExecuteContextC(ctx)
	switch usage := (usageError{}); {
	case err == nil:
		return 0
	case !errors.Is(err, errSilent):
		if (cmd == root || cmd.Name() == "serve") && p.set.logsJSON(p.args) {
			p.set.logFormat.value = "json"
			p.set.logger(p.stderr).Error(err.Error())
		} else {
			fmt.Fprintln(p.stderr, "tintype:", err)
		}
		fallthrough
	default:
		if errors.As(err, &usage) {
			return 2
		}
		return 1
	}
}

// root is the tree of commands. Plain "tintype" serves.
func (p *program) root() *cobra.Command {
	root := p.serveCommand()
	root.Use, root.Short = "tintype", "Picture storage for dfsapi and QStorage clients, in one binary"
	root.Long = root.Short + ".\nWithout a command it serves."
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetHelpCommand(&cobra.Command{Hidden: true, Use: "no-help"})
	root.AddCommand(p.serveCommand(), p.putCommand(), p.getCommand(), p.lsCommand(), p.rmCommand(), p.importCommand(),
		p.appCommand(), p.accountCommand(), p.tokenCommand(), p.consoleCommand(), p.snippetCommand(), p.statsCommand(), p.doctorCommand(),
		p.unitCommand(), p.copyCommand(), p.backupCommand(), p.restoreCommand(), p.scrubCommand(), p.gcCommand(), p.trashCommand(), p.rebuildCommand(), p.thumbCommand(), p.versionCommand())
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		if cmd != root {
			help(cmd, args)
			return
		}
		fmt.Fprintf(p.stdout, "%s\n\nUsage:\n  tintype [FLAGS OF SERVE]\n  tintype COMMAND\n\nCommands:\n", root.Long)
		for _, sub := range root.Commands() {
			if !sub.Hidden {
				fmt.Fprintf(p.stdout, "  %-13s %s\n", sub.Name(), sub.Short)
			}
		}
		fmt.Fprint(p.stdout, "\n\"tintype COMMAND --help\" tells more, \"tintype serve --help\" all settings.\n")
	})
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError{nearestFlag(cmd, err)} })
	each(root, func(cmd *cobra.Command) {
		if cmd.Args == nil {
			cmd.Args = noArgs
		}
		if cmd.HasSubCommands() && cmd.RunE == nil {
			cmd.RunE = func(cmd *cobra.Command, _ []string) error {
				return usagef("%s needs one of its commands: %s", cmd.CommandPath(), strings.Join(names(cmd), ", "))
			}
		}
		cmd.DisableFlagsInUseLine = true
	})
	return root
}

func each(cmd *cobra.Command, f func(*cobra.Command)) {
	f(cmd)
	for _, sub := range cmd.Commands() {
		each(sub, f)
	}
}

// names lists the commands below cmd.
func names(cmd *cobra.Command) []string {
	var list []string
	for _, sub := range cmd.Commands() {
		if !sub.Hidden {
			list = append(list, sub.Name())
		}
	}
	return list
}

// noArgs refuses arguments; below a command that has commands they are misspelt ones.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !cmd.HasSubCommands() {
		return usagef("%s takes no argument %q", cmd.CommandPath(), args[0])
	}
	return usagef("unknown command %q%s", strings.TrimPrefix(cmd.CommandPath()+" "+args[0], "tintype "), meant(args[0], names(cmd), ""))
}

// exactly asks for n arguments, or for n and more where more is set.
func exactly(n int, more bool, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < n || len(args) > n && !more {
			return usagef("usage: %s %s", cmd.CommandPath(), what)
		}
		return nil
	}
}

// nearestFlag adds what was probably meant to an error about an unknown flag.
func nearestFlag(cmd *cobra.Command, err error) error {
	unknown := new(pflag.NotExistError)
	if !errors.As(err, &unknown) {
		return err
	}
	var flags []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { flags = append(flags, f.Name) })
	return fmt.Errorf("unknown flag --%s%s", unknown.GetSpecifiedName(), meant(unknown.GetSpecifiedName(), flags, "--"))
}

// meant names the nearest of the candidates, "" if none is near.
func meant(word string, candidates []string, prefix string) string {
	best, least := "", max(len(word)/2, 2)+1
	for _, c := range candidates {
		if d := distance(word, c); d < least {
			best, least = c, d
		}
	}
	if best == "" {
		return "; see tintype --help"
	}
	return fmt.Sprintf("; did you mean %s%s?", prefix, best)
}

// distance is the number of letters to insert, delete or replace between a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
