package server

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strings"

	"tintype/sign"
)

// Limits of a form, besides that of the picture in it. Clients in the field send
// up to ten fields, one of them the whole picture again.
const (
	maxParts  = 32
	maxHeader = 16 << 10 // bytes of one part's header, what the reader fetches ahead included
	maxField  = 64 << 10 // bytes of a text field that is kept
)

var (
	errNotForm = errors.New("content type is not a form")
	errForm    = errors.New("malformed form")
	errNoFile  = errors.New("form has no file")
)

// form is an upload: text fields as sent, and one file.
type form struct {
	fields []sign.Field
	cut    bool // a field was too large to be kept whole

	file     []byte // at most one byte more than the limit; gone after release
	fileName string
	fileSize int64 // how much was sent
	upload   upload
}

func (f *form) release() {
	f.upload.release()
	f.file = nil
}

// boundary returns the boundary of a multipart content type: "" where it is
// missing. ErrNotForm: it is another type. "multipart/from-data" is what the
// QStorage document tells clients to send.
func boundary(contentType string) (string, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		// such as a boundary with characters that need quotes, without them
		kind, _, _ = strings.Cut(contentType, ";")
		kind = strings.ToLower(strings.TrimSpace(kind))
		if i := strings.Index(strings.ToLower(contentType), "boundary="); i >= 0 {
			params = map[string]string{"boundary": strings.Trim(strings.TrimSpace(contentType[i+len("boundary="):]), `"`)}
		}
	}
	if kind != "multipart/form-data" && kind != "multipart/from-data" {
		return "", errNotForm
	}
	return params["boundary"], nil
}

// readForm reads a multipart body, which is said to have length bytes; a number
// below 0 says nothing. Of several files it takes the first, or the first called
// prefer; it keeps at most limit bytes of it and one more. It reads part by part,
// so that a body without its last line is as good as a whole one when the file is
// complete.
func (u *uploads) readForm(body io.Reader, length int64, boundary, prefer string, limit int64) (f form, err error) {
	f.upload.uploads = u
	if boundary == "" {
		return form{}, fmt.Errorf("%w: no boundary", errForm)
	}
	defer func() {
		if err != nil {
			f.release()
			f = form{}
		}
	}()
	hasFile, preferred := false, false
	src := &rationed{r: body}
	parts := multipart.NewReader(src, boundary)
	for n := 0; ; n++ {
		src.left = maxHeader
		part, err := parts.NextRawPart()
		src.left = -1
		if err != nil && hasFile && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
			return f, nil
		}
		if err == io.EOF {
			return f, errNoFile
		}
		if err != nil || n == maxParts { // err quotes the line, with a sign in it
			return f, fmt.Errorf("%w: part %d", errForm, n+1)
		}
		name, fileName, isFile := disposition(part.Header.Get("Content-Disposition"))
		switch {
		case !isFile:
			err = f.readField(name, part)
		case !hasFile || !preferred && strings.TrimSuffix(name, "[]") == prefer:
			f.fileName = fileName
			err = f.readFile(part, length, limit)
			// an input of a page without a file chosen is none
			hasFile = fileName != "" || f.fileSize > 0
			preferred = hasFile && strings.TrimSuffix(name, "[]") == prefer
		default:
			_, err = io.Copy(io.Discard, part)
		}
		if errors.Is(err, errBusy) {
			return f, err
		}
		if err != nil {
			return f, fmt.Errorf("%w: part %d breaks off", errForm, n+1)
		}
	}
}

func (f *form) readField(name string, part io.Reader) error {
	value, err := io.ReadAll(io.LimitReader(part, maxField))
	if err != nil {
		return err
	}
	f.fields = append(f.fields, sign.Field{Name: name, Value: string(value)})
	rest, err := io.Copy(io.Discard, part)
	f.cut = f.cut || rest > 0
	return err
}

func (f *form) readFile(part io.Reader, length, limit int64) error {
	if err := f.upload.read(part, length, limit+1); err != nil {
		return err
	}
	f.file = f.upload.buf.Bytes()
	rest, err := io.Copy(io.Discard, part)
	f.fileSize = int64(len(f.file)) + rest
	return err
}

// disposition reads a part's Content-Disposition as leniently as the services
// before us did: without blanks, in any letter case, with a file name of any
// bytes. A backslash is part of a Windows path unless a quote follows.
func disposition(header string) (name, fileName string, isFile bool) {
	_, rest, _ := strings.Cut(header, ";")
	for rest != "" {
		var key, value string
		key, rest, _ = strings.Cut(rest, "=")
		if rest = strings.TrimLeft(rest, " \t"); strings.HasPrefix(rest, `"`) {
			value, rest = quoted(rest[1:])
			_, rest, _ = strings.Cut(rest, ";")
		} else {
			value, rest, _ = strings.Cut(rest, ";")
			value = strings.TrimSpace(value)
		}
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "name":
			name = value
		case "filename":
			fileName, isFile = value, true
		case "filename*":
			isFile = true
			if fileName == "" {
				fileName = value
			}
		}
	}
	return name, fileName, isFile
}

// quoted reads up to the closing quote, and returns what is behind it.
func quoted(s string) (value, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '"':
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}
