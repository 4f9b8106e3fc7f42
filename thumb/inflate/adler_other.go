//go:build !goexperiment.simd || !amd64

package inflate

func addMany(a, b uint64, p []byte) (a2, b2 uint64, n int) { return addManyGo(a, b, p) }
