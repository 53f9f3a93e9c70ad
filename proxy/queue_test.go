package proxy

import (
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/proxy/session"
	"github.com/xmpplens/xmpplens/record"
)

// Timers is how many are set in the connections of a proxy.
func Timers(p *Proxy) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.bg.mu.Lock()
		n += len(c.bg.timers)
		c.bg.mu.Unlock()
	}
	return n
}

// fedConn is a connection with a client at its other end.
func fedConn(t *testing.T) (c *conn, peer net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	peer, err = net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	log, err := record.CreateTemp(record.Options{Tool: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	return newConn(&Proxy{Log: log}, 1, nc, door{}), peer
}

// What was decided first goes out first, also when the second was queued before the
// goroutine that holds the leg came to write.
func TestLegOrder(t *testing.T) {
	c, peer := fedConn(t)
	say := func(text string, own int) turn {
		c.mu.Lock()
		return c.prepare([]session.Effect{{Do: session.Send, Leg: session.Client, Bytes: []byte(text)}}, own)
	}
	c.mu.Lock()
	first := c.prepare([]session.Effect{
		{Do: session.Send, Leg: session.Client, Bytes: []byte("fi")}, {Do: session.Wait, Timer: 1, For: time.Hour}, {Do: session.Send, Leg: session.Client, Bytes: []byte("rst ")},
	}, int(session.Client))
	second := say("second ", noLeg)
	third := say("third ", noLeg)
	for _, x := range []turn{first, third, second} {
		c.carryOut(t.Context(), x)
	}
	b := make([]byte, len("first second third "))
	if _, err := io.ReadFull(peer, b); err != nil || string(b) != "first second third " {
		t.Errorf("%q %v", b, err)
	}
}

// Who asks and never reads the answers is read no further, when enough of them wait.
func TestLegFull(t *testing.T) {
	c, peer := fedConn(t)
	const size, turns = 256 << 10, 200
	answer := make([]byte, size)
	l := &c.legs[session.Client]
	var taken atomic.Int32
	done := make(chan int, 1)
	go func() { // ends when the peer has read all
		over := 0
		for range turns {
			c.mu.Lock()
			c.carryOut(t.Context(), c.prepare([]session.Effect{{Do: session.Send, Leg: session.Client, Bytes: answer}}, int(session.Server)))
			if l.full() {
				over++
			}
			taken.Add(1)
		}
		done <- over
	}()
	// The system takes some of them; then it goes no further. Who waits writes what
	// is queued himself, so that it is not full any more meanwhile.
	for last := int32(-1); last == 0 || taken.Load() != last; time.Sleep(200 * time.Millisecond) {
		last = taken.Load()
	}
	if taken.Load() == turns {
		t.Error("nothing waited")
	}
	if _, err := io.CopyN(io.Discard, peer, size*turns); err != nil {
		t.Fatal(err)
	}
	if over := <-done; over > 0 {
		t.Errorf("%d times too much waited, and it went on", over)
	}
	c.bg.end()
}

// Nothing is put in behind too much.
func TestLegRefuses(t *testing.T) {
	c, _ := fedConn(t)
	header := "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
	for _, in := range []session.Input{
		{On: session.Accepted}, {On: session.Data, Dir: record.CS, Bytes: []byte(header)}, {On: session.Dialed},
		{On: session.Data, Dir: record.SC, Bytes: []byte(header + "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>")},
		{On: session.Data, Dir: record.CS, Bytes: []byte("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>")},
		{On: session.Data, Dir: record.SC, Bytes: []byte("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")},
		{On: session.Data, Dir: record.CS, Bytes: []byte(header)},
		{On: session.Data, Dir: record.SC, Bytes: []byte(header + "<stream:features/>")},
	} {
		c.sess.Handle(in)
	}
	in := session.Input{On: session.Put, Injection: &session.Injection{Dir: record.SC, Bytes: []byte("<presence/>")}}
	if err := c.ask(in); err != nil {
		t.Fatal(err)
	}
	c.bg.end()
	c.legs[session.Client].put(piece{b: make([]byte, maxQueued+1)})
	if err := c.ask(in); err == nil || !strings.Contains(err.Error(), "the client does not read") {
		t.Errorf("%v", err)
	}
}
