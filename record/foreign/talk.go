package foreign

import (
	"bytes"
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/record"
)

// A talk is one connection out of stream files or of a log: XML without TLS and
// mostly without a beginning and an end that are known.
type talk struct {
	s    *sink
	id   int
	kind string

	half     [2]talkHalf
	headless bool // the input has no stream headers at all
	secured  bool
	agreed   bool // <proceed/> was said: with the next stream header TLS is there
	anew     bool // the next stream header of the client restarts the stream
	opened   bool // the client has said one
	ended    [2]bool
	first    string // who ended its stream first
	t        time.Time
}

type talkHalf struct {
	dec     decode.Decoder
	off     int64
	began   bool
	assumed bool // a stream header is
}

// newTalk begins a connection. headless: the input has no stream headers at all.
func newTalk(s *sink, t time.Time, kind string, headless bool) *talk {
	s.sum.Conns++
	k := &talk{s: s, id: s.sum.Conns, kind: kind, headless: headless, t: t}
	s.add(t, record.Event{C: k.id, E: record.EventOpen, Kind: kind})
	return k
}

// carry says which stream header is assumed.
func (k *talk) carry(dir record.Dir) {
	header := []byte(assumed[k.kind])
	h := &k.half[dirIndex(dir)]
	h.assumed = true
	k.s.add(k.t, record.Event{C: k.id, E: record.EventCarry, D: dir, O: h.off, N: int64(len(header)), Data: header, HasData: true})
	h.dec.Reset(h.off - int64(len(header)))
	h.dec.Write(header)
	h.dec.Next()
}

// secure is told that TLS is there. What is known of it is given.
func (k *talk) secure(version, cipher, text string) {
	k.agreed = false
	k.s.add(k.t, record.Event{C: k.id, E: record.EventSecure, Leg: record.BothLegs, Version: version, Cipher: cipher, Text: text})
	k.secured = true
	for i, dir := range []record.Dir{record.CS, record.SC} {
		h := &k.half[i]
		h.dec.Reset(h.off)
		if h.began = false; h.assumed && k.headless {
			h.began = true
			k.carry(dir)
		}
	}
}

// data takes what was said.
func (k *talk) data(t time.Time, dir record.Dir, b []byte) {
	k.t = t
	if len(b) == 0 {
		return
	}
	if k.agreed && beginsStream(b) {
		k.secure("TLS", "", "it follows from <proceed/> and the stream that begins anew; the input says no more of it")
	}
	h := &k.half[dirIndex(dir)]
	if !h.began && len(bytes.TrimSpace(b)) > 0 {
		if h.began = true; !beginsStream(b) {
			k.carry(dir)
		}
	}
	h.off += int64(len(b))
	k.s.add(t, record.Event{C: k.id, E: record.EventData, D: dir, Data: b, HasData: true})
	h.dec.Write(b)
	for f, ok := h.dec.Next(); ok; f, ok = h.dec.Next() {
		k.frame(dir, f)
	}
}

// frame notices what changes the stream.
func (k *talk) frame(dir record.Dir, f decode.Frame) {
	switch {
	case dir == record.CS && !k.secured && (named(f, nsSASL, "auth") || named(f, "urn:xmpp:sasl:2", "authenticate")):
		k.s.unsure = true
	case f.Kind == decode.Header && dir == record.CS:
		k.opened, k.anew = true, false
	case f.Kind == decode.End:
		if k.ended[dirIndex(dir)] = true; k.first == "" {
			k.first = map[record.Dir]string{record.CS: "client", record.SC: "server"}[dir]
		}
	case dir == record.SC && named(f, nsTLS, "proceed"):
		k.agreed, k.anew = true, true
	case dir == record.SC && (named(f, nsSASL, "success") || named(f, nsCompress, "compressed")):
		k.anew = true
	}
}

// renews reports whether a stream header of the client is that of another
// connection.
func (k *talk) renews(dir record.Dir, b []byte) bool {
	return k.opened && !k.anew && dir == record.CS && beginsStream(b) && bytes.Contains(b, []byte("<stream:stream"))
}

// whole reports whether what a direction said ends with an element.
func (k *talk) whole(dir record.Dir) bool { return k.half[dirIndex(dir)].dec.AtBoundary() }

// close ends the connection, where it is known that it ended.
func (k *talk) close(why string) {
	ev := record.Event{C: k.id, E: record.EventClose, By: "import", Error: why}
	if k.ended[0] && k.ended[1] {
		ev.By, ev.Error = k.first, ""
	} else if why == "" {
		return
	}
	k.s.add(k.t, ev)
}
