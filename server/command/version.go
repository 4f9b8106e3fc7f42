package command

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// release and releaseCommit are set by the linker in release builds:
// -X tintype/server/command.release=v1.2.3. Go looks for a commit in some checkouts only.
var release, releaseCommit string

// version is that of a release, or else the one that Go has found: of the module that was
// installed, or of the commit that was built. Of neither, as with go run, it is "dev".
func version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}

// commit is the one that was built, "unknown" where nobody knows.
func commit() string {
	if releaseCommit != "" {
		return releaseCommit
	}
	built := map[string]string{"vcs.revision": "unknown"}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			built[s.Key] = s.Value
		}
	}
	if built["vcs.modified"] == "true" {
		return built["vcs.revision"] + "+dirty"
	}
	return built["vcs.revision"]
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print version, commit and Go version",
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprintf(p.stdout, "tintype %s\ncommit  %s\n%s %s/%s\n", version(), commit(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
}
