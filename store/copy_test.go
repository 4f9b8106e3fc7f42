package store

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// What a directory has goes to S3 and into another directory, in parts, and is the same there.
func TestCopy(t *testing.T) {
	c, m := newClock(), newInMemory(t)
	from := openTest(t, t.TempDir(), c, Options{})
	defer from.Close()
	for i := range 50 {
		in := item(fmt.Sprintf("c/%d/a", i), strings.Repeat("x", i))
		in.ID = fmt.Sprint("id", i)
		if i%5 == 0 {
			in.Expires = c.Now().Add(time.Hour)
		}
		if i%7 == 0 {
			in.Attributes = map[string]string{"k": strings.Repeat("v", 100*i)}
		}
		put(t, from, in)
	}
	c.add(time.Second)
	edit(from, "c/3/a", func(o *Object) { o.MediaType, o.Modified = "text/plain", c.Now() })
	move(from, rename{"c/4/a", "delete-c/4/a", c.Now()})
	put(t, from, item("\x00c/a\x00block", "b"))

	bucket := m.open(t, c, "n1")
	defer bucket.Close()
	put(t, bucket, item("c/6/a", "put there by somebody else, later"))
	short := breaking{bucket}
	if n, err := Copy(short, from, noProgress); !errors.Is(err, errBody) || n.Objects == 0 {
		t.Errorf("broken off: %+v, %v", n, err)
	}
	n, err := Copy(bucket, from, noProgress)
	if err != nil || n.There == 0 || n.Objects == 0 || n.There+n.Objects != 50 || n.Newer != 1 || n.Refused != 0 {
		t.Errorf("to S3: %+v, %v", n, err)
	}
	if n, err := Copy(bucket, from, noProgress); err != nil || n.There != 50 || n.Objects != 0 {
		t.Errorf("again: %+v, %v", n, err)
	}
	del(bucket, "c/6/a")
	del(from, "c/6/a")
	back := openTest(t, t.TempDir(), c, Options{})
	defer back.Close()
	if n, err := Copy(back, bucket, noProgress); err != nil || n.Objects != 50 {
		t.Errorf("back: %+v, %v", n, err)
	}
	want, got := everything(t, from), everything(t, back)
	if !maps.EqualFunc(want, got, same) {
		t.Errorf("%d objects came back, of %d, or others", len(got), len(want))
	}
	if o, err := back.Find("id9"); err != nil || o.Name != "c/9/a" {
		t.Errorf("Find = %v, %v", o.Name, err)
	}
}

// breaking is a Store that takes no later names.
type breaking struct{ Store }

func (b breaking) Apply(ch Change) ([]Object, error) {
	if ch.Put[0].Name > "c/30" {
		return nil, errBody
	}
	return b.Store.Apply(ch)
}

func TestCopyTellsWhatIsDamaged(t *testing.T) {
	c, m := newClock(), newInMemory(t)
	from := m.open(t, c, "n1")
	defer from.Close()
	put(t, from, item("a", "x"), item("b", "y"))
	m.Change("tintype/p/pictures/o/"+keyOf("b"), func([]byte) []byte { return []byte("z") })
	to := openTest(t, t.TempDir(), c, Options{})
	defer to.Close()
	n, err := Copy(to, from, noProgress)
	if err != nil || n.Objects != 1 || n.Refused != 1 || !slices.Equal(slices.Collect(maps.Keys(n.Failed)), []string{"b"}) {
		t.Errorf("%+v, %v", n, err)
	}
	absent(t, to, "b")
}
