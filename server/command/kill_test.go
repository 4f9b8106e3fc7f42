package command

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestKill kills the server at random moments under load, and then wants every
// acknowledged picture back whole, no deleted one, and no file that nothing names.
// TINTYPE_KILLS says how often. Built with the tag seedbug, the server has a bug
// that the test must notice.
func TestKill(t *testing.T) {
	kills := times(t, "TINTYPE_KILLS", 3)
	k := newKiller(t, t.TempDir())
	bad := 0
	for round := range kills {
		p := killServer(t, k.dir)
		k.load(p.url, func() {
			time.Sleep(between(20, 170))
			p.kill()
		})
		stop := moment{time.Now(), time.Now()}
		recent := k.recent(400)
		if round == kills-1 {
			recent = k.all
		}
		if k.examine(recent, stop)+k.leftOvers() > 0 {
			bad++
		}
	}
	k.report(kills, "kills", bad)
}

func TestStagedBlocksSurviveAKill(t *testing.T) {
	dir := t.TempDir()
	p := killServer(t, dir)
	do := func(method, query, body string) int {
		req, _ := http.NewRequest(method, p.url+"/"+killApp+"-blobs/a"+killToken()+query, strings.NewReader(body))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if data, _ := io.ReadAll(resp.Body); resp.StatusCode == 200 && string(data) != "half other" {
			t.Errorf("%s: %q", method, data)
		}
		return resp.StatusCode
	}
	if got := do("PUT", "&comp=block&blockid=MQ%3D%3D", "half "); got != 201 {
		t.Fatal(got)
	}
	p.kill()
	p = killServer(t, dir)
	do("PUT", "&comp=block&blockid=Mg%3D%3D", "other")
	p.stop()
	p = killServer(t, dir)
	if got := do("GET", "", ""); got != 404 {
		t.Errorf("before the list: %d", got)
	}
	if got := do("PUT", "&comp=blocklist", "<BlockList><Latest>MQ==</Latest><Latest>Mg==</Latest></BlockList>"); got != 201 {
		t.Errorf("the list: %d", got)
	}
	if got := do("GET", "", ""); got != 200 {
		t.Errorf("after the list: %d", got)
	}
	p.stop()
}
