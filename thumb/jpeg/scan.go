package jpeg

import "math"

// mcus is how many MCUs a scan has.
type mcus struct{ wide, high int }

// begin sets everything to the first MCU of scan s. A scan of one component has no blocks but those that show.
func (d *decoder) begin(s *scan) mcus {
	d.bits.start(s.data)
	d.interval = s.restart
	if s.restart == 0 {
		d.interval = math.MaxInt
	}
	d.left, d.restarts = d.interval, 0
	d.pred, d.eobRun = [4]int64{}, 0
	if len(s.components) == 1 {
		c := s.components[0].index
		g := d.pic.grid(c)
		d.bands[c].step, d.bands[c].height = 1, d.shape.n
		return mcus{g.shownWide, g.shownHigh}
	}
	for _, c := range s.components {
		g := d.pic.grid(c.index)
		d.bands[c.index].step, d.bands[c.index].height = g.h, g.v*d.shape.n
	}
	return mcus{d.pic.mcusWide(), d.pic.mcusHigh()}
}

// due reports whether next must be called before the next MCU.
func (d *decoder) due() bool { return d.left == 0 || d.bits.pos > d.bits.ready }

// next passes a restart marker if there must be one, and sees that bits has another MCU.
func (d *decoder) next() error {
	if d.left == 0 {
		if err := d.bits.restart(d.restarts); err != nil {
			return err
		}
		d.left = d.interval
		d.restarts++
		d.pred, d.eobRun = [4]int64{}, 0
	}
	if d.bits.pos > d.bits.ready {
		return d.bits.more()
	}
	return nil
}

// unit is one block of an MCU.
type unit struct {
	component int
	row, col  int // of the block in the MCU's blocks of this component
	dc, ac    *table
	quant     *[256]int32 // by zigzag index, with the factors of the IDCT; 0 where no coefficient is wanted
}

// units returns the blocks of an MCU of scan s, in order, with the tables to decode them; its AC tables complete what kind says.
func (d *decoder) units(s *scan, kind entryKind) []unit {
	d.useTables(s, kind)
	var units []unit
	for _, c := range s.components {
		u := unit{component: c.index, dc: find(d.dc, c.dc), ac: find(d.ac, c.ac)}
		if !d.pic.Progressive {
			u.quant = dequantiser(c.quant, d.shape.n)
		}
		h, v := 1, 1
		if len(s.components) > 1 {
			h, v = d.pic.Components[c.index].H, d.pic.Components[c.index].V
		}
		for u.row = range v {
			for u.col = range h {
				units = append(units, u)
			}
		}
	}
	return units
}

// useTables builds the Huffman tables of scan s that are not built yet.
func (d *decoder) useTables(s *scan, kind entryKind) {
	dc, ac := s.tables()
	for i, spec := range dc {
		d.dc = put(d.dc, i, spec, dcValues)
	}
	for i, spec := range ac {
		d.ac = put(d.ac, i, spec, kind)
	}
}

// put makes tables[i] the one of spec, and returns tables, longer by one if need be.
func put(tables []*table, i int, spec *huffmanSpec, kind entryKind) []*table {
	if i == len(tables) {
		tables = append(tables, new(table))
	}
	if t := tables[i]; t.spec != spec || t.kind != kind {
		t.build(spec, kind)
	}
	return tables
}

// find returns the table of spec, or nil.
func find(tables []*table, spec *huffmanSpec) *table {
	for _, t := range tables {
		if t.spec == spec {
			return t
		}
	}
	return nil
}
