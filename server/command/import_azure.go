package command

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"tintype/server"
)

// azureVersion is the version of the Blob service's REST API that is spoken.
const azureVersion = "2021-12-02"

func (p *program) importAzure() *cobra.Command {
	var container string
	cmd := &cobra.Command{
		Use: "azure URL [--container C]", Short: "Import a container of Azure Blob Storage, under the same names",
		Long: "Import a container of Azure Blob Storage, under the same names. URL is that of the container with a SAS that permits\n" +
			"to read and list (sp=rl). Media types, times and metadata are kept; MD5s are compared. A dry run reads no blobs.",
		Args: exactly(1, false, "URL [--container C]"),
	}
	cmd.Flags().StringVar(&container, "container", "", "first part of the names (default: the container's own)")
	return p.importFrom(cmd, func(args []string) (source, string, error) {
		from, name, err := parseAzure(args[0])
		if err != nil {
			return nil, "", err
		}
		if container != "" {
			name = container
		}
		if err := server.CheckContainer(name); err != nil {
			return nil, "", usagef("container %q: %w; --container gives another", name, err)
		}
		from.container = name
		return from.source, name + "/", nil
	})
}

// azure is a container elsewhere.
type azure struct {
	url       url.URL // with the SAS in its query
	http      *http.Client
	container string // here
}

// parseAzure reads the URL of a container; the last part of its path is the name. The error
// does not quote the query, where the token is.
func parseAzure(text string) (*azure, string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, "", usagef("want https://ACCOUNT.blob.core.windows.net/CONTAINER?SAS")
	}
	u.Path, u.RawPath, u.Fragment = strings.TrimRight(u.Path, "/"), "", ""
	name := u.Path[strings.LastIndexByte(u.Path, '/')+1:]
	if name == "" || u.Query().Get("sig") == "" {
		return nil, "", usagef("want the URL of a container and its SAS: https://ACCOUNT.blob.core.windows.net/CONTAINER?sv=...&sig=...")
	}
	return &azure{url: *u, http: newHTTPClient()}, name, nil
}

// azureBlob is one of a list of blobs.
type azureBlob struct {
	Name struct {
		Text    string `xml:",chardata"`
		Encoded bool   `xml:"Encoded,attr"`
	}
	Properties struct {
		Created      string `xml:"Creation-Time"`
		Modified     string `xml:"Last-Modified"`
		Etag         string
		Length       int64  `xml:"Content-Length"`
		Type         string `xml:"Content-Type"`
		Encoding     string `xml:"Content-Encoding"`
		Language     string `xml:"Content-Language"`
		Disposition  string `xml:"Content-Disposition"`
		CacheControl string `xml:"Cache-Control"`
		MD5          string `xml:"Content-MD5"`
		ResourceType string
	}
	Metadata struct {
		All []struct {
			XMLName xml.Name
			Value   string `xml:",chardata"`
		} `xml:",any"`
	}
}

// azurePage is a part of a list of blobs.
type azurePage struct {
	Blobs struct {
		Blob []azureBlob
	}
	NextMarker string
}

func (c *azure) source(ctx context.Context, passed map[string]int) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		for marker := ""; ; {
			var page azurePage
			err := retry(ctx, func() (err error) {
				page, err = c.list(ctx, marker)
				return err
			})
			if err != nil {
				yield(entry{}, fmt.Errorf("list of blobs: %w", err))
				return
			}
			for _, b := range page.Blobs.Blob {
				if b.isDirectory() {
					passed["directories"]++
				} else if !yield(c.entry(b), nil) {
					return
				}
			}
			if marker = page.NextMarker; marker == "" {
				return
			}
		}
	}
}

func (c *azure) list(ctx context.Context, marker string) (page azurePage, err error) {
	u := c.url
	u.RawQuery += "&restype=container&comp=list&include=metadata&marker=" + url.QueryEscape(marker)
	resp, err := c.get(ctx, u, "")
	if err != nil {
		return page, err
	}
	defer resp.Body.Close()
	return page, xml.NewDecoder(resp.Body).Decode(&page)
}

// azureError is the answer of a Blob service that is not a success.
type azureError struct {
	status int
	code   string
}

func (e *azureError) Error() string {
	switch e.code {
	case "AuthenticationFailed", "AuthorizationPermissionMismatch", "AuthorizationFailure":
		return fmt.Sprintf("%s: the SAS must be of the container, permit rl, and not be over", e.code)
	case "ConditionNotMet":
		return "it was changed while it was read"
	case "":
		return fmt.Sprintf("the Blob service answers status %d", e.status)
	}
	return e.code
}

// Unwrap makes what passes by itself the same as that of our own servers.
func (e *azureError) Unwrap() error {
	switch {
	case e.status >= 500 || e.status == http.StatusTooManyRequests:
		return codeBusy
	case e.status == http.StatusForbidden || e.status == http.StatusUnauthorized:
		return codeForbidden
	}
	return nil
}

// get reads a URL of the container; with an etag, only what still has it.
func (c *azure) get(ctx context.Context, u url.URL, etag string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, errors.New("no such URL") // and not err, which quotes the token
	}
	req.Header.Set("x-ms-version", azureVersion)
	if etag != "" {
		req.Header.Set("If-Match", `"`+strings.Trim(etag, `"`)+`"`)
	}
	resp, err := c.http.Do(req)
	if lost := new(url.Error); errors.As(err, &lost) {
		lost.URL = u.Host // without its token
	}
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
		return nil, &azureError{resp.StatusCode, resp.Header.Get("x-ms-error-code")}
	}
	return resp, nil
}

// isDirectory says whether b stands for a directory, as hierarchical accounts and some
// tools make them.
func (b azureBlob) isDirectory() bool {
	for _, m := range b.Metadata.All {
		if strings.EqualFold(m.XMLName.Local, "hdi_isfolder") && m.Value == "true" {
			return true
		}
	}
	return b.Properties.ResourceType == "directory"
}

func (c *azure) entry(b azureBlob) entry {
	p := b.Properties
	name := b.Name.Text
	if b.Name.Encoded { // it has what XML cannot carry
		if decoded, err := url.PathUnescape(name); err == nil {
			name = decoded
		}
	}
	e := entry{
		from: name, name: c.container + "/" + name, size: p.Length, mediaType: p.Type, remote: true,
		header: make(map[string]string),
		open: func(ctx context.Context) (body content, err error) {
			err = retry(ctx, func() (err error) {
				body, err = c.read(ctx, name, p.Etag, p.Length)
				return err
			})
			return body, err
		},
	}
	for _, text := range []string{p.Created, p.Modified} {
		if t, err := http.ParseTime(text); err == nil && e.created.IsZero() {
			e.created = t
		}
	}
	if sum, err := base64.StdEncoding.DecodeString(p.MD5); err == nil && len(sum) == md5.Size {
		e.sum, e.want, e.sumName = md5.New(), sum, "MD5 that its container tells"
	}
	for header, value := range map[string]string{"x-ms-blob-content-encoding": p.Encoding, "x-ms-blob-content-language": p.Language,
		"x-ms-blob-content-disposition": p.Disposition, "x-ms-blob-cache-control": p.CacheControl} {
		if value != "" {
			e.header[header] = value
		}
	}
	for _, m := range b.Metadata.All {
		if err := addMetadata(e.header, m.XMLName.Local, m.Value); err != nil {
			e.refused = "its metadata: " + err.Error()
		}
	}
	return e
}

// inMemory is the size in bytes up to which a blob on its way waits in memory, and not in a
// file.
const inMemory = 4 << 20

// read fetches the bytes of a blob.
func (c *azure) read(ctx context.Context, name, etag string, size int64) (content, error) {
	u := c.url
	u.Path += "/" + name
	resp, err := c.get(ctx, u, etag)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if size <= inMemory {
		data, err := io.ReadAll(io.LimitReader(resp.Body, size+1)) // one more shows that it is another size
		if err != nil {
			return nil, err
		}
		return memory{bytes.NewReader(data)}, nil
	}
	f, _, err := spool(resp.Body)
	return f, err
}

// memory is content that is in memory.
type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }
