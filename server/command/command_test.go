package command

import (
	"encoding/json"
	"fmt"
	"image"
	_ "image/png"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestTheFirstStartPrintsAnUploadThatWorks(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl here")
	}
	dir := filepath.Join(t.TempDir(), `a dir, with; odd 'characters"`)
	p := startServer(t, dir)
	line := regexp.MustCompile(`(?m)^  (curl .*)$`).FindStringSubmatch(p.first)
	if line == nil || !strings.Contains(p.first, p.url+"/console/#setup=") {
		t.Fatalf("printed:\n%s", p.first)
	}
	out, err := exec.Command("sh", "-c", line[1]+" -sS").Output()
	var reply struct {
		ERRORCODE string
		RESULT    struct{ URL string }
	}
	if jsonErr := json.Unmarshal(out, &reply); err != nil || jsonErr != nil || reply.ERRORCODE != "0" {
		t.Fatalf("curl: %v, %s", err, out)
	}
	resp, err := http.Get(reply.RESULT.URL)
	if err != nil {
		t.Fatal(err)
	}
	data, _ := io.ReadAll(resp.Body)
	sample, _ := os.ReadFile(filepath.Join(dir, "sample.jpg"))
	if resp.Body.Close(); resp.StatusCode != 200 || string(data) != string(sample) {
		t.Errorf("link: %d, %d bytes of %d", resp.StatusCode, len(data), len(sample))
	}
	p.stop()
	if p = startServer(t, dir); strings.Contains(p.first, "secret") {
		t.Errorf("the second start printed:\n%s", p.first)
	}
	p.stop()
	for path, mode := range map[string]os.FileMode{"": 0o700, "keys.json": 0o600, "pictures/meta.db": 0o600, "pictures/blobs": 0o700, "sample.jpg": 0o600} {
		if info, err := os.Stat(filepath.Join(dir, path)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

func TestAFirstStartThatFailsLeavesNothing(t *testing.T) {
	for _, args := range [][]string{{"--public-url", "nonsense"}, {"--thumb", "0"}, {"--account", "A"}, {"--app", "k="}, {"--cors", "x"}, {"--max-upload", "0"}, {"--listen", "127.0.0.1:x"}} {
		dir := filepath.Join(t.TempDir(), "data")
		r := tintype(t, append([]string{"serve", "--data", dir, "--listen", "127.0.0.1:0"}, args...)...)
		if r.code != 2 || strings.Contains(r.stderr, "\n") || !strings.Contains(r.stderr, args[0]) {
			t.Errorf("%v: exit %d, %q", args, r.code, r.stderr)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%v: %s was made", args, dir)
		}
	}
}

func TestWrongWordsNameTheNearest(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "c.toml")
	os.WriteFile(config, []byte("public-ulr = \"http://h\"\n"), 0o600)
	broken := filepath.Join(dir, "b.toml")
	os.WriteFile(broken, []byte("a = = 1\n"), 0o600)
	empties := filepath.Join(dir, "e.toml")
	os.WriteFile(empties, []byte("public-url = []\n"), 0o600)
	for _, test := range []struct{ args, want string }{
		{"serve --public-ulr x", "unknown flag --public-ulr; did you mean --public-url?"},
		{"srve", `unknown command "srve"; did you mean serve?`},
		{"app lst", `unknown command "app lst"; did you mean list?`},
		{"app", "tintype app needs one of its commands: add, list, remove, rotate"},
		{"serve --config " + config, `unknown key "public-ulr"; did you mean public-url?`},
		{"serve --config " + broken, broken},
		{"serve --config " + dir + "/none", "none"},
		{"serve --max-upload 8MX", `"8MX" is no size`},
		{"serve --max-pixels much", `"much" is no number of pixels`},
		{"serve --decode-memory 1MiB", "decode-memory 1048576: want at least 32MiB"},
		{"serve --decode-memory 0", "want at least 32MiB"},
		{"serve --token-ttl 5", `"5" is no duration`},
		{"serve --accounts some", `"some" is not one of any, registered`},
		{"serve --account-key !", "--account-key is not base64"},
		{"serve --config " + empties, "want one value"},
		{"serve now", `takes no argument "now"`},
		{"app add", "usage: tintype app add KEY [--secret S]"},
	} {
		r := tintype(t, strings.Fields(test.args)...)
		if r.code != 2 || strings.Contains(r.stderr, "\n") || !strings.Contains(r.stderr, test.want) {
			t.Errorf("%s: exit %d, %q", test.args, r.code, r.stderr)
		}
	}
}

func TestFlagBeatsEnvironmentBeatsFile(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "c.toml")
	os.WriteFile(config, []byte("public-url = \"http://file\"\nthumb = [64, 128]\napp = [\"filed=s\"]\naccount = \"fromfile\"\nmax-upload = 1000\n"), 0o600)
	t.Setenv("TINTYPE_PUBLIC_URL", "http://env")
	t.Setenv("TINTYPE_CONFIG", config)
	listed := func(args ...string) string {
		p := startProgram(t, append([]string{"--data", filepath.Join(dir, "data")}, args...)...)
		defer p.stop()
		apps := tintype(t, "app", "list", "--data", filepath.Join(dir, "data")).out
		return p.first + apps
	}
	if got := listed(); !strings.Contains(got, "listens on http://env,") || !strings.Contains(got, "filed") {
		t.Errorf("environment over file: %s", got)
	}
	if got := listed("--public-url", "http://flag"); !strings.Contains(got, "listens on http://flag,") {
		t.Errorf("flag over environment: %s", got)
	}
	t.Setenv("TINTYPE_APP", "one=1 two=2")
	if got := listed(); !strings.Contains(got, "one") || !strings.Contains(got, "two") || strings.Contains(got, "filed") {
		t.Errorf("a list in the environment: %s", got)
	}
}

func TestAPortAndADirectoryHaveOneServer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	r := tintype(t, "serve", "--data", filepath.Join(t.TempDir(), "data"), "--listen", ln.Addr().String())
	if r.code != 1 || !strings.Contains(r.stderr, "is taken by another program") || !strings.Contains(r.stderr, "--listen 127.0.0.1:") {
		t.Errorf("port taken: exit %d, %s", r.code, r.stderr)
	}
	dir := t.TempDir()
	p := startServer(t, dir)
	defer p.stop()
	r = tintype(t, "serve", "--data", dir, "--listen", "127.0.0.1:0")
	if r.code != 1 || !strings.Contains(r.stderr, "in use by another tintype") {
		t.Errorf("directory taken: exit %d, %s", r.code, r.stderr)
	}
}

func TestCommandsWorkWithAndWithoutTheServer(t *testing.T) {
	// too long a path for a socket, which has another way then
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	for _, running := range []bool{false, true} {
		key := fmt.Sprintf("app%v", running)
		if running {
			p := startServer(t, dir)
			defer p.stop()
		}
		do := func(code int, args ...string) string {
			t.Helper()
			r := tintype(t, append(args, "--data", dir)...)
			if r.code != code || code != 0 && (r.stderr == "" || strings.Contains(r.stderr, "\n")) {
				t.Errorf("running %v: %v: exit %d, %q", running, args, r.code, r.stderr)
			}
			return r.out
		}
		do(0, "app", "add", key, "--secret", "first secret")
		do(1, "app", "add", strings.ToUpper(key))
		do(2, "app", "add", "a b")
		do(1, "app", "rotate", "none")
		if out := do(0, "app", "list"); !strings.Contains(out, key) || strings.Contains(out, "first secret") {
			t.Errorf("list: %s", out)
		}
		_, rotated, _ := strings.Cut(do(0, "app", "rotate", key), "secret   ")
		if out := do(0, "app", "list", "--show-secrets"); !strings.Contains(out, strings.TrimSpace(rotated)+" first secret") {
			t.Errorf("list after rotate: %s", out)
		}
		do(0, "account", "add", key, "1607279", "1607280")
		do(2, "account", "add", key, "not an account")
		do(1, "account", "add", "none", "1")
		do(0, "account", "remove", key, "1607280")
		if out := do(0, "account", "list", key); out != "1607279\n" {
			t.Errorf("accounts: %q", out)
		}
		if out := do(0, "stats", "--json"); out != `{"cache":{"objects":0,"object_bytes":0,"blobs":0,"blob_bytes":0},"pictures":{"objects":0,"object_bytes":0,"blobs":0,"blob_bytes":0}}`+"\n" {
			t.Errorf("stats: %s", out)
		}
		if out := do(0, "token", "sign", "--app", key, "--secret", "s", "--length", "3020"); len(out) != 41 {
			t.Errorf("sign: %q", out)
		}
		if out := do(0, "token", "header", "--app", key); !regexp.MustCompile(`^app-key: \w+\nsignature-time: \d{10}\nsignature: \S{44}\n$`).MatchString(out) {
			t.Errorf("header: %q", out)
		}
		sas := strings.TrimSpace(do(0, "token", "sas", "--container", "app-picture-1"))
		link := "http://127.0.0.1/app-picture-1/f/f_full.jpg?" + sas
		if out := do(0, "token", "explain", link, "--json"); !regexp.MustCompile(`^\{"kind":"sas","string_to_sign":"r\\n.*","signature":"ok","time":"ok","permissions":"r","resource":"/blob/tintype/app-picture-1","valid":true\}\n$`).MatchString(out) {
			t.Errorf("explain: %s", out)
		}
		r := tintype(t, "token", "explain", link, "--at", "2000-01-01T00:00:00Z", "--data", dir)
		if r.code != 1 || !strings.Contains(r.out, "The link is not valid.") || r.stderr != "" {
			t.Errorf("explain of an early link: exit %d\n%s%s", r.code, r.out, r.stderr)
		}
		do(2, "token", "sas", "--container", "Capitals")
		do(2, "token", "sas", "--container", "app-picture-1", "--permissions", "wr")
		do(2, "token", "fastdfs", "M00/00/00/rBALdGsDBleAYSXFAAALzPKPJn8967.jpg") // no secret
		do(0, "app", "remove", key)
	}
}

func TestRebuildBringsAnIndexBack(t *testing.T) {
	dir := t.TempDir()
	k := &killer{t: t}
	p := startServer(t, dir, "--app", killApp+"="+killSecret)
	kept := []*stored{k.save(p.url, "true"), k.save(p.url, "false"), k.upload(p.url)}
	if r := tintype(t, "rebuild", "--data", filepath.Join(dir, "none")); r.code != 1 || !strings.Contains(r.stderr, "no such file") {
		t.Errorf("of nothing: %+v", r)
	}
	if r := tintype(t, "rebuild", "--data", dir); r.code != 1 || !strings.Contains(r.stderr, "stop the server first") {
		t.Errorf("while the server runs: %+v", r)
	}
	p.stop()
	for _, tier := range []string{"pictures", "cache"} {
		if err := os.Remove(filepath.Join(dir, tier, "meta.db")); err != nil {
			t.Fatal(err)
		}
	}
	if r := tintype(t, "rebuild", "--data", dir); r.code != 0 || !strings.HasPrefix(r.out, "found 3 pictures in 3 blobs, and 1 time-limited ones in 1\n") {
		t.Errorf("rebuild: %+v", r)
	}
	p = startServer(t, dir, "--app", killApp+"="+killSecret)
	defer p.stop()
	if bad := k.check(p, kept); bad > 0 {
		t.Errorf("%d pictures are bad", bad)
	}
}

func TestTokensOfGivenKeysNeedNoData(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	// the vectors of FastDFS and of Azure's emulator
	r := tintype(t, "token", "fastdfs", "group1/M00/00/00/rBALdGsDBleAYSXFAAALzPKPJn8967.jpg", "--token-secret", "invented-secret-for-tests", "--ts", "0", "--data", dir)
	if r.code != 0 || r.out != "token=953f9363e635ed2074aab72edb36efec&ts=0\n" {
		t.Errorf("fastdfs: %+v", r)
	}
	r = tintype(t, "token", "sas", "--data", dir, "--account", "devstoreaccount1", "--container", "appqforumdev-picture-13-76f99fb4f1a24d29",
		"--start", "2018-03-14T07:50:33Z", "--expiry", "2018-03-14T08:20:33Z",
		"--account-key", "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==")
	if r.code != 0 || r.out != "sv=2016-05-31&sr=c&st=2018-03-14T07:50:33Z&se=2018-03-14T08:20:33Z&sp=r&sig=QOTbX8qiNqLCTNn5PlHZqVGNcqUtHmY8shOpr5V27%2FM%3D\n" {
		t.Errorf("sas: %+v", r)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the data directory was made")
	}
	empty := t.TempDir()
	if r := tintype(t, "token", "sas", "--container", "abc", "--data", empty); r.code != 2 {
		t.Errorf("without a key: %+v", r)
	}
	if files, _ := os.ReadDir(empty); len(files) > 0 {
		t.Errorf("a command that reads has written %v", files)
	}
	t.Setenv("TINTYPE_APP", "kkk=sss")
	if r := tintype(t, "token", "header", "--app", "kkk", "--data", empty); r.code != 0 {
		t.Errorf("an application of the environment: %+v", r)
	}
	if r := tintype(t, "stats", "--data", dir); r.code != 1 {
		t.Errorf("stats of nothing: %+v", r)
	}
}

func TestHelpFitsOneScreen(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}, {"app", "--help"}, {"token", "sas", "--help"}, {"token", "explain", "--help"}, {"stats", "--help"}, {"thumb", "--help"},
		{"backup", "--help"}, {"restore", "--help"}, {"scrub", "--help"}, {"gc", "--help"}, {"trash", "--help"}, {"trash", "empty", "--help"}, {"rebuild", "--help"}} {
		r := tintype(t, args...)
		if lines := strings.Count(r.out, "\n"); r.code != 0 || lines < 5 || lines > 45 {
			t.Errorf("%v: exit %d, %d lines", args, r.code, lines)
		}
	}
	if r := tintype(t, "version"); r.code != 0 || !strings.Contains(r.out, "go1.") {
		t.Errorf("version: %+v", r)
	}
}

func TestAStopWaitsForUploadsInFlight(t *testing.T) {
	dir := t.TempDir()
	p := startServer(t, dir, "--app", killApp+"="+killSecret)
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /dfsapi/v2/saveImage HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 5\r\n\r\n--")
	time.Sleep(100 * time.Millisecond)
	p.cmd.Process.Signal(syscall.SIGTERM)
	time.Sleep(300 * time.Millisecond)
	io.WriteString(conn, "x--")
	answer, _ := io.ReadAll(conn)
	if !strings.HasSuffix(string(answer), `{"ERRORCODE":"ME01023", "RESULT":"parameters is error"}`) {
		t.Errorf("answer %q", answer)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("exit: %v", err)
	}
}

func TestThumbMakesAFileOfAFile(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	os.WriteFile(at("text.jpg"), []byte("no picture"), 0o600)
	for _, test := range []struct {
		args string
		code int
		want string // of OUT, or in the message
	}{
		{"../../testdata/pictures/photo.jpg " + at("a.jpg"), 0, "1024x683"},
		{"../../testdata/pictures/photo.jpg " + at("a.jpeg") + " --size 100", 0, "100x67"},
		{"../../testdata/pictures/alpha.png " + at("a.png") + " --size 10", 0, "10x7"},
		{"../../testdata/pictures/photo.jpg " + at("b.png"), 1, "must end in .jpg"},
		{"../../testdata/pictures/photo.jpg " + at("none/b.jpg"), 1, "no such file"},
		{"../../testdata/pictures/photo.jpg " + at("b.jpg") + " --max-pixels 1000", 1, "too large"},
		{at("text.jpg") + " " + at("b.jpg"), 1, "not a picture"},
		{at("none.jpg") + " " + at("b.jpg"), 1, "no such file"},
		{at("none.jpg"), 2, "usage: tintype thumb IN OUT"},
		{"a.jpg b.jpg --size 0", 2, "want at least 1"},
	} {
		args := strings.Fields(test.args)
		r := tintype(t, append([]string{"thumb"}, args...)...)
		got := r.stderr
		if r.code == 0 {
			f, err := os.Open(args[1])
			if err != nil {
				t.Fatal(err)
			}
			c, _, err := image.DecodeConfig(f)
			f.Close()
			got = fmt.Sprintf("%dx%d %v", c.Width, c.Height, err)
		}
		if r.code != test.code || !strings.Contains(got, test.want) || r.out != "" {
			t.Errorf("%s: exit %d, %q", test.args, r.code, got)
		}
	}
	if left, _ := filepath.Glob(at("*")); len(left) != 4 {
		t.Errorf("left over: %v", left)
	}
	if left, _ := filepath.Glob(at(".thumb*")); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestExplainLooksBehindTheLink(t *testing.T) {
	dir := t.TempDir()
	p := killServer(t, dir)
	link := p.url + "/" + killApp + "-blobs/a.txt" + killToken()
	do := func(method, body string) {
		req, _ := http.NewRequest(method, link, strings.NewReader(body))
		req.Header.Set("x-ms-blob-type", "BlockBlob")
		resp, err := http.DefaultClient.Do(req)
		if err != nil || resp.StatusCode >= 300 {
			t.Fatalf("%s: %v %v", method, resp, err)
		}
		resp.Body.Close()
	}
	want := func(code int, args, phrase string) {
		t.Helper()
		r := tintype(t, append([]string{"token", "explain"}, strings.Fields(args)...)...)
		if r.code != code || !strings.Contains(r.out, phrase) {
			t.Errorf("exit %d, want %d and %q:\n%s%s", r.code, code, phrase, r.out, r.stderr)
		}
	}
	want(0, link+" --data "+dir, "There is none of this name")
	want(0, link+" --data "+dir, "answer to GET   404 BlobNotFound")
	do("PUT", "text")
	want(0, link+" --data "+dir, "no picture that is known, 4 bytes")
	want(0, link+" --data "+dir, "answer to GET   200 OK\n")
	do("DELETE", "")
	want(0, link+" --data "+dir, "lies in the trash")
	want(1, link+"x --data "+dir, "answer to GET   403 AuthenticationFailed")
	want(1, strings.Replace(link, killApp, "Capitals", 1)+" --data "+dir, "answer to GET   400 InvalidResourceName")
	link = p.url + "/" + killApp + "-blobs/f/f_full.jpg" + killToken()
	do("PUT", string(uniquePicture()))
	want(0, strings.Replace(link, "_full", "_1024", 1)+" --data "+dir, "made of its original on the first request")
	want(0, strings.Replace(link, "_full", "_1024", 1)+" --data "+dir, "answer to GET   200 OK\n")
	want(0, strings.Replace(link, "_full", "_1023", 1)+" --data "+dir, "answer to GET   404 BlobNotFound")
	want(0, p.url+"/"+killApp+"-portrait/a/a_full.png --data "+dir, "read without a token")
	link = p.url + "/" + killApp + "-blobs/a.txt" + killToken()
	p.stop()
	want(0, link+" --account-key "+killKey+" --data "+dir, "200 OK, if there is a picture of this name")
	container, _, _ := strings.Cut(link, "/a.txt")
	want(0, container+killToken()+" --account-key "+killKey, "the link is of a container")
}
