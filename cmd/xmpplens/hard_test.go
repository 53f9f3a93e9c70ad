package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
	"github.com/xmpplens/xmpplens/record"
)

// The tests in this file are about bad days: the program is killed, the disk
// is full, a viewer does not read. The far ends are here, to see every byte.

const (
	open    = "<stream:stream to='localhost' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
	answer  = "<stream:stream from='localhost' id='1' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
	offer   = "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>"
	auth    = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>"
	success = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
	bind    = "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>"
)

// A chat is a session through the proxy with both far ends in hand.
type chat struct {
	client, server   net.Conn
	atClient, atServ buffer // what arrived there
}

// talk logs in through the proxy at addr; upstream is where it dials.
func talk(t *testing.T, addr string, upstream net.Listener) *chat {
	t.Helper()
	c := &chat{}
	var err error
	accepted := make(chan net.Conn, 1)
	go func() { // ends with the listener
		if s, err := upstream.Accept(); err == nil {
			accepted <- s
		}
	}()
	if c.client, err = net.Dial("tcp", addr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.client.Close() })
	io.WriteString(c.client, open)
	select {
	case c.server = <-accepted:
	case <-time.After(30 * time.Second):
		t.Fatal("the proxy does not dial")
	}
	t.Cleanup(func() { c.server.Close() })
	var wg sync.WaitGroup
	wg.Go(func() { io.Copy(&c.atServ, c.server) })
	wg.Go(func() { io.Copy(&c.atClient, c.client) })
	t.Cleanup(func() { c.client.Close(); c.server.Close(); wg.Wait() })
	wait(t, &c.atServ, open)
	for _, turn := range [][2]string{{answer + offer, auth}, {success, open}, {answer + bind, "<presence/>"}} {
		io.WriteString(c.server, turn[0])
		wait(t, &c.atClient, turn[0])
		io.WriteString(c.client, turn[1])
		wait(t, &c.atServ, turn[1])
	}
	return c
}

func wait(t *testing.T, s *buffer, end string) {
	t.Helper()
	for stop := time.Now().Add(60 * time.Second); time.Now().Before(stop); time.Sleep(5 * time.Millisecond) {
		if strings.HasSuffix(s.String(), end) {
			return
		}
	}
	t.Fatalf("%.100q never arrived", end)
}

func dialed(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// read collects what arrives.
func (b *buffer) read(r io.Reader) { io.Copy(b, r) }

// pump writes numbered stanzas until a write fails or count is reached.
func pump(w io.Writer, count int) {
	for i := range count {
		if _, err := fmt.Fprintf(w, "<message id='%d'><body>%s</body></message>", i, strings.Repeat("x", i%3000)); err != nil {
			return
		}
	}
}

func listenAny(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

func TestKilled(t *testing.T) {
	for name, flags := range map[string][]string{"one file": nil, "compressed": {"--write=s.jsonl.zst"}, "rotated": {"--write=s.jsonl.zst", "--rotate-size=500KB"}} {
		t.Run(name, func(t *testing.T) {
			for i, f := range flags {
				flags[i] = strings.Replace(f, "s.jsonl", filepath.Join(t.TempDir(), "s.jsonl"), 1)
			}
			killed(t, flags)
		})
	}
}

func killed(t *testing.T, flags []string) {
	ln := listenAny(t)
	p := startProxy(t, append(flags, "--format=none", ln.Addr().String())...)
	c := talk(t, p.addr, ln)
	go pump(c.client, 1<<30) // both end when the proxy is killed
	go pump(c.server, 1<<30)
	for deadline := time.Now().Add(60 * time.Second); len(c.atServ.String()) < 8<<20 || len(c.atClient.String()) < 8<<20; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no traffic")
		}
	}
	p.cmd.Process.Signal(syscall.SIGKILL)
	<-p.done
	time.Sleep(200 * time.Millisecond) // what is in the sockets arrives
	c.client.Close()
	c.server.Close()
	time.Sleep(100 * time.Millisecond)

	recorded := map[record.Dir]*bytes.Buffer{record.CS: {}, record.SC: {}}
	r, err := record.Open(p.file)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		ev, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) {
			break
		}
		if torn := (*record.TornError)(nil); errors.As(err, &torn) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if ev.E == record.EventData {
			recorded[ev.D].Write(ev.Data)
		}
	}
	for d, arrived := range map[record.Dir]string{record.CS: c.atServ.String(), record.SC: c.atClient.String()} {
		if !strings.HasPrefix(recorded[d].String(), arrived) {
			t.Errorf("%s: %d bytes arrived, %d are recorded", d, len(arrived), recorded[d].Len())
		} else {
			t.Logf("%s: %d bytes arrived, %d are recorded", d, len(arrived), recorded[d].Len())
		}
	}
}

func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", dir).CombinedOutput(); err != nil {
		proxytest.Missing(t, fmt.Sprintf("needs root, to mount a tiny tmpfs: %v: %s", err, out))
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	ln := listenAny(t)
	p := startProxy(t, "--write="+filepath.Join(dir, "s.jsonl"), ln.Addr().String())
	c := talk(t, p.addr, ln)
	pump(c.client, 2000)
	pump(c.server, 2000)
	io.WriteString(c.client, "<end/>")
	io.WriteString(c.server, "<end/>")
	wait(t, &c.atServ, "<end/>")
	wait(t, &c.atClient, "<end/>")
	p.says("no space left on device")
	p.says("the traffic goes on")
	// What was recorded is whole.
	out := p.show("--format=json")
	if n := strings.Count(out, `"kind":"message"`); n < 10 {
		t.Errorf("%d messages are in the recording", n)
	}
	if code := p.stop(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	p.says("the recording is not complete")
}

func TestViewerThatNeverReads(t *testing.T) {
	ln := listenAny(t)
	p := startProxy(t, "--format=none", ln.Addr().String())
	c := talk(t, p.addr, ln)
	_, url, ok := strings.Cut(p.err.String(), "viewer ")
	if !ok {
		t.Fatal("no viewer")
	}
	url, _, _ = strings.Cut(url, "\n")
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Jar: jar}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for range 20 {
		d := websocket.Dialer{Jar: jar}
		ws, _, err := d.Dial("ws://"+resp.Request.URL.Host+"/live", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer ws.Close()
		for range 100 {
			ws.WriteMessage(websocket.TextMessage, []byte(`{"op":"rows","from":1,"count":500}`))
		}
	}
	pump(c.client, 20_000)
	io.WriteString(c.client, "<end/>")
	wait(t, &c.atServ, "<end/>")
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestShutdown(t *testing.T) {
	ln := listenAny(t)
	p := startProxy(t, "--grace=100ms", ln.Addr().String())
	c := talk(t, p.addr, ln)
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	wait(t, &c.atClient, "<stream:error xmlns:stream='http://etherx.jabber.org/streams'><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
	wait(t, &c.atServ, "</stream:stream>")
	if s := p.show("--format=line"); !strings.Contains(s, "the proxy was stopped") {
		t.Error(s)
	}
}

func TestLargeStanza(t *testing.T) {
	ln := listenAny(t)
	p := startProxy(t, "--format=line", ln.Addr().String())
	c := talk(t, p.addr, ln)
	big := "<message><body>" + strings.Repeat("So shines a good deed in a naughty world. ", 50<<20/42) + "</body></message><end/>"
	io.WriteString(c.server, big)
	wait(t, &c.atClient, "<end/>")
	if !strings.HasSuffix(c.atClient.String(), big) {
		t.Error("the stanza was changed")
	}
	p.wait("end", p.out.String)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err == nil {
		for l := range strings.Lines(string(status)) {
			if strings.HasPrefix(l, "VmHWM") {
				t.Log(strings.TrimSpace(l))
			}
		}
	}
	p.stop()
	if got := p.show("--format=raw", "--dir=SC"); !strings.HasSuffix(got, big) {
		t.Error("the recording does not hold the stanza")
	}
}

func TestSeveralListeners(t *testing.T) {
	ln := listenAny(t)
	socket := filepath.Join(t.TempDir(), "s")
	// A socket file that a killed proxy left behind.
	stale, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	stale.Close()
	args := []string{"-l", "unix:" + socket, "--client-tls=off", "--server-tls=off", ln.Addr().String()}
	addrs := [][2]string{{"unix", socket}}
	if six, err := net.Listen("tcp", "[::1]:0"); err == nil { // not every container has IPv6
		six.Close()
		addr := fmt.Sprintf("[::1]:%d", proxytest.Port(t))
		args = append([]string{"-l", addr}, args...)
		addrs = append(addrs, [2]string{"tcp", addr})
	}
	p := startProxy(t, args...)
	for _, a := range append(addrs, [2]string{"tcp", p.addr}) {
		c, err := net.Dial(a[0], a[1])
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, open)
		s, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, len(open))
		if _, err := io.ReadFull(s, b); err != nil || string(b) != open {
			t.Errorf("%s: %q, %v", a[1], b, err)
		}
		c.Close()
		s.Close()
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
