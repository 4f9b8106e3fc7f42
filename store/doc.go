// Package store keeps pictures at rest: bytes in a content-addressed directory,
// names in a bbolt index beside it. It knows nothing of HTTP, signatures or
// picture formats.
//
// # What is promised
//
// When [Disk.Apply] returns nil, the whole change is done: every item is readable
// under its name, every edit is told by Stat, and stays so through a kill at any
// moment. Otherwise none of it is, and the next reader sees what was there. A
// durable Disk has also forced bytes, directory entries and index to the disk,
// so that a power cut costs nothing. A relaxed Disk does that up to
// [SyncInterval] later: a power cut may cost the pictures of that time.
// What is promised is what an honest disk can give; the loss of the disk
// itself is what backups are for.
//
// Deleting one name never takes another name's bytes: a blob is removed with
// its last name.
//
// # On disk
//
//	DIR/
//	  keys.json             applications and account keys, mode 0600 (Registry)
//	  pictures/             durable tier
//	    meta.db             index: names, ids, reference counts, due times
//	    tmp/                bytes on their way in; emptied on open
//	    blobs/ab/cd/<digest>.<size>
//	  cache/                time-limited tier, same layout, relaxed
//
// A blob file is its bytes, unchanged, followed by its ledger: one record for
// each name it gained (+) or lost (-); a name that is there already is gained
// again when something told of it changes, and the last record counts. The size in the file name says where the
// ledger starts, so that any picture viewer opens the file, and
// "head -c SIZE FILE | sha256sum" gives its digest.
//
//	+-----------------+------------+------------+---
//	| bytes (size)    | + name A   | + name B   | - name A ...
//	+-----------------+------------+------------+---
//
//	record:  length u32 | body | crc32c(body) u32 | length u32   (little endian)
//	body:    version u8 | op u8 ('+', '-') | name, uvarint length first | row
//	row:     fields: tag u8, uvarint length, value                (row.go)
//
// The ledgers hold everything that meta.db holds about pictures, so [Rebuild]
// makes the index anew from the directory alone. A durable Disk does so where its
// index is missing; a relaxed one also after every unclean stop, since nothing
// orders what a power cut leaves of its index. Rows in the index carry a CRC-32C
// over their key and value, since bbolt has no checksum of its own.
//
// # Order of one Apply
//
//	stage    write tmp/N: bytes, then the record; fsync       (in parallel)
//	decide   may it be, in a bbolt transaction                (one at a time
//	place    rename to blobs/..; fsync the directory           from here on)
//	         or, if the blob is there: append the record, fsync
//	commit   names, ids, counts, due times, names lost elsewhere
//	release  unlink blobs that lost their last name; tell the ledgers of
//	         others that they lost one
//
// A ledger gains a name before the index does and loses it after. A stop between
// the two leaves a blob that nothing names, removed on the next open (after an
// unclean stop the directory is compared with the index); or a ledger with a lost
// name, told on the next open (bucketLost has it); or one with a name that was
// never acknowledged, which a Rebuild may bring. It never leaves a name without
// bytes. A change that is refused or fails takes its files back.
package store
