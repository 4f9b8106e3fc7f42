//go:build !linux

package store

import (
	"errors"
	"os"
)

func syncData(f *os.File) error       { return f.Sync() }
func syncFileSystem(f *os.File) error { return errors.ErrUnsupported }
func tellsSyncErrors() bool           { return false }
