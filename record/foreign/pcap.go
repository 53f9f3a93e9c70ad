package foreign

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// This file reads the containers: pcap, and the blocks of pcapng
// (draft-ietf-opsawg-pcapng). Package pcapgo has readers for both, but that of
// pcapng keeps decryption secrets and custom blocks to itself.

// packet is one packet of a capture. Data is valid until the next one is read.
type packet struct {
	n        int64 // from 1
	at       int64 // where it begins in the file, unpacked
	t        time.Time
	link     int // LINKTYPE_
	data     []byte
	length   int // on the wire
	comments []string
}

func isCapture(head []byte) bool {
	if len(head) < 4 {
		return false
	}
	switch string(head[:4]) {
	case "\xd4\xc3\xb2\xa1", "\xa1\xb2\xc3\xd4", "\x4d\x3c\xb2\xa1", "\xa1\xb2\x3c\x4d", "\x34\xcd\xb2\xa1", "\xa1\xb2\xcd\x34", "\x0a\x0d\x0d\x0a":
		return true
	}
	return false
}

// captureReader reads packets.
type captureReader struct {
	r     io.Reader
	order binary.ByteOrder
	at    int64 // bytes read
	n     int64 // packets read
	buf   []byte
	ng    bool

	// Of a pcap.
	link    int
	nano    bool
	skip    int // bytes of header behind the 16 usual ones, of Kuznetzov's format
	started bool

	// Of a pcapng.
	ifaces  []iface
	last    time.Time
	secrets func([]byte)
	app     string // that wrote the section
}

// iface is an interface of a section.
type iface struct {
	link   int
	snap   uint32
	second uint64 // ticks in a second
	offset int64  // seconds
}

// maxIfaces bounds the interfaces of a section.
const maxIfaces = 10_000

func newCaptureReader(r io.Reader) *captureReader { return &captureReader{r: r} }

// fail is an error at a packet.
func (c *captureReader) fail(format string, args ...any) error {
	return &SyntaxError{fmt.Sprintf("packet %d at offset %d", c.n+1, c.at), fmt.Sprintf(format, args...), "the packets before it were imported; a capture that was cut off while it was written can be mended with: pcapfix, or editcap IN OUT"}
}

// read reads exactly n bytes, which are valid until the next call.
func (c *captureReader) read(n int) ([]byte, error) {
	if cap(c.buf) < n {
		c.buf = make([]byte, n, max(n, 64<<10))
	}
	b := c.buf[:n]
	k, err := io.ReadFull(c.r, b)
	c.at += int64(k)
	return b[:k], err
}

// cut is the error of an input that ends inside something; one that cannot be
// unpacked any further is another.
func (c *captureReader) cut(what string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return c.fail("the capture ends inside %s", what)
	}
	return c.fail("%v", err)
}

// next returns the next packet, or io.EOF.
func (c *captureReader) next() (packet, error) {
	if !c.started {
		if err := c.start(); err != nil {
			return packet{}, err
		}
	}
	if c.ng {
		return c.nextBlock()
	}
	at := c.at
	h, err := c.read(16 + c.skip)
	if len(h) == 0 && errors.Is(err, io.EOF) {
		return packet{}, io.EOF
	}
	if err != nil {
		return packet{}, c.cut("the header of a packet", err)
	}
	sec, frac := int64(c.order.Uint32(h)), int64(c.order.Uint32(h[4:]))
	n, length := c.order.Uint32(h[8:]), c.order.Uint32(h[12:])
	if n > MaxPacket {
		return packet{}, c.fail("a packet of %d bytes, more than %d", n, MaxPacket)
	}
	if !c.nano {
		frac *= 1000
	}
	b, err := c.read(int(n))
	if err != nil {
		return packet{}, c.cut("a packet", err)
	}
	c.n++
	return packet{n: c.n, at: at, t: time.Unix(sec, frac).UTC(), link: c.link, data: b, length: int(min(length, MaxPacket))}, nil
}

// start reads the header of the file.
func (c *captureReader) start() error {
	c.started = true
	magic, err := c.read(4)
	if err != nil {
		return c.cut("its header", err)
	}
	switch string(magic) {
	case "\x0a\x0d\x0d\x0a":
		c.ng = true
		c.order = binary.LittleEndian
		return c.section()
	case "\xd4\xc3\xb2\xa1":
		c.order = binary.LittleEndian
	case "\xa1\xb2\xc3\xd4":
		c.order = binary.BigEndian
	case "\x4d\x3c\xb2\xa1":
		c.order, c.nano = binary.LittleEndian, true
	case "\xa1\xb2\x3c\x4d":
		c.order, c.nano = binary.BigEndian, true
	case "\x34\xcd\xb2\xa1":
		c.order, c.skip = binary.LittleEndian, 8
	case "\xa1\xb2\xcd\x34":
		c.order, c.skip = binary.BigEndian, 8
	}
	h, err := c.read(20)
	if err != nil {
		return c.cut("its header", err)
	}
	c.link = int(c.order.Uint32(h[16:]) & 0xffff) // above: the length of frame check sequences
	return nil
}

// section reads a section header behind its type.
func (c *captureReader) section() error {
	h, err := c.read(8)
	if err != nil {
		return c.cut("a section header", err)
	}
	length := [4]byte(h[:4])
	switch string(h[4:8]) {
	case "\x1a\x2b\x3c\x4d":
		c.order = binary.BigEndian
	case "\x4d\x3c\x2b\x1a":
		c.order = binary.LittleEndian
	default:
		return c.fail("a section header whose byte order cannot be told")
	}
	n := c.order.Uint32(length[:])
	if n < 28 || n%4 != 0 || n > MaxPacket {
		return c.fail("a section header of %d bytes", n)
	}
	b, err := c.read(int(n) - 12)
	if err != nil {
		return c.cut("a section header", err)
	}
	if major := c.order.Uint16(b); major != 1 {
		return c.fail("pcapng of version %d", major)
	}
	c.ifaces, c.app = c.ifaces[:0], ""
	c.options(b[12:len(b)-4], func(code uint16, v []byte) {
		if code == 4 {
			c.app = string(v)
		}
	})
	return nil
}

// The types of blocks.
const (
	blockInterface = 1
	blockPacket    = 2
	blockSimple    = 3
	blockEnhanced  = 6
	blockSecrets   = 10
	blockSection   = 0x0a0d0d0a
)

// nextBlock reads blocks until one is a packet.
func (c *captureReader) nextBlock() (packet, error) {
	for {
		at := c.at
		h, err := c.read(4)
		if len(h) == 0 && errors.Is(err, io.EOF) {
			return packet{}, io.EOF
		}
		if err != nil {
			return packet{}, c.cut("a block", err)
		}
		kind := c.order.Uint32(h)
		if kind == blockSection {
			if err := c.section(); err != nil {
				return packet{}, err
			}
			continue
		}
		if h, err = c.read(4); err != nil {
			return packet{}, c.cut("a block", err)
		}
		n := c.order.Uint32(h)
		if n < 12 || n%4 != 0 {
			return packet{}, c.fail("a block of %d bytes", n)
		}
		if n > MaxPacket {
			switch kind {
			case blockInterface, blockPacket, blockSimple, blockEnhanced:
				return packet{}, c.fail("a block of %d bytes, more than %d", n, MaxPacket)
			}
			k, err := io.CopyN(io.Discard, c.r, int64(n)-8)
			if c.at += k; err != nil {
				return packet{}, c.cut("a block", err)
			}
			continue
		}
		b, err := c.read(int(n) - 8)
		if err != nil {
			return packet{}, c.cut("a block", err)
		}
		p, ok, err := c.block(kind, b[:len(b)-4])
		if err != nil {
			return packet{}, err
		}
		if ok {
			c.n++
			p.n, p.at = c.n, at
			return p, nil
		}
	}
}

func (c *captureReader) block(kind uint32, b []byte) (p packet, ok bool, err error) {
	short := func(n int) bool { return len(b) < n }
	switch kind {
	case blockInterface:
		if short(8) {
			return p, false, c.fail("the description of an interface is too short")
		}
		if len(c.ifaces) >= maxIfaces {
			return p, false, c.fail("more than %d interfaces", maxIfaces)
		}
		i := iface{link: int(c.order.Uint16(b)), snap: c.order.Uint32(b[4:]), second: 1e6}
		c.options(b[8:], func(code uint16, v []byte) {
			switch {
			case code == 9 && len(v) >= 1: // if_tsresol
				i.second = ticks(v[0])
			case code == 14 && len(v) >= 8: // if_tsoffset
				i.offset = int64(c.order.Uint64(v))
			}
		})
		c.ifaces = append(c.ifaces, i)
	case blockEnhanced, blockPacket:
		if short(20) {
			return p, false, c.fail("a packet's block is too short")
		}
		id := c.order.Uint32(b)
		if kind == blockPacket {
			id = uint32(c.order.Uint16(b))
		}
		n := c.order.Uint32(b[12:])
		if id >= uint32(len(c.ifaces)) {
			return p, false, c.fail("it is from interface %d, of %d", id, len(c.ifaces))
		}
		if uint64(n) > uint64(len(b)-20) {
			return p, false, c.fail("a packet of %d bytes in a block of %d", n, len(b))
		}
		i := c.ifaces[id]
		p = packet{link: i.link, t: i.time(uint64(c.order.Uint32(b[4:]))<<32 | uint64(c.order.Uint32(b[8:]))), data: b[20 : 20+n], length: int(min(c.order.Uint32(b[16:]), MaxPacket))}
		if end := 20 + (int(n)+3)&^3; end < len(b) {
			c.options(b[end:], func(code uint16, v []byte) {
				if code == 1 {
					p.comments = append(p.comments, string(v))
				}
			})
		}
		c.last = p.t
		return p, true, nil
	case blockSimple:
		if short(4) || len(c.ifaces) == 0 {
			return p, false, c.fail("a packet's block without an interface")
		}
		i := c.ifaces[0]
		n := c.order.Uint32(b)
		p = packet{link: i.link, t: c.last, length: int(min(n, MaxPacket))}
		if i.snap > 0 {
			n = min(n, i.snap)
		}
		p.data = b[4 : 4+min(uint64(n), uint64(len(b)-4))]
		return p, true, nil
	case blockSecrets:
		const tlsKeyLog = 0x544c534b
		if !short(8) && c.order.Uint32(b) == tlsKeyLog && c.secrets != nil {
			c.secrets(b[8 : 8+min(uint64(c.order.Uint32(b[4:])), uint64(len(b)-8))])
		}
	}
	return p, false, nil
}

// options calls f with the options of a block.
func (c *captureReader) options(b []byte, f func(code uint16, value []byte)) {
	for len(b) >= 4 {
		code, n := c.order.Uint16(b), int(c.order.Uint16(b[2:]))
		b = b[4:]
		if code == 0 || n > len(b) {
			return
		}
		f(code, b[:n])
		b = b[min(len(b), (n+3)&^3):]
	}
}

// ticks is if_tsresol: a negative power of ten, or of two.
func ticks(resolution byte) uint64 {
	n := resolution & 0x7f
	switch {
	case resolution&0x80 != 0 && n < 64:
		return 1 << n
	case resolution&0x80 == 0 && n < 20:
		t := uint64(1)
		for range n {
			t *= 10
		}
		return t
	}
	return 1e6 // no clock is that exact
}

func (i iface) time(ticks uint64) time.Time {
	sec, rest := ticks/i.second, ticks%i.second
	var ns int64
	if i.second <= 1e9 {
		ns = int64(rest * 1_000_000_000 / i.second)
	} else {
		ns = int64(float64(rest) / float64(i.second) * 1e9)
	}
	if sec > 1<<40 {
		sec = 0 // beyond what a time.Time tells in years
	}
	return time.Unix(int64(sec)+max(-1<<40, min(1<<40, i.offset)), ns).UTC()
}
