package proxy_test

import (
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/proxy"
	"github.com/xmpplens/xmpplens/proxy/session"
	"github.com/xmpplens/xmpplens/record"
)

// holdMessages holds what has that text in it.
func holdMessages(text string) proxy.Factory {
	return func(int) session.Judge {
		return session.JudgeFunc(func(seen session.Seen) session.Plan {
			if !seen.Fixed && strings.Contains(string(seen.Frame.Raw), text) {
				return session.Plan{session.Hold{Reason: session.Reason{By: "pause"}}}
			}
			return nil
		})
	}
}

// peers are a client and a server with a proxy between them, logged in.
func peers(t *testing.T) (p *proxy.Proxy, client, server net.Conn) {
	t.Helper()
	servers := make(chan net.Conn, 1)
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	upstream := loginServer(t, func(c net.Conn) {
		servers <- c
		<-over
	})
	addr := serveProxy(t, upstream, func(x *proxy.Proxy) { p = x })
	client = login(t, addr)
	return p, client, <-servers
}

// held waits for a frame that is held.
func held(t *testing.T, p *proxy.Proxy) (int, proxy.Held) {
	t.Helper()
	changes, stop := p.Watch()
	defer stop()
	for timeout := time.After(10 * time.Second); ; {
		for _, s := range p.Sessions() {
			if len(s.Held) > 0 {
				return s.Conn, s.Held[0]
			}
		}
		select {
		case <-changes:
		case <-timeout:
			t.Fatal("nothing is held")
		}
	}
}

func expect(t *testing.T, c net.Conn, want string) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	b := make([]byte, len(want))
	if n, err := io.ReadFull(c, b); err != nil || string(b) != want {
		t.Fatalf("got %q (%v), want %q", b[:n], err, want)
	}
}

func TestControlHold(t *testing.T) {
	p, client, server := peers(t)
	p.Arm("pause", holdMessages("hold"))
	if got := p.Armed(); len(got) != 1 || got[0] != "pause" {
		t.Errorf("armed %q", got)
	}
	io.WriteString(client, "<presence/><message>hold 1</message><presence id='2'/><message>hold 2</message><message>hold 3</message>")
	expect(t, server, "<presence/>")
	conn, h := held(t, p)
	if string(h.Raw) != "<message>hold 1</message>" || h.Dir != record.CS {
		t.Fatalf("held %s %s", h.Dir, h.Raw)
	}
	// The other direction flows on.
	io.WriteString(server, "<message>down</message>")
	expect(t, client, "<message>down</message>")
	v := session.Verdict{Dir: h.Dir, Offset: h.Offset, Decision: session.EditIt, Bytes: []byte("<message><x:a/></message>"), By: "viewer"}
	if err := p.Decide(conn, v); err == nil || !strings.Contains(err.Error(), "at byte") {
		t.Errorf("an edit with an undeclared prefix: %v", err)
	}
	v.Bytes = []byte("<message>changed</message>")
	if err := p.Decide(conn, v); err != nil {
		t.Fatal(err)
	}
	if err := p.Decide(conn, v); err == nil {
		t.Error("decided twice")
	}
	expect(t, server, "<message>changed</message><presence id='2'/>")
	conn, h = held(t, p)
	if err := p.Inject(conn, session.Injection{Dir: record.CS, Bytes: []byte("<presence id='own'/>"), Reason: session.Reason{By: "viewer"}}); err != nil {
		t.Fatal(err)
	}
	expect(t, server, "<presence id='own'/>")
	p.Arm("pause", nil)
	expect(t, server, "<message>hold 2</message><message>hold 3</message>")
	_ = h
}

// Who decides can have more time, or less.
func TestControlHoldOn(t *testing.T) {
	p, client, server := peers(t)
	p.Arm("pause", holdMessages("hold"))
	io.WriteString(client, "<message>hold</message>")
	conn, h := held(t, p)
	v := session.Verdict{Dir: h.Dir, Offset: h.Offset, Decision: session.HoldOn, By: "console"}
	if err := p.Decide(conn, v); err == nil {
		t.Error("it is held for no time")
	}
	v.For = time.Hour
	if err := p.Decide(conn, v); err != nil {
		t.Fatal(err)
	}
	if _, h = held(t, p); time.Until(h.Until) < 50*time.Minute {
		t.Errorf("it is held until %v", h.Until)
	}
	v.For = time.Millisecond
	if err := p.Decide(conn, v); err != nil {
		t.Fatal(err)
	}
	expect(t, server, "<message>hold</message>")
	if err := p.Decide(conn, v); err == nil {
		t.Error("what has passed is held on")
	}
}

// To list what is held copies nothing of it under the lock of its connection, and to
// count it makes nothing of the connections.
func TestControlHolding(t *testing.T) {
	p, client, server := peers(t)
	p.Arm("pause", holdMessages("hold"))
	if n := p.Holding(); n != 0 {
		t.Errorf("%d frames are held", n)
	}
	text := "<message>hold" + strings.Repeat("x", 100<<10) + "</message>"
	go io.WriteString(client, text) // ends with the connection
	conn, h := held(t, p)
	if n := p.Holding(); n != 1 {
		t.Errorf("%d frames are held, not one", n)
	}
	if _, again := held(t, p); &again.Raw[0] != &h.Raw[0] {
		t.Error("the frame was copied")
	}
	if n := testing.AllocsPerRun(100, func() { p.Holding() }); n > 5 {
		t.Errorf("to count costs %v allocations", n)
	}
	v := session.Verdict{Dir: h.Dir, Offset: h.Offset, Decision: session.EditIt, Bytes: []byte("<message/>")}
	if err := p.Decide(conn, v); err != nil {
		t.Fatal(err)
	}
	expect(t, server, "<message/>")
	if string(h.Raw) != text {
		t.Error("what was listed has changed")
	}
}

// What is decided about leaves no timer behind, however often it was held on.
func TestControlTimers(t *testing.T) {
	p, client, server := peers(t)
	p.Arm("pause", holdMessages("hold"))
	io.WriteString(client, "<message>hold</message>")
	conn, h := held(t, p)
	v := session.Verdict{Dir: h.Dir, Offset: h.Offset, Decision: session.HoldOn, For: time.Hour, By: "viewer"}
	for range 3 {
		if err := p.Decide(conn, v); err != nil {
			t.Fatal(err)
		}
		if n := proxy.Timers(p); n != 1 {
			t.Errorf("one frame is held with %d timers", n)
		}
	}
	v.Decision = session.DropIt
	if err := p.Decide(conn, v); err != nil {
		t.Fatal(err)
	}
	if n := proxy.Timers(p); n != 0 {
		t.Errorf("%d timers of nothing", n)
	}
	io.WriteString(client, "<presence/>")
	expect(t, server, "<presence/>")
}

// Who watches is told of what is held in a connection that is not recorded any more.
func TestControlMuted(t *testing.T) {
	p, client, server := peers(t)
	p.Arm("stop", func(int) session.Judge {
		return session.JudgeFunc(func(seen session.Seen) session.Plan {
			if !seen.Fixed && string(seen.Frame.Name) == "presence" {
				return session.Plan{session.StopRecording{}}
			}
			return nil
		})
	})
	p.Arm("pause", holdMessages("hold"))
	io.WriteString(client, "<presence/>")
	expect(t, server, "<presence/>")
	changes, stop := p.Watch()
	defer stop()
	told := func(of string) {
		t.Helper()
		select {
		case <-changes:
		case <-time.After(10 * time.Second):
			t.Fatalf("nobody told of %s", of)
		}
	}
	io.WriteString(client, "<message>hold</message>")
	told("the hold")
	conn, h := held(t, p)
	if err := p.Decide(conn, session.Verdict{Dir: h.Dir, Offset: h.Offset, Decision: session.Pass}); err != nil {
		t.Fatal(err)
	}
	told("the verdict")
	expect(t, server, "<message>hold</message>")
}

// A client that does not read holds nobody up: neither the other direction, nor
// who injects.
func TestControlBlocked(t *testing.T) {
	p, client, server := peers(t)
	p.Arm("answers", func(int) session.Judge {
		return session.JudgeFunc(func(seen session.Seen) session.Plan {
			if seen.Dir == record.CS && !seen.Fixed && strings.Contains(string(seen.Frame.Raw), "ask") {
				return session.Plan{session.Answer{Reason: session.Reason{By: "rule"}, Bytes: []byte("<iq type='result'/>")}}
			}
			return nil
		})
	})
	// Fill the way to the client.
	flood := []byte("<message>" + strings.Repeat("x", 60<<10) + "</message>")
	server.SetWriteDeadline(time.Now().Add(time.Second))
	sent := 0
	for {
		n, err := server.Write(flood)
		sent += n
		if err != nil {
			if !os.IsTimeout(err) {
				t.Fatal(err)
			}
			break
		}
	}
	for range 20 {
		io.WriteString(client, "<iq>ask</iq><presence/>")
		expect(t, server, "<presence/>")
		if err := p.Inject(1, session.Injection{Dir: record.CS, Bytes: []byte("<presence id='1'/>")}); err != nil {
			t.Fatal(err)
		}
		expect(t, server, "<presence id='1'/>")
		p.Inject(1, session.Injection{Dir: record.SC, Bytes: []byte("<presence id='2'/>")})
	}
	p.Arm("answers", nil)
	// The client reads at last, and gets all of it.
	client.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.CopyN(io.Discard, client, int64(sent)); err != nil {
		t.Fatal(err)
	}
}

func TestControlEnds(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, manner := range []session.Manner{session.FIN, session.RST, session.NoNotify, session.StreamError} {
		t.Run(manner.String(), func(t *testing.T) {
			p, client, server := peers(t)
			p.Arm("hold", holdMessages("hold"))
			p.Arm("cut", func(int) session.Judge {
				return session.JudgeFunc(func(seen session.Seen) session.Plan {
					if !seen.Fixed && strings.Contains(string(seen.Frame.Raw), "cut") {
						return session.Plan{session.Cut{Reason: session.Reason{By: "rule"}, Manner: manner, Leg: session.Client}}
					}
					return nil
				})
			})
			io.WriteString(client, "<message>hold</message>")
			held(t, p)
			io.WriteString(server, "<presence/><message>cut</message>")
			client.SetReadDeadline(time.Now().Add(10 * time.Second))
			got, err := io.ReadAll(client)
			if manner != session.RST && (err != nil || !strings.HasPrefix(string(got), "<presence/>")) {
				t.Errorf("got %q, %v", got, err)
			}
			if manner == session.RST && err == nil {
				t.Error("no reset")
			}
			if manner == session.StreamError && !strings.Contains(string(got), "<internal-server-error") {
				t.Errorf("got %q", got)
			}
		})
	}
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before+2; runtime.Gosched() {
		if time.Now().After(end) {
			buf := make([]byte, 64<<10)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
}
