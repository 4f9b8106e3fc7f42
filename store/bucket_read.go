package store

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strconv"
	"time"
)

// Names of what S3 keeps beside the bytes of an object.
const (
	metaRow    = "tintype"       // the object's row, sealed with its name, in base64
	metaTail   = "tintype-tail"  // bytes of attributes behind those of the object; none: they are in the row
	metaPut    = "tintype-put"   // a random number of the put
	metaDoubts = "tintype-until" // until when a put under this name, before this one, may come; in seconds since 1970
	metaGone   = "tintype-gone"  // there is no object, and no such put may make one
)

// maxMetaRow is the longest row, in bytes, that is kept beside the bytes of an object: AWS
// takes 2 KB with the names, and a third more in base64. Attributes of a longer one lie
// behind the bytes.
const maxMetaRow = 1200

// kept is an object as S3 has it.
type kept struct {
	Object
	tag    string // S3's of its bytes
	put    string // its random number
	tail   int64
	doubts time.Time // until when an earlier put under its name may come; zero: there is none
	gone   bool
}

// meta returns what is kept beside the bytes of k, and what is kept behind them. Where k has
// a tail already, its attributes are there.
func (k kept) meta() (m meta, tail []byte) {
	row := appendRow(nil, k.Object)
	if len(row) > maxMetaRow || k.tail > 0 {
		tail = packAttributes(k.Attributes)
		o := k.Object
		o.Attributes = nil
		row = appendRow(nil, o)
	}
	m = meta{mediaType: k.MediaType, user: map[string]string{
		metaRow: base64.StdEncoding.EncodeToString(seal([]byte(k.Name), row)), metaPut: k.put,
	}}
	if len(tail) > 0 {
		m.user[metaTail] = strconv.Itoa(len(tail))
	}
	if !k.doubts.IsZero() {
		m.user[metaDoubts] = strconv.FormatInt(k.doubts.Unix(), 10)
	}
	return m, tail
}

// parseKept reads what meta has written, without a tail.
func parseKept(name string, m meta) (kept, error) {
	var doubts time.Time
	if until, err := strconv.ParseInt(m.user[metaDoubts], 10, 64); err == nil {
		doubts = time.Unix(until, 0)
	}
	if m.user[metaGone] != "" {
		return kept{gone: true, doubts: doubts}, ErrNotFound
	}
	sealed, err := base64.StdEncoding.DecodeString(m.user[metaRow])
	if err != nil {
		return kept{}, fmt.Errorf("%w: row of %q: %v", ErrDamaged, name, err)
	}
	row, err := unseal([]byte(name), sealed)
	if err != nil {
		return kept{}, err
	}
	o, err := parseRow(name, row)
	if err != nil {
		return kept{}, err
	}
	k := kept{Object: o, put: m.user[metaPut], tag: m.tag, doubts: doubts}
	if text := m.user[metaTail]; text != "" {
		if k.tail, err = strconv.ParseInt(text, 10, 32); err != nil || k.tail <= 0 || k.tail > maxAttributes {
			return kept{}, fmt.Errorf("%w: attributes of %q of %q bytes", ErrDamaged, name, text)
		}
	}
	return k, nil
}

// look returns what is under a name, expired or not. Of one that is gone it says so beside
// ErrNotFound. Damage is counted.
func (b *Bucket) look(name string) (kept, error) {
	k, err := b.examine(name)
	return k, b.damaged(name, err)
}

func (b *Bucket) examine(name string) (kept, error) {
	at, err := b.at(name)
	if err != nil {
		return kept{}, ErrNotFound // no such name can be stored
	}
	for breaks := 0; ; breaks++ {
		m, err := b.s3.head(at)
		if err != nil {
			return kept{}, err
		}
		k, err := parseKept(name, m)
		behind := err == nil && k.tail > 0
		if behind {
			k, err = b.lookBehind(at, k)
		}
		switch {
		case err == nil:
			return k, nil
		case (errors.Is(err, errBroken) || behind && errors.Is(err, ErrDamaged)) && breaks < maxBreaks: // see Open
			continue
		}
		return kept{gone: k.gone, doubts: k.doubts}, err
	}
}

// errBroken is the error of bytes that break off, or are not those any more that were to be read.
var errBroken = fmt.Errorf("%w: an answer breaks off", ErrUnreachable)

// lookBehind reads the attributes that lie behind the bytes of k. It goes by what is kept beside
// them now: they may have changed since k was looked at.
func (b *Bucket) lookBehind(at address, k kept) (kept, error) {
	m, body, err := b.s3.get(at, k.Size, -1)
	if err == io.EOF {
		return kept{}, fmt.Errorf("%w: %q ends before its attributes", ErrDamaged, k.Name)
	}
	if err != nil {
		return kept{}, err
	}
	defer body.Close()
	now, err := parseKept(k.Name, m)
	switch {
	case err != nil:
		return now, err
	case now.Size != k.Size:
		return kept{}, errBroken
	case now.tail == 0:
		return now, nil
	}
	if err := now.readTail(body); err != nil {
		return kept{}, err
	}
	return now, nil
}

// readTail reads attributes out of what follows the bytes.
func (k *kept) readTail(r io.Reader) error {
	tail, err := io.ReadAll(io.LimitReader(r, k.tail))
	if err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	if int64(len(tail)) < k.tail {
		return fmt.Errorf("%w: %q ends in its attributes", ErrDamaged, k.Name)
	}
	attributes, err := unpackAttributes(tail)
	if err != nil {
		return fmt.Errorf("%w: attributes of %q", ErrDamaged, k.Name)
	}
	k.Attributes = attributes
	return nil
}

// damaged counts and logs an ErrDamaged of what is under a name.
func (b *Bucket) damaged(name string, err error) error {
	if errors.Is(err, ErrDamaged) {
		b.damage.Add(1)
		b.opt.Log.Error("a blob is damaged", "name", name, "err", err)
	}
	return err
}

// Stat implements Store.
func (b *Bucket) Stat(name string) (Object, error) {
	k, err := b.look(name)
	if err == nil && k.Expired(b.opt.Now()) {
		err = ErrNotFound
	}
	if err != nil {
		return Object{}, err
	}
	return k.Object, nil
}

// Find implements Store.
func (b *Bucket) Find(id string) (Object, error) {
	name, err := b.s3.getSmall(b.atID(id))
	if err != nil {
		return Object{}, err
	}
	o, err := b.Stat(string(name))
	if err == nil && (!o.Deleted.IsZero() || o.ID != id) {
		err = ErrNotFound
	}
	if err != nil {
		return Object{}, err
	}
	return o, nil
}

// Open implements Store. One call tells all: a second one is made where bytes are to be
// read that are not at the start of a large blob. Up to MaxWhole bytes are read at once, so that
// S3 does not wait for a slow client, and twice where they are not what is told of them: an engine
// may tell of the object before while it is replaced.
func (b *Bucket) Open(name string) (Object, Blob, error) {
	at, err := b.at(name)
	if err != nil {
		return Object{}, nil, ErrNotFound
	}
	r, err := b.open(at, name)
	if errors.Is(err, ErrDamaged) || errors.Is(err, errReplaced) {
		r, err = b.open(at, name)
	}
	if err != nil {
		return Object{}, nil, b.damaged(name, err)
	}
	return r.Object, r, nil
}

// errReplaced is returned by who goes on reading what has been replaced: S3 does not keep it.
var errReplaced = fmt.Errorf("%w: it has been replaced while it was read", ErrNotFound)

func (b *Bucket) open(at address, name string) (*remote, error) {
	m, body, err := b.s3.get(at, 0, -1)
	if err != nil {
		return nil, err
	}
	r := &remote{bucket: b, at: at, body: body}
	r.kept, err = parseKept(name, m)
	switch put := r.put; {
	case err == nil && r.Expired(b.opt.Now()):
		err = ErrNotFound
	case err == nil && r.Size <= MaxWhole:
		err = r.fetch()
	case err == nil && r.tail > 0:
		if r.kept, err = b.examine(name); err == nil && r.put != put {
			err = errReplaced
		}
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// remote is a Blob in S3.
type remote struct {
	kept
	readSoFar
	bucket *Bucket
	at     address

	body io.ReadCloser // S3's answer, from from on; nil: none is open
	from int64
	data []byte // all of it; nil: it is read as it is asked for
}

func (*remote) File() *os.File { return nil }

func (r *remote) Close() error {
	if r.body == nil {
		return nil
	}
	defer func() { r.body = nil }()
	return r.body.Close()
}

// Whole implements Blob.
func (r *remote) Whole() ([]byte, error) { return r.data, nil }

// fetch reads all of it, the tail included.
func (r *remote) fetch() error {
	data := make([]byte, r.Size+r.tail)
	if err := r.readAt(data, 0); err != nil {
		return err
	}
	if crc32.Checksum(data[:r.Size], castagnoli) != r.CRC {
		return fmt.Errorf("%w: checksum of %v", ErrDamaged, r.Digest)
	}
	r.data = data[:r.Size:r.Size]
	if r.tail > 0 {
		if err := r.readTail(bytes.NewReader(data[r.Size:])); err != nil {
			return err
		}
	}
	return r.Close()
}

// maxBreaks is how many times in a row S3's answer may break off.
const maxBreaks = 3

// readAt fills p with the bytes from at on. An answer that breaks off is asked for again.
func (r *remote) readAt(p []byte, at int64) error {
	for breaks := 0; len(p) > 0; {
		n, err := r.more(p, at)
		p, at = p[n:], at+int64(n)
		switch {
		case n > 0:
			breaks = 0
		case err == io.EOF:
			return r.endsEarly()
		case errors.Is(err, ErrNotFound) || errors.Is(err, ErrUnreachable):
			return err
		case err != nil:
			if breaks++; breaks == maxBreaks {
				return fmt.Errorf("%w: %w", ErrUnreachable, err)
			}
		}
	}
	return nil
}

// endsEarly says why S3 has fewer bytes than it is told: they may be another object's by now.
func (r *remote) endsEarly() error {
	m, err := r.bucket.s3.head(r.at)
	if err != nil {
		return err
	}
	now, err := parseKept(r.Name, m)
	if errors.Is(err, ErrNotFound) || err == nil && now.put != r.put {
		return errReplaced
	}
	return fmt.Errorf("%w: %v ends early", ErrDamaged, r.Digest)
}

// more reads some bytes from at on. io.EOF: there are no more; one that breaks off ends otherwise.
func (r *remote) more(p []byte, at int64) (n int, err error) {
	if r.body != nil && r.from != at {
		r.Close()
	}
	if r.body == nil {
		var m meta
		if m, r.body, err = r.bucket.s3.get(r.at, at, -1); err != nil {
			r.body = nil
			return 0, err
		}
		r.from = at
		now, err := parseKept(r.Name, m)
		behind := at+int64(len(p)) > r.Size // attributes, which may have others in their place
		if err == nil && (now.Digest != r.Digest || now.Size != r.Size || behind && (now.tail != r.tail || !now.Modified.Equal(r.Modified))) {
			err = errReplaced
		}
		if err != nil {
			return 0, errors.Join(err, r.Close())
		}
	}
	n, err = r.body.Read(p)
	r.from += int64(n)
	if err != nil {
		r.Close()
	}
	return n, err
}

func (r *remote) Read(p []byte) (int, error) {
	if r.pos >= r.Size {
		return 0, io.EOF
	}
	if r.data != nil {
		n := copy(p, r.data[r.pos:])
		r.pos += int64(n)
		return n, nil
	}
	p = p[:min(int64(len(p)), r.Size-r.pos, 1<<20)]
	if err := r.readAt(p, r.pos); err != nil {
		return 0, r.bucket.damaged(r.Name, err)
	}
	if err := r.past(p, &r.Object); err != nil {
		return 0, r.bucket.damaged(r.Name, err)
	}
	return len(p), nil
}

func (r *remote) Seek(offset int64, whence int) (int64, error) {
	return r.seek(offset, whence, &r.Object)
}
