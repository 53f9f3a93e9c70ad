package proxy

import (
	"crypto/tls"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	gorilla "github.com/gorilla/websocket"

	"github.com/xmpplens/xmpplens/record"
)

// chat is a server with a WebSocket for XMPP that says one thing and hangs up.
// It returns its origin and what the Origin headers of its clients were.
func chat(t *testing.T, secure bool, say func() string) (origin string, from chan string) {
	t.Helper()
	from = make(chan string, 10)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := (&gorilla.Upgrader{Subprotocols: []string{"xmpp"}, CheckOrigin: func(*http.Request) bool { return true }}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		from <- r.Header.Get("Origin")
		c.WriteMessage(gorilla.TextMessage, []byte(say()))
		c.ReadMessage()
	}))
	if secure {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return server.URL, from
}

// said opens a WebSocket and returns the first message.
func said(t *testing.T, d *gorilla.Dialer, uri, origin string) string {
	t.Helper()
	c, _, err := d.Dial(uri, http.Header{"Origin": {origin}})
	if err != nil {
		t.Fatalf("%s: %v", uri, err)
	}
	defer c.Close()
	_, b, err := c.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func closeTo(uri string) string {
	return "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing' see-other-uri='" + html.EscapeString(uri) + "'/>"
}

var seeOther = regexp.MustCompile(`see-other-uri='([^']*)'|<uri>([^<]*)</uri>`)

func otherOf(t *testing.T, s string) string {
	t.Helper()
	m := seeOther.FindStringSubmatch(s)
	if m == nil {
		t.Fatalf("no redirect in %s", s)
	}
	return html.UnescapeString(m[1] + m[2])
}

// A client that is sent to another server gets there through the proxy, in the
// way in which it came, and back again.
func TestWebSocketElsewhere(t *testing.T) {
	var first string
	second, from := chat(t, true, func() string { return closeTo("ws" + strings.TrimPrefix(first, "http") + "/back") })
	target := "wss" + strings.TrimPrefix(second, "https") + "/ws?a=1&b=2"
	first, _ = chat(t, false, func() string { return closeTo(target) })
	addr, ca, end := startFront(t, "ws"+strings.TrimPrefix(first, "http")+"/ws", func(p *Proxy) { p.Insecure = true })
	d := &gorilla.Dialer{Subprotocols: []string{"xmpp"}, TLSClientConfig: &tls.Config{RootCAs: ca.Pool()}}
	_, port, _ := strings.Cut(addr, ":")
	ports := make(map[string]bool)
	for _, scheme := range []string{"ws", "wss", "ws"} {
		origin := "http" + strings.TrimPrefix(scheme, "ws") + "://localhost:" + port
		there := otherOf(t, said(t, d, scheme+"://localhost:"+port+"/ws", origin))
		host, rest, _ := strings.Cut(strings.TrimPrefix(there, scheme+"://localhost:"), "/")
		if strings.Contains(host, ":") || host == port || rest != "ws?a=1&b=2" {
			t.Fatalf("%s became %s", target, there)
		}
		ports[host] = true
		back := otherOf(t, said(t, d, there, origin))
		if o := <-from; o != first {
			t.Errorf("the other server sees a page of %s, not of %s", o, first)
		}
		if want := scheme + "://localhost:" + port + "/back"; back != want {
			t.Errorf("from there it leads back to %s, not %s", back, want)
		}
	}
	if len(ports) != 1 {
		t.Errorf("%d listeners for one origin", len(ports))
	}
	target = "ws://localhost:" + port + "/own" // the proxy's own address stays
	if got := otherOf(t, said(t, d, "ws://localhost:"+port+"/ws", "")); got != target {
		t.Errorf("%s became %s", target, got)
	}
	target = "xmpp:b.example"
	if got := otherOf(t, said(t, d, "ws://localhost:"+port+"/ws", "")); got != target {
		t.Errorf("%s became %s", target, got)
	}
	edits, warnings := 0, 0
	servers := make(map[string]bool)
	for _, ev := range end() {
		switch {
		case ev.E == record.EventEdit && strings.Contains(ev.Why, "is the proxy's way there"):
			edits++
		case ev.E == record.EventOpen:
			servers[ev.Server] = true
		case strings.Contains(ev.Text, "past the proxy"):
			warnings++
		}
	}
	if edits != 6 || warnings != 1 || len(servers) != 2 {
		t.Errorf("%d edits, %d warnings, servers %v", edits, warnings, servers)
	}
}

// The same over BOSH. A page may read what the other server lets it read.
func TestBOSHElsewhere(t *testing.T) {
	target, origin := "", ""
	answer := func(w http.ResponseWriter, r *http.Request, body string) {
		origin = r.Header.Get("Origin")
		w.Header().Set("Access-Control-Allow-Origin", origin)
		io.WriteString(w, "<body "+bindNS+" type='terminate' condition='see-other-uri'><uri>"+html.EscapeString(target)+"</uri></body>")
	}
	m, other := newManager(t, answer), newManager(t, answer)
	m.Start()
	other.StartTLS()
	addr, _, end := startFront(t, m.URL+"/http-bind", func(p *Proxy) { p.Insecure = true })
	const begin = "<body " + bindNS + " rid='10' to='a'/>"
	ask := func(at, send string) string {
		t.Helper()
		target = send
		r, _ := http.NewRequest(http.MethodPost, at, strings.NewReader(begin))
		r.Header.Set("Origin", "http://"+addr)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if allowed := resp.Header.Get("Access-Control-Allow-Origin"); origin != m.URL || allowed != "http://"+addr {
			t.Errorf("%s: the server sees a page of %s, may be read by %s", at, origin, allowed)
		}
		b, _ := io.ReadAll(resp.Body)
		return otherOf(t, string(b))
	}
	main := "http://" + addr + "/http-bind"
	there := ask(main, other.URL+"/b?x=1&y=2")
	if !strings.HasPrefix(there, "http://127.0.0.1:") || !strings.HasSuffix(there, "/b?x=1&y=2") || strings.HasPrefix(there, "http://"+addr) {
		t.Fatalf("sent to %s", there)
	}
	if back := ask(there, m.URL+"/b"); back != "http://"+addr+"/b" {
		t.Errorf("back at %s", back)
	}
	if n := strings.Count(other.bodies(), "rid="); n != 1 {
		t.Errorf("the other server got %d requests", n)
	}
	if own := ask(main, m.URL+"/b"); own != "http://"+addr+"/b" {
		t.Errorf("another path of the same server became %s", own)
	}
	if away := ask(main, "news:b.example"); away != "news:b.example" {
		t.Errorf("nonsense became %s", away)
	}
	edits, warned := 0, 0
	for _, ev := range end() {
		if ev.E == record.EventEdit {
			edits++
		}
		if ev.Level == "warning" && strings.Contains(ev.Text, "past the proxy") {
			warned++
		}
	}
	if edits != 3 || warned != 1 {
		t.Errorf("%d edits, %d warnings", edits, warned)
	}
}

// What host-meta names elsewhere leads there through the proxy, too, as far as it
// is XMPP over HTTP.
func TestHostMetaElsewhere(t *testing.T) {
	document := `<XRD><Link rel='urn:xmpp:alt-connections:websocket' href='wss://b.example/ws'/><Link href="http://c.example/"/><Link rel="urn:xmpp:alt-connections:xbosh" href="https://b.example/b"/></XRD>`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, document) }))
	defer server.Close()
	addr, _, end := startFront(t, server.URL+"/http-bind", nil)
	_, _, got := get(t, http.DefaultClient, "http://"+addr+"/.well-known/host-meta")
	form := regexp.MustCompile(`^<XRD><Link rel='urn:xmpp:alt-connections:websocket' href="ws://127.0.0.1:(\d+)/ws"/><Link href="http://c.example/"/><Link rel="urn:xmpp:alt-connections:xbosh" href="http://127.0.0.1:(\d+)/b"/></XRD>$`)
	if m := form.FindStringSubmatch(got); m == nil || m[1] != m[2] || "127.0.0.1:"+m[1] == addr {
		t.Errorf("host-meta became %s", got)
	}
	document = `{"links":[{"rel":"urn:xmpp:alt-connections:tls","port":443},{"rel":"urn:xmpp:alt-connections:quic","port":443},{"rel":"urn:xmpp:alt-connections:quic","port":444}]}`
	if _, _, got := get(t, http.DefaultClient, "http://"+addr+"/.well-known/host-meta.json"); got != document {
		t.Errorf("host-meta.json became %s", got)
	}
	var warnings []string
	for _, ev := range end() {
		if ev.Level == "warning" {
			warnings = append(warnings, fmt.Sprint(ev.Text, " ", ev.Hint))
		}
	}
	if s := strings.Join(warnings, "\n"); len(warnings) != 2 || !strings.Contains(s, "direct TLS (XEP-0368)") || !strings.Contains(s, "QUIC (XEP-0467)") || !strings.Contains(s, "block UDP") {
		t.Errorf("warned of %s", s)
	}
}
