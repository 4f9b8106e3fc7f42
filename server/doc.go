// Package server answers the two legacy APIs, dfsapi and QStorage, and the picture
// URLs that they hand out. It is the only package that knows HTTP.
//
// routes.go has every URL. An upload goes through
//
//	form.go        the multipart body, part by part, under limits
//	uploads.go     memory for the picture in it, or else a file
//	dfsapi.go,     what is asked and may they: one check after the other, in the
//	qstorage.go    order of the contract, each with an error of its own; then
//	               upload.go, delete.go, sastoken.go, portrait.go
//	thumb          what picture is it, and smaller ones
//	store          durable, all of it or nothing
//	*_reply.go     the answer in the API's own envelope, or the error's code from
//	               the one table of that API
//
// and a read through
//
//	proxies.go     for whom does a trusted proxy ask
//	grant.go       was this very link checked before, and holds it still
//	blob.go        /{container}/{folder}/{file}: address, token, then the operation;
//	               here the object, or a variant that is made of it (variant.go)
//	link.go        /{group}/M00/HH/LL/{file}: token if there is to be one, then the object
//	gain.go        gainImage: an object by its file ID, scaled
//	hot.go         the picture: from memory, as an open file, or out of the store
//	download.go    conditions and range
//	conn_linux.go  header and bytes in one call, or the system sends the file
//	poller_linux.go  which connections have something to read, in their order
//
// The same URLs are an Azure Blob endpoint: blob.md of the contract has its
// operations, blob.go their table, and
//
//	blob_write.go  Put Blob, Put Block, Set Metadata, Set Properties, Delete Blob
//	block_list.go  Put Block List: a blob of staged blocks, and of those it had
//	blob_list.go   List Blobs, as XML
//	blob_headers.go  what a blob is told with: properties, metadata, MD5
//	conditions.go  If-Match and the others, for reads and for writes
//
// The console (package web) and the shell commands are clients of the native API,
// which openapi.json describes:
//
//	api.go         its operations, their answers, the table of errors
//	session.go     who may: an admin token, as a bearer or in the console's cookie
//	api_find.go    lists: pages with a cursor, each of which looks at so much and no more
//	api_*.go       pictures, trash, applications, links, backup
//	explain.go     why a link works or not
//	audit.go       who did what, when and from where: one line for each event
//	quota.go       what an application may have, decided with the change itself
//
// A body goes into the store as it arrives, so that memory does not grow with it.
// Staged blocks are objects like others, under names that no path can say, with a
// time of 7 days. Conditions of a write are looked at twice: before the body, so
// that none is sent in vain, and in the transaction, where they hold.
//
// A picture is an original, {folder}/{folder}_full.{ext}, with the variants made of
// it beside: by an upload at once, otherwise on the first request. They go into the
// trash together, and a replaced original takes those that were made of it along.
//
// docs.go serves the documentation that package web holds, rendered once.
//
// # What is promised
//
// No answer is older than a change that was acknowledged: what is kept of a picture
// counts only while the store's version of its name is the one from before it was
// opened. It was compared with its checksum when it came to be kept, and will be by a
// scrub, but not each time that it is sent. A link that fails is checked again each
// time.
//
// Nothing is acknowledged before the store has it. A signature is compared only
// after the application is known, and a container's owner is looked at before
// anything is read or deleted in it. Existence is never told before the token
// holds. The raw path of a request is decoded once, by one function, and names
// are looked up, never joined to a directory.
//
// A file that somebody uploaded never acts as a page: what is no picture by its own
// bytes is a download, and everything carries nosniff and a sandbox.
//
// An API answers in its own form whatever happens: a body that is too large is
// read to its end first (request.go), a panic becomes the API's error (Server.call),
// and a process without free descriptors goes on accepting (listen.go).
//
// No secret, signature or query string reaches the log. Errors of parsing
// therefore name the field and never quote its value.
package server
