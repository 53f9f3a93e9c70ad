package record

import (
	"bytes"
	"context"
	"errors"
	"io"
)

// A Carrier follows a segment and tells what a reader needs that starts behind
// it, in rising time: for each connection that is open its "open" and the last
// "secure" of each leg, with Why Carried; edits and holds that are not done with;
// and for each direction an EventCarry. That one's O is where the frame begins
// that the end of the segment cuts, its Data the stream header in force, N bytes
// long, and behind it what was received from O on. Package timeline has one.
type Carrier interface {
	Add(Event)
	Carry() []Event
}

// carryBehind returns the carry lines for the segment behind number.
func (s *set) carryBehind(number int, c Carrier) ([]byte, error) {
	s.mu.Lock()
	var g *segment
	for _, other := range s.segs {
		if other.number == number {
			g = other
		}
	}
	s.mu.Unlock()
	if g == nil {
		return nil, errMoved
	}
	alone, err := s.only([]*segment{g})
	if err != nil {
		return nil, err
	}
	return alone.carryAll(c)
}

// carryAll returns the carry lines for what follows the set, which it releases.
func (s *set) carryAll(c Carrier) ([]byte, error) {
	r, err := s.reader(s.names.plain)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for {
		ev, err := r.Next(context.Background())
		switch {
		case errors.Is(err, io.EOF):
			return carryLines(c.Carry()), nil
		case IsDamage(err):
		case err != nil:
			return nil, err
		default:
			c.Add(ev)
		}
	}
}

// introduce makes the carry lines of a set that was loaded without its first
// segments, when these are there.
func (s *set) introduce(c Carrier) error {
	line, rest, _ := bytes.Cut(s.head, []byte{'\n'})
	h, err := parseHeader(line)
	if err != nil || len(rest) > 0 {
		return err
	}
	before := newSet(s.names)
	defer before.release()
	if err := before.load(0); err != nil {
		return err
	}
	segs := before.segs
	for i, g := range segs {
		if g.number >= s.segs[0].number {
			segs = segs[:i]
			break
		}
	}
	// What is missing in between, or was compressed meanwhile, makes this the
	// beginning.
	if len(segs) == 0 || segs[len(segs)-1].end() != s.segs[0].at || !before.start.Equal(s.start) {
		return nil
	}
	front, err := before.only(segs)
	if err != nil {
		return err
	}
	lines, err := front.carryAll(c)
	if err != nil {
		return err
	}
	h.Carry = int64(len(lines))
	s.head = append(appendHeader(nil, h), lines...)
	return nil
}

// only returns a set of some of the segments, which the caller releases.
func (s *set) only(segs []*segment) (*set, error) {
	out := newSet(s.names)
	out.live, out.start, out.base, out.segs = true, s.start, segs[0].at, segs
	var err error
	out.head, err = segs[0].headLines()
	return out, err
}

// carryLines writes the events as lines, with their own times. Data that does
// not fit is left out: the frames of these connections are then cut.
func carryLines(evs []Event) []byte {
	var out []byte
	for i := range evs {
		ev := evs[i]
		if len(out)+2*len(ev.Data) > maxHead-maxHeaderLine-(len(evs)-i)*maxCarryLine {
			ev.Data = ev.Data[:min(int64(len(ev.Data)), ev.N, maxCarryLine/8)]
		}
		out = appendLine(out, &ev)
	}
	return out
}

// maxCarryLine is room for a carry line without data.
const maxCarryLine = 1 << 10

// appendLine appends the line of an event with its own time.
func appendLine(dst []byte, ev *Event) []byte {
	at := len(dst)
	dst = appendEvent(dst, ev)
	free := putTime(dst[at:], ev.T)
	n := copy(dst[at:], dst[at+free:])
	return dst[:at+n]
}
