package command

import (
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tintype/server"
)

// Every snippet is run as its reader would run it, where there is what runs it.
func TestSnippetsUpload(t *testing.T) {
	const key, secret = "k._@-9", `a "secret" of 'all' $(kinds) \n %s ü {{.}}`
	dir := t.TempDir()
	p := startServer(t, dir, "--app", "too-long-for-dfsapi=s", "--app", key+"="+secret)
	t.Cleanup(p.stop)
	for _, language := range server.SnippetLanguages {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			work := t.TempDir()
			source := tintype(t, "snippet", language, "--data", dir)
			if source.code != 0 || source.stderr != "" {
				t.Fatalf("snippet: %+v", source)
			}
			run := map[string]struct {
				file string
				args []string
			}{
				"curl": {"upload.sh", []string{"sh"}}, "python": {"upload.py", []string{"python3"}}, "js": {"upload.mjs", []string{"node"}},
				"go": {"upload.go", []string{"go", "run"}}, "java": {"Upload.java", []string{"java"}}, "php": {"upload.php", []string{"php"}},
			}[language]
			for _, tool := range append(run.args[:1:1], map[string][]string{"curl": {"curl", "openssl"}}[language]...) {
				if _, err := exec.LookPath(tool); err != nil {
					t.Skipf("%s is not here", tool)
				}
			}
			if language == "php" {
				if out, err := exec.Command("php", "-m").Output(); err != nil || !strings.Contains(string(out), "curl") {
					t.Skip("php has no curl extension here")
				}
			}
			data := uniquePicture()
			write(t, filepath.Join(work, run.file), []byte(source.out))
			write(t, filepath.Join(work, "a, b;c.JPG"), data)
			write(t, filepath.Join(work, "no.jpg"), []byte("no picture"))
			do := func(file string) ([]byte, error) {
				cmd := exec.Command(run.args[0], append(run.args[1:], run.file, file)...)
				cmd.Dir = work
				return cmd.Output()
			}
			out, err := do("a, b;c.JPG")
			link := strings.TrimSpace(string(out))
			if err != nil || !strings.HasPrefix(link, p.url+"/group1/M00/") {
				t.Fatalf("%v, %q", said(err), out)
			}
			resp, err := http.Get(link)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if got, _ := io.ReadAll(resp.Body); string(got) != string(data) {
				t.Errorf("%s: %s, %d bytes", link, resp.Status, len(got))
			}
			if out, err := do("no.jpg"); err == nil || !strings.Contains(said(err)+string(out), "ME24601") {
				t.Errorf("of no picture: %s, %q", said(err), out)
			}
		})
	}
}

// said is what a program wrote before it failed.
func said(err error) string {
	if exit, ok := err.(*exec.ExitError); ok {
		return err.Error() + ": " + string(exit.Stderr)
	}
	return "no failure"
}

func TestSnippetsThatThereAreNot(t *testing.T) {
	dir := t.TempDir()
	s := &shell{t: t, where: []string{"--data", dir}}
	s.do(0, "app", "add", "too-long-for-dfsapi")
	s.do(2, "snippet", "cobol", "--app", "too-long-for-dfsapi")
	s.do(2, "snippet", "go", "--app", "too-long-for-dfsapi")
	s.do(1, "snippet", "go", "--app", "none")
	if r := s.do(1, "snippet", "go"); !strings.Contains(r.stderr, "tintype app add") {
		t.Errorf("without an application that can: %s", r.stderr)
	}
}
