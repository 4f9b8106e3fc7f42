// Package png reads PNG pictures row by row, so that one of 50 megapixels never exists as a frame. It works on a file in memory and
// knows nothing of sizes that are too large, but for interlaced pictures: its caller holds Width and Height against its limits
// between Parse and Rows.
//
//	Parse: chunks, checksums, header, palette ──> Picture
//	Rows:  IDAT ──> inflate ──> unfilter ──> 8 bits a channel ──> sink(y, row)
//
// # What is promised
//
//   - The pixels are those of image/png, all colour types and depths of it; the channels of 16 bits are cut to their high byte.
//   - What image/png refuses is ErrDamaged: from Parse if it shows without inflating, and otherwise from Rows, whose sink may have
//     been given rows by then. There is one known difference. Whether image/png takes bytes that follow the end of the pixels in
//     their chunk depends on how its buffer was filled; this package decides as it does for compressed blocks, and may decide
//     otherwise when the pixels were stored uncompressed.
//   - Parse costs one walk over the bytes for their checksums and keeps no copy, so the file must stay unchanged while the Picture is
//     used. Rows may be called any number of times, also concurrently.
//   - Rows allocates Need bytes, about 150 KiB and three rows, whatever the file says; for an interlaced picture a frame besides, as
//     its first row is not known before its last pass.
//   - No input makes the package panic.
//
// # What is not done
//
// Gamma and colour profiles are not applied. Of an animation, the frames after the first picture are not looked at. Chunks of which
// nothing is needed are skipped once their checksum was found right.
package png
