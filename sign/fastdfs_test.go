package sign

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"
)

type fileIDVector struct {
	FileID    string `json:"file_id"`
	Group     string
	StorePath int    `json:"store_path"`
	SubPath   string `json:"sub_path"`
	ExtField  string `json:"ext_field"`
	RawHex    string `json:"raw_hex"`
	Timestamp int64
	SizeField string `json:"size_field_hex"`
	CRC32     string
	SourceID  uint32 `json:"source_id"`
	SourceIP  string `json:"source_ip"`
	Type      string
	Size      int64
	Rand23    uint32
	Content   *[]byte `json:"content_b64"`
}

type fastdfsVectors struct {
	FileIDs []fileIDVector `json:"file_ids"`
	Tokens  []struct {
		FileID     string `json:"file_id"`
		SignedPath string `json:"signed_path"`
		Secret     string
		TS         int64
		Token      string
		Query      string
	}
	Checks []struct {
		Case       string
		Now, TTL   int64
		Secret     string
		SignedPath string `json:"signed_path"`
		TS         int64
		Token      string
		Result     int
	} `json:"token_checks"`
	Extras struct {
		Appender fileIDVector
		Slaves   []fileIDVector
		Examples []fileIDVector `json:"doc_examples"`
		TooShort []struct {
			FileID string `json:"file_id"`
		} `json:"too_short"`
	} `json:"decoder_extras"`
}

func readFastDFSVectors(t testing.TB) fastdfsVectors {
	t.Helper()
	var v fastdfsVectors
	readVectors(t, "fastdfs_vectors.json", &v)
	if len(v.FileIDs) != 20 || len(v.Tokens) != 20 || len(v.Checks) != 12 || len(v.Extras.Slaves) != 4 || len(v.Extras.TooShort) != 2 {
		t.Fatal("fastdfs_vectors.json is not the file these tests are for")
	}
	return v
}

func TestParseFileIDReadsWhatFastDFSReads(t *testing.T) {
	file := readFastDFSVectors(t)
	all := append(append(file.FileIDs, file.Extras.Slaves...), file.Extras.Examples...)
	for _, v := range append(all, file.Extras.Appender) {
		id, err := ParseFileID(v.FileID)
		if err != nil || id.String() != v.FileID {
			t.Errorf("%s: got %v, %v", v.FileID, id, err)
			continue
		}
		ip := ""
		if id.Addr().IsValid() {
			ip = id.Addr().String()
		}
		got := fmt.Sprint(id.Group, id.StorePath, fmt.Sprintf("%02X/%02X", id.Dir[0], id.Dir[1]), id.Tail, id.Created().Unix(),
			fmt.Sprintf("%016x", id.SizeField), fmt.Sprintf("%08x", id.CRC32), id.StorageID(), ip, id.IsSlave(), id.Size())
		want := fmt.Sprint(v.Group, v.StorePath, v.SubPath, v.ExtField, v.Timestamp,
			v.SizeField, v.CRC32, v.SourceID, v.SourceIP, v.Type == "slave", v.Size)
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", v.FileID, got, want)
		}
		if v.Type == "normal" && id.Rand() != v.Rand23 {
			t.Errorf("%s: random bits: got %d, want %d", v.FileID, id.Rand(), v.Rand23)
		}
		if v.Content != nil && crc32.ChecksumIEEE(*v.Content) != id.CRC32 {
			t.Errorf("%s: checksum of the content: got %08x", v.FileID, crc32.ChecksumIEEE(*v.Content))
		}
	}
	for _, v := range file.Extras.TooShort {
		if _, err := ParseFileID(v.FileID); !errors.Is(err, ErrFileID) {
			t.Errorf("%s: got %v, want %v", v.FileID, err, ErrFileID)
		}
	}
}

// randomFor returns the bytes that make NewFileID choose rand and digits.
func randomFor(rand, digits uint32) *bytes.Reader {
	b := binary.BigEndian.AppendUint32(nil, rand<<1)[1:]
	return bytes.NewReader(binary.BigEndian.AppendUint32(b, digits))
}

func TestNewFileIDMakesWhatFastDFSMakes(t *testing.T) {
	made := 0
	for _, v := range readFastDFSVectors(t).FileIDs {
		raw, err := hex.DecodeString(v.RawHex)
		if err != nil {
			t.Fatal(err)
		}
		dir, err := hex.DecodeString(strings.Replace(v.SubPath, "/", "", 1))
		if err != nil {
			t.Fatal(err)
		}
		digits, ext, _ := strings.Cut(v.ExtField, ".")
		number, _ := strconv.ParseUint("0"+digits, 10, 32)
		id, err := NewFileID(FileSpec{
			Group: v.Group, StorePath: uint8(v.StorePath), Dir: [2]byte(dir), Source: netip.AddrFrom4([4]byte(raw)),
			Created: time.Unix(v.Timestamp, 0), Size: v.Size, CRC32: binary.BigEndian.Uint32(raw[16:]), Ext: ext,
		}, randomFor(v.Rand23, uint32(number)))
		if v.SourceID != 0 {
			if !errors.Is(err, ErrFileID) {
				t.Errorf("%s: got %v, want %v: the address reads as a storage", v.FileID, err, ErrFileID)
			}
			continue
		}
		made++
		if err != nil || id.String() != v.FileID {
			t.Errorf("got %v, %v, want %s", id, err, v.FileID)
		}
	}
	if made != 16 {
		t.Errorf("got %d IDs made, want 16", made)
	}
}

func TestNewFileIDRefusesWhatItCouldNotReadBack(t *testing.T) {
	good := FileSpec{Group: "group1", Source: netip.MustParseAddr("10.1.2.3"), Created: testNow, Size: 3020, Ext: "jpg"}
	for _, tt := range []struct {
		name   string
		change func(*FileSpec)
		ok     bool
	}{
		{"nothing changed", func(*FileSpec) {}, true},
		{"no extension", func(s *FileSpec) { s.Ext = "" }, true},
		{"six letters of an extension", func(s *FileSpec) { s.Ext = "abcdef" }, true},
		{"the largest size", func(s *FileSpec) { s.Size = 1<<58 - 1 }, true},
		{"seven letters of an extension", func(s *FileSpec) { s.Ext = "abcdefg" }, false},
		{"a slash in the extension", func(s *FileSpec) { s.Ext = "a/b" }, false},
		{"a dot before the extension", func(s *FileSpec) { s.Ext = ".jpg" }, false},
		{"an address ending in .0", func(s *FileSpec) { s.Source = netip.MustParseAddr("10.1.2.0") }, false},
		{"IPv6", func(s *FileSpec) { s.Source = netip.MustParseAddr("::1") }, false},
		{"no address", func(s *FileSpec) { s.Source = netip.Addr{} }, false},
		{"no group", func(s *FileSpec) { s.Group = "" }, false},
		{"seventeen characters of a group", func(s *FileSpec) { s.Group = "group_name_17char" }, false},
		{"a slash in the group", func(s *FileSpec) { s.Group = "a/b" }, false},
		{"a negative size", func(s *FileSpec) { s.Size = -1 }, false},
		{"a size that sets a flag", func(s *FileSpec) { s.Size = 1 << 58 }, false},
		{"a time before 1970", func(s *FileSpec) { s.Created = time.Unix(-1, 0) }, false},
		{"a time after 2106", func(s *FileSpec) { s.Created = time.Unix(1<<32, 0) }, false},
	} {
		spec := good
		tt.change(&spec)
		id, err := NewFileID(spec, randomFor(1, 2))
		if (err == nil) != tt.ok || err != nil && (!errors.Is(err, ErrFileID) || id != FileID{}) {
			t.Errorf("%s: got %v, %v, want ok=%v", tt.name, id, err, tt.ok)
		}
		if err == nil && (id.Size() != spec.Size || id.Ext() != spec.Ext || id.Addr() != spec.Source) {
			t.Errorf("%s: got %+v, want %+v", tt.name, id, spec)
		}
	}
	if _, err := NewFileID(good, strings.NewReader("short")); err == nil {
		t.Error("no random bytes left: got nil, want an error")
	}
}

func TestParseFileIDIsStrict(t *testing.T) {
	const good = "group1/M00/00/13/rBALdFM9BXiAKcAUAAW5LIgSrzk132.mp4"
	swap := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for _, tt := range []struct {
		name, in string
		ok       bool
	}{
		{"the document's example", good, true},
		{"seven digits", swap("132.mp4", "1234567"), true},
		{"two extensions", swap("132.mp4", ".tar.gz"), true},
		{"a slave", swap("132.mp4", "132_1024.jpg"), true},
		{"a slave without an extension", swap("132.mp4", "132_1024"), true},
		{"a slave of a name without an extension", swap("132.mp4", "1374458-m.jpg"), true},
		{"a slave's longest prefix", swap("132.mp4", "132_23456789012345.jpg"), true},
		{"a prefix too long", swap("132.mp4", "132_234567890123456x.jpg"), false},
		{"a slash before it", "/" + good, false},
		{"no group", swap("group1/", ""), false},
		{"an empty group", swap("group1", ""), false},
		{"a hyphen in the group", swap("group1", "group-1"), false},
		{"lower-case hex", swap("00/13", "0a/13"), false},
		{"no hex", swap("00/13", "0G/13"), false},
		{"a small m", swap("M00", "m00"), false},
		{"another separator", swap("00/13", "00-13"), false},
		{"a character short", swap("132.mp4", "32.mp4"), false},
		{"stray bits at the end of the base64", swap("Srzk", "Srzl"), false},
		{"the standard alphabet", swap("rBAL", "+BAL"), false},
		{"a line break in the base64", swap("rBAL", "rB\nL"), false},
		{"letters for digits", swap("132.mp4", "abc.mp4"), false},
		{"a dot at the end", swap("132.mp4", "123456."), false},
		{"an extension of dots", swap("132.mp4", "132.m.."), false},
		{"a second extension that is empty", swap("132.mp4", "132.mp."), false},
		{"an extension too long", swap("132.mp4", "132_1.abcdefg"), false},
		{"a way up", swap("132.mp4", "132/../../x"), false},
		{"a slash at the end", good + "/", false},
		{"a prefix with a blank", swap("132.mp4", "132_ 1.jpg"), false},
		{"a slave without a prefix", swap("132.mp4", "1234567.jpg"), false},
		{"a NUL", swap("132.mp4", "13\x00.mp4"), false},
		{"nothing", "", false},
	} {
		id, err := ParseFileID(tt.in)
		if (err == nil) != tt.ok || err == nil && id.String() != tt.in || err != nil && (!errors.Is(err, ErrFileID) || id != FileID{}) {
			t.Errorf("%s: %q: got %v, %v, want ok=%v", tt.name, tt.in, id, err, tt.ok)
		}
	}
}

func TestTheFlagsOfTheSizeField(t *testing.T) {
	for _, tt := range []struct {
		name  string
		field uint64
		size  int64
		rand  uint32
	}{
		{"32 bits, all random bits set", 1<<63 | 0x7fffff<<32 | 3020, 3020, 0x7fffff},
		{"a plain size", 1<<32 + 1, 1<<32 + 1, 0},
		{"part of a trunk", 1<<59 | 1<<40 | 3020, 3020, 0},
		{"an appender", 1<<63 | 1<<58 | 3020, -1, 0},
	} {
		id := FileID{SizeField: tt.field, Tail: "132.jpg"}
		if id.Size() != tt.size || id.Rand() != tt.rand {
			t.Errorf("%s: got %d, %x, want %d, %x", tt.name, id.Size(), id.Rand(), tt.size, tt.rand)
		}
	}
}

func TestAnAddressEndingInZeroReadsAsAStorage(t *testing.T) {
	for _, tt := range []struct {
		source [4]byte
		id     uint32
		ip     string
	}{
		{[4]byte{1, 0, 0, 0}, 1, "invalid IP"},
		{[4]byte{255, 255, 255, 0}, 1<<24 - 1, "invalid IP"},
		{[4]byte{0, 0, 0, 1}, 0, "0.0.0.1"},
		{[4]byte{0, 0, 0, 0}, 0, "0.0.0.0"},
	} {
		id := FileID{Source: tt.source}
		if id.StorageID() != tt.id || id.Addr().String() != tt.ip {
			t.Errorf("%v: got %d, %v, want %d, %s", tt.source, id.StorageID(), id.Addr(), tt.id, tt.ip)
		}
	}
}

func TestSlaveNamesAreThoseOfFastDFS(t *testing.T) {
	for _, tt := range []struct{ master, prefix, ext, want string }{
		{"967.jpg", "_1024", "jpg", "967_1024.jpg"},
		{"967.jpg", "_1024", "png", "967_1024.png"},
		{"1374458", "_t", "jpg", "1374458_t.jpg"},
		{"967.jpg", "-m", "jpg", "967-m.jpg"},
		{"967.jpg", "", "jpg", ""},
		{"967.jpg", "_a/b", "jpg", ""},
		{"967.jpg", "_1024", ".jpg", ""},
		{"967.jpg", "_10242048409681921", "jpg", ""},
	} {
		const head = "group1/M00/00/00/rBALdGsDBleAYSXFAAALzPKPJn8"
		master, err := ParseFileID(head + tt.master)
		if err != nil {
			t.Fatal(err)
		}
		got, err := master.Slave(tt.prefix, tt.ext)
		if tt.want == "" {
			if !errors.Is(err, ErrFileID) || got != (FileID{}) {
				t.Errorf("%s + %q + %q: got %v, %v, want %v", tt.master, tt.prefix, tt.ext, got, err, ErrFileID)
			}
			continue
		}
		if err != nil || got.String() != head+tt.want || got.Size() != -1 || !got.IsSlave() {
			t.Errorf("%s + %q + %q: got %v, %v, want %s", tt.master, tt.prefix, tt.ext, got, err, tt.want)
		}
	}
}
