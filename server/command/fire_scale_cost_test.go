//go:build fire && linux

package command

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestScaleCost tells how much CPU time uploads and reads take of one server over S3, beside
// one over a directory: both in turn, the time of S3 itself not counted. It takes a quiet machine,
// and TINTYPE_COST.
func TestScaleCost(t *testing.T) {
	if os.Getenv("TINTYPE_COST") == "" {
		t.Skip("TINTYPE_COST is not set")
	}
	useKeys(t)
	small := padded(uniquePicture(), 30_000)
	url := startEngine(t, "versitygw").url
	photo, err := os.ReadFile("../../testdata/pictures/photo.jpg")
	if err != nil {
		t.Fatal(err)
	}
	servers := map[string]*costed{
		"directory": {u: newUploader(t), p: startServer(t, t.TempDir(), killArgs...)},
		"S3":        {u: newUploader(t), p: startServer(t, t.TempDir(), append(slices.Clone(killArgs), "--store", url)...)},
	}
	works := []struct {
		name string
		n    int
		do   func(c *costed, i int)
	}{
		{"saveImage of 324 KB", 150, func(c *costed, _ int) { c.send(bySave, photo) }},
		{"saveImage of 30 KB", 300, func(c *costed, _ int) { c.send(bySave, small) }},
		{"QStorage upload of 324 KB", 80, func(c *costed, _ int) { c.send(byUpload, photo) }},
		{"PUT of 50 KB", 200, func(c *costed, i int) { c.put(i, photo[:50_000]) }},
		{"GET of one again and again", 3000, func(c *costed, i int) { c.get(c.names[0]) }},
		{"GET of another each time", 200, func(c *costed, _ int) { c.get(c.names[c.read]); c.read++ }},
	}
	for _, w := range works {
		took := map[string][]float64{}
		for _, name := range []string{"directory", "S3", "S3", "directory", "directory", "S3"} {
			c := servers[name]
			before := c.cpu(t)
			for i := range w.n {
				w.do(c, i)
			}
			took[name] = append(took[name], (c.cpu(t)-before)*1e6/float64(w.n))
		}
		a, b := slices.Sorted(slices.Values(took["directory"]))[1], slices.Sorted(slices.Values(took["S3"]))[1]
		t.Logf("%-28s %7.0f us over a directory, %7.0f over S3: %.2f", w.name, a, b, b/a)
	}
}

type costed struct {
	u     *uploader
	p     *proc
	names []string
	read  int // of them
}

func (c *costed) send(way string, data []byte) {
	if code := c.u.send(c.p.url, way, data); code != accepted {
		c.p.t.Fatalf("an upload was answered %s", code)
	}
}

func (c *costed) put(i int, body []byte) {
	name := fmt.Sprintf("/%s-blobs/%d-%d/a.jpg", killApp, i, time.Now().UnixNano())
	req, _ := http.NewRequest("PUT", c.p.url+name+killToken(), bytes.NewReader(body))
	req.Header.Set("x-ms-blob-type", "BlockBlob")
	resp, err := c.u.http.Do(req)
	if err != nil || resp.StatusCode != 201 {
		c.p.t.Fatal(resp, err)
	}
	resp.Body.Close()
	c.names = append(c.names, name)
}

func (c *costed) get(name string) {
	resp, err := c.u.http.Get(c.p.url + name + killToken())
	if err != nil || resp.StatusCode != 200 {
		c.p.t.Fatal(resp, err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
}

// cpu is what the server has used, in seconds.
func (c *costed) cpu(t *testing.T) float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+2:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return float64(user+system) / 100
}
