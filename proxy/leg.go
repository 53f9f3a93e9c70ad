package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A chunk is what one read returns at most. 64 KiB is four TLS records: larger
// reads were no faster, smaller ones cost a write to the log each.
const chunkSize = 64 << 10

type chunk struct{ b [chunkSize]byte }

var chunks = sync.Pool{New: func() any { return new(chunk) }}

// release gives the buffer back; a nil chunk has none.
func (c *chunk) release() {
	if c != nil {
		chunks.Put(c)
	}
}

// A leg is one connection with its TLS layer, if it has one. One goroutine
// reads it; any goroutine may write.
type leg struct {
	socket atomic.Pointer[socket] // nil until the leg is connected

	wmu   sync.Mutex
	tls   *tls.Conn // guarded by wmu; the reading goroutine sets it and may read it without
	zip   *deflater // guarded by wmu; nil unless the leg is compressed
	ended bool      // guarded by wmu; the sending side is closed
	rate  int       // guarded by wmu; bytes a second, 0 = as fast as it goes

	qmu    sync.Mutex
	queue  []piece       // guarded by qmu; what waits for the one who writes
	behind int           // guarded by qmu; bytes that were put into queue and are not written
	gone   chan struct{} // closed when nobody waits for a slow leg any more; nil for none
	failed error         // guarded by wmu; of what was queued, until somebody tells it
	reader reader        // of the reading goroutine
}

// use gives the leg its connection.
func (l *leg) use(nc net.Conn) {
	s := newSocket(nc)
	l.reader.init(s)
	l.socket.Store(s)
}

// take gives the leg a connection whose TLS layer, if it has one, is up.
func (l *leg) take(s *socket, tc *tls.Conn) {
	l.reader.init(s)
	l.reader.tls = tc
	l.wmu.Lock()
	l.tls = tc
	l.wmu.Unlock()
	l.socket.Store(s)
}

// plain returns the connection to speak over in front of the session, with its
// TLS layer.
func (l *leg) plain() net.Conn {
	if l.tls != nil {
		return l.tls
	}
	return l.socket.Load()
}

func (l *leg) remote() string {
	s := l.socket.Load()
	if s == nil {
		return ""
	}
	return s.conn.RemoteAddr().String()
}

func (l *leg) local() net.Addr { return l.socket.Load().conn.LocalAddr() }

// read returns the next chunk. The caller releases the buffer.
func (l *leg) read() (*chunk, int, error) {
	if l.socket.Load() == nil {
		return nil, 0, io.EOF
	}
	return l.reader.read()
}

// closeNotified reports whether the peer closed its TLS layer properly
// (RFC 8446 §6.1), in contrast to ending the TCP connection under it.
func (l *leg) closeNotified() bool { return l.tls != nil && !l.socket.Load().eof.Load() }

// writeLocked writes all of b; the caller holds wmu.
func (l *leg) writeLocked(b []byte) error {
	s := l.socket.Load()
	if s == nil || l.ended {
		return net.ErrClosed
	}
	if l.rate > 0 {
		return l.writeSlowly(b)
	}
	return l.writeNow(s, b)
}

func (l *leg) writeNow(s *socket, b []byte) (err error) {
	if l.zip != nil {
		if b, err = l.zip.deflate(b); err != nil {
			return err
		}
	}
	if l.tls != nil {
		_, err = l.tls.Write(b)
	} else {
		_, err = s.conn.Write(b)
	}
	return err
}

// closeWrite ends the sending side: close_notify, then FIN. Both are needed,
// ejabberd keeps a session until it sees the FIN.
func (l *leg) closeWrite() {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	l.drainLocked()
	s := l.socket.Load()
	if s == nil || l.ended {
		return
	}
	l.ended = true
	if l.tls != nil {
		l.tls.CloseWrite() // fails when the layer is broken already
	}
	if half, ok := s.conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
}

// deadline bounds reading and writing from now on.
func (l *leg) deadline(d time.Duration) {
	// Not under wmu: it has to free a writer that holds it.
	if s := l.socket.Load(); s != nil {
		s.conn.SetDeadline(time.Now().Add(d))
	}
}

// undeadline takes the bound away.
func (l *leg) undeadline() { l.socket.Load().conn.SetDeadline(time.Time{}) }

func (l *leg) close() {
	if s := l.socket.Load(); s != nil {
		s.conn.Close()
	}
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) }
