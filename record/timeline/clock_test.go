package timeline

import (
	"slices"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/record"
)

// timely checks what an index says of times against all its entries, of which the
// first known ones have their facts.
func timely(t testing.TB, x *Index, all []*Entry, known int) {
	t.Helper()
	var now time.Duration
	when := make([]time.Duration, len(all)+1)
	var want, got Bin
	for i, e := range all {
		now = max(now, e.T)
		when[i+1] = now
		one := Bin{About: 1}
		switch e.Dir {
		case record.CS:
			one = Bin{CS: 1, CSBytes: int64(len(e.Frame.Raw))}
		case record.SC:
			one = Bin{SC: 1, SCBytes: int64(len(e.Frame.Raw))}
		}
		if level := e.Row().Level; i < known && level == track.Error {
			one.Errors++
		} else if i < known && level == track.Warning {
			one.Warnings++
		}
		want.plus(one)
	}
	classified(t, x, all)
	d := x.Density()
	for _, b := range d.Bins {
		got.plus(b)
	}
	if got != want || d.End != now || len(d.Bins) > maxBins || d.Width*time.Duration(len(d.Bins)) <= now && len(all) > 0 {
		t.Fatalf("density %+v of %d × %v until %v, want %+v until %v", got, len(d.Bins), d.Width, d.End, want, now)
	}
	for n := 0; n <= len(all); n += 1 + len(all)/50 {
		m := Moment{N: n, T: when[n], Next: -1, End: now}
		if n < len(all) {
			m.Next = when[n+1]
		}
		if got := x.Moment(n); got != m {
			t.Fatalf("entry %d of %d: %+v, want %+v", n, len(all), got, m)
		}
		for _, at := range []time.Duration{when[n] - 1, when[n], when[n] + 1, now} {
			last := 0
			for last < len(all) && when[last+1] <= at {
				last++
			}
			if got := x.EntryAt(at); got != last {
				t.Fatalf("at %v: entry %d, want %d of %d", at, got, last, len(all))
			}
		}
	}
}

// A recording of any length fits in the bins, and a minute of it still shows.
func TestDensityOfAnyLength(t *testing.T) {
	var c clock
	n := 0
	for _, at := range []time.Duration{0, time.Millisecond, time.Second, time.Hour, time.Minute, 24 * time.Hour, 300 * 24 * time.Hour} {
		n++
		c.add(n, at, record.CS, 7, at == time.Minute)
		sum := Bin{}
		for _, b := range c.bins {
			sum.plus(b)
		}
		if sum.CS != uint32(n) || sum.CSBytes != int64(7*n) || len(c.bins) > maxBins || at > time.Second && len(c.bins) < maxBins/2 {
			t.Fatalf("%v: %d entries in %d bins", at, sum.CS, len(c.bins))
		}
	}
	if c.end() != 300*24*time.Hour || !slices.Equal(c.notes, []Mark{{5, time.Hour}}) {
		t.Errorf("%v, %v", c.end(), c.notes)
	}
}

func TestMomentOfNothing(t *testing.T) {
	x := &Index{}
	if m := x.Moment(7); m != (Moment{Next: -1}) || x.EntryAt(time.Hour) != 0 || x.EntryAt(-1) != 0 || len(x.Density().Bins) != 0 {
		t.Errorf("%+v, %+v", m, x.Density())
	}
}
