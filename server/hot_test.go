package server

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tintype/store"
)

// TestEveryWayOfReading runs what the contract says of reads over each way in which the
// bytes go out: from memory and by sendfile on sockets, as every test does or could, and
// copied where the connection is none, and from what is kept nowhere.
func TestEveryWayOfReading(t *testing.T) {
	for _, way := range []string{"memory", "files", "mapped files", "copies", "nothing kept"} {
		readBy = way
		for i, f := range []func(*testing.T){
			TestSASVectorsOverTheWire, TestSASNegativeVectorsOverTheWire, TestBlobReadsHaveTheHeadersOfTheSDKs, TestMD5OfReads,
			TestRanges, TestAnEmptyBlobHasNoRange, TestConditionsOfReads, TestABlobComesBackAsItWasPut, TestConditionsOfWrites,
			TestDeletingABlobIsSoft, TestLinksAskForTheirToken, TestLinksAnswerAsFastDFSDoes, TestAPictureIsGoneWhenItsCacheTimeHasPassed,
			TestGainImageAnswersByItsTable, TestTwoRequestsOnOneConnectionKeepTheirOwnValues, TestAVariantIsThereWhileItsOriginalIsReplaced,
		} {
			t.Run(fmt.Sprint(way, " ", i), f)
		}
	}
	readBy = "memory"
}

// TestNoAnswerIsOlderThanAChange has readers keep a picture in memory, or open, all the time
// while one client changes it: what that client reads is what it wrote last.
func TestNoAnswerIsOlderThanAChange(t *testing.T) {
	for _, way := range []string{"memory", "files"} {
		t.Run(way, func(t *testing.T) {
			readBy = way
			defer func() { readBy = "memory" }()
			s := newTestServer(t)
			var now atomic.Int64 // the newest that is acknowledged
			end := make(chan struct{})
			var readers sync.WaitGroup
			for range 3 {
				readers.Go(func() {
					for {
						select {
						case <-end:
							return
						default:
						}
						least := now.Load()
						var n int64
						if got := s.read("a.jpg"); got != "BlobNotFound" {
							if fmt.Sscan(got, &n); n < least {
								t.Errorf("read %d after %d was acknowledged", n, least)
							}
						}
					}
				})
			}
			for i := range int64(100) {
				want := fmt.Sprint(i, strings.Repeat(" ", 1000))
				if a := s.putBlob("a.jpg", want); a.status != 201 {
					t.Fatal(a)
				}
				now.Store(i)
				if i%3 == 0 {
					if err := s.data.Pictures.(*store.Disk).Flush(); err != nil {
						t.Fatal(err)
					}
				}
				for range 2 {
					if got := s.read("a.jpg"); got != want {
						t.Fatalf("%d: read %.20q", i, got)
					}
				}
				if i%5 == 0 {
					s.do("DELETE", s.at("a.jpg", "d"), nil)
					if got := s.read("a.jpg"); got != "BlobNotFound" {
						t.Fatalf("%d: read %.20q after its deletion", i, got)
					}
				}
			}
			close(end)
			readers.Wait()
		})
	}
}

func TestOpenFilesOfWhatIsGoneAreClosed(t *testing.T) {
	readBy = "files"
	defer func() { readBy = "memory" }()
	s := newTestServer(t)
	for i := range 20 {
		s.putBlob(fmt.Sprint(i, ".jpg"), strings.Repeat("x", 100+i))
	}
	if err := s.data.Pictures.(*store.Disk).Flush(); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		s.read(fmt.Sprint(i, ".jpg"))
	}
	s.srv.hot.files.Wait()
	if n := len(s.srv.hot.kept); n != 20 {
		t.Errorf("%d files are open, want 20", n)
	}
	var all []*picture
	for p := range s.srv.hot.kept {
		all = append(all, p)
	}
	for i := range 20 {
		s.do("DELETE", s.at(fmt.Sprint(i, ".jpg"), "d"), nil)
	}
	s.srv.hot.prune(s.clock.Now())
	if n := len(s.srv.hot.kept); n != 0 {
		t.Errorf("%d files are open, want none", n)
	}
	for _, p := range all {
		if _, err := p.file.Stat(); err == nil || p.retain() {
			t.Errorf("%s is open", p.Name)
		}
	}
}

func TestFewerFilesAreOpenThanMayBe(t *testing.T) {
	s, h := hotOver100(t, 16)
	for range 3 {
		for _, it := range manyItems(100) {
			p, err := h.get(s.data.Pictures, it.Name, azureRules, s.clock.Now())
			if err == nil {
				err = h.load(p)
			}
			if err != nil {
				t.Fatal(err)
			}
			if data, err := h.bytes(p); string(data) != it.Name || err != nil {
				t.Errorf("%s: %q, %v", it.Name, data, err)
			}
			p.release()
		}
		h.files.Wait()
		if n := len(h.kept); n == 0 || n > 16 {
			t.Errorf("%d files are open, want 16", n)
		}
	}
}

// A full cache lets those go that nobody reads any more, so that others are kept at once.
func TestFilesThatNobodyReadsMakeRoom(t *testing.T) {
	s, h := hotOver100(t, 40)
	if maxFiles == 0 {
		t.Skip("no files are kept open on this system")
	}
	for n := 0; int64(len(h.kept)) < h.maxKept() && n < 1000; n++ { // the cache may pass over some
		for _, it := range manyItems(100) {
			p, err := h.get(s.data.Pictures, it.Name, azureRules, s.clock.Now())
			if err == nil {
				err = errors.Join(h.load(p), p.release())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		h.memory.Clear()
		h.files.Wait()
	}
	for i, want := range []int64{h.maxKept(), 0} { // they have been read since they came, and then not
		if h.prune(s.clock.Now()); int64(len(h.kept)) != want {
			t.Errorf("%d files are left after prune %d, want %d", len(h.kept), i+1, want)
		}
	}
}

// hotOver100 returns a cache that keeps up to so many files open, and a server with manyItems(100) at their places.
func hotOver100(t *testing.T, files int64) (*testServer, *hot) {
	t.Helper()
	s := newTestServer(t)
	h, err := newHot(1<<20, files)
	if err != nil {
		t.Fatal(err)
	}
	h.fileFrom = 0
	s.put(manyItems(100)...)
	if err := s.data.Pictures.(*store.Disk).Flush(); err != nil {
		t.Fatal(err)
	}
	return s, h
}

func manyItems(n int) (all []store.Item) {
	for i := range n {
		name := fmt.Sprint(seedContainer, "/", i)
		all = append(all, store.Item{Object: store.Object{Name: name}, Body: strings.NewReader(name)})
	}
	return all
}

// TestWhatIsFoundDamagedIsServedUnderNoName has a file rot that is kept open for one of two
// names, and be mended.
func TestWhatIsFoundDamagedIsServedUnderNoName(t *testing.T) {
	readBy = "files"
	defer func() { readBy = "memory" }()
	s := newTestServer(t)
	text := strings.Repeat("y", 1000)
	s.putBlob("a.jpg", text)
	s.putBlob("b.jpg", text)
	if err := s.data.Pictures.(*store.Disk).Flush(); err != nil {
		t.Fatal(err)
	}
	s.read("b.jpg")
	s.srv.hot.files.Wait()
	files, err := filepath.Glob(filepath.Join(s.dir, "pictures/blobs/*/*.1000"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	f, err := os.OpenFile(files[0], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("ROT"), 10); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.jpg", "b.jpg"} {
		if got := s.read(name); got != "InternalError" {
			t.Errorf("%s: %.20q", name, got)
		}
	}
	s.putBlob("a.jpg", text)
	if got := s.read("b.jpg"); got != text {
		t.Errorf("b.jpg, mended: %.20q", got)
	}
}

func TestALinkThatWasCheckedEnds(t *testing.T) {
	s := newTestServer(t)
	s.putBlob("a.jpg", "bytes")
	url := s.at("a.jpg", "r")
	get := func() string {
		s.srv.grants.links.Wait()
		a := s.do("GET", url, nil)
		return a.header.Get("x-ms-error-code") + a.body
	}
	for range 2 {
		if got := get(); got != "bytes" {
			t.Error(got)
		}
	}
	s.clock.add(31 * 24 * time.Hour)
	if got := get(); !strings.HasPrefix(got, "AuthenticationFailed") {
		t.Errorf("behind its end: %s", got)
	}
}

// Pictures beyond the files that may be open are kept in memory.
func TestMemoryKeepsWhatFilesDoNot(t *testing.T) {
	if maxFiles == 0 {
		t.Skip("no files are kept open on this system")
	}
	s, h := hotOver100(t, 40)
	inMemory, inFiles := 0, 0
	for range 5 {
		inMemory, inFiles = 0, 0
		for _, it := range manyItems(100) {
			p, err := h.get(s.data.Pictures, it.Name, azureRules, s.clock.Now())
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case p.data != nil:
				inMemory++
			case p.file != nil:
				inFiles++
			}
			if err := errors.Join(h.load(p), p.release()); err != nil {
				t.Fatal(err)
			}
		}
		h.memory.Wait()
		h.files.Wait()
	}
	if inMemory < 50 || inFiles < 10 || inFiles > 35 {
		t.Errorf("of 100 pictures %d are in memory, %d are open", inMemory, inFiles)
	}
}

// A file that is cut while it is kept costs the answer, and not the server.
func TestAFileThatIsCut(t *testing.T) {
	if maxFiles == 0 {
		t.Skip("no files are kept open on this system")
	}
	for _, way := range []string{"files", "mapped files"} {
		readBy = way
		s := newTestServer(t)
		readBy = "memory"
		text := strings.Repeat("y", 1_000_000)
		s.putBlob("a.jpg", text)
		if err := s.data.Pictures.(*store.Disk).Flush(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got := s.read("a.jpg"); got != text {
				t.Fatalf("%s: %.20q", way, got)
			}
			s.srv.hot.files.Wait()
		}
		files, err := filepath.Glob(filepath.Join(s.dir, "pictures/blobs/*/*.1000000"))
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		for _, size := range []int64{500_000, 0} {
			if err := os.Truncate(files[0], size); err != nil {
				t.Fatal(err)
			}
			resp, err := s.Get(s.at("a.jpg", "r"))
			if err != nil {
				continue // cut off before the header
			}
			got, err := io.ReadAll(resp.Body)
			if resp.Body.Close(); err == nil || !strings.HasPrefix(text, string(got)) {
				t.Errorf("%s, cut to %d: %d bytes, %v", way, size, len(got), err)
			}
		}
		if got := s.do("GET", publicURL+"/healthz", nil); got.status != 200 {
			t.Errorf("%s: %d", way, got.status)
		}
	}
}
