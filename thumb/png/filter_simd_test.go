//go:build goexperiment.simd && amd64

package png

import "testing"

// TestUnfilterWithoutAVX2 is that of the other functions, as on a processor that has none.
func TestUnfilterWithoutAVX2(t *testing.T) {
	defer func(old bool) { hasAVX2 = old }(hasAVX2)
	hasAVX2 = false
	t.Run("all", TestUnfilter)
	t.Run("Paeth", TestPaeth)
}
