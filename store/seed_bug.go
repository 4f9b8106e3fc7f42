//go:build seedbug

package store

import "os"

// seeded says whether a bug is turned on that tests must notice:
//
//	early-name        names are in the index before their bytes are in place
//	unsynced-journal  changes are acknowledged before they are on the disk
//	unsynced-blobs    the journal forgets bytes that are not on the disk elsewhere
func seeded(bug string) bool { return os.Getenv("TINTYPE_SEEDBUG") == bug }
