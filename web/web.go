// Package web holds the static files of the console. They are part of the binary
// and ask no other origin for anything.
//
// The console is written as it is served: modules of the browser, which index.html
// and main.js lead to, and no step that builds them. vendor/preact.js is
// preact/standalone.module.js of htm 3.1.1, unchanged.
package web

import "embed"

// Files are served below /console/, index.html for the folder itself.
//
//go:embed index.html console.css mark.svg *.js lang pages parts vendor
var Files embed.FS
