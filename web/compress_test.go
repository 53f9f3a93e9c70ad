package web

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"testing"
)

// What compression of a message costs and saves, at the level that is used: the
// status, which is small, a window of rows, and the details of an entry.
func BenchmarkCompression(b *testing.B) {
	r := demoReader(b)
	x := indexOf(b, r)
	s := &Server{Source: x}
	p := &page{server: s, source: x, shown: &shown{Source: x}, chosen: newChoice()}
	for _, m := range []struct {
		name string
		v    any
	}{
		{"status", status{Op: "status", Title: "capulet.example", Start: "2026-11-23T09:14:23.511786799Z", Len: 288, Total: 288, Known: 288}},
		{"rows", p.rows(request{whole: json.RawMessage(`{"from":101,"count":100}`)})},
		{"entry", p.entry(request{N: 132})},
	} {
		text, err := json.Marshal(m.v)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(m.name, func(b *testing.B) {
			var out bytes.Buffer
			w, err := flate.NewWriter(&out, flate.BestSpeed)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				out.Reset()
				w.Reset(&out)
				w.Write(text)
				w.Flush()
			}
			b.ReportMetric(float64(len(text)), "bytes")
			b.ReportMetric(float64(out.Len()), "compressed")
		})
	}
}
