package web

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// A caller asks as curl does, with the token.
type caller struct{ base, token string }

type answered struct {
	status int
	header http.Header
	body   string
}

func call(url string) *caller {
	base, token, _ := strings.Cut(url, "?token=")
	return &caller{base, token}
}

func (c *caller) do(t testing.TB, method, path string, body io.Reader, headers ...string) *answered {
	t.Helper()
	r, err := http.NewRequest(method, c.base+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return &answered{resp.StatusCode, resp.Header, string(b)}
}

func (c *caller) get(t testing.TB, path string, headers ...string) *answered {
	t.Helper()
	return c.do(t, "GET", path, nil, headers...)
}

func (c *caller) post(t testing.TB, path, body string, headers ...string) *answered {
	t.Helper()
	return c.do(t, "POST", path, strings.NewReader(body), headers...)
}

func (r *answered) ok(t testing.TB, v any) {
	t.Helper()
	if r.status != 200 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if v == nil {
		return
	}
	if err := json.Unmarshal([]byte(r.body), v); err != nil {
		t.Fatalf("%v: %s", err, r.body)
	}
}

// dialPath opens a socket at a path as the page does.
func dialPath(t testing.TB, url, path string) *websocket.Conn {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Jar: jar}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	d := websocket.Dialer{Jar: jar, EnableCompression: true}
	ws, _, err := d.Dial("ws://"+resp.Request.URL.Host+"/"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.Close() })
	return ws
}

func TestAPI(t *testing.T) {
	log, s, url := show(t)
	c := call(url)
	say(log, record.CS, header+"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvbWVvAHNlY3JldA==</auth><iq type='get' id='a'><ping xmlns='urn:xmpp:ping'/></iq>")
	s.Source.Wait(t.Context(), func(s timeline.Status) bool { return s.Known > 2 })
	var window struct {
		Total, Next int
		Done        bool
		Entries     []map[string]any
	}
	c.get(t, "api/entries?from=2").ok(t, &window)
	if window.Total != 3 || window.Next != 4 || window.Done || len(window.Entries) != 2 || window.Entries[1]["n"] != 3.0 {
		t.Errorf("%+v", window)
	}
	if raw := window.Entries[0]["raw"].(string); strings.Contains(raw, "AHJv") {
		t.Errorf("a password: %s", raw)
	}
	c.get(t, "api/entries?filter=iq&format=row").ok(t, &window)
	if len(window.Entries) != 1 || window.Entries[0]["kind"] != "iq" || window.Next != 4 {
		t.Errorf("%+v", window)
	}
	c.get(t, "api/search?q=PING%22").ok(t, &window)
	if len(window.Entries) != 0 {
		t.Errorf("%+v", window)
	}
	c.get(t, "api/search?q=URN:xmpp:PING&filter=iq").ok(t, &window)
	if len(window.Entries) != 1 {
		t.Errorf("%+v", window)
	}
	// What does not change is not sent twice.
	first := c.get(t, "api/entry/3")
	var e map[string]any
	first.ok(t, &e)
	tag := first.header.Get("ETag")
	if e["kind"] != "iq" || tag == "" {
		t.Errorf("%v %q", e, tag)
	}
	if r := c.get(t, "api/entry/3", "If-None-Match", tag); r.status != 304 || r.body != "" {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := c.get(t, "api/entry/2", "If-None-Match", tag); r.status != 200 {
		t.Errorf("another entry: %d", r.status)
	}
	if r := c.get(t, "api/entries?from=1&count=100"); r.header.Get("ETag") != "" {
		t.Error("a list that will grow has an ETag")
	}
	if r := c.get(t, "api/entries?from=1&count=2"); r.header.Get("ETag") == "" {
		t.Error("a list that cannot change has none")
	}
	js := c.get(t, "app.js")
	if r := c.get(t, "app.js", "If-None-Match", js.header.Get("ETag")); r.status != 304 || js.header.Get("Cache-Control") != "no-cache" {
		t.Errorf("%d %v", r.status, js.header)
	}
	for _, x := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"GET", "api/entry/4", "", 404, "there are 3"},
		{"GET", "api/entry/x", "", 404, "no entry"},
		{"GET", "api/entries?from=-1", "", 400, "is no number"},
		{"GET", "api/entries?filter=tipe+==+1", "", 400, "did you mean type"},
		{"GET", "api/entries?format=xml", "", 400, "no format"},
		{"GET", "api/search", "", 400, "q=TEXT"},
		{"GET", "api/nothing", "", 404, "go doc"},
		{"GET", "api/saved/nothing", "", 404, "save it again"},
		{"GET", "api/status?rec=nothing", "", 404, "open its file again"},
		{"GET", "live?rec=nothing", "", 404, "Open its file again"},
		{"POST", "api/nothing", "{}", 404, "no operation"},
		{"POST", "api/note", "[", 400, "no JSON"},
		{"POST", "api/note", `{"n":3,"text":"x"}`, 422, "nothing can be added"},
		{"POST", "api/keep", "", 422, "there is no ring"},
		{"POST", "api/note", `{"text":"` + strings.Repeat("x", maxRequest) + `"}`, 413, "bytes"},
	} {
		r := c.do(t, x.method, x.path, strings.NewReader(x.body))
		if r.status != x.status || !strings.Contains(r.body, x.says) {
			t.Errorf("%s %s: %d %s", x.method, x.path, r.status, r.body)
		}
	}
	c.post(t, "api/entry", `{"n":3}`).ok(t, &e)
	if e["op"] != "entry" {
		t.Errorf("%v", e)
	}
}

func TestFollows(t *testing.T) {
	log, _, url := show(t)
	c := call(url)
	say(log, record.CS, header)
	r, err := http.NewRequest("GET", c.base+"api/follow?from=1&filter=not+quiet", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	next := func() map[string]any {
		t.Helper()
		var v map[string]any
		if !lines.Scan() {
			t.Fatal(lines.Err())
		}
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := next(); v["n"] != 1.0 {
		t.Errorf("%v", v)
	}
	say(log, record.CS, "<message><body>now</body></message>")
	if v := next(); v["n"] != 2.0 || v["kind"] != "message" {
		t.Errorf("%v", v)
	}
	log.Close()
	if lines.Scan() {
		t.Errorf("after the end: %s", lines.Text())
	}
}

func TestClears(t *testing.T) {
	log, _, url := show(t)
	say(log, record.CS, header+"<message><body>1</body></message><presence/>")
	ws := dialPath(t, url, "live")
	until := func(fits func(status) bool) {
		t.Helper()
		for {
			var st status
			if err := ws.ReadJSON(&st); err != nil {
				t.Fatal(err)
			}
			if st.Op == "status" && fits(st) {
				return
			}
		}
	}
	until(func(s status) bool { return s.Len == 3 && s.Known == 3 })
	ws.WriteJSON(map[string]any{"op": "clear", "n": -1})
	until(func(s status) bool { return s.Len == 0 && s.Total == 3 && s.Filter == 1 })
	say(log, record.CS, "<message><body>2</body></message><presence/>")
	until(func(s status) bool { return s.Len == 2 && s.Total == 5 })
	ws.WriteJSON(map[string]any{"op": "rows", "from": 1, "count": 10})
	for v := (rows{}); v.Op != "rows"; {
		v = rows{}
		ws.ReadJSON(&v)
		if v.Op == "rows" && (len(v.Rows) != 2 || v.Rows[0].N != 4) {
			t.Errorf("%+v", v)
		}
	}
	ws.WriteJSON(map[string]any{"op": "filter", "expr": "message"})
	until(func(s status) bool { return s.Len == 1 && s.Total == 5 })
	ws.WriteJSON(map[string]any{"op": "clear", "n": 0})
	until(func(s status) bool { return s.Len == 2 })
	ws.WriteJSON(map[string]any{"op": "filter", "expr": ""})
	until(func(s status) bool { return s.Len == 5 })
}

// The cookie comes along with requests that other pages make; the token does not.
func TestRefusesForgedRequests(t *testing.T) {
	_, s, url := show(t)
	c := call(url)
	stranger := &caller{c.base, ""}
	own := strings.TrimSuffix(c.base, "/")
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(own, "http://"))
	cookie := "xmpplens-" + port + "=" + c.token
	for _, x := range []struct {
		name    string
		as      *caller
		method  string
		path    string
		headers []string
		status  int
	}{
		{"a wrong bearer token", &caller{c.base, "x" + c.token[1:]}, "GET", "api/status", nil, 401},
		{"no token", stranger, "GET", "api/status", nil, 403},
		{"an empty bearer token", stranger, "GET", "api/status", []string{"Authorization", "Bearer "}, 403},
		{"the token in the address of the API", stranger, "GET", "api/status?token=" + c.token, nil, 403},
		{"the cookie", stranger, "GET", "api/status", []string{"Cookie", cookie}, 200},
		{"the cookie of another viewer", stranger, "GET", "api/status", []string{"Cookie", "xmpplens-1=" + c.token}, 403},
		{"a form of another site", stranger, "POST", "api/keep", []string{"Cookie", cookie, "Origin", "http://evil.example"}, 403},
		{"a form of another port", stranger, "POST", "api/keep", []string{"Cookie", cookie, "Origin", "http://127.0.0.1:1"}, 403},
		{"the cookie without an origin", stranger, "POST", "api/keep", []string{"Cookie", cookie}, 403},
		{"a script of another port", stranger, "GET", "api/entries", []string{"Cookie", cookie, "Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "no-cors"}, 403},
		{"a socket of another site", stranger, "GET", "live", []string{"Cookie", cookie, "Origin", "http://evil.example", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "websocket"}, 403},
		{"the page", stranger, "POST", "api/beat", []string{"Cookie", cookie, "Origin", own, "Sec-Fetch-Site", "same-origin"}, 200},
		{"curl", c, "POST", "api/beat", nil, 200},
		{"curl by a rebound name", c, "POST", "api/beat", []string{"Host", "evil.example:" + port}, 403},
		{"a bearer token from another page", c, "POST", "api/beat", []string{"Origin", "http://evil.example"}, 403},
		{"a path out of the directory", c, "GET", "..%2f..%2fetc%2fpasswd", nil, 404},
		{"a path out of the directory, plainly", c, "GET", "%2e%2e/web.go", nil, 404},
	} {
		if r := x.as.do(t, x.method, x.path, strings.NewReader(""), x.headers...); r.status != x.status {
			t.Errorf("%s: %d, not %d: %s", x.name, r.status, x.status, r.body)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pages) != 0 {
		t.Errorf("%d pages", len(s.pages))
	}
}

// Who sends his request, or takes his answer, too slowly is cut off.
func TestSlowRequests(t *testing.T) {
	log, err := record.CreateTemp(record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	x, err := timeline.NewIndex(log.Reader())
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Source: x, hurry: 200 * time.Millisecond}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { s.Serve(ctx, ln) })
	addr := ln.Addr().String()
	c := call(s.URL(ln.Addr()))

	slow, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	io.WriteString(slow, "GET / HTTP/1.1\r\nHost: ")
	slow.SetReadDeadline(time.Now().Add(20 * time.Second))
	if b, err := io.ReadAll(slow); err != nil {
		t.Errorf("half of a header: %v %s", err, b)
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "POST /api/note HTTP/1.1\r\nHost: "+addr+"\r\nAuthorization: Bearer "+c.token+"\r\nContent-Length: 100\r\n\r\n{\"n\":")
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	b, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 400") {
		t.Errorf("%v %s", err, b)
	}
}

func TestTooManyPages(t *testing.T) {
	_, s, url := show(t)
	ws := dialPath(t, url, "live")
	others := make([]*page, maxPages)
	s.mu.Lock()
	for i := range others {
		others[i] = new(page)
		s.pages[others[i]] = struct{}{}
	}
	s.mu.Unlock()
	c := call(url)
	if r := c.get(t, "live", "Connection", "Upgrade", "Upgrade", "websocket"); r.status != 503 || !strings.Contains(r.body, "Too many pages") {
		t.Errorf("%d %s", r.status, r.body)
	}
	s.mu.Lock()
	for _, p := range others {
		delete(s.pages, p)
	}
	s.mu.Unlock()
	var v map[string]any
	if err := ws.ReadJSON(&v); err != nil || v["op"] != "hello" {
		t.Errorf("%v %v", v, err)
	}
}
