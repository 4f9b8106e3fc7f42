package server

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// An upload that finds the memory taken goes by a file, or is refused; either way it gives
// back what it had.
func TestUploadMemory(t *testing.T) {
	const limit = 300 << 10
	data := make([]byte, limit)
	for i := range data {
		data[i] = byte(i >> 8)
	}
	u := newUploads(0, limit, t.TempDir())
	u.patience = 50 * time.Millisecond
	read := func(size int, length int64, r func(io.Reader) io.Reader) (*upload, error) {
		up := &upload{uploads: u}
		err := up.read(r(bytes.NewReader(data[:size])), length, limit)
		if err == nil && !bytes.Equal(up.buf.Bytes(), data[:size]) {
			t.Errorf("%d bytes of %d come back", up.buf.Len(), size)
		}
		return up, err
	}
	free := func(when string) {
		t.Helper()
		if !u.arriving.TryAcquire(limit+1) || !u.arrived.TryAcquire(limit+1) {
			t.Fatal("memory is taken", when)
		}
		u.arriving.Release(limit + 1)
		u.arrived.Release(limit + 1)
		if left, _ := os.ReadDir(u.dir); len(left) > 0 {
			t.Fatal("a file is left", when)
		}
	}
	for _, size := range []int{0, 1, trusted - 1, trusted, trusted + 1, limit - 1, limit} {
		for _, length := range []int64{-1, 1, int64(size), 1 << 40} {
			for _, taken := range []bool{false, true} {
				if taken {
					u.arriving.TryAcquire(limit + 1)
				}
				up, err := read(size, length, iotest.HalfReader)
				if err != nil {
					t.Errorf("%d bytes, said to be %d, taken %v: %v", size, length, taken, err)
				}
				up.release()
				if taken {
					u.arriving.Release(limit + 1)
				}
				free("after an upload")
			}
		}
	}

	u.arriving.TryAcquire(limit + 1)
	first, err := read(limit, limit, iotest.HalfReader)
	if err != nil {
		t.Fatal(err)
	}
	second, err := read(limit, limit, iotest.HalfReader)
	if !errors.Is(err, errBusy) {
		t.Errorf("without memory: %v", err)
	}
	second.release()
	first.release()
	broken, err := read(limit, limit, func(r io.Reader) io.Reader {
		return io.MultiReader(io.LimitReader(r, limit-1), iotest.ErrReader(io.ErrClosedPipe))
	})
	if !errors.Is(err, io.ErrClosedPipe) || errors.Is(err, errBusy) {
		t.Errorf("a client that breaks off: %v", err)
	}
	broken.release()
	u.dir += "/none"
	if _, err := read(limit, limit, iotest.HalfReader); !errors.Is(err, errBusy) {
		t.Errorf("without a directory: %v", err)
	}
	u.arriving.Release(limit + 1)
	free("at the end")
}

// What there is no memory for is told in each API's own form, and later taken.
func TestUploadsAreBusy(t *testing.T) {
	photo := append(testPicture(t, "landscape_1.jpg"), make([]byte, trusted)...)
	s := newTestServer(t)
	s.srv.uploads.patience = 10 * time.Millisecond
	half := s.srv.cfg.UploadMemory / 2
	for api, a := range map[string]struct {
		ask        func() answer
		text, good string
	}{
		"dfsapi":   {func() answer { return s.save(saveParts(photo)...) }, `{"ERRORCODE":"ME24700", "RESULT":"save file to dfs failed!"}`, `"ERRORCODE":"0"`},
		"qstorage": {func() answer { return s.upload(photo) }, `{"ResultCode":"997999","Message":"unknown error","Content":""}`, `"ResultCode":"1"`},
	} {
		s.srv.uploads.arriving.TryAcquire(half)
		if got := a.ask(); got.status != 200 || !strings.Contains(got.body, a.good) {
			t.Errorf("%s, by a file: %d %s", api, got.status, got.body)
		}
		s.srv.uploads.arrived.TryAcquire(half)
		if got := a.ask(); got.status != 503 || got.body != a.text || got.header.Get("Retry-After") != "1" {
			t.Errorf("%s: %d %v %s", api, got.status, got.header, got.body)
		}
		s.srv.uploads.arriving.Release(half)
		s.srv.uploads.arrived.Release(half)
		if got := a.ask(); got.status != 200 || !strings.Contains(got.body, a.good) {
			t.Errorf("%s, then: %d %s", api, got.status, got.body)
		}
	}
}
