package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
	"github.com/xmpplens/xmpplens/proxy/session"
	"github.com/xmpplens/xmpplens/record"
)

func TestParseEndpoint(t *testing.T) {
	for in, want := range map[string]string{
		"ws://localhost:5280/xmpp-websocket": "ws://localhost:5280/xmpp-websocket",
		"wss://chat.example.org/ws?x=1":      "wss://chat.example.org/ws?x=1",
		"https://[::1]:443/http-bind":        "https://[::1]/http-bind",
		"http://h":                           "http://h/",
		"ws://":                              "the host is missing",
		"ws://u@h/":                          "a user has no place in it",
		"ws://h/#x":                          "a fragment has no place in it",
		"ws://h:0/":                          `port "0" is not between 1 and 65535`,
		"ws://h:x/":                          "invalid port",
		"ftp://h/":                           "unknown scheme",
	} {
		up, err := ParseUpstream(in)
		got := up.String()
		if err != nil {
			got = err.Error()
			if hintOf(err) != upstreamForms {
				t.Errorf("%s: hint %q", in, hintOf(err))
			}
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

// startFront runs a proxy in front of an endpoint and returns its address, its
// authority, and a function that ends it and returns what was recorded.
func startFront(t *testing.T, upstream string, change func(*Proxy)) (addr string, ca *proxytest.CA, end func() []record.Event) {
	t.Helper()
	up, err := ParseUpstream(upstream)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "r.jsonl")
	log, err := record.Create(file, record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ca = proxytest.NewCA(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Upstream: up, Log: log, CA: ca.Authority}
	if change != nil {
		change(p)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Serve(ctx, ln) }() // ends with ctx
	ended := false
	end = func() []record.Event {
		if ended {
			return nil
		}
		ended = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		log.Close()
		r, err := record.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		var evs []record.Event
		for {
			ev, err := r.Next(context.Background())
			if errors.Is(err, io.EOF) {
				return evs
			}
			if err != nil {
				t.Fatal(err)
			}
			ev.Data = append([]byte(nil), ev.Data...)
			evs = append(evs, ev)
		}
	}
	t.Cleanup(func() { end() })
	return ln.Addr().String(), ca, end
}

func get(t *testing.T, c *http.Client, url string) (int, http.Header, string) {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

// What is not XMPP is passed to the same origin, and host-meta names the proxy.
func TestFrontPassesOn(t *testing.T) {
	var origin, posted, upstream string
	mux := http.NewServeMux()
	mux.HandleFunc("/app/", func(w http.ResponseWriter, r *http.Request) {
		origin = r.Header.Get("Origin")
		w.Header().Set("Alt-Svc", `h3=":443"`)
		io.WriteString(w, "page of "+r.Host)
	})
	mux.HandleFunc("/post", func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		posted = string(b)
	})
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+upstream+"/app/", http.StatusFound)
	})
	mux.HandleFunc("/.well-known/host-meta", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `<XRD><Link rel="urn:xmpp:alt-connections:websocket" href="ws://`+upstream+`/ws?a=1&amp;b=2"/><Link href='http://`+upstream+`/bosh'/><Link href="wss://elsewhere.example/ws"/></XRD>`)
	})
	mux.HandleFunc("/.well-known/host-meta.json", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"links":[{"href":"ws:\/\/`+upstream+`\/ws"},{"href":"wss://elsewhere.example/ws"}]}`)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	upstream = strings.TrimPrefix(server.URL, "http://")
	addr, ca, end := startFront(t, "ws://"+upstream+"/ws", nil)
	roots := x509.NewCertPool()
	roots.AddCert(ca.Certificate())
	client := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for _, scheme := range []string{"http", "https"} {
		own, ws := scheme+"://"+addr, "ws"+strings.TrimPrefix(scheme, "http")+"://"+addr
		req, _ := http.NewRequest("GET", own+"/app/", nil)
		req.Header.Set("Origin", own)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		if string(b) != "page of "+upstream || origin != "http://"+upstream || resp.Header.Get("Alt-Svc") != "" {
			t.Errorf("%q from origin %q, %v", b, origin, resp.Header)
		}
		if _, h, _ := get(t, client, own+"/away"); h.Get("Location") != own+"/app/" {
			t.Errorf("redirected to %q", h.Get("Location"))
		}
		if code, _, _ := get(t, client, own+"/nothing"); code != http.StatusNotFound {
			t.Errorf("status %d", code)
		}
		_, _, meta := get(t, client, own+"/.well-known/host-meta")
		if want := `<XRD><Link rel="urn:xmpp:alt-connections:websocket" href="` + ws + `/ws?a=1&amp;b=2"/><Link href="` + own + `/bosh"/><Link href="wss://elsewhere.example/ws"/></XRD>`; meta != want {
			t.Errorf("host-meta\n got %s\nwant %s", meta, want)
		}
		_, _, meta = get(t, client, own+"/.well-known/host-meta.json")
		if want := `{"links":[{"href":"` + ws + `/ws"},{"href":"wss://elsewhere.example/ws"}]}`; meta != want {
			t.Errorf("host-meta.json\n got %s\nwant %s", meta, want)
		}
	}
	long := "<?xml version='1.0'?><body rid='1'>" + strings.Repeat("x", 1<<20) + "</body>"
	if _, err := client.Post("http://"+addr+"/post", "text/xml", strings.NewReader(long)); err != nil || posted != long {
		t.Errorf("%v: %d bytes arrived, want %d", err, len(posted), len(long))
	}
	edits, passed := 0, 0
	for _, ev := range end() {
		if ev.E != record.EventHTTP {
			continue
		}
		passed++
		if ev.HasData {
			edits++
			if !strings.Contains(ev.Why, upstream+"/ws") || !strings.Contains(ev.Why, "elsewhere.example/ws stays") {
				t.Errorf("%s: %s", ev.Text, ev.Why)
			}
		}
	}
	if edits != 4 || passed != 11 {
		t.Errorf("%d edits, %d requests", edits, passed)
	}
}

func TestFrontTellsBOSH(t *testing.T) {
	for body, want := range map[string]bool{
		"<body xmlns='" + nsHTTPBind + "'/>":                                      true,
		" \n<?xml version='1.0'?>\n<b:body rid='1' xmlns:b='" + nsHTTPBind + "'>": true,
		"<body xmlns='other'>" + nsHTTPBind + "</body>":                           false,
		"{}":                                false,
		"":                                  false,
		"<" + strings.Repeat("a", boshPeek): false,
	} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		if got := isBOSH(r); got != want {
			t.Errorf("%.80q: %v", body, got)
		}
		if b, err := io.ReadAll(r.Body); err != nil || string(b) != body {
			t.Errorf("%.80q became %.80q, %v", body, b, err)
		}
	}
}

func TestFrontNoServer(t *testing.T) {
	addr, _, end := startFront(t, "http://127.0.0.1:"+strings.TrimPrefix(closedPort(t), "127.0.0.1:")+"/http-bind", func(p *Proxy) { p.ClientTLS = session.Off })
	resp, err := http.Get("http://" + addr + "/")
	if err != nil || resp.StatusCode != http.StatusBadGateway {
		t.Fatalf("%v, %v", resp, err)
	}
	if _, err := (&http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}).Get("https://" + addr + "/"); err == nil {
		t.Error("TLS although it is off")
	}
	var hints []string
	for _, ev := range end() {
		if ev.Level == "error" {
			hints = append(hints, ev.Hint)
		}
	}
	if s := strings.Join(hints, "\n"); len(hints) != 2 || !strings.Contains(s, "nothing listens at") || !strings.Contains(s, "--client-tls=mirror") {
		t.Errorf("hints %s", s)
	}
}

// closedPort is an address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func TestFrontClientDistrusts(t *testing.T) {
	var log *record.Log
	addr, _, _ := startFront(t, "ws://"+closedPort(t)+"/ws", func(p *Proxy) { log = p.Log })
	if _, err := http.Get("https://" + addr + "/"); err == nil {
		t.Fatal("trusts an unknown authority")
	}
	r := log.Reader()
	defer r.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for {
		ev, err := r.Next(ctx)
		if err != nil {
			t.Fatalf("not noted: %v", err)
		}
		if ev.Level == "error" && strings.Contains(ev.Text, "remote error: tls") && strings.Contains(ev.Hint, "xmpplens ca") {
			return
		}
	}
}
