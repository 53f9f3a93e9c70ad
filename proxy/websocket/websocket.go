// Package websocket reads and writes the frames of WebSocket (RFC 6455 §5). It
// does no I/O: bytes go in as they were received, parts of frames come out, and
// the bytes can be passed on as they are.
//
//	d := websocket.Decoder{Client: true}
//	for len(b) > 0 {
//		p, n := d.Next(b)
//		payload = p.AppendTo(payload) // unmasked
//		if p.EndsMessage { … }
//		b = b[n:]
//	}
//
// A message is one frame or several fragments, between which control frames may
// stand. Nothing is kept but the header of a frame: a message of any length
// passes in constant memory.
//
// What breaks the rules is reported and read all the same, as long as the end of
// the frame can be found. Where it cannot, the framing is lost for good.
package websocket

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// An Op is the opcode of a frame (§5.2).
type Op byte

const (
	Continuation Op = 0
	Text         Op = 1
	Binary       Op = 2
	Close        Op = 8
	Ping         Op = 9
	Pong         Op = 10
)

// IsControl reports whether frames of the kind stand between those of messages (§5.5).
func (o Op) IsControl() bool { return o&8 != 0 }

// String returns the name of the opcode in lower case.
func (o Op) String() string {
	switch o {
	case Continuation:
		return "continuation"
	case Text:
		return "text"
	case Binary:
		return "binary"
	case Close:
		return "close"
	case Ping:
		return "ping"
	case Pong:
		return "pong"
	}
	return fmt.Sprintf("opcode %d", byte(o))
}

// MaxControl bounds the payload of a control frame, in bytes (§5.5).
const MaxControl = 125

// maxHeader is the longest header: two bytes, a length of eight, a mask of four.
const maxHeader = 14

// A Code says what is wrong with a frame.
type Code string

const (
	CodeReserved      Code = "reserved-bit"  // a bit is set that no extension was agreed on for (§5.2)
	CodeOpcode        Code = "opcode"        // an opcode that is not defined (§5.2)
	CodeMask          Code = "mask"          // a client's frame is not masked, or a server's is (§5.1)
	CodeLength        Code = "length"        // a length in more bytes than it needs (§5.2)
	CodeFragment      Code = "fragment"      // a continuation of nothing, or a message inside of another (§5.4)
	CodeControl       Code = "control"       // a control frame in fragments (§5.5)
	CodeControlLength Code = "control-long"  // a control frame of more than MaxControl bytes (§5.5): the framing is lost
	CodeOverflow      Code = "length-signed" // a length of 2^63 or more (§5.2): the framing is lost
)

var sections = map[Code]string{
	CodeReserved: "§5.2", CodeOpcode: "§5.2", CodeMask: "§5.1", CodeLength: "§5.2", CodeFragment: "§5.4",
	CodeControl: "§5.5", CodeControlLength: "§5.5", CodeOverflow: "§5.2",
}

// An Error is a frame that breaks the rules.
type Error struct {
	Offset int64 // of the frame, in bytes since the Decoder started
	Code   Code
	Msg    string
}

func (e *Error) Error() string {
	return fmt.Sprintf("websocket: frame at offset %d: %s", e.Offset, e.Msg)
}

// Ref returns the section that the rule is in.
func (e *Error) Ref() string { return "RFC 6455 " + sections[e.Code] }

// A Part is what a call of Next found: the header of a frame with as much of its
// payload as was there, or more of the payload.
type Part struct {
	Partial       bool // the bytes are of a header that is not complete; nothing else is set
	Lost          bool // the framing is lost: the bytes cannot be told apart
	Op            Op   // of the frame; of a continuation that of its message
	Begins        bool // the frame begins here
	Ends          bool // the frame ends here
	BeginsMessage bool
	EndsMessage   bool   // with Ends
	Err           *Error // of the frame, where it begins

	payload []byte
	masked  bool
	key     [4]byte
	at      int // of payload[0] in the mask
}

// Len returns the length of the payload that is there, in bytes.
func (p *Part) Len() int { return len(p.payload) }

// AppendTo appends the payload, unmasked, to dst.
func (p *Part) AppendTo(dst []byte) []byte {
	n := len(dst)
	dst = append(dst, p.payload...)
	if p.masked {
		mask(dst[n:], p.key, p.at)
	}
	return dst
}

// mask applies a key (§5.3), beginning with its byte at.
func mask(b []byte, key [4]byte, at int) {
	var k [8]byte
	for i := range k {
		k[i] = key[(at+i)&3]
	}
	w := binary.NativeEndian.Uint64(k[:])
	for len(b) >= 8 {
		binary.NativeEndian.PutUint64(b, binary.NativeEndian.Uint64(b)^w)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= k[i]
	}
}

// A Decoder reads the frames of one direction. The zero value is ready for those
// of a server.
type Decoder struct {
	Client bool // the frames are a client's

	off    int64 // bytes read
	header [maxHeader]byte
	have   int // bytes of header
	inside bool
	lost   bool
	open   bool // a message has begun and not ended

	// Of the frame, when inside.
	op     Op
	fin    bool
	masked bool
	key    [4]byte
	at     uint64 // bytes of payload read
	length uint64 // of payload
	text   Op     // of the message that is open
}

// Next takes the next part from b, which must not be empty, and returns it with
// the number of bytes that it consists of, at least one. It aliases b.
func (d *Decoder) Next(b []byte) (Part, int) {
	if d.lost {
		d.off += int64(len(b))
		return Part{Lost: true}, len(b)
	}
	n := 0
	var p Part
	if !d.inside {
		start := d.off - int64(d.have)
		for need := d.headerLength(); d.have < need; need = d.headerLength() {
			k := copy(d.header[d.have:need], b[n:])
			d.have += k
			n += k
			if k == 0 {
				d.off += int64(n)
				return Part{Partial: true}, n
			}
		}
		p.Begins = true
		p.Err, d.lost = d.begin(&p, start)
		if d.lost {
			d.off += int64(len(b))
			p.Lost = true
			return p, len(b)
		}
	}
	take := b[n:]
	if left := d.length - d.at; uint64(len(take)) > left {
		take = take[:left]
	}
	p.payload, p.masked, p.key, p.at = take, d.masked, d.key, int(d.at&3)
	d.at += uint64(len(take))
	n += len(take)
	p.Op = d.op
	if d.op == Continuation {
		p.Op = d.text
	}
	if d.at == d.length {
		p.Ends, p.EndsMessage = true, d.fin && !d.op.IsControl()
		d.inside, d.have = false, 0
		if p.EndsMessage {
			d.open = false
		}
	}
	d.off += int64(n)
	return p, n
}

// headerLength returns how long the header is, as far as its bytes tell.
func (d *Decoder) headerLength() int {
	if d.have < 2 {
		return 2
	}
	n := 2
	switch d.header[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if d.header[1]&0x80 != 0 {
		n += 4
	}
	return n
}

// begin reads the header of the frame at offset start.
func (d *Decoder) begin(p *Part, start int64) (err *Error, lost bool) {
	h := d.header[:d.have]
	fail := func(c Code, format string, args ...any) {
		if err == nil {
			err = &Error{start, c, fmt.Sprintf(format, args...)}
		}
	}
	d.inside, d.at = true, 0
	d.fin, d.op = h[0]&0x80 != 0, Op(h[0]&0x0f)
	d.masked = h[1]&0x80 != 0
	rest := h[2:]
	d.length = uint64(h[1] & 0x7f)
	switch d.length {
	case 126:
		d.length, rest = uint64(binary.BigEndian.Uint16(rest)), rest[2:]
		if d.length < 126 {
			fail(CodeLength, "a length of %d in two bytes more than it needs", d.length)
		}
	case 127:
		d.length, rest = binary.BigEndian.Uint64(rest), rest[8:]
		if d.length>>63 != 0 {
			return &Error{start, CodeOverflow, "a length of more than 2^63"}, true
		}
		if d.length < 1<<16 {
			fail(CodeLength, "a length of %d in eight bytes", d.length)
		}
	}
	if d.masked {
		d.key = [4]byte(rest)
	}
	if d.op.IsControl() && d.length > MaxControl {
		return &Error{start, CodeControlLength, fmt.Sprintf("a %s of %d bytes, at most %d are allowed", d.op, d.length, MaxControl)}, true
	}
	if bits := h[0] >> 4 & 7; bits != 0 {
		fail(CodeReserved, "reserved bits %03b are set without an extension", bits)
	}
	switch {
	case d.op > Binary && d.op < Close, d.op > Pong:
		fail(CodeOpcode, "%s is not defined", d.op)
	case d.masked != d.Client && d.Client:
		fail(CodeMask, "the client's frame is not masked")
	case d.masked != d.Client:
		fail(CodeMask, "the server's frame is masked")
	}
	switch {
	case d.op.IsControl():
		if !d.fin {
			fail(CodeControl, "a %s in fragments", d.op)
		}
	case d.op == Continuation && !d.open:
		fail(CodeFragment, "a continuation of no message")
		d.text = Text
		p.BeginsMessage = true
	case d.op != Continuation && d.open:
		fail(CodeFragment, "a message begins inside of another one")
		d.text = d.op
	case d.op != Continuation:
		d.text = d.op
		p.BeginsMessage = true
	}
	if !d.op.IsControl() {
		d.open = true
	}
	return err, false
}

// AtBoundary reports whether a message may begin at the end of what was read: no
// frame and no message is unfinished, and the framing is not lost.
func (d *Decoder) AtBoundary() bool { return !d.inside && d.have == 0 && !d.open && !d.lost }

// AppendFrame appends a frame to dst; a client's has a key.
func AppendFrame(dst []byte, op Op, fin bool, key *[4]byte, payload []byte) []byte {
	b := byte(op)
	if fin {
		b |= 0x80
	}
	dst = append(dst, b)
	var m byte
	if key != nil {
		m = 0x80
	}
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, m|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, m|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, m|127), uint64(n))
	}
	if key != nil {
		dst = append(dst, key[:]...)
	}
	at := len(dst)
	dst = append(dst, payload...)
	if key != nil {
		mask(dst[at:], *key, 0)
	}
	return dst
}

// ReadClose returns the code and the reason of a Close frame's payload, 0 where
// there is none (§5.5.1).
func ReadClose(payload []byte) (code int, reason string) {
	if len(payload) < 2 {
		return 0, ""
	}
	return int(binary.BigEndian.Uint16(payload)), strings.ToValidUTF8(string(payload[2:]), "\ufffd")
}

// ClosePayload is the payload of a Close frame.
func ClosePayload(code int, reason string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)
}
