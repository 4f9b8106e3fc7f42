//go:build seedbug

package command

import "os"

// wantBad: this build of the store has the bug that the environment names.
var wantBad = os.Getenv("TINTYPE_SEEDBUG") != ""
