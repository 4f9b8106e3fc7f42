// Package inflate decompresses zlib streams (RFC 1950 and 1951) piece by piece, for a reader that wants the bytes in rows and once
// each. It is two to three times as fast as compress/zlib and holds no more than the window and a row.
//
//	next() ──> 64 bits ──> tables ──> window of 32 KiB and what Next hands out ──> Next(n), n bytes of it in place
//
// # What is promised
//
//   - What compress/zlib reads, this package reads, to the same bytes; what it refuses, this package refuses. A stream with a preset
//     dictionary is refused by both.
//   - No input makes it panic or read what it was not given.
//   - A Reader never asks next for more than it needs to go on, so at the end of the stream what follows it is left alone.
//   - Memory is fixed by NewReader, whatever the stream says: about 150 KiB, more only for rows that are longer than 64 KiB.
//
// A stream may be a thousand times as long as its input, or be input without end that comes to nothing. A caller who fears that can
// count in next and between calls of Next: the work for 64 KiB of either takes at most about 50 ms.
package inflate
