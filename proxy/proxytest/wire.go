package proxytest

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
)

// A Wire passes TCP connections on as they are and remembers the bytes, of all of
// them in one.
type Wire struct {
	Addr string
	mu   sync.Mutex
	said [2]bytes.Buffer
}

// NewWire stands in front of addr.
func NewWire(t testing.TB, addr string) *Wire {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &Wire{Addr: ln.Addr().String()}
	serve(t, ln, func(c net.Conn) {
		defer c.Close()
		s, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		defer s.Close()
		done := make(chan struct{})
		go func() { // ends with the server's side
			w.pass(1, c, s)
			close(done)
		}()
		w.pass(0, s, c)
		<-done
	})
	return w
}

func (w *Wire) pass(way int, dst, src net.Conn) {
	io.Copy(&both{w, way, dst}, src)
	dst.(*net.TCPConn).CloseWrite()
}

// both remembers what it writes, before it does.
type both struct {
	w   *Wire
	way int
	dst io.Writer
}

func (b *both) Write(p []byte) (int, error) {
	b.w.mu.Lock()
	b.w.said[b.way].Write(p)
	b.w.mu.Unlock()
	return b.dst.Write(p)
}

// CS returns what went to the server so far, SC what came from it.
func (w *Wire) CS() []byte { return w.get(0) }
func (w *Wire) SC() []byte { return w.get(1) }

func (w *Wire) get(way int) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bytes.Clone(w.said[way].Bytes())
}
