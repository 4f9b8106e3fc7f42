// Package jpeg decodes JPEG pictures at an eighth to eight eighths of their size, straight from the DCT coefficients: to make a
// thumbnail, most of a big picture's samples need never be computed.
//
//	Parse ── markers ──> Picture ── Size, Need: may we? ── Decode ──> bands of samples, per component
//
//	FF D8 | FF marker length payload | ... | FF DA length header  entropy-coded, FF 00 and FF D0..D7 inside | ... | FF D9
//
// It takes what the standard library's image/jpeg takes (8 bits; baseline, extended sequential and progressive; one, three or
// four components), with any sampling factors of T.81, and refuses what that refuses. It differs where image/jpeg strays from
// T.81 or knows too little:
//   - a scan of one subsampled component has its restart intervals counted in blocks, and only the blocks that show, as T.81 A.2
//     has it;
//   - an end-of-band run that is left at a scan's end is dropped, not carried over to the next;
//   - fill bytes before a stuffed 0 are skipped between scans too;
//   - a Huffman table with more codes than its lengths allow, an end-of-band run in a sequential scan, a side of 0 pixels and more
//     than MaxScans scans are refused;
//   - a component without a scan is gray, not black.
//
// Samples stay as stored: planar, subsampled, in the file's own colours. Resizing and converting is the caller's.
package jpeg
