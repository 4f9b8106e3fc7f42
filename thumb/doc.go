// Package thumb looks at pictures that strangers send and makes smaller ones. It works on bytes in memory, knows nothing of files
// or HTTP, keeps no state, and everything in it may be called concurrently.
//
//	bytes ──> Sniff ──> header ──> limits ──> Picture                                          Stat
//	                                  │
//	                                  ├─> Admit ──> source ──> canvas per size ──> encode      Make
//	                                  │             rows of    rows filtered,      JPEG q80
//	                                  │             planes     upright             or PNG
//	                                  │
//	                                  └─> Admit ──> source ──> frame ──> nfnt ──> encode       Convert
//
// A picture is planes all the way: luma and chroma, red, green and blue, or one of gray. A source hands out their rows as it decodes
// them, and every canvas filters them at once, so that of a large picture no more is in memory than the rows that the filter needs:
//
//   - A JPEG is decoded at N/8 of its size, N from 1 to 8, as small as leaves the filter 1.4 times the thumbnail (package jpeg). Its
//     chroma stays subsampled from file to file. Nothing is converted to red, green and blue.
//   - A PNG is inflated and unfiltered row by row (packages png, inflate). Only an interlaced one needs a frame.
//   - The first frame of a GIF is read row by row, and its colours are looked up straight into planes (package gif).
//   - BMP and WebP come from decoders of whole frames.
//
// The filter is Lanczos of three lobes in fixed point, which turns the picture upright on the way (package resample). Convert is for
// dfsapi's gainImage, which enlarges and distorts too, and is defined by the two lobes of github.com/nfnt/resize.
//
// On amd64 a build with GOEXPERIMENT=simd takes AVX2 where the processor has it. The bytes that come out are the same.
//
// # What is promised
//
//   - A picture is what its bytes say, whatever its name was: JPEG, PNG, GIF, BMP or WebP. Anything else is ErrFormat.
//   - Sizes are those a viewer shows, so after the EXIF orientation of a JPEG, PNG or WebP.
//   - A thumbnail fits its size, is never larger than the picture, stands upright and carries no metadata. A JPEG gives a JPEG;
//     the others give a PNG where any pixel is not opaque, and a JPEG otherwise.
//   - Nothing is shifted: a point of the picture is at the same place in the thumbnail, to a fraction of a pixel, chroma too.
//   - Of an animated GIF or WebP the first frame is taken, on its whole canvas, as a viewer shows it before it plays; of an animated
//     PNG, the picture that viewers without animation show.
//   - A picture that ends early, or is broken otherwise, is ErrDamaged as a whole; half a photo never becomes a thumbnail.
//   - No input makes the package panic. A decoder's panic becomes ErrDamaged, at one place (recovered).
//
// # Limits
//
// A picture of a few hundred bytes can ask for gigabytes or for minutes, so everything is judged from the headers before the first
// pixel is decoded. A 277-byte PNG of 50000x50000 took 9.8 GB and 43 s when decoded first; a 93 KB progressive JPEG of 1,001 scans
// took 54 s and passed every limit on size.
//
//	pixels, side        Limits, 50 megapixels and 32767 by default: ErrTooLarge
//	scans of a JPEG     jpeg.MaxScans, and scans x megapixels 1000 (one costs about 2 ms): ErrTooLarge
//	time to decode      Limits, 5 s by default, looked at before each row of blocks, 64 KiB or read: ErrTooSlow. Encoding is not
//	                    limited: at most a second for a megapixel, by the size of what is made
//	memory              Limits.Admit is told what a decode may take before any of it is allocated, and may refuse or wait
//
// The time limit is the second line, for what the others did not think of. How many decodes run at once is the caller's choice.
//
// # What is not done
//
//   - Colour profiles are dropped and not applied, as metadata. A photo in a wide gamut (Display P3) looks a little paler in its
//     thumbnail; CMYK is converted by the plain formula, as no profile is looked at.
//   - 12-bit, lossless and arithmetic-coded JPEG, one that tells its height behind the first scan, CMYK JPEG without Adobe's marker,
//     and BMP that is compressed, of 16 bits or with an OS/2 header, are ErrUnsupported: the decoders do not know them.
//   - BMP and WebP exist as a frame while they are decoded, of 4 bytes a pixel, or 2 to 7.
//   - A JPEG that lacks its end-of-image marker is ErrDamaged, though some viewers show it: nothing tells it from a cut one.
//   - Channels of 16 bits are cut to 8.
package thumb
