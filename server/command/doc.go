// Package command is the command line of tintype: flags, environment and
// configuration file on one side, server.Config and store.Data on the other.
//
// A command that needs the data directory works whether a server runs on it or
// not. Where DIR/admin.sock answers, the command's words are sent there and run
// inside the server, on its open stores and with its configuration; its output
// comes back as it is written. Otherwise the command opens the directory itself.
//
//	tintype app add K ──> DIR/admin.sock? ──yes──> server: run(app add K) ──> output
//	                             └──no──> OpenData(DIR), run(app add K), Close
//
// Exit codes: 0 success; 1 a failure while running; 2 a wrong flag, value or file.
package command
