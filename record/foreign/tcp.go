package foreign

import (
	"slices"
	"sort"
	"time"
)

// This file puts TCP streams together. Package reassembly of gopacket does not
// say which bytes are missing but guesses, and does not look at what the other
// side has acknowledged, which is how one knows that bytes were sent and are not
// in the capture.

const (
	maxAhead     = 4096             // pieces behind a hole
	holePackets  = 16               // packets of the connection that may come before a hole that is acknowledged counts as lost
	holeTime     = time.Second      // or this time
	holePatience = 30 * time.Second // of a hole that is not acknowledged: only one direction is in the capture
	maxHole      = 1 << 30          // bytes: what is further away belongs to another connection (RFC 7323 §2.2)
)

// flow is one direction of a TCP connection.
type flow struct {
	known bool
	next  uint32  // the sequence number that comes next, when known
	ahead []piece // behind a hole, by sequence number
	size  int     // bytes in ahead

	acked    bool // a hole, or more than that, is acknowledged up to end
	end      uint32
	since    time.Time // of the hole
	packets  int
	fin      bool // at is where the stream ends
	at       uint32
	finished bool
}

type piece struct {
	seq  uint32
	data []byte
}

// receiver takes what a flow yields.
type receiver struct {
	data     func(b []byte) // the next bytes
	lost     func(n uint32) // that many are missing
	repeated func(n int)
	gaps     *int // bytes in the ahead of all flows
}

// begin sets where the stream begins.
func (f *flow) begin(seq uint32) { f.known, f.next = true, seq }

// take takes the data of a segment.
func (f *flow) take(s *segment, to *receiver) {
	seq, data := s.seq, s.data
	if s.syn {
		seq++
	}
	if !f.known {
		f.begin(seq)
	}
	if s.fin && !f.fin && s.length == len(data) {
		f.fin, f.at = true, seq+uint32(len(data))
	}
	switch d := int32(seq - f.next); {
	case len(data) == 0:
	case d > maxHole || d < -maxHole:
		to.repeated(len(data))
	case d > 0:
		f.keep(seq, data, to)
	default:
		f.put(seq, data, to)
	}
	f.drain(to)
	if len(f.ahead) == 0 && !f.acked {
		f.since = time.Time{}
	} else if f.since.IsZero() {
		f.since, f.packets = s.t, 0
	}
}

// put hands out data that begins at or before next.
func (f *flow) put(seq uint32, data []byte, to *receiver) {
	old := int(f.next - seq)
	if old >= len(data) {
		to.repeated(len(data))
		return
	}
	if old > 0 {
		to.repeated(old)
		data = data[old:]
	}
	f.next += uint32(len(data))
	to.data(data)
}

// keep keeps data that is ahead.
func (f *flow) keep(seq uint32, data []byte, to *receiver) {
	i := sort.Search(len(f.ahead), func(i int) bool { return !before(f.ahead[i].seq, seq) })
	if i < len(f.ahead) && f.ahead[i].seq == seq {
		if old := f.ahead[i].data; len(old) < len(data) {
			to.repeated(len(old))
			f.count(len(data)-len(old), to)
			f.ahead[i].data = slices.Clone(data)
		} else {
			to.repeated(len(data))
		}
		return
	}
	f.ahead = slices.Insert(f.ahead, i, piece{seq, slices.Clone(data)})
	f.count(len(data), to)
	for len(f.ahead) > maxAhead || f.size > MaxGap {
		f.skip(to)
	}
}

func (f *flow) count(n int, to *receiver) {
	f.size += n
	*to.gaps += n
}

// drain hands out what is no longer ahead.
func (f *flow) drain(to *receiver) {
	for len(f.ahead) > 0 && !before(f.next, f.ahead[0].seq) {
		p := f.ahead[0]
		f.ahead[0] = piece{}
		f.ahead = f.ahead[1:]
		f.count(-len(p.data), to)
		f.put(p.seq, p.data, to)
	}
	if len(f.ahead) == 0 {
		f.ahead = nil
	}
	if f.fin && f.known && !before(f.next, f.at) {
		f.finished = true
	}
}

// skip gives the first hole up.
func (f *flow) skip(to *receiver) {
	if len(f.ahead) == 0 {
		return
	}
	n := f.ahead[0].seq - f.next
	f.next = f.ahead[0].seq
	to.lost(n)
	f.drain(to)
}

// confirm is told that the other side has everything before ack.
func (f *flow) confirm(ack uint32, t time.Time) {
	if !f.known || !before(f.next, ack) || ack-f.next > maxHole {
		return
	}
	if ack-f.next == 1 && len(f.ahead) == 0 {
		return // a FIN, most likely, that is not in the capture
	}
	if f.fin && ack == f.at+1 {
		ack--
		if !before(f.next, ack) {
			return
		}
	}
	if !f.acked {
		f.acked, f.packets = true, 0
		if f.since.IsZero() {
			f.since = t
		}
		f.end = ack
	} else if before(f.end, ack) {
		f.end = ack
	}
}

// look gives up holes that do not fill: with each packet of the connection.
func (f *flow) look(t time.Time, to *receiver) {
	if f.acked && !before(f.next, f.end) {
		f.acked = false
	}
	f.packets++
	switch {
	case f.acked && (f.packets > holePackets || t.Sub(f.since) > holeTime):
		f.forgo(to)
	case !f.acked && len(f.ahead) > 0 && t.Sub(f.since) > holePatience:
		f.skip(to)
		f.since, f.packets = t, 0
	}
}

// forgo gives up everything that is acknowledged.
func (f *flow) forgo(to *receiver) {
	for before(f.next, f.end) {
		if len(f.ahead) > 0 && !before(f.end, f.ahead[0].seq) {
			f.skip(to)
			continue
		}
		n := f.end - f.next
		f.next = f.end
		to.lost(n)
	}
	f.acked, f.since, f.packets = false, time.Time{}, 0
}

// last gives up every hole: nothing more comes.
func (f *flow) last(to *receiver) {
	if f.acked && before(f.next, f.end) {
		f.forgo(to)
	}
	for len(f.ahead) > 0 {
		f.skip(to)
	}
}
