package proxy

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/flate"
)

// Stream compression (XEP-0138) ends on each leg, as TLS does: what is recorded
// and looked at is the text. The layer is zlib (RFC 1950) above TLS. Reading
// keeps the peer's window of 32 KiB and some tables, 42 KiB together; writing no
// more than the last text, 9 KiB, see deflater. With the chunk that its blocked
// read holds a compressed leg costs 115 KiB, idle or not.

const (
	// inflateRatio is how many bytes a compressed one may become, on the
	// whole: XMPP stays below 30, deflate reaches 1,032.
	inflateRatio = 100
	// inflateBurst is what may go beyond that for a short time, in bytes.
	inflateBurst = 16 << 20
	// deflateWindow is how much of the text sent before new text can refer to.
	deflateWindow = 8 << 10
)

// A BombError says that a compressed stream grew beyond all measure.
type BombError struct{ Compressed, Inflated int64 } // bytes since it began

func (e *BombError) Error() string {
	return fmt.Sprintf("compressed data that grows more than %d times over: %d bytes became %d (a zip bomb)", inflateRatio, e.Compressed, e.Inflated)
}

// A ZlibError says that a compressed stream is broken.
type ZlibError struct{ Err error }

func (e *ZlibError) Error() string { return "the compressed data is broken: " + e.Err.Error() }
func (e *ZlibError) Unwrap() error { return e.Err }

// An inflater reads the text of a zlib stream. It returns what the peer has
// flushed, in whichever way, without waiting for more.
type inflater struct {
	src    source
	buf    *bufio.Reader
	body   io.Reader // nil until the header was read
	credit int64     // how much the data may still grow
	n      int64     // bytes of text so far
	err    error     // sticks
}

// source counts the compressed bytes and keeps the error that ended them: flate
// makes another of it.
type source struct {
	pre []byte // received before the layer began
	r   io.Reader
	n   int64
	err error
}

func (s *source) Read(b []byte) (n int, err error) {
	if len(s.pre) > 0 {
		n = copy(b, s.pre)
		s.pre = s.pre[n:]
	} else if n, err = s.r.Read(b); err != nil {
		s.err = err
	}
	s.n += int64(n)
	return n, err
}

// newInflater reads from pre, then from r.
func newInflater(pre []byte, r io.Reader) *inflater {
	z := &inflater{src: source{pre: pre, r: r}, credit: inflateBurst}
	z.buf = bufio.NewReaderSize(&z.src, 4<<10)
	return z
}

func (z *inflater) Read(b []byte) (int, error) {
	if z.err == nil && z.body == nil {
		z.err = z.header()
	}
	for z.err == nil {
		before := z.src.n
		n, err := z.body.Read(b)
		z.n += int64(n)
		z.credit = min(z.credit+inflateRatio*(z.src.n-before), inflateBurst) - int64(n)
		switch {
		case z.credit < 0:
			z.err = &BombError{Compressed: z.src.n, Inflated: z.n}
			return 0, z.err
		case err != nil:
			z.err = z.reason(err)
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, z.err
}

// header reads the two bytes in front of the data (RFC 1950 §2.2).
func (z *inflater) header() error {
	var h [2]byte
	if _, err := io.ReadFull(z.buf, h[:]); err != nil {
		return z.reason(err)
	}
	switch {
	case h[0]&0x0f != 8 || h[0]>>4 > 7 || (uint(h[0])<<8|uint(h[1]))%31 != 0:
		return &ZlibError{errors.New("it does not begin as zlib data does (RFC 1950 §2.2)")}
	case h[1]&0x20 != 0:
		return &ZlibError{errors.New("it wants a preset dictionary (RFC 1950 §2.2)")}
	}
	// A peer may flush with an empty block of any kind (XEP-0138 §4 wants a
	// "partial flush"): what is there is returned after each block.
	z.body = flate.NewReaderOpts(z.buf, flate.WithPartialBlock())
	return nil
}

// reason is why there is no more.
func (z *inflater) reason(err error) error {
	switch {
	case z.src.err != nil:
		return z.src.err // the end of the connection, mostly
	case err == io.EOF:
		return io.EOF // the peer ended the zlib stream
	}
	return &ZlibError{err}
}

// A deflater writes a zlib stream. Each Write is flushed, so that the peer has
// all of it. It keeps the end of what it wrote, which the next Write can refer
// to, instead of the megabyte of state that a compressor has.
type deflater struct {
	begun  bool
	window []byte
	out    []byte
}

// deflate returns the compressed form of b, valid until the next call.
func (z *deflater) deflate(b []byte) ([]byte, error) {
	z.out = z.out[:0]
	if !z.begun {
		z.begun = true
		z.out = append(z.out, 0x78, 0x01) // deflate with a window of 32 KiB, fastest
	}
	if err := flate.StatelessDeflate((*appender)(&z.out), b, false, z.window); err != nil {
		return nil, err
	}
	if len(b) >= deflateWindow {
		z.window = append(z.window[:0], b[len(b)-deflateWindow:]...)
	} else {
		keep := min(len(z.window), deflateWindow-len(b))
		z.window = append(z.window[:copy(z.window, z.window[len(z.window)-keep:])], b...)
	}
	out := z.out
	if cap(z.out) > deflateWindow {
		z.out = nil // an idle leg keeps little
	}
	return out, nil
}

type appender []byte

func (a *appender) Write(b []byte) (int, error) {
	*a = append(*a, b...)
	return len(b), nil
}

// compressLocked begins the layer on a leg; the caller holds wmu. Nobody reads it
// at the moment; unread is what was read of the layer already.
func (l *leg) compressLocked(unread []byte) {
	l.reader.compress(unread)
	l.zip = new(deflater)
}
