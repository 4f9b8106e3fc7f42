package server

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/valyala/fasthttp"

	"tintype/sign"
	"tintype/store"
)

const (
	authFailed = "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature."
	notMet     = "The condition specified using HTTP conditional header(s) is not met."
)

// blobCodes are the statuses, codes and messages of blob.md section 5. What is
// not here is our fault.
var blobCodes = []blobCode{
	{errNotModified, 304, "ConditionNotMet", ""},
	{errURI, 400, "InvalidUri", "The requested URI does not represent any resource on the server."},
	{errContainerLength, 400, "OutOfRangeInput", "The specified resource name length is not within the permissible limits."},
	{errContainerName, 400, "InvalidResourceName", "The specified resource name contains invalid characters."},
	{sign.ErrDuplicate, 400, "InvalidQueryParameterValue", "Value for one of the query parameters specified in the request URI is invalid."},
	{sign.ErrOverride, 400, "InvalidQueryParameterValue", "Value for one of the query parameters specified in the request URI is invalid."},
	{errDuplicate, 400, "InvalidQueryParameterValue", "Value for one of the query parameters specified in the request URI is invalid."},
	{errMarker, 400, "InvalidQueryParameterValue", "Value for one of the query parameters specified in the request URI is invalid."},
	{errMaxResults, 400, "OutOfRangeQueryParameterValue", "One of the query parameters specified in the request URI is outside the permissible range."},
	{errNoHeader, 400, "MissingRequiredHeader", "An HTTP header that's mandatory for this request is not specified."},
	{errHeader, 400, "InvalidHeaderValue", "The value for one of the HTTP headers is not in the correct format."},
	{errUnsupported, 400, "UnsupportedHeader", "One of the HTTP headers specified in the request is not supported."},
	{errMetadata, 400, "InvalidMetadata", "The specified metadata is invalid. It includes characters that are not permitted."},
	{errMetadataSize, 400, "MetadataTooLarge", "The size of the specified metadata exceeds the maximum size permitted."},
	{errMD5Format, 400, "InvalidMd5", "The MD5 value specified in the request is invalid. The MD5 value must be 128 bits and Base64-encoded."},
	{errMD5, 400, "Md5Mismatch", "The MD5 value specified in the request did not match with the MD5 value calculated by the server."},
	{errConditions, 400, "MultipleConditionHeadersNotSupported", "Multiple condition headers are not supported."},
	{errBlockListLong, 400, "BlockListTooLong", "The block list may not contain more than 50,000 blocks."},
	{errBlockList, 400, "InvalidBlockList", "The specified block list is invalid."},
	{errBlockID, 400, "InvalidQueryParameterValue", "Value for one of the query parameters specified in the request URI is invalid."},
	{errTooLarge, 413, "RequestBodyTooLarge", "The request body is too large and exceeds the maximum permissible limit."},
	{errBodyInput, 400, "InvalidInput", "One of the request inputs is not valid."},
	{errXML, 400, "InvalidXmlDocument", "XML specified is not syntactically valid."},
	{errUnsatisfiable, 400, "UnsatisfiableCondition", "The request includes an unsatisfiable condition for this operation."},
	{sign.ErrNoToken, 404, "ResourceNotFound", "The specified resource does not exist."},
	{errResource, 404, "ResourceNotFound", "The specified resource does not exist."},
	{sign.ErrMalformed, 403, "AuthenticationFailed", authFailed},
	{sign.ErrSignature, 403, "AuthenticationFailed", authFailed},
	{sign.ErrPolicy, 403, "AuthenticationFailed", authFailed},
	{sign.ErrPermissionSyntax, 403, "AuthenticationFailed", authFailed},
	{sign.ErrTime, 403, "AuthenticationFailed", authFailed},
	{sign.ErrIP, 403, "AuthorizationSourceIPMismatch", "This request is not authorized to perform this operation using this source IP %s."},
	{sign.ErrProtocol, 403, "AuthorizationProtocolMismatch", "This request is not authorized to perform this operation using this protocol."},
	{sign.ErrPermission, 403, "AuthorizationPermissionMismatch", "This request is not authorized to perform this operation using this permission."},
	{errOverwrite, 403, "UnauthorizedBlobOverwrite", "This request is not authorized to perform blob overwrites."},
	{errQuota, 403, "InsufficientAccountPermissions", "The account being accessed does not have sufficient permissions to execute this operation."},
	{errDisabled, 403, "AccountIsDisabled", "The specified account is disabled."},
	{errOrigin, 403, "CorsPreflightFailure", "CORS not enabled or no matching rule found for this request."},
	{store.ErrNotFound, 404, "BlobNotFound", "The specified blob does not exist."},
	{errVerb, 405, "UnsupportedHttpVerb", "The resource doesn't support the specified HTTP verb."},
	{errBlobExists, 409, "BlobAlreadyExists", "The specified blob already exists."},
	{errCondition, 412, "ConditionNotMet", notMet},
	{errRange, 416, "InvalidRange", "The range specified is invalid for the current size of the resource."},
	{store.ErrReadOnly, 503, "ServerBusy", "The server is currently unable to receive requests. Please retry your request."},
	{store.ErrFull, 503, "ServerBusy", "The server is currently unable to receive requests. Please retry your request."},
	{store.ErrUnreachable, 503, "ServerBusy", "The server is currently unable to receive requests. Please retry your request."},
	{store.ErrIndex, 503, "ServerBusy", "The server is currently unable to receive requests. Please retry your request."},
	{errRate, 503, "ServerBusy", "The server is currently unable to receive requests. Please retry your request."},
	{errBusy, 503, "ServerBusy", "The server is currently unable to receive requests. Please retry your request."},
	{errInternal, 500, "InternalError", "The server encountered an internal error. Please retry the request."},
}

// blobCode is how an error is told.
type blobCode struct {
	err        error
	status     int
	code, text string
}

// errInternal stands, at the end of a table, for every error that it does not have.
var errInternal = errors.New("internal error")

// isSDKVersion tells the shape of x-ms-version: what is echoed is a date or nothing.
func isSDKVersion(text []byte) bool {
	const shape = "dddd-dd-dd"
	if len(text) != len(shape) {
		return false
	}
	for i, c := range text {
		if shape[i] == 'd' && (c < '0' || c > '9') || shape[i] == '-' && c != '-' {
			return false
		}
	}
	return true
}

// sdkHeaders sets what Azure's SDKs expect in every answer.
func sdkHeaders(ctx *fasthttp.RequestCtx) {
	h := &ctx.Response.Header
	var id [36]byte
	h.SetCanonical(requestID, appendRequestID(id[:0]))
	version := ctx.Request.Header.PeekCanonical(serviceVersion)
	if !isSDKVersion(version) {
		version = signedVersion(ctx)
	}
	if isSDKVersion(version) {
		h.SetCanonical(serviceVersion, version)
	}
	if client := ctx.Request.Header.PeekCanonical(clientRequestID); len(client) > 0 {
		h.SetCanonical(clientRequestID, client)
	}
}

// Headers as fasthttp names them, which saves naming them with each request.
var (
	requestID       = []byte("X-Ms-Request-Id")
	serviceVersion  = []byte("X-Ms-Version")
	clientRequestID = []byte("X-Ms-Client-Request-Id")
)

// signedVersion returns the version of a token. Nothing of it needs escaping, and most do
// not: then the other parameters need not be taken apart.
func signedVersion(ctx *fasthttp.RequestCtx) []byte {
	for parameter := range bytes.SplitSeq(ctx.URI().QueryString(), []byte("&")) {
		if version, ok := bytes.CutPrefix(parameter, []byte("sv=")); ok && isSDKVersion(version) {
			return version
		}
	}
	return ctx.QueryArgs().Peek("sv")
}

// blobReply answers picture URLs as Azure's blob service does. SDKs tell errors
// by x-ms-error-code: a HEAD has no body to look at.
func (s *Server) blobReply(ctx *fasthttp.RequestCtx) {
	_, err := s.limited(ctx, func(ctx *fasthttp.RequestCtx) (any, error) { return nil, s.blob(ctx) })
	drain(ctx)
	if err != nil {
		s.blobError(ctx, err)
	}
	s.blobs.count(ctx)
}

// answerTo says how the server answers the GET of a link, of kind "sas" or "fastdfs",
// that fails with err; nil: it does not.
func answerTo(kind string, err error) string {
	switch {
	case err == nil:
		return "200 OK"
	case kind == "sas":
		row := rowOf(err)
		return fmt.Sprintf("%d %s", row.status, row.code)
	case errors.Is(err, sign.ErrNoToken), errors.Is(err, sign.ErrDuplicate):
		err = errToken
	}
	status, _ := linkCodes.of(err)
	return fmt.Sprintf("%d %s", status, fasthttp.StatusMessage(status))
}

// rowOf returns the row of an error in blobCodes.
func rowOf(err error) blobCode {
	for _, row := range blobCodes {
		if errors.Is(err, row.err) {
			return row
		}
	}
	return blobCodes[len(blobCodes)-1]
}

func (s *Server) blobError(ctx *fasthttp.RequestCtx, err error) {
	row := rowOf(err)
	s.refused(ctx, err, row.err != errInternal)
	ctx.SetStatusCode(row.status)
	ctx.Response.Header.Set("x-ms-error-code", row.code)
	if row.status == 304 {
		return
	}
	if row.err == errRate || row.err == errBusy {
		retryLater(ctx, 503)
	}
	if row.status == 405 {
		ctx.Response.Header.Set(fasthttp.HeaderAllow, "GET, HEAD, PUT, DELETE, OPTIONS")
	}
	ctx.SetContentType("application/xml")
	text := row.text
	if strings.Contains(text, "%s") {
		text = fmt.Sprintf(text, remoteIP(ctx))
	}
	var detail string
	if t := new(sign.TimeError); errors.As(err, &t) {
		detail = "<AuthenticationErrorDetail>" + escapeXML(timeDetail(t)) + "</AuthenticationErrorDetail>"
	}
	ctx.SetBodyString(fmt.Sprintf(`<?xml version="1.0" encoding="utf-8"?><Error><Code>%s</Code><Message>%s`+"\nRequestId:%s\nTime:%s"+`</Message>%s</Error>`,
		row.code, escapeXML(text), ctx.Response.Header.Peek("x-ms-request-id"), s.cfg.Now().UTC().Format("2006-01-02T15:04:05.0000000Z"), detail))
}

// timeDetail says when a token is good, in Azure's words.
func timeDetail(t *sign.TimeError) string {
	start, end, now := httpTime(t.Start), httpTime(t.Expiry), httpTime(t.Now)
	switch {
	case t.Verdict == sign.Malformed:
		return "Signature fields not well formed."
	case t.Start.IsZero():
		return fmt.Sprintf("Signed expiry time [%s] must be after signed start time [%s]", end, now)
	}
	return fmt.Sprintf("Signature not valid in the specified time frame: Start [%s] - Expiry [%s] - Current [%s]", start, end, now)
}

// escapeXML uses the named entities only: Azure's JavaScript SDK decodes no others.
func escapeXML(s string) string { return namedEntities.Replace(s) }

var namedEntities = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;")

// appendRequestID appends what tells one request from all others, in the form of a UUID.
func appendRequestID(b []byte) []byte {
	var id [16]byte
	binary.NativeEndian.PutUint64(id[:], rand.Uint64())
	binary.NativeEndian.PutUint64(id[8:], rand.Uint64())
	b = hex.AppendEncode(b, id[:4])
	for _, part := range [...][]byte{id[4:6], id[6:8], id[8:10], id[10:]} {
		b = hex.AppendEncode(append(b, '-'), part)
	}
	return b
}
