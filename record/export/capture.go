package export

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// eventBlock is the type of the pcapng blocks that hold the events of a
// recording beside the packets that hold its bytes. Types with the highest bit
// are for local use (draft-ietf-opsawg-pcapng §4); who does not know them skips
// them.
const eventBlock = 0x80584d50

// resolutionBlock is the type of a Name Resolution Block.
const resolutionBlock = 4

// maxComment bounds one comment on a packet, which the format limits to 65,535
// bytes.
const maxComment = 8 << 10

// A Capture writes a timeline as pcapng.
type Capture struct {
	Options
	to     io.Writer
	w      *pcapgo.NgWriter
	peers  addresses
	flows  map[int]*flow
	last   time.Duration
	latest *flow    // of the last packet
	loose  []string // remarks on the recording as a whole, for the next packet
	line   []byte
	whole  map[int]bool // connections whose bytes stand in the event blocks: entries have them in another order, or not all
}

// NewCapture begins a capture file.
func NewCapture(to io.Writer, o Options) (*Capture, error) {
	c := &Capture{Options: o, to: to, flows: make(map[int]*flow), whole: make(map[int]bool)}
	w, err := pcapgo.NewNgWriterInterface(to, pcapgo.NgInterface{Name: "xmpplens", LinkType: layers.LinkTypeRaw, TimestampResolution: 9,
		Comment: "packets made of a recording of what was inside TLS; they were never on a wire"},
		pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{Application: o.Tool}})
	if err != nil {
		return nil, err
	}
	c.w = w
	if c.exact() {
		h := o.Header
		h.Segment, h.Offset, h.Carry = 0, 0, 0 // it becomes one file
		err = c.block(record.AppendHeader(nil, h))
	}
	return c, err
}

// exact reports whether the file shall be importable as the recording that it was made of.
func (c *Capture) exact() bool { return c.Choice.All() && c.Secrets && !c.Sent }

// block writes a line into a block of its own.
func (c *Capture) block(line []byte) error {
	line = bytes.TrimSuffix(line, []byte("\n"))
	return c.raw(eventBlock, append(line, "    "[:(4-len(line)%4)%4]...))
}

func (c *Capture) raw(kind uint32, body []byte) error {
	if err := c.w.Flush(); err != nil {
		return err
	}
	n := uint32(len(body) + 12)
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, n), kind)
	b = binary.LittleEndian.AppendUint32(b, n)
	b = append(b, body...)
	_, err := c.to.Write(binary.LittleEndian.AppendUint32(b, n))
	return err
}

// resolve tells a reader the name that an address stands for.
func (c *Capture) resolve(name string) error {
	addr := c.peers.names[name].As4()
	b := binary.LittleEndian.AppendUint16(nil, 1) // nrb_record_ipv4
	b = binary.LittleEndian.AppendUint16(b, uint16(4+len(name)+1))
	b = append(append(append(b, addr[:]...), name...), 0)
	b = append(b, "\x00\x00\x00\x00"[:(4-len(b)%4)%4]...)
	return c.raw(resolutionBlock, append(b, 0, 0, 0, 0)) // nrb_record_end
}

func (c *Capture) Event(ev record.Event) error {
	if !c.exact() || ev.E == record.EventTLS {
		return nil
	}
	switch {
	case ev.E == record.EventOpen && ev.Transport == record.TransportBOSH, ev.RID != 0, ev.E == record.EventCarry:
		c.whole[ev.C] = true
	case ev.E == record.EventClose:
		delete(c.whole, ev.C)
	}
	if ev.E == record.EventData && isStream(ev.D) && !c.whole[ev.C] {
		ev.N, ev.Data, ev.HasData = int64(len(ev.Data)), nil, false
	}
	c.line = record.AppendLine(c.line[:0], &ev)
	return c.block(c.line)
}

func (c *Capture) flow(id int) *flow {
	f := c.flows[id]
	if f == nil {
		f, _ = c.peers.flow(id, "", "")
		c.flows[id] = f
	}
	return f
}

func (c *Capture) Entry(e *timeline.Entry, extra bool) error {
	c.last = e.T
	notes := c.Notes[e.N]
	if e.Kind == record.EventNote && e.Event.By == record.ByUser && e.Event.N > 0 && len(c.Notes[int(e.Event.N)]) > 0 {
		return nil // it stands where the entry is
	}
	if e.Dir == "" && (e.Conn == 0 || e.Kind != record.EventOpen && c.flows[e.Conn] == nil) {
		c.loose = append(append(c.loose, remarks(e)...), notes...)
		c.loose = c.loose[:min(len(c.loose), maxRemarks)]
		return nil
	}
	if len(notes) > 0 && e.Kind != record.EventOpen {
		f := c.flow(e.Conn)
		for _, n := range notes {
			f.remark("note: %s", n)
		}
	}
	switch {
	case e.Kind == record.EventOpen:
		return c.open(e)
	case e.Kind == record.EventClose:
		return c.close(e)
	case e.Dir == "":
		f := c.flow(e.Conn)
		for _, r := range remarks(e) {
			f.remark("%s", r)
		}
		return nil
	}
	return c.frame(e)
}

func (c *Capture) open(e *timeline.Entry) error {
	if f := c.flows[e.Conn]; f != nil { // one that was never closed
		if err := c.behind(f, e.Conn, e.T); err != nil {
			return err
		}
	}
	f, names := c.peers.flow(e.Conn, e.Event.Client, e.Event.Server)
	c.flows[e.Conn] = f
	for _, n := range names {
		if err := c.resolve(n); err != nil {
			return err
		}
	}
	for _, r := range remarks(e) {
		f.remark("%s", r)
	}
	return c.shake(f, e.T)
}

// shake opens a connection.
func (c *Capture) shake(f *flow, t time.Duration) error {
	for _, p := range []struct{ from, flags int }{{0, syn}, {1, syn | ack}, {0, ack}} {
		if err := c.packet(f, t, p.from, p.flags, nil); err != nil {
			return err
		}
	}
	return nil
}

func (c *Capture) close(e *timeline.Entry) error {
	f := c.flow(e.Conn)
	for _, r := range remarks(e) {
		f.remark("%s", r)
	}
	if err := c.behind(f, e.Conn, e.T); err != nil {
		return err
	}
	delete(c.flows, e.Conn)
	c.peers.release(f)
	first := 0
	if e.By == "server" {
		first = 1
	}
	return c.end(f, e.T, first)
}

// frame writes the packets of a frame. An XML declaration goes with the header
// behind it: alone it looks like nothing.
func (c *Capture) frame(e *timeline.Entry) error {
	f := c.flow(e.Conn)
	raw := c.bytes(e)
	for _, r := range remarks(e) {
		f.remark("%s", r)
	}
	if f.proceeds {
		if err := c.inside(f, e.T); err != nil {
			return err
		}
	}
	f.proceeds = proceed(e)
	from := side(e.Dir)
	if e.Frame.Kind == decode.Declaration && !e.Injected && len(f.ahead[from]) == 0 {
		f.ahead[from] = bytes.Clone(raw)
		return nil
	}
	if e.Frame.Kind == decode.Whitespace && len(f.ahead[from]) > 0 {
		f.ahead[from] = append(f.ahead[from], raw...)
		return nil
	}
	if e.Injected {
		return c.say(f, e.T, from, raw)
	}
	if len(f.ahead[from]) > 0 {
		raw = append(f.ahead[from], raw...)
		f.ahead[from] = nil
	}
	return c.recorded(f, e.Conn, e.T, from, raw)
}

// proceed reports whether TLS begins behind an entry (RFC 6120 §5.4.2.3).
func proceed(e *timeline.Entry) bool {
	return e.Frame.Kind == decode.Element && string(e.Frame.Name) == "proceed" && string(e.Frame.NS) == "urn:ietf:params:xml:ns:xmpp-tls"
}

// inside begins another TCP connection with the same addresses: in the one that
// saw <proceed/> Wireshark looks for TLS.
func (c *Capture) inside(f *flow, t time.Duration) error {
	waiting := f.remarks
	f.remarks = nil
	if err := c.end(f, t, 0); err != nil {
		return err
	}
	for i := range f.ends {
		f.ends[i].seq += 1 << 24
	}
	f.last, f.silent = 0, 0
	f.remark("what was inside TLS stands in a TCP connection of its own, in which Wireshark does not look for TLS")
	if err := c.shake(f, t); err != nil {
		return err
	}
	f.remarks = append(waiting, f.remarks...)
	return nil
}

// end closes a connection, first from one side.
func (c *Capture) end(f *flow, t time.Duration, first int) error {
	for _, p := range []struct{ from, flags int }{{first, fin | ack}, {1 - first, fin | ack}, {first, ack}} {
		if err := c.packet(f, t, p.from, p.flags, nil); err != nil {
			return err
		}
	}
	return nil
}

// recorded writes packets with bytes that were received.
func (c *Capture) recorded(f *flow, conn int, t time.Duration, from int, raw []byte) error {
	if c.exact() && len(raw) > 0 && !c.whole[conn] {
		c.line = record.AppendLine(c.line[:0], &record.Event{T: t, C: conn, E: eventPackets, D: dirs[from], N: int64(len(raw))})
		if err := c.block(c.line); err != nil {
			return err
		}
	}
	return c.say(f, t, from, raw)
}

var dirs = [2]record.Dir{record.CS, record.SC}

func (c *Capture) say(f *flow, t time.Duration, from int, raw []byte) error {
	for len(raw) > 0 {
		n := cut(raw)
		if f.last != from {
			f.silent = 0
		}
		f.last = from
		f.silent += n
		flags := ack
		if n == len(raw) {
			flags |= psh
		}
		if err := c.packet(f, t, from, flags, raw[:n]); err != nil {
			return err
		}
		if f.silent >= unacked {
			f.silent = 0
			if err := c.packet(f, t, 1-from, ack, nil); err != nil {
				return err
			}
		}
		raw = raw[n:]
	}
	return nil
}

// eventPackets announces, in a block, packets that carry recorded bytes.
const eventPackets = "packets"

func (c *Capture) packet(f *flow, t time.Duration, from, flags int, payload []byte) error {
	b, err := f.packet(from, flags, payload)
	if err != nil {
		return err
	}
	o := pcapgo.NgPacketOptions{Comments: append(c.loose, f.remarks...)}
	c.loose, f.remarks, c.latest = nil, nil, f
	return c.w.WritePacketWithOptions(gopacket.CaptureInfo{Timestamp: c.Header.Time.Add(t), CaptureLength: len(b), Length: len(b)}, b, o)
}

// behind writes what waited for a header that does not come.
func (c *Capture) behind(f *flow, conn int, t time.Duration) error {
	for from, b := range f.ahead {
		f.ahead[from] = nil
		if err := c.recorded(f, conn, t, from, b); err != nil {
			return err
		}
	}
	return nil
}

func (c *Capture) Finish() error {
	for _, id := range slices.Sorted(maps.Keys(c.flows)) {
		if err := c.behind(c.flows[id], id, c.last); err != nil {
			return err
		}
	}
	// What was said behind the last packet needs one.
	if len(c.loose) > 0 && c.latest != nil {
		if err := c.packet(c.latest, c.last, 0, ack, nil); err != nil {
			return err
		}
	}
	return c.w.Flush()
}

// bytes are what the capture shows of a frame.
func (o *Options) bytes(e *timeline.Entry) []byte {
	f := e.Frame
	if o.Sent && e.Edited {
		f.Raw, f.Err = e.Sent, nil
	}
	if o.Secrets {
		return f.Raw
	}
	return stanza.Mask(f.Raw, stanza.Secrets(f))
}

// remarks are what a comment on a packet says of an entry.
func remarks(e *timeline.Entry) []string {
	var out []string
	say := func(format string, args ...any) {
		s := fmt.Sprintf(format, args...)
		out = append(out, s[:min(len(s), maxComment)])
	}
	switch {
	case e.Kind == record.EventSecure:
		say("%s. What follows was inside TLS and stands here as it was read", e.Stanza.Summary)
	case e.Dir == "":
		say("%s", e.Stanza.Summary)
	}
	for _, f := range e.Facts.Findings {
		say("%s %s: %s (%s)", f.Severity, f.Code, f.Text, f.Ref)
	}
	if e.Event.Hint != "" {
		say("hint: %s", e.Event.Hint)
	}
	if e.Dir == "" {
		return out
	}
	why := ""
	if e.Why != "" {
		why = ": " + e.Why
	}
	switch outcome := e.Outcome(); {
	case outcome == "injected":
		say("injected by %s%s", e.By, why)
	case outcome == "dropped":
		say("not passed on, by %s%s", e.By, why)
	case e.Edited:
		say("changed by %s%s", e.By, why)
	case e.Verdict != "":
		say("held by %s, then passed", cmp.Or(e.By, "the proxy"))
	}
	return out
}
