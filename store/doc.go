// Package store keeps pictures at rest, for one server in a directory ([Disk]), or for any
// number of them in S3 ([Bucket]) and, those with a time limit, in Redis ([Redis]). It knows
// nothing of signatures or picture formats, and of HTTP only what S3 is called by.
//
// In a directory bytes are content-addressed, names in a bbolt index beside them, and in
// front of both there is a journal, so that an acknowledgement costs one sync that many share.
// All up to the last section is about that.
//
// # What is promised
//
// When [Disk.Apply] returns nil, the whole change is done: every item is readable
// under its name, every edit is told by Stat, and stays so through a kill at any
// moment. Otherwise none of it is, and the next reader sees what was there. A
// durable Disk has also forced the change to the disk, so that a power cut costs
// nothing. A relaxed Disk does that up to [SyncInterval] later: a power cut may
// cost the pictures of that time. What is promised is what an honest disk can give;
// the loss of the disk itself is what backups are for.
//
// Deleting one name never takes another name's bytes: a blob is removed with
// its last name.
//
// After a sync that failed the Disk is read-only until the next start: nobody knows
// what the kernel has dropped. Where the disk is full, new pictures are refused
// with [ErrFull] while there is still a reserve for deletions, and accepted again
// when there is room.
//
// # On disk
//
//	DIR/
//	  keys.json             applications, account and admin keys, mode 0600 (Registry)
//	  audit.log             what was done, a line for each event; audit.1.log and so on
//	                        are the files before it (AuditLog)
//	  pictures/             durable tier
//	    meta.db             index: names, ids, counts of names, due times, what each
//	                        owner has (rows.go)
//	    journal/            changes that the index does not have yet (frame.go)
//	    tmp/                larger bodies on their way in
//	    blobs/ab/<digest>.<size>
//	  cache/                time-limited tier, same layout, relaxed
//	  restored/             a backup that was restored beside a running server, until it
//	                        takes the place of the tiers and keys.json (replace.go)
//
// A blob file is its bytes, unchanged, followed by its ledger: one record for
// each name it gained (+) or lost (-); a name that is there already is gained
// again when something told of it changes, and the last record counts. The size in
// the file name says where the ledger starts, so that any picture viewer opens the
// file, and "head -c SIZE FILE | sha256sum" gives its digest.
//
//	+-----------------+------------+------------+---
//	| bytes (size)    | + name A   | + name B   | - name A ...
//	+-----------------+------------+------------+---
//
//	record:  length u32 | body | crc32c(body) u32 | length u32   (little endian)
//	body:    version u8 | op u8 ('+', '-') | name, uvarint length first | row
//	row:     fields: tag u8, uvarint length, value                (row.go)
//
// A relaxed Disk leaves small blobs in the journal, where they came (resident.go): most
// of them end there, a whole segment of them at about the same time, and never cost a
// file. A segment stays until no blob is in it, nor in one before it, so that the
// journal has everything that happened to those that it has. What gets a second
// name, or changes, moves to a file with a ledger, and so do those that are left where
// more than half of what stays is for nothing.
//
// The ledgers hold everything that meta.db holds about pictures, so [Rebuild]
// makes the index anew from ledgers and journal. Rows in the index carry a CRC-32C
// over their key and value, since bbolt has no checksum of its own, and a row that
// is missing is only believed where its neighbours fit.
//
// Counters of all objects, and of those of each owner (usage.go), change with the names
// that they count, in the same frame. An index from before there were owners' counters is
// counted once, when it is opened: the counters and the format that vouches for them come
// into the index at once. Where that fails, nothing is told of owners until a start at
// which it does not.
//
// # The way of a change
//
//	stage       bytes to memory, or to a synced file of tmp/         (in parallel)
//	decide      may it be; its rows, over a copy of the head         (one at a time)
//	journal     one frame for all changes that came meanwhile, one
//	            fdatasync
//	publish     readers see the head; the callers return
//
//	checkpoint  when a segment is full, or after checkpointAfter: the head is
//	            frozen, changes go on in a new head and another segment
//	  files     blobs that lost their last name are unlinked; new blobs are written
//	            out of the journal, or renamed out of tmp/; ledgers are told
//	  sync      of all of that at once
//	  index     the rows, and the number of the last frame they come from
//	  release   the segment gets another ID, so that its frames are none, and is used
//	            again; a relaxed Disk's stays, and what need not stay any more goes
//
// Everything up to the last step is in the journal as well and can be done again,
// so that a stop at any point costs nothing: the next start reads the frames behind
// the number in the index, freezes them, and runs the same checkpoint. No start
// looks at every file or row.
//
// # What is seen
//
// A reader looks at head, frozen layer and index, in this order (stack): it sees a
// change as soon as it is published, and never half of one. The head is copied on
// write, so that readers take no locks. Blobs are read out of the journal until they
// have a file.
//
// # Who comes first
//
// One goroutine decides all changes, and one checkpoint at a time changes blob
// files. A blob that lost its last name and is put again in the same breath has its
// bytes in the journal once more; the checkpoint that unlinks the old file is over
// before the one begins that writes the new. So sweeps and uploads exclude each
// other without a lock between them.
//
// # In S3
//
// A [Bucket] has no index, and keeps nothing in memory that another server has to know. Each
// object is one key: its bytes, and beside them, as metadata, its row (row.go), sealed with its
// name. Keys sort as names do (keys.go).
//
//	PREFIX/_layout                    number of buckets and format; in each bucket
//	PREFIX/TIER/o/<name>-             an object; attributes of over 1,200 bytes follow its bytes
//	PREFIX/TIER/i/<ID>-               the name of the object that has the ID
//	PREFIX/TIER/x/<hour>/<mmss>/<name>-   the object expires then: for Sweep
//	PREFIX/TIER/t/<hour>/<mmss>/<name>-   it was moved to the trash then: likewise
//	PREFIX/TIER/n/<server>-           what a server has counted (tally.go)
//
// A change (bucket_apply.go, bucket_do.go):
//
//	stage     bytes to memory or a file; SHA-256, which S3 compares as well
//	hold      its names, within this process, and those that it comes to look at (locks.go)
//	plan      what is under each name now, and what is to be
//	point     IDs, and when objects are due
//	write     variants, then originals: PUT of new bytes, COPY of what moves
//	remove    DELETE of what has moved or is to go, variants first
//
// Where it breaks off, each object is as it was or as it is to be, and the same change again
// goes through with it. A new name is put with If-None-Match: of two servers one gets it. Names
// of the upload APIs are written once, so that servers have nothing to race for; otherwise who
// writes last wins.
//
// A call that nothing has answered is made again, at another endpoint, and the first attempt
// may do its work later. A put that finds its name taken looks whether it was its own, by a
// random number beside the bytes. A put that was tried twice says so beside its bytes, until
// when the first may come: what is deleted before that leaves something in its place, so that
// it does not come back.
//
// What has expired is not seen from that moment on, by S3's clock (clock.go), which all servers
// share. Sweeps list what is due, by any server: each looks at an object before it removes it.
package store
