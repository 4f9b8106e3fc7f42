package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"tintype/store"
)

func TestBlocksMakeABlob(t *testing.T) {
	s := newTestServer(t)
	for _, id := range []string{"3", "1", "2", "unused"} {
		if a := s.stage("a", id, "block "+id+" "); a.status != 201 || a.header.Get("ETag") != "" || a.body != "" {
			t.Errorf("Put Block: %d %v", a.status, a.header)
		}
	}
	if got := s.read("a"); got != "BlobNotFound" {
		t.Errorf("before its list the blob is %q", got)
	}
	s.stage("a", "2", "another block 2 ")
	a := s.do("PUT", s.at("a", "w")+"&comp=blocklist", blockList("1", "2", "3", "1"), "x-ms-blob-content-type", "text/plain", "x-ms-meta-k", "v", "Content-Type", "application/xml")
	if a.status != 201 || a.header.Get("ETag") == "" || a.header.Get("Last-Modified") == "" {
		t.Errorf("Put Block List: %d %s %v", a.status, a.code(), a.header)
	}
	got := s.do("GET", s.at("a", "r"), nil)
	if got.body != "block 1 another block 2 block 3 block 1 " || got.header.Get("Content-Type") != "text/plain" || got.header.Get("X-Ms-Meta-K") != "v" {
		t.Errorf("the blob is %q, %v", got.body, got.header)
	}
	if a := s.do("PUT", s.at("a", "w")+"&comp=blocklist", blockList("unused")); a.code() != "InvalidBlockList" {
		t.Errorf("a block that a list left out: %d %s", a.status, a.code())
	}
	// what an answer that was lost makes a client do
	if a := s.commit("a", "1", "2", "3", "1"); a.status != 201 || s.read("a") != got.body {
		t.Errorf("the same list again: %d %s", a.status, a.code())
	}
}

func TestBlocksOfABlobAreUsedAgain(t *testing.T) {
	s := newTestServer(t)
	for _, id := range []string{"1", "2", "3"} {
		s.stage("a", id, "old "+id+" ")
	}
	s.commit("a", "1", "2", "3")
	s.stage("a", "2", "new 2 ")
	list := func(text string) answer {
		return s.do("PUT", s.at("a", "w")+"&comp=blocklist", strings.NewReader("<BlockList>"+text+"</BlockList>"))
	}
	one, two, three := blockID("1"), blockID("2"), blockID("3")
	if a := list("<Uncommitted>" + one + "</Uncommitted>"); a.code() != "InvalidBlockList" {
		t.Errorf("a committed block as an uncommitted one: %d %s", a.status, a.code())
	}
	if a := list("<Committed>" + three + "</Committed><Uncommitted>" + two + "</Uncommitted><Committed>" + two + "</Committed><Latest>" + two + "</Latest>"); a.status != 201 {
		t.Fatalf("%d %s", a.status, a.code())
	}
	if got := s.read("a"); got != "old 3 new 2 old 2 new 2 " {
		t.Errorf("the blob is %q", got)
	}
	s.putBlob("a", "whole")
	if a := list("<Latest>" + three + "</Latest>"); a.code() != "InvalidBlockList" || s.read("a") != "whole" {
		t.Errorf("a block of what was replaced: %d %s", a.status, a.code())
	}
	// replaced by other means than these calls
	s.stage("b", "1", "x")
	s.commit("b", "1")
	s.seed("b", "other")
	if a := s.commit("b", "1"); a.code() != "InvalidBlockList" || s.read("b") != "other" {
		t.Errorf("a block of other bytes: %d %s, %q", a.status, a.code(), s.read("b"))
	}
}

func TestDamageGetsNoChecksumOfItsOwn(t *testing.T) {
	s := newTestServer(t)
	s.stage("a", "1", "first ")
	s.stage("a", "2", "second ")
	s.commit("a", "1", "2")
	s.stage("a", "3", "third")
	if err := s.data.Pictures.(*store.Disk).Flush(); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(s.dir, "pictures/blobs/*/*.13"))
	data, err := os.ReadFile(files[0])
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	os.WriteFile(files[0], append([]byte("f1rst"), data[5:]...), 0o600)
	if a := s.commit("a", "1", "2", "3"); a.status != 500 {
		t.Errorf("%d %s", a.status, s.read("a"))
	}
	// nor are properties of the blob told with the error
	a := s.do("GET", s.at("a", "r"), nil, "Range", "bytes=2-3")
	if a.status != 500 || a.header.Get("ETag") != "" || a.header.Get("Content-Range") != "" || a.header.Get("x-ms-blob-type") != "" {
		t.Errorf("a range of a damaged blob: %d %v", a.status, a.header)
	}
	if strings.Contains(s.log.String(), "panic") {
		t.Error(s.log.String())
	}
}

func TestOneBlockManyTimesCostsLittle(t *testing.T) {
	s := newTestServer(t)
	name := strings.Repeat("%F0%9F%99%82", 1000)
	s.stage(name, "1", "")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if a := s.commit(name, slices.Repeat([]string{"1"}, maxBlocks)...); a.status != 201 {
		t.Errorf("%d %s", a.status, a.code())
	}
	runtime.ReadMemStats(&after)
	if grown := (after.TotalAlloc - before.TotalAlloc) >> 20; grown > 400 { // most of it the XML; a name of 4 KB for each would be 200 MB more
		t.Errorf("%d MB were allocated", grown)
	}
}

func TestStagedBlocksGoWithTheirTimeAndTheirBlob(t *testing.T) {
	s := newTestServer(t)
	s.stage("a", "1", "x")
	s.clock.add(7*24*time.Hour - time.Second)
	s.stage("a", "2", "y")
	s.clock.add(time.Second)
	if a := s.commit("a", "1"); a.code() != "InvalidBlockList" {
		t.Errorf("after 7 days: %d %s", a.status, a.code())
	}
	if a := s.commit("a", "2"); a.status != 201 {
		t.Errorf("the younger one: %d %s", a.status, a.code())
	}
	for name, drop := range map[string]func(){
		"Put Blob":       func() { s.putBlob("a", "x") },
		"Put Block List": func() { s.commit("a") },
		"Delete Blob":    func() { s.do("DELETE", s.at("a", "d"), nil) },
	} {
		s.putBlob("a", "x")
		s.stage("a", "1", "x")
		s.stage("ab", "1", "x")
		drop()
		if a := s.commit("a", "1"); a.code() != "InvalidBlockList" {
			t.Errorf("after %s: %d %s", name, a.status, a.code())
		}
		if a := s.commit("ab", "1"); a.status != 201 {
			t.Errorf("after %s of another blob: %d %s", name, a.status, a.code())
		}
	}
}

func TestAllBlocksTogetherAreLimited(t *testing.T) {
	s := newTestServer(t, func(c *Config) { c.MaxUpload = 1000 })
	s.stage("a", "1", strings.Repeat("x", 600))
	if a := s.commit("a", "1", "1"); a.status != 413 || a.code() != "RequestBodyTooLarge" {
		t.Errorf("%d %s", a.status, a.code())
	}
	if a := s.commit("a", "1"); a.status != 201 {
		t.Errorf("%d %s", a.status, a.code())
	}
}

func TestBlockLists(t *testing.T) {
	const a, b = "<Latest>YQ==</Latest>", "<Uncommitted>Yg==</Uncommitted>"
	both, tooMany := []listedBlock{{"a", true, true}, {"b", false, true}}, strings.Repeat(a, maxBlocks+1)
	for _, test := range []struct {
		name, text string
		want       []listedBlock
		err        error
	}{
		{"as the SDKs write it", `<?xml version="1.0" encoding="utf-8"?>` + "\n<BlockList>\n" + a + b + "</BlockList>\n", both, nil},
		{"with a byte order mark", "\xef\xbb\xbf<BlockList>" + a + b + "</BlockList>", both, nil},
		{"with comments and blanks", "<!-- x --><BlockList ><Latest>\n YQ==\t</Latest><!-- y -->" + b + "</BlockList>", both, nil},
		{"with a namespace", `<BlockList xmlns="urn:x">` + a + b + "</BlockList>", both, nil},
		{"as character data", "<BlockList><Latest><![CDATA[YQ==]]></Latest>" + b + "</BlockList>", both, nil},
		{"with an entity", "<BlockList><Latest>YQ&#61;=</Latest>" + b + "</BlockList>", both, nil},
		{"empty", "<BlockList></BlockList>", nil, nil},
		{"committed", "<BlockList><Committed>YQ==</Committed></BlockList>", []listedBlock{{"a", true, false}}, nil},
		{"with a long comment", "<BlockList><!--" + strings.Repeat("x", 3*maxToken) + "--></BlockList>", nil, errXML},
		{"with a long attribute", `<BlockList x="` + strings.Repeat("x", 3*maxToken) + `"></BlockList>`, nil, errXML},
		{"with a long text", "<BlockList>" + strings.Repeat(" ", 3*maxToken) + "</BlockList>", nil, errXML},
		{"with many comments", "<BlockList>" + strings.Repeat("<!-- -->", maxToken) + "</BlockList>", nil, nil},
		{"with a line in an ID", "<BlockList><Latest>YQ\n==</Latest></BlockList>", nil, errBlockList},
		{"nothing", "", nil, errXML},
		{"cut", "<BlockList>" + a, nil, errXML},
		{"of another name", "<Blocks>" + a + "</Blocks>", nil, errXML},
		{"with another element", "<BlockList><Newest>YQ==</Newest></BlockList>", nil, errXML},
		{"too deep", "<BlockList><Latest><Latest>YQ==</Latest></Latest></BlockList>", nil, errXML},
		{"with text between", "<BlockList>" + a + "x</BlockList>", nil, errXML},
		{"with text behind", "<BlockList/>x", nil, errXML},
		{"twice", "<BlockList/><BlockList/>", nil, errXML},
		{"with a document type", `<!DOCTYPE x [<!ENTITY e "YQ==">]><BlockList><Latest>&e;</Latest></BlockList>`, nil, errXML},
		{"with an unknown entity", "<BlockList><Latest>&e;</Latest></BlockList>", nil, errXML},
		{"with an ID that is none", "<BlockList><Latest>a</Latest></BlockList>", nil, errBlockList},
		{"with an empty ID", "<BlockList><Latest/></BlockList>", nil, errBlockList},
		{"of 50,001 blocks", "<BlockList>" + tooMany + "</BlockList>", nil, errBlockListLong},
	} {
		got, err := parseBlockList(strings.NewReader(test.text))
		if !errors.Is(err, test.err) || fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%s: %v, %v, want %v, %v", test.name, got, err, test.want, test.err)
		}
	}
}

// FuzzBlockList: what is accepted are IDs of 1 to 64 bytes, and few of them.
func FuzzBlockList(f *testing.F) {
	f.Add(`<?xml version="1.0" encoding="utf-8"?><BlockList><Latest>YQ==</Latest><Committed>Yg==</Committed></BlockList>`)
	f.Add("\xef\xbb\xbf<BlockList><!-- x --><Uncommitted><![CDATA[YQ==]]></Uncommitted></BlockList>")
	f.Fuzz(func(t *testing.T, text string) {
		blocks, err := parseBlockList(strings.NewReader(text))
		if err != nil && blocks != nil {
			t.Errorf("%v with %v", blocks, err)
		}
		for _, b := range blocks {
			if len(b.id) == 0 || len(b.id) > maxBlockID || !b.committed && !b.staged {
				t.Errorf("%+v", b)
			}
		}
		if len(blocks) > len(text) {
			t.Errorf("%d blocks of %d bytes", len(blocks), len(text))
		}
	})
}

func TestABlockThatVanishesIsNotLeftOut(t *testing.T) {
	s := newTestServer(t)
	s.stage("a", "1", "x")
	s.stage("a", "2", "y")
	o, err := s.data.Pictures.Stat(blockName(seedContainer+"/a", []byte("2")))
	if err != nil {
		t.Fatal(err)
	}
	in := &joined{store: s.data.Pictures, segments: []segment{{o.Name, o.Digest, 0, 1}, {"none", store.Digest{}, 0, 1}}}
	defer in.Close()
	buf := make([]byte, 10)
	if n, err := in.Read(buf); n != 1 || err != nil {
		t.Errorf("the first: %d, %v", n, err)
	}
	for range 2 {
		if n, err := in.Read(buf); n != 0 || !errors.Is(err, errBlockList) {
			t.Errorf("the one that is gone: %d, %v", n, err)
		}
	}
}
