//go:build fire

package command

import (
	"os"
	"time"
)

var skew, _ = time.ParseDuration(os.Getenv("TINTYPE_SKEW"))

// now tells the time of a clock that is wrong by TINTYPE_SKEW.
func now() time.Time { return time.Now().Add(skew) }
