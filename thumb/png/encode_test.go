package png

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"testing"
)

// file is a PNG to be written as image/png would not: any filters, depth, chunks.
type file struct {
	w, h, depth int
	kind        colorType
	interlaced  bool
	filter      int // or mixed
	idat        int // how long the IDAT chunks are; 0 is all in one
	level       int
	palette     []byte
	trns        []byte
	before      []byte // whole chunks to stand before the pixels
	after       []byte // and after them
	more        []byte // bytes to be added to the pixels, before compression
	junk        []byte // after it
	rows        int    // if not 0, how many rows are written
}

const mixed = -1

func chunkOf(kind string, payload []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(payload)))
	b = append(append(b, kind...), payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

func (f file) header() []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(f.w))
	b = binary.BigEndian.AppendUint32(b, uint32(f.h))
	b = append(b, byte(f.depth), byte(f.kind), 0, 0, 0)
	if f.interlaced {
		b[12] = 1
	}
	return chunkOf("IHDR", b)
}

func (f file) encode(tb testing.TB) []byte {
	tb.Helper()
	rng := rand.New(rand.NewPCG(uint64(f.w), uint64(f.h)))
	var raw []byte
	if f.interlaced {
		for _, a := range passes {
			w, h := (f.w-a.x+a.dx-1)/a.dx, (f.h-a.y+a.dy-1)/a.dy
			if w > 0 {
				raw = f.appendPass(raw, w, h, rng)
			}
		}
	} else {
		raw = f.appendPass(raw, f.w, f.h, rng)
	}
	raw = append(raw, f.more...)
	var packed bytes.Buffer
	zw, err := zlib.NewWriterLevel(&packed, f.level)
	if err != nil {
		tb.Fatal(err)
	}
	zw.Write(raw)
	zw.Close()

	out := append([]byte(signature), f.header()...)
	if f.palette != nil {
		out = append(out, chunkOf("PLTE", f.palette)...)
	}
	if f.trns != nil {
		out = append(out, chunkOf("tRNS", f.trns)...)
	}
	out = append(out, f.before...)
	stream := append(packed.Bytes(), f.junk...)
	size := f.idat
	if size == 0 {
		size = len(stream)
	}
	for len(stream) > 0 {
		n := min(size, len(stream))
		out = append(out, chunkOf("IDAT", stream[:n])...)
		stream = stream[n:]
	}
	out = append(out, f.after...)
	return append(out, chunkOf("IEND", nil)...)
}

// appendPass appends filtered rows. What is written is what the filter leaves, small numbers mostly, so the pixels are whatever comes
// out, of every size.
func (f file) appendPass(raw []byte, w, h int, rng *rand.Rand) []byte {
	if f.rows != 0 {
		h = f.rows
	}
	n := (w*f.kind.channels()*f.depth + 7) / 8
	for range h {
		filter := f.filter
		if filter == mixed {
			filter = rng.IntN(5)
		}
		raw = append(raw, byte(filter))
		for range n {
			v := rng.Uint32()
			if v>>8&1 == 0 {
				v = uint32(rng.NormFloat64() * 5)
			}
			raw = append(raw, byte(v))
		}
	}
	return raw
}

// kinds are all colour types with all their depths, and with transparency where it can be.
func kinds() []file {
	var all []file
	for _, k := range []colorType{gray, trueColor, indexed, grayAlpha, trueAlpha} {
		for _, depth := range []int{1, 2, 4, 8, 16} {
			if !valid(k, depth) {
				continue
			}
			f := file{kind: k, depth: depth, filter: mixed, level: 6}
			rng := rand.New(rand.NewPCG(uint64(k), uint64(depth)))
			if k == indexed {
				for range 3 * max(1, 1<<depth*3/4) { // some pixels are beyond the palette
					f.palette = append(f.palette, byte(rng.Uint32()))
				}
			}
			all = append(all, f)
			switch k {
			case gray:
				f.trns = []byte{0, 1}
				if depth == 16 {
					f.trns = []byte{0, 0}
				}
			case trueColor:
				f.trns = make([]byte, 6)
			case indexed:
				f.trns = []byte{200}
				if depth > 1 {
					f.trns = []byte{0, 255, 128, 7}
				}
			default:
				continue
			}
			all = append(all, f)
		}
	}
	return all
}
