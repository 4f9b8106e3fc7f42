//go:build !seedbug

package command

const wantBad = false
