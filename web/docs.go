package web

import "embed"

// Docs are the pages of the documentation, docs/NAME.md, in Markdown, and their
// stylesheet. README.zh-TW.md and README.zh-CN.md are translations of the README.
//
//go:embed docs/*.md docs/docs.css
var Docs embed.FS
