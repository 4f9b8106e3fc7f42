package server

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"
)

// A proxy that is trusted (Config.TrustedProxies) says for whom it asks:
//
//	X-Forwarded-For: 192.0.2.7, 10.0.0.5    by whom, each proxy adding the peer that it had
//	X-Forwarded-Proto: https                how that one came
//	X-Forwarded-Host: pictures.example      and where to
//
// From others these headers have no effect. RFC 7239's Forwarded is not read.

// overTLS is the context value under which forwarded leaves whether the client used TLS.
const overTLS = "over TLS"

// forwarded has the request be that of the client that a trusted proxy asks for. What of it
// is not well formed counts as not sent.
func (s *Server) forwarded(ctx *fasthttp.RequestCtx) {
	ctx.SetRemoteAddr(nil) // whom the request before this one, on the same connection, was for
	if !s.trusts(remoteIP(ctx)) {
		return
	}
	h := &ctx.Request.Header
	if ip, ok := s.forwardedFor(h.PeekAll(fasthttp.HeaderXForwardedFor)); ok {
		ctx.SetRemoteAddr(&net.TCPAddr{IP: ip.AsSlice()})
	}
	if https, ok := forwardedProto(h.PeekAll("X-Forwarded-Proto")); ok {
		ctx.SetUserValue(overTLS, https)
	}
	if host := lastElement(h.PeekAll(fasthttp.HeaderXForwardedHost)); isHost(host) {
		ctx.Request.SetHostBytes(host)
	}
}

func (s *Server) trusts(ip netip.Addr) bool {
	return slices.ContainsFunc(s.cfg.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// isHTTPS says whether the client came over TLS, to a proxy where one is trusted.
func isHTTPS(ctx *fasthttp.RequestCtx) bool {
	if told, ok := ctx.UserValue(overTLS).(bool); ok {
		return told
	}
	return ctx.IsTLS()
}

// forwardedFor returns the last address that is not a trusted proxy's: what is before it
// was sent by that client, who may say anything. Where all are trusted, it is the first.
func (s *Server) forwardedFor(lines [][]byte) (client netip.Addr, ok bool) {
	for _, line := range slices.Backward(lines) {
		for len(line) > 0 {
			at := bytes.LastIndexByte(line, ',') + 1
			element := bytes.Trim(line[at:], " \t")
			line = line[:max(at-1, 0)]
			if len(element) == 0 {
				continue
			}
			if client, ok = parseForwarded(string(element)); !ok || !s.trusts(client) {
				return client, ok
			}
		}
	}
	return client, ok
}

// parseForwarded reads an address, with or without brackets and a port.
func parseForwarded(text string) (netip.Addr, bool) {
	var ip netip.Addr
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		ip = withPort.Addr()
	} else if n := len(text); n > 2 && text[0] == '[' && text[n-1] == ']' {
		if ip, _ = netip.ParseAddr(text[1 : n-1]); ip.Is4() {
			return netip.Addr{}, false
		}
	} else {
		ip, _ = netip.ParseAddr(text)
	}
	if !ip.IsValid() || ip.Zone() != "" {
		return netip.Addr{}, false
	}
	return ip.Unmap(), true
}

// forwardedProto says whether every proxy was asked over TLS.
func forwardedProto(lines [][]byte) (https, ok bool) {
	https = true
	for _, line := range lines {
		for element := range bytes.SplitSeq(line, []byte(",")) {
			switch element = bytes.Trim(element, " \t"); {
			case bytes.EqualFold(element, []byte("http")):
				https = false
			case !bytes.EqualFold(element, []byte("https")):
				return false, false
			}
			ok = true
		}
	}
	return https && ok, ok
}

// lastElement is what the proxy next to this server has said.
func lastElement(lines [][]byte) []byte {
	if len(lines) == 0 {
		return nil
	}
	line := lines[len(lines)-1]
	return bytes.Trim(line[bytes.LastIndexByte(line, ',')+1:], " \t")
}

// isHost says whether a text can be a name or an address, with or without a port.
func isHost(text []byte) bool {
	for _, c := range text {
		letter, digit := 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9'
		if !letter && !digit && strings.IndexByte("-._:[]", c) < 0 {
			return false
		}
	}
	return len(text) > 0 && len(text) <= 255
}
