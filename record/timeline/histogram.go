package timeline

import (
	"math/bits"
	"time"
)

// A Histogram counts durations in bins that grow with them, each a 32nd of what is
// in it, so that quantiles are right within two hundredths at any scale. It takes
// some two kilobytes. The zero value is empty.
type Histogram struct {
	Count         int
	Sum, Min, Max time.Duration
	first         int // the bin that bins begins with
	bins          []uint32
}

const perOctave = 32

// binOf returns the bin of a duration, startOf where a bin begins.
func binOf(d time.Duration) int {
	v := uint64(max(d, 0))
	if v < perOctave {
		return int(v)
	}
	e := bits.Len64(v) - 6
	return e*perOctave + int(v>>e)
}

func startOf(bin int) time.Duration {
	if bin < 2*perOctave {
		return time.Duration(bin)
	}
	e := bin/perOctave - 1
	return time.Duration((bin - e*perOctave) << e)
}

// Add takes a duration.
func (h *Histogram) Add(d time.Duration) {
	d = max(d, 0)
	bin := binOf(d)
	switch {
	case h.Count == 0:
		h.first, h.Min, h.bins = bin, d, append(h.bins[:0], 0)
	case bin < h.first:
		more := make([]uint32, h.first-bin, h.first-bin+len(h.bins))
		h.first, h.bins = bin, append(more, h.bins...)
	case bin >= h.first+len(h.bins):
		h.bins = append(h.bins, make([]uint32, bin-h.first-len(h.bins)+1)...)
	}
	h.bins[bin-h.first]++
	h.Count++
	h.Sum += d
	h.Min, h.Max = min(h.Min, d), max(h.Max, d)
}

// Quantile returns the duration that a part q of them does not exceed; 0 when there
// are none.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := min(h.Count-1, int(q*float64(h.Count)))
	for i, n := range h.bins {
		if rank -= int(n); rank < 0 {
			middle := (startOf(h.first+i) + startOf(h.first+i+1) - 1) / 2
			return min(max(middle, h.Min), h.Max)
		}
	}
	return h.Max
}

// Below counts those that are shorter than d: of the bin that d is in, those that
// are in its shorter half.
func (h *Histogram) Below(d time.Duration) (n uint64) {
	for i, k := range h.bins {
		if bin := h.first + i; (startOf(bin)+startOf(bin+1))/2 >= d {
			break
		}
		n += uint64(k)
	}
	return n
}

// Plus adds what is in another one.
func (h *Histogram) Plus(o *Histogram) {
	if o.Count == 0 {
		return
	}
	low, high := o.first, o.first+len(o.bins)
	if h.Count > 0 {
		low, high = min(low, h.first), max(high, h.first+len(h.bins))
	} else {
		h.Min = o.Min
	}
	bins := make([]uint32, high-low)
	copy(bins[max(h.first-low, 0):], h.bins)
	for i, n := range o.bins {
		bins[o.first-low+i] += n
	}
	h.first, h.bins = low, bins
	h.Count += o.Count
	h.Sum += o.Sum
	h.Min, h.Max = min(h.Min, o.Min), max(h.Max, o.Max)
}

// A Step is a bin of a histogram that is to be drawn: durations from From on.
type Step struct {
	From time.Duration
	N    uint32
}

// Steps returns bins that are a quarter of an octave each, without those at the
// ends that are empty.
func (h *Histogram) Steps() []Step {
	const each = perOctave / 4
	var out []Step
	for i, n := range h.bins {
		bin := (h.first + i) / each * each
		if from := startOf(bin); len(out) == 0 || out[len(out)-1].From != from {
			out = append(out, Step{From: from})
		}
		out[len(out)-1].N += n
	}
	return out
}
