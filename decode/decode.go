// Package decode cuts the bytes of one direction of an XMPP connection into frames without losing any of them.
//
// A frame is one tile of the input: an XML declaration, a stream header, a whole first-level element (a stanza or a
// nonza), one octet of white space, the end of the stream, or junk. Bytes go in with Write, in whatever chunks the
// network delivers, and frames come out of Next:
//
//	var d decode.Decoder
//	for {
//		n, err := conn.Read(chunk)
//		d.Write(chunk[:n])
//		for f, ok := d.Next(); ok; f, ok = d.Next() {
//			use(f) // f.Raw is valid until the next call
//		}
//		if err != nil {
//			break
//		}
//	}
//	for f, ok := d.Close(); ok; f, ok = d.Close() {
//		use(f) // what was left over, marked as incomplete
//	}
//
// # The laws
//
// Tiling: the Raw fields of all frames, one after another, are the input, byte for byte, whatever comes in.
//
// Chunk invariance: any split of the input into calls of Write gives the same frames with the same errors.
//
// Bounded: a frame longer than MaxFrame comes in parts, and the buffer never holds more than a frame part, one tag
// and the last chunk. A Decoder without unread bytes holds no buffer at all.
//
// Never stuck: what is not well-formed is still framed. A soft error leaves the frame as it is and is reported in
// Frame.Err. A hard error (the nesting is lost) turns the frame so far into Junk, and everything after it too, until an
// XML declaration or a stream header begins anew.
//
// Hand-over: after the frame that ends one layer (the proceed element of STARTTLS) the bytes behind it are still
// there, in Unread, and have not been looked at.
//
// # What is checked
//
// Elements must nest, names must be names of XML 1.0 (fifth edition) and of Namespaces in XML, attributes must be unique
// by name and by namespace, prefixes declared, references known, characters legal and UTF-8 valid. Comments, processing
// instructions and DTDs, which RFC 6120 §11.1 forbids, are framed and marked, never read and never expanded.
package decode

import "strconv"

// DefaultMaxFrame is the value of Decoder.MaxFrame in use when it is zero, in bytes.
const DefaultMaxFrame = 4 << 20

// Limits on what has to be in memory at once. What exceeds one of them is a hard error.
const (
	// MaxTag bounds one tag, comment, processing instruction or DTD, in bytes: each is looked at when it is complete.
	MaxTag = 1 << 20
	// MaxName bounds the name of an element, in bytes: names of open elements outlive the part of the frame they came in.
	MaxName = 1 << 10
	// MaxDepth bounds the nesting of a frame; the first-level element has depth 1.
	MaxDepth = 1000
)

// Kind says what a frame is.
type Kind uint8

// The kinds of frames.
const (
	Declaration Kind = iota + 1 // <?xml …?>
	Header                      // the start tag of a stream, <stream:stream …>; see Decoder.BOSH
	Element                     // a whole first-level element, of any depth
	Whitespace                  // one octet of white space between elements: a run has no end that is known without waiting
	End                         // </stream:stream>
	Comment                     // forbidden by RFC 6120 §11.1, like the next two: Err says so
	Instruction                 // a processing instruction other than the XML declaration
	Doctype                     // <!DOCTYPE …>
	Junk                        // anything else; Err says why
)

var kindNames = [...]string{"", "declaration", "header", "element", "whitespace", "end", "comment", "instruction", "doctype", "junk"}

// String returns the kind in lower case, as recordings and filters write it.
func (k Kind) String() string {
	if k == 0 || int(k) >= len(kindNames) {
		return "kind " + strconv.Itoa(int(k))
	}
	return kindNames[k]
}

// Part says which piece of a frame longer than MaxFrame this is.
type Part uint8

// The parts. All but the last have exactly MaxFrame bytes. Every First is followed by a Last, which is Junk when the
// structure was lost or the input ended on the way.
const (
	Whole Part = iota
	First
	Middle
	Last
)

var partNames = [...]string{"whole", "first", "middle", "last"}

// String returns the part in lower case.
func (p Part) String() string {
	if int(p) >= len(partNames) {
		return "part " + strconv.Itoa(int(p))
	}
	return partNames[p]
}

// Frame is one tile of the input.
//
// Raw, Prefix, Name and NS are slices of the decoder's buffer or of the stream header. They are valid until the next
// call of Next, Write, Reset or Close, and must not be changed.
type Frame struct {
	Kind   Kind
	Part   Part
	Offset int64  // of Raw[0], in bytes since the Decoder started or in terms of Reset's argument
	Raw    []byte // exactly the frame's bytes

	// Of a Header, Element or End, in Whole and First parts. NS is the namespace that Prefix has in the frame itself or
	// else in the stream header; it is nil where no namespace is declared.
	Prefix, Name, NS []byte

	// Stream is the stream header in force, for a Header frame itself; nil outside a stream. It is never changed and may
	// be kept.
	Stream *Stream

	// Err is the first error in the frame, nil when it is well-formed. A part carries an error once it has been reached.
	Err *SyntaxError
}

// Decoder cuts bytes into frames. The zero value is ready for use. It does no I/O and starts no goroutine; it must not be
// used from two goroutines at once.
type Decoder struct {
	// MaxFrame bounds Frame.Raw, in bytes; 0 means DefaultMaxFrame. Set it before the first Write.
	MaxFrame int
	// Bare allows elements outside a stream, as the WebSocket framing of RFC 7395 has them. Set it before the first Write.
	Bare bool
	// BOSH takes the wrappers of XEP-0124 for streams: the start tag of a body is a Header, what it carries are
	// first-level elements that inherit its namespaces, its end tag is the End; a body without content is a Header that
	// ends its own stream. Each HTTP body is a document: call Close, then Reset, behind it. Set it before the first Write.
	BOSH bool

	// work holds the bytes and everything that lives only while a frame is incomplete. It is nil when there are no
	// unread bytes, so that idle connections cost nothing: they have two decoders each.
	work *work

	// base is the offset of work.b[0] in the stream. Positions are indexes into work.b:
	// 0 <= start <= pos <= end <= len(work.b)-padding, where start is the first byte that was not handed out in a frame,
	// everything before pos is scanned, and pos is the beginning of the next token (or inside text).
	base            int64
	start, pos, end int

	look  int   // bytes of the token at pos in which its end was searched for in vain; 0 when there is no such token
	quote byte  // where that search stands: the quote it is in, or 0
	state state // what pos is inside of
	after state // the state behind the frame, once done
	done  bool  // the frame ends at pos
	cut   bool  // a First part of this frame was handed out

	kind   Kind // of the frame at start, 0 when not known
	from   int  // Junk: where the count to junkCut begins
	ends   bool // the stream ends with this frame
	own    bool // ns is the span nsAt of this frame, not nsUp
	name   span // qualified name, relative to start
	prefix int32
	nsAt   span
	nsUp   []byte
	err    *SyntaxError
	stream *Stream
	uris   [][]byte // stream.Bindings as bytes, made when first needed
}

// state says what the scanner is inside of.
type state uint8

const (
	atTop     state = iota // between first-level elements
	inElement              // inside a first-level element, between tokens or in text
	inCDATA                // inside a CDATA section
	inText                 // in text where only elements may be
	inLost                 // after a hard error
)

// Next returns the next complete frame, or false when more bytes are needed. Call it until it returns false: only then
// are all frames of the bytes written so far out, and the buffer of a Decoder without unread bytes is given back.
func (d *Decoder) Next() (Frame, bool) {
	max := d.maxFrame()
	for {
		if d.done || d.pos-d.start > max {
			return d.emit(max), true
		}
		if d.start == d.end {
			d.release()
			return Frame{}, false
		}
		if !d.step() && d.pos-d.start <= max {
			return Frame{}, false
		}
	}
}

// Close is called in place of Next when the input has ended. It returns the complete frames that are left, then the
// unfinished rest as Junk with CodeIncomplete, then false. After that the Decoder is ready for more bytes, between
// elements of the stream it was in.
func (d *Decoder) Close() (Frame, bool) {
	if f, ok := d.Next(); ok {
		return f, true
	}
	if d.start == d.end {
		d.state, d.look, d.quote = atTop, 0, 0
		return Frame{}, false
	}
	if d.kind != Junk || d.err == nil {
		d.kind = Junk
		d.err = &SyntaxError{Offset: d.base + int64(d.end), Code: CodeIncomplete, Msg: "input ends inside a frame"}
	}
	d.abandon()
	d.finish(d.end, atTop)
	return d.emit(d.maxFrame()), true
}

// Reset begins a new layer, as after TLS or compression was negotiated: unread bytes and the stream in force are dropped,
// and the next byte written has the given offset.
func (d *Decoder) Reset(offset int64) {
	max, bare, bosh := d.MaxFrame, d.Bare, d.BOSH
	d.start, d.pos = d.end, d.end
	d.release()
	*d = Decoder{MaxFrame: max, Bare: bare, BOSH: bosh, base: offset}
}

// Unread returns the bytes that were written and have not been handed out in a frame. They are valid until the next call
// of Next, Write, Reset or Close.
func (d *Decoder) Unread() []byte {
	if d.work == nil {
		return nil
	}
	return d.work.b[d.start:d.end:d.end]
}

// Offset returns the offset of the first unread byte, which is the end of the last frame.
func (d *Decoder) Offset() int64 { return d.base + int64(d.start) }

// AtBoundary reports whether every byte written has been handed out and the last frame was complete.
func (d *Decoder) AtBoundary() bool { return d.start == d.end && !d.cut }

func (d *Decoder) maxFrame() int {
	switch {
	case d.MaxFrame <= 0:
		return DefaultMaxFrame
	case d.MaxFrame > 1<<30: // positions inside a frame are int32
		return 1 << 30
	}
	return d.MaxFrame
}

// step scans from pos. It returns false when more bytes are needed.
func (d *Decoder) step() bool {
	switch d.state {
	case inElement:
		return d.element()
	case inCDATA:
		return d.cdata()
	case inText:
		return d.strayText()
	case inLost:
		return d.lost()
	}
	return d.top()
}

// finish marks i as the end of the frame; scanning goes on behind it in the given state.
func (d *Decoder) finish(i int, next state) bool {
	d.pos, d.after, d.done, d.look = i, next, true, 0
	return true
}

// emit hands out the frame between start and pos, or its first max bytes when there are more.
func (d *Decoder) emit(max int) Frame {
	b := d.work.b
	n := d.pos - d.start
	f := Frame{Kind: d.kind, Offset: d.base + int64(d.start), Stream: d.stream}
	if n > max || d.cut {
		switch {
		case n <= max:
			f.Part = Last
		case d.cut:
			f.Part = Middle
		default:
			f.Part = First
		}
		n = min(n, max)
	}
	whole := f.Part == Whole || f.Part == Last
	f.Raw = b[d.start : d.start+n : d.start+n]
	if !d.cut && d.name.n > 0 && d.kind != Junk {
		d.names(&f)
	}
	// The scan may have run on behind this part, depending on how much was written; what it found there belongs to a
	// later part.
	if d.err != nil && (whole || d.kind == Junk || d.err.reached() < f.Offset+int64(n)) {
		f.Err = d.err
	}
	if !whole {
		if !d.done {
			d.keepNames()
		}
		d.start += n
		d.cut = true
		return f
	}
	if d.ends {
		d.stream, d.ends = nil, false
	}
	d.start, d.from = d.pos, d.pos
	d.state, d.done, d.cut, d.kind, d.err, d.name = d.after, false, false, 0, nil, span{}
	return f
}

// names fills in what the frame is called.
func (d *Decoder) names(f *Frame) {
	b := d.work.b[d.start:]
	q := b[d.name.at : d.name.at+d.name.n : d.name.at+d.name.n]
	if d.prefix > 0 {
		f.Prefix = q[:d.prefix:d.prefix]
		q = q[d.prefix+1:]
	}
	f.Name = q
	f.NS = d.nsUp
	if d.own {
		f.NS = plainValue(b[d.nsAt.at : d.nsAt.at+d.nsAt.n : d.nsAt.at+d.nsAt.n])
	}
}
