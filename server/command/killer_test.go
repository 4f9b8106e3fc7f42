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
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tintype/sign"
)

const (
	killApp    = "1234567890"
	killSecret = "a secret for kill tests"
	killKey    = "YSBrZXkgZm9yIGtpbGwgdGVzdHM="
)

// killArgs are the application and account key that the killer signs with.
var killArgs = []string{"--app", killApp + "=" + killSecret, "--account-key", killKey}

func killServer(t *testing.T, dir string) *proc {
	t.Helper()
	return startServer(t, dir, killArgs...)
}

// killToken returns a query that permits everything in the container of PUT blobs.
func killToken() string { return tokenOf(killApp + "-blobs") }

// tokenOf returns a query that permits everything in a container for an hour.
func tokenOf(container string) string {
	key, err := base64.StdEncoding.DecodeString(killKey)
	if err != nil {
		panic(err)
	}
	token, err := sign.Issue(key, sign.Resource{Account: "tintype", Container: container},
		sign.Token{Expiry: sign.FormatTime(time.Now().Add(time.Hour)), Permissions: "racwdl"})
	if err != nil {
		panic(err)
	}
	return "?" + token.Query()
}

// killer loads a server until it is stopped without warning, and remembers what
// was acknowledged.
type killer struct {
	t       *testing.T
	dir     string
	clients int
	acked   func(*stored) // called by clients after each acknowledgement; nil: nothing
	mu      sync.Mutex    // guards all
	all     []*stored
	http    http.Client
	slowest time.Duration // start of a server after a stop
}

func newKiller(t *testing.T, dir string) *killer {
	return &killer{t: t, dir: dir, clients: 8, http: http.Client{Timeout: 10 * time.Second}}
}

// load runs clients that upload by both APIs and by PUT, whole and in blocks, and
// delete, until kill has returned. Beside them garbage is collected all the time, so that
// kills meet checkpoints too.
func (k *killer) load(url string, kill func()) {
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range k.clients {
		clients.Go(func() { k.client(url, stop) })
	}
	if k.clients > 1 { // alone, a client's syncs are to be its own
		clients.Go(func() { k.collect(stop) })
	}
	kill()
	close(stop)
	clients.Wait()
}

func (k *killer) collect(stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(between(1, 50)):
		}
		p := &program{args: []string{"gc"}, stdout: io.Discard, stderr: io.Discard, set: newSettings()}
		p.set.data = k.dir
		p.forward()
	}
}

func (k *killer) client(url string, stop chan struct{}) {
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
}

// ack notes that something of s is acknowledged from now on.
func (k *killer) ack(s *stored, what *time.Time) {
	*what = time.Now()
	if k.acked != nil {
		k.acked(s)
	}
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
	fields := []sign.Field{{Name: "appKey", Value: killApp}, {Name: "length", Value: strconv.Itoa(len(data))},
		{Name: "isStorage", Value: durable}, {Name: "cacheTime", Value: "86400"}}
	fields = append(fields, sign.Field{Name: "sign", Value: sign.DFSAPISign(killSecret, fields)})
	var reply struct {
		ERRORCODE string
		RESULT    struct{ URL string }
	}
	if !k.post(url+"/dfsapi/v2/saveImage", nil, fields, data, &reply) || reply.ERRORCODE != "0" {
		return nil
	}
	s := &stored{url: path(reply.RESULT.URL), digest: sha256.Sum256(data), relaxed: durable == "false"}
	k.ack(s, &s.acked)
	return s
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
	s := &stored{url: path(reply.Content.OriginalURL), token: "?" + reply.Content.SASToken, digest: sha256.Sum256(data)}
	k.ack(s, &s.acked)
	return s
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
	k.ack(s, &s.acked)
	if request("&comp=metadata", "", 200, "x-ms-meta-k", "v") {
		k.ack(s, &s.described)
	}
	return s
}

func (k *killer) delete(url string, s *stored) {
	s.deleting = time.Now()
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
	if json.NewDecoder(resp.Body).Decode(&reply) == nil && reply.ResultCode == "1" {
		k.ack(s, &s.deleted)
	}
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

// times reads from the environment how often to do something.
func times(t *testing.T, name string, otherwise int) int {
	value := os.Getenv(name)
	if value == "" {
		return otherwise
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q: want a number above 0", name, value)
	}
	return n
}

// between returns a random duration.
func between(minMillis, maxMillis int) time.Duration {
	return time.Duration(minMillis+rand.IntN(maxMillis-minMillis)) * time.Millisecond
}
