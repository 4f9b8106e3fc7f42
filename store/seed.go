//go:build !seedbug

package store

// seededBug names an object before its bytes are in place. Tests that kill the
// server turn it on, to prove that they would notice.
const seededBug = false
