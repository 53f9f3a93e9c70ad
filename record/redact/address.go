package redact

import (
	"net/netip"
	"strings"
	"unicode"

	"github.com/xmpplens/xmpplens/decode/xep"
)

// This file replaces addresses: of people, hosts and pages.

// jid replaces an address: the words of each part, but what a domain tells about the kind of host.
func (r *redactor) jid(v value) {
	if at := v.index('/'); at >= 0 {
		r.each(v.sub(at+1, len(v.g)), all)
		v = v.sub(0, at)
	}
	if at := v.index('@'); at >= 0 {
		r.each(v.sub(0, at), all)
		v = v.sub(at+1, len(v.g))
	}
	r.host(v)
}

// host replaces a domain or an IP address, with or without a port.
func (r *redactor) host(v value) {
	s := v.text()
	if r.ip(v, s) {
		return
	}
	if at := v.last(':'); at > 0 && strings.IndexFunc(s[strings.LastIndexByte(s, ':')+1:], func(c rune) bool { return c < '0' || c > '9' }) < 0 {
		v = v.sub(0, at)
		s = v.text()
		if r.ip(v, s) {
			return
		}
	}
	if strings.HasPrefix(s, "[") {
		r.each(v, all)
		r.noAddress(v)
		return
	}
	top := strings.ToLower(s[strings.LastIndexByte(s, '.')+1:])
	for left := strings.Count(s, "."); len(v.g) > 0; left-- {
		at := v.index('.')
		if at < 0 {
			at = len(v.g)
		}
		r.label(v.sub(0, at), left != 1 || reserved[top] || strings.HasSuffix(strings.ToLower(s), "example."+top))
		v = v.sub(min(at+1, len(v.g)), len(v.g))
	}
}

// noAddress keeps what stands in brackets and is no IP address from becoming one.
func (r *redactor) noAddress(v value) {
	if _, err := netip.ParseAddr(strings.Trim(v.current(), "[]")); err != nil || r.collecting {
		return
	}
	for i := range v.g {
		if g := &v.g[i]; g.form == raw && g.n == 1 && unicode.IsLetter(g.r) && !isHex(byte(g.r)) {
			v.b[g.at] = 'x'
			return
		}
	}
}

// label replaces one part of a domain, unless it is a common one; what stands in front of org never is. One in the ASCII form of IDNA would not be valid any more, and becomes an
// ordinary one.
func (r *redactor) label(v value, common bool) {
	s := strings.ToLower(v.text())
	if common && labels[s] {
		return
	}
	if strings.HasPrefix(s, "xn--") && !r.collecting && v.g[2].n == 1 && v.g[3].n == 1 {
		v.b[v.g[2].at], v.b[v.g[3].at] = 'x', 'x'
	}
	r.each(v, all)
}

// url replaces the authority of a URL, the words of its path that are not the protocol's, and what stands behind.
func (r *redactor) url(v value) {
	s := v.text()
	if _, ok := xep.Lookup(s); ok {
		return
	}
	if !strings.Contains(s, "://") {
		scheme, _, ok := strings.Cut(s, ":")
		at := v.index(':')
		if !ok || strings.ContainsAny(scheme, "/?#@. ") {
			r.path(v)
			return
		}
		r.each(v.sub(0, at), secretOnly)
		v = v.sub(at+1, len(v.g))
		switch strings.ToLower(scheme) {
		case "xmpp", "mailto":
			q := v.index('?')
			if q < 0 {
				q = len(v.g)
			}
			r.jid(v.sub(0, q))
			r.each(v.sub(q, len(v.g)), notKnown)
		case "urn":
			r.each(v, notKnown)
		default:
			r.each(v, all)
		}
		return
	}
	r.each(v.sub(0, v.index(':')), secretOnly)
	v = v.sub(v.index(':')+3, len(v.g))
	end := len(v.g)
	for _, c := range "/?#" {
		if i := v.index(c); i >= 0 {
			end = min(end, i)
		}
	}
	host := v.sub(0, end)
	if at := host.last('@'); at >= 0 {
		r.each(host.sub(0, at), all)
		host = host.sub(at+1, len(host.g))
	}
	path := v.sub(end, len(v.g))
	if publishers[strings.ToLower(host.text())] {
		r.each(path, secretOnly)
		return
	}
	r.host(host)
	r.path(path)
}

func (r *redactor) path(v value) {
	end := len(v.g)
	for _, c := range "?#" {
		if i := v.index(c); i >= 0 {
			end = min(end, i)
		}
	}
	for p := v.sub(0, end); len(p.g) > 0; {
		at := p.index('/')
		if at < 0 {
			at = len(p.g)
		}
		r.scan(p.sub(0, at), notKnown, false)
		p = p.sub(min(at+1, len(p.g)), len(p.g))
	}
	r.scan(v.sub(end, len(v.g)), all, false)
}
