//go:build seedbug

package store

import "os"

// seeded says whether a bug is turned on that tests must notice:
//
//	early-name          names are in the index before their bytes are in place
//	unsynced-journal    changes are acknowledged before they are on the disk
//	unsynced-blobs      the journal forgets bytes that are not on the disk elsewhere
//	unsynced-directory  files are on the disk, and their entries are not
//	eager-unlink        bytes that are put again count on a file that is being removed
//	ack-on-error        changes that could not be written are acknowledged
func seeded(bug string) bool { return os.Getenv("TINTYPE_SEEDBUG") == bug }
