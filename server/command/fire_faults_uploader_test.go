//go:build fire && linux

package command

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tintype/sign"
)

// The ways to upload durably.
const (
	bySave   = "saveImage"
	byUpload = "upload"
	byPut    = "PUT"
)

var uploadWays = []string{bySave, byUpload, byPut}

// accepted is the answer of an acknowledgement, whatever the API; noAnswer, that
// there was none in the API's form.
const (
	accepted = "accepted"
	noAnswer = "no answer"
)

// held is a picture that the server has acknowledged.
type held struct {
	way, url, token string
	fields          []sign.Field // of saveImage; nil: a durable one
	digest          [sha256.Size]byte
	small           smaller
	going, gone     bool // its deletion was asked for; was acknowledged
}

// smaller is what an upload told of a thumbnail.
type smaller struct {
	URL    string `json:"thumbnail_1024_url"`
	Width  int    `json:"thumbnail_1024_width"`
	Height int    `json:"thumbnail_1024_height"`
}

// uploader is a client that remembers what was acknowledged. Its methods may be
// called concurrently, but not two for one picture.
type uploader struct {
	t    *testing.T
	mu   sync.Mutex // guards all
	all  []*held
	http http.Client
}

func newUploader(t *testing.T) *uploader {
	return &uploader{t: t, http: http.Client{Timeout: 30 * time.Second}}
}

// padded returns a JPEG of n bytes more than the given one, unlike any other.
func padded(jpeg []byte, n int) []byte {
	const most = 60_000
	picture := []byte{0xff, 0xd8}
	for n > 0 {
		comment := make([]byte, min(max(n, 20), most))
		binary.BigEndian.PutUint16(comment, 0xfffe)
		binary.BigEndian.PutUint16(comment[2:], uint16(len(comment)-2))
		for i := 4; i < len(comment)-8; i += 8 {
			binary.LittleEndian.PutUint64(comment[i:], rand.Uint64())
		}
		picture = append(picture, comment...)
		n -= len(comment)
	}
	return append(picture, jpeg[2:]...)
}

// send uploads data and returns accepted, the API's code of a refusal, or noAnswer.
func (u *uploader) send(base, way string, data []byte) string {
	h := &held{way: way}
	code := u.store(base, h, data)
	if code == accepted {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.all = append(u.all, h)
	}
	return code
}

// store is send for who remembers h himself.
func (u *uploader) store(base string, h *held, data []byte) (code string) {
	h.digest = sha256.Sum256(data)
	switch h.way {
	case bySave:
		code = u.save(base, h, data)
	case byUpload:
		code = u.upload(base, h, data)
	case byPut:
		h.token = killToken()
		h.url = fmt.Sprintf("/%s-blobs/%d/a.jpg", killApp, rand.Int64())
		code = u.request("PUT", base+h.url+h.token, http.Header{"X-Ms-Blob-Type": {"BlockBlob"}}, data, nil)
		if code == "201" {
			code = accepted
		}
	}
	return code
}

func (u *uploader) save(base string, h *held, data []byte) string {
	fields := []sign.Field{{Name: "appKey", Value: killApp}, {Name: "length", Value: strconv.Itoa(len(data))}}
	if h.fields == nil {
		h.fields = []sign.Field{{Name: "isStorage", Value: "true"}}
	}
	fields = append(fields, h.fields...)
	fields = append(fields, sign.Field{Name: "sign", Value: sign.DFSAPISign(killSecret, fields)})
	var reply struct {
		ERRORCODE string
		RESULT    json.RawMessage // a text in a refusal
	}
	header, body := form(fields, data)
	if u.request("POST", base+"/dfsapi/v2/saveImage", header, body, &reply) != "200" || reply.ERRORCODE == "" {
		return noAnswer
	}
	var result struct{ URL string }
	if reply.ERRORCODE != "0" || json.Unmarshal(reply.RESULT, &result) != nil {
		return reply.ERRORCODE
	}
	h.url = path(result.URL)
	return accepted
}

func (u *uploader) upload(base string, h *held, data []byte) string {
	header, body := form(nil, data)
	for name, values := range qheaders() {
		header[name] = values
	}
	header.Set("resource-id", "1")
	var reply struct {
		ResultCode string
		Content    json.RawMessage
	}
	if u.request("POST", base+"/picture/upload?lang=en-us&uuid=u", header, body, &reply) != "200" || reply.ResultCode == "" {
		return noAnswer
	}
	var content struct {
		OriginalURL string `json:"original_url"`
		SASToken    string `json:"sas_token"`
		smaller
	}
	if reply.ResultCode != "1" || json.Unmarshal(reply.Content, &content) != nil {
		return reply.ResultCode
	}
	h.url, h.token, h.small = path(content.OriginalURL), "?"+content.SASToken, content.smaller
	return accepted
}

// remove deletes what came by upload or PUT; see send for what it returns.
func (u *uploader) remove(base string, h *held) string {
	h.going = true
	code := noAnswer
	if h.way == byPut {
		if code = u.request("DELETE", base+h.url+h.token, nil, nil, nil); code == "202" {
			code = accepted
		}
	} else {
		body, _ := json.Marshal(map[string][]string{"fileUrls": {base + h.url}})
		header := qheaders()
		header.Set("Content-Type", "application/json")
		var reply struct{ ResultCode string }
		u.request("POST", base+"/picture/delete?lang=en-us&uuid=u", header, body, &reply)
		if code = reply.ResultCode; code == "1" {
			code = accepted
		} else if code == "" {
			code = noAnswer
		}
	}
	h.gone = code == accepted
	return code
}

func form(fields []sign.Field, file []byte) (http.Header, []byte) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, f := range fields {
		w.WriteField(f.Name, f.Value)
	}
	part, _ := w.CreateFormFile("mmfile", "1.jpg")
	part.Write(file)
	w.Close()
	return http.Header{"Content-Type": {w.FormDataContentType()}}, b.Bytes()
}

// request returns the status, and reads JSON into reply if there is one.
func (u *uploader) request(method, url string, header http.Header, body []byte, reply any) string {
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		u.t.Error(err)
		return noAnswer
	}
	if header != nil {
		req.Header = header
	}
	resp, err := u.http.Do(req)
	if err != nil {
		return noAnswer
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || reply != nil && json.Unmarshal(data, reply) != nil {
		return noAnswer
	}
	return strconv.Itoa(resp.StatusCode)
}

// What a read finds: all of the bytes, none by 404, an error, or other bytes.
const (
	readWhole  = "whole"
	readGone   = "gone"
	readFailed = "failed"
	readWrong  = "wrong bytes"
)

func (u *uploader) read(base string, h *held) string {
	resp, err := u.http.Get(base + h.url + h.token)
	if err != nil {
		return readFailed
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	switch {
	case err == nil && resp.StatusCode == 404:
		return readGone
	case err != nil || resp.StatusCode != 200:
		return readFailed
	case sha256.Sum256(data) != h.digest:
		return readWrong
	}
	return readWhole
}

// lies returns the acknowledgements that are not true, when that is.
func (u *uploader) lies(base, when string) (bad []string) {
	for _, h := range u.all {
		switch got := u.read(base, h); {
		case got == readWhole && !h.gone, got == readGone && h.going:
		default:
			bad = append(bad, fmt.Sprintf("%s: %s by %s is %s; deleted: %v", when, h.url, h.way, got, h.gone))
		}
	}
	return bad
}

// answers returns status and body of a GET that is answered in time.
func (u *uploader) answers(url string) (int, string) {
	quick := http.Client{Timeout: 5 * time.Second}
	resp, err := quick.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, strings.TrimSpace(string(body))
}
