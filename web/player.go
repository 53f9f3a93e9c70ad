package web

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xmpplens/xmpplens/record/timeline"
)

// This file answers what the player of the page asks: which entry is the last at a
// time, which is the next, and where there is how much. The page has a clock and
// nothing else: of a million entries it knows where the playhead is.

// A Pacer tells when entries were; *timeline.Index is one.
type Pacer interface {
	EntryAt(t time.Duration) int
	Moment(n int) timeline.Moment
	Density() timeline.Density
}

// maxStep is how many entries are looked at for the next stanza.
const maxStep = 20_000

// seek asks where the playhead is: at a time, or at entry N or place At of the
// list when To is not "time"; or By entries of the list from there, only of
// stanzas when Stanzas is set.
type seek struct {
	At, N   int
	Seq     int // comes back with the answer
	To      string
	T       float64 // seconds
	By      int     // -1, 0, 1
	Stanzas bool
	Place   string // what a person wrote: a time of day, a time since the start, an entry
	Zone    int    // of that person: minutes that UTC is ahead
}

// head is where the playhead is.
type head struct {
	Op     string  `json:"op"`
	Seq    int     `json:"seq"`
	N      int     `json:"n"`    // the last entry in front of it, 0 = none
	At     int     `json:"at"`   // the last place of the list in front of it
	T      float64 `json:"t"`    // when that entry was, or the time that was asked for
	Next   float64 `json:"next"` // when the next one of the list was; -1 = there is none yet
	Length float64 `json:"length"`
	None   bool    `json:"none,omitempty"` // there is nothing to step to
	Error  string  `json:"error,omitempty"`
}

// head answers a seek.
func (p *page) head(r request) any {
	var q seek
	r.into(&q)
	if q.Place != "" && !q.read(p.source.Start(), p.source.Moment(0).End) {
		return head{Op: "head", Seq: q.Seq, Error: "write a time of day (12:03:04.5), a time since the start (+90, +1:30), or an entry (#120)"}
	}
	return p.sought(q)
}

var places = regexp.MustCompile(`^(?:#\s*(\d+)|(\+?)\s*(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?)\s*s?)$`)

// read reads Place: 12:03:04.5 is a time of day, +90 and +1:30 are times since the
// start, #120 is an entry.
func (q *seek) read(start time.Time, length time.Duration) bool {
	m := places.FindStringSubmatch(strings.TrimSpace(q.Place))
	if m == nil {
		return false
	}
	if m[1] != "" {
		q.N, _ = strconv.Atoi(m[1]) // what is too large is behind the end
		return true
	}
	hours, _ := strconv.ParseFloat(m[3], 64)
	minutes, _ := strconv.ParseFloat(m[4], 64)
	t, _ := strconv.ParseFloat(m[5], 64)
	t += 60*minutes + 3600*hours
	if m[2] == "" && m[3] != "" {
		const day = 24 * 3600
		there := start.In(time.FixedZone("", -60*q.Zone))
		t -= there.Sub(time.Date(there.Year(), there.Month(), there.Day(), 0, 0, 0, 0, there.Location())).Seconds()
		if t < -.001 && t+day <= length.Seconds() {
			t += day // the recording goes on past midnight
		}
	}
	q.To, q.T = "time", min(max(t, 0), length.Seconds())
	return true
}

func (p *page) sought(q seek) head {
	src := p.source
	total := src.Status().Len
	n := q.N
	switch {
	case q.To == "time":
		n = src.EntryAt(time.Duration(min(max(q.T, 0), 1e9) * 1e9))
	case q.At > 0:
		n = p.chosen.number(q.At)
	}
	n = min(max(n, 0), total)
	out := head{Op: "head", Seq: q.Seq}
	if q.By != 0 {
		to := p.step(n, q.By, q.Stanzas)
		out.None = to == n
		n = to
	}
	m := src.Moment(n)
	out.N, out.T, out.Length, out.Next = n, m.T.Seconds(), m.End.Seconds(), -1
	if q.To == "time" && q.By == 0 {
		out.T = max(q.T, out.T)
	}
	place, next := p.chosen.place(n)
	out.At = place
	if next <= total {
		out.Next = src.Moment(next).T.Seconds()
	}
	return out
}

// step returns the entry one step from entry n, or n when there is none.
func (p *page) step(n, by int, stanzas bool) int {
	place, _ := p.chosen.place(n)
	if by > 0 || p.chosen.number(place) < n { // n itself is not in the list
		place++
	}
	if !stanzas {
		if by < 0 {
			place--
		}
		return p.stop(place, n, by)
	}
	const batch = 100
	for looked := 0; looked < maxStep; looked += batch {
		from := place
		if by < 0 {
			from = max(place-batch, 1)
		}
		count := batch
		if by < 0 {
			count = place - from
		}
		if count <= 0 {
			return n
		}
		entries, _, err := p.chosen.entries(p.source, from, count)
		if err != nil || len(entries) == 0 {
			return n
		}
		if by < 0 {
			slices.Reverse(entries)
		}
		for _, e := range entries {
			switch e.Kind {
			case "message", "presence", "iq":
				return e.N
			}
		}
		place = from
		if by > 0 {
			place += len(entries)
		}
	}
	return p.stop(place, n, by)
}

// stop returns which entry is at a place, that in front of the first, or n when
// the place is behind the list.
func (p *page) stop(place, n, by int) int {
	if place <= 0 && by < 0 {
		return 0
	}
	if to := p.chosen.number(place); to > 0 && to <= p.source.Status().Len {
		return to
	}
	return n
}

// place returns the last place of the list at or in front of entry n, and the
// entry at the next place: where the filter has not found one yet, the first that
// it has not looked at.
func (c *choice) place(n int) (place, next int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all() {
		return n, n + 1
	}
	list := c.list()
	place, _ = slices.BinarySearch(list, int32(n+1))
	if place < len(list) {
		return place, int(list[place])
	}
	return place, max(n, c.looked) + 1
}

// density is what the player draws: a list for each kind of thing, a number for
// each part of Width seconds.
type density struct {
	Op       string       `json:"op"`
	Length   float64      `json:"length"`
	Width    float64      `json:"width"`
	CS       []uint32     `json:"cs"`
	SC       []uint32     `json:"sc"`
	Warnings [][2]uint32  `json:"warnings"` // of those parts that have some: which, how many
	Errors   [][2]uint32  `json:"errors"`
	Notes    [][2]float64 `json:"notes"` // entry and time
}

// trackDrawn is the same, drawn for the page.
type trackDrawn struct {
	Op      string   `json:"op"`
	Length  float64  `json:"length"`
	Picture drawn    `json:"picture"`
	Tips    []string `json:"tips"` // of its columns
}

const trackTall = 38 // pixels of the bars

func (p *page) density(r request) any {
	var q struct{ Draw int } // on so many pixels; 0 = it is not drawn
	r.into(&q)
	d := p.source.Density()
	if q.Draw > 0 {
		c := newChart(q.Draw, trackTall, 0, d.End, d.Bins, d.Width, d.Notes)
		return trackDrawn{"density", d.End.Seconds(), c.draw(attrs{"aria-hidden": "true"}), c.tips()}
	}
	out := density{Op: "density", Length: d.End.Seconds(), Width: d.Width.Seconds(), CS: []uint32{}, SC: []uint32{}, Warnings: [][2]uint32{}, Errors: [][2]uint32{}, Notes: [][2]float64{}}
	for i, b := range d.Bins {
		out.CS, out.SC = append(out.CS, b.CS), append(out.SC, b.SC)
		if b.Warnings > 0 {
			out.Warnings = append(out.Warnings, [2]uint32{uint32(i), b.Warnings})
		}
		if b.Errors > 0 {
			out.Errors = append(out.Errors, [2]uint32{uint32(i), b.Errors})
		}
	}
	for _, m := range d.Notes {
		out.Notes = append(out.Notes, [2]float64{float64(m.N), m.T.Seconds()})
	}
	return out
}
