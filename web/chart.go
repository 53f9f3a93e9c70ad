package web

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/xmpplens/xmpplens/record/timeline"
)

// This file draws how much there is at each time: on the track of the player and in the
// overview. What the client sent stands above the line, what the server sent below it;
// under them is what was found, over them are notes. Colours are the style sheet's.

const (
	columnWide = 3                // pixels, one of them between two
	timesTall  = 15               // pixels above the bars,
	marksTall  = 9                // and below them
	timesApart = 74               // pixels between two times, at least
	timeWide   = 40               // pixels of one
	maxWide    = 8000             // pixels of a chart
	longGap    = 5 * time.Second  // without entries, from which on it is drawn
	shortest   = time.Microsecond // that a chart is long
)

// A chart is what there is from one time to another, as it is drawn.
type chart struct {
	wide, tall int           // pixels: of it all, of the bars
	from, long time.Duration // where it begins, how long it is
	even       bool          // twice as many entries are twice as high; else a few are seen beside many
	columns    []column
}

type column struct{ cs, sc, warnings, errors, notes uint32 }

func (c *column) empty() bool { return c.cs == 0 && c.sc == 0 }

// newChart makes a chart of bins from its beginning on, each of which is width long.
func newChart(wide, tall int, from, to time.Duration, bins []timeline.Bin, width time.Duration, notes []timeline.Mark) *chart {
	wide = min(max(wide, columnWide), maxWide)
	c := &chart{wide: wide, tall: tall, from: from, long: max(to-from, shortest)}
	c.columns = make([]column, min(wide/columnWide, max(len(bins), 1)))
	for i, b := range bins {
		at := c.at(from + time.Duration(i)*width + width/2)
		at.cs += b.CS
		at.sc += b.SC
		at.warnings += b.Warnings
		at.errors += b.Errors
	}
	for _, m := range notes {
		c.at(m.T).notes++
	}
	return c
}

// at is the column of a time.
func (c *chart) at(t time.Duration) *column {
	i := int(float64(t-c.from) / float64(c.long) * float64(len(c.columns)))
	return &c.columns[min(max(i, 0), len(c.columns)-1)]
}

// most is how many entries the highest bar stands for.
func (c *chart) most() uint32 {
	most := uint32(1)
	for _, k := range c.columns {
		most = max(most, k.cs, k.sc)
	}
	return most
}

// draw draws the chart; the attributes say what it is to those who do not see it.
func (c *chart) draw(what attrs) drawn {
	step := float64(c.wide) / float64(len(c.columns))
	half, most := float64(c.tall)/2, float64(c.most())
	high := func(n uint32) float64 {
		part := float64(n) / most
		if !c.even {
			part = math.Log1p(float64(n)) / math.Log1p(most)
		}
		return max(2, half*part)
	}
	line, under := timesTall+c.tall/2, timesTall+c.tall+marksTall/2
	var gap, cs, sc, warnings, errors, notes strings.Builder
	first := 0 // of columns without entries
	for i, k := range c.columns {
		x := float64(i) * step
		middle := x + (step-1)/2
		if k.cs > 0 {
			fmt.Fprintf(&cs, "M%.1f %dv-%.1f", middle, line, high(k.cs))
		}
		if k.sc > 0 {
			fmt.Fprintf(&sc, "M%.1f %dv%.1f", middle, line+1, high(k.sc))
		}
		switch {
		case k.errors > 0:
			fmt.Fprintf(&errors, "M%.1f %dh%.1f", x-.5, under, step)
		case k.warnings > 0:
			fmt.Fprintf(&warnings, "M%.1f %dh%.1f", x-.5, under, step)
		}
		if k.notes > 0 {
			fmt.Fprintf(&notes, "M%.1f %dl-4 -5l4 -5l4 5z", middle, timesTall+2)
		}
		if k.empty() && i < len(c.columns)-1 {
			continue
		}
		if time.Duration(float64(i-first)/float64(len(c.columns))*float64(c.long)) > longGap {
			fmt.Fprintf(&gap, "M%.1f %dh%.1f", float64(first)*step, line, float64(i-first)*step)
		}
		first = i + 1
	}
	what["viewBox"], what["preserveAspectRatio"] = fmt.Sprintf("0 0 %d %d", c.wide, timesTall+c.tall+marksTall), "none"
	path := func(class string, wide float64, d string) drawn {
		if d == "" {
			return nil
		}
		return el("path."+class, attrs{"d": d, "stroke-width": math.Round(wide*10) / 10})
	}
	return el("svg.chart", what, c.times(),
		path("gap", float64(c.tall), gap.String()), path("line", 1, fmt.Sprintf("M0 %d.5h%d", line, c.wide)),
		path("cs", step-1, cs.String()), path("sc", step-1, sc.String()),
		path("warnings", marksTall-3, warnings.String()), path("errors", marksTall-3, errors.String()), path("notes", 1, notes.String()))
}

// steps are what times are apart, in seconds.
var steps = []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400}

// times draws lines with the time, where there is room for them.
func (c *chart) times() group {
	from, long := c.from.Seconds(), c.long.Seconds()
	room := long / float64(c.wide) * timesApart // seconds
	every := math.Ceil(room/86400) * 86400
	for _, s := range steps {
		if s >= room {
			every = s
			break
		}
	}
	var lines strings.Builder
	var texts group
	for i := math.Floor(from/every) + 1; ; i++ {
		x := (i*every - from) / long * float64(c.wide)
		if x+timeWide > float64(c.wide) {
			break
		}
		fmt.Fprintf(&lines, "M%.1f 0v%d", x, timesTall+c.tall)
		texts = append(texts, el("text", attrs{"x": math.Round(x) + 4, "y": 10}, stamp(i*every, every)))
	}
	if texts == nil {
		return nil
	}
	return append(group{el("path.tick", attrs{"d": lines.String()})}, texts...)
}

// tips say in words what each column stands for.
func (c *chart) tips() []string {
	out := make([]string, len(c.columns))
	for i, k := range c.columns {
		var words []string
		word := func(n uint32, one, more string) {
			if n > 0 {
				words = append(words, many(int(n), one, more))
			}
		}
		word(k.cs+k.sc, "entry", "entries")
		word(k.errors, "error", "errors")
		word(k.warnings, "warning", "warnings")
		word(k.notes, "note", "notes")
		out[i] = strings.Join(words, " · ")
	}
	return out
}

// stamp is a time since the start, in seconds, as it stands at a line, for lines that
// are every seconds apart.
func stamp(s, every float64) string {
	n := int(math.Round(s))
	switch {
	case every < .01:
		return fmt.Sprintf("+%.0f ms", s*1000)
	case every < .1:
		return fmt.Sprintf("+%.2f s", s)
	case every < 1:
		return fmt.Sprintf("+%.1f s", s)
	case n < 60 && every < 60:
		return fmt.Sprintf("+%d s", n)
	case n < 3600:
		return fmt.Sprintf("+%d:%02d", n/60, n%60)
	}
	return fmt.Sprintf("+%d:%02d:%02d", n/3600, n/60%60, n%60)
}
