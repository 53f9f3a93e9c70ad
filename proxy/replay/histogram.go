package replay

import (
	"math/bits"
	"time"
)

// A histogram counts durations in buckets that grow by an eighth: enough for a
// percentile, and of one size for any number of them.
type histogram struct {
	n       int
	max     time.Duration
	buckets map[int]int // at most some hundred
}

// bucket is the place of d: three bits behind the highest one.
func bucket(d time.Duration) int {
	u := uint64(max(d, 0))/1000 + 8 // microseconds
	e := bits.Len64(u) - 4
	return e*8 + int(u>>e) - 8
}

// bound is the upper end of a bucket.
func bound(b int) time.Duration {
	e, m := b/8, b%8+8
	return time.Duration((uint64(m+1)<<e)-8) * time.Microsecond
}

func (h *histogram) add(d time.Duration) {
	if h.buckets == nil {
		h.buckets = make(map[int]int)
	}
	h.n++
	h.buckets[bucket(d)]++
	h.max = max(h.max, d)
}

func (h *histogram) merge(o *histogram) {
	if h.buckets == nil {
		h.buckets = make(map[int]int)
	}
	for b, n := range o.buckets {
		h.buckets[b] += n
	}
	h.n += o.n
	h.max = max(h.max, o.max)
}

// at returns the duration that the share p of all does not exceed.
func (h *histogram) at(p float64) time.Duration {
	want := max(int(p*float64(h.n)+0.5), 1)
	for b, seen := 0, 0; b < 64*8; b++ {
		if seen += h.buckets[b]; seen >= want {
			return min(bound(b), h.max).Round(10 * time.Microsecond)
		}
	}
	return h.max
}
