package sign

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Field is one text field of a dfsapi request: the name and the value exactly as sent. A field sent empty is not the same as one
// that was not sent.
type Field struct{ Name, Value string }

// The fields that the rules name. appKey is the only one whose letter case varies: the document's table says appKey, its example
// appkey.
const (
	fieldAppKey    = "appKey"
	fieldLength    = "length"
	fieldStorage   = "isStorage"
	fieldCacheTime = "cacheTime"
	fieldSign      = "sign"
	fieldSecret    = "secret"
)

// DFSAPIRule says which fields of a request its sign covers; rules combine with "|", and then any of them will do.
// Source: dfsapi.md section 1.2.
type DFSAPIRule uint8

const (
	// RuleDocument (S1) covers appKey and length: "计算签名只需要lenght,appKey". It leaves isStorage and cacheTime to anyone.
	RuleDocument DFSAPIRule = 1 << iota

	// RuleCode (S2) covers appKey, length, and of isStorage and cacheTime what was sent, empty or not.
	RuleCode

	// RuleForm (S3) covers every text field. It cannot be used when the caller has dropped a field, say one too large.
	RuleForm
)

// Which rules `--sign` permits.
const (
	RulesStrict = RuleCode
	RulesAny    = RuleDocument | RuleCode | RuleForm
)

// DFSAPISign returns the sign of fields: the SHA-1, in 40 upper-case hex digits, of the names and values strung together, sorted
// bytewise by name, with the pair ("secret", secret) among them. It leaves out a field named sign, and one named secret.
func DFSAPISign(secret string, fields []Field) string {
	return fmt.Sprintf("%X", dfsapiSum(secret, fields))
}

func dfsapiSum(secret string, fields []Field) []byte {
	pairs := make([]Field, 0, len(fields)+1)
	for _, f := range fields {
		if f.Name != fieldSign && f.Name != fieldSecret { // the original sets args.secret, whatever was sent under that name
			pairs = append(pairs, f)
		}
	}
	pairs = append(pairs, Field{fieldSecret, secret})
	slices.SortStableFunc(pairs, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	h := sha1.New()
	for _, p := range pairs {
		h.Write([]byte(p.Name))
		h.Write([]byte(p.Value))
	}
	return h.Sum(nil)
}

// VerifyDFSAPI returns nil when sign, in hex of either letter case, is that of fields by one of rules, and ErrSignature otherwise.
// Fields holds every text field of the request, in any order. A key that was sent as "appkey" may have been signed under that
// name or as appKey.
//
// The text has no separators, so the caller closes what that leaves open: it looks the secret up by the whole key, and takes length
// and cacheTime only as digits, length as those of the file's size, and isStorage only as one of its few words. Otherwise key "1"
// with length "23" would pass for key "12" with length "3".
func VerifyDFSAPI(secret, sign string, fields []Field, rules DFSAPIRule) error {
	got, err := hex.DecodeString(sign)
	if err != nil || len(got) != sha1.Size || secret == "" {
		return ErrSignature
	}
	match := false
	for _, signed := range signedFields(fields, rules) {
		for _, names := range [][]Field{signed, canonicalNames(signed)} {
			if hmac.Equal(got, dfsapiSum(secret, names)) {
				match = true // no early return: the time taken does not tell which rule it was
			}
		}
	}
	if !match {
		return ErrSignature
	}
	return nil
}

// signedFields returns what each of rules covers.
func signedFields(fields []Field, rules DFSAPIRule) [][]Field {
	var document, code, others []Field
	for _, f := range fields {
		switch {
		case strings.EqualFold(f.Name, fieldAppKey), f.Name == fieldLength:
			document = append(document, f)
			code = append(code, f)
		case f.Name == fieldStorage, f.Name == fieldCacheTime:
			code = append(code, f)
		default: // sign and secret too: dfsapiSum leaves them out
			others = append(others, f)
		}
	}
	var sets [][]Field
	if rules&RuleDocument != 0 {
		sets = append(sets, document)
	}
	if rules&RuleCode != 0 {
		sets = append(sets, code)
	}
	if rules&RuleForm != 0 && unmistakable(others) {
		sets = append(sets, slices.Concat(code, others))
	}
	return sets
}

// unmistakable reports whether no one could have made others out of a captured sign. Because the text has no separators, the
// field cacheTime=60 could be sent again as one named "cacheTime60", and its sign would still be right by RuleForm. And because
// SHA-1 can be extended, a field could be added whose name begins with the padding, which is not text.
func unmistakable(others []Field) bool {
	sorted := slices.SortedStableFunc(slices.Values(others), func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	var text []byte
	for _, f := range sorted {
		for _, c := range []byte(f.Name) {
			if !isAlphanumeric(c) && c != '_' && c != '-' && c != '.' {
				return false
			}
		}
		text = append(append(text, f.Name...), f.Value...)
	}
	return !bytes.Contains(text, []byte(fieldStorage)) && !bytes.Contains(text, []byte(fieldCacheTime))
}

// canonicalNames returns fields with the key under its name in the document's table.
func canonicalNames(fields []Field) []Field {
	out := slices.Clone(fields)
	for i, f := range out {
		if strings.EqualFold(f.Name, fieldAppKey) {
			out[i].Name = fieldAppKey
		}
	}
	return out
}
