// Package server answers the two legacy APIs, dfsapi and QStorage, and the picture
// URLs that they hand out. It is the only package that knows HTTP.
//
// routes.go has every URL. An upload goes through
//
//	form.go        the multipart body, part by part, under limits
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
//	blob.go        /{container}/{folder}/{file}: address, token, then the object
//	link.go        /{group}/M00/HH/LL/{file}: token if there is to be one, then the object
//	gain.go        gainImage: an object by its file ID, scaled
//	download.go    conditions and range, then the bytes
//
// # What is promised
//
// Nothing is acknowledged before the store has it. A signature is compared only
// after the application is known, and a container's owner is looked at before
// anything is read or deleted in it. Existence is never told before the token
// holds. The raw path of a request is decoded once, by one function, and names
// are looked up, never joined to a directory.
//
// An API answers in its own form whatever happens: a body that is too large is
// read to its end first (request.go), a panic becomes the API's error (Server.call),
// and a process without free descriptors goes on accepting (listen.go).
//
// No secret, signature or query string reaches the log. Errors of parsing
// therefore name the field and never quote its value.
package server
