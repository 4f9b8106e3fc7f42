//go:build seedbug

package command

// wantBad: this build of the store names objects before their bytes are there.
const wantBad = true
