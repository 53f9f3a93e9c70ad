package proxy

import (
	"bytes"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/xmpplens/xmpplens/record"
)

// This file passes requests that are not XMPP on to the upstream's origin and
// the answers back, with what they say about addresses put right: a client that
// looks up where XMPP is spoken (host-meta, XEP-0156) shall find the proxy.

// request makes the request to the upstream.
func (f *front) request(pr *httputil.ProxyRequest) {
	pr.SetURL(f.p.Upstream.origin())
	f.comeFrom(pr.Out.Header, pr.In)
	if isHostMeta(pr.In.URL.Path) {
		pr.Out.Header.Del("Accept-Encoding") // it has to be read
	}
}

// comeFrom lets a request from a page of the proxy's own address come from the
// upstream's: servers refuse what comes from elsewhere.
func (f *front) comeFrom(h http.Header, in *http.Request) {
	own, upstream := f.ownOrigin(in), f.p.Upstream.origin().String()
	if strings.EqualFold(h.Get("Origin"), own) {
		h.Set("Origin", upstream)
	}
	if rest, ok := strings.CutPrefix(h.Get("Referer"), own+"/"); ok {
		h.Set("Referer", upstream+"/"+rest)
	}
}

// ownOrigin is the proxy's address as the client of the request knows it.
func (f *front) ownOrigin(r *http.Request) string {
	if clientOf(r).tls != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// own returns the proxy's address for a target of the upstream, as the client
// of the request may use it, or false when the target is somewhere else: the
// same scheme family (ws or http) and path.
func (f *front) own(r *http.Request, target string) (string, bool) {
	u, err := url.Parse(target)
	if err != nil || u.User != nil {
		return "", false
	}
	up := f.p.Upstream
	port := u.Port()
	if port == "" {
		port = "80"
		if u.Scheme == "wss" || u.Scheme == "https" {
			port = "443"
		}
	}
	same := strings.EqualFold(u.Hostname(), up.Host) && (port == strconv.Itoa(up.Port) || u.RequestURI() == up.Path)
	if !same {
		return "", false
	}
	switch u.Scheme {
	case "ws", "wss":
		u.Scheme = "ws"
	case "http", "https":
		u.Scheme = "http"
	default:
		return "", false
	}
	if clientOf(r).tls != nil {
		u.Scheme += "s"
	}
	u.Host = r.Host
	return u.String(), true
}

// hostMetaLimit bounds the documents that are rewritten, in bytes.
const hostMetaLimit = 1 << 20

func isHostMeta(path string) bool {
	return path == "/.well-known/host-meta" || path == "/.well-known/host-meta.json"
}

// response looks at the upstream's answer, records it and puts it right.
func (f *front) response(resp *http.Response) error {
	r := resp.Request
	in := r.Context().Value(clientKey{})
	if in == nil {
		return nil
	}
	outside := outsideOf(r)
	var why []string
	if to, ok := f.own(outside, resp.Header.Get("Location")); ok {
		why = append(why, resp.Header.Get("Location")+" became "+to+": the proxy's own address")
		resp.Header.Set("Location", to)
	}
	// They would lead the client past the proxy, or keep it away from others
	// at the same address.
	for _, h := range []string{"Alt-Svc", "Strict-Transport-Security"} {
		if resp.Header.Get(h) != "" {
			resp.Header.Del(h)
			why = append(why, h+" removed: it is meant for the server's own address")
		}
	}
	ev := record.Event{E: record.EventHTTP, Op: r.Method, Text: r.URL.RequestURI(), Code: resp.StatusCode}
	if isHostMeta(r.URL.Path) && resp.StatusCode == http.StatusOK && resp.Header.Get("Content-Encoding") == "" {
		body, err := io.ReadAll(io.LimitReader(resp.Body, hostMetaLimit+1))
		if err != nil {
			return err
		}
		rest := resp.Body
		if len(body) <= hostMetaLimit {
			was := body
			var changes []string
			body, changes = f.hostMeta(outside, body)
			why = append(why, changes...)
			if !bytes.Equal(was, body) {
				ev.Data, ev.HasData = body, true
				resp.ContentLength = int64(len(body))
				resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
				resp.Header.Del("Etag") // it is of what was there before
			}
		}
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(body), rest), rest}
	}
	if len(why) > 0 {
		ev.By, ev.Why = "proxy", strings.Join(why, "; ")
	}
	f.p.Log.Append(ev)
	return nil
}

// outsideOf returns a request as the client made it, as far as addresses go.
func outsideOf(r *http.Request) *http.Request {
	host, _ := r.Context().Value(hostKey{}).(string)
	return (&http.Request{Host: host}).WithContext(r.Context())
}

type hostKey struct{}

var (
	xmlLink  = regexp.MustCompile(`\bhref\s*=\s*("[^"]*"|'[^']*')`)
	jsonLink = regexp.MustCompile(`"href"\s*:\s*("(?:[^"\\]|\\.)*")`)
)

// hostMeta returns the document with the links that lead to the upstream leading
// to the proxy, and what was changed.
func (f *front) hostMeta(r *http.Request, body []byte) ([]byte, []string) {
	var why []string
	change := func(target string) (string, bool) {
		to, ok := f.own(r, target)
		switch {
		case ok:
			why = append(why, target+" became "+to+": the proxy's own address")
		case strings.Contains(target, "://"):
			why = append(why, target+" stays: it leads somewhere else, past the proxy")
		}
		return to, ok
	}
	replace := func(pattern *regexp.Regexp, f func(value string) string) {
		var out []byte
		at := 0
		for _, m := range pattern.FindAllSubmatchIndex(body, -1) {
			out = append(append(out, body[at:m[2]]...), f(string(body[m[2]:m[3]]))...)
			at = m[3]
		}
		body = append(out, body[at:]...)
	}
	if json.Valid(body) {
		replace(jsonLink, func(value string) string {
			var target string
			if json.Unmarshal([]byte(value), &target) != nil {
				return value
			}
			to, ok := change(target)
			if !ok {
				return value
			}
			b, _ := json.Marshal(to) // a string
			return string(b)
		})
		return body, why
	}
	replace(xmlLink, func(value string) string {
		to, ok := change(html.UnescapeString(value[1 : len(value)-1]))
		if !ok {
			return value
		}
		return `"` + html.EscapeString(to) + `"`
	})
	return body, why
}

// failed answers a request that could not be passed on.
func (f *front) failed(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil { // else the client is gone
		f.note("error", r.Method+" "+r.URL.RequestURI()+": "+err.Error(), hintOf(err))
	}
	f.p.Log.Append(record.Event{E: record.EventHTTP, Op: r.Method, Text: r.URL.RequestURI(), Code: http.StatusBadGateway, By: "proxy", Why: err.Error()})
	http.Error(w, "xmpplens: "+err.Error(), http.StatusBadGateway)
}
