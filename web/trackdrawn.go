package web

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/xmpplens/xmpplens/record/timeline"
)

// The track of the player, drawn: how much there is at each time of the recording,
// what is wrong and where notes are. What the client sent stands above the line,
// what the server sent below.

const (
	columnWide = 3               // pixels, one of them between two
	trackTop   = 15              // pixels: the times,
	trackTall  = 38              // the bars,
	trackFoot  = 9               // the marks
	maxWide    = 8000            // pixels of a track
	tickApart  = 74              // pixels, at least
	longGap    = 5 * time.Second // without traffic, which is shown as such
)

// column is what there is in one: entries, errors, warnings, notes.
type column [4]int

// drawTrack draws a track so many pixels wide, and says what is in its columns.
func drawTrack(d timeline.Density, wide int) (picture drawn, columns []column) {
	wide = min(max(wide, columnWide), maxWide)
	columns = make([]column, wide/columnWide)
	many, length := float64(len(columns)), max(d.End, time.Microsecond)
	ways := make([][2]int, len(columns)) // from the client, from the server
	at := func(t time.Duration) int { return min(max(int(float64(t)/float64(length)*many), 0), len(columns)-1) }
	most := 1
	for i, b := range d.Bins {
		c := at(min(time.Duration(float64(d.Width)*(float64(i)+.5)), length))
		ways[c][0], ways[c][1] = ways[c][0]+int(b.CS), ways[c][1]+int(b.SC)
		columns[c][0] += int(b.CS) + int(b.SC)
		columns[c][1] += int(b.Errors)
		columns[c][2] += int(b.Warnings)
		most = max(most, ways[c][0], ways[c][1])
	}
	for _, n := range d.Notes {
		columns[at(n.T)][3]++
	}
	var paths [6]strings.Builder
	const gap, cs, sc, warnings, errors, notes = 0, 1, 2, 3, 4, 5
	const half, line = float64(trackTall) / 2, trackTop + float64(trackTall)/2
	bar := func(to int, x, y, w, h float64) {
		fmt.Fprintf(&paths[to], "M%.1f %.1fh%.1fv%.1fh%.1fz", x, y, w, h, -w)
	}
	high := func(n int) float64 { return max(2, half*math.Log1p(float64(n))/math.Log1p(float64(most))) }
	step, from := float64(wide)/many, 0
	for i, c := range columns {
		x, w := float64(i)*step, step-1
		if n := ways[i][0]; n > 0 {
			bar(cs, x, line-high(n), w, high(n))
		}
		if n := ways[i][1]; n > 0 {
			bar(sc, x, line+1, w, high(n))
		}
		switch {
		case c[1] > 0:
			bar(errors, x-.5, trackTop+trackTall+2, w+1, trackFoot-3)
		case c[2] > 0:
			bar(warnings, x-.5, trackTop+trackTall+2, w+1, trackFoot-3)
		}
		if c[3] > 0 {
			fmt.Fprintf(&paths[notes], "M%.1f %dl-4 -5l4 -5l4 5z", x+w/2, trackTop+2)
		}
		if c[0] == 0 && i < len(columns)-1 {
			continue
		}
		if time.Duration(float64(i-from)/many*float64(length)) > longGap {
			bar(gap, float64(from)*step, trackTop, float64(i-from)*step, trackTall)
		}
		from = i + 1
	}
	picture = el("svg", attrs{"width": wide, "height": trackTop + trackTall + trackFoot, "aria-hidden": "true"}, ticks(length, float64(wide)))
	for i, name := range []string{"gap", "cs", "sc", "warnings", "errors", "notes"} {
		picture = append(picture, el("path."+name, attrs{"d": "M0 0" + paths[i].String()}))
		if i == gap {
			picture = append(picture, el("path.line", attrs{"d": fmt.Sprintf("M0 %.1fh%dv1H0z", line, wide)}))
		}
	}
	return picture, columns
}

// between are the times that two ticks may have between them.
var between = []time.Duration{1e6, 2e6, 5e6, 10e6, 20e6, 50e6, 100e6, 200e6, 500e6, 1e9, 2e9, 5e9, 10e9, 15e9, 30e9,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 12 * time.Hour}

// ticks are lines with the time, where there is room for them.
func ticks(length time.Duration, wide float64) (out group) {
	const day = 24 * time.Hour
	every := time.Duration(math.Ceil(float64(length)*tickApart/wide/float64(day))) * day
	for _, d := range between {
		if float64(d)/float64(length)*wide >= tickApart {
			every = d
			break
		}
	}
	for t := every; t < length; t += every {
		x := float64(t) / float64(length) * wide
		if x+40 > wide {
			break
		}
		out = append(out, el("path.tick", attrs{"d": fmt.Sprintf("M%.1f 0v%d", x, trackTop+trackTall)}), el("text", attrs{"x": fmt.Sprintf("%.1f", x+4), "y": 10}, sinceStart(t, every)))
	}
	return out
}

// sinceStart is a time as it stands at a tick, for ticks that are so far apart.
func sinceStart(t, every time.Duration) string {
	s := int(t.Round(time.Second).Seconds())
	switch {
	case every < 10*time.Millisecond:
		return fmt.Sprintf("+%d ms", t.Round(time.Millisecond).Milliseconds())
	case every < 100*time.Millisecond:
		return fmt.Sprintf("+%.2f s", t.Seconds())
	case every < time.Second:
		return fmt.Sprintf("+%.1f s", t.Seconds())
	case s < 60 && every < time.Minute:
		return fmt.Sprintf("+%d s", s)
	case s < 3600:
		return fmt.Sprintf("+%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("+%d:%02d:%02d", s/3600, s/60%60, s%60)
}
