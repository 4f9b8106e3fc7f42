package server

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/valyala/fasthttp"

	"tintype/store"
)

var (
	errXML           = errors.New("block list is not well formed")
	errBlockList     = errors.New("block list names an unknown block")
	errBlockListLong = errors.New("block list names more than 50000 blocks")
)

const (
	maxBlocks    = 50_000  // Azure's limit
	maxBlockList = 8 << 20 // bytes of XML, for as many blocks
	maxToken     = 8 << 10 // bytes of one tag, text or comment, which the decoder keeps whole
)

// blockName is the name of a staged block. With an empty id it is that of the list
// from which the blob was made, whose blocks a later list may use again. No path
// can name either: it has no NUL.
func blockName(blob string, id []byte) string { return "\x00" + blob + "\x00" + string(id) }

// dropBlocks adds to ch what removes the blocks and the list of a blob.
func dropBlocks(now store.View, ch *store.Change, blob string) error {
	objs, err := now.List(blockName(blob, nil), "", "", 2*maxBlocks)
	for _, o := range objs {
		ch.Delete = append(ch.Delete, o.Name)
	}
	return err
}

// listedBlock is an entry of a block list. committed and staged say where it is
// looked for; both: first among the staged.
type listedBlock struct {
	id                string // decoded
	committed, staged bool
}

// parseBlockList reads the body of Put Block List:
//
//	<BlockList> <Latest>id</Latest> | <Committed>id</Committed> | <Uncommitted>id</Uncommitted> ... </BlockList>
func parseBlockList(r io.Reader) ([]listedBlock, error) {
	ration := &rationed{r: r, left: maxToken}
	in := bufio.NewReader(ration)
	if bom, _ := in.Peek(3); string(bom) == "\xef\xbb\xbf" {
		in.Discard(3)
	}
	d := xml.NewDecoder(in)
	var blocks []listedBlock
	var open []string // elements
	var text strings.Builder
	done := false
	for {
		ration.left = maxToken
		token, err := d.Token()
		if err == io.EOF && done {
			return blocks, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errXML, err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if done || !isBlockListElement(len(open), t.Name.Local) {
				return nil, fmt.Errorf("%w: element out of place", errXML)
			}
			open = append(open, t.Name.Local)
			text.Reset()
		case xml.CharData:
			if len(open) == 2 {
				text.Write(t)
			} else if len(bytes.TrimSpace(t)) > 0 {
				return nil, fmt.Errorf("%w: text out of place", errXML)
			}
		case xml.EndElement:
			open = open[:len(open)-1]
			if done = len(open) == 0; done {
				continue
			}
			id, err := parseBlockID(strings.TrimSpace(text.String()))
			if err != nil {
				return nil, fmt.Errorf("%w: %w", errBlockList, err)
			}
			if len(blocks) == maxBlocks {
				return nil, errBlockListLong
			}
			name := t.Name.Local
			blocks = append(blocks, listedBlock{string(id), name != "Uncommitted", name != "Committed"})
		case xml.Directive:
			return nil, fmt.Errorf("%w: directive", errXML)
		}
	}
}

// putBlockList makes a blob of staged blocks, and of those it was made of before:
// Put Block List. What is not in the list is dropped.
func (s *Server) putBlockList(ctx *fasthttp.RequestCtx, r blobRequest) error {
	o, err := s.newObject(ctx, r)
	if err != nil {
		return err
	}
	up, err := newIncoming(ctx, maxBlockList)
	if err != nil {
		return err
	}
	blocks, err := parseBlockList(up)
	if err != nil {
		return err
	}
	if _, err := up.sum(ctx, contentMD5); err != nil {
		return err
	}
	segments, err := s.findBlocks(r.name(), blocks)
	if err != nil {
		return err
	}
	var size int64
	for _, g := range segments {
		size += g.end - g.start
	}
	if size > s.cfg.MaxUpload {
		return errTooLarge
	}
	in := &joined{store: s.cfg.Pictures, segments: segments}
	defer in.Close()
	whole := md5.New()
	var digest store.Digest
	blob := store.Item{Object: o, Body: io.TeeReader(in, whole), Inspect: func(o *store.Object, bytes io.ReadSeeker) error {
		digest = o.Digest
		if o.MD5 == (md5Sum{}) { // otherwise it is what the client says, as with Azure
			whole.Sum(o.MD5[:0])
		}
		return s.inspect(o, bytes)
	}}
	list := store.Item{
		Object: store.Object{Name: blockName(r.name(), nil)},
		Body:   bytes.NewReader(packBlocks(blocks, segments)),
		// it describes these bytes and no others that the blob may have later
		Inspect: func(o *store.Object, _ io.ReadSeeker) error { o.Original = digest; return nil },
	}
	// Azure's answer has the MD5 of the list in Content-MD5 and not that of the blob: here none
	_, err = s.create(ctx, r, blob, list)
	return err
}

func isBlockListElement(depth int, name string) bool {
	if depth == 0 {
		return name == "BlockList"
	}
	return depth == 1 && (name == "Latest" || name == "Committed" || name == "Uncommitted")
}

// segment is a part of a stored object: the bytes [start, end).
type segment struct {
	name       string
	digest     store.Digest
	start, end int64
}

// findBlocks tells where the bytes of the blocks are; errBlockList if there is
// one that is nowhere.
func (s *Server) findBlocks(blob string, blocks []listedBlock) ([]segment, error) {
	var committed map[string]segment
	segments, staged := make([]segment, len(blocks)), make(map[string]segment)
	for i, b := range blocks {
		if b.staged {
			g, known := staged[b.id]
			if !known {
				switch o, err := s.cfg.Pictures.Stat(blockName(blob, []byte(b.id))); {
				case err == nil:
					g = segment{o.Name, o.Digest, 0, o.Size}
				case !errors.Is(err, store.ErrNotFound):
					return nil, err
				}
				staged[b.id] = g
			}
			if g.name != "" {
				segments[i] = g
				continue
			}
		}
		if b.committed && committed == nil {
			var err error
			if committed, err = s.committedBlocks(blob); err != nil {
				return nil, err
			}
		}
		g, ok := committed[b.id]
		if !b.committed || !ok {
			return nil, fmt.Errorf("%w: entry %d", errBlockList, i+1)
		}
		segments[i] = g
	}
	return segments, nil
}

// committedBlocks returns the blocks of which a blob was made, by ID; none where
// it was made otherwise.
func (s *Server) committedBlocks(name string) (map[string]segment, error) {
	blocks := make(map[string]segment)
	list, body, err := s.cfg.Pictures.Open(blockName(name, nil))
	if errors.Is(err, store.ErrNotFound) {
		return blocks, nil
	}
	if err != nil {
		return nil, err
	}
	defer body.Close()
	blob, err := s.cfg.Pictures.Stat(name)
	if errors.Is(err, store.ErrNotFound) || err == nil && blob.Digest != list.Original {
		return blocks, nil
	}
	if err != nil {
		return nil, err
	}
	// parts of it are not checked when they are read, and damage must not get a
	// checksum of its own
	if err := s.check(name); err != nil {
		return nil, err
	}
	packed, err := io.ReadAll(body)
	for at := int64(0); err == nil && len(packed) > 0; {
		n, used := binary.Uvarint(packed)
		size, used2 := binary.Uvarint(packed[max(used, 0):])
		used += used2
		if used2 <= 0 || n > uint64(len(packed)-used) {
			return nil, fmt.Errorf("%w: block list of %q", store.ErrDamaged, name)
		}
		blocks[string(packed[used:used+int(n)])] = segment{blob.Name, blob.Digest, at, at + int64(size)}
		at += int64(size)
		packed = packed[used+int(n):]
	}
	return blocks, err
}

// check reads a blob through to its end, where its checksum is compared.
func (s *Server) check(name string) error {
	_, body, err := s.cfg.Pictures.Open(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, body)
	return errors.Join(err, body.Close())
}

// packBlocks is what committedBlocks reads: of each block the length of its ID and
// its size as uvarints, and the ID.
func packBlocks(blocks []listedBlock, segments []segment) (packed []byte) {
	for i, b := range blocks {
		packed = binary.AppendUvarint(packed, uint64(len(b.id)))
		packed = binary.AppendUvarint(packed, uint64(segments[i].end-segments[i].start))
		packed = append(packed, b.id...)
	}
	return packed
}

// joined reads segments one after the other, and has one of them open at a time.
type joined struct {
	store    store.Store
	segments []segment // to come
	from     io.Reader // of the first of them, nil before it is opened
	blob     store.Blob
}

func (j *joined) Read(p []byte) (int, error) {
	for len(j.segments) > 0 {
		if j.from == nil {
			if err := j.open(j.segments[0]); err != nil {
				return 0, err
			}
		}
		n, err := j.from.Read(p)
		if err == io.EOF {
			err = j.Close()
			j.from, j.segments = nil, j.segments[1:]
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.EOF
}

func (j *joined) open(g segment) error {
	o, blob, err := j.store.Open(g.name)
	if errors.Is(err, store.ErrNotFound) || err == nil && o.Digest != g.digest {
		err = fmt.Errorf("%w: a block has changed meanwhile", errBlockList)
	}
	if blob != nil {
		j.blob = blob
	}
	if err != nil {
		return err
	}
	_, err = blob.Seek(g.start, io.SeekStart)
	j.from = io.LimitReader(blob, g.end-g.start)
	return err
}

func (j *joined) Close() error {
	if j.blob == nil {
		return nil
	}
	defer func() { j.blob = nil }()
	return j.blob.Close()
}
