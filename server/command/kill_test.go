package command

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tintype/sign"
	"tintype/store"
)

const (
	killApp    = "1234567890"
	killSecret = "a secret for kill tests"
	killKey    = "YSBrZXkgZm9yIGtpbGwgdGVzdHM="
)

// killServer has the application and account key that the killer signs with.
func killServer(t *testing.T, dir string) *proc {
	t.Helper()
	return startServer(t, dir, "--app", killApp+"="+killSecret, "--account-key", killKey)
}

// killToken returns a query that permits everything in the container of PUT blobs.
func killToken() string {
	key, err := base64.StdEncoding.DecodeString(killKey)
	if err != nil {
		panic(err)
	}
	token, err := sign.Issue(key, sign.Resource{Account: "tintype", Container: killApp + "-blobs"},
		sign.Token{Expiry: sign.FormatTime(time.Now().Add(time.Hour)), Permissions: "racwdl"})
	if err != nil {
		panic(err)
	}
	return "?" + token.Query()
}

// stored is a picture that the server has acknowledged.
type stored struct {
	url, token string
	digest     [sha256.Size]byte
	metadata   string // acknowledged
	deleted    bool   // acknowledged; if deleting alone is set, it may be gone or not
	deleting   bool
}

// killer loads a server until it is killed, and remembers what was acknowledged.
type killer struct {
	t    *testing.T
	dir  string
	mu   sync.Mutex // guards all
	all  []*stored
	http http.Client
}

// TestKill kills the server at random moments under 8 clients that upload by both
// APIs and by PUT, whole and in blocks, and delete, and then wants every acknowledged picture back whole, no
// deleted one, and no file that nothing names. TINTYPE_KILLS says how often. Built
// with the tag seedbug, the server has a bug that the test must notice.
func TestKill(t *testing.T) {
	kills, err := strconv.Atoi(os.Getenv("TINTYPE_KILLS"))
	if err != nil {
		kills = 3
	}
	k := &killer{t: t, dir: t.TempDir(), http: http.Client{Timeout: 10 * time.Second}}
	bad := 0
	var slowest time.Duration
	for round := range kills {
		p := killServer(t, k.dir)
		k.load(p.url, func() {
			time.Sleep(time.Duration(20+rand.IntN(150)) * time.Millisecond)
			p.kill()
		})
		began := time.Now()
		p = killServer(t, k.dir)
		slowest = max(slowest, time.Since(began))
		recent := k.all
		if round < kills-1 && len(recent) > 400 { // all of them in the last round
			recent = recent[len(recent)-400:]
		}
		bad += k.check(p, recent)
		p.stop()
		bad += k.leftOvers()
	}
	t.Logf("%d kills, %d pictures acknowledged, %d bad, slowest start %v", kills, len(k.all), bad, slowest)
	if seeded := bad > 0; seeded != wantBad {
		t.Errorf("%d pictures bad after %d kills; seeded bug: %v", bad, kills, wantBad)
	}
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

// load runs 8 clients until kill has returned.
func (k *killer) load(url string, kill func()) {
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			var mine []*stored
			for {
				select {
				case <-stop:
					return
				default:
				}
				var s *stored
				switch n := rand.IntN(12); {
				case n < 3:
					s = k.save(url, "true")
				case n < 6:
					s = k.save(url, "false")
				case n < 8:
					s = k.put(url)
				case n < 11:
					s = k.upload(url)
					if s != nil {
						mine = append(mine, s)
					}
				case len(mine) > 0:
					k.delete(url, mine[0])
					mine = mine[1:]
				}
				if s != nil {
					k.mu.Lock()
					k.all = append(k.all, s)
					k.mu.Unlock()
				}
			}
		})
	}
	kill()
	close(stop)
	clients.Wait()
}

// uniquePicture returns a small JPEG that nobody else has.
func uniquePicture() []byte {
	img := image.NewRGBA(image.Rect(0, 0, 48, 32))
	for i := range 48 {
		img.Set(i, i%32, color.RGBA{uint8(rand.IntN(256)), uint8(rand.IntN(256)), uint8(rand.IntN(256)), 255})
	}
	var b bytes.Buffer
	jpeg.Encode(&b, img, nil)
	return b.Bytes()
}

// save uploads by dfsapi; nil if it was not acknowledged.
func (k *killer) save(url, durable string) *stored {
	data := uniquePicture()
	fields := []sign.Field{{Name: "appKey", Value: killApp}, {Name: "length", Value: strconv.Itoa(len(data))}, {Name: "isStorage", Value: durable}, {Name: "cacheTime", Value: "86400"}}
	fields = append(fields, sign.Field{Name: "sign", Value: sign.DFSAPISign(killSecret, fields)})
	var reply struct {
		ERRORCODE string
		RESULT    struct{ URL string }
	}
	if !k.post(url+"/dfsapi/v2/saveImage", nil, fields, data, &reply) || reply.ERRORCODE != "0" {
		return nil
	}
	return &stored{url: path(reply.RESULT.URL), digest: sha256.Sum256(data)}
}

// upload uploads by QStorage; nil if it was not acknowledged.
func (k *killer) upload(url string) *stored {
	data := uniquePicture()
	var reply struct {
		ResultCode string
		Content    struct {
			OriginalURL string `json:"original_url"`
			SASToken    string `json:"sas_token"`
		}
	}
	h := qheaders()
	h.Set("resource-id", "1")
	if !k.post(url+"/picture/upload?lang=en-us&uuid=u", h, nil, data, &reply) || reply.ResultCode != "1" {
		return nil
	}
	return &stored{url: path(reply.Content.OriginalURL), token: "?" + reply.Content.SASToken, digest: sha256.Sum256(data)}
}

// put stores a blob by SAS, in one PUT or in two blocks, and sets its metadata; nil
// if the blob was not acknowledged.
func (k *killer) put(url string) *stored {
	data, token := uniquePicture(), killToken()
	s := &stored{url: fmt.Sprintf("/%s-blobs/%d/a.jpg", killApp, rand.Int64()), token: token, digest: sha256.Sum256(data)}
	request := func(query, body string, want int, headers ...string) bool {
		req, _ := http.NewRequest("PUT", url+s.url+token+query, strings.NewReader(body))
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		resp, err := k.http.Do(req)
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == want
	}
	if rand.IntN(2) == 0 {
		if !request("", string(data), 201, "x-ms-blob-type", "BlockBlob") {
			return nil
		}
	} else {
		half := len(data) / 2
		if !request("&comp=block&blockid=MQ%3D%3D", string(data[:half]), 201) || !request("&comp=block&blockid=Mg%3D%3D", string(data[half:]), 201) ||
			!request("&comp=blocklist", "<BlockList><Latest>MQ==</Latest><Latest>Mg==</Latest></BlockList>", 201) {
			return nil
		}
	}
	if request("&comp=metadata", "", 200, "x-ms-meta-k", "v") {
		s.metadata = "v"
	}
	return s
}

func (k *killer) delete(url string, s *stored) {
	s.deleting = true
	body, _ := json.Marshal(map[string][]string{"fileUrls": {url + s.url}})
	req, _ := http.NewRequest("POST", url+"/picture/delete?lang=en-us&uuid=u", bytes.NewReader(body))
	req.Header = qheaders()
	req.Header.Set("Content-Type", "application/json")
	resp, err := k.http.Do(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	var reply struct{ ResultCode string }
	s.deleted = json.NewDecoder(resp.Body).Decode(&reply) == nil && reply.ResultCode == "1"
}

func qheaders() http.Header {
	now := strconv.FormatInt(time.Now().Unix(), 10)
	h := http.Header{}
	for name, value := range map[string]string{"app-key": killApp, "signature-time": now, "signature": sign.QStorageSignature(killSecret, now), "account": "a"} {
		h.Set(name, value)
	}
	return h
}

// path cuts scheme and host, as the next server has another port.
func path(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	_, rest, _ = strings.Cut(rest, "/")
	return "/" + rest
}

// post sends a form and reads the JSON of the answer; false if there was none.
func (k *killer) post(url string, h http.Header, fields []sign.Field, file []byte, reply any) bool {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, f := range fields {
		w.WriteField(f.Name, f.Value)
	}
	part, _ := w.CreateFormFile("mmfile", "1.jpg")
	part.Write(file)
	w.Close()
	req, err := http.NewRequest("POST", url, &b)
	if err != nil {
		k.t.Error(err)
		return false
	}
	if h != nil {
		req.Header = h
	}
	req.Header.Set("Content-Type", w.FormDataContentType())
	resp, err := k.http.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(reply) == nil
}

// check reads pictures back and returns how many are not as acknowledged.
func (k *killer) check(p *proc, pictures []*stored) (bad int) {
	for _, s := range pictures {
		resp, err := k.http.Get(p.url + s.url + s.token)
		if err != nil {
			k.t.Fatalf("read back: %v", err)
		}
		data, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		whole := err == nil && resp.StatusCode == 200 && sha256.Sum256(data) == s.digest &&
			(s.metadata == "" || resp.Header.Get("x-ms-meta-k") == s.metadata)
		gone := resp.StatusCode == 404
		ok := whole
		if s.deleted {
			ok = gone
		} else if s.deleting {
			ok = whole || gone
		}
		if !ok {
			bad++
			k.log("%s: %d, %d bytes, deleted %v", s.url, resp.StatusCode, len(data), s.deleted)
		}
	}
	return bad
}

// leftOvers counts files that no name leads to, with the server stopped.
func (k *killer) leftOvers() (bad int) {
	for _, tier := range []string{"pictures", "cache"} {
		dir := filepath.Join(k.dir, tier)
		if files, _ := filepath.Glob(filepath.Join(dir, "tmp/*")); len(files) > 0 {
			k.log("left in tmp: %v", files)
			bad += len(files)
		}
		files, _ := filepath.Glob(filepath.Join(dir, "blobs/*/*"))
		d, err := store.OpenDisk(dir, store.Options{Relaxed: tier == "cache"})
		if err != nil {
			k.t.Fatal(err)
		}
		n, err := d.Stats()
		if err := d.Close(); err != nil {
			k.t.Error(err)
		}
		if err != nil || int64(len(files)) != n.Blobs {
			k.log("%s: %d blob files, %d in the index, %v", tier, len(files), n.Blobs, err)
			bad++
		}
	}
	return bad
}

// log tells what is bad, unless it is wanted.
func (k *killer) log(format string, args ...any) {
	if !wantBad {
		k.t.Logf(format, args...)
	}
}
