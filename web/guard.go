package web

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Limits on what strangers, and friends that run wild, can take.
const (
	maxPages    = 64               // that are open at a time
	maxRequests = 64               // under way at a time, without the pages
	slowest     = 30 * time.Second // to send a request, and to read an answer, unless they move
)

// policy lets the page load its own files and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// A guard stands in front of everything that a Server answers.
type guard struct {
	server *Server
	addr   net.Addr
	cookie string // its name
	home   string // where the token leads to
	next   http.Handler
	busy   chan struct{}
}

// authorized lets those in who know the token: as the cookie that the URL with the
// token sets, or as Authorization: Bearer TOKEN. Whoever comes by the name of
// another host, or from the page of another origin, stays outside.
func (s *Server) authorized(addr net.Addr, home string, next http.Handler) http.Handler {
	g := &guard{server: s, addr: addr, cookie: "xmpplens", home: home, next: next, busy: make(chan struct{}, maxRequests)}
	if _, port, err := net.SplitHostPort(addr.String()); err == nil {
		g.cookie += "-" + port // cookies do not tell ports apart
	}
	return g
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	rc := http.NewResponseController(w)
	soon := time.Now().Add(cmp.Or(g.server.hurry, slowest))
	rc.SetReadDeadline(soon)
	rc.SetWriteDeadline(soon.Add(writeTimeout)) // there is time to say that it took too long
	if why := g.check(r); why != nil {
		why.answer(w, r)
		return
	}
	if t := r.URL.Query().Get("token"); t != "" && r.URL.Path == "/" {
		http.SetCookie(w, &http.Cookie{Name: g.cookie, Value: t, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
		http.Redirect(w, r, g.home, http.StatusSeeOther)
		return
	}
	if r.URL.Path != "/live" { // pages are counted by themselves
		select {
		case g.busy <- struct{}{}:
			defer func() { <-g.busy }()
		default:
			(&refusal{http.StatusServiceUnavailable, "Too many requests are under way.", "wait for their answers, or end them"}).answer(w, r)
			return
		}
	}
	g.next.ServeHTTP(w, r)
}

const openURL = "open the URL that xmpplens printed when it started last: its token lets you in"

// check says why a request is refused, nil = it is not.
func (g *guard) check(r *http.Request) *refusal {
	own := "http://" + r.Host
	origin, site := r.Header.Get("Origin"), r.Header.Get("Sec-Fetch-Site")
	switch {
	case !ownHost(r.Host, g.addr):
		return &refusal{http.StatusForbidden, "The name in the address is not one of this viewer's.", openURL}
	case origin != "" && origin != own:
		return &refusal{http.StatusForbidden, "Another site may not look in here.", openURL}
	}
	if t := r.URL.Query().Get("token"); t != "" && r.URL.Path == "/" {
		if !g.server.fits(t) {
			return &refusal{http.StatusForbidden, "The token in the address is not this viewer's.", openURL}
		}
		return nil
	}
	if b, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		if !g.server.fits(strings.TrimSpace(b)) {
			return &refusal{http.StatusUnauthorized, "The bearer token is not this viewer's.", "it stands behind ?token= in the URL that xmpplens printed when it started last"}
		}
		return nil // no page of another origin can send it
	}
	c, err := r.Cookie(g.cookie)
	if err != nil || !g.server.fits(c.Value) {
		return &refusal{http.StatusForbidden, "There is no token, or it is another one's.", openURL + "; with curl: -H 'Authorization: Bearer TOKEN'"}
	}
	// The cookie comes along with what another port of the same host asks for.
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	if (site == "cross-site" || site == "same-site") && r.Header.Get("Sec-Fetch-Mode") != "navigate" {
		return &refusal{http.StatusForbidden, "Another site may not look in here.", openURL}
	}
	if !reads && origin != own {
		return &refusal{http.StatusForbidden, "Nothing tells that the viewer's own page asks for this.", "send Authorization: Bearer TOKEN instead of the cookie"}
	}
	return nil
}

// refusal is an error as the API says it.
type refusal struct {
	status int
	Text   string `json:"error"`
	Fix    string `json:"hint,omitempty"`
}

func (e *refusal) Error() string { return e.Text }
func (e *refusal) Hint() string  { return e.Fix }

// answer says it to a program as JSON and to a person in a line.
func (e *refusal) answer(w http.ResponseWriter, r *http.Request) {
	if e.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	if !strings.HasPrefix(r.URL.Path, "/api/") {
		text := "xmpplens: " + e.Text
		if e.Fix != "" {
			text += " " + strings.ToUpper(e.Fix[:1]) + e.Fix[1:] + "."
		}
		http.Error(w, text, e.status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.status)
	json.NewEncoder(w).Encode(e)
}

// fail answers with an error, and its hint if it has one.
func fail(w http.ResponseWriter, r *http.Request, status int, err error) {
	out := &refusal{status: status, Text: err.Error()}
	if h := (interface{ Hint() string })(nil); errors.As(err, &h) {
		out.Fix = h.Hint()
	}
	out.answer(w, r)
}

func (s *Server) fits(token string) bool {
	return subtle.ConstantTimeCompare([]byte(token), []byte(s.key())) == 1
}

// ownHost tells a name under which the viewer itself can be reached from one
// that was bound to its address by somebody else (DNS rebinding): an address in
// figures cannot be rebound, of names only localhost is the viewer's own.
func ownHost(host string, addr net.Addr) bool {
	u, err := url.Parse("http://" + host)
	if err != nil || u.Host != host {
		return false
	}
	_, port, err := net.SplitHostPort(addr.String())
	if err != nil || cmp.Or(u.Port(), "80") != port {
		return false
	}
	name := u.Hostname()
	ip, err := netip.ParseAddr(name)
	if err != nil {
		return strings.EqualFold(name, "localhost")
	}
	bound, err := netip.ParseAddrPort(addr.String())
	if err == nil && bound.Addr().Unmap().IsLoopback() {
		return ip.Unmap().IsLoopback()
	}
	return true
}

// static serves the files of the page. A browser that has them asks whether they
// are still the same, by their hashes: after an update it never mixes two versions.
func static(ui fs.FS) http.Handler {
	tags := make(map[string]string)
	fs.WalkDir(ui, ".", func(name string, d fs.DirEntry, err error) error {
		if b, rerr := fs.ReadFile(ui, name); err == nil && rerr == nil {
			sum := sha256.Sum256(b)
			tags["/"+name] = `"` + hex.EncodeToString(sum[:8]) + `"`
		}
		return nil
	})
	tags["/"] = tags["/index.html"]
	serve := http.FileServerFS(ui)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if tag := tags[r.URL.Path]; tag != "" {
			w.Header().Set("ETag", tag)
			w.Header().Set("Cache-Control", "no-cache")
		}
		serve.ServeHTTP(w, r)
	})
}
