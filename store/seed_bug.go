//go:build seedbug

package store

const seededBug = true
