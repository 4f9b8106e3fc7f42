// Package thumb looks at pictures that strangers send and makes smaller ones. It works on bytes in memory, knows nothing of files
// or HTTP, keeps no state, and everything in it may be called concurrently.
//
//	bytes ──> Sniff ──> header ──> limits ──> Picture                                       Stat
//	                                  │
//	                                  └─> decode ──> resample ──> turn ──> encode           Make, Convert
//	                                      once       per size     upright  JPEG q80 or PNG
//
// # What is promised
//
//   - A picture is what its bytes say, whatever its name was: JPEG, PNG, GIF, BMP or WebP. Anything else is ErrFormat.
//   - Sizes are those a viewer shows, so after the EXIF orientation of a JPEG, PNG or WebP.
//   - A thumbnail fits its size, is never larger than the picture, stands upright and carries no metadata. A JPEG gives a JPEG;
//     the others give a PNG where any pixel is not opaque, and a JPEG otherwise.
//   - Of an animated GIF or WebP the first frame is taken, on its whole canvas, as a viewer shows it before it plays; of an animated
//     PNG, the picture that viewers without animation show.
//   - A picture that ends early, or is broken otherwise, is ErrDamaged as a whole; half a photo never becomes a thumbnail.
//   - No input makes the package panic. A decoder's panic becomes ErrDamaged, at one place (guarded).
//
// # Limits
//
// A picture of a few hundred bytes can ask for gigabytes or for minutes, so everything is judged from the headers before the first
// pixel is decoded. A 277-byte PNG of 50000x50000 took 9.8 GB and 43 s when decoded first; a 93 KB progressive JPEG of 1,001 scans
// took 54 s and passed every limit on size.
//
//	pixels, side        Limits, 50 megapixels and 32767 by default: ErrTooLarge
//	scans of a JPEG     100, and scans x megapixels 1000 (one costs about 2 ms): ErrTooLarge
//	time to decode      Limits, 5 s by default, looked at whenever the decoder reads: ErrTooSlow
//
// The time limit is the second line, for what the others did not think of. It does not stop the work on bytes already read, which
// they bound. Memory is bounded by the pixels: about 7 bytes for each with a baseline JPEG, 20 with a progressive one, 14 with a PNG
// of 16 bits a channel. How many run at once is the caller's choice.
//
// # What is not done
//
//   - Colour profiles are dropped and not applied, as metadata. A photo in a wide gamut (Display P3) looks a little paler in its
//     thumbnail; CMYK is converted by the plain formula, as no profile is looked at.
//   - 12-bit, lossless and arithmetic-coded JPEG, CMYK JPEG without Adobe's marker, and BMP that is compressed, of 16 bits or
//     with an OS/2 header, are ErrDamaged: the decoders do not know them.
//   - A JPEG that lacks its end-of-image marker is ErrDamaged, though some viewers show it: nothing tells it from a cut one.
//   - Channels of 16 bits are cut to 8.
package thumb
