// Package web holds the static files of the console. They are part of the binary
// and ask no other origin for anything.
package web

import "embed"

// Files are served below /console/, index.html for the folder itself.
//
//go:embed index.html console.css console.js
var Files embed.FS
