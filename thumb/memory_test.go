package thumb

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
)

// noisy returns what compresses worst, and so takes the most to encode.
func noisy(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	random := rand.New(rand.NewPCG(1, 2))
	for i := range w * h {
		v := random.Uint32()
		m.SetNRGBA(i%w, i/w, color.NRGBA{uint8(v), uint8(v >> 8), uint8(v >> 16), uint8(v >> 24)})
	}
	return m
}

// lateNoise begins flat, so that what its rows take to encode cannot be told from the first.
func lateNoise(w, h int) *image.NRGBA {
	m := noisy(w, h)
	for i := range m.Pix {
		switch {
		case i < 24*4*w, i%4 == 3:
			m.Pix[i] = 255
		default:
			m.Pix[i] = uint8(int8(m.Pix[i]) >> 7) // black or white
		}
	}
	return m
}

// allocated returns the bytes that f allocates when nothing is left over from before it.
func allocated(f func()) uint64 {
	runtime.GC() // the second empties what the first spares of a pool
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestWorkTakesNoMoreMemoryThanItTells(t *testing.T) {
	files := map[string][]byte{
		"noise.jpg": encoded(t, JPEG, noisy(1500, 1100)),
		"noise.png": encoded(t, PNG, noisy(1500, 1100)),
		"noise.gif": encoded(t, GIF, noisy(200, 150)),
		"late.png":  encoded(t, PNG, lateNoise(1024, 1024)),
		"noise.bmp": encoded(t, BMP, noisy(1500, 1100)),
	}
	for _, name := range everyKind {
		files[name] = file(t, name)
	}
	for name, data := range files {
		var told int64
		admitted := 0
		lim := Limits{Admit: func(bytes int64) (func(), error) {
			told = bytes
			admitted++
			return func() { admitted-- }, nil
		}}
		for what, f := range map[string]func() error{
			"Make":    func() error { _, err := Make(data, lim, 1024, 300); return err },
			"Convert": func() error { _, err := Convert(data, lim, PNG, 800, 600); return err },
		} {
			used := allocated(func() {
				if err := f(); err != nil {
					t.Errorf("%s of %s: %v", what, name, err)
				}
			})
			const rounded = 64 << 10 // up, by the allocator
			if limit := uint64(told) + rounded; told == 0 || used > limit {
				t.Errorf("%s of %s allocates %d bytes and told %d", what, name, used, told)
			}
			t.Logf("%s of %s: %d bytes of %d", what, name, used, told)
			if admitted != 0 {
				t.Errorf("%s of %s: done was called %d times too few", what, name, admitted)
			}
		}
	}
}

func TestNothingIsAllocatedThatIsNotAdmitted(t *testing.T) {
	busy := errors.New("busy")
	lim := Limits{Admit: func(int64) (func(), error) { return nil, busy }}
	for _, f := range []Format{JPEG, PNG, GIF, BMP} {
		data := encoded(t, f, corners(1200, 900))
		var err error
		used := allocated(func() { _, err = Make(data, lim, 1024) })
		if err != busy || used > 1<<20 {
			t.Errorf("Make of %v: %v, %d bytes", f, err, used)
		}
		used = allocated(func() { _, err = Convert(data, lim, JPEG, 1024, 1024) })
		if err != busy || used > 1<<20 {
			t.Errorf("Convert of %v: %v, %d bytes", f, err, used)
		}
	}
}

// A panic on the way must not take memory out of the budget for ever.
func TestMemoryIsGivenBackAfterDamage(t *testing.T) {
	for _, name := range everyKind {
		admitted := 0
		lim := Limits{Admit: func(int64) (func(), error) { admitted++; return func() { admitted-- }, nil }}
		data := bytes.Clone(file(t, name))
		if _, err := Make(data[:len(data)-len(data)/3], lim, 100); admitted != 0 {
			t.Errorf("%s: %d not given back, %v", name, admitted, err)
		}
	}
}

// What a picture leaves in the pools, whole or damaged, must not show in another.
func TestConcurrentPicturesShareNothing(t *testing.T) {
	want := map[string][]Thumbnail{}
	for _, name := range everyKind {
		made, err := Make(file(t, name), Limits{}, 100, 33)
		if err != nil {
			t.Fatal(err)
		}
		want[name] = made
	}
	var workers sync.WaitGroup
	for worker := range 4 {
		workers.Go(func() {
			for i := range 5 * len(everyKind) {
				name := everyKind[(i*(worker+1))%len(everyKind)]
				data := file(t, name)
				Make(data[:len(data)*(1+i%3)/4], Limits{}, 200)
				made, err := Make(data, Limits{}, 100, 33)
				if err != nil || len(made) != 2 || !bytes.Equal(made[0].Data, want[name][0].Data) || !bytes.Equal(made[1].Data, want[name][1].Data) {
					t.Errorf("%s: another thumbnail than alone, %v", name, err)
				}
			}
		})
	}
	workers.Wait()
}

func ExampleLimits() {
	lim := Limits{Pixels: 12_000_000, Admit: func(bytes int64) (func(), error) {
		if bytes > 2<<20 {
			return nil, ErrTooLarge
		}
		return func() {}, nil
	}}
	var art bytes.Buffer
	if err := png.Encode(&art, image.NewGray(image.Rect(0, 0, 2000, 1500))); err != nil {
		fmt.Println(err)
	}
	for _, size := range []int{100, 1024} {
		_, err := Make(art.Bytes(), lim, size)
		fmt.Println(size, err)
	}
	// Output:
	// 100 <nil>
	// 1024 thumb: picture too large
}
