package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// noted is an event of these tests.
type noted struct {
	By string `json:"by"`
	N  int    `json:"n"`
}

func (e noted) String() string { return string(must(json.Marshal(e))) }

func openAudit(t *testing.T, dir string, opt AuditOptions) *AuditLog {
	t.Helper()
	opt.Log = quietLog
	a, err := OpenAuditLog(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func note(t *testing.T, a *AuditLog, by string, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		if err := a.Append(noted{by, n}); err != nil {
			t.Error(err)
		}
	}
}

// listing returns all lines from a cursor on, page by page.
func listing(t *testing.T, a *AuditLog, cursor string, limit int) (lines []string) {
	t.Helper()
	for {
		page, next, err := a.Read(cursor, limit, nil)
		if err != nil || len(page) > limit {
			t.Errorf("Read(%q): %d lines, %v", cursor, len(page), err)
			return lines
		}
		for _, line := range page {
			lines = append(lines, string(line))
		}
		if next == "" {
			return lines
		}
		cursor = next
	}
}

// backwards is what Read has to say of events from..to-1.
func backwards(by string, from, to int) (lines []string) {
	for n := to - 1; n >= from; n-- {
		lines = append(lines, noted{by, n}.String())
	}
	return lines
}

func TestEventsAreReadFromTheNewestOn(t *testing.T) {
	dir := t.TempDir()
	a := openAudit(t, dir, AuditOptions{FileBytes: 200, Files: 20})
	if lines, next, err := a.Read("", 10, nil); len(lines) != 0 || next != "" || err != nil {
		t.Errorf("of an empty log: %q, %q, %v", lines, next, err)
	}
	note(t, a, "a", 0, 100)
	want := backwards("a", 0, 100)
	for _, limit := range []int{1, 3, 9, 10, 99, 100, 1000} {
		if got := listing(t, a, "", limit); !slices.Equal(got, want) {
			t.Errorf("pages of %d: %q", limit, got)
		}
	}
	odd, next, err := a.Read("", 100, func(line []byte) bool { return bytes.HasSuffix(line, []byte("7}")) })
	if err != nil || next != "" || len(odd) != 10 || string(odd[0]) != (noted{"a", 97}).String() {
		t.Errorf("that match: %q, %q, %v", odd, next, err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "audit*.log")); len(files) < 5 {
		t.Errorf("files %v", files)
	}
	if info, err := os.Stat(a.path(0)); err != nil || runtime.GOOS != "windows" && info.Mode() != 0o600 || info.Size() > 200 {
		t.Errorf("audit.log: %v, %v", info, err)
	}
	a.Close()
	if err := a.Append(noted{}); err == nil || a.Lost() != 1 {
		t.Errorf("after Close: %v, %d lost", err, a.Lost())
	}
	if got := listing(t, openAudit(t, dir, AuditOptions{Files: 20}), "", 7); !slices.Equal(got, want) {
		t.Errorf("reopened: %q", got)
	}
}

func TestTheOldestFileIsDropped(t *testing.T) {
	dir := t.TempDir()
	a := openAudit(t, dir, AuditOptions{FileBytes: 200, Files: 3})
	note(t, a, "a", 0, 15)
	_, cursor, err := a.Read("", 10, nil)
	if err != nil || cursor == "" {
		t.Fatal(cursor, err)
	}
	note(t, a, "a", 15, 100)
	if files, _ := filepath.Glob(filepath.Join(dir, "audit*.log")); len(files) != 4 {
		t.Errorf("files %v, want 4", files)
	}
	got := listing(t, a, "", 10)
	if len(got) < 30 || !slices.Equal(got, backwards("a", 100-len(got), 100)) {
		t.Errorf("left: %q", got)
	}
	if lines, next, err := a.Read(cursor, 10, nil); len(lines) != 0 || next != "" || err != nil {
		t.Errorf("from a position that is gone: %q, %q, %v", lines, next, err)
	}
}

// A cursor goes on where its page ended, whatever is written in between, and in
// another process.
func TestACursorHolds(t *testing.T) {
	for _, between := range []int{0, 1, 5, 40, 300} {
		for _, events := range []string{"distinct", "alike"} {
			t.Run(fmt.Sprint(between, " ", events), func(t *testing.T) {
				dir, opt := t.TempDir(), AuditOptions{FileBytes: 200, Files: 50}
				a := openAudit(t, dir, opt)
				add := func(from, to int) {
					if events == "distinct" {
						note(t, a, "a", from, to)
						return
					}
					for range to - from {
						note(t, a, "a", 7, 8)
					}
				}
				add(0, 60)
				want := listing(t, a, "", 1000)
				for done := 0; done < len(want); done += 4 {
					_, cursor, err := a.Read("", max(done, 1), nil)
					if err != nil || cursor == "" {
						t.Fatal(cursor, err)
					}
					before := listing(t, a, cursor, 7)
					add(60, 60+between/15)
					if got := listing(t, a, cursor, 7); !slices.Equal(got, before) {
						t.Fatalf("after %d: %d lines, before %d", done, len(got), len(before))
					}
					if events == "distinct" {
						if got := listing(t, openAudit(t, dir, opt), cursor, 7); !slices.Equal(got, before) {
							t.Fatalf("after %d, in another process: %q", done, got)
						}
					}
				}
			})
		}
	}
}

func TestCursorsThatNoReadHasMade(t *testing.T) {
	a := openAudit(t, t.TempDir(), AuditOptions{FileBytes: 200})
	note(t, a, "a", 0, 20)
	_, cursor, _ := a.Read("", 3, nil)
	for _, bad := range []string{"x", "1.2.3", "1.2.3.4.5", cursor + " ", " " + cursor, cursor[1:] + ".", "1.2.3.-4", "+1.2.3.4", "1.2.fffffffff.4", strings.ToUpper(cursor + "a")} {
		if lines, next, err := a.Read(bad, 10, nil); !errors.Is(err, ErrCursor) || lines != nil || next != "" {
			t.Errorf("%q: %q, %q, %v", bad, lines, next, err)
		}
	}
	if _, _, err := a.Read("1.2.3.4", 10, nil); err != nil {
		t.Errorf("one of another log: %v", err)
	}
}

// shortWriter takes so many bytes and then says that the disk is full.
type shortWriter struct {
	*os.File
	left int
}

func (w *shortWriter) Write(p []byte) (int, error) {
	n := min(len(p), w.left)
	w.left -= n
	if n, err := w.File.Write(p[:n]); err != nil || n == len(p) {
		return n, err
	}
	return n, syscall.ENOSPC
}

func TestAFullDiskCostsEventsAndNoOthers(t *testing.T) {
	for left := range len(noted{"lost", 1}.String()) { // of more the line feed alone would be missing
		dir := t.TempDir()
		a := openAudit(t, dir, AuditOptions{})
		note(t, a, "before", 0, 1)
		w := &shortWriter{a.file.(*os.File), left}
		a.file = w
		for range 3 {
			if err := a.Append(noted{"lost", 1}); !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("%d bytes: %v", left, err)
			}
		}
		w.left = 1 << 20
		note(t, a, "after", 0, 2)
		if a.Lost() != 3 {
			t.Errorf("%d lost", a.Lost())
		}
		want := append(backwards("after", 0, 2), backwards("before", 0, 1)...)
		if got := listing(t, a, "", 10); !slices.Equal(got, want) {
			t.Errorf("%d bytes: %q", left, got)
		}
		data, err := os.ReadFile(a.path(0))
		if lines := strings.Count(string(data), "\n"); err != nil || lines > 6 || !bytes.HasSuffix(data, []byte("\n")) {
			t.Errorf("%d bytes: %q, %v", left, data, err)
		}
	}
}

func TestALineThatAKillHasTornIsEnded(t *testing.T) {
	for cut := 1; cut < len(noted{"torn", 1}.String()+"\n"); cut++ {
		dir := t.TempDir()
		a := openAudit(t, dir, AuditOptions{})
		note(t, a, "before", 0, 2)
		note(t, a, "torn", 1, 2)
		a.Close()
		os.Truncate(a.path(0), must(os.Stat(a.path(0))).Size()-int64(cut))
		a = openAudit(t, dir, AuditOptions{})
		want := backwards("before", 0, 2)
		if got := listing(t, a, "", 1); !slices.Equal(got, want) {
			t.Errorf("cut by %d: %q", cut, got)
		}
		note(t, a, "after", 0, 1)
		if got := listing(t, a, "", 1); got[0] != (noted{"after", 0}).String() || !slices.Equal(got[len(got)-2:], want) || len(got) > 4 {
			t.Errorf("cut by %d, gone on with: %q", cut, got)
		}
	}
}

// A rotation that a kill has cut off is finished by the next, and costs no line.
func TestARotationThatWasCutOff(t *testing.T) {
	for moved := range 4 {
		dir, opt := t.TempDir(), AuditOptions{FileBytes: 200, Files: 6}
		a := openAudit(t, dir, opt)
		note(t, a, "a", 0, 30)
		want, free := listing(t, a, "", 9), 1
		for ; ; free++ {
			if _, err := os.Stat(a.path(free)); err != nil {
				break
			}
		}
		cursors := make(map[string][]string)
		for n := 1; n < len(want); n++ {
			_, cursor, _ := a.Read("", n, nil)
			cursors[cursor] = want[n:]
		}
		for n := free; n > free-moved && n > 0; n-- {
			must(0, os.Rename(a.path(n-1), a.path(n)))
		}
		for _, name := range []string{"here", "reopened"} {
			for cursor, rest := range cursors {
				if got := listing(t, a, cursor, 9); !slices.Equal(got, rest) {
					t.Fatalf("%d moved, %s: %q, want %q", moved, name, got, rest)
				}
			}
			a = openAudit(t, dir, opt)
		}
		note(t, a, "a", 30, 50)
		if got := listing(t, a, "", 9); !slices.Equal(got, backwards("a", 0, 50)) {
			t.Errorf("%d moved, gone on with: %q", moved, got)
		}
	}
}

func TestALogThatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	must(0, os.Mkdir(filepath.Join(dir, "audit.log"), 0o700))
	if a, err := OpenAuditLog(dir, AuditOptions{}); err == nil {
		t.Errorf("%+v", a)
	}
	a := openAudit(t, t.TempDir(), AuditOptions{})
	if err := a.Append(func() {}); err == nil || a.Lost() != 1 {
		t.Errorf("an event that is no JSON: %v, %d lost", err, a.Lost())
	}
	if err := a.Append(strings.Repeat("x", maxEvent)); err == nil || a.Lost() != 2 {
		t.Errorf("one that is too long: %v, %d lost", err, a.Lost())
	}
	long := strings.Repeat("x", maxEvent-3)
	if err := a.Append(long); err != nil {
		t.Error(err)
	}
	note(t, a, "a", 0, 1)
	if got := listing(t, a, "", 5); len(got) != 2 || got[1] != `"`+long+`"` {
		t.Errorf("%d lines", len(got))
	}
}

// Files come and go under writers and readers: nobody loses a line, or sees one twice.
func TestAppendReadAndRotateAtOnce(t *testing.T) {
	const writers, events = 6, 200
	a := openAudit(t, t.TempDir(), AuditOptions{FileBytes: 1000, Files: 1000})
	var writing, reading sync.WaitGroup
	stop := make(chan struct{})
	for w := range writers {
		writing.Go(func() { note(t, a, fmt.Sprint("w", w), 0, events) })
	}
	for range 2 {
		reading.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				last := make(map[string]int)
				for _, line := range listing(t, a, "", 10) {
					var e noted
					must(0, json.Unmarshal([]byte(line), &e))
					if before, ok := last[e.By]; ok && before != e.N+1 {
						t.Errorf("%s: %d behind %d", e.By, e.N, before)
					}
					last[e.By] = e.N
				}
				for by, n := range last {
					if n != 0 {
						t.Errorf("%s: %d is the oldest", by, n)
					}
				}
			}
		})
	}
	writing.Wait()
	close(stop)
	reading.Wait()
	if got := listing(t, a, "", 100); len(got) != writers*events {
		t.Errorf("%d lines, want %d", len(got), writers*events)
	}
}

// A call looks at so many bytes and no more.
func TestOneReadIsBounded(t *testing.T) {
	a := openAudit(t, t.TempDir(), AuditOptions{FileBytes: 10_000})
	a.block, a.budget = 200, 400
	note(t, a, "a", 0, 500)
	calls, looked, cursor := 0, 0, ""
	for done := false; !done; calls++ {
		this := 0
		lines, next, err := a.Read(cursor, 10, func(line []byte) bool { this++; return bytes.Contains(line, []byte(`:17}`)) })
		if err != nil || this > 400/len(noted{"a", 1}.String()) {
			t.Fatalf("%d lines looked at, %v", this, err)
		}
		looked += this
		if cursor, done = next, next == ""; len(lines) > 0 {
			t.Logf("%q found by call %d", lines, calls)
		}
	}
	if looked != 500 || calls < 20 {
		t.Errorf("%d lines looked at in %d calls", looked, calls)
	}
}

// FuzzAuditRead reads damaged files: what is there is every line of JSON that has an end
// and is not too long, once, whatever the pages.
func FuzzAuditRead(f *testing.F) {
	f.Add([]byte("{\"n\":1}\n{\"n\":2}\n"), []byte("{\"n\":0}\n"), byte(1), byte(20))
	f.Add([]byte("\n\nnull\ntorn"), []byte{}, byte(3), byte(1))
	f.Add(bytes.Repeat([]byte("7"), 300), []byte("1\n\x00\x00\n2\n\r\n3\r\n"), byte(2), byte(9))
	f.Add([]byte("1\n"+strings.Repeat("9", 50)+"\n2\n"), []byte(strings.Repeat("5\n", 50)), byte(1), byte(8))
	f.Add([]byte("1\n"+strings.Repeat("9", 30)+"\n2\n"), []byte("3\n"), byte(1), byte(20))
	f.Fuzz(func(t *testing.T, newer, older []byte, limit, block byte) {
		dir := t.TempDir()
		os.WriteFile(filepath.Join(dir, "audit.log"), newer, 0o600)
		os.WriteFile(filepath.Join(dir, "audit.2.log"), older, 0o600)
		a := openAudit(t, dir, AuditOptions{})
		a.block = 2 * max(int64(block), 1)
		a.budget = a.block * 3
		var want []string
		for _, data := range [][]byte{newer, older} {
			lines := strings.Split(string(data), "\n")
			for _, line := range slices.Backward(lines[:len(lines)-1]) {
				if int64(len(line)) < a.block/2 && json.Valid([]byte(line)) {
					want = append(want, line)
				}
			}
		}
		if got := listing(t, a, "", int(limit)%16+1); !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// FuzzAuditCursor holds that a cursor is one of ours to the last byte, or refused.
func FuzzAuditCursor(f *testing.F) {
	f.Add("1.2.3.4")
	f.Add("ffffffffffffffff.0.ffffffff.7fffffffffffffff")
	f.Add("01.2.3.4")
	f.Add("1.2.3.-1")
	f.Fuzz(func(t *testing.T, cursor string) {
		p, err := parsePlace(cursor)
		if err == nil && (p.String() != cursor || p.at < 0) || err != nil && (p != auditPlace{} || !errors.Is(err, ErrCursor)) {
			t.Errorf("%q: %+v, %v", cursor, p, err)
		}
	})
}

func BenchmarkAuditAppend(b *testing.B) {
	a, err := OpenAuditLog(b.TempDir(), AuditOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer a.Close()
	event := map[string]string{"event": "upload", "by": "dfsapi", "app": "1234567890", "name": "group1/M00/93/9B/fwAAAWsDNMeAGI3JAAAsySUHZ28260.jpg", "from": "127.0.0.1"}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := a.Append(event); err != nil {
				b.Error(err)
			}
		}
	})
}
