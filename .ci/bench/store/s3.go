package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	s3Access = "bench"
	s3Secret = "a secret for benchmarks"
	s3Region = "us-east-1"
)

// signS3 signs a request without a query by AWS Signature Version 4, header and
// path but not the body, as SDKs do where TLS protects that.
func signS3(req *fasthttp.Request) {
	now := time.Now().UTC()
	stamp, day := now.Format("20060102T150405Z"), now.Format("20060102")
	scope := day + "/" + s3Region + "/s3/aws4_request"
	const signed, unsigned = "host;x-amz-content-sha256;x-amz-date", "UNSIGNED-PAYLOAD"
	canonical := sha256.Sum256([]byte(string(req.Header.Method()) + "\n" + string(req.URI().Path()) + "\n\n" +
		"host:" + string(req.URI().Host()) + "\nx-amz-content-sha256:" + unsigned + "\nx-amz-date:" + stamp + "\n\n" +
		signed + "\n" + unsigned))
	key := []byte("AWS4" + s3Secret)
	for _, part := range []string{day, s3Region, "s3", "aws4_request"} {
		key = mac(key, part)
	}
	signature := mac(key, "AWS4-HMAC-SHA256\n"+stamp+"\n"+scope+"\n"+hex.EncodeToString(canonical[:]))
	req.Header.Set("X-Amz-Content-Sha256", unsigned)
	req.Header.Set("X-Amz-Date", stamp)
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+s3Access+"/"+scope+
		",SignedHeaders="+signed+",Signature="+hex.EncodeToString(signature))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
