package proxy

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/xmpplens/xmpplens/record"
)

// This file passes requests that are not XMPP on to the upstream's origin and
// the answers back, with what they say about addresses put right: a client that
// looks up where XMPP is spoken (host-meta, XEP-0156) shall find the proxy.

// request makes the request to the upstream.
func (f *front) request(pr *httputil.ProxyRequest) {
	pr.SetURL(f.up.origin())
	f.comeFrom(pr.Out.Header, pr.In)
	if isHostMeta(pr.In.URL.Path) {
		pr.Out.Header.Del("Accept-Encoding") // it has to be read
	}
}

// comeFrom lets a request from a page of the proxy's own address come from the
// upstream's: servers refuse what comes from elsewhere.
func (f *front) comeFrom(h http.Header, in *http.Request) {
	if origin := f.behind(in, h.Get("Origin")); origin != "" {
		h.Set("Origin", origin)
	}
	referer := h.Get("Referer")
	if i := strings.Index(referer, "://"); i > 0 {
		if n := strings.IndexByte(referer[i+3:], '/'); n > 0 {
			if origin := f.behind(in, referer[:i+3+n]); origin != "" {
				h.Set("Referer", origin+referer[i+3+n:])
			}
		}
	}
}

// behind returns the server's origin for one of the proxy's own, as the client of
// the request knows it; "" for others. A page that the proxy shows at one of its
// ports may have been sent to another.
func (f *front) behind(in *http.Request, origin string) string {
	if origin == "" {
		return ""
	}
	if strings.EqualFold(origin, f.ownOrigin(in)) {
		return f.up.origin().String()
	}
	u, err := url.Parse(origin)
	if err != nil || !strings.EqualFold(u.Hostname(), hostOf(in.Host)) {
		return ""
	}
	for _, d := range slices.Concat(f.p.mains(), f.p.redirects.list()) {
		if a, ok := d.ln.Addr().(*net.TCPAddr); ok && d.front != nil && u.Port() == strconv.Itoa(a.Port) {
			return d.up.origin().String()
		}
	}
	return ""
}

// keepHere removes what would lead a client past the proxy (HTTP/3 goes over
// QUIC), or keep it away from others at the same address, and says what.
func keepHere(h http.Header) (why []string) {
	if alt := h.Get("Alt-Svc"); alt != "" {
		why = append(why, "Alt-Svc ("+alt+") removed: the client would go on there, past the proxy")
	}
	if h.Get("Strict-Transport-Security") != "" {
		why = append(why, "Strict-Transport-Security removed: it is meant for the server's own address")
	}
	h.Del("Alt-Svc")
	h.Del("Strict-Transport-Security")
	return why
}

// allow lets a page of the proxy read an answer that allows it to a page of the
// server behind.
func allow(resp *http.Response, header http.Header) {
	const key = "Access-Control-Allow-Origin"
	came, _ := resp.Request.Context().Value(cameKey{}).(came)
	if came.origin != "" && header.Get(key) != "" && header.Get(key) == resp.Request.Header.Get("Origin") {
		header.Set(key, came.origin)
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
	up := f.up
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

// response looks at the upstream's answer, records it and puts it right.
func (f *front) response(resp *http.Response) error {
	r := resp.Request
	in := r.Context().Value(clientKey{})
	if in == nil {
		return nil
	}
	outside := outsideOf(r)
	allow(resp, resp.Header)
	var why []string
	if to, ok := f.own(outside, resp.Header.Get("Location")); ok {
		why = append(why, resp.Header.Get("Location")+" became "+to+": the proxy's own address")
		resp.Header.Set("Location", to)
	}
	why = append(why, keepHere(resp.Header)...)
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
	came, _ := r.Context().Value(cameKey{}).(came)
	return (&http.Request{Host: came.host}).WithContext(r.Context())
}

type cameKey struct{}

// came is what of a request is changed on its way.
type came struct{ host, origin string }

// failed answers a request that could not be passed on.
func (f *front) failed(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil { // else the client is gone
		f.note("error", r.Method+" "+r.URL.RequestURI()+": "+err.Error(), hintOf(err))
	}
	f.p.Log.Append(record.Event{E: record.EventHTTP, Op: r.Method, Text: r.URL.RequestURI(), Code: http.StatusBadGateway, By: "proxy", Why: err.Error()})
	http.Error(w, "xmpplens: "+err.Error(), http.StatusBadGateway)
}
