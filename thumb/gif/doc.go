// Package gif reads the first frame of GIF pictures row by row, so that one of 50 megapixels never exists as a frame. It works on a
// file in memory and knows nothing of sizes that are too large: its caller holds Width and Height against its limits between Parse
// and Rows.
//
//	Parse: screen, palettes, extensions, head of the first frame ──> Picture
//	Rows:  blocks of 255 bytes ──> LZW ──> sink(y, row of indices)
//
// # What is promised
//
//   - The pixels are those of image/gif. What its DecodeConfig refuses is refused by Parse, and what its Decode refuses beyond that,
//     by Rows, whose sink may have been given rows by then. Both take what it takes: a stream without its end code, a few bytes behind
//     it, a transparent colour behind the palette, and anything behind the first frame.
//   - Parse costs a walk over what is before the pixels and keeps no copy, so the file must stay unchanged while the Picture is used.
//     Rows may be called any number of times, also concurrently.
//   - Rows allocates Need bytes, about 120 KiB and a row, whatever the file says; for an interlaced frame its pixels besides, as the
//     second row comes last.
//   - No input makes the package panic.
//
// # What is not done
//
// Frames after the first are not looked at, nor is anything about time, or the colour of the background: it is transparent, as all
// viewers have it.
package gif
