package main

import (
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"

	"github.com/valyala/fasthttp"
)

// maxBody is the largest picture, with what a form adds.
const maxBody = 16 << 20

// floor stores what is PUT with the least that survives a power cut: the bytes
// and the directory entry are forced to the disk before the answer. It keeps no
// index, compares nothing and trusts everybody.
type floor struct {
	tmp  string
	dirs [256]*os.File // open, to be synced
}

// serveRaw serves a floor in dir on addr until it fails.
func serveRaw(dir, addr string) error {
	f := floor{tmp: filepath.Join(dir, "tmp")}
	if err := os.MkdirAll(f.tmp, 0o755); err != nil {
		return err
	}
	for i := range f.dirs {
		name := filepath.Join(dir, fmt.Sprintf("%02x", i))
		if err := os.MkdirAll(name, 0o755); err != nil {
			return err
		}
		var err error
		if f.dirs[i], err = os.Open(name); err != nil {
			return err
		}
	}
	s := fasthttp.Server{Handler: f.serve, MaxRequestBodySize: maxBody, NoDefaultServerHeader: true}
	return s.ListenAndServe(addr)
}

func (f *floor) serve(ctx *fasthttp.RequestCtx) {
	if !ctx.IsPut() {
		ctx.Error("PUT only", fasthttp.StatusMethodNotAllowed)
		return
	}
	if err := f.put(ctx.Path(), ctx.PostBody()); err != nil {
		ctx.Error(err.Error(), fasthttp.StatusInternalServerError)
		return
	}
	ctx.SetStatusCode(fasthttp.StatusCreated)
}

// put stores data under a hash of path.
func (f *floor) put(path, data []byte) error {
	h := fnv.New64a()
	h.Write(path)
	sum := h.Sum64()
	dir, name := f.dirs[sum>>56], fmt.Sprintf("%016x", sum)
	tmp := filepath.Join(f.tmp, name)
	if err := writeSynced(tmp, data); err != nil {
		return err
	}
	if err := os.Rename(tmp, filepath.Join(dir.Name(), name)); err != nil {
		return err
	}
	return dir.Sync()
}

func writeSynced(name string, data []byte) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer file.Close() // a second time, unless something failed
	if _, err := file.Write(data); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return file.Close()
}
