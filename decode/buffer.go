package decode

import (
	"math/bits"
	"sync"
)

// padding zero bytes stand behind the data, so that the scanner may load words without asking how much there is: a zero
// byte stops every scan, and only then is the position compared with the end.
const padding = 32

// lookBehind bytes before the frame are kept when bytes are moved: a > in text is an error behind ]].
const lookBehind = 2

const (
	smallBlock = 12 // 4 KiB
	largeBlock = 20 // 1 MiB; larger buffers are not pooled
)

// work is the buffer of a decoder that has unread bytes, with the memory that a frame in progress needs.
type work struct {
	b     []byte    // always at full length; see Decoder.base for what is where
	class int       // index into blocks plus smallBlock, or 0 when not pooled
	stack []open    // the open elements
	ns    []binding // namespace declarations with a prefix, of the open elements
	attrs []attr    // of the start tag being parsed
	kept  []byte    // names and declarations whose bytes left the buffer with an earlier part
	def   span      // the default namespace that the first-level element declares, when hasDef
	hasDef,
	colons bool // a name with a colon occurs in the start tag being parsed
	bad failure
}

// span is a piece of the frame: an index relative to Decoder.start, or into work.kept when at is negative (^at).
type span struct{ at, n int32 }

var blocks [largeBlock - smallBlock + 1]sync.Pool

func newWork(size int) *work {
	class := max(bits.Len(uint(size-1)), smallBlock)
	if class > largeBlock {
		return &work{b: make([]byte, 1<<class+padding)}
	}
	if w, ok := blocks[class-smallBlock].Get().(*work); ok {
		return w
	}
	return &work{b: make([]byte, 1<<class+padding), class: class}
}

// free gives the memory back. Side tables that an unusual frame has blown up are dropped.
func (w *work) free() {
	if w.class == 0 {
		return
	}
	if cap(w.stack) > 64 {
		w.stack = nil
	}
	if cap(w.ns) > 64 {
		w.ns = nil
	}
	if cap(w.attrs) > 64 {
		w.attrs = nil
	}
	if cap(w.kept) > 4096 {
		w.kept = nil
	}
	w.stack, w.ns, w.attrs, w.kept = w.stack[:0], w.ns[:0], w.attrs[:0], w.kept[:0]
	blocks[w.class-smallBlock].Put(w)
}

// Write adds bytes. It copies p, never blocks and never fails. Memory stays bounded when Next is called until it returns
// false after each Write.
func (d *Decoder) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	d.reserve(len(p))
	b := d.work.b
	d.end += copy(b[d.end:], p)
	clear(b[d.end : d.end+padding])
	return len(p), nil
}

// reserve makes room for n bytes behind the data. Each byte is moved at most once for lack of room, because then its
// frame begins at the front and the next time the buffer doubles.
func (d *Decoder) reserve(n int) {
	w := d.work
	if w == nil {
		d.work = newWork(n)
		return
	}
	if d.end+n+padding <= len(w.b) {
		return
	}
	drop := max(d.start-lookBehind, 0)
	live := d.end - drop
	if drop > 0 && live+n+padding <= len(w.b) {
		copy(w.b, w.b[drop:d.end])
	} else {
		bigger := newWork(max(live+n, 2*live))
		copy(bigger.b, w.b[drop:d.end])
		bigger.stack, w.stack = w.stack, bigger.stack
		bigger.ns, w.ns = w.ns, bigger.ns
		bigger.attrs, w.attrs = w.attrs, bigger.attrs
		bigger.kept, w.kept = w.kept, bigger.kept
		bigger.def, bigger.hasDef = w.def, w.hasDef
		w.free()
		d.work = bigger
	}
	d.base += int64(drop)
	d.start -= drop
	d.pos -= drop
	d.end -= drop
	d.from -= drop
}

// release gives the buffer back when there is nothing in it.
func (d *Decoder) release() {
	d.base += int64(d.end)
	d.start, d.pos, d.end, d.from = 0, 0, 0, 0
	if d.work != nil {
		d.work.free()
		d.work = nil
	}
}

// abandon forgets the open elements.
func (d *Decoder) abandon() {
	w := d.work
	w.stack, w.ns, w.kept = w.stack[:0], w.ns[:0], w.kept[:0]
}

// bytes returns what a span stands for.
func (d *Decoder) bytes(s span) []byte {
	if s.at < 0 {
		return d.work.kept[^s.at:][:s.n]
	}
	return d.work.b[d.start+int(s.at):][:s.n]
}

// maxKept bounds work.kept: what has to be remembered of open elements while the parts of their frame pass by.
const maxKept = 1 << 20

// keepNames is called before a part leaves the buffer. It copies the names and namespace declarations of the open
// elements that are in it, in the order in which they are given up again.
func (d *Decoder) keepNames() {
	w := d.work
	next := 0
	for i := range w.stack {
		o := &w.stack[i]
		if o.name.at >= 0 {
			d.keep(&o.name)
		}
		last := len(w.ns)
		if i+1 < len(w.stack) {
			last = int(w.stack[i+1].ns)
		}
		for ; next < last; next++ {
			if w.ns[next].prefix.at >= 0 {
				d.keep(&w.ns[next].prefix)
				d.keep(&w.ns[next].uri)
			}
		}
	}
}

func (d *Decoder) keep(s *span) {
	w := d.work
	at := len(w.kept)
	w.kept = append(w.kept, d.bytes(*s)...)
	s.at = ^int32(at)
}
