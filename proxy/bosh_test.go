package proxy

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/record"
)

const bindNS = "xmlns='http://jabber.org/protocol/httpbind'"

// manager is a connection manager whose answers a test gives.
type manager struct {
	*httptest.Server
	mu   sync.Mutex
	seen []string // bodies
	head []http.Header
}

// newManager starts one. answer gets the body of a request.
func newManager(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, body string)) *manager {
	t.Helper()
	m := &manager{}
	m.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		m.mu.Lock()
		m.seen = append(m.seen, string(b))
		m.head = append(m.head, r.Header)
		m.mu.Unlock()
		answer(w, r, string(b))
	}))
	t.Cleanup(m.Close)
	return m
}

func (m *manager) bodies() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Join(m.seen, "\n")
}

// post makes a BOSH request and returns the answer's status and body.
func post(t *testing.T, c *http.Client, url, body string, header ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, string(b)
}

// story renders what was recorded: events with their requests.
func story(evs []record.Event) string {
	var out []string
	for _, ev := range evs {
		s := ev.E
		switch ev.E {
		case record.EventData, record.EventInject, record.EventEdit:
			s = fmt.Sprintf("%s %s", ev.E, ev.D)
			if ev.RID != 0 {
				s += fmt.Sprintf(" %d", ev.RID)
			}
			if ev.More {
				s += "+"
			}
		case record.EventNote:
			if ev.RID == 0 {
				continue
			}
			s = fmt.Sprintf("note %d", ev.RID)
		case record.EventClose:
			s = "close " + ev.By
		case record.EventSecure:
			s += " " + ev.Leg
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

func grants(w http.ResponseWriter) {
	io.WriteString(w, "<body "+bindNS+" sid='s' wait='60' hold='1' requests='2' inactivity='1'/>")
}

func empty(rid int) string { return fmt.Sprintf("<body %s sid='s' rid='%d'/>", bindNS, rid) }

// A session with a poll that waits while another request is made: everything as
// it was on both sides, one connection of the recording.
func TestBOSHSession(t *testing.T) {
	held, release := make(chan bool, 1), make(chan bool)
	m := newManager(t, func(w http.ResponseWriter, r *http.Request, body string) {
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		w.Header().Set("Access-Control-Allow-Origin", "https://page.example")
		switch {
		case !strings.Contains(body, "sid="):
			grants(w)
		case strings.Contains(body, "rid='11'"):
			held <- true
			<-release
			io.WriteString(w, "<body "+bindNS+"><message/></body>")
		case strings.Contains(body, "terminate"):
			io.WriteString(w, "<body "+bindNS+" type='terminate'/>")
		default:
			close(release)
			io.WriteString(w, "<body "+bindNS+"/>")
		}
	})
	m.Start()
	addr, _, end := startFront(t, m.URL+"/http-bind", nil)
	url := "http://" + addr + "/http-bind?x=1"
	c := &http.Client{}
	start := "<?xml version='1.0'?>\n<body " + bindNS + " rid='10' to='upstream.test'/>"
	if code, got := post(t, c, url, start, "Accept-Encoding", "gzip, br", "Origin", "https://page.example"); code != 200 || !strings.Contains(got, "sid='s'") {
		t.Fatalf("%d %s", code, got)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, got := post(t, c, url, empty(11)); got != "<body "+bindNS+"><message/></body>" {
			t.Errorf("the poll gets %s", got)
		}
	})
	<-held
	if _, got := post(t, c, url, "<body "+bindNS+" sid='s' rid='12'><presence xmlns='jabber:client'/></body>"); got != "<body "+bindNS+"/>" {
		t.Errorf("the presence gets %s", got)
	}
	wg.Wait()
	post(t, c, url, "<body "+bindNS+" sid='s' rid='13' type='terminate'/>")
	evs := end()
	want := "open, data CS 10, data SC 10, data CS 11, data CS 12, data SC 12, data SC 11, data CS 13, data SC 13, close client"
	if got := story(evs); got != want && got != strings.Replace(want, "data SC 12, data SC 11", "data SC 11, data SC 12", 1) {
		t.Errorf("recorded %s", got)
	}
	for _, ev := range evs {
		if ev.C != 1 {
			t.Errorf("%s is of connection %d", ev.E, ev.C)
		}
	}
	if evs[0].Transport != record.TransportBOSH || evs[0].Server != m.URL+"/http-bind" || string(evs[1].Data) != start {
		t.Errorf("%+v\n%s", evs[0], evs[1].Data)
	}
	if !strings.HasPrefix(m.bodies(), start+"\n"+empty(11)+"\n") {
		t.Errorf("the server saw %s", m.bodies())
	}
	for _, h := range m.head {
		if h.Get("Accept-Encoding") != "" || h.Get("Idempotency-Key") != "" {
			t.Errorf("the server is asked for %v", h)
		}
	}
	if h := m.head[0]; h.Get("Origin") != "https://page.example" || h.Get("User-Agent") == "" {
		t.Errorf("%v", h)
	}
}

// Compression is taken off, and bodies recorded without.
func TestBOSHCompression(t *testing.T) {
	pack := func(s string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		io.WriteString(z, s)
		z.Close()
		return b.String()
	}
	m := newManager(t, func(w http.ResponseWriter, r *http.Request, body string) {
		if strings.Contains(body, "rid='11'") {
			w.Header().Set("Content-Encoding", "deflate")
			z := zlib.NewWriter(w)
			io.WriteString(z, "<body "+bindNS+"/>")
			z.Close()
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		io.WriteString(w, pack("<body "+bindNS+" sid='s'/>"))
	})
	m.Start()
	addr, _, end := startFront(t, m.URL+"/http-bind", nil)
	c := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	first := "<body " + bindNS + " rid='10' to='a'/>"
	if _, got := post(t, c, "http://"+addr+"/http-bind", pack(first), "Content-Encoding", "gzip"); got != "<body "+bindNS+" sid='s'/>" {
		t.Errorf("gzip: %q", got)
	}
	if _, got := post(t, c, "http://"+addr+"/http-bind", empty(11)); got != "<body "+bindNS+"/>" {
		t.Errorf("deflate: %q", got)
	}
	if code, _ := post(t, c, "http://"+addr+"/http-bind", "\x1f\x8bno", "Content-Encoding", "gzip"); code != http.StatusBadRequest {
		t.Errorf("what is no gzip: %d", code)
	}
	if m.seen[0] != first || m.head[0].Get("Content-Encoding") != "" {
		t.Errorf("the server saw %q", m.seen[0])
	}
	notes := 0
	for _, ev := range end() {
		if strings.Contains(ev.Text, "HTTP compression is taken off") {
			notes++
		}
	}
	if notes != 1 {
		t.Errorf("said %d times", notes)
	}
}

// Errors of HTTP are entries, and reach the client as they are.
func TestBOSHErrors(t *testing.T) {
	m := newManager(t, func(w http.ResponseWriter, r *http.Request, body string) {
		if strings.Contains(body, "rid='12'") {
			panic(http.ErrAbortHandler)
		}
		http.Error(w, "no such session", http.StatusNotFound)
	})
	m.Start()
	addr, _, end := startFront(t, m.URL+"/http-bind", nil)
	url := "http://" + addr + "/http-bind"
	if code, got := post(t, http.DefaultClient, url, empty(11)); code != 404 || got != "no such session\n" {
		t.Errorf("%d %q", code, got)
	}
	if code, got := post(t, http.DefaultClient, url, empty(12)); code != 502 || !strings.Contains(got, "EOF") {
		t.Errorf("%d %q", code, got)
	}
	m.Close()
	if code, got := post(t, http.DefaultClient, url, "<body "+bindNS+" rid='1' to='a'/>"); code != 502 || !strings.Contains(got, "refused") {
		t.Errorf("%d %q", code, got)
	}
	evs := end()
	if got := story(evs); got != "open, data CS 11, note 11, close server, open, data CS 12, note 12, open, data CS 1, note 1, close server, close proxy" {
		t.Errorf("recorded %s", got)
	}
	for _, ev := range evs {
		if ev.RID == 11 && ev.E == record.EventNote && (ev.Level != "error" || !strings.Contains(ev.Text, "HTTP 404 Not Found: no such session") || ev.Hint == "") {
			t.Errorf("%+v", ev)
		}
	}
}

// A client that gives a poll up: the server hears of it, and so does the log.
func TestBOSHGivenUp(t *testing.T) {
	held, gone := make(chan bool, 1), make(chan bool)
	m := newManager(t, func(w http.ResponseWriter, r *http.Request, body string) {
		if !strings.Contains(body, "sid=") {
			grants(w)
			return
		}
		held <- true
		<-r.Context().Done()
		close(gone)
	})
	m.Start()
	var log *record.Log
	addr, _, end := startFront(t, m.URL, func(p *Proxy) { p.boshDelay, log = time.Millisecond, p.Log })
	post(t, http.DefaultClient, "http://"+addr+"/", "<body "+bindNS+" rid='10' to='a'/>")
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		r, _ := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/", strings.NewReader(empty(11)))
		if resp, err := http.DefaultClient.Do(r); err == nil {
			resp.Body.Close()
			t.Error("an answer")
		}
	})
	<-held
	cancel()
	<-gone
	wg.Wait()
	// No other request comes, so the session ends as the server ends it.
	limit, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	for r := log.Reader(); ; {
		ev, err := r.Next(limit)
		if err != nil {
			t.Fatal(err)
		}
		if ev.E == record.EventClose {
			break
		}
	}
	if got := story(end()); !strings.HasPrefix(got, "open, data CS 10, data SC 10, data CS 11, note 11, close client") {
		t.Errorf("recorded %s", got)
	}
}

// What is too large to be looked at passes whole, in pieces.
func TestBOSHLarge(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", boshBody/16+10_000)
	m := newManager(t, func(w http.ResponseWriter, r *http.Request, body string) {
		if r.ContentLength != int64(len(body)) {
			t.Errorf("the request comes in chunks")
		}
		io.WriteString(w, strings.Replace(body, "rid=", "x=", 1))
	})
	m.Start()
	addr, _, end := startFront(t, m.URL, nil)
	body := "<body " + bindNS + " sid='s' rid='11'><message xmlns='jabber:client'><body>" + big + "</body></message></body>"
	if _, got := post(t, http.DefaultClient, "http://"+addr+"/", body); got != strings.Replace(body, "rid=", "x=", 1) {
		t.Errorf("%d bytes come back of %d", len(got), len(body))
	}
	if m.bodies() != body {
		t.Errorf("the server saw %d bytes of %d", len(m.bodies()), len(body))
	}
	var cs, sc string
	for _, ev := range end() {
		switch {
		case ev.E == record.EventData && ev.D == record.CS:
			cs += string(ev.Data)
		case ev.E == record.EventData:
			sc += string(ev.Data)
		}
	}
	if cs != body || len(sc) != len(body)-2 {
		t.Errorf("recorded %d and %d bytes of %d", len(cs), len(sc), len(body))
	}
}

// Requests that come one behind the other on one connection, without waiting for
// answers, are answered in their order.
func TestBOSHPipelined(t *testing.T) {
	m := newManager(t, func(w http.ResponseWriter, r *http.Request, body string) {
		_, rid, _ := strings.Cut(body, "rid='")
		io.WriteString(w, "<body "+bindNS+" ack='"+rid[:2]+"'/>")
	})
	m.Start()
	addr, _, end := startFront(t, m.URL, nil)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for rid := range 3 {
		body := empty(11 + rid)
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	in := bufio.NewReader(c)
	for rid := range 3 {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		if want := fmt.Sprintf("ack='%d'", 11+rid); !strings.Contains(string(b), want) {
			t.Errorf("answer %d is %s", rid, b)
		}
	}
	if got := story(end()); got != "open, data CS 11, data SC 11, data CS 12, data SC 12, data CS 13, data SC 13, close proxy" {
		t.Errorf("recorded %s", got)
	}
}

// A proxy that ends answers the polls that wait.
func TestBOSHShutdown(t *testing.T) {
	held := make(chan bool, 1)
	m := newManager(t, func(w http.ResponseWriter, r *http.Request, body string) {
		if !strings.Contains(body, "sid=") {
			grants(w)
			return
		}
		held <- true
		<-r.Context().Done()
	})
	m.Start()
	addr, _, end := startFront(t, m.URL, nil)
	post(t, http.DefaultClient, "http://"+addr+"/", "<body "+bindNS+" rid='10' to='a'/>")
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, got := post(t, http.DefaultClient, "http://"+addr+"/", empty(11)); !strings.Contains(got, "condition='system-shutdown'") {
			t.Errorf("the poll gets %q", got)
		}
	})
	<-held
	evs := end()
	wg.Wait()
	if got := story(evs); got != "open, data CS 10, data SC 10, data CS 11, inject SC 11, close proxy" {
		t.Errorf("recorded %s", got)
	}
}

// TLS on both legs is told, features are edited, and the length is right.
func TestBOSHSecured(t *testing.T) {
	const features = "<stream:features xmlns:stream='http://etherx.jabber.org/streams'><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-1-PLUS</mechanism><mechanism>PLAIN</mechanism></mechanisms></stream:features>"
	m := newManager(t, func(w http.ResponseWriter, r *http.Request, body string) {
		io.WriteString(w, "<body "+bindNS+" sid='s'>"+features+"</body>")
	})
	m.StartTLS()
	addr, ca, end := startFront(t, m.URL+"/http-bind", func(p *Proxy) { p.Insecure = true })
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Pool()}}}
	_, got := post(t, c, "https://"+addr+"/http-bind", "<body "+bindNS+" rid='10' to='a'/>")
	if want := "<body " + bindNS + " sid='s'>" + strings.Replace(features, "<mechanism>SCRAM-SHA-1-PLUS</mechanism>", "", 1) + "</body>"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := story(end()); got != "open, secure client, data CS 10, secure server, edit SC, data SC 10, close proxy" {
		t.Errorf("recorded %s", got)
	}
}

// What is around BOSH passes: preflights of CORS, and the page that a server
// shows at its endpoint.
func TestBOSHAround(t *testing.T) {
	m := newManager(t, func(w http.ResponseWriter, r *http.Request, body string) {
		w.Header().Set("Access-Control-Allow-Methods", "GET, OPTIONS, POST")
		if r.Method == http.MethodGet {
			io.WriteString(w, "It works!")
		}
	})
	m.Start()
	addr, _, _ := startFront(t, m.URL+"/http-bind", nil)
	r, _ := http.NewRequest(http.MethodOptions, "http://"+addr+"/http-bind", nil)
	r.Header.Set("Access-Control-Request-Method", "POST")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := resp.Header.Get("Access-Control-Allow-Methods"); got != "GET, OPTIONS, POST" {
		t.Errorf("preflight: %q", got)
	}
	if _, _, got := get(t, http.DefaultClient, "http://"+addr+"/http-bind"); got != "It works!" {
		t.Errorf("GET: %q", got)
	}
}
