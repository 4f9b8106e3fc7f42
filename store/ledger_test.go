package store

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"
)

var fullObject = Object{
	Name: "c/f/a", ID: "0123", Owner: "app", Digest: Digest{1, 2, 3}, CRC: 7, Size: 1 << 40, MediaType: "image/jpeg",
	Width: 4000, Height: 3000, Created: time.UnixMicro(1).UTC(), Expires: time.UnixMicro(2).UTC(), Deleted: time.UnixMicro(3).UTC(),
	MD5: [16]byte{4, 5}, Original: Digest{6}, Modified: time.UnixMicro(4).UTC(), Attributes: map[string]string{"b": "", "a": "1", "": "\x00"},
}

func TestARowSurvivesARoundTrip(t *testing.T) {
	for _, o := range []Object{fullObject, {Name: "bare"}} {
		got, err := parseRow(o.Name, appendRow(nil, o))
		if err != nil || !same(got, o) {
			t.Errorf("parseRow = %+v, %v\nwant %+v", got, err, o)
		}
	}
}

func TestARowSkipsFieldsOfALaterVersion(t *testing.T) {
	row := appendField(appendRow(nil, fullObject), 200, []byte("later"))
	if got, err := parseRow(fullObject.Name, row); err != nil || !same(got, fullObject) {
		t.Errorf("parseRow = %+v, %v", got, err)
	}
}

func TestASealBindsKeyAndValue(t *testing.T) {
	sealed := seal([]byte("key"), []byte("value"))
	if got, err := unseal([]byte("key"), sealed); err != nil || string(got) != "value" {
		t.Errorf("unseal = %q, %v", got, err)
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 0x10
		if _, err := unseal([]byte("key"), bad); !errors.Is(err, ErrDamaged) {
			t.Errorf("byte %d changed: %v, want ErrDamaged", i, err)
		}
	}
	if _, err := unseal([]byte("kez"), sealed); !errors.Is(err, ErrDamaged) {
		t.Errorf("another key: %v, want ErrDamaged", err)
	}
}

func TestALedgerIsReadUpToItsFirstTornRecord(t *testing.T) {
	ledger := appendRecord(nil, gained, fullObject)
	first := len(ledger)
	ledger = appendRecord(ledger, lost, fullObject)
	for n := range ledger {
		want := 0
		if n >= first {
			want = 1
		}
		entries, valid := parseLedger(ledger[:n])
		if len(entries) != want || valid != want*first {
			t.Fatalf("%d bytes: %d records, %d valid", n, len(entries), valid)
		}
		whole, err := endsWhole(io.NewSectionReader(bytes.NewReader(ledger), 0, int64(n)))
		if whole != (n == 0 || n == first) || err != nil {
			t.Fatalf("%d bytes: endsWhole = %v, %v", n, whole, err)
		}
	}
	entries, valid := parseLedger(ledger)
	if valid != len(ledger) || len(entries) != 2 || entries[0].op != gained || !same(entries[0].obj, fullObject) || entries[1].op != lost {
		t.Errorf("parseLedger = %+v, %d", entries, valid)
	}
}

// FuzzLedger: what is accepted is what appendRecord writes.
func FuzzLedger(f *testing.F) {
	f.Add(appendRecord(appendRecord(nil, gained, fullObject), lost, Object{Name: "b"}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, valid := parseLedger(b)
		if valid > len(b) || valid == 0 != (len(entries) == 0) {
			t.Fatalf("%d records in %d of %d bytes", len(entries), valid, len(b))
		}
		var again []byte
		for _, e := range entries {
			again = appendRecord(again, e.op, e.obj)
		}
		if got, n := parseLedger(again); n != len(again) || len(got) != len(entries) {
			t.Fatalf("written again: %d records of %d", len(got), len(entries))
		}
	})
}
