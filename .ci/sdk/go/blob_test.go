// Package sdk drives a running tintype with Azure's Go SDK, unmodified and with
// nothing but SAS URLs: TINTYPE_CONTAINER and TINTYPE_MANY, two empty containers.
package sdk

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

var ctx = context.Background()

func open(t *testing.T, variable string) *container.Client {
	t.Helper()
	if os.Getenv(variable) == "" {
		t.Fatalf("%s is not set", variable)
	}
	c, err := container.NewClientWithNoCredential(os.Getenv(variable), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func random(n int) []byte {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(data)
	return data
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func download(t *testing.T, b *blockblob.Client, o *blob.DownloadStreamOptions) []byte {
	t.Helper()
	r := must(b.DownloadStream(ctx, o))(t)
	return must(io.ReadAll(r.Body))(t)
}

// put uploads data in one PUT.
func put(t *testing.T, b *blockblob.Client, data []byte, o *blockblob.UploadOptions) {
	t.Helper()
	must(b.Upload(ctx, readSeekNopCloser{bytes.NewReader(data)}, o))(t)
}

type readSeekNopCloser struct{ io.ReadSeeker }

func (readSeekNopCloser) Close() error { return nil }

func wantCode(t *testing.T, err error, status int, code bloberror.Code) {
	t.Helper()
	var r *azcore.ResponseError
	if !errors.As(err, &r) || r.StatusCode != status || !bloberror.HasCode(err, code) {
		t.Errorf("got %v, want %d %s", err, status, code)
	}
}

func TestUploadsComeBack(t *testing.T) {
	c := open(t, "TINTYPE_CONTAINER")
	for _, size := range []int{0, 1, 5 << 20, 60 << 20} {
		data := random(size)
		for how, upload := range map[string]func(*blockblob.Client) error{
			"single PUT": func(b *blockblob.Client) error {
				_, err := b.Upload(ctx, readSeekNopCloser{bytes.NewReader(data)}, nil)
				return err
			},
			"blocks, 4 at once": func(b *blockblob.Client) error {
				_, err := b.UploadBuffer(ctx, data, &blockblob.UploadBufferOptions{BlockSize: 4 << 20, Concurrency: 4})
				return err
			},
			"stream": func(b *blockblob.Client) error {
				_, err := b.UploadStream(ctx, struct{ io.Reader }{bytes.NewReader(data)}, &blockblob.UploadStreamOptions{BlockSize: 4 << 20, Concurrency: 4})
				return err
			},
		} {
			b := c.NewBlockBlobClient(fmt.Sprintf("up/%s %d", how, size))
			if err := upload(b); err != nil {
				t.Fatalf("%s of %d: %v", how, size, err)
			}
			if got := download(t, b, nil); !bytes.Equal(got, data) {
				t.Errorf("%s of %d: %d bytes differ", how, size, len(got))
			}
			if size == 0 {
				continue
			}
			got := make([]byte, size)
			if n, err := b.DownloadBuffer(ctx, got, &blob.DownloadBufferOptions{BlockSize: 1 << 20, Concurrency: 4}); err != nil || n != int64(size) || !bytes.Equal(got, data) {
				t.Errorf("%s of %d: parallel download: %d, %v", how, size, n, err)
			}
			off, n := size/3, max(size/2, 1)
			if got := download(t, b, &blob.DownloadStreamOptions{Range: blob.HTTPRange{Offset: int64(off), Count: int64(n)}}); !bytes.Equal(got, data[off:min(off+n, size)]) {
				t.Errorf("%s of %d: range differs", how, size)
			}
			sum := md5.Sum(data)
			if p := must(b.GetProperties(ctx, nil))(t); *p.ContentLength != int64(size) || !bytes.Equal(p.ContentMD5, sum[:]) || *p.BlobType != blob.BlobTypeBlockBlob {
				t.Errorf("%s of %d: %d bytes, %x", how, size, *p.ContentLength, p.ContentMD5)
			}
		}
	}
}

func TestNamesOfAnyKind(t *testing.T) {
	c := open(t, "TINTYPE_CONTAINER")
	names := []string{"folder/file.jpg", "a b+c&d=e@f:g$h", "pct%2Fx", "a//b", "相册/图 片 🙂.jpg", "q?x#y", `quote"'<>`, "end/", " lead and trail ", "tab\tx", "line\nx", "bell\ax"}
	for _, name := range names {
		put(t, c.NewBlockBlobClient("names/"+name), []byte(name), nil)
	}
	for _, name := range names {
		if got := download(t, c.NewBlockBlobClient("names/"+name), nil); string(got) != name {
			t.Errorf("%q came back as %q", name, got)
		}
	}
	got := map[string]bool{}
	for pager := c.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: to.Ptr("names/"), MaxResults: to.Ptr(int32(5))}); pager.More(); {
		for _, b := range must(pager.NextPage(ctx))(t).Segment.BlobItems {
			got[strings.TrimPrefix(*b.Name, "names/")] = true
		}
	}
	for _, name := range names {
		if !got[name] {
			t.Errorf("%q is not listed: %v", name, got)
		}
	}
	if len(got) != len(names) {
		t.Errorf("%d listed, want %d", len(got), len(names))
	}
}

func TestPropertiesAndMetadata(t *testing.T) {
	b := open(t, "TINTYPE_CONTAINER").NewBlockBlobClient("props.txt")
	put(t, b, []byte("0123456789"), &blockblob.UploadOptions{
		HTTPHeaders: &blob.HTTPHeaders{
			BlobContentType: to.Ptr("text/plain"), BlobCacheControl: to.Ptr("max-age=60"), BlobContentLanguage: to.Ptr("de"),
			BlobContentEncoding: to.Ptr("identity"), BlobContentDisposition: to.Ptr(`attachment; filename="a.txt"`),
		},
		Metadata: map[string]*string{"Colour": to.Ptr("blue <&>"), "n_1": to.Ptr("1")},
	})
	first := must(b.GetProperties(ctx, nil))(t)
	if *first.ContentType != "text/plain" || *first.CacheControl != "max-age=60" || *first.ContentLanguage != "de" ||
		*first.ContentEncoding != "identity" || *first.ContentDisposition != `attachment; filename="a.txt"` || len(first.Metadata) != 2 {
		t.Errorf("%+v", first)
	}
	for key, value := range first.Metadata {
		if k := strings.ToLower(key); k == "colour" && *value != "blue <&>" || k == "n_1" && *value != "1" {
			t.Errorf("%s = %q", key, *value)
		}
	}
	set := must(b.SetMetadata(ctx, map[string]*string{"x": to.Ptr("2")}, nil))(t)
	second := must(b.GetProperties(ctx, nil))(t)
	if len(second.Metadata) != 1 || *second.ContentType != "text/plain" || *second.ETag == *first.ETag || *second.ETag != *set.ETag {
		t.Errorf("after SetMetadata: %v %v", second.Metadata, *second.ETag)
	}
	must(b.SetHTTPHeaders(ctx, blob.HTTPHeaders{BlobContentType: to.Ptr("text/css")}, nil))(t)
	third := must(b.GetProperties(ctx, nil))(t)
	if *third.ContentType != "text/css" || third.CacheControl != nil || len(third.Metadata) != 1 || *third.ETag == *second.ETag {
		t.Errorf("after SetHTTPHeaders: %+v", third)
	}
	for pager := open(t, "TINTYPE_CONTAINER").NewListBlobsFlatPager(&container.ListBlobsFlatOptions{
		Prefix: to.Ptr("props"), Include: container.ListBlobsInclude{Metadata: true},
	}); pager.More(); {
		item := must(pager.NextPage(ctx))(t).Segment.BlobItems[0]
		if *item.Properties.ETag != azcore.ETag(strings.Trim(string(*third.ETag), `"`)) || *item.Metadata["x"] != "2" || *item.Properties.ContentLength != 10 {
			t.Errorf("listed as %+v, %v", item.Properties, item.Metadata)
		}
	}
}

func TestConditionsAndErrors(t *testing.T) {
	c := open(t, "TINTYPE_CONTAINER")
	b := c.NewBlockBlobClient("conditions")
	put(t, b, []byte("old"), nil)
	tag := must(b.GetProperties(ctx, nil))(t).ETag
	with := func(m blob.ModifiedAccessConditions) *blob.AccessConditions {
		return &blob.AccessConditions{ModifiedAccessConditions: &m}
	}
	// by design no error: the SDK leaves a 304 to the caller
	same, err := b.DownloadStream(ctx, &blob.DownloadStreamOptions{AccessConditions: with(blob.ModifiedAccessConditions{IfNoneMatch: tag})})
	if err != nil || same.ErrorCode == nil || *same.ErrorCode != string(bloberror.ConditionNotMet) {
		t.Errorf("304: %+v, %v", same.ErrorCode, err)
	}
	_, err = b.DownloadStream(ctx, &blob.DownloadStreamOptions{AccessConditions: with(blob.ModifiedAccessConditions{IfMatch: to.Ptr(azcore.ETag("0x1"))})})
	wantCode(t, err, 412, bloberror.ConditionNotMet)
	_, err = b.UploadBuffer(ctx, []byte("new"), &blockblob.UploadBufferOptions{AccessConditions: with(blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)})})
	wantCode(t, err, 409, bloberror.BlobAlreadyExists)
	_, err = b.UploadBuffer(ctx, []byte("new"), &blockblob.UploadBufferOptions{AccessConditions: with(blob.ModifiedAccessConditions{IfMatch: to.Ptr(azcore.ETag("0x1"))})})
	wantCode(t, err, 412, bloberror.ConditionNotMet)
	if got := download(t, b, nil); string(got) != "old" {
		t.Errorf("%q after refused writes", got)
	}
	_, err = b.CommitBlockList(ctx, []string{"bm9uZQ=="}, nil)
	wantCode(t, err, 400, bloberror.InvalidBlockList)
	_, err = b.DownloadStream(ctx, &blob.DownloadStreamOptions{Range: blob.HTTPRange{Offset: 3}})
	wantCode(t, err, 416, bloberror.InvalidRange)
	must(b.Delete(ctx, nil))(t)
	_, err = b.DownloadStream(ctx, nil)
	wantCode(t, err, 404, bloberror.BlobNotFound)
	_, err = b.GetProperties(ctx, nil)
	wantCode(t, err, 404, bloberror.BlobNotFound)
	_, err = b.Delete(ctx, nil)
	wantCode(t, err, 404, bloberror.BlobNotFound)
	_, err = c.GetProperties(ctx, nil)
	wantCode(t, err, http.StatusForbidden, bloberror.AuthorizationPermissionMismatch)
}

func TestListsOf2500Blobs(t *testing.T) {
	c := open(t, "TINTYPE_MANY")
	var wg sync.WaitGroup
	for d := range 50 {
		wg.Go(func() {
			for f := range 50 {
				name := fmt.Sprintf("d%02d/f%02d", d, f)
				if _, err := c.NewBlockBlobClient(name).UploadBuffer(ctx, []byte(name), nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, size := range []int32{5000, 1000, 999, 7} {
		pages, last, n := 0, "", 0
		for pager := c.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{MaxResults: to.Ptr(size)}); pager.More(); pages++ {
			for _, b := range must(pager.NextPage(ctx))(t).Segment.BlobItems {
				if *b.Name <= last {
					t.Fatalf("%q after %q", *b.Name, last)
				}
				last = *b.Name
				n++
			}
		}
		if want := int((2500 + size - 1) / size); n != 2500 || pages != want {
			t.Errorf("pages of %d: %d blobs on %d pages, want %d", size, n, pages, want)
		}
	}
	prefixes, blobs := 0, 0
	for pager := c.NewListBlobsHierarchyPager("/", &container.ListBlobsHierarchyOptions{MaxResults: to.Ptr(int32(7))}); pager.More(); {
		page := must(pager.NextPage(ctx))(t)
		prefixes += len(page.Segment.BlobPrefixes)
		blobs += len(page.Segment.BlobItems)
	}
	if prefixes != 50 || blobs != 0 {
		t.Errorf("%d prefixes, %d blobs", prefixes, blobs)
	}
	for pager := c.NewListBlobsHierarchyPager("/", &container.ListBlobsHierarchyOptions{Prefix: to.Ptr("d07/")}); pager.More(); {
		if page := must(pager.NextPage(ctx))(t); len(page.Segment.BlobItems) != 50 || len(page.Segment.BlobPrefixes) != 0 {
			t.Errorf("%d blobs, %d prefixes in one folder", len(page.Segment.BlobItems), len(page.Segment.BlobPrefixes))
		}
	}
}
