//go:build !(goexperiment.simd && amd64)

package resample

// newEngine returns the fastest engine of this build for this processor.
func newEngine(width int, down, across *axis) engine { return newPortable(width, down, across) }
