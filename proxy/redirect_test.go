package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/proxy"
	"github.com/xmpplens/xmpplens/record"
)

// ask opens a stream at addr and returns what the server says, up to and
// without end.
func ask(t *testing.T, network, addr, end string) string {
	t.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(c, openStream)
	var said []byte
	for b := make([]byte, 512); ; {
		n, err := c.Read(b)
		said = append(said, b[:n]...)
		if text, _, ok := strings.Cut(string(said), end); ok {
			return text
		}
		if err != nil {
			t.Fatalf("%s said %q, %v", addr, said, err)
		}
	}
}

// sends is a server whose streams begin with a redirect; where is asked for each.
func sends(t *testing.T, where func() string) string {
	return accept(t, func(c net.Conn) {
		if _, err := io.ReadFull(c, make([]byte, len(openStream))); err == nil {
			fmt.Fprintf(c, "%s<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>%s</see-other-host></stream:error></stream:stream>", answer, where())
			io.Copy(io.Discard, c)
		}
	})
}

// sentTo is where a client of addr is sent.
func sentTo(t *testing.T, network, addr string) string {
	t.Helper()
	_, to, ok := strings.Cut(ask(t, network, addr, "</see-other-host>"), "xmpp-streams'>")
	if !ok {
		t.Fatal("no redirect")
	}
	return to
}

func TestRedirects(t *testing.T) {
	six := "127.0.0.1"
	if ln, err := net.Listen("tcp", "[::1]:0"); err == nil { // not every container has IPv6
		ln.Close()
		six = "::1"
	}
	other, err := net.Listen("tcp", net.JoinHostPort(six, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	go func() { // ends with its listener
		for {
			c, err := other.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "the other server, really")
			c.Close()
		}
	}()
	to := other.Addr().String()
	server := sends(t, func() string { return to })
	addr := serveProxy(t, server, nil)

	at := sentTo(t, "tcp", addr)
	if at == to || !strings.HasPrefix(at, "127.0.0.1:") {
		t.Fatalf("the client is sent to %s", at)
	}
	if again := sentTo(t, "tcp", addr); again != at {
		t.Errorf("the second client is sent to %s, the first to %s", again, at)
	}
	if said := ask(t, "tcp", at, ", really"); said != "the other server" {
		t.Errorf("there it meets %q", said)
	}
	// What is the upstream itself, or the proxy, leads to where the client is.
	for _, name := range []string{server, addr, "127.0.0.1"} {
		to = name
		if at := sentTo(t, "tcp", addr); at != addr {
			t.Errorf("%s leads to %s, not to %s", name, at, addr)
		}
	}
	// Nonsense is passed on.
	for _, name := range []string{"*", "tls://b.example:5223", "b.example:99999", "a b"} {
		to = name
		if at := sentTo(t, "tcp", addr); at != name {
			t.Errorf("%q leads to %s", name, at)
		}
	}
}

// A redirect inside a redirect comes back to the first server.
func TestRedirectBack(t *testing.T) {
	var first string
	second := sends(t, func() string { return first })
	first = sends(t, func() string { return second })
	addr := serveProxy(t, first, nil)
	if back := sentTo(t, "tcp", sentTo(t, "tcp", addr)); back != addr {
		t.Errorf("back at %s, not at %s", back, addr)
	}
}

func TestRedirectLimits(t *testing.T) {
	n := 0
	server := sends(t, func() string { n++; return fmt.Sprintf("b.example:%d", 1000+n) })
	addr := serveProxy(t, server, nil)
	for i := range proxy.MaxRedirects {
		if at := sentTo(t, "tcp", addr); !strings.HasPrefix(at, "127.0.0.1:") {
			t.Fatalf("target %d leads to %s", i+1, at)
		}
	}
	if at := sentTo(t, "tcp", addr); !strings.HasPrefix(at, "b.example:") {
		t.Errorf("one more leads to %s", at)
	}
}

// A client at a Unix socket cannot be told an address: the user is.
func TestRedirectUnix(t *testing.T) {
	server := sends(t, func() string { return "b.example:5222" })
	up, err := proxy.ParseUpstream(server)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "s.jsonl")
	log, err := record.Create(file, record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- (&proxy.Proxy{Upstream: up, Log: log}).Serve(ctx, ln) }() // ends with ctx
	if at := sentTo(t, "unix", socket); at != "b.example:5222" {
		t.Errorf("sent to %s", at)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if s := textOf(t, log); !strings.Contains(s, "past the proxy") || !strings.Contains(s, "not connected by TCP") {
		t.Errorf("nobody is warned: %s", s)
	}
}

// textOf returns the notes of a recording.
func textOf(t *testing.T, log *record.Log) string {
	t.Helper()
	r := log.Reader()
	defer r.Close()
	log.Close()
	var s strings.Builder
	for {
		ev, err := r.Next(t.Context())
		if err != nil {
			return s.String()
		}
		if ev.E == record.EventNote {
			s.WriteString(ev.Text + "\n")
		}
	}
}
