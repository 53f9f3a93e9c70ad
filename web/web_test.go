package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/gorilla/websocket"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

const header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"

// show serves a live recording until the test ends, by a server on which set was called.
func show(t testing.TB, set ...func(*Server)) (*record.Log, *Server, string) {
	t.Helper()
	log, s, url, _ := showCut(t, set...)
	return log, s, url
}

// A cutter remembers connections, to cut them.
type cutter struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func (c *cutter) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns = append(c.conns, conn)
	return conn, err
}

func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		if conn != nil {
			conn.Close()
		}
	}
}

// showCut does the same and returns what cuts all connections.
func showCut(t testing.TB, set ...func(*Server)) (*record.Log, *Server, string, func()) {
	t.Helper()
	log, err := record.CreateTemp(record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	x, err := timeline.NewIndex(log.Reader())
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := &cutter{Listener: tcp}
	s := &Server{Source: x, Title: "capulet.example"}
	for _, f := range set {
		f(s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- x.Run(ctx) }()
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		log.Close()
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		x.Close()
	})
	return log, s, s.URL(ln.Addr()), ln.cut
}

func say(log *record.Log, d record.Dir, text string) {
	log.Append(record.Event{C: 1, E: record.EventData, D: d, Data: []byte(text), HasData: true})
}

func TestRefusesStrangers(t *testing.T) {
	log, _, url := show(t)
	say(log, record.CS, header+"<message><body>only for you</body></message>")
	base, _, _ := strings.Cut(url, "?")
	addr := strings.TrimSuffix(strings.TrimPrefix(base, "http://"), "/")
	_, port, _ := net.SplitHostPort(addr)

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	friend := &http.Client{Jar: jar}
	get := func(c *http.Client, url, host, origin string) *http.Response {
		t.Helper()
		r, err := http.NewRequest("GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			r.Host = host
		}
		if c.Jar != nil && host != "" {
			// The jar goes by the Host header; a browser that was led
			// astray would not.
			c = &http.Client{}
			for _, k := range jar.Cookies(r.URL) {
				r.AddCookie(k)
			}
		}
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	resp := get(friend, url, "", "")
	if resp.StatusCode != 200 || resp.Request.URL.RawQuery != "" {
		t.Fatalf("with the token: %s at %s", resp.Status, resp.Request.URL)
	}
	for _, h := range []string{"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy"} {
		if resp.Header.Get(h) == "" {
			t.Errorf("no %s", h)
		}
	}
	if p := resp.Header.Get("Content-Security-Policy"); strings.Contains(p, "unsafe") || !strings.Contains(p, "default-src 'none'") {
		t.Errorf("policy %s", p)
	}
	for _, c := range jar.Cookies(resp.Request.URL) {
		if !strings.HasPrefix(c.Name, "xmpplens-") {
			t.Errorf("cookie %s", c.Name)
		}
	}
	for _, c := range []struct {
		name, path, host, origin string
		client                   *http.Client
		want                     int
	}{
		{"no token", "", "", "", http.DefaultClient, 403},
		{"a wrong token", "?token=guess", "", "", http.DefaultClient, 403},
		{"a file without a token", "app.js", "", "", http.DefaultClient, 403},
		{"the socket without a token", "live", "", "", http.DefaultClient, 403},
		{"a rebound name", "", "evil.example:" + port, "", friend, 403},
		{"a rebound name with the token", "?token=" + strings.SplitN(url, "=", 2)[1], "evil.example:" + port, "", http.DefaultClient, 403},
		{"another port", "", "127.0.0.1:1", "", friend, 403},
		{"an address that is not loopback", "", "192.0.2.1:" + port, "", friend, 403},
		{"a foreign page", "live", "", "http://evil.example", friend, 403},
		{"a page on another port", "live", "", "http://127.0.0.1:1", friend, 403},
		{"no page", "live", "", "null", friend, 403},
		{"localhost", "", "localhost:" + port, "", friend, 200},
		{"the page itself", "app.js", "", "http://" + addr, friend, 200},
	} {
		if got := get(c.client, base+c.path, c.host, c.origin).StatusCode; got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// dial opens the socket as the page does.
func dial(t *testing.T, url string) *websocket.Conn {
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
	d := websocket.Dialer{Jar: jar}
	ws, _, err := d.Dial("ws://"+resp.Request.URL.Host+"/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.Close() })
	return ws
}

func TestSocket(t *testing.T) {
	log, _, url := show(t)
	ws := dial(t, url)
	next := func(op string) map[string]any {
		t.Helper()
		for {
			var v map[string]any
			if err := ws.ReadJSON(&v); err != nil {
				t.Fatal(err)
			}
			if v["op"] == op {
				return v
			}
		}
	}
	if v := next("status"); v["len"] != 0.0 || v["title"] != "capulet.example" || v["done"] != false {
		t.Errorf("%v", v)
	}
	say(log, record.CS, header+"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvbWVvAHNlY3JldA==</auth>")
	for v := next("status"); v["len"] != 2.0; v = next("status") {
	}
	ws.WriteJSON(map[string]any{"op": "rows", "from": 1, "count": 1000})
	if rows := next("rows")["rows"].([]any); len(rows) != 2 || rows[1].(map[string]any)["summary"] != "SASL login with PLAIN as romeo" {
		t.Errorf("%v", rows)
	}
	ws.WriteJSON(map[string]any{"op": "nonsense"})
	ws.WriteJSON(map[string]any{"op": "entry", "n": 99})
	if v := next("entry"); v["error"] == nil {
		t.Errorf("%v", v)
	}
	ws.WriteJSON(map[string]any{"op": "entry", "n": 2})
	v := next("entry")
	text := ""
	for _, tok := range v["xml"].([]any) {
		text += tok.([]any)[1].(string)
	}
	if !strings.Contains(text, "password hidden") || strings.Contains(text, "AHJv") {
		t.Errorf("%s", text)
	}
	log.Close()
	for v := next("status"); v["done"] != true; v = next("status") {
	}
}

func TestCutsOffWhoNeverReads(t *testing.T) {
	said := make(chan string, 1)
	_, s, url := show(t)
	s.patience = 300 * time.Millisecond
	s.Say = func(format string, args ...any) { said <- fmt.Sprintf(format, args...) }
	ws := dial(t, url)
	if text := <-said; !strings.Contains(text, ws.LocalAddr().String()) || !strings.Contains(text, "cut off") {
		t.Errorf("said %s", text)
	}
}

func TestLargeFrame(t *testing.T) {
	log, s, _ := show(t)
	say(log, record.CS, header+"<message><body>"+strings.Repeat("ü", 500_000)+"</body></message>")
	s.Source.Wait(t.Context(), func(s timeline.Status) bool { return s.Known > 1 })
	d := s.entryOf(s.Source, 2)
	size := 0
	for _, tok := range d.XML {
		size += len(tok[1])
	}
	if size > maxShown || size < maxShown-4 || d.Cut < 700_000 {
		t.Errorf("%d bytes shown, %d cut", size, d.Cut)
	}
}

// browser starts headless Chromium.
func browser(t testing.TB, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	return proxytest.Chromium(t, append(more, chromedp.WindowSize(1280, 800))...)
}

// action is a step in the browser.
type action = chromedp.Action[chromedp.Void]

func do(t testing.TB, ctx context.Context, actions ...action) {
	t.Helper()
	for i, a := range actions {
		if err := chromedp.Do(ctx, a); err != nil {
			t.Fatalf("step %d: %v", i+1, err)
		}
	}
}

func get[T any](t testing.TB, ctx context.Context, a chromedp.Action[T]) T {
	t.Helper()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func run(js string) action { return chromedp.Evaluate[chromedp.Void](js) }

// until waits for a JavaScript expression to be true. It asks from outside: the
// page's policy lets nobody evaluate code inside.
func until(js string) action {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		for range 1500 {
			if ok, err := chromedp.Evaluate[bool]("!!("+js+")")(ctx, t); err == nil && ok {
				return chromedp.Void{}, nil
			}
			select {
			case <-ctx.Done():
				return chromedp.Void{}, ctx.Err()
			case <-time.After(20 * time.Millisecond):
			}
		}
		return chromedp.Void{}, errors.New("never came true: " + js)
	}
}

const rowTexts = `[...document.querySelectorAll(".row .text")].map(e => e.textContent).join("\n")`

func TestViewer(t *testing.T) {
	ctx := browser(t)
	log, s, url, cut := showCut(t)
	log.Append(record.Event{C: 1, E: record.EventOpen, Kind: "c2s", Client: "127.0.0.1:1", Server: "127.0.0.1:2"})
	hostile := "<message type='chat' to='a@b'><body>&lt;script&gt;window.hit=1&lt;/script&gt; \"onerror=window.hit=1 &lt;img src=x onerror=window.hit=1&gt;</body></message>"
	say(log, record.CS, header+hostile)
	do(t, ctx, chromedp.Navigate(url), until(rowTexts+`.includes("script")`))
	texts := get(t, ctx, chromedp.Evaluate[string](rowTexts))
	if !strings.Contains(texts, `<script>window.hit=1</script>`) {
		t.Errorf("rows show\n%s", texts)
	}
	// Live.
	say(log, record.SC, header+"<presence><show>away</show></presence>")
	do(t, ctx, until(rowTexts+`.includes("presence away")`))
	// Details, by mouse and by key.
	do(t, ctx, run(`[...document.querySelectorAll(".row")].find(e => e.textContent.includes("script")).click()`),
		until(`document.querySelector("#body pre")?.textContent.includes("onerror")`))
	body := get(t, ctx, chromedp.Evaluate[string](`document.querySelector("#body").textContent`))
	hit := get(t, ctx, chromedp.Evaluate[bool](`!!window.hit || !!document.querySelector("#body img, #body script")`))
	if hit || !strings.Contains(body, "&lt;script&gt;") {
		t.Errorf("hostile text came alive: %v\n%s", hit, body)
	}
	do(t, ctx, chromedp.KeyEvent(kb.Escape), until(`document.querySelector("#details").hidden`))
	do(t, ctx, chromedp.KeyEvent(kb.Home), until(`document.querySelector("#body").textContent.includes("connection 1")`))

	// Paused, new entries do not move the list; following does.
	for range 200 {
		say(log, record.SC, "<message><body>more</body></message>")
	}
	do(t, ctx, until(`document.querySelector("#fresh").textContent === "↓ 200 new"`), until(rowTexts+`.includes("script")`),
		chromedp.KeyEvent(" "), until(`!`+rowTexts+`.includes("script")`), until(`document.querySelector("#follow").textContent === "Pause"`))

	// The connection is lost and comes back; nothing is missed.
	n := s.Source.Status().Len
	cut()
	for range 50 {
		say(log, record.SC, "<message><body>meanwhile</body></message>")
	}
	say(log, record.SC, "<message><body>the last</body></message>")
	do(t, ctx, until(rowTexts+`.includes("the last")`), until(`document.querySelector("#counts").textContent.includes("`+strconv.Itoa(n+51)+` entries")`))
}

func TestFilter(t *testing.T) {
	log, s, url := show(t)
	say(log, record.CS, header+"<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq><message><body>one</body></message>")
	s.Source.Wait(t.Context(), func(s timeline.Status) bool { return s.Known > 2 })
	ws := dial(t, url)
	next := func(op string, fits func(map[string]any) bool) map[string]any {
		t.Helper()
		for {
			var v map[string]any
			if err := ws.ReadJSON(&v); err != nil {
				t.Fatal(err)
			}
			if v["op"] == op && (fits == nil || fits(v)) {
				return v
			}
		}
	}
	ws.WriteJSON(map[string]any{"op": "filter", "expr": "tipe == 1"})
	if v := next("filter", nil); !strings.Contains(v["hint"].(string), "did you mean type?") || v["filter"] != 0.0 {
		t.Errorf("%v", v)
	}
	ws.WriteJSON(map[string]any{"op": "filter", "expr": "message"})
	next("status", func(v map[string]any) bool {
		return v["filter"] == 1.0 && v["len"] == 1.0 && v["total"] == 3.0 && v["looked"] == 3.0
	})
	ws.WriteJSON(map[string]any{"op": "rows", "from": 1, "count": 10})
	if v := next("rows", nil); v["filter"] != 1.0 || len(v["rows"].([]any)) != 1 || v["rows"].([]any)[0].(map[string]any)["n"] != 3.0 {
		t.Errorf("%v", v)
	}
	ws.WriteJSON(map[string]any{"op": "entry", "at": 1})
	if v := next("entry", nil); v["row"].(map[string]any)["n"] != 3.0 {
		t.Errorf("%v", v)
	}
	say(log, record.CS, "<presence/><message><body>two</body></message>")
	next("status", func(v map[string]any) bool { return v["len"] == 2.0 && v["total"] == 5.0 })
	ws.WriteJSON(map[string]any{"op": "filter", "expr": ""})
	next("status", func(v map[string]any) bool { return v["filter"] == 2.0 && v["len"] == 5.0 })
}

func TestFilterInTheBrowser(t *testing.T) {
	ctx := browser(t)
	r := demoReader(t)
	do(t, ctx, chromedp.Navigate(pages(t, r)), until(`document.querySelectorAll(".row:not(.loading)").length > 5`),
		run(`document.querySelector("#filter").focus()`), chromedp.KeyEvent(`message and body contains "wherefore"`),
		until(`document.querySelector("#counts").textContent.includes("2 of 288 entries")`),
		until(`document.querySelectorAll(".row").length === 2 && `+rowTexts+`.includes("wherefore")`),
		run(`document.querySelector(".row").click()`), until(`document.querySelector("#heading").textContent.startsWith("#132 ")`),
		run(`document.querySelector("#filter").value = "receipts and tipe == 1"; document.querySelector("#filter").dispatchEvent(new Event("input")); 0`),
		until(`document.querySelector("#problem").textContent.includes("did you mean type?")`),
		run(`document.querySelector("#filter").value = "receipts"; document.querySelector("#filter").dispatchEvent(new Event("input")); 0`),
		until(`document.querySelector("#problem").hidden`), until(rowTexts+`.includes("receipt for")`),
		run(`[...document.querySelectorAll(".row")].find(e => e.textContent.includes("receipt for")).click()`),
		until(`document.querySelector("#body .link")`), run(`document.querySelector("#body .link").click()`), until(`document.querySelector("#body pre")?.textContent.includes("urn:xmpp:receipts")`))
}

// demoReader opens the recording of the demo.
func demoReader(t testing.TB) *record.Reader {
	t.Helper()
	r, err := record.Open(demo)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// indexOf indexes a finished recording, until the test ends.
func indexOf(t testing.TB, r *record.Reader) *timeline.Index {
	t.Helper()
	x, err := timeline.NewIndex(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	if err := x.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return x
}

// pages serves a finished recording.
func pages(t testing.TB, r *record.Reader, set ...func(*Server)) string {
	t.Helper()
	s := &Server{Source: indexOf(t, r), Title: "demo.jsonl"}
	for _, f := range set {
		f(s)
	}
	return served(t, s)
}

// served serves until the test ends, and returns where. What it shows has to last
// as long: it is closed by a Cleanup that was asked for before.
func served(t testing.TB, s *Server) (url string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s.URL(ln.Addr())
}

// A list of very many entries scrolls, and jumps to its ends, like a short one.
func TestManyEntries(t *testing.T) {
	ctx := browser(t)
	path := filepath.Join(t.TempDir(), "many.jsonl")
	log, err := record.Create(path, record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	say(log, record.SC, header)
	const many = 300_000 // more than a browser has pixels for at 24 a row
	for range many / 1000 {
		say(log, record.SC, strings.Repeat("<message><body>Parting is such sweet sorrow</body></message>", 1000))
	}
	if err := errors.Join(log.Err(), log.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := record.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	do(t, ctx, chromedp.Navigate(pages(t, r)), until(`[...document.querySelectorAll(".row .n")].some(e => e.textContent === "300001")`),
		chromedp.KeyEvent(kb.Home), until(`document.querySelector(".row .n").textContent === "1"`), until(rowTexts+`.includes("stream")`),
		chromedp.KeyEvent("j"), until(`document.querySelector("#heading").textContent.startsWith("#2 ")`),
		run(`document.querySelector("#list").scrollTop = document.querySelector("#list").scrollHeight / 2; 0`),
		until(`Math.abs(document.querySelector(".row .n").textContent - 150000) < 1000 && !document.querySelector(".row.loading")`))
	rows := get(t, ctx, chromedp.Evaluate[int](`document.querySelectorAll(".row").length`))
	if rows > 60 {
		t.Errorf("%d rows in the page", rows)
	}
	screen(t, ctx, "viewer-many")
}
