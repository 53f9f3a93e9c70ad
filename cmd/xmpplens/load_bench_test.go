//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/xmpplens/xmpplens/proxy"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
	"github.com/xmpplens/xmpplens/web"
)

// What looking on costs those who are looked at: 5,000 stanzas a second go through
// a proxy, with the viewer open in three pages and without any. Both are measured
// in turns, so that a machine whose speed drifts slows both; "p50-ratio" and
// "p99-ratio" are medians of the ratios of neighbouring turns.

const (
	loadConns = 10
	loadEvery = 2 * time.Millisecond // a stanza of each connection
	loadTurn  = 2 * time.Second
	loadSize  = 300 // bytes of a stanza
)

// A load is the traffic. Latencies are from the client's write to the server's read.
type load struct {
	took   chan []float64 // of one connection and turn, in seconds
	turn   atomic.Int32
	stop   chan struct{}
	wait   sync.WaitGroup
	server net.Listener
}

func loadStanza() []byte {
	head, tail := "<message to='juliet@capulet.example' type='chat' id='m1'><body>", "</body></message>"
	return []byte(head + strings.Repeat("x", loadSize-len(head)-len(tail)) + tail)
}

const (
	loadOpen   = "<stream:stream to='localhost' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
	loadAnswer = "<stream:stream id='1' from='localhost' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
	loadOffer  = "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>"
	loadAuth   = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>"
	loadDone   = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
	loadBind   = "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>"
)

var loadLogin = [][2]string{{loadOpen, loadAnswer + loadOffer}, {loadAuth, loadDone}, {loadOpen, loadAnswer + loadBind}}

// sent are when the stanzas of a connection were written, in nanoseconds since the
// beginning; those behind the last are 0.
type sent struct {
	at   [1 << 20]atomic.Int64
	conn net.Conn
}

func (l *load) serve(b *testing.B, conns chan *sent, began time.Time) {
	for {
		c, err := l.server.Accept()
		if err != nil {
			return
		}
		for _, turn := range loadLogin {
			if _, err := io.ReadFull(c, make([]byte, len(turn[0]))); err != nil {
				b.Error(err)
				return
			}
			io.WriteString(c, turn[1])
		}
		s := <-conns
		l.wait.Go(func() {
			defer c.Close()
			buf := make([]byte, 64<<10)
			var times []float64
			turn := int32(0)
			for done, n := 0, 0; ; {
				m, err := c.Read(buf)
				now := time.Since(began).Nanoseconds()
				for done += m; n < done/loadSize; n++ {
					times = append(times, float64(now-s.at[n%len(s.at)].Load())/1e9)
				}
				if err != nil {
					return
				}
				if t := l.turn.Load(); t != turn {
					l.took <- times
					times, turn = nil, t
				}
			}
		})
	}
}

func (l *load) send(s *sent, delay time.Duration, began time.Time) {
	defer s.conn.Close()
	time.Sleep(delay)
	tick := time.NewTicker(loadEvery)
	defer tick.Stop()
	stanza := loadStanza()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
			s.at[n%len(s.at)].Store(time.Since(began).Nanoseconds())
			if _, err := s.conn.Write(stanza); err != nil {
				return
			}
		case <-l.stop:
			return
		}
	}
}

// measure returns the latencies of one turn, in order.
func (l *load) measure() []float64 {
	collect := func() (all []float64) {
		l.turn.Add(1)
		for range loadConns {
			all = append(all, <-l.took...)
		}
		return all
	}
	collect() // what was before
	time.Sleep(loadTurn)
	all := collect()
	slices.Sort(all)
	return all
}

// A watcher does what a page does that follows.
type watcher struct {
	ws           *websocket.Conn
	rows, status int
}

func watch(t testing.TB, url string) *watcher {
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
	ws, _, err := d.Dial("ws://"+resp.Request.URL.Host+"/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	return &watcher{ws: ws}
}

// run asks for the rows on its screen whenever there are more, until it is closed.
func (w *watcher) run() {
	const page, screen = 100, 40
	for {
		_, m, err := w.ws.ReadMessage()
		if err != nil {
			return
		}
		switch {
		case bytes.HasPrefix(m, []byte(`{"op":"rows"`)):
			w.rows += page
		case bytes.HasPrefix(m, []byte(`{"op":"status"`)):
			w.status++
			var st struct{ Len int }
			json.Unmarshal(m, &st)
			for p := max(st.Len-screen, 0) / page; p <= (st.Len-1)/page; p++ {
				w.ws.WriteJSON(map[string]any{"op": "rows", "from": p*page + 1, "count": page})
			}
		}
	}
}

// TestLoadPages is the other process of BenchmarkLiveLoad: three pages, until
// stdin ends.
func TestLoadPages(t *testing.T) {
	url := os.Getenv("LOAD_PAGES")
	if url == "" {
		return
	}
	var all []*watcher
	var done sync.WaitGroup
	for range 3 {
		w := watch(t, url)
		all = append(all, w)
		done.Go(w.run)
	}
	os.Stdout.WriteString("\nready\n")
	io.Copy(io.Discard, os.Stdin)
	for _, w := range all {
		w.ws.Close()
	}
	done.Wait()
	for _, w := range all {
		if w.status == 0 || w.rows == 0 {
			t.Errorf("a page got %d counts and %d rows", w.status, w.rows)
		}
	}
}

// openPages opens three pages in a process of their own, as browsers are, and
// returns what closes them.
func openPages(b *testing.B, url string) (end func()) {
	c := exec.Command(os.Args[0], "-test.run=^TestLoadPages$")
	c.Env = append(os.Environ(), "LOAD_PAGES="+url)
	in, err := c.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "ready" {
	}
	return func() {
		in.Close()
		io.Copy(io.Discard, out)
		if err := c.Wait(); err != nil {
			b.Errorf("the pages: %v", err)
		}
	}
}

// cpuTime is what this process has used, in seconds.
func cpuTime() float64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

func BenchmarkLiveLoad(b *testing.B) {
	log, err := record.CreateTemp(record.Options{Tool: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	l := &load{took: make(chan []float64, loadConns), stop: make(chan struct{})}
	listen := func() net.Listener {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		return ln
	}
	l.server = listen()
	up, err := proxy.ParseUpstream(l.server.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	defer l.server.Close()
	p := &proxy.Proxy{Upstream: up, Log: log, Grace: time.Millisecond}
	front := listen()
	wg.Go(func() { p.Serve(ctx, front) })
	index, err := timeline.NewIndex(log.Reader())
	if err != nil {
		b.Fatal(err)
	}
	wg.Go(func() { index.Run(ctx) })
	viewer := &web.Server{Source: index, Title: "load", Files: &filer{log: log}}
	ln := listen()
	wg.Go(func() { viewer.Serve(ctx, ln) })

	began := time.Now()
	conns := make(chan *sent, 1)
	wg.Go(func() { l.serve(b, conns, began) })
	for i := range loadConns {
		c, err := net.Dial("tcp", front.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		for _, turn := range loadLogin {
			io.WriteString(c, turn[0])
			if _, err := io.ReadFull(c, make([]byte, len(turn[1]))); err != nil {
				b.Fatal(err)
			}
		}
		s := &sent{conn: c}
		conns <- s
		l.wait.Go(func() { l.send(s, loadEvery*time.Duration(i)/loadConns, began) })
	}
	defer l.wait.Wait()
	defer close(l.stop)

	// Pages are programs that do what pages do: what a browser costs is another matter.
	type turn struct{ p50, p99, cpu float64 }
	measure := func(pages bool) (t turn, rate float64) {
		end := func() {}
		if pages {
			end = openPages(b, viewer.URL(ln.Addr()))
		}
		defer end()
		cpu := cpuTime()
		times := l.measure()
		t = turn{times[len(times)/2], times[len(times)*99/100], cpuTime() - cpu}
		return t, float64(len(times)) / loadTurn.Seconds()
	}
	var without, with []turn
	var p50s, p99s, rates []float64
	measure(true)
	runtime.GC()
	for b.Loop() {
		x, rate := measure(false)
		y, _ := measure(true)
		without, with = append(without, x), append(with, y)
		p50s, p99s, rates = append(p50s, y.p50/x.p50), append(p99s, y.p99/x.p99), append(rates, rate)
	}
	median := func(v []float64) float64 {
		slices.Sort(v)
		return v[len(v)/2]
	}
	of := func(ts []turn, f func(turn) float64) float64 {
		var v []float64
		for _, t := range ts {
			v = append(v, f(t))
		}
		return median(v)
	}
	b.ReportMetric(median(rates), "stanzas/s")
	b.ReportMetric(of(without, func(t turn) float64 { return t.p50 })*1e6, "µs-p50-alone")
	b.ReportMetric(of(with, func(t turn) float64 { return t.p50 })*1e6, "µs-p50-pages")
	b.ReportMetric(of(without, func(t turn) float64 { return t.p99 })*1e6, "µs-p99-alone")
	b.ReportMetric(of(with, func(t turn) float64 { return t.p99 })*1e6, "µs-p99-pages")
	b.ReportMetric(of(without, func(t turn) float64 { return t.cpu })/loadTurn.Seconds()*100, "%cpu-alone")
	b.ReportMetric(of(with, func(t turn) float64 { return t.cpu })/loadTurn.Seconds()*100, "%cpu-pages")
	b.ReportMetric(median(p50s), "p50-ratio")
	b.ReportMetric(median(p99s), "p99-ratio")
	if os.Getenv("CI") == "true" && median(p50s) > 1.5 {
		b.Errorf("three pages make the traffic %.2f times slower", median(p50s))
	}
}
