//go:build goexperiment.simd && amd64

package inflate

import "testing"

// TestAdlerWithoutAVX2 is TestAdler as on a processor that has none.
func TestAdlerWithoutAVX2(t *testing.T) {
	defer func(old bool) { hasAVX2 = old }(hasAVX2)
	hasAVX2 = false
	TestAdler(t)
}
