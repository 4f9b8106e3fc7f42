package thumb

import (
	"errors"
	"fmt"
	"io"
	"time"
)

var (
	// ErrUnsupported is returned when a picture uses a part of its format that the decoders don't know, such as a JPEG of 12 bits.
	ErrUnsupported = errors.New("thumb: unsupported kind of picture")

	// ErrDamaged is returned when bytes begin like a picture but cannot be decoded, because they are broken or end early.
	ErrDamaged = errors.New("thumb: damaged picture")

	// ErrTooLarge is returned when a picture has more pixels, a longer side or more scans than the limits allow, or when one
	// would have to be made that has.
	ErrTooLarge = errors.New("thumb: picture too large")

	// ErrTooSlow is returned when decoding was given up at the deadline.
	ErrTooSlow = errors.New("thumb: picture too slow to decode")
)

// Limits bounds the pictures that are taken and made. A field that is zero or negative means its default, so the zero Limits is
// the one to use without a reason for another.
type Limits struct {
	// Pixels is the largest width x height; by default 50 million.
	Pixels int

	// Side is the longest width or height in pixels, at most 65535; by default 32767.
	Side int

	// Deadline is how long one picture may take to decode; by default 5 s. It is looked at whenever the decoder reads on, so
	// the work on what it has read is finished.
	Deadline time.Duration

	// Admit is asked before memory in proportion to a picture is allocated, and told how many bytes that may be. It may wait. Its
	// error is returned as it is; otherwise done is called when the memory is no longer used. nil admits everything.
	Admit func(bytes int64) (done func(), err error)
}

const (
	defaultPixels   = 50_000_000 // as imgproxy
	defaultSide     = 32767
	maxSide         = 65535 // as the resampler
	defaultDeadline = 5 * time.Second

	// With jpeg.MaxScans: a scan costs about 2 ms a megapixel, so both together hold a hostile file to about 2 s.
	maxScanMegapixels = 1000
)

func (l Limits) withDefaults() Limits {
	if l.Pixels <= 0 {
		l.Pixels = defaultPixels
	}
	if l.Side <= 0 {
		l.Side = defaultSide
	}
	l.Side = min(l.Side, maxSide)
	if l.Deadline <= 0 {
		l.Deadline = defaultDeadline
	}
	return l
}

// check refuses a picture of w x h, which are not negative.
func (l Limits) check(w, h int) error {
	l = l.withDefaults()
	if w > l.Side || h > l.Side {
		return fmt.Errorf("%w: %dx%d, a side may have %d", ErrTooLarge, w, h, l.Side)
	}
	if h > 0 && w > l.Pixels/h { // divided, as the product may not fit an int
		return fmt.Errorf("%w: %dx%d, there may be %d pixels", ErrTooLarge, w, h, l.Pixels)
	}
	return nil
}

// checkScans refuses a JPEG of w x h that is built up in scans passes.
func checkScans(scans, w, h int) error {
	if float64(scans)*float64(w)*float64(h) > maxScanMegapixels*1e6 {
		return fmt.Errorf("%w: %d scans of %dx%d", ErrTooLarge, scans, w, h)
	}
	return nil
}

// admit asks l.Admit.
func (l Limits) admit(bytes int64) (done func(), err error) {
	if l.Admit == nil {
		return func() {}, nil
	}
	return l.Admit(bytes)
}

// checkUntil returns a function that says when it is too late.
func checkUntil(until time.Time) func() error {
	return func() error {
		if !time.Now().Before(until) {
			return ErrTooSlow
		}
		return nil
	}
}

// deadlineReader reads from r until a moment has passed. Decoders take no context, but they all read.
type deadlineReader struct {
	r       io.Reader
	until   time.Time
	expired bool // decoders wrap errors so that errors.Is does not find them
}

// readAtMost is small because a decoder asks for 4 KB and then works on it without coming back: with 44 bytes a scan, that would
// be 93 scans.
const readAtMost = 512

func (d *deadlineReader) Read(p []byte) (int, error) {
	if !time.Now().Before(d.until) {
		d.expired = true
		return 0, ErrTooSlow
	}
	return d.r.Read(p[:min(len(p), readAtMost)])
}
