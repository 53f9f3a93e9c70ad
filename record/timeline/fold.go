package timeline

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/record"
)

// A Folder turns events into entries. The zero value is ready for the first
// event of a recording. It is not safe for concurrent use.
type Folder struct {
	conns map[int]*conn
	track track.Tracker
	n     int
	t     time.Duration // of the last event

	// lean makes entries without Stanza and Facts, all in one place: for the
	// index, which reads a recording for the places of its entries first.
	lean bool
	one  Entry
	mute bool // no summaries: for the index, which makes entries anew
}

// conn is one connection while it is open.
type conn struct {
	id     int
	cs, sc half
	bosh   *order // nil where streams go over one connection
}

// half is one direction of a connection.
type half struct {
	dec    decode.Decoder
	off    int64  // bytes received
	header []byte // the stream header in force, as it was received
	pos    []piece
	edits  []change // edits whose frames have not been handed out, by offset
	holds  []int64  // offsets of the frames whose verdicts are awaited
	queue  []*Entry // what waits behind it
	blanks []byte   // white space that becomes one entry
	blank  Entry
	gap    bool // bytes are missing: frames begin again where an element does

	base, fed int64 // of BOSH: where the body begins that was begun last, and its end so far
}

// piece says where in the recording a data event stands.
type piece struct{ off, pos int64 }

// change is an edit that was made to received bytes.
type change struct {
	o, n    int64
	b       []byte
	by, why string
	used    bool // b was shown already: the rest of it is left out
}

// Mute leaves out the summaries of stanzas, for readers of everything but a few;
// stanza.Parse makes them anew.
func (f *Folder) Mute() { f.mute = true }

func (f *Folder) conn(id int) *conn {
	c := f.conns[id]
	if c == nil {
		if f.conns == nil {
			f.conns = make(map[int]*conn)
		}
		c = &conn{id: id}
		f.conns[id] = c
	}
	return c
}

func (c *conn) half(d record.Dir) *half {
	if d == record.CS {
		return &c.cs
	}
	return &c.sc
}

// Conn returns what is known of a connection, nil when there is none.
func (f *Folder) Conn(id int) *track.Conn { return f.track.Conn(id) }

// Add takes the next event, which stands at pos in the recording, and hands out
// the entries that it completes.
func (f *Folder) Add(ev record.Event, pos int64, emit func(*Entry)) {
	stream := ev.D == record.CS || ev.D == record.SC
	f.t = ev.T
	switch {
	case ev.E == record.EventData && stream:
		f.data(ev, pos, emit)
	case ev.E == record.EventCarry && stream:
		f.carried(ev, pos, emit)
	case ev.Why == record.Carried && f.knows(ev):
		// The reader was overtaken and has seen it.
	case ev.E == record.EventEdit && stream:
		h := f.conn(ev.C).half(ev.D)
		h.edits = append(h.edits, change{o: ev.O, n: ev.N, b: bytes.Clone(ev.Data), by: ev.By, why: ev.Why})
		slices.SortStableFunc(h.edits, func(a, b change) int { return int(a.o - b.o) })
	case ev.E == record.EventHold && stream:
		h := f.conn(ev.C).half(ev.D)
		h.holds = append(h.holds, ev.O)
		slices.Sort(h.holds)
	case ev.E == record.EventVerdict && stream:
		f.verdict(ev, emit)
	case ev.E == record.EventInject && stream:
		f.inject(ev, pos, emit)
	case ev.E == record.EventSecure && f.conn(ev.C).bosh != nil:
		f.about(ev, pos, emit) // of a connection that requests come on
	case ev.E == record.EventSecure && ev.Leg == record.BothLegs:
		c := f.conn(ev.C)
		for _, d := range []record.Dir{record.CS, record.SC} {
			f.ends(c, d, ev.T, emit)
			c.half(d).dec.Reset(c.half(d).off)
		}
		f.about(ev, pos, emit)
	case ev.E == record.EventSecure, ev.E == record.EventCompress:
		d := record.CS
		if ev.Leg == "server" {
			d = record.SC
		}
		c := f.conn(ev.C)
		f.ends(c, d, ev.T, emit)
		c.half(d).dec.Reset(c.half(d).off)
		f.about(ev, pos, emit)
	case ev.E == record.EventClose:
		f.close(ev.C, ev.T, emit)
		f.about(ev, pos, emit)
	case ev.E == record.EventControl && stream:
		h := f.conn(ev.C).half(ev.D)
		if ev.Op == "cut" {
			f.ends(f.conn(ev.C), ev.D, ev.T, emit)
		} else {
			f.flushBlanks(h, emit)
		}
		f.about(ev, pos, emit)
	case ev.E == record.EventOpen, ev.E == record.EventNote, ev.E == record.EventHTTP:
		switch ev.Transport {
		case record.TransportBOSH:
			f.conn(ev.C).overBOSH()
		case record.TransportWebSocket:
			c := f.conn(ev.C)
			c.cs.dec.Bare, c.sc.dec.Bare = true, true
		}
		switch {
		case ev.RID != 0:
			f.unanswered(ev, emit)
		case ev.E == record.EventNote && stream:
			f.ends(f.conn(ev.C), ev.D, ev.T, emit)
		}
		f.about(ev, pos, emit)
	}
}

// Finish hands out what is left when the recording is at its end.
func (f *Folder) Finish(emit func(*Entry)) {
	var ids []int
	for id := range f.conns {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		f.close(id, 0, emit)
	}
}

func (f *Folder) close(id int, t time.Duration, emit func(*Entry)) {
	c := f.conns[id]
	if c == nil {
		return
	}
	if c.bosh != nil {
		f.flush(c, t, emit)
	}
	for _, d := range []record.Dir{record.CS, record.SC} {
		f.ends(c, d, t, emit)
		h := c.half(d)
		h.holds = nil
		f.unqueue(h, emit)
	}
	delete(f.conns, id)
}

// ends hands out what a direction left unfinished.
func (f *Folder) ends(c *conn, d record.Dir, t time.Duration, emit func(*Entry)) {
	h := c.half(d)
	for fr, ok := h.dec.Close(); ok; fr, ok = h.dec.Close() {
		f.frame(c, d, fr, t, emit)
	}
	f.flushBlanks(h, emit)
}

func (f *Folder) data(ev record.Event, pos int64, emit func(*Entry)) {
	c := f.conn(ev.C)
	if ev.RID != 0 {
		c.overBOSH()
	}
	if c.bosh != nil {
		f.body(c, ev, pos, emit)
		return
	}
	f.receive(c, ev, ev.Data, pos, emit)
}

// receive takes bytes of a direction, which stand in the event at pos.
func (f *Folder) receive(c *conn, ev record.Event, data []byte, pos int64, emit func(*Entry)) {
	h := c.half(ev.D)
	if h.gap && h.skips(data) {
		h.off += int64(len(data))
		h.dec.Reset(h.off)
		h.begin()
		return
	}
	h.pos = append(h.pos, piece{h.off, pos})
	h.off += int64(len(data))
	h.dec.Write(data)
	for fr, ok := h.dec.Next(); ok; fr, ok = h.dec.Next() {
		f.frame(c, ev.D, fr, ev.T, emit)
	}
	f.flushBlanks(h, emit)
}

// frame makes the entry of a frame.
func (f *Folder) frame(c *conn, d record.Dir, fr decode.Frame, t time.Duration, emit func(*Entry)) {
	h := c.half(d)
	if fr.Kind == decode.Whitespace && len(h.blanks) > 0 {
		h.blanks = append(h.blanks, fr.Raw...)
		return
	}
	e := f.entry()
	*e = Entry{T: t, Conn: c.id, Dir: d, Offset: fr.Offset, Frame: fr}
	e.pos, e.skip = h.find(fr.Offset)
	e.pieces = h.apart()
	if fr.Kind == decode.Header {
		h.header = bytes.Clone(fr.Raw)
	}
	if fr.Stream != nil && (fr.Kind != decode.Header || c.bosh == nil) { // every body has one of its own
		e.header = h.header
	}
	if fr.Kind == decode.Whitespace {
		h.blanks = append(h.blanks, fr.Raw...)
		h.blank = *e
		return
	}
	f.flushBlanks(h, emit)
	f.edit(h, e)
	f.mean(e)
	f.give(h, e, emit)
}

func (f *Folder) entry() *Entry {
	if f.lean {
		return &f.one
	}
	return new(Entry)
}

func (f *Folder) flushBlanks(h *half, emit func(*Entry)) {
	if len(h.blanks) == 0 {
		return
	}
	e := h.blank
	e.Frame.Raw = h.blanks
	f.edit(h, &e)
	f.mean(&e)
	f.give(h, &e, emit)
	h.blanks, h.blank = h.blanks[:0], Entry{}
}

// find returns where the event stands in which the byte at off was received,
// and how many of its bytes stand before that byte. It forgets earlier events.
func (h *half) find(off int64) (pos, skip int64) {
	gone := 0
	for gone+1 < len(h.pos) && h.pos[gone+1].off <= off {
		gone++
	}
	h.pos = slices.Delete(h.pos, 0, gone) // in place: this is done for each event
	if len(h.pos) == 0 {
		return 0, 0
	}
	return h.pos[0].pos, off - h.pos[0].off
}

// farApart is how many bytes of a recording are read to find the next piece of a
// frame.
const farApart = 256 << 10

// apart returns where the events stand that the frame of the last find was
// received in, when it takes long to find them; else nil.
func (h *half) apart() []int64 {
	n := len(h.pos)
	if n < 2 || h.pos[n-1].pos-h.pos[0].pos < farApart {
		return nil
	}
	out := make([]int64, n)
	for i, p := range h.pos {
		out[i] = p.pos
	}
	return out
}

// edit applies to an entry what was changed of its bytes.
func (f *Folder) edit(h *half, e *Entry) {
	o, end := e.Offset, e.Offset+int64(len(e.Frame.Raw))
	at := o
	var sent []byte
	for i := range h.edits {
		c := &h.edits[i]
		if c.o >= end {
			break
		}
		if c.o+c.n <= o {
			continue
		}
		e.Edited, e.By, e.Why = true, c.by, c.why
		if c.o > at {
			sent = append(sent, e.Frame.Raw[at-o:c.o-o]...)
		}
		if !c.used {
			sent = append(sent, c.b...)
			c.used = true
		}
		at = min(max(at, c.o+c.n), end)
	}
	h.edits = slices.DeleteFunc(h.edits, func(c change) bool { return c.o+c.n <= end && c.o >= h.base })
	if e.Edited {
		e.Sent = append(sent, e.Frame.Raw[at-o:]...)
	}
}

// mean fills in what the frame means.
func (f *Folder) mean(e *Entry) {
	if f.lean {
		return
	}
	if f.mute {
		e.Stanza = stanza.ParseFields(e.Frame)
	} else {
		e.Stanza = stanza.Parse(e.Frame)
	}
	e.Kind = e.Stanza.Kind
}

// give hands an entry out, or lets it wait behind one that is held.
func (f *Folder) give(h *half, e *Entry, emit func(*Entry)) {
	if e.Injected && len(h.queue) > 0 {
		// It goes before the bytes at its offset, which are held.
		at := slices.IndexFunc(h.queue, func(q *Entry) bool { return q.Offset >= e.Offset })
		if at == 0 {
			f.out(e, emit)
			return
		}
		if at > 0 {
			h.queue = slices.Insert(h.queue, at, e.Clone())
			return
		}
	}
	if len(h.queue) > 0 || len(h.holds) > 0 && e.Offset >= h.holds[0] {
		h.queue = append(h.queue, e.Clone())
		return
	}
	f.out(e, emit)
}

// out numbers an entry, finds out what it means together with others, and hands
// it out.
func (f *Folder) out(e *Entry, emit func(*Entry)) {
	f.n++
	e.N = f.n
	if f.lean {
		emit(e)
		return
	}
	d := track.CS
	if e.Dir == record.SC {
		d = track.SC
	}
	e.Facts = f.track.Frame(track.Frame{Conn: e.Conn, Dir: d, N: e.N, At: e.T, Frame: e.Frame, Stanza: &e.Stanza, Injected: e.Injected, Edited: e.Edited, Judged: e.Verdict != "", Sent: e.Sent, Why: e.Why})
	e.Track = f.track.Conn(e.Conn)
	emit(e)
}

// unqueue hands out what waits no longer.
func (f *Folder) unqueue(h *half, emit func(*Entry)) {
	for len(h.queue) > 0 {
		e := h.queue[0]
		if len(h.holds) > 0 && e.Offset >= h.holds[0] {
			return
		}
		h.queue[0], h.queue = nil, h.queue[1:]
		f.out(e, emit)
	}
	h.queue = nil
}

// verdict ends a hold.
func (f *Folder) verdict(ev record.Event, emit func(*Entry)) {
	h := f.conn(ev.C).half(ev.D)
	h.holds = slices.DeleteFunc(h.holds, func(o int64) bool { return o == ev.O })
	if len(h.queue) > 0 && h.queue[0].Offset == ev.O {
		e := h.queue[0]
		e.Verdict, e.T = ev.Verdict, ev.T
		if ev.Verdict == "edited" || ev.Verdict == "dropped" {
			e.Edited, e.Sent, e.By, e.Why = true, bytes.Clone(ev.Data), ev.By, ev.Why
		}
	}
	f.unqueue(h, emit)
}

// inject makes an entry for each frame that was sent from nobody.
func (f *Folder) inject(ev record.Event, pos int64, emit func(*Entry)) {
	c := f.conn(ev.C)
	h := c.half(ev.D)
	f.flushBlanks(h, emit)
	header := h.header
	if c.bosh != nil {
		header = nil // a body of its own
	}
	for i, fr := range injected(header, ev) {
		e := Entry{T: ev.T, Conn: ev.C, Dir: ev.D, Offset: ev.O, Frame: fr, Injected: true, By: ev.By, Why: ev.Why,
			pos: pos, skip: int64(i), header: header}
		f.mean(&e)
		f.give(h, &e, emit)
	}
}

// injected cuts what was injected into frames, in the context of the stream
// that it was put into.
func injected(header []byte, ev record.Event) []decode.Frame {
	dec := inStream(header)
	dec.Write(ev.Data)
	var out []decode.Frame
	add := func(fr decode.Frame) {
		if n := len(out); fr.Kind == decode.Whitespace && n > 0 && out[n-1].Kind == decode.Whitespace {
			out[n-1].Raw = append(out[n-1].Raw, fr.Raw...)
			return
		}
		fr.Offset = ev.O
		out = append(out, cloneFrame(fr))
	}
	for fr, ok := dec.Next(); ok; fr, ok = dec.Next() {
		add(fr)
	}
	for fr, ok := dec.Close(); ok; fr, ok = dec.Close() {
		add(fr)
	}
	return out
}

// inStream returns a decoder that has read a stream header.
func inStream(header []byte) *decode.Decoder {
	dec := &decode.Decoder{Bare: header == nil, BOSH: true} // a stream's header, or a body's
	if header != nil {
		dec.Write(header)
		dec.Next()
	}
	return dec
}

// about makes the entry of an event that is not from a stream.
func (f *Folder) about(ev record.Event, pos int64, emit func(*Entry)) {
	f.n++
	e := Entry{N: f.n, T: ev.T, Conn: ev.C, Kind: ev.E, Event: ev, By: ev.By, Why: ev.Why, pos: pos}
	e.Stanza = words(ev)
	switch ev.E {
	case record.EventOpen:
		e.Facts = f.track.Open(ev.C, ev.T)
	case record.EventSecure:
		e.Facts = f.track.Secured(ev.C, ev.Leg, ev.Why, ev.T)
	case record.EventControl:
		if ev.Level != "" {
			e.Facts.Findings = []track.Finding{{Severity: ev.Level, Code: "websocket-framing", Text: ev.Text, Ref: ev.Why}}
		}
	case record.EventClose:
		e.Facts = f.track.Close(ev.C, ev.T, ev.By, ev.Error)
	case record.EventNote:
		if on := int(ev.N); ev.By == record.ByUser && on > 0 && on < e.N {
			e.Facts.Related = []track.Relation{{Kind: track.NoteOn, N: on}}
		}
	}
	e.Track = f.track.Conn(ev.C)
	emit(&e)
}

// maxSaid bounds the words about an event, in characters.
const maxSaid = 8 << 10

// words is what stands for a stanza where an event is none. Names in it come from
// anywhere: nothing in them may drive a terminal.
func words(ev record.Event) stanza.Stanza {
	return stanza.Stanza{Kind: ev.E, Summary: stanza.Clean(say(ev), maxSaid)}
}

// say puts an event into words.
func say(ev record.Event) string {
	switch ev.E {
	case record.EventOpen:
		text := fmt.Sprintf("connection %d (%s)", ev.C, ev.Kind)
		if ev.Client != "" {
			text += " from " + ev.Client
		}
		if ev.Server != "" {
			text += " to " + ev.Server
		}
		switch ev.Transport {
		case record.TransportBOSH:
			text += " over BOSH"
		case record.TransportWebSocket:
			text += " over WebSocket"
		}
		if ev.Why == record.Carried {
			text += ", opened before what is kept"
		}
		return text
	case record.EventSecure:
		text := ev.Leg + " leg secured with " + ev.Version
		if ev.Leg == record.BothLegs {
			text = "secured from the client to the server, past the proxy, with " + ev.Version
		}
		if ev.Cipher != "" {
			text += ", " + ev.Cipher
		}
		if ev.ALPN != "" {
			text += ", ALPN " + ev.ALPN
		}
		if ev.Peer != "" {
			text += ", " + ev.Peer
			if !ev.Verified && ev.Leg != record.BothLegs { // there the client decides
				text += " (not verified)"
			}
		}
		if ev.Why != "" {
			text += ": " + ev.Why
		}
		if ev.Text != "" {
			text += "; " + ev.Text
		}
		return text
	case record.EventCompress:
		return ev.Leg + " leg compressed with " + ev.Method
	case record.EventClose:
		text := fmt.Sprintf("connection %d closed by the %s", ev.C, ev.By)
		if ev.Error != "" {
			text += ": " + ev.Error
		}
		if ev.Why != "" {
			text += " (" + ev.Why + ")"
		}
		return text
	case record.EventControl:
		return sayControl(ev)
	case record.EventHTTP:
		text := fmt.Sprintf("%s %s → %d", ev.Op, ev.Text, ev.Code)
		if ev.Why != "" {
			text += ": " + ev.Why
		}
		return text
	case record.EventNote:
		if ev.By == record.ByUser && ev.N > 0 {
			return fmt.Sprintf("note on %d: %s", ev.N, ev.Text)
		}
	}
	return ev.Text
}

// sayControl puts a control frame of WebSocket into words.
func sayControl(ev record.Event) string {
	who := "client"
	if ev.D == record.SC {
		who = "server"
	}
	if ev.By == "proxy" {
		who = "proxy"
	}
	switch {
	case ev.Level != "":
		return "the " + who + " breaks the framing: " + ev.Text
	case ev.Op == "close":
		text := "WebSocket closed by the " + who
		if ev.Code != 0 {
			text += fmt.Sprintf(", code %d", ev.Code)
		}
		if ev.Text != "" {
			text += ": " + ev.Text
		}
		return text
	}
	text := "WebSocket " + ev.Op + " by the " + who
	if len(ev.Data) > 0 {
		text += fmt.Sprintf(", %d bytes", len(ev.Data))
	}
	return text
}
