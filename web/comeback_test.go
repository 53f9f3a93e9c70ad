package web

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// A running viewer can be ended, and another one begun at its address.
type running struct {
	log  *record.Log
	addr string
	url  string
	ln   *freezer
	end  func()
}

func serve(t testing.TB, addr, token string) *running {
	t.Helper()
	log, err := record.CreateTemp(record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	x, err := timeline.NewIndex(log.Reader())
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	ln := &freezer{Listener: tcp}
	s := &Server{Source: x, Title: "capulet.example"}
	if token != "" {
		s.once.Do(func() { s.token = token })
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { x.Run(ctx) })
	wg.Go(func() {
		if err := s.Serve(ctx, ln); err != nil {
			t.Error(err)
		}
	})
	end := sync.OnceFunc(func() {
		log.Close()
		cancel()
		wg.Wait()
		x.Close()
	})
	t.Cleanup(end)
	return &running{log, tcp.Addr().String(), s.URL(tcp.Addr()), ln, end}
}

// A freezer makes connections dead without closing them, as a laptop that slept
// finds them.
type freezer struct {
	net.Listener
	mu    sync.Mutex
	conns []*frozen
}

type frozen struct {
	net.Conn
	mu   sync.Mutex
	dead bool
}

func (f *freezer) Accept() (net.Conn, error) {
	c, err := f.Listener.Accept()
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	x := &frozen{Conn: c}
	f.conns = append(f.conns, x)
	return x, nil
}

func (f *freezer) freeze() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		c.mu.Lock()
		c.dead = true
		c.mu.Unlock()
	}
}

// cut closes them all.
func (f *freezer) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		c.Close()
	}
}

func (f *frozen) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return len(b), nil
	}
	return f.Conn.Write(b)
}

// numbered says which entries the list shows, from the first to the last: every
// place of it is brought to the screen.
const numbered = `(async () => {
	const list = document.querySelector("#list"), seen = new Map();
	const frame = () => new Promise(requestAnimationFrame);
	for (let y = 0; ; y += 240) {
		list.scrollTop = y;
		do { await frame(); await frame(); } while (document.querySelector(".row.loading"));
		for (const row of document.querySelectorAll(".row")) {
			const n = Number(row.querySelector(".n").textContent), at = Number(row.dataset.at);
			if (seen.has(at) && seen.get(at) !== n) window.numbers = "place " + at + " changed";
			seen.set(at, n);
		}
		if (y > list.scrollHeight) break;
	}
	const all = [...seen].sort((a, b) => a[0] - b[0]);
	window.numbers ||= all.length + " " + all.every(([at, n], i) => at === i + 1 && n === i + 1);
})(); 0`

const notice = `document.querySelector("#notice:not([hidden])")?.textContent`

func TestComesBack(t *testing.T) {
	ctx := browser(t)
	v := serve(t, "127.0.0.1:0", "")
	say(v.log, record.CS, header)
	talk := func(n int) {
		for range n {
			say(v.log, record.SC, "<message><body>more</body></message>")
		}
	}
	talk(99)
	do(t, ctx, chromedp.Navigate(v.url), until(`document.querySelector("#counts").textContent.includes("100 entries")`))
	v.ln.cut()
	talk(214)
	do(t, ctx, until(notice+`?.includes("Reconnected, 214 entries came meanwhile.")`), until(`document.querySelector("#counts").textContent.includes("314 entries")`))
	talk(6)
	do(t, ctx, until(`document.querySelector("#counts").textContent.includes("320 entries")`), run(numbered), until("window.numbers"))
	if got := get(t, ctx, chromedp.Evaluate[string]("window.numbers")); got != "320 true" {
		t.Errorf("nothing is lost, and nothing doubled: %s", got)
	}

	// A connection that is dead and not closed is noticed.
	v.ln.freeze()
	began := time.Now()
	talk(5)
	do(t, ctx, until(notice+`?.includes("Reconnected, 5 entries came meanwhile.")`))
	took := time.Since(began)
	t.Logf("a dead connection was noticed and replaced within %.1f s", took.Seconds())
	if took > 16*time.Second {
		t.Errorf("only after %v", took)
	}
	// The person comes back to a page that slept: at once.
	v.ln.freeze()
	began = time.Now()
	do(t, ctx, run(`dispatchEvent(new Event("online")); 0`), until(notice+`?.includes("nothing came")`))
	t.Logf("after an event of the system within %.1f s", time.Since(began).Seconds())

	// Another recording with the same token, as far as the page sees.
	token := strings.SplitN(v.url, "=", 2)[1]
	v.end()
	do(t, ctx, until(`document.querySelector("#state").dataset.state === "lost"`))
	w := serve(t, v.addr, token)
	say(w.log, record.CS, header+"<message><body>of another run</body></message>")
	do(t, ctx, until(notice+`?.includes("Another recording began at")`), until(`document.querySelector("#counts").textContent.includes("2 entries")`), until(rowTexts+`.includes("of another run")`))

	// Started again: the token is another one, and the page does not go on asking.
	w.end()
	do(t, ctx, until(`document.querySelector("#state").dataset.state === "lost"`))
	x := serve(t, v.addr, "")
	do(t, ctx, until(notice+`?.includes("open the URL that xmpplens printed")`), until(`document.querySelector("#state").textContent === "shut out"`))
	if texts := get(t, ctx, chromedp.Evaluate[string](rowTexts)); !strings.Contains(texts, "of another run") {
		t.Errorf("what was shown is gone: %s", texts)
	}
	// Once the person has opened the new URL elsewhere, the page comes back, too.
	do(t, ctx, run(fmt.Sprintf(`fetch(%q).then(() => dispatchEvent(new Event("focus"))); 0`, x.url)),
		until(`document.querySelector("#state").dataset.state === "live"`), until(notice+`?.includes("Another recording")`))
}

// The page needs nothing but the viewer's own address.
func TestNetworkCut(t *testing.T) {
	ctx := browser(t, chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"))
	var mu sync.Mutex
	var urls []string
	if err := chromedp.Listen(ctx, func(ev any) {
		mu.Lock()
		defer mu.Unlock()
		switch ev := ev.(type) {
		case *network.EventRequestWillBeSent:
			urls = append(urls, ev.Request.URL)
		case *network.EventWebSocketCreated:
			urls = append(urls, ev.URL)
		}
	}); err != nil {
		t.Fatal(err)
	}
	r := demoReader(t)
	url := pages(t, r)
	do(t, ctx, chromedp.Navigate(url), until(rowTexts+`.length > 100`),
		run(`document.querySelector(".row").click()`), until(`!document.querySelector("#details").hidden`),
		run(`document.querySelector("#replay").click()`), until(`!document.querySelector("#player").hidden`))
	host := strings.SplitN(strings.TrimPrefix(url, "http://"), "/", 2)[0]
	mu.Lock()
	defer mu.Unlock()
	if len(urls) < 5 {
		t.Errorf("only %v", urls)
	}
	for _, u := range urls {
		if !strings.HasPrefix(u, "http://"+host+"/") && !strings.HasPrefix(u, "ws://"+host+"/") && !strings.HasPrefix(u, "data:") {
			t.Errorf("the page asks elsewhere: %s", u)
		}
	}
}
