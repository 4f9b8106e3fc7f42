package server

import (
	"bytes"
	"fmt"
	"maps"
	"mime"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// described is openapi.json, to hold answers against.
type described struct {
	t        *testing.T
	compiler *jsonschema.Compiler
	root     map[string]any
	left     map[string]bool // operations without an answer yet, by method and path
}

func readDescription(t *testing.T) *described {
	t.Helper()
	data, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	d := &described{t, jsonschema.NewCompiler(), doc.(map[string]any), make(map[string]bool)}
	d.compiler.AssertFormat()
	closed(d.root, "")
	if err := d.compiler.AddResource("mem:openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	for path, operations := range d.root["paths"].(map[string]any) {
		for method := range operations.(map[string]any) {
			if method != "parameters" {
				d.left[strings.ToUpper(method)+" "+path] = true
			}
		}
	}
	return d
}

// closed has each object refuse members that are not described. App is part of another.
func closed(v any, name string) {
	switch v := v.(type) {
	case []any:
		for _, each := range v {
			closed(each, "")
		}
	case map[string]any:
		for name, each := range v {
			closed(each, name)
		}
		if _, ok := v["properties"]; ok && name != "App" && name != "properties" {
			v["unevaluatedProperties"] = false
		}
	}
}

// at returns what a pointer points at, and where that is behind all references.
func (d *described) at(steps ...string) (any, []string) {
	var v any = d.root
	for i, step := range steps {
		v = v.(map[string]any)[step]
		if m, ok := v.(map[string]any); ok {
			if ref, ok := m["$ref"].(string); ok {
				return d.at(append(strings.Split(strings.TrimPrefix(ref, "#/"), "/"), steps[i+1:]...)...)
			}
		}
	}
	return v, steps
}

// check holds an answer of an operation against its description.
func (d *described) check(operation string, a answer) {
	d.t.Helper()
	method, path, _ := strings.Cut(operation, " ")
	status := fmt.Sprint(a.status)
	found, at := d.at("paths", path, strings.ToLower(method), "responses", status)
	if found == nil {
		found, at = d.at("paths", path, strings.ToLower(method), "responses", "default")
		if a.status < 400 {
			d.t.Errorf("%s: %d is not described", operation, a.status)
		}
	} else {
		delete(d.left, operation)
	}
	content, _ := found.(map[string]any)["content"].(map[string]any)
	mediaType, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	if a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Cache-Control") == "" {
		d.t.Errorf("%s: %v", operation, a.header)
	}
	switch {
	case content == nil:
		if a.body != "" {
			d.t.Errorf("%s: %d with a body: %s", operation, a.status, a.body)
		}
		return
	case content["*/*"] != nil:
		return
	case content[mediaType] == nil:
		d.t.Errorf("%s: %d is of type %q, want one of %v", operation, a.status, mediaType, slices.Collect(maps.Keys(content)))
		return
	case mediaType != "application/json":
		return
	}
	pointer := "mem:openapi.json#"
	for _, step := range append(at, "content", mediaType, "schema") {
		pointer += "/" + url.PathEscape(strings.ReplaceAll(strings.ReplaceAll(step, "~", "~0"), "/", "~1"))
	}
	schema, err := d.compiler.Compile(pointer)
	if err != nil {
		d.t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(a.body))
	if err == nil {
		err = schema.Validate(v)
	}
	if err != nil {
		d.t.Errorf("%s: %d: %v in %s", operation, a.status, err, a.body)
	}
}

func TestAnswersAreAsTheyAreDescribed(t *testing.T) {
	onDisk(t)
	s, d := newTestServer(t, func(c *Config) { withLinkSecret(c); c.Thumbs = nil }), readDescription(t)
	photo := testPicture(t, "photo.jpg")
	ask := func(want int, operation, query string, body any, headers ...string) answer {
		t.Helper()
		method, path, _ := strings.Cut(operation, " ")
		a := s.admin(nil, method, strings.NewReplacer("{key}", "newapp", "{language}", "curl").Replace(path)+query, body, headers...)
		if a.status != want {
			t.Errorf("%s%s: %d %s, want %d", operation, query, a.status, a.body, want)
		}
		d.check(operation, a)
		return a
	}
	_, token, _ := strings.Cut(s.srv.SetupLink(), "#setup=")
	ask(403, "POST /session", "", map[string]string{"token": "x"})
	ask(400, "POST /session", "", []byte("x"))
	ask(204, "POST /session", "", map[string]string{"token": token})
	ask(200, "GET /session", "", nil)

	ask(201, "POST /apps", "", map[string]string{"key": "newapp"})
	ask(409, "POST /apps", "", map[string]string{"key": "newapp"})
	ask(200, "POST /apps/{key}/rotate", "", nil)
	ask(200, "PATCH /apps/{key}", "", map[string]any{"origins": []string{"https://a.example"}, "accounts": []string{"a"}, "max_bytes": 1 << 30})
	ask(400, "PATCH /apps/{key}", "", map[string]any{"max_bytes": -1})
	ask(204, "DELETE /apps/{key}/previous", "", nil)
	ask(200, "GET /apps", "", nil)

	ask(200, "GET /pictures", "", nil)
	ask(422, "POST /pictures", "?app=newapp", []byte("x"))
	ask(400, "POST /pictures", "?app=newapp&resource=..", photo)
	ask(201, "POST /pictures", "?app=newapp", photo)
	ask(201, "POST /pictures", "?app=newapp&ttl=60", photo)
	name := "newapp-picture-1/\n/x.jpg"
	ask(201, "PUT /picture", nameQuery(name)+"&expires=2030-01-01T00:00:00Z", photo, "x-ms-meta-place", "Taipei")
	ask(200, "PUT /picture", nameQuery(name), photo)
	ask(409, "PUT /picture", nameQuery(name), []byte("x"))
	ask(201, "POST /pictures", "?app=newapp&resource=1", photo)
	ask(201, "PUT /picture", nameQuery("newapp-picture-1/notes"), []byte("text"))
	ask(200, "GET /pictures", "?limit=1", nil)
	ask(400, "GET /pictures", "?limit=0", nil)
	ask(200, "GET /pictures", "?tier=cache", nil)
	ask(200, "GET /pictures", "?search="+url.QueryEscape(name), nil)
	ask(200, "GET /picture", nameQuery(name), nil)
	ask(404, "GET /picture", nameQuery("newapp-picture-1/none"), nil)
	ask(400, "GET /picture", "", nil)
	ask(200, "GET /picture", nameQuery("newapp-picture-1/notes"), nil)
	ask(200, "GET /picture/content", nameQuery(name), nil)
	ask(206, "GET /picture/content", nameQuery(name), nil, "Range", "bytes=1-2")
	ask(416, "GET /picture/content", nameQuery(name), nil, "Range", "bytes=999999999-")
	ask(200, "GET /picture/thumbnail", nameQuery(name), nil)
	ask(422, "GET /picture/thumbnail", nameQuery("newapp-picture-1/notes"), nil)
	ask(200, "GET /containers", "", nil)
	ask(200, "GET /containers", "?limit=1", nil)

	ask(204, "DELETE /picture", nameQuery(name), nil)
	ask(404, "DELETE /picture", nameQuery(name), nil)
	ask(200, "GET /trash", "?limit=1", nil)
	ask(200, "POST /trash/restore", "", map[string]any{"paths": []string{name, "none"}})
	ask(204, "DELETE /picture", nameQuery(name), nil)
	ask(200, "POST /trash/purge", "", map[string]any{"paths": []string{name, "none"}})
	ask(400, "POST /trash/purge", "", map[string]any{"paths": []string{}})

	for _, name := range []string{"newapp-picture-1/x y", "newapp-portrait/x", "group1/M00/93/9B/fwAAAWsDNMeAGI3JAAAsySUHZ28260.jpg"} {
		ask(200, "POST /links", "", map[string]any{"name": name})
	}
	ask(400, "POST /links", "", map[string]any{"name": "newapp-picture-1/x", "permissions": "q"})
	for _, link := range []string{
		publicURL + "/newapp-picture-1/x", publicURL + "/newapp-picture-1/x?sv=1&sig=x", publicURL + "/newapp-picture-1/x?sig=%ZZ", publicURL + "/group1/M00/00/00/x.jpg", "x",
		"//", "http://", "?", publicURL + "/group1/M00/93/9B/fwAAAWsDNMeAGI3JAAAsySUHZ28260.jpg", publicURL + "/group1/M00/93/9B/fwAAAWsDNMeAGI3JAAAsySUHZ28260.jpg?token=a&ts=b",
		publicURL + "/newapp-portrait/x", publicURL + "/newapp-picture-1?restype=container", publicURL + "/newapp-picture-1/\x00", publicURL + "/" + s.sas("x", "r"),
		s.at("x", "r"), s.at("x", "rw") + "&sv=2", strings.Replace(s.at("x", "r"), "sig=", "sig=A", 1), strings.Replace(s.at("x", "r"), "se=20", "se=19", 1), strings.Replace(s.at("x", "r"), "se=20", "se=x", 1),
	} {
		ask(200, "POST /links/explain", "", map[string]any{"url": link})
	}
	ask(400, "POST /links/explain", "", map[string]any{})
	ask(400, "POST /links/explain", "", map[string]any{"url": "x", "at": "yesterday"})

	s.srv.history.sample()
	ask(200, "GET /stats", "", nil)
	ask(200, "GET /audit", "?limit=2", nil)
	ask(200, "GET /audit", "", nil)
	ask(400, "GET /audit", "?event=x", nil)
	ask(400, "GET /audit", "?cursor=x", nil)
	ask(200, "GET /backup", "", nil)
	ask(409, "POST /restore", "", []byte("x"))
	ask(204, "DELETE /apps/{key}", "", nil)
	ask(404, "POST /apps/{key}/rotate", "", nil)
	s.clock.add(time.Second)
	ask(204, "DELETE /session", "", nil)
	delete(d.left, "POST /restore")
	delete(d.left, "GET /snippets/{language}")
	open := newTestServer(t) // whose links need no token
	d.check("POST /links/explain", open.admin(nil, "POST", "/links/explain", map[string]any{"url": publicURL + "/group1/M00/93/9B/fwAAAWsDNMeAGI3JAAAsySUHZ28260.jpg"}))
	d.check("GET /session", open.admin(nil, "GET", "/session", nil))
	if len(d.left) > 0 {
		t.Errorf("no answer of %v was seen that went well", slices.Sorted(maps.Keys(d.left)))
	}
}
