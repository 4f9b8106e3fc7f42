package sign

import "testing"

func FuzzParseToken(f *testing.F) {
	for _, good := range goodRequests(f) {
		f.Add(good.query)
	}
	f.Add("sig=%zz&rscd=a%0ab%00%ff+&s%70=r;&&=")
	f.Fuzz(func(t *testing.T, query string) {
		token, err := ParseToken(query)
		if err != nil {
			if token != (Token{}) {
				t.Errorf("%q: got %+v with %v, want the zero token", query, token, err)
			}
			return
		}
		again, err := ParseToken(token.Query())
		if err != nil || again != token {
			t.Errorf("%q: %q is read back as %+v, %v, want %+v", query, token.Query(), again, err, token)
		}
		c := testCheck()
		if err := token.Verify(c); err == nil {
			t.Errorf("%q: accepted without the key", query)
		}
		if e := ExplainSAS(query, c); e.Valid {
			t.Errorf("%q: explained as valid without the key", query)
		}
		// Signed, whatever it says: the two judges must agree.
		token = signed(testKey, testResource, token)
		err = token.Verify(c)
		if e := ExplainSAS(token.Query(), c); e.Valid != (err == nil) {
			t.Errorf("%q: explained as valid=%v, verified as %v", token.Query(), e.Valid, err)
		}
	})
}

func FuzzParseFileID(f *testing.F) {
	file := readFastDFSVectors(f)
	for _, v := range append(file.FileIDs, file.Extras.Slaves...) {
		f.Add(v.FileID)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseFileID(s)
		if err != nil {
			if id != (FileID{}) {
				t.Errorf("%q: got %+v with %v, want the zero ID", s, id, err)
			}
			return
		}
		if id.String() != s {
			t.Errorf("%q: got back %q", s, id.String())
		}
		if slave, err := id.Slave("_1024", "jpg"); err == nil && (!slave.IsSlave() || slave.Size() != -1) {
			t.Errorf("%q: its slave %v is none", s, slave)
		}
	})
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2018-03-14T07:50:33Z", "2018-03-14", "2018-03-14T07:50Z", "2018-03-14T15:50:33.1234567+08:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseTime(s)
		if err != nil {
			if !got.IsZero() {
				t.Errorf("%q: got %v with %v, want the zero time", s, got, err)
			}
			return
		}
		again, err := ParseTime(FormatTime(got))
		if err != nil || !again.Equal(got) {
			t.Errorf("%q: %s is read back as %v, %v", s, FormatTime(got), again, err)
		}
	})
}
