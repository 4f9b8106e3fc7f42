package command

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tintype/sign"
)

// storageTime is that in the IDs of a made storage.
var storageTime = time.Date(2014, 4, 3, 6, 53, 44, 0, time.UTC)

// fastdfsID returns the ID that a storage would give to data.
func fastdfsID(t testing.TB, storePath uint8, dir [2]byte, data []byte, ext string) sign.FileID {
	t.Helper()
	id, err := sign.NewFileID(sign.FileSpec{
		Group: "group1", StorePath: storePath, Dir: dir, Source: netip.MustParseAddr("172.16.11.116"), Created: storageTime,
		Size: int64(len(data)), CRC32: crc32.ChecksumIEEE(data), Ext: ext,
	}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// makeStorage writes n pictures as a FastDFS storage has them, half of them below each of two
// store paths, and returns their bytes by ID.
func makeStorage(t *testing.T, n int, storePaths ...string) map[string][]byte {
	all := make(map[string][]byte)
	for i := range n {
		data := uniquePicture()
		at := i % len(storePaths)
		id := fastdfsID(t, uint8(at), [2]byte{byte(i >> 8), byte(i)}, data, "jpg")
		all[id.String()] = data
		write(t, filepath.Join(storePaths[at], "data", strings.TrimPrefix(id.Path(), fmt.Sprintf("M%02X", at))), data)
	}
	return all
}

func (r result) imported(t *testing.T) (done imported) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.out), &done); err != nil {
		t.Fatalf("%q, %q: %v", r.out, r.stderr, err)
	}
	return done
}

// readable reads every link and counts those that have not their bytes.
func readable(t *testing.T, client *http.Client, base string, all map[string][]byte) (bad int) {
	for id, data := range all {
		resp, err := client.Get(base + "/" + id)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || !bytes.Equal(got, data) {
			bad++
			t.Logf("%s: %s, %d bytes, %v", id, resp.Status, len(got), err)
		}
	}
	return bad
}

func TestImportOfAStorageKeepsItsLinks(t *testing.T) {
	eachTransport(t, func(s *shell) {
		one, two := s.t.TempDir(), s.t.TempDir()
		all := makeStorage(s.t, 20, one, two)
		r := s.do(0, "import", "fastdfs", one, filepath.Join(two, "data"), "--dry-run", "--json").imported(s.t)
		if r.Imported != 20 || !r.DryRun {
			s.t.Errorf("dry run: %+v", r)
		}
		if r := s.do(0, "ls"); r.out != "" {
			s.t.Fatalf("a dry run stored %q", r.out)
		}
		if r := s.do(0, "import", "fastdfs", one, two, "--json").imported(s.t); r.Imported != 20 || r.There+r.Refused != 0 {
			s.t.Errorf("import: %+v", r)
		}
		for _, dry := range [][]string{nil, {"--dry-run"}} {
			if r := s.do(0, append([]string{"import", "fastdfs", one, two, "--json"}, dry...)...).imported(s.t); r.Imported != 0 || r.There != 20 || r.Refused != 0 {
				s.t.Errorf("again %v: %+v", dry, r)
			}
		}
		var pic picture
		if err := json.Unmarshal([]byte(s.do(0, "ls", "--json", "--limit", "1").out), &pic); err != nil || !pic.Created.Equal(storageTime) {
			s.t.Errorf("created %v, %v", pic.Created, err)
		}
		if s.url == "" {
			p := startServer(s.t, s.dir)
			defer p.stop()
			s.url = p.url
		}
		if bad := readable(s.t, s.http, s.url, all); bad > 0 {
			s.t.Errorf("%d of %d links are bad", bad, len(all))
		}
	})
}

// A storage with everything that can be wrong in it.
func TestImportOfAStorageRefusesWithReasons(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	s := &shell{t: t, dir: t.TempDir()}
	s.where = []string{"--data", s.dir}
	s.do(0, "app", "add", killApp)
	put := func(name string, data []byte) { write(t, filepath.Join(dir, "data", name), data) }
	data := uniquePicture()
	name := func(ext string) string {
		return strings.TrimPrefix(fastdfsID(t, 0, [2]byte{}, data, ext).Path(), "M00/")
	}

	// what is taken
	good, growing, described := name("jpg"), "00/00/"+appenderName(), name("png")
	put(good, data)
	put(strings.TrimSuffix(good, ".jpg")+"_150x150.jpg", []byte("a slave, of another size"))
	put(growing, []byte("what a file that grows has by now"))
	put(described, data)
	put(described+"-m", []byte("author\x02somebody\x01Width\x021024"))
	linked := name("gif")
	if err := os.Symlink(filepath.Base(good), filepath.Join(dir, "data", linked)); err != nil {
		t.Fatal(err)
	}

	// what is refused
	want := make(map[string]string)
	refused := func(name, why string, data []byte) {
		put(name, data)
		want[filepath.Join(dir, "data", name)] = why
	}
	broken := bytes.Clone(data)
	broken[len(broken)/2] ^= 1
	refused(name("jpg"), "the bytes have not the CRC-32 in its ID", broken)
	refused(name("jpg"), "bytes and should have", data[1:])
	refused(name("jpg")+"x", "no FastDFS file ID", data)
	refused("00/00/readme.txt", "no FastDFS file ID", data)
	refused("00/01/000001", "a trunk file", data)
	refused("00/00/"+trunkID(), "in a trunk file", data)
	bad := name("bmp")
	put(bad, data) // is taken, without
	refused(bad+"-m", "metadata", []byte("no name\x02v"))
	write(t, filepath.Join(elsewhere, "x"), data)
	out := filepath.Join(dir, "data", name("jpg"))
	if err := os.Symlink(filepath.Join(elsewhere, "x"), out); err != nil {
		t.Fatal(err)
	}
	want[out] = "a link out of the storage"
	large := make([]byte, 8<<20+1)
	huge := strings.TrimPrefix(fastdfsID(t, 0, [2]byte{}, large, "bin").Path(), "M00/")
	refused(huge, "more than the server takes", large)

	// what is passed over
	for _, name := range []string{"sync/binlog.000", "storage_stat.dat", ".data_init_flag", "fdfs_storaged.pid"} {
		put(name, nil)
	}

	report := filepath.Join(t.TempDir(), "report")
	r := s.do(1, "import", "fastdfs", dir, "--json", "--report", report)
	done := r.imported(t)
	if done.Imported != 6 || done.Refused != len(want) || done.Passed[kindOwn] != 4 || done.Passed[kindMeta] != 1 {
		t.Errorf("import: %+v\n%s", done, r.stderr)
	}
	if lines := strings.Count(r.stderr, "refused: "); lines != len(want) {
		t.Errorf("%d lines, want %d:\n%s", lines, len(want), r.stderr)
	}
	for line := range strings.Lines(read(t, report)) {
		var told struct{ From, Reason string }
		if err := json.Unmarshal([]byte(line), &told); err != nil || want[told.From] == "" || !strings.Contains(told.Reason, want[told.From]) {
			t.Errorf("report: %s, want %q, %v", line, want[told.From], err)
		}
		delete(want, told.From)
	}
	if len(want) > 0 {
		t.Errorf("not in the report: %v", want)
	}
	var pic struct{ Metadata map[string]string }
	if err := json.Unmarshal([]byte(s.do(0, "ls", "--json", "group1/M00/"+described).out), &pic); err != nil || pic.Metadata["author"] != "somebody" || pic.Metadata["width"] != "1024" {
		t.Errorf("metadata: %v, %v", pic, err)
	}

	put(growing, []byte("it has grown"))
	if r := s.do(1, "import", "fastdfs", dir); !strings.Contains(r.stderr, growing+": other bytes have its name") {
		t.Errorf("of a file that has grown: %s", r.stderr)
	}
}

// idOf encodes an ID by hand.
func idOf(size uint64, crc uint32) []byte {
	b := []byte{172, 16, 11, 116}
	b = binary.BigEndian.AppendUint32(b, uint32(storageTime.Unix()))
	b = binary.BigEndian.AppendUint64(b, size)
	return binary.BigEndian.AppendUint32(b, crc)
}

func encodeID(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func appenderName() string { return encodeID(idOf(1<<58|1<<63, 0)) + "132.log" }

func trunkID() string { return encodeID(idOf(1<<59|7, 0)) + "AAAAAAAAAAAAAAAA" + "132.jpg" }

func TestImportOfAFolder(t *testing.T) {
	dir := t.TempDir()
	when := time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)
	for name, text := range map[string]string{"a.txt": "1", "a/b c.html": "2", "ü/ÿ.bin": "3", "empty": "", ".hidden": "x", ".git/c": "x", "back\\slash": "x"} {
		write(t, filepath.Join(dir, name), []byte(text))
		if err := os.Chtimes(filepath.Join(dir, name), when, when); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a.txt", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	through := filepath.Join(t.TempDir(), "through")
	if err := os.Symlink(dir, through); err != nil {
		t.Fatal(err)
	}
	eachTransport(t, func(s *shell) {
		r := s.do(1, "import", "folder", through, "--container", killApp+"-old", "--json")
		done := r.imported(s.t)
		if done.Imported != 4 || done.Refused != 1 || done.Passed["hidden"] != 2 || done.Passed["links"] != 1 || !strings.Contains(r.stderr, `back\slash: no URL can have the name`) {
			s.t.Errorf("import: %+v, %s", done, r.stderr)
		}
		got := s.do(0, "ls", "--json").lines()
		want := []string{"a.txt", "a/b c.html", "empty", "ü/ÿ.bin"}
		for i, line := range got {
			var pic picture
			if err := json.Unmarshal([]byte(line), &pic); err != nil || i >= len(want) || pic.Name != killApp+"-old/"+want[i] || !pic.Created.Equal(when) {
				s.t.Errorf("listed %s", line)
			}
		}
		if len(got) != len(want) {
			s.t.Errorf("%d are there", len(got))
		}
		changed := filepath.Join(dir, "a.txt")
		write(s.t, changed, []byte("changed"))
		defer os.Chtimes(changed, when, when)
		defer write(s.t, changed, []byte("1"))
		if r := s.do(1, "import", "folder", dir, "--container", killApp+"-old", "--json"); r.imported(s.t).There != 3 || !strings.Contains(r.stderr, "other bytes have its name") {
			s.t.Errorf("of a file that changed: %s%s", r.out, r.stderr)
		}
	})
}

func TestMetadataOfAStorage(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "map[]",
		"a\x02b":                             "map[x-ms-meta-a:b]",
		"A_1\x02b c\x01d\x02":                "map[x-ms-meta-a_1:b c x-ms-meta-d:]",
		"a":                                  "map[x-ms-meta-a:]",
		"a\x02b\x01A\x02c":                   "twice",
		"a-b\x02c":                           "letters",
		"1\x02c":                             "letters",
		"\x02c":                              "letters",
		"a\x02b\nc":                          "plain text",
		"a\x02\xff":                          "plain text",
		"a\x02" + strings.Repeat("b", 8<<10): "more than",
	} {
		got, err := parseMetadata([]byte(text))
		if said := fmt.Sprint(got, err); !strings.Contains(said, want) || err != nil && got != nil {
			t.Errorf("%q: %s, want %s", text, said, want)
		}
	}
}

func FuzzStorageMetadata(f *testing.F) {
	f.Add([]byte("a\x02b\x01c\x02d"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := parseMetadata(data)
		if err != nil {
			if got != nil {
				t.Errorf("%v with %v", got, err)
			}
			return
		}
		for name, value := range got {
			if h := (http.Header{name: {value}}); h.Write(io.Discard) != nil || !strings.HasPrefix(name, "x-ms-meta-") || strings.ContainsAny(name+value, "\r\n\x00") {
				t.Errorf("no header: %q: %q", name, value)
			}
		}
	})
}

// An import that is killed goes on where it was, and in the end everything is there once.
func TestImportResumes(t *testing.T) {
	dir, storage := t.TempDir(), t.TempDir()
	n := times(t, "TINTYPE_IMPORT", 120)
	until := n / 2
	all := makeStorage(t, n, storage)
	p := startServer(t, dir, "--app", killApp+"="+killSecret)
	defer p.stop()
	s := &shell{t: t, where: []string{"--data", dir}}

	// between the import and the server stands who lets so many pictures pass, and then none
	target, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	var puts atomic.Int64
	var passing sync.WaitGroup
	passing.Add(until)
	full := make(chan struct{})
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	between := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut {
			proxy.ServeHTTP(w, r)
			return
		}
		switch n := int(puts.Add(1)); {
		case n <= until:
			defer passing.Done()
			proxy.ServeHTTP(w, r)
			return
		case n == until+1:
			close(full)
		}
		io.Copy(io.Discard, r.Body) // or the end of the connection is not seen
		<-r.Context().Done()
	}))
	cmd := asCommand("import", "fastdfs", storage, "--server", between.URL)
	cmd.Env = append(cmd.Env, adminTokenEnv+"="+strings.TrimSpace(s.do(0, "token", "admin").out))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-full
	passing.Wait()
	cmd.Process.Kill()
	cmd.Wait()
	between.Close()

	if there := len(s.do(0, "ls").lines()); there != until {
		t.Errorf("%d are there after the kill, of %d", there, until)
	}
	if r := s.do(0, "import", "fastdfs", storage, "--json").imported(t); r.There != until || r.Imported != n-until || r.Refused != 0 {
		t.Errorf("the second run: %+v, %d were there", r, until)
	}
	if got := len(s.do(0, "ls").lines()); got != n {
		t.Errorf("%d are there of %d", got, n)
	}
	if bad := readable(t, http.DefaultClient, p.url, all); bad > 0 {
		t.Errorf("%d links are bad", bad)
	}
}

// Ctrl-C ends an import with what it has done.
func TestImportStops(t *testing.T) {
	storage := t.TempDir()
	makeStorage(t, 40, storage)
	var puts atomic.Int64
	full := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.Write([]byte(`{"account":"tintype","max_upload":1000000,"apps":[{"key":"k"}],"pictures":[]}`))
			return
		}
		io.Copy(io.Discard, r.Body)
		switch n := puts.Add(1); {
		case n <= 20:
			w.WriteHeader(http.StatusCreated)
			w.Write([]byte("{}"))
			return
		case n == 21+importers-1: // all of them wait, and what went before is counted
			close(full)
		}
		<-r.Context().Done()
	}))
	defer srv.Close()
	var out, stderr bytes.Buffer
	cmd := asCommand("import", "fastdfs", storage, "--server", srv.URL, "--json")
	cmd.Env = append(cmd.Env, adminTokenEnv+"=t")
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-full
	cmd.Process.Signal(os.Interrupt)
	cmd.Wait()
	done := result{cmd.ProcessState.ExitCode(), out.String(), stderr.String()}
	if r := done.imported(t); done.code != 1 || r.Imported != 20 || r.Refused != 0 || done.stderr != "tintype: stopped; the same command goes on from here\n" {
		t.Errorf("exit %d, %+v, %q", done.code, r, done.stderr)
	}
}

// A server that is gone is waited for, and one that takes nothing more ends the import.
func TestImportEndsWhereTheServerTakesNoMore(t *testing.T) {
	storage := t.TempDir()
	makeStorage(t, 40, storage)
	var puts atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.Write([]byte(`{"account":"tintype","max_upload":1000000,"apps":[{"key":"k"}],"pictures":[]}`))
			return
		}
		switch n := puts.Add(1); {
		case n == 1:
			panic(http.ErrAbortHandler) // the connection breaks
		case n < 10:
			w.WriteHeader(http.StatusCreated)
			w.Write([]byte("{}"))
		default:
			w.WriteHeader(http.StatusInsufficientStorage)
			w.Write([]byte(`{"error":{"code":"full","message":"disk is full"}}`))
		}
	}))
	defer srv.Close()
	t.Setenv(adminTokenEnv, "t")
	s := &shell{t: t, where: []string{"--server", srv.URL}}
	r := s.do(1, "import", "fastdfs", storage, "--json")
	if done := r.imported(t); done.Imported < 1 || done.Imported > 8 || done.Refused > 0 || !strings.Contains(r.stderr, "disk is full; the same command goes on from here") {
		t.Errorf("%+v, %q", done, r.stderr)
	}
	if puts.Load() > 30 {
		t.Errorf("%d pictures were sent", puts.Load())
	}
}

func TestEntriesAreVerified(t *testing.T) {
	const data = "some bytes"
	sum := crc32.NewIEEE()
	for _, test := range []struct {
		name  string
		e     entry
		limit int64
		want  string
	}{
		{"of no known size", entry{size: -1}, 10, ""},
		{"of more than may be", entry{size: -1}, 9, "10 bytes are more"},
		{"of another size", entry{size: 9}, 100, "it has 10 bytes and should have 9"},
		{"of its checksum", entry{size: 10, sum: sum, want: binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(data)))}, 10, ""},
		{"of another checksum", entry{size: 10, sum: crc32.NewIEEE(), want: []byte{1, 2, 3, 4}, sumName: "CRC"}, 10, "not the CRC, 01020304"},
	} {
		digest, size, err := test.e.verify(memory{bytes.NewReader([]byte(data))}, test.limit)
		if good := test.want == ""; good != (err == nil) || !good && (digest != "" || !strings.Contains(err.Error(), test.want)) || good && (size != 10 || len(digest) != 64) {
			t.Errorf("%s: %q, %d, %v", test.name, digest, size, err)
		}
	}
}

func TestFatalErrors(t *testing.T) {
	for code, want := range map[apiCode]bool{codeFull: true, codeReadOnly: true, codeUnauthorized: true, codeExists: false, codeNotFound: false, "quota": false, "too_large": false} {
		if got := fatal(fmt.Errorf("x: %w", &apiError{code, ""})); got != want {
			t.Errorf("%s: %v", code, got)
		}
	}
	if !fatal(&url.Error{Err: io.EOF}) || fatal(errors.New("no such file")) || fatal(refusedError("x")) {
		t.Error("errors that are none of the API")
	}
}
