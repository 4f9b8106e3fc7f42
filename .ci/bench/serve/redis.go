package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// limited is the size of the time-limited picture that redis has too, and leastRedis the least rate beside redis's.
const (
	limited    = 50_000
	leastRedis = 0.8
)

// startRedis starts redis with a picture in it, which tintype gets by saveImage.
func (b *bench) startRedis() (*server, error) {
	photo, err := os.ReadFile("testdata/pictures/landscape_1.jpg")
	if err != nil {
		return nil, err
	}
	photo = append(photo, make([]byte, limited-len(photo))...)
	if err := b.servers[0].save(filepath.Join(b.dir, "tintype"), photo); err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	host, port, _ := net.SplitHostPort(addr)
	s, err := launch("redis", addr, redisIsReady, "redis-server", "--bind", host, "--port", port, "--save", "", "--appendonly", "no",
		"--loglevel", "warning", "--dir", b.dir)
	if err != nil {
		return nil, err
	}
	set := exec.Command("redis-cli", "-h", host, "-p", port, "-x", "SETEX", "picture", "86400")
	set.Stdin = bytes.NewReader(photo)
	if out, err := set.CombinedOutput(); err != nil || !bytes.HasPrefix(out, []byte("OK")) {
		s.stop()
		return nil, fmt.Errorf("redis-cli: %v: %s", err, out)
	}
	s.load = (*bench).redisBenchmark
	return s, nil
}

func redisIsReady(addr string) bool {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	defer c.Close()
	_, err = io.WriteString(c, "PING\r\n")
	reply := make([]byte, 7)
	if err == nil {
		_, err = io.ReadFull(c, reply)
	}
	return err == nil && string(reply) == "+PONG\r\n"
}

// redisBenchmark has redis's own client read from it. It counts requests, and not time.
func (b *bench) redisBenchmark(s *server, _, conns, seconds int) (r result, requests float64, err error) {
	host, port, _ := net.SplitHostPort(s.addr)
	requests = float64(40_000 * seconds)
	out, err := exec.Command("taskset", "-c", "1", "redis-benchmark", "-h", host, "-p", port, "-c", strconv.Itoa(conns),
		"-n", strconv.Itoa(int(requests)), "--csv", "GET", "picture").Output()
	if err != nil {
		return r, 0, fmt.Errorf("redis-benchmark: %w: %s", err, out)
	}
	rows, err := csv.NewReader(bytes.NewReader(out)).ReadAll()
	if err != nil || len(rows) != 2 || len(rows[1]) != 8 {
		return r, 0, fmt.Errorf("cannot read %q: %v", out, err)
	}
	if r.rate, err = strconv.ParseFloat(rows[1][1], 64); err == nil {
		r.p99, err = strconv.ParseFloat(rows[1][6], 64)
	}
	return r, requests, err
}

// save uploads a time-limited picture, which is all that is read from then on.
func (s *server) save(data string, photo []byte) error {
	fields := [][2]string{{"appKey", app}, {"length", strconv.Itoa(len(photo))}, {"isStorage", "false"}, {"cacheTime", "86400"}}
	out, err := exec.Command(s.binary, "token", "sign", "--data", data, "--app", app, "--secret", secret, "--length", strconv.Itoa(len(photo)),
		"--isStorage", "false", "--cacheTime", "86400").Output()
	if err != nil {
		return fmt.Errorf("tintype token sign: %w", err)
	}
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, f := range append(fields, [2]string{"sign", strings.TrimSpace(string(out))}) {
		w.WriteField(f[0], f[1])
	}
	part, _ := w.CreateFormFile("mmfile", "a.jpg") // a Buffer takes everything
	part.Write(photo)
	w.Close()
	resp, err := client.Post("http://"+s.addr+"/dfsapi/v2/saveImage", w.FormDataContentType(), &body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var answer struct {
		Code   string `json:"ERRORCODE"`
		Result struct{ URL string }
	}
	if err := json.Unmarshal(text, &answer); err != nil || answer.Code != "0" {
		return fmt.Errorf("saveImage: %s", text)
	}
	u, err := url.Parse(answer.Result.URL)
	if err != nil {
		return err
	}
	s.urls = []string{u.RequestURI()}
	return nil
}

// timeLimited measures reads of a time-limited picture beside redis, and says whether all bars are held.
func (b *bench) timeLimited(conns []int) (ok bool, err error) {
	redis, err := b.startRedis()
	if err != nil {
		return false, err
	}
	defer redis.stop()
	time.Sleep(time.Second)
	ok = true
	for _, c := range conns {
		held, err := b.cell(redis, "time-limited", limited, 1, c, limits{rate: leastRedis})
		if err != nil {
			return false, err
		}
		ok = ok && held
	}
	return ok, nil
}
