package server

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tintype/sign"
	"tintype/store"
)

// callKinds are the columns of the table of S3 calls in scale.md.
var callKinds = []string{"PUT", "COPY", "DELETE", "GET", "HEAD", "LIST"}

// callRows are the rows of that table. Each function prepares what it takes, and returns what
// is counted.
var callRows = []struct {
	name string
	of   func(s *remoteServer) func()
}{
	{"`saveImage` with `isStorage=true`", func(s *remoteServer) func() {
		return func() { s.saved("isStorage", "true") }
	}},
	{"`saveImage` with `cacheTime`", func(s *remoteServer) func() {
		return func() { s.saved("cacheTime", "60") }
	}},
	{"`/picture/upload`, one `--thumb` size", func(s *remoteServer) func() {
		return func() { s.uploaded(s.photo) }
	}},
	{"`/picture/upload`, two sizes", func(s *remoteServer) func() {
		s.srv.cfg.Thumbs = []int{256, 1024}
		return func() { s.uploaded(s.photo) }
	}},
	{"`POST /portrait`, the first", func(s *remoteServer) func() {
		return func() { s.portrait() }
	}},
	{"`POST /portrait`, another", func(s *remoteServer) func() {
		s.portrait()
		return func() { s.portrait() }
	}},
	{"Put Blob, a new name", func(s *remoteServer) func() {
		return func() { s.wantStatus(201, s.putBlob("a.txt", "a")) }
	}},
	{"Put Blob, over another", func(s *remoteServer) func() {
		s.putBlob("a.txt", "a")
		return func() { s.wantStatus(201, s.putBlob("a.txt", "b")) }
	}},
	{"Put Blob with `If-None-Match: *`, a new name", func(s *remoteServer) func() {
		return func() { s.wantStatus(201, s.putBlob("a.txt", "a", "If-None-Match", "*")) }
	}},
	{"Put Block", func(s *remoteServer) func() {
		return func() { s.wantStatus(201, s.stage("a.txt", "1", "a")) }
	}},
	{"Put Block List, of two staged blocks", func(s *remoteServer) func() {
		s.stage("a.txt", "1", "a")
		s.stage("a.txt", "2", "b")
		return func() { s.wantStatus(201, s.commit("a.txt", "1", "2")) }
	}},
	{"Set Blob Metadata", func(s *remoteServer) func() {
		s.putBlob("a.txt", "a")
		return func() {
			s.wantStatus(200, s.do("PUT", s.at("a.txt", "w")+"&comp=metadata", nil, "x-ms-meta-a", "b"))
		}
	}},
	{"`/picture/delete`, one picture with one thumbnail", func(s *remoteServer) func() {
		url := s.uploaded(s.photo).OriginalURL
		return func() { s.deleted(url) }
	}},
	{"the same restored from the trash", func(s *remoteServer) func() {
		url := s.uploaded(s.photo).OriginalURL
		s.deleted(url)
		return func() { s.restored(url) }
	}},
	{"Delete Blob", func(s *remoteServer) func() {
		s.putBlob("a.txt", "a")
		return func() { s.wantStatus(202, s.do("DELETE", s.at("a.txt", "d"), nil)) }
	}},
	{"GET of a picture, the first", func(s *remoteServer) func() {
		s.putBlob("a.txt", "a")
		return func() { s.wantRead("a.txt", "a") }
	}},
	{"GET of a picture, again within 30 seconds", func(s *remoteServer) func() {
		s.putBlob("a.txt", "a")
		s.wantRead("a.txt", "a")
		return func() { s.wantRead("a.txt", "a") }
	}},
	{"GET of a picture, again after that", func(s *remoteServer) func() {
		s.putBlob("a.txt", "a")
		s.wantRead("a.txt", "a")
		s.clock.add(store.RememberFor)
		return func() { s.wantRead("a.txt", "a") }
	}},
	{"GET of a part of a blob of over 8 MiB", func(s *remoteServer) func() {
		s.srv.cfg.MaxUpload = 2 * store.MaxWhole
		s.wantStatus(201, s.putBlob("a.bin", strings.Repeat("a", store.MaxWhole+1)))
		return func() { s.wantStatus(206, s.do("GET", s.at("a.bin", "r"), nil, "x-ms-range", "bytes=9-18")) }
	}},
	{"GET of nothing", func(s *remoteServer) func() {
		return func() { s.wantStatus(404, s.do("GET", s.at("a.txt", "r"), nil)) }
	}},
	{"GET of a thumbnail that is made", func(s *remoteServer) func() {
		s.putBlob("a/a_full.jpg", string(s.photo))
		return func() { s.wantStatus(200, s.do("GET", s.at("a/a_1024.jpg", "r"), nil)) }
	}},
	{"`gainImage`, the first", func(s *remoteServer) func() {
		id := s.saved("isStorage", "true")
		return func() {
			s.wantStatus(200, s.do("GET", publicURL+"/dfsapi/v2/gainImage?isStorage=true&group=dfsdb_1&file=1:"+id+".jpg", nil))
		}
	}},
	{"List Blobs, 100 names", func(s *remoteServer) func() {
		s.hundred()
		return func() { s.wantStatus(200, s.do("GET", s.at("", "l")+"&restype=container&comp=list", nil)) }
	}},
	{"`/sastoken`, `/readyz`", func(s *remoteServer) func() {
		return func() {
			s.wantStatus(200, s.sastoken(seedContainer, qquery))
			s.wantStatus(200, s.do("GET", publicURL+"/readyz", nil))
		}
	}},
	{"a sweep that finds nothing", func(s *remoteServer) func() {
		return s.sweeps
	}},
	{"a sweep, for each expired picture of `saveImage`", func(s *remoteServer) func() {
		s.saved("cacheTime", "60")
		s.clock.add(time.Minute)
		return s.sweepsBesides
	}},
	{"a sweep, for each file of old trash", func(s *remoteServer) func() {
		s.putBlob("a.txt", "a")
		s.do("DELETE", s.at("a.txt", "d"), nil)
		s.clock.add(30 * 24 * time.Hour)
		return s.sweepsBesides
	}},
	{"`scrub`, 100 files in 100 folders", func(s *remoteServer) func() {
		s.hundred()
		return func() {
			if n, err := s.srv.cfg.Pictures.(store.Tier).Scrub(false, func(int64, int64) {}); n.Blobs != 100 || err != nil {
				s.t.Errorf("scrub: %+v, %v", n, err)
			}
		}
	}},
	{"`gc`, 100 files in 100 folders, with nothing to remove", func(s *remoteServer) func() {
		s.hundred()
		return func() {
			if _, _, err := s.srv.cfg.Pictures.(store.Tier).Collect(time.Time{}, func(int64, int64) {}); err != nil {
				s.t.Errorf("gc: %v", err)
			}
		}
	}},
	{"a start, for each bucket and tier", func(s *remoteServer) func() {
		return func() { s.openTier(s.t, "another") }
	}},
}

func (s *remoteServer) wantStatus(want int, a answer) {
	s.t.Helper()
	if a.status != want {
		s.t.Errorf("status %d, want %d: %s", a.status, want, a.body)
	}
}

// wantRead reads a blob, and waits until the server remembers it.
func (s *remoteServer) wantRead(name, want string) {
	s.t.Helper()
	if got := s.read(name); got != want {
		s.t.Errorf("%s is %q, want %q", name, got, want)
	}
	s.srv.hot.memory.Wait()
}

// saved stores a picture by saveImage and returns its file ID.
func (s *remoteServer) saved(field, value string) string {
	s.t.Helper()
	return field0(s.t, s.save(saveParts(s.photo, sign.Field{Name: field, Value: value})...), "fileID")
}

func (s *remoteServer) portrait() {
	s.t.Helper()
	body, contentType := makeForm(formPart{"files", "picture.jpg", string(s.photo)})
	content(s.t, s.do("POST", publicURL+"/portrait"+qquery, strings.NewReader(string(body)), s.qheaders("Content-Type", contentType)...))
}

func (s *remoteServer) deleted(url string) {
	s.t.Helper()
	if got := code(s.t, s.delete(url)); got != "1" {
		s.t.Errorf("deleting: %s", got)
	}
}

func (s *remoteServer) restored(url string) {
	s.t.Helper()
	folder, _, _ := cutLast(strings.TrimPrefix(url, publicURL+"/"), "/")
	var results struct{ Results []pathResult }
	s.admin(&results, "POST", "/trash/restore", map[string]any{"paths": []string{folder}})
	if len(results.Results) != 1 || results.Results[0].Files != 2 {
		s.t.Errorf("restoring: %+v", results)
	}
}

func (s *remoteServer) hundred() {
	s.t.Helper()
	for i := range 100 {
		s.wantStatus(201, s.putBlob(fmt.Sprint(i, "/", i, ".txt"), "a"))
	}
}

// sweeps does what a server does once a minute.
func (s *remoteServer) sweeps() {
	s.t.Helper()
	_, err1 := s.srv.cfg.Cache.Sweep(time.Time{})
	_, err2 := s.srv.cfg.Pictures.Sweep(s.clock.Now().Add(-s.srv.cfg.TrashTTL))
	if err := cmp.Or(err1, err2); err != nil {
		s.t.Error(err)
	}
}

// sweepsBesides is what sweeps costs more than where there is nothing.
func (s *remoteServer) sweepsBesides() {
	s.t.Helper()
	s.sweeps()
	s.less["LIST"] = 4
}

// The table of S3 calls in scale.md is what they are.
func TestCallsPerOperation(t *testing.T) {
	_, table, _ := strings.Cut(string(docsSource("scale.md")), "| What is done | "+strings.Join(callKinds, " | ")+" |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	documented := make(map[string]map[string]int)
	var names []string
	for _, line := range strings.Split(table, "\n")[1:] {
		cells := strings.Split(strings.Trim(line, "|"), "|")
		name := strings.TrimSpace(cells[0])
		names, documented[name] = append(names, name), make(map[string]int)
		for i, cell := range cells[1:] {
			if text := strings.TrimSpace(cell); text != "" {
				n, err := strconv.Atoi(text)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				documented[name][callKinds[i]] = n
			}
		}
	}
	for _, row := range callRows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := newRemoteServer(t)
			do := row.of(s)
			s.s3.Calls()
			do()
			got := s.s3.Calls()
			for _, kind := range callKinds {
				if got[kind] -= s.less[kind]; got[kind] != documented[row.name][kind] {
					t.Errorf("%d %s, scale.md has %d", got[kind], kind, documented[row.name][kind])
				}
				delete(got, kind)
			}
			if len(got) > 0 {
				t.Errorf("%v besides", got)
			}
		})
		names = slices.DeleteFunc(names, func(name string) bool { return name == row.name })
	}
	if len(names) > 0 {
		t.Errorf("scale.md has %q besides", names)
	}
}
