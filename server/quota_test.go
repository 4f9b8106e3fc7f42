package server

import (
	"bytes"
	"fmt"
	"testing"

	"tintype/store"
)

// limit sets what the test application may have to so much and no more than it has.
func (s *testServer) limit(bytes, objects int64) {
	s.t.Helper()
	n, b, err := s.srv.usage(testApp)
	if err == nil {
		_, err = s.data.Registry.ChangeApp(testApp, func(app *store.App) error {
			app.MaxBytes, app.MaxObjects = b+bytes, n+objects
			return nil
		})
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func TestAQuotaIsOfWhatAChangeLeaves(t *testing.T) {
	s := newTestServer(t)
	photo := testPicture(t, "photo.jpg")
	portrait := func() string {
		body, contentType := makeForm(formPart{"files", "me", string(photo)})
		return code(t, s.do("POST", publicURL+"/portrait"+qquery, bytes.NewReader(body), s.qheaders("Content-Type", contentType)...))
	}
	if got := portrait(); got != "1" {
		t.Fatal(got)
	}
	given := "/picture" + nameQuery(testApp+"-old/a.jpg")
	s.admin(nil, "PUT", given, photo)
	s.putBlob("a", "0123456789")
	s.limit(0, 0)
	if got := portrait(); got != "1" {
		t.Errorf("a portrait in the place of the same: %s", got)
	}
	if a := s.admin(nil, "PUT", given, photo); a.status != 200 {
		t.Errorf("what is there already: %d %s", a.status, a.body)
	}
	if a := s.admin(nil, "PUT", given+"&exists=replace", photo); a.status != 201 {
		t.Errorf("replaced: %d %s", a.status, a.body)
	}
	if a := s.putBlob("a", "9876543210"); a.status != 201 {
		t.Errorf("a blob of the same length: %d %s", a.status, a.body)
	}
	if a := s.putBlob("a", "01234567890"); a.status != 403 || a.code() != "InsufficientAccountPermissions" {
		t.Errorf("a longer one: %d %s", a.status, a.body)
	}
	if a := s.putBlob("b", ""); a.status != 403 {
		t.Errorf("one more: %d %s", a.status, a.body)
	}
	s.limit(-5, -1) // it has more than it may since
	if a := s.putBlob("a", "012345678"); a.status != 201 {
		t.Errorf("a shorter one: %d %s", a.status, a.body)
	}
}

func TestStagedBlocksCountUntilTheyAreABlob(t *testing.T) {
	s := newTestServer(t)
	s.limit(20, 3)
	for i := range 2 {
		if a := s.stage("a", fmt.Sprint(i), "0123456789"); a.status != 201 {
			t.Fatalf("block %d: %d %s", i, a.status, a.body)
		}
	}
	if a := s.stage("a", "1", "9876543210"); a.status != 201 {
		t.Errorf("a block again: %d %s", a.status, a.body)
	}
	if a := s.stage("b", "0", "0"); a.status != 403 {
		t.Errorf("a block of another blob: %d %s", a.status, a.body)
	}
	if a := s.commit("a", "0", "1"); a.status != 201 || s.read("a") != "01234567899876543210" {
		t.Errorf("the list: %d %s", a.status, a.body)
	}
	if a := s.commit("b"); a.status != 201 {
		t.Errorf("an empty blob: %d %s", a.status, a.body)
	}
	if n, b, err := s.srv.usage(testApp); n != 2 || b != 20 || err != nil {
		t.Errorf("it has %d files of %d bytes, %v", n, b, err)
	}
}
