package sign_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"tintype/sign"
)

// The answer to an upload carries a token for half an hour.
func ExampleIssue() {
	now := time.Date(2018, 3, 14, 7, 50, 33, 0, time.UTC)
	token, err := sign.Issue([]byte("account key"), sign.Resource{Account: "tintype", Container: "app-picture-13"}, sign.Token{
		Permissions: "r",
		Start:       sign.FormatTime(now),
		Expiry:      sign.FormatTime(now.Add(30 * time.Minute)),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.ReplaceAll(token.Query(), "&", "\n&"))
	// Output:
	// sv=2016-05-31
	// &sr=c
	// &st=2018-03-14T07:50:33Z
	// &se=2018-03-14T08:20:33Z
	// &sp=r
	// &sig=0R8rS%2Fk%2BrMltsUXvJ4%2Fsw8A3ioq0lxj%2FSePFDvuonmE%3D
}

// A request for a picture is checked in two steps, because their errors get different answers.
func ExampleToken_Verify() {
	query := "sv=2016-05-31&sr=c&st=2018-03-14T07:50:33Z&se=2018-03-14T08:20:33Z&sp=r&sig=0R8rS%2Fk%2BrMltsUXvJ4%2Fsw8A3ioq0lxj%2FSePFDvuonmE%3D"
	token, err := sign.ParseToken(query)
	if err != nil {
		fmt.Println(err)
		return
	}
	check := sign.Check{
		Keys:     [][]byte{[]byte("new key"), []byte("account key")},
		Resource: sign.Resource{Account: "tintype", Container: "app-picture-13", Blob: "5aa8d448cc978/5aa8d448cc978_full.jpg"},
		Now:      time.Date(2018, 3, 14, 8, 0, 0, 0, time.UTC),
		IP:       netip.MustParseAddr("192.0.2.7"),
		Need:     "r",
	}
	fmt.Println(token.Verify(check))

	check.Now = check.Now.Add(time.Hour)
	err = token.Verify(check)
	fmt.Println(err)
	fmt.Println(errors.Is(err, sign.ErrTime), errors.Is(err, sign.ErrExpired))
	// Output:
	// <nil>
	// sign: not valid at this time: expired: start 2018-03-14T07:50:33Z, expiry 2018-03-14T08:20:33Z, now 2018-03-14T09:00:00Z
	// true true
}

func ExampleExplainSAS() {
	query := "sv=2016-05-31&sr=c&st=2018-03-14T07:50:33Z&se=2018-03-14T08:20:33Z&sp=r&sig=0R8rS%2Fk%2BrMltsUXvJ4%2Fsw8A3ioq0lxj%2FSePFDvuonmE%3D"
	e := sign.ExplainSAS(query, sign.Check{
		Keys:     [][]byte{[]byte("account key")},
		Resource: sign.Resource{Account: "tintype", Container: "app-picture-13", Blob: "5aa8d448cc978/5aa8d448cc978_full.jpg"},
		Now:      time.Date(2018, 3, 14, 8, 21, 0, 0, time.UTC),
		Need:     "r",
	})
	for _, f := range e.Findings {
		if !f.OK {
			fmt.Println(f.Text)
		}
	}
	fmt.Println(e.Signature, e.Time, e.Valid)
	// Output:
	// The token ended 27s ago, at 2018-03-14T08:20:33Z. It is now 2018-03-14T08:21:00Z.
	// ok expired false
}

func ExampleVerifyDFSAPI() {
	fields := []sign.Field{{Name: "appKey", Value: "1111111111"}, {Name: "length", Value: "3020"}}
	sum := sign.DFSAPISign("secret", fields)
	fmt.Println(sum)

	fields = append(fields, sign.Field{Name: "isStorage", Value: "true"})
	fmt.Println(sign.VerifyDFSAPI("secret", sum, fields, sign.RulesAny))
	fmt.Println(sign.VerifyDFSAPI("secret", sum, fields, sign.RulesStrict))
	// Output:
	// FD1254DC454B9133DBECC41E841C4738AAA6FB35
	// <nil>
	// sign: signature does not match
}

func ExampleVerifyQStorage() {
	signature := sign.QStorageSignature("secret", "1520329467")
	fmt.Println(signature)
	fmt.Println(sign.VerifyQStorage("secret", "1520329467", signature))
	fmt.Println(sign.VerifyQStorageTime("1520329467", time.Unix(1520329467+900, 0)))
	// Output:
	// ktlpCMfBC2YhMNVJdgwR96c2VGeJqQKgpnRKQ9K4NNk=
	// <nil>
	// <nil>
}

// The ID in the document's example says where and when it was made, and how large the file is.
func ExampleParseFileID() {
	id, err := sign.ParseFileID("group1/M00/00/13/rBALdFM9BXiAKcAUAAW5LIgSrzk132.mp4")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(id.Addr(), sign.FormatTime(id.Created()), id.Size(), id.Ext())
	// Output: 172.16.11.116 2014-04-03T06:53:44Z 375084 mp4
}

func ExampleNewFileID() {
	id, err := sign.NewFileID(sign.FileSpec{
		Group:   "group1",
		Dir:     [2]byte{0x00, 0x13},
		Source:  netip.MustParseAddr("172.16.11.116"),
		Created: time.Unix(1396508024, 0),
		Size:    375084,
		CRC32:   0x8812af39,
		Ext:     "jpg",
	}, strings.NewReader("crypto/rand.Reader here"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(id)
	small, _ := id.Slave("_1024", "jpg")
	fmt.Println(small)
	// Output:
	// group1/M00/00/13/rBALdFM9BXiAMbk8AAW5LIgSrzk831.jpg
	// group1/M00/00/13/rBALdFM9BXiAMbk8AAW5LIgSrzk831_1024.jpg
}

// A link that ends at a given time is stamped that time less the age that is allowed.
func ExampleFastDFSToken() {
	const ttl = 900 * time.Second
	end := time.Unix(1700001000, 0)
	ts := end.Add(-ttl).Unix()
	token := sign.FastDFSToken("M00/00/13/rBALdFM9BXiAKcAUAAW5LIgSrzk132.mp4", "secret", ts)
	fmt.Printf("?token=%s&ts=%d\n", token, ts)

	verify := func(at time.Time) error {
		return sign.VerifyFastDFSToken("M00/00/13/rBALdFM9BXiAKcAUAAW5LIgSrzk132.mp4", "secret", token, fmt.Sprint(ts), ttl, at)
	}
	fmt.Println(verify(end))
	fmt.Println(verify(end.Add(time.Second)))
	// Output:
	// ?token=fbb7983877205b37856d606ae33196cd&ts=1700000100
	// <nil>
	// sign: not valid at this time: expired: start 2023-11-14T22:15:00Z, expiry 2023-11-14T22:30:00Z, now 2023-11-14T22:30:01Z
}
