package command

import (
	"errors"
	"testing"
	"time"

	"tintype/server"
	"tintype/store"
)

func TestAGivenApplicationIsNeitherAddedNorChanged(t *testing.T) {
	r, err := store.OpenRegistry(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	a := newApps(r, []store.App{{Key: "given", Secret: "secret"}}, false)
	for _, key := range []string{"given", "Given"} {
		if _, err := a.AddApp(key, "", time.Now()); !errors.Is(err, store.ErrAppExists) {
			t.Errorf("add %s: %v", key, err)
		}
	}
	_, err1 := a.ChangeApp("given", func(*store.App) error { return nil })
	_, err2 := a.RotateApp("given")
	for _, err := range []error{err1, err2, a.DropPrevious("given"), a.RemoveApp("given")} {
		if !errors.Is(err, server.ErrFixedApp) {
			t.Error(err)
		}
	}
	if len(r.Apps()) != 0 {
		t.Errorf("the registry has %+v", r.Apps())
	}
	if _, err := a.AddApp("other", "", time.Now()); err != nil {
		t.Error(err)
	}
}
