package jpeg

import "errors"

// ErrFormat is returned for data that does not begin like a JPEG.
var ErrFormat = errors.New("not a JPEG")

// ErrUnsupported is returned for a JPEG of a kind that is not decoded: arithmetic coding, lossless, hierarchical, 12 bits, two
// components, four without the marker of Adobe that says how they mean colours.
var ErrUnsupported = errors.New("unsupported kind of JPEG")

// ErrScans is returned for a JPEG of more than MaxScans scans.
var ErrScans = errors.New("JPEG with too many scans")

// ErrDamaged is returned for a JPEG that breaks its format or ends early.
var ErrDamaged = errors.New("damaged JPEG")

// Model says what the components of a Picture mean.
type Model uint8

const (
	Gray  Model = iota + 1
	YCbCr       // of JFIF: full range, BT.601
	RGB
	CMYK // as Adobe stores it: inverted, 255 is no ink
	YCCK // the YCbCr of CMY, where 255 is all ink, and K as in CMYK
)

// Component is one of the colour planes, with its sampling factors (1 to 4): the plane has H samples where the one with the
// largest H in the picture has that many. The only component of a gray picture has 1 and 1, whatever the file says.
type Component struct {
	H, V int

	id    uint8
	quant uint8 // which quantisation table
}

// Picture is a JPEG whose markers have been read. It keeps the data given to Parse, and may be used by several goroutines at once.
type Picture struct {
	Width, Height int // pixels, 1 to 65535
	Model         Model
	Progressive   bool
	Scans         int    // 1 to MaxScans
	Exif          []byte // payload of the first APP1 that begins "Exif\0\0", these six bytes included; nil: none. Part of data
	Components    []Component

	hmax, vmax int
	scans      []scan
	quant      [4]*quantTable // at the end of the file: what a progressive picture is dequantised with
}

// Size is what Decode hands out of a component. The picture covers ExtentX by ExtentY of the Width by Height samples, from the
// top left corner on: the last column and row may lie over its edge by a part of a sample.
type Size struct {
	Width, Height    int
	ExtentX, ExtentY float64
}

// Size returns the size of component c at scale n/8. It panics unless n is from 1 to 8 and there is a component c.
func (p *Picture) Size(c, n int) Size {
	checkScale(n)
	comp := p.Components[c]
	x, y := p.Width*comp.H*n, p.Height*comp.V*n
	return Size{
		Width:   ceilDiv(x, 8*p.hmax),
		Height:  ceilDiv(y, 8*p.vmax),
		ExtentX: float64(x) / float64(8*p.hmax),
		ExtentY: float64(y) / float64(8*p.vmax),
	}
}

// Sizes of the parts that Decode allocates, for Need. They are rounded up; TestNeed holds them against the truth.
const (
	decoderBytes   = 20 << 10
	dcTableBytes   = 10 << 10
	acTableBytes   = 20 << 10
	bitBufferBytes = 40 << 10
)

// Need returns how many bytes Decode allocates at scale n/8, rounded up by some kilobytes. A progressive picture needs 10+2*n*n for
// each block of 8x8 samples, any other two rows or so. It panics unless n is from 1 to 8.
//
// There is no limit but the format's: 65535x65535 progressive pixels need 28 GB at 8/8, so look before you Decode.
func (p *Picture) Need(n int) int64 {
	checkScale(n)
	need := int64(decoderBytes + bitBufferBytes)
	for c := range p.Components {
		g := p.grid(c)
		need += int64(g.stride(n)) * int64(g.v*n)
		if p.Progressive {
			need += int64(g.wide) * int64(g.high) * int64(10+2*n*n)
		}
	}
	dc, ac := 0, 0
	for i := range p.scans {
		d, a := p.scans[i].tables()
		dc, ac = max(dc, len(d)), max(ac, len(a))
	}
	return need + int64(dc)*dcTableBytes + int64(ac)*acTableBytes
}

// grid is how a component's blocks lie. The blocks of an interleaved scan fill whole MCUs, over the picture's edge; a scan of one
// component has only those that show.
type grid struct {
	h, v                 int // blocks of an MCU
	wide, high           int // blocks, in whole MCUs
	shownWide, shownHigh int
}

func (p *Picture) grid(c int) grid {
	comp := p.Components[c]
	return grid{
		h: comp.H, v: comp.V,
		wide: p.mcusWide() * comp.H, high: p.mcusHigh() * comp.V,
		shownWide: ceilDiv(ceilDiv(p.Width*comp.H, p.hmax), 8),
		shownHigh: ceilDiv(ceilDiv(p.Height*comp.V, p.vmax), 8),
	}
}

// stride returns the samples in a row of blocks at n/8.
func (g grid) stride(n int) int { return g.wide * n }

func (p *Picture) mcusWide() int { return ceilDiv(p.Width, 8*p.hmax) }
func (p *Picture) mcusHigh() int { return ceilDiv(p.Height, 8*p.vmax) }

func ceilDiv(a, b int) int { return (a + b - 1) / b }

func checkScale(n int) {
	if n < 1 || n > 8 {
		panic("jpeg: scale must be from 1/8 to 8/8")
	}
}
