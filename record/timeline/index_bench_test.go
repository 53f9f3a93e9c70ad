package timeline

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/recordtest"
)

var recordingSize = flag.Int64("recording", 64, "megabytes of the recording that the benchmarks of the index read")

func generated(tb testing.TB, o recordtest.Options) string {
	tb.Helper()
	return generatedAs(tb, "generated.jsonl", o)
}

func generatedAs(tb testing.TB, name string, o recordtest.Options) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	if _, err := recordtest.Write(path, o); err != nil {
		tb.Fatal(err)
	}
	return path
}

// received reads what the directions of a recording's first bytes received, each
// by itself.
func directions(tb testing.TB, path string, most int64) [][]byte {
	tb.Helper()
	r, err := record.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer r.Close()
	type key struct {
		c int
		d record.Dir
	}
	all := map[key][]byte{}
	for r.Pos() < most {
		ev, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			tb.Fatal(err)
		}
		if ev.E == record.EventData {
			k := key{ev.C, ev.D}
			all[k] = append(all[k], ev.Data...)
		}
	}
	var out [][]byte
	for _, b := range all {
		out = append(out, b)
	}
	return out
}

// frameAll frames in chunks of 64 KiB, as the benchmarks of package decode do.
func frameAll(dirs [][]byte) (n int) {
	for _, b := range dirs {
		var d decode.Decoder
		for len(b) > 0 {
			k := min(len(b), 64<<10)
			d.Write(b[:k])
			b = b[k:]
			for _, ok := d.Next(); ok; _, ok = d.Next() {
				n++
			}
		}
	}
	return n
}

// BenchmarkFraming is what the index is measured against.
func BenchmarkFraming(b *testing.B) {
	dirs := directions(b, generated(b, recordtest.Options{Size: *recordingSize << 20}), 64<<20)
	b.SetBytes(int64(len(bytes.Join(dirs, nil))))
	for b.Loop() {
		frameAll(dirs)
	}
}

// BenchmarkIndex gives the rate of the index as a ratio to framing alone, round
// by round in the same run, and what an entry takes in memory.
func BenchmarkIndex(b *testing.B) {
	path := generated(b, recordtest.Options{Size: *recordingSize << 20})
	dirs := directions(b, path, 64<<20)
	framed := 0
	for _, d := range dirs {
		framed += len(d)
	}
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	size := info.Size()
	var ratios, rates []float64
	frameAll(dirs)
	for b.Loop() {
		began := time.Now()
		frameAll(dirs)
		framing := float64(framed) / time.Since(began).Seconds()

		r, err := record.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		x, err := NewIndex(r)
		if err != nil {
			b.Fatal(err)
		}
		before := heap()
		began = time.Now()
		if err := x.survey(context.Background()); err != nil {
			b.Fatal(err)
		}
		rate := float64(size) / time.Since(began).Seconds()
		began = time.Now()
		if err := x.learn(context.Background()); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(size)/time.Since(began).Seconds()/1e6, "MB/s-facts")
		b.ReportMetric(float64(heap()-before)/float64(x.Status().Len), "B/entry")
		ratios, rates = append(ratios, rate/framing), append(rates, rate/1e6)
		x.Close()
	}
	slices.Sort(ratios)
	slices.Sort(rates)
	b.ReportMetric(ratios[len(ratios)/2], "ratio-framing")
	b.ReportMetric(rates[len(rates)/2], "MB/s")
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkEntries reads entries as a viewer does: one at random, and windows one
// after another, as a filter does.
func BenchmarkEntries(b *testing.B) {
	for _, name := range []string{"plain.jsonl", "packed.jsonl.zst"} {
		b.Run(name, func(b *testing.B) { benchmarkEntries(b, name) })
	}
}

func benchmarkEntries(b *testing.B, name string) {
	x := index(b, generatedAs(b, name, recordtest.Options{Size: *recordingSize << 20}))
	if err := x.survey(context.Background()); err != nil {
		b.Fatal(err)
	}
	n := x.Status().Len
	b.Run("random", func(b *testing.B) {
		rnd := rand.New(rand.NewPCG(1, 1))
		var took []time.Duration
		for b.Loop() {
			began := time.Now()
			if _, err := x.Entries(1+rnd.IntN(n), 1); err != nil {
				b.Fatal(err)
			}
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs-p50")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs-p99")
	})
	b.Run("windows", func(b *testing.B) {
		at, bytes := 1, 0
		for b.Loop() {
			es, err := x.Entries(at, 200)
			if err != nil {
				b.Fatal(err)
			}
			for _, e := range es {
				bytes += len(e.Frame.Raw)
			}
			if at += 200; at > n {
				at = 1
			}
		}
		b.ReportMetric(float64(bytes)/b.Elapsed().Seconds()/1e6, "MB/s")
	})
}
