package session

import (
	"sort"
	"testing"

	"github.com/xmpplens/xmpplens/record"
)

// wire carries effects out in memory and checks the invariant of the design:
// the data of a direction with edits and verdicts applied and injections
// inserted is what was sent to the other leg.
type wire struct {
	sent [2][]byte // by leg
	ws   bool      // in frames of WebSocket
	log  map[record.Dir][]record.Event
}

func newWire() *wire { return &wire{log: make(map[record.Dir][]record.Event)} }

func (w *wire) carryOut(t *testing.T, effects []Effect) {
	t.Helper()
	recorded := false
	for i, e := range effects {
		switch e.Do {
		case Record:
			if i != 0 {
				t.Errorf("effect %d records: the log must lead", i)
			}
			recorded = true
			for _, ev := range e.Events {
				if ev.C != 1 {
					t.Errorf("event %q without connection", ev.E)
				}
				ev.Data = append([]byte(nil), ev.Data...)
				w.log[ev.D] = append(w.log[ev.D], ev)
			}
		case Send:
			if !recorded && len(w.log) == 0 {
				t.Errorf("sent %q with nothing recorded", e.Bytes)
			}
			w.sent[e.Leg] = append(w.sent[e.Leg], e.Bytes...)
		}
	}
}

// applied computes from the log what was sent in a direction.
func (w *wire) applied(d record.Dir) []byte {
	var data []byte
	type change struct {
		at, n int64
		b     []byte
		order int
	}
	var changes []change
	held := make(map[int64]int64)
	for i, ev := range w.log[d] {
		switch ev.E {
		case record.EventData, record.EventTLS:
			data = append(data, ev.Data...)
		case record.EventHold:
			held[ev.O] = ev.N
		case record.EventEdit:
			changes = append(changes, change{ev.O, ev.N, ev.Data, i})
		case record.EventInject:
			changes = append(changes, change{ev.O, 0, ev.Data, i})
		}
	}
	for i, ev := range w.log[d] {
		if ev.E == record.EventVerdict {
			if ev.Verdict == "passed" || ev.Verdict == "delayed" {
				continue
			}
			changes = append(changes, change{ev.O, held[ev.O], ev.Data, i})
		}
	}
	sort.SliceStable(changes, func(i, j int) bool {
		a, b := changes[i], changes[j]
		if a.at != b.at {
			return a.at < b.at
		}
		if (a.n == 0) != (b.n == 0) {
			return a.n == 0 // injections stand before their offset
		}
		return a.order < b.order
	})
	var out []byte
	at := int64(0)
	for _, c := range changes {
		out = append(out, data[at:c.at]...)
		out = append(out, c.b...)
		at = c.at + c.n
	}
	return append(out, data[at:]...)
}

func (w *wire) compare(t *testing.T) {
	t.Helper()
	for _, d := range []record.Dir{record.CS, record.SC} {
		got, want := w.said(into(d)), w.applied(d)
		if string(got) == string(want) {
			continue
		}
		same := 0
		for same < min(len(got), len(want)) && got[same] == want[same] {
			same++
		}
		from := max(0, same-200)
		t.Errorf("%s: from %d on %d bytes were sent, the log says %d:\n  %.600q\n  %.600q", d, same, len(got), len(want), got[from:], want[from:])
	}
}

// said is what was sent to a leg, without framing.
func (w *wire) said(l Leg) []byte {
	if w.ws {
		return payloads(l, w.sent[l])
	}
	return w.sent[l]
}
