package jpeg

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

// quantTable is in zigzag order, as stored.
type quantTable [64]uint16

// huffmanSpec is a table as a DHT gives it.
type huffmanSpec struct {
	counts *[16]uint8 // of the codes of 1 to 16 bits
	values []uint8    // in order of their codes
}

const (
	tableDC = 0
	tableAC = 1
)

// scan is one scan with the tables that are in force at its place.
type scan struct {
	components []scanComponent
	first      uint8  // zigzag index of the first and
	last       uint8  // the last coefficient; 0 and 63 unless progressive
	high, low  uint8  // successive approximation; 0 and 0 unless progressive
	restart    int    // MCUs; 0: never
	data       []byte // entropy-coded, with its restart markers, up to the marker that ends it
}

type scanComponent struct {
	index  int // into Picture.Components
	dc, ac *huffmanSpec
	quant  *quantTable // nil: all zeros
}

// tables returns the different Huffman tables that s is decoded with.
func (s *scan) tables() (dc, ac []*huffmanSpec) {
	for _, c := range s.components {
		if s.usesDC() && !slices.Contains(dc, c.dc) {
			dc = append(dc, c.dc)
		}
		if s.last > 0 && !slices.Contains(ac, c.ac) {
			ac = append(ac, c.ac)
		}
	}
	return dc, ac
}

// usesDC is false of a scan that refines DC coefficients, too: that is plain bits.
func (s *scan) usesDC() bool { return s.first == 0 && s.high == 0 }

// frame reads a SOF, T.81 B.2.2.
func (p *parser) frame(marker uint8, b []byte) error {
	pic := &p.pic
	if pic.Components != nil {
		return damaged("a second frame")
	}
	p.baseline, pic.Progressive = marker == markerSOF0, marker == markerSOF2
	if len(b) != 6+3*1 && len(b) != 6+3*3 && len(b) != 6+3*4 {
		return fmt.Errorf("%w: frame header of %d bytes", ErrUnsupported, len(b))
	}
	if b[0] != 8 {
		return fmt.Errorf("%w: %d bits a sample", ErrUnsupported, b[0])
	}
	pic.Height, pic.Width = int(binary.BigEndian.Uint16(b[1:])), int(binary.BigEndian.Uint16(b[3:]))
	if pic.Width == 0 || pic.Height == 0 {
		return damaged("%dx%d", pic.Width, pic.Height)
	}
	if int(b[5])*3+6 != len(b) {
		return damaged("%d components in %d bytes", b[5], len(b))
	}
	for b := b[6:]; len(b) > 0; b = b[3:] {
		c := Component{id: b[0], H: int(b[1] >> 4), V: int(b[1] & 15), quant: b[2]}
		if c.H < 1 || c.H > 4 || c.V < 1 || c.V > 4 || c.quant > 3 {
			return damaged("component %d with sampling %dx%d and table %d", c.id, c.H, c.V, c.quant)
		}
		if pic.component(c.id) >= 0 {
			return damaged("two components %d", c.id)
		}
		pic.Components = append(pic.Components, c)
		pic.hmax, pic.vmax = max(pic.hmax, c.H), max(pic.vmax, c.V)
	}
	if len(pic.Components) == 1 { // T.81 A.2.2: its MCU is one block, whatever the factors
		pic.Components[0].H, pic.Components[0].V = 1, 1
		pic.hmax, pic.vmax = 1, 1
	}
	return nil
}

func (p *Picture) component(id uint8) int {
	for i, c := range p.Components {
		if c.id == id {
			return i
		}
	}
	return -1
}

// quantTables reads a DQT, T.81 B.2.4.1. A table is replaced, never changed: earlier scans hold the old one.
func (p *parser) quantTables(b []byte) error {
	for len(b) > 0 {
		precision, id := b[0]>>4, b[0]&15
		if precision > 1 || id > 3 {
			return damaged("quantisation table %#x", b[0])
		}
		b = b[1:]
		size := 64 << precision
		if len(b) < size {
			break
		}
		t := new(quantTable)
		for k := range t {
			if precision == 0 {
				t[k] = uint16(b[k])
			} else {
				t[k] = binary.BigEndian.Uint16(b[2*k:])
			}
		}
		p.pic.quant[id] = t
		b = b[size:]
	}
	if len(b) != 0 { // an identifier without its table passes image/jpeg
		return damaged("quantisation table of %d bytes", len(b))
	}
	return nil
}

// huffmanTables reads a DHT, T.81 B.2.4.2.
func (p *parser) huffmanTables(b []byte) error {
	for len(b) > 0 {
		if len(b) < 17 {
			return damaged("Huffman table of %d bytes", len(b))
		}
		class, id := b[0]>>4, b[0]&15
		if class > 1 || id > 3 || p.baseline && id > 1 {
			return damaged("Huffman table %#x", b[0])
		}
		t := &huffmanSpec{counts: (*[16]uint8)(b[1:17])}
		total, free := 0, 1 // free: codes of this length that are no continuation of a shorter one
		for _, n := range t.counts {
			total += int(n)
			free = 2*free - int(n)
			if free < 0 {
				return damaged("Huffman table with too many codes")
			}
		}
		b = b[17:]
		if total == 0 || total > 256 || total > len(b) {
			return damaged("Huffman table of %d codes in %d bytes", total, len(b))
		}
		t.values, b = b[:total], b[total:]
		p.huffman[class][id] = t
	}
	return nil
}

// scan reads a SOS, T.81 B.2.3, and leaves rest at the marker that ends the scan.
func (p *parser) scan(b []byte) error {
	pic := &p.pic
	if pic.Components == nil {
		return damaged("a scan before the frame")
	}
	if len(pic.scans) == MaxScans {
		return fmt.Errorf("%w: more than %d", ErrScans, MaxScans)
	}
	if len(b) < 6 || int(b[0]) > len(pic.Components) || len(b) != 4+2*int(b[0]) {
		return damaged("scan header of %d bytes", len(b))
	}
	s := scan{last: 63, restart: p.restart}
	tail := b[len(b)-3:]
	if pic.Progressive {
		s.first, s.last, s.high, s.low = tail[0], tail[1], tail[2]>>4, tail[2]&15
	}
	for b := b[1 : len(b)-3]; len(b) > 0; b = b[2:] {
		if err := p.scanComponent(&s, b[0], b[1]>>4, b[1]&15); err != nil {
			return err
		}
	}
	if err := s.check(pic); err != nil {
		return err
	}
	n := scanLength(p.rest)
	s.data, p.rest = p.rest[:n], p.rest[n:]
	pic.scans = append(pic.scans, s)
	return nil
}

func (p *parser) scanComponent(s *scan, id, dc, ac uint8) error {
	i := p.pic.component(id)
	if i < 0 {
		return damaged("a scan of component %d, which there is not", id)
	}
	for _, c := range s.components {
		if c.index == i {
			return damaged("component %d twice in a scan", id)
		}
	}
	if dc > 3 || ac > 3 || p.baseline && (dc > 1 || ac > 1) {
		return damaged("a scan with tables %d and %d", dc, ac)
	}
	c := scanComponent{
		index: i,
		dc:    p.huffman[tableDC][dc],
		ac:    p.huffman[tableAC][ac],
		quant: p.pic.quant[p.pic.Components[i].quant],
	}
	if c.dc == nil && s.usesDC() || c.ac == nil && s.last > 0 {
		return damaged("a scan with a Huffman table that was not sent")
	}
	s.components = append(s.components, c)
	return nil
}

// check holds the parameters against each other.
func (s *scan) check(pic *Picture) error {
	if s.first == 0 && s.last != 0 && pic.Progressive || s.first > s.last || s.last > 63 {
		return damaged("a scan of coefficients %d to %d", s.first, s.last)
	}
	if s.first > 0 && len(s.components) > 1 {
		return damaged("a scan of AC coefficients of %d components", len(s.components))
	}
	if s.high != 0 && s.high != s.low+1 {
		return damaged("a scan from bit %d to bit %d", s.high, s.low)
	}
	blocks := 0
	for _, c := range s.components {
		blocks += pic.Components[c.index].H * pic.Components[c.index].V
	}
	if len(s.components) > 1 && blocks > maxBlocks {
		return damaged("%d blocks in an MCU", blocks)
	}
	return nil
}

// scanLength returns how many bytes of b are entropy-coded: all before the first marker that is no restart marker.
func scanLength(b []byte) int {
	for n := 0; ; {
		i := bytes.IndexByte(b[n:], 0xff)
		if i < 0 || n+i+1 >= len(b) {
			return len(b)
		}
		n += i
		switch m := b[n+1]; {
		case m == 0xff: // fill
			n++
		case m == 0, m >= markerRST0 && m <= markerRST7:
			n += 2
		default:
			return n
		}
	}
}
