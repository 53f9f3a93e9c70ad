package proxytest

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
)

// A Gate passes TCP connections on until it is shut: what the client side then
// sends on them is lost, as on a bad network.
type Gate struct {
	Addr string
	shut atomic.Int64 // connections up to this number lose what they send
	last atomic.Int64
}

// NewGate stands in front of addr.
func NewGate(t testing.TB, addr string) *Gate {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &Gate{Addr: ln.Addr().String()}
	serve(t, ln, func(c net.Conn) { g.pass(g.last.Add(1), c, addr) })
	return g
}

// Shut makes the connections that there are lose what is sent to the server.
func (g *Gate) Shut() { g.shut.Store(g.last.Load()) }

func (g *Gate) pass(n int64, c net.Conn, addr string) {
	defer c.Close()
	s, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer s.Close()
	go func() { // ends with the server's connection
		io.Copy(c, s)
		c.Close()
	}()
	b := make([]byte, 16<<10)
	for {
		k, err := c.Read(b)
		if k > 0 && n > g.shut.Load() {
			if _, err := s.Write(b[:k]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
