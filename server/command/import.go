package command

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"tintype/server"
)

// importers is how many pictures are imported at once.
const importers = 8

// maxTold is how many refusals are printed; a report has all of them.
const maxTold = 20

// entry is something to be imported: where it comes from, and what it is to be.
type entry struct {
	from      string // a path, or the name of a blob
	name      string
	size      int64 // in bytes; -1: only its bytes tell
	created   time.Time
	mediaType string            // of what is no picture; "": not known
	header    map[string]string // what else is kept with it: headers of Put Blob
	refused   string            // why it is not imported, as far as that is known without its bytes

	// sum is what the source has a checksum by, and want the checksum; nil: it has none.
	sum     hash.Hash
	want    []byte
	sumName string

	remote bool // to read it costs more than a look
	open   func(context.Context) (content, error)
}

// content is the bytes of an entry.
type content interface {
	io.ReaderAt
	io.Closer
}

// source yields what is to be imported, and counts by kind what it passes over. An error ends
// it.
type source func(ctx context.Context, passed map[string]int) iter.Seq2[entry, error]

// refusedError is why one entry is not imported; the next may be.
type refusedError string

func (e refusedError) Error() string { return string(e) }

const errOtherBytes refusedError = "other bytes have its name"

// importer is one run of an import.
type importer struct {
	*program
	api       *api
	app       string
	dryRun    bool
	asJSON    bool
	report    string // file for refusals; "": none
	account   string
	maxUpload int64
	resumes   bool // something is there that may be of a run before

	mu      sync.Mutex // guards what follows
	done    imported
	refusal *json.Encoder // to the report
	began   time.Time
	show    func(done, total int64)
	clear   func()
}

// imported is what an import did.
type imported struct {
	Imported int            `json:"imported"` // or would be, in a dry run
	Bytes    int64          `json:"bytes"`    // of these
	There    int            `json:"there"`    // with the same bytes already
	Refused  int            `json:"refused"`
	Passed   map[string]int `json:"passed_over,omitempty"` // by kind
	DryRun   bool           `json:"dry_run"`
}

func (p *program) importCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "import", Short: "Bring pictures from elsewhere, under the names that they have"}
	cmd.AddCommand(p.importFastDFS(), p.importFolder(), p.importAzure())
	return cmd
}

// importFrom completes a command that imports. from makes the source of its arguments, and
// tells with what all names begin.
func (p *program) importFrom(cmd *cobra.Command, from func(args []string) (source, string, error)) *cobra.Command {
	im := &importer{program: p}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&im.app, "app", "", "`KEY` of the application they belong to (default: the container's owner, or the first)")
	f.BoolVar(&im.dryRun, "dry-run", false, "check and count everything, store nothing")
	f.StringVar(&im.report, "report", "", "`FILE` for all that is refused, as lines of JSON")
	f.BoolVar(&im.asJSON, "json", false, "print what was done as JSON")
	var src source
	var prefix string
	check := func(args []string) (err error) {
		src, prefix, err = from(args)
		return err
	}
	p.apiCommand(cmd, check, func(ctx context.Context, a *api, args []string) error {
		im.api = a
		return im.run(ctx, src, prefix)
	})
	cmd.Long += "\nWhat is there already with the same bytes is passed over, so that an import that was ended goes on when it is\n" +
		"started again. Exit code 1: something was refused, or it ended before its end."
	return cmd
}

// run imports everything of src, all names of which begin with prefix.
func (im *importer) run(ctx context.Context, src source, prefix string) (err error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := im.prepare(ctx, prefix); err != nil {
		return err
	}
	if im.report != "" {
		f, err := os.OpenFile(im.report, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
		if err != nil {
			return err
		}
		defer f.Close()
		im.refusal = json.NewEncoder(f)
		im.refusal.SetEscapeHTML(false)
	}
	im.began = time.Now()
	im.show, im.clear = im.progress("import", im.rate)
	passed := make(map[string]int)
	work, workCtx := errgroup.WithContext(ctx)
	work.SetLimit(importers)
	for e, err := range src(workCtx, passed) {
		if err != nil {
			work.Go(func() error { return err })
			break
		}
		work.Go(func() error { return im.one(workCtx, e) })
		if workCtx.Err() != nil {
			break
		}
	}
	err = work.Wait()
	im.clear()
	im.done.Passed, im.done.DryRun = passed, im.dryRun
	if err := im.print(); err != nil {
		return err
	}
	switch {
	case ctx.Err() != nil:
		return errors.New("stopped; the same command goes on from here")
	case err != nil:
		return fmt.Errorf("%w; the same command goes on from here", err)
	case im.done.Refused > 0:
		return errSilent
	}
	return nil
}

// prepare asks the server what an import has to know.
func (im *importer) prepare(ctx context.Context, prefix string) error {
	s, err := im.api.session(ctx)
	if err != nil {
		return err
	}
	im.account, im.maxUpload = s.Account, s.MaxUpload
	if im.app == "" && server.InGroup(prefix) { // a container has its owner
		if im.app, err = im.api.app(ctx, ""); err != nil {
			return err
		}
	}
	err = im.api.list(ctx, url.Values{"prefix": {prefix}, "limit": {"1"}}, func(json.RawMessage) error { return errEnough })
	im.resumes = errors.Is(err, errEnough)
	if im.resumes {
		return nil
	}
	return err
}

// one imports e. Its error ends the import.
func (im *importer) one(ctx context.Context, e entry) error {
	isNew, size, err := im.try(ctx, e)
	if err != nil && (ctx.Err() != nil || fatal(err)) {
		return err
	}
	im.mu.Lock()
	defer im.mu.Unlock()
	switch {
	case err != nil:
		im.refuse(e, err)
	case isNew:
		im.done.Imported++
		im.done.Bytes += size
	default:
		im.done.There++
	}
	im.show(int64(im.done.Imported+im.done.There+im.done.Refused), 0)
	return nil
}

// refuse tells why e is not imported. mu is held.
func (im *importer) refuse(e entry, err error) {
	im.done.Refused++
	if im.done.Refused <= maxTold {
		im.clear()
		fmt.Fprintf(im.stderr, "refused: %s: %s\n", shown(e.from), reason(err))
		if im.done.Refused == maxTold {
			fmt.Fprintln(im.stderr, "refused: more are not told here; --report FILE has all")
		}
	}
	if im.refusal != nil {
		im.refusal.Encode(map[string]string{"from": e.from, "name": e.name, "reason": reason(err)})
	}
}

// try imports e; isNew: it was not there.
func (im *importer) try(ctx context.Context, e entry) (isNew bool, size int64, err error) {
	if err := im.check(e); err != nil {
		return false, 0, err
	}
	var have picture
	if im.resumes {
		err := retry(ctx, func() (err error) {
			have, err = im.api.picture(ctx, e.name)
			return err
		})
		if err != nil && !errors.Is(err, codeNotFound) {
			return false, 0, err
		}
	}
	if e.remote && have.MD5 != "" && e.want != nil { // which saves the way here
		if have.Size == e.size && have.MD5 == hex.EncodeToString(e.want) {
			return false, 0, nil
		}
		return false, 0, errOtherBytes
	}
	if e.remote && im.dryRun {
		return have.Digest == "", e.size, nil
	}
	body, err := e.open(ctx)
	if err != nil {
		return false, 0, err
	}
	defer body.Close()
	digest, size, err := e.verify(body, im.maxUpload)
	switch {
	case err != nil:
		return false, 0, err
	case have.Digest == digest:
		return false, 0, nil
	case have.Digest != "":
		return false, 0, errOtherBytes
	case im.dryRun:
		return true, size, nil
	}
	r := request{method: http.MethodPut, path: "/picture", query: im.query(e, digest), header: e.header, size: size}
	err = retry(ctx, func() error {
		r.body = io.NewSectionReader(body, 0, size)
		isNew, err = im.api.call(ctx, r, nil)
		return err
	})
	return isNew, size, err
}

func (im *importer) query(e entry, digest string) url.Values {
	query := url.Values{"name": {e.name}, "sha256": {digest}}
	for key, value := range map[string]string{"app": im.app, "type": e.mediaType} {
		if value != "" {
			query.Set(key, value)
		}
	}
	if !e.created.IsZero() {
		query.Set("created", e.created.UTC().Format(time.RFC3339Nano))
	}
	return query
}

// check returns why e cannot be stored, before its bytes are read.
func (im *importer) check(e entry) error {
	switch {
	case e.refused != "":
		return refusedError(e.refused)
	case e.size > im.maxUpload:
		return tooLarge(e.size, im.maxUpload)
	}
	return server.CheckName(e.name, im.account)
}

func tooLarge(size, limit int64) error {
	return refusedError(fmt.Sprintf("%d bytes are more than the server takes: --max-upload is %d", size, limit))
}

// verify reads all of body, and returns its digest and size when both are what the source
// says, and not over limit.
func (e entry) verify(body content, limit int64) (digest string, size int64, err error) {
	h := sha256.New()
	w := io.Writer(h)
	if e.sum != nil {
		w = io.MultiWriter(h, e.sum)
	}
	size, err = io.Copy(w, io.NewSectionReader(body, 0, limit+1))
	switch {
	case err != nil:
		return "", 0, err
	case size > limit:
		return "", 0, tooLarge(size, limit)
	case e.size >= 0 && size != e.size:
		return "", 0, refusedError(fmt.Sprintf("it has %d bytes and should have %d", size, e.size))
	case e.sum != nil && string(e.sum.Sum(nil)) != string(e.want):
		return "", 0, refusedError(fmt.Sprintf("damaged: the bytes have not the %s, %x", e.sumName, e.want))
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}

// fatal says whether an error would be that of all that comes after, too.
func fatal(err error) bool {
	for _, code := range []apiCode{codeUnauthorized, codeForbidden, codeFull, codeReadOnly, codeBusy, codeRate} {
		if errors.Is(err, code) {
			return true
		}
	}
	return passes(err) || errors.Is(err, errNoServer)
}

// rate tells how an import goes. mu is held.
func (im *importer) rate(int64) string {
	seconds := max(time.Since(im.began).Seconds(), 0.001)
	done := im.done.Imported + im.done.There + im.done.Refused
	return fmt.Sprintf("%d pictures, %s, %.0f and %s a second", done, inBytes(im.done.Bytes), float64(done)/seconds, inBytes(int64(float64(im.done.Bytes)/seconds)))
}

// print tells what was done, the last line of all.
func (im *importer) print() error {
	if im.asJSON {
		return printJSON(im.stdout, im.done)
	}
	verb := "imported"
	if im.dryRun {
		verb = "would import"
	}
	text := fmt.Sprintf("%s %d pictures, %s; %d were there already, %d refused", verb, im.done.Imported, inBytes(im.done.Bytes), im.done.There, im.done.Refused)
	var kinds []string
	for kind, n := range im.done.Passed {
		kinds = append(kinds, fmt.Sprintf("%d %s", n, kind))
	}
	if slices.Sort(kinds); len(kinds) > 0 {
		text += "; passed over: " + strings.Join(kinds, ", ")
	}
	_, err := fmt.Fprintln(im.stdout, text)
	return err
}
