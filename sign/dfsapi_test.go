package sign

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

type dfsapiVector struct {
	AppKey, Length       string
	IsStorage, CacheTime *string
	Secret               string
	SignCode             string `json:"sign_code"`
	SignDocument         string `json:"sign_document"`
}

func dfsapiVectors(t testing.TB) []dfsapiVector {
	t.Helper()
	var file struct{ Cases []dfsapiVector }
	readVectors(t, "sign_vectors.json", &file)
	if len(file.Cases) != 20 {
		t.Fatalf("got %d vectors, want 20", len(file.Cases))
	}
	return file.Cases
}

func (v dfsapiVector) fields(keyName string) []Field {
	fields := []Field{{"length", v.Length}, {keyName, v.AppKey}} // not sorted
	if v.IsStorage != nil {
		fields = append(fields, Field{"isStorage", *v.IsStorage})
	}
	if v.CacheTime != nil {
		fields = append(fields, Field{"cacheTime", *v.CacheTime})
	}
	return fields
}

func TestDFSAPIVectors(t *testing.T) {
	for i, v := range dfsapiVectors(t) {
		fields := v.fields("appKey")
		if got := DFSAPISign(v.Secret, fields); got != v.SignCode {
			t.Errorf("%d: sign over everything: got %s, want %s", i, got, v.SignCode)
		}
		if got := DFSAPISign(v.Secret, fields[:2]); got != v.SignDocument {
			t.Errorf("%d: sign over key and length: got %s, want %s", i, got, v.SignDocument)
		}
		same := v.SignCode == v.SignDocument
		for _, tt := range []struct {
			sign  string
			rules DFSAPIRule
			ok    bool
		}{
			{v.SignCode, RulesAny, true}, {v.SignDocument, RulesAny, true},
			{v.SignCode, RulesStrict, true}, {v.SignDocument, RulesStrict, same},
			{v.SignDocument, RuleDocument, true}, {v.SignCode, RuleDocument, same},
			{strings.ToLower(v.SignCode), RulesStrict, true},
			{v.SignCode, 0, false},
		} {
			if err := VerifyDFSAPI(v.Secret, tt.sign, fields, tt.rules); (err == nil) != tt.ok {
				t.Errorf("%d: %s by rules %b: got %v, want ok=%v", i, tt.sign, tt.rules, err, tt.ok)
			}
		}
	}
}

func TestVerifyDFSAPI(t *testing.T) {
	const secret = "invented"
	base := []Field{{"appKey", "1111111111"}, {"length", "3020"}}
	with := func(more ...Field) []Field { return append(base[:2:2], more...) }
	spelled := func(name string, more ...Field) []Field {
		return append([]Field{{name, "1111111111"}, base[1]}, more...)
	}
	storage := Field{"isStorage", "true"}

	for _, tt := range []struct {
		name   string
		signed []Field // what the client strung together
		sent   []Field
		rules  DFSAPIRule
		ok     bool
	}{
		{"the key spelled and signed as appkey", spelled("appkey"), spelled("appkey"), RuleDocument, true},
		{"the key sent as appkey, signed as appKey", base, spelled("appkey"), RuleDocument, true},
		{"the same by the rule of the code", with(storage), spelled("APPKEY", storage), RuleCode, true},
		{"appkey sorts after everything with a capital", spelled("appkey", Field{"appL", "1"}), spelled("appkey", Field{"appL", "1"}), RuleForm, true},
		{"signed as appkey, sent as appKey", spelled("appkey"), base, RulesAny, false},
		{"a whole form", with(Field{"fileType", "amr"}), with(Field{"fileType", "amr"}), RuleForm, true},
		{"a whole form, with only the code's rule", with(Field{"fileType", "amr"}), with(Field{"fileType", "amr"}), RuleCode, false},
		{"fields nobody asked for", base, with(Field{"file_name", "1.jpg"}, Field{"data", "\xff\xd8"}), RuleCode, true},
		{"a field named sign is never signed", base, with(Field{"sign", "x"}), RuleForm, true},
		{"a field named secret does not replace ours", base, with(Field{"secret", "x"}), RuleForm, true},
		{"storage added to a sign by the document", base, with(storage), RuleDocument, true},
		{"storage added, by the rule of the code", base, with(storage), RuleCode, false},
		{"storage taken away, by the rule of the code", with(storage), base, RuleCode, false},
		{"storage changed", with(storage), with(Field{"isStorage", "false"}), RuleCode, false},
		{"an empty field counts", with(Field{"isStorage", ""}), base, RuleCode, false},
		{"isstorage is another field", with(Field{"isStorage", ""}), with(Field{"isstorage", ""}), RuleCode, false},
		{"another length", base, []Field{base[0], {"length", "3021"}}, RulesAny, false},
		{"a second length", base, with(Field{"length", "9"}), RulesAny, false},
		{"a second key", base, with(Field{"appkey", "2"}), RulesAny, false},

		// Both texts are the same, byte for byte.
		{"a field hidden in a name", with(storage), with(Field{"isStoragetrue", ""}), RulesAny, false},
		{"a field hidden over name and value", with(storage), with(Field{"isSto", "ragetrue"}), RulesAny, false},
		{"a field hidden over two fields", with(Field{"cacheTime", "60"}), with(Field{"ca", ""}, Field{"cheTime60", ""}), RulesAny, false},
	} {
		err := VerifyDFSAPI(secret, DFSAPISign(secret, tt.signed), tt.sent, tt.rules)
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrSignature) {
			t.Errorf("%s: got %v, want ok=%v", tt.name, err, tt.ok)
		}
	}
}

func TestDFSAPIRefusesWhatIsNoSign(t *testing.T) {
	fields := []Field{{"appKey", "1"}, {"length", "2"}}
	good := DFSAPISign("s", fields)
	for _, tt := range []struct{ name, secret, sign string }{
		{"empty", "s", ""},
		{"too short", "s", good[:38]},
		{"too long", "s", good + "00"},
		{"not hex", "s", "x" + good[1:]},
		{"blanks around", "s", " " + good},
		{"another secret", "t", good},
		{"an empty secret", "", DFSAPISign("", fields)},
		{"one digit changed", "s", good[:39] + string("0123456789ABCDEF"[(strings.IndexByte("0123456789ABCDEF", good[39])+1)%16])},
	} {
		if err := VerifyDFSAPI(tt.secret, tt.sign, fields, RulesAny); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: got %v, want %v", tt.name, err, ErrSignature)
		}
	}
}

func TestSignAndSecretAreNotFieldsToSign(t *testing.T) {
	fields := []Field{{"appKey", "1"}, {"length", "2"}}
	want := DFSAPISign("s", fields)
	for _, name := range []string{"sign", "secret"} {
		if got := DFSAPISign("s", append(fields[:2:2], Field{name, "x"})); got != want {
			t.Errorf("with a field %s: got %s, want %s", name, got, want)
		}
	}
}

// TestAnExtendedSignIsRefused adds to a captured sign what SHA-1's length extension can add: a field whose name begins with the
// padding of the hashed text. The sign itself need not be made; it is enough that no such field reaches RuleForm.
func TestAnExtendedSignIsRefused(t *testing.T) {
	fields := []Field{{"appKey", "1"}, {"length", "2"}, {"\x80\x00\x00more", ""}}
	if err := VerifyDFSAPI("s", DFSAPISign("s", fields), fields, RuleForm); !errors.Is(err, ErrSignature) {
		t.Errorf("got %v, want %v", err, ErrSignature)
	}
}

// TestASplitElsewhereNeedsTheCaller shows what VerifyDFSAPI leaves to its caller, with every place to cut one text in two.
func TestASplitElsewhereNeedsTheCaller(t *testing.T) {
	const digits = "11111111113020"
	sum := DFSAPISign("s", []Field{{"appKey", digits[:10]}, {"length", digits[10:]}})
	for i := range digits {
		fields := []Field{{"appKey", digits[:i]}, {"length", digits[i:]}}
		if err := VerifyDFSAPI("s", sum, fields, RulesAny); (err == nil) != (i == 10) {
			t.Errorf("%v: got %v", fields, err)
		}
	}
	// The word "length" keeps those apart. A value that contains it does not; such a key has no secret to look up.
	odd := []Field{{"appKey", fmt.Sprintf("%slength%s", digits[:10], digits[10:])}}
	if err := VerifyDFSAPI("s", sum, odd, RuleDocument); err != nil {
		t.Errorf("got %v: the comment at VerifyDFSAPI is out of date", err)
	}
}
