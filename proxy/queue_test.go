package proxy

import (
	"io"
	"net"
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

// What was decided first goes out first, also when the second was queued before the
// goroutine that holds the leg came to write.
func TestLegOrder(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	peer, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	log, err := record.CreateTemp(record.Options{Tool: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	c := newConn(&Proxy{Log: log}, 1, nc, door{})
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
