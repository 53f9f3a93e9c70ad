package proxy

import (
	"crypto/tls"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// An idle connection must not hold a buffer: ten thousand of them at 64 KiB
// would be 640 MB. So a buffer is borrowed inside RawConn.Read, whose function
// runs when the descriptor may be readable, and goes back before the goroutine
// parks. The same holds for TLS: crypto/tls treats a temporary error of the
// connection below as "try again" and keeps its state, so the socket answers
// EAGAIN with one (see wouldBlock) and the buffer for the plaintext can be
// given back, too.

// A socket is a connection that can be read without blocking while a reader
// is inside RawConn.Read.
type socket struct {
	conn net.Conn
	pre  []byte      // read before the socket: what was received in front of a handshake
	fd   uintptr     // valid while polled
	poll bool        // Read must not block; used by the reading goroutine only
	eof  atomic.Bool // the TCP connection ended
	bad  atomic.Bool // what is read from now on is no TLS: see leg.alert
}

func newSocket(nc net.Conn) *socket { return &socket{conn: nc} }

// Read implements net.Conn for the TLS layer above.
func (s *socket) Read(b []byte) (int, error) {
	if len(s.pre) > 0 {
		n := copy(b, s.pre)
		if s.pre = s.pre[n:]; len(s.pre) == 0 {
			s.pre = nil
		}
		return n, nil
	}
	if s.bad.Load() {
		return copy(b, noRecord), nil
	}
	var n int
	var err error
	if s.poll {
		n, err = readFD(s.fd, b)
	} else {
		n, err = s.conn.Read(b)
	}
	if err == io.EOF {
		s.eof.Store(true)
	}
	return n, err
}

// wouldBlock is a net.Error that crypto/tls does not make sticky.
type wouldBlock struct{}

func (wouldBlock) Error() string   { return "would block" }
func (wouldBlock) Timeout() bool   { return true }
func (wouldBlock) Temporary() bool { return true }

func (s *socket) Write(b []byte) (int, error)        { return s.conn.Write(b) }
func (s *socket) Close() error                       { return s.conn.Close() }
func (s *socket) LocalAddr() net.Addr                { return s.conn.LocalAddr() }
func (s *socket) RemoteAddr() net.Addr               { return s.conn.RemoteAddr() }
func (s *socket) SetDeadline(t time.Time) error      { return s.conn.SetDeadline(t) }
func (s *socket) SetReadDeadline(t time.Time) error  { return s.conn.SetReadDeadline(t) }
func (s *socket) SetWriteDeadline(t time.Time) error { return s.conn.SetWriteDeadline(t) }

// A reader reads a leg chunk by chunk.
type reader struct {
	s   *socket
	raw syscall.RawConn
	tls *tls.Conn // nil for clear text
	zip *inflater // nil unless the leg is compressed
	try func(fd uintptr) bool

	// The answer of try.
	buf *chunk
	n   int
	err error
}

func (r *reader) init(s *socket) {
	r.s = s
	r.try = r.attempt // once: a method value allocates
	if sc, ok := s.conn.(syscall.Conn); ok && pollable {
		r.raw, _ = sc.SyscallConn()
	}
}

// attempt reads if there is something to read. It returns false to wait.
func (r *reader) attempt(fd uintptr) bool {
	r.buf = chunks.Get().(*chunk)
	r.s.fd, r.s.poll = fd, true
	if r.tls != nil {
		r.n, r.err = r.tls.Read(r.buf.b[:])
	} else {
		r.n, r.err = r.s.Read(r.buf.b[:])
	}
	r.s.poll = false
	if r.n > 0 {
		if r.err == (wouldBlock{}) {
			r.err = nil
		}
		return true
	}
	if r.err == nil {
		// An empty TLS record: more may already be there.
		r.buf.release()
		return r.attempt(fd)
	}
	if _, again := r.err.(wouldBlock); again {
		r.buf.release()
		r.buf, r.err = nil, nil
		return false
	}
	return true
}

func (r *reader) read() (*chunk, int, error) {
	if r.raw == nil || r.zip != nil {
		return r.readBlocking()
	}
	r.buf, r.n, r.err = nil, 0, nil
	if err := r.raw.Read(r.try); err != nil {
		r.buf.release()
		return nil, 0, err
	}
	buf := r.buf
	r.buf = nil
	return buf, r.n, r.err
}

// readBlocking serves what cannot be polled.
func (r *reader) readBlocking() (*chunk, int, error) {
	buf := chunks.Get().(*chunk)
	var src io.Reader = r.s
	if r.tls != nil {
		src = r.tls
	}
	if r.zip != nil {
		src = r.zip
	}
	n, err := src.Read(buf.b[:])
	return buf, n, err
}

// compress reads zlib data from now on, unread first. A compressed leg waits
// inside of the layer, which cannot be left in the middle.
func (r *reader) compress(unread []byte) {
	var src io.Reader = r.s
	if r.tls != nil {
		src = r.tls
	}
	r.zip = newInflater(unread, src)
}
