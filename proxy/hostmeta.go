package proxy

import (
	"bytes"
	"encoding/json"
	"html"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// This file leads what host-meta (XEP-0156, XEP-0487) names to the proxy, and
// warns of what it cannot lead there.

// hostMetaLimit bounds the documents that are rewritten, in bytes.
const hostMetaLimit = 1 << 20

func isHostMeta(path string) bool {
	return path == "/.well-known/host-meta" || path == "/.well-known/host-meta.json"
}

var (
	xmlLink  = regexp.MustCompile(`\bhref\s*=\s*("[^"]*"|'[^']*')`)
	jsonLink = regexp.MustCompile(`"href"\s*:\s*("(?:[^"\\]|\\.)*")`)
	// relation finds ways to connect.
	relation = regexp.MustCompile(`urn:xmpp:alt-connections:([a-z0-9-]+)`)
)

// direct are ways that need no URL, and so do not lead here.
var direct = map[string]string{
	"quic": "QUIC (XEP-0467)", "s2s-quic": "QUIC between servers (XEP-0467)",
	"tls": "direct TLS (XEP-0368)", "s2s-tls": "direct TLS between servers (XEP-0368)",
}

// hostMeta returns the document with the links that lead to the upstream, or to
// where else XMPP is spoken over HTTP, leading to the proxy, and what was changed.
func (f *front) hostMeta(r *http.Request, body []byte) ([]byte, []string) {
	var why []string
	change := func(target string, link []byte) (string, bool) {
		to, ok := f.own(r, target)
		if ok {
			why = append(why, target+" became "+to+": the proxy's own address")
			return to, true
		}
		if !strings.Contains(target, "://") {
			return "", false
		}
		reason := ""
		if m := relation.FindSubmatch(link); m != nil && (string(m[1]) == "websocket" || string(m[1]) == "xbosh") {
			to, err := f.lead(r, target)
			if err == nil {
				if to != target {
					why = append(why, target+" became "+to+": the proxy's way there")
				}
				return to, true
			}
			reason = ": " + err.Error()
		}
		why = append(why, target+" stays: it leads somewhere else, past the proxy"+reason)
		return "", false
	}
	isJSON := json.Valid(body)
	first, last := "<", ">"
	if isJSON {
		first, last = "{", "}"
	}
	replace := func(pattern *regexp.Regexp, f func(value string, link []byte) string) {
		var out []byte
		at := 0
		for _, m := range pattern.FindAllSubmatchIndex(body, -1) {
			link := body[max(0, bytes.LastIndex(body[:m[0]], []byte(first))):]
			if n := bytes.Index(link, []byte(last)); n >= 0 {
				link = link[:n]
			}
			out = append(append(out, body[at:m[2]]...), f(string(body[m[2]:m[3]]), link)...)
			at = m[3]
		}
		body = append(out, body[at:]...)
	}
	was := body
	if isJSON {
		replace(jsonLink, func(value string, link []byte) string {
			var target string
			if json.Unmarshal([]byte(value), &target) != nil {
				return value
			}
			to, ok := change(target, link)
			if !ok {
				return value
			}
			b, _ := json.Marshal(to) // a string
			return string(b)
		})
	} else {
		replace(xmlLink, func(value string, link []byte) string {
			to, ok := change(html.UnescapeString(value[1:len(value)-1]), link)
			if !ok {
				return value
			}
			return `"` + html.EscapeString(to) + `"`
		})
	}
	f.warnDirect(was)
	return body, why
}

// warnDirect warns once of each way past the proxy that a document names.
func (f *front) warnDirect(document []byte) {
	for _, m := range relation.FindAllSubmatch(document, -1) {
		kind := string(m[1])
		way, ok := direct[kind]
		if !ok {
			continue
		}
		f.mu.Lock()
		first := !f.past[kind]
		if f.past == nil {
			f.past = make(map[string]bool)
		}
		f.past[kind] = true
		f.mu.Unlock()
		if !first {
			continue
		}
		hint := "stand in front of that port, too: xmpplens proxy tls://HOST:PORT"
		if strings.HasSuffix(kind, "quic") {
			hint = "block UDP to the server, then clients fall back to TCP"
		}
		f.note("warning", "host-meta of "+strconv.Quote(f.up.Host)+" names "+way+": a client that goes that way goes past the proxy", hint)
	}
}
