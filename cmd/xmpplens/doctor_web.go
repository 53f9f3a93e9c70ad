package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// This file reads what a domain says under /.well-known/ (XEP-0156, XEP-0487,
// RFC 7711) and knocks at the WebSocket and BOSH endpoints that it finds there.

const (
	maxPage      = 256 << 10 // bytes of a page
	maxRedirects = 5
	maxEndpoints = 8
)

// An endpoint is a place where XMPP is spoken over HTTP.
type endpoint struct {
	Kind   string `json:"kind"` // websocket, bosh
	URL    string `json:"url"`
	Answer string `json:"answer"`
	Works  bool   `json:"works"`
}

// hostMeta is what both forms of host-meta say.
type hostMeta struct {
	endpoints []endpoint
	quic      bool     // XEP-0467 is offered (XEP-0487)
	direct    bool     // direct TLS is offered (XEP-0487)
	keys      []string // hashes of public keys (XEP-0487)
}

// A link of host-meta.
type link struct {
	Rel  string `xml:"rel,attr" json:"rel"`
	Href string `xml:"href,attr" json:"href"`
	Port int    `xml:"-" json:"port"`
}

const alternative = "urn:xmpp:alt-connections:"

// wellKnown looks at host-meta in both forms.
func (d *doctor) wellKnown(ctx context.Context, s *section) hostMeta {
	var m hostMeta
	var xrd struct {
		Links []link `xml:"Link"`
	}
	var jrd struct {
		Links []link `json:"links"`
		XMPP  *struct {
			Keys []string `json:"public-key-pins-sha-256"`
		} `json:"xmpp"`
	}
	d.page(ctx, s, pageHostMeta, func(b []byte) error { return xml.Unmarshal(b, &xrd) }, func() []link { return xrd.Links })
	d.page(ctx, s, pageHostMetaJSON, func(b []byte) error { return json.Unmarshal(b, &jrd) }, func() []link { return jrd.Links })
	if jrd.XMPP != nil {
		m.keys = jrd.XMPP.Keys
	}
	seen := make(map[string]bool)
	for _, l := range append(xrd.Links, jrd.Links...) {
		kind := strings.TrimPrefix(l.Rel, alternative)
		switch kind {
		case "quic":
			m.quic = true
		case "tls":
			m.direct = true
		case "websocket", "xbosh":
			kind = strings.TrimPrefix(kind, "x")
			if !seen[l.Href] && len(m.endpoints) < maxEndpoints {
				seen[l.Href] = true
				m.endpoints = append(m.endpoints, endpoint{Kind: kind, URL: l.Href})
			}
		}
	}
	var wg sync.WaitGroup
	for i := range m.endpoints {
		wg.Go(func() { d.visit(ctx, &m.endpoints[i]) })
	}
	wg.Wait()
	for _, e := range m.endpoints {
		status := statusOK
		if !e.Works {
			status = statusFailed
		}
		s.list(status, map[string]string{"websocket": "WebSocket", "bosh": "BOSH"}[e.Kind], e.URL, []string{e.Answer})
	}
	return m
}

// page fetches one form of host-meta.
func (d *doctor) page(ctx context.Context, s *section, name string, parse func([]byte) error, links func() []link) {
	p, err := d.fetch(ctx, name)
	switch {
	case errors.Is(err, errNoPage):
		s.add(statusNone, name, "none")
		return
	case err != nil:
		s.add(statusFailed, name, "%s", plainly(err))
		return
	}
	if err := parse(p.body); err != nil {
		s.add(statusFailed, name, "cannot be read: %s", plainly(err))
		return
	}
	n := 0
	for _, l := range links() {
		if strings.HasPrefix(l.Rel, alternative) {
			n++
		}
	}
	if n == 0 {
		s.add(statusNone, name, "names no way to connect")
		return
	}
	if p.header.Get("Access-Control-Allow-Origin") == "" {
		s.add(statusWarning, name, "%s to connect (XEP-0156), but without Access-Control-Allow-Origin: pages of other origins cannot read it", plural(n, "way"))
		return
	}
	s.add(statusOK, name, "%s to connect (XEP-0156)", plural(n, "way"))
}

// errNoPage says that the web server has no such page.
var errNoPage = errors.New("no such page")

// The pages of a domain that are looked at, in /.well-known/.
const (
	pageHostMeta     = "host-meta"
	pageHostMetaJSON = "host-meta.json"
	pagePOSH         = "posh/xmpp-client.json"
)

// A fetched is a page that is there.
type fetched struct {
	body   []byte
	header http.Header
}

// ahead asks for pages side by side: a host that does not answer costs its time
// once.
func (d *doctor) ahead(ctx context.Context, names ...string) map[string]func() (fetched, error) {
	pages := make(map[string]func() (fetched, error))
	for _, name := range names {
		get := sync.OnceValues(func() (fetched, error) { return d.get(ctx, name) })
		pages[name] = get
		go get() // ends with the limit of a step, and whoever needs the page waits for it
	}
	return pages
}

// fetch gets a page of the domain, which may have been asked for already.
func (d *doctor) fetch(ctx context.Context, name string) (fetched, error) {
	if get := d.pages[name]; get != nil {
		return get()
	}
	return d.get(ctx, name)
}

// get asks for a page over HTTPS, with all limits.
func (d *doctor) get(ctx context.Context, name string) (fetched, error) {
	ctx, cancel := timed(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, (&url.URL{Scheme: "https", Host: d.name, Path: "/.well-known/" + name}).String(), nil)
	if err != nil {
		return fetched{}, err
	}
	resp, err := d.httpClient().Do(req)
	if err != nil {
		return fetched{}, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusGone:
		return fetched{}, errNoPage
	default:
		return fetched{}, fmt.Errorf("the web server answers %s", resp.Status)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxPage+1))
	if err == nil && len(b) > maxPage {
		err = fmt.Errorf("more than %d bytes", maxPage)
	}
	return fetched{b, resp.Header}, err
}

func (d *doctor) httpClient() *http.Client {
	return &http.Client{
		Timeout: doctorLimit,
		Transport: &http.Transport{
			DialContext: d.dialWeb, TLSClientConfig: &tls.Config{RootCAs: d.roots},
			TLSHandshakeTimeout: doctorLimit, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if req.URL.Scheme != "https" {
				return fmt.Errorf("it redirects to %s, which is not HTTPS (XEP-0156)", req.URL.Redacted())
			}
			if len(via) > maxRedirects {
				return fmt.Errorf("more than %d redirects", maxRedirects)
			}
			return nil
		},
	}
}

// dialWeb connects to the web server, which for the domain itself may be
// another one than DNS says.
func (d *doctor) dialWeb(ctx context.Context, network, addr string) (net.Conn, error) {
	if d.web != "" && strings.EqualFold(addr, net.JoinHostPort(d.name, "443")) {
		addr = d.web
	}
	nd := net.Dialer{Resolver: d.proxy.Resolver, Timeout: doctorLimit}
	return nd.DialContext(ctx, network, addr)
}

// visit knocks at an endpoint.
func (d *doctor) visit(ctx context.Context, e *endpoint) {
	ctx, cancel := timed(ctx)
	defer cancel()
	u, err := url.Parse(e.URL)
	secure := map[string]string{"websocket": "wss", "bosh": "https"}[e.Kind]
	switch {
	case err != nil:
	case u.Scheme != secure:
		err = fmt.Errorf("clients may only use %s:// (XEP-0156)", secure)
	case e.Kind == "websocket":
		e.Answer, err = d.visitWebSocket(ctx, e.URL)
	default:
		e.Answer, err = d.visitBOSH(ctx, e.URL)
	}
	if e.Works = err == nil; err != nil {
		e.Answer = plainly(err)
	}
}

// visitWebSocket opens a stream (RFC 7395 §3.4).
func (d *doctor) visitWebSocket(ctx context.Context, address string) (string, error) {
	dialer := websocket.Dialer{NetDialContext: d.dialWeb, TLSClientConfig: &tls.Config{RootCAs: d.roots}, Subprotocols: []string{"xmpp"}, HandshakeTimeout: doctorLimit}
	ws, resp, err := dialer.DialContext(ctx, address, nil)
	if err != nil {
		if resp != nil {
			err = fmt.Errorf("no WebSocket: the web server answers %s", resp.Status)
		}
		return "", err
	}
	defer ws.Close()
	if ws.Subprotocol() != "xmpp" {
		return "", fmt.Errorf("the server does not choose the subprotocol xmpp (RFC 7395 §3.1)")
	}
	ws.SetReadLimit(maxPage)
	end := time.Now().Add(doctorLimit)
	ws.SetReadDeadline(end)
	ws.SetWriteDeadline(end)
	if err := ws.WriteMessage(websocket.TextMessage, []byte("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='"+attribute(d.domain)+"' version='1.0'/>")); err != nil {
		return "", err
	}
	_, b, err := ws.ReadMessage()
	if err != nil {
		return "", err
	}
	var root struct{ XMLName xml.Name }
	if xml.Unmarshal(b, &root) != nil || root.XMLName.Local != "open" {
		return "", fmt.Errorf("the server does not open a stream for %s: %.60q", d.domain, b)
	}
	ws.WriteMessage(websocket.TextMessage, []byte("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"))
	return "answers and opens a stream for " + d.domain + " (RFC 7395)", nil
}

// visitBOSH begins a session and ends it (XEP-0124 §7, §12).
func (d *doctor) visitBOSH(ctx context.Context, address string) (string, error) {
	const rid = 1000
	post := func(body string) (sid, kind string, err error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(body))
		if err != nil {
			return "", "", err
		}
		req.Header.Set("Content-Type", "text/xml; charset=utf-8")
		resp, err := d.httpClient().Do(req)
		if err != nil {
			return "", "", err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return "", "", fmt.Errorf("the web server answers %s", resp.Status)
		}
		var root struct {
			XMLName   xml.Name
			SID       string `xml:"sid,attr"`
			Type      string `xml:"type,attr"`
			Condition string `xml:"condition,attr"`
		}
		if err := xml.NewDecoder(io.LimitReader(resp.Body, maxPage)).Decode(&root); err != nil || root.XMLName.Local != "body" {
			return "", "", fmt.Errorf("the answer is not BOSH")
		}
		if root.Type == "terminate" && root.SID == "" {
			return "", "", fmt.Errorf("the server ends the session: %s", root.Condition)
		}
		return root.SID, root.Type, nil
	}
	sid, _, err := post(fmt.Sprintf("<body rid='%d' to='%s' xmlns='http://jabber.org/protocol/httpbind' xml:lang='en' wait='1' hold='1' ver='1.6' content='text/xml; charset=utf-8' xmpp:version='1.0' xmlns:xmpp='urn:xmpp:xbosh'/>", rid, attribute(d.domain)))
	if err != nil {
		return "", err
	}
	if sid == "" {
		return "", fmt.Errorf("the server begins no session for %s", d.domain)
	}
	post(fmt.Sprintf("<body rid='%d' sid='%s' type='terminate' xmlns='http://jabber.org/protocol/httpbind'/>", rid+1, attribute(sid)))
	return "answers and begins a session for " + d.domain + " (XEP-0124)", nil
}

// pins looks for what makes clients refuse an authority of one's own, and
// returns the kinds that are in force.
func (d *doctor) pins(ctx context.Context, s *section, z zone, m hostMeta, offers []*offering) []string {
	var kinds []string
	if d.up.Service {
		targets := slices.Concat(z.clients, z.direct)
		if len(targets) == 0 {
			targets = []string{net.JoinHostPort(d.name, "5222")}
		}
		kinds = append(kinds, d.dane(ctx, s, targets[:min(len(targets), maxTargets)])...)
	}
	if d.posh(ctx, s, offers) {
		kinds = append(kinds, "POSH")
	}
	if len(m.keys) > 0 {
		s.list(statusWarning, "host-meta.json", "pins public keys (XEP-0487). A client that checks them refuses the proxy's authority", m.keys)
		kinds = append(kinds, "XEP-0487")
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// dane looks for pinned certificates in DNS.
func (d *doctor) dane(ctx context.Context, s *section, targets []string) (kinds []string) {
	if d.dns == "" {
		s.add(statusFailed, "DANE", "the system's DNS server is not known: give one with --resolver=ADDR")
		return nil
	}
	found := make([]struct {
		list   []string
		signed bool
		err    error
	}, len(targets))
	var wg sync.WaitGroup
	for i, t := range targets {
		wg.Go(func() { found[i].list, found[i].signed, found[i].err = d.tlsa(ctx, t) })
	}
	wg.Wait()
	for i, t := range targets {
		switch f := found[i]; {
		case f.err != nil:
			s.add(statusFailed, "DANE", "%s: %s", t, plainly(f.err))
		case len(f.list) == 0:
			s.add(statusNone, "DANE", "no TLSA record for %s", t)
		case f.signed:
			s.list(statusWarning, "DANE", t+": signed TLSA records (RFC 7673). A client that checks them refuses the proxy's authority", f.list)
			kinds = append(kinds, "DANE")
		default:
			s.list(statusNone, "DANE", t+": TLSA records, which the DNS server does not call signed: they count for nobody", f.list)
		}
	}
	return kinds
}

// posh reads the certificates of RFC 7711; one step of delegation is followed.
func (d *doctor) posh(ctx context.Context, s *section, offers []*offering) bool {
	p, err := d.fetch(ctx, pagePOSH)
	switch {
	case errors.Is(err, errNoPage):
		s.add(statusNone, "POSH", "none")
		return false
	case err != nil:
		s.add(statusFailed, "POSH", "%s", plainly(err))
		return false
	}
	var doc struct {
		URL          string              `json:"url"`
		Fingerprints []map[string]string `json:"fingerprints"`
	}
	if err := json.Unmarshal(p.body, &doc); err != nil {
		s.add(statusFailed, "POSH", "cannot be read: %s", plainly(err))
		return false
	}
	if doc.URL != "" {
		s.add(statusWarning, "POSH", "refers to %s (RFC 7711). A client that checks it refuses the proxy's authority", doc.URL)
		return true
	}
	if len(doc.Fingerprints) == 0 {
		s.add(statusFailed, "POSH", "names no certificate")
		return false
	}
	text := "names no certificate that the server shows"
	for _, o := range offers {
		if o.state == nil {
			continue
		}
		sum := sha256.Sum256(o.state.PeerCertificates[0].Raw)
		for _, f := range doc.Fingerprints {
			if f["sha-256"] == base64.StdEncoding.EncodeToString(sum[:]) {
				text = "names the server's certificate"
			}
		}
	}
	s.add(statusWarning, "POSH", "%s (RFC 7711). A client that checks it refuses the proxy's authority", text)
	return true
}
