package store

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"
	"time"
)

// FuzzRedisValue: what is read out of a value is written as it was read; what is no value is
// nothing.
func FuzzRedisValue(f *testing.F) {
	o := Object{
		Name: "a", ID: "id", Owner: "app", MediaType: "image/png", Width: 3, Height: 4, Digest: Sum([]byte("bytes")), Size: 5,
		CRC: crc32.Checksum([]byte("bytes"), castagnoli), Created: time.UnixMicro(1).UTC(), Expires: time.UnixMicro(2).UTC(),
		Attributes: map[string]string{"k": "v"},
	}
	whole := append(front{o, 7}.append(nil), "bytes"...)
	for _, b := range [][]byte{whole, whole[:len(whole)-1], whole[:valueHeader], nil, append(bytes.Clone(whole), 0)} {
		f.Add("a", b)
	}
	f.Fuzz(func(t *testing.T, name string, b []byte) {
		checkValue(t, name, b)
		// a checksum is not to be found by chance
		if n, err := frontLength(name, b); err == nil && n <= len(b) {
			b = bytes.Clone(b)
			binary.LittleEndian.PutUint32(b[20:], frontSum(name, b[:20], b[valueHeader:n]))
			checkValue(t, name, b)
		}
	})
}

func checkValue(t *testing.T, name string, b []byte) {
	v, data, err := parseValue(name, b)
	if err != nil {
		if !same(v.Object, Object{}) || v.put != 0 || data != nil {
			t.Errorf("%v, and %+v", err, v)
		}
		return
	}
	if v.Name != name || int64(len(data)) != v.Size || crc32.Checksum(data, castagnoli) != v.CRC || v.Expires.IsZero() {
		t.Errorf("%d bytes of %+v", len(data), v)
	}
	once := append(v.append(nil), data...)
	again, data, err := parseValue(name, once)
	if err != nil || !bytes.Equal(once, append(again.append(nil), data...)) || again.put != v.put {
		t.Errorf("%+v, written and read: %+v, %v", v, again, err)
	}
}
