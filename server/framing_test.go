package server

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// framing are requests that two readers could take for different ones, or for different
// numbers of them, and some that look so and are plain. RFC 9112, by section.
var framing = []struct{ name, request string }{
	// 3: request line
	{"reject two spaces", "GET  /healthz HTTP/1.1\r\nHost: h\r\n\r\n"},
	{"reject a tab for the space", "GET\t/healthz HTTP/1.1\r\nHost: h\r\n\r\n"},
	{"reject a space in front", " GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"},
	{"reject a space in the target", "GET /health z HTTP/1.1\r\nHost: h\r\n\r\n"},
	{"reject no target", "GET HTTP/1.1\r\nHost: h\r\n\r\n"},
	{"reject no version", "GET /healthz\r\nHost: h\r\n\r\n"},
	{"reject a space behind the version", "GET /healthz HTTP/1.1 \r\nHost: h\r\n\r\n"},
	{"reject HTTP/1.2", "GET /healthz HTTP/1.2\r\nHost: h\r\n\r\n"},
	{"reject HTTP/1.10", "GET /healthz HTTP/1.10\r\nHost: h\r\n\r\n"},
	{"reject HTTP/01.1", "GET /healthz HTTP/01.1\r\nHost: h\r\n\r\n"},
	{"reject HTTP/2.0", "GET /healthz HTTP/2.0\r\nHost: h\r\n\r\n"},
	{"reject HTTP/9.9", "GET /healthz HTTP/9.9\r\nHost: h\r\n\r\n"},
	{"reject http/1.1", "GET /healthz http/1.1\r\nHost: h\r\n\r\n"},
	{"reject HTTP/1", "GET /healthz HTTP/1\r\nHost: h\r\n\r\n"},
	{"reject HTTPS/1.1", "GET /healthz HTTPS/1.1\r\nHost: h\r\n\r\n"},
	{"reject a method that is none", "G(T /healthz HTTP/1.1\r\nHost: h\r\n\r\n"},
	{"reject an empty method", " /healthz HTTP/1.1\r\nHost: h\r\n\r\n"},
	{"reject a target without a slash", "GET healthz HTTP/1.1\r\nHost: h\r\n\r\n"},
	{"reject GET *", "GET * HTTP/1.1\r\nHost: h\r\n\r\n"},
	{"reject a control character in the target", "GET /healthz\x01 HTTP/1.1\r\nHost: h\r\n\r\n"},
	{"reject NUL in the target", "GET /healthz\x00 HTTP/1.1\r\nHost: h\r\n\r\n"},
	{"reject DEL in the target", "GET /healthz\x7f HTTP/1.1\r\nHost: h\r\n\r\n"},
	{"reject a fragment", "GET /healthz#a HTTP/1.1\r\nHost: h\r\n\r\n"},
	{"accept CONNECT, to be answered with an error", "CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n"},
	{"accept TRACE, likewise", "TRACE /healthz HTTP/1.1\r\nHost: h\r\n\r\n"},
	{"reject CR in the request line", "GET /healthz\rHTTP/1.1\r\nHost: h\r\n\r\n"},
	{"reject a preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
	{"reject a record of TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"},
	{"accept a target that is whole", "GET http://h/healthz HTTP/1.1\r\nHost: h\r\n\r\n"},
	{"accept an empty line in front", "\r\nGET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"},

	// 3.2: Host
	{"reject no Host", "GET /healthz HTTP/1.1\r\n\r\n"},
	{"reject two Hosts", "GET /healthz HTTP/1.1\r\nHost: h\r\nHost: g\r\n\r\n"},
	{"reject the same Host twice", "GET /healthz HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n"},
	{"reject a Host with a user", "GET /healthz HTTP/1.1\r\nHost: a@h\r\n\r\n"},
	{"reject a Host with a space", "GET /healthz HTTP/1.1\r\nHost: h g\r\n\r\n"},
	{"reject a Host with a path", "GET /healthz HTTP/1.1\r\nHost: h/g\r\n\r\n"},
	{"reject a list of Hosts", "GET /healthz HTTP/1.1\r\nHost: h, g\r\n\r\n"},
	{"reject a Host with a bad port", "GET /healthz HTTP/1.1\r\nHost: h:x\r\n\r\n"},
	{"reject a Host with a fragment", "GET /healthz HTTP/1.1\r\nHost: h#g\r\n\r\n"},
	{"reject a whole target with a user", "GET http://a@h/healthz HTTP/1.1\r\nHost: h\r\n\r\n"},
	{"accept a Host with a port", "GET /healthz HTTP/1.1\r\nHost: h:8080\r\n\r\n"},
	{"accept a Host of IPv6", "GET /healthz HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"},
	{"accept a name in any case", "GET /healthz HTTP/1.1\r\nhOST: h\r\n\r\n"},

	// 5: fields
	{"reject a space before the colon", "GET /healthz HTTP/1.1\r\nHost : h\r\n\r\n"},
	{"reject a tab before the colon", "GET /healthz HTTP/1.1\r\nHost\t: h\r\n\r\n"},
	{"reject a space before the colon of another", "GET /healthz HTTP/1.1\r\nHost: h\r\nX : a\r\n\r\n"},
	{"reject a folded line", "GET /healthz HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n"},
	{"reject a line folded by a tab", "GET /healthz HTTP/1.1\r\nHost: h\r\nX: a\r\n\tb\r\n\r\n"},
	{"reject a folded length", "POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n 5\r\n\r\nabcde"},
	{"reject a space before the first field", "GET /healthz HTTP/1.1\r\n Host: h\r\n\r\n"},
	{"reject a field without a colon", "GET /healthz HTTP/1.1\r\nHost: h\r\nX\r\n\r\n"},
	{"reject a field without a name", "GET /healthz HTTP/1.1\r\nHost: h\r\n: a\r\n\r\n"},
	{"reject a space in a name", "GET /healthz HTTP/1.1\r\nHost: h\r\nX Y: a\r\n\r\n"},
	{"reject NUL in a name", "GET /healthz HTTP/1.1\r\nHost: h\r\nX\x00: a\r\n\r\n"},
	{"reject brackets in a name", "GET /healthz HTTP/1.1\r\nHost: h\r\nX[a]: a\r\n\r\n"},
	{"reject UTF-8 in a name", "GET /healthz HTTP/1.1\r\nHost: h\r\nÄ: a\r\n\r\n"},
	{"reject NUL in a value", "GET /healthz HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n"},
	{"reject CR in a value", "GET /healthz HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n"},
	{"reject a control character in a value", "GET /healthz HTTP/1.1\r\nHost: h\r\nX: a\x01b\r\n\r\n"},
	{"reject CR at the end of a line", "GET /healthz HTTP/1.1\r\nHost: h\rX: a\r\n\r\n"},
	{"accept an empty value", "GET /healthz HTTP/1.1\r\nHost: h\r\nX:\r\n\r\n"},
	{"accept space around a value", "GET /healthz HTTP/1.1\r\nHost: h\r\nX: \t a \t \r\n\r\n"},
	{"accept UTF-8 in a value", "GET /healthz HTTP/1.1\r\nHost: h\r\nX: ä\r\n\r\n"},

	// 6.2: Content-Length
	{"reject a length with a plus", "POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\nabcde"},
	{"reject a negative length", "POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: -5\r\n\r\nabcde"},
	{"reject a length of two", "POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 5\r\n\r\nabcde"},
	{"reject a length of two that differ", "POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 6\r\n\r\nabcde"},
	{"reject two lengths", "POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef"},
	{"reject the same length twice", "POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nabcde"},
	{"reject a hexadecimal length", "POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 0x5\r\n\r\nabcde"},
	{"reject a length with a dot", "POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 5.0\r\n\r\nabcde"},
	{"reject a length with a space", "POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 0 5\r\n\r\nabcde"},
	{"reject a length with an underscore", "POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 0_5\r\n\r\nabcde"},
	{"reject an empty length", "POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\nabcde"},
	{"reject a length of no number", "POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: five\r\n\r\nabcde"},
	{"reject a length beyond all numbers", "POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\nabcde"},
	{"reject a length of 2^64 and five", "POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551621\r\n\r\nabcde"},
	{"accept a length with zeros in front", "POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 0005\r\n\r\nabcde"},
	{"accept a body of a GET", "GET /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabcde"},
	{"accept no body", "POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"},

	// 6.1, 6.3: Transfer-Encoding
	{"reject chunks and a length", "POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	{"reject a length behind chunks", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"},
	{"reject an unknown encoding", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"},
	{"reject identity", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\n\r\n"},
	{"reject identity and a length", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nabcde"},
	{"reject an encoding behind chunked", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"},
	{"reject gzip and chunked", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
	{"reject chunked twice", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"},
	{"reject two encodings", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"},
	{"reject two that are chunked", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	{"reject an empty encoding", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n"},
	{"reject chunked in quotes", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"},
	{"reject chunked with a parameter", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n"},
	{"reject chunked with a vertical tab", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"},
	{"reject chunks of HTTP/1.0", "POST /healthz HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	{"reject a space before the colon of the encoding", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"},
	{"accept Chunked", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"},

	// 7.1: chunks
	{"reject a size with 0x", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nabcde\r\n0\r\n\r\n"},
	{"reject a size with a plus", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nabcde\r\n0\r\n\r\n"},
	{"reject a negative size", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n0\r\n\r\n"},
	{"reject a size that is none", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\ng\r\nabcde\r\n0\r\n\r\n"},
	{"reject an empty size", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\r\nabcde\r\n0\r\n\r\n"},
	{"reject a size beyond all numbers", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff5\r\nabcde\r\n0\r\n\r\n"},
	{"reject a size of 2^64 and five", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000005\r\nabcde\r\n0\r\n\r\n"},
	{"reject a size with an underscore", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0_5\r\nabcde\r\n0\r\n\r\n"},
	{"reject a space before a size", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n 5\r\nabcde\r\n0\r\n\r\n"},
	{"reject a size that ends in LF", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\nabcde\r\n0\r\n\r\n"},
	{"reject a size that ends in CR", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\rabcde\r\n0\r\n\r\n"},
	{"reject bytes behind a chunk", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcdef\r\n0\r\n\r\n"},
	{"reject a chunk that ends in LF", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\n0\r\n\r\n"},
	{"reject a chunk without an end", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde0\r\n\r\n"},
	{"reject an extension that ends in LF", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;a\nabcde\r\n0\r\n\r\n"},
	{"accept a size with zeros in front", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0005\r\nabcde\r\n0\r\n\r\n"},
	{"accept an extension", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nabcde\r\n0\r\n\r\n"},
	{"accept a trailer", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\nX: a\r\n\r\n"},
	{"accept capital digits", "POST /healthz HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nA\r\nabcdefghij\r\n0\r\n\r\n"},
}

// TestEveryRequestIsReadInOneWay sends each request with a plain one behind it. One that
// is rejected gets one answer at most, an error, and the end of the connection: what is
// behind it is never taken for a request. One that is accepted gets one answer, and so
// does the other.
func TestEveryRequestIsReadInOneWay(t *testing.T) {
	s := newTestServer(t)
	for _, test := range framing {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			statuses, closed := s.answers(t, test.request+"GET /readyz HTTP/1.1\r\nHost: h\r\n\r\n", 10*time.Second)
			if strings.HasPrefix(test.name, "accept") {
				if len(statuses) != 2 || statuses[1] != 200 || closed {
					t.Errorf("%v, closed: %v", statuses, closed)
				}
			} else if len(statuses) > 1 || len(statuses) == 1 && statuses[0] < 400 || !closed {
				t.Errorf("%v, closed: %v", statuses, closed)
			}
		})
	}
}

// answers sends requests on a connection and returns the statuses of its first two answers,
// or of those that come in time, and whether the server has closed it before.
func (s *testServer) answers(t *testing.T, requests string, wait time.Duration) (statuses []int, closed bool) {
	conn, err := s.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go io.WriteString(conn, requests)
	conn.SetReadDeadline(time.Now().Add(wait))
	from := bufio.NewReader(conn)
	for len(statuses) < 2 {
		resp, err := http.ReadResponse(from, nil)
		if err != nil {
			return statuses, err == io.EOF || err == io.ErrUnexpectedEOF || strings.Contains(fmt.Sprint(err), "reset")
		}
		io.Copy(io.Discard, resp.Body)
		statuses = append(statuses, resp.StatusCode)
	}
	return statuses, false
}
