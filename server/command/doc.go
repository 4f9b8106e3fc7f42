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
// A server reads secrets again while it runs (reload.go): the registry, --app and the keys
// of links, from files that the environment names or from the configuration file, and the
// certificate. Requests ask for them each time. All else takes a restart.
//
// With --store s3:// (shared.go) tiers are those of many servers: what is in the directory is a
// server's own, and what all have to agree on, applications and keys, comes from settings alone.
//
// Commands that move pictures (put, get, ls, rm, import) are clients of the native API, from
// where their files are: transport.go. They ask the server at the socket for its address and
// an admin token, or are told both, or run a server of their own on the directory:
//
//	tintype put F ──> DIR/admin.sock? ──yes──> its address, a token ──> HTTP to the server
//	                       └──no──> OpenData(DIR), a server in this process ──> HTTP in memory
//
// An import is a source of entries (import_fastdfs.go, import_folder.go, import_azure.go) and
// an importer that checks each of them and stores it under its name (import.go).
//
// Exit codes: 0 success; 1 a failure while running; 2 a wrong flag, value or file.
package command
