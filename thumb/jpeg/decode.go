package jpeg

import (
	"sync"

	"tintype/thumb/sample"
)

// decoder is one Decode under way.
type decoder struct {
	pic   *Picture
	shape shape
	check func() error
	sink  func(c, y int, band sample.Plane) error

	bits     bitReader
	block    block
	dc, ac   []*table // at least as many as a scan has needed, to be used again
	bands    [4]band
	coefs    [4]coefficients // of a progressive picture
	lastScan [4]int          // the last scan that has the component; -1: none

	// Where the scan is.
	pred     [4]int64 // DC coefficient of the block before, by component
	eobRun   int      // blocks to come without AC coefficients
	interval int      // MCUs between restart markers
	left     int      // MCUs before the next
	restarts int      // markers passed
}

// band is a row of MCUs of one component, or a row of its blocks, as the scan has it.
type band struct {
	pix    []uint8
	stride int
	step   int // blocks from MCU to MCU
	height int // rows of samples that the scan decodes together
	size   Size
}

// Decode decodes the picture at scale n/8, from 1 to 8, and hands out each component's rows band by band: sink is told the
// component and the first row's y, and may use the band until it returns. A component's bands come in order and together make up
// its Size. Those of different components take turns, MCU row by MCU row, unless the file has them one after the other; so no more
// than a band of a picture is in memory, or all coefficients that are wanted if it is progressive. Of a component that no scan
// has, all samples are 128.
//
// check is called before each row of MCUs of each scan. The first error of check or sink ends the decoding, and is returned as it
// is. Other errors wrap ErrDamaged; rows before the damage have been handed out by then. Decode panics on another n.
func (p *Picture) Decode(n int, check func() error, sink func(c, y int, band sample.Plane) error) error {
	checkScale(n)
	d := decoders.Get().(*decoder)
	defer d.free()
	d.pic, d.shape, d.check, d.sink = p, newShape(n), check, sink
	d.lastScan = [4]int{-1, -1, -1, -1}
	for i := range p.scans {
		for _, c := range p.scans[i].components {
			d.lastScan[c.index] = i
		}
	}
	for c := range p.Components {
		g := p.grid(c)
		d.bands[c] = band{
			pix:    sample.Reuse(d.bands[c].pix, g.stride(n)*g.v*n),
			stride: g.stride(n),
			size:   p.Size(c, n),
		}
	}
	if p.Progressive {
		return d.progressive()
	}
	for i := range p.scans {
		if err := d.sequentialScan(i); err != nil {
			return err
		}
	}
	return d.absent()
}

// decoders are those that were used before, for their memory.
var decoders = sync.Pool{New: func() any { return &decoder{bits: bitReader{buf: new(bitBuffer)}} }}

// maxKept is the memory that a decoder may have to be kept, in bytes: what a thumbnail of a progressive picture of 24 megapixels
// takes. More is rare, and would stay for as long as small pictures keep coming.
const maxKept = 12 << 20

// free keeps d for another picture, and nothing of this one.
func (d *decoder) free() {
	old := *d
	*d = decoder{bits: bitReader{buf: old.bits.buf}, dc: old.dc, ac: old.ac}
	for _, tables := range [][]*table{d.dc, d.ac} {
		for _, t := range tables {
			t.spec = nil
		}
	}
	kept := 0
	for c := range d.bands {
		k := &old.coefs[c]
		kept += cap(old.bands[c].pix) + 2*cap(k.dc) + 2*cap(k.values) + 8*cap(k.nonzero)
		d.bands[c].pix = old.bands[c].pix
		d.coefs[c] = coefficients{dc: k.dc, values: k.values, nonzero: k.nonzero}
	}
	if kept <= maxKept {
		decoders.Put(d)
	}
}

// emit hands out the band of component c that is the y-th of its scan.
func (d *decoder) emit(c, y int) error {
	b := &d.bands[c]
	top := y * b.height
	height := min(b.height, b.size.Height-top)
	if height <= 0 { // all of it is over the edge
		return nil
	}
	return d.sink(c, top, sample.Plane{Pix: b.pix, Stride: b.stride, Width: b.size.Width, Height: height})
}

// absent hands out the components that no scan has.
func (d *decoder) absent() error {
	for c := range d.pic.Components {
		if d.lastScan[c] >= 0 {
			continue
		}
		b := &d.bands[c]
		b.height = d.shape.n
		for i := range b.pix {
			b.pix[i] = 128
		}
		for y := range ceilDiv(b.size.Height, b.height) {
			if err := d.check(); err != nil {
				return err
			}
			if err := d.emit(c, y); err != nil {
				return err
			}
		}
	}
	return nil
}
