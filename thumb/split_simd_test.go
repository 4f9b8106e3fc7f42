//go:build goexperiment.simd && amd64

package thumb

import "testing"

// TestSplitWithoutAVX2 is that of the other functions, as on a processor that has none.
func TestSplitWithoutAVX2(t *testing.T) {
	defer func(old bool) { hasAVX2 = old }(hasAVX2)
	hasAVX2 = false
	t.Run("split", TestSplit)
	t.Run("multiply", TestMultiply)
}
