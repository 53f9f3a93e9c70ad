package web

import (
	"slices"
	"testing"

	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

func TestPlace(t *testing.T) {
	log, s, url := show(t)
	for c := 1; c <= 2; c++ {
		log.Append(record.Event{C: c, E: record.EventOpen, Kind: "c2s"}) // entries 1, 2
	}
	for i := range 10 { // 3 to 32
		text := "<message><body>one</body></message><r xmlns='urn:xmpp:sm:3'/><presence/>"
		log.Append(record.Event{C: i%2 + 1, E: record.EventData, D: record.SC, Data: []byte(text), HasData: true})
	}
	x := s.Source
	x.Wait(t.Context(), func(s timeline.Status) bool { return s.Known > 30 })
	p := &page{server: s, source: x, chosen: newChoice()}
	whole := func() found {
		f := p.chosen.look(x, x.Status())
		for f.more {
			f = p.chosen.look(x, x.Status())
		}
		return f
	}
	n := x.Status().Len
	counts := x.Counts()
	if f := whole(); f.length != n || f.counts != counts || counts[timeline.Ack] == 0 {
		t.Fatalf("%+v of %d, %v", f, n, counts)
	}
	ack, open := 1<<timeline.Ack, 1<<timeline.Connection
	for _, c := range []struct {
		filter string
		hide   int
	}{{"", ack}, {"", ack | open}, {"", 0}, {"not presence", ack}, {"presence or conn == 1", 0}, {"conn == 2", open | ack}, {"conn == 2", 0}, {"", open}, {"n > 1000", ack}} {
		p.chosen.set(c.filter)
		whole()
		p.chosen.conceal(timeline.Classes(c.hide)) // what is found already is kept
		f := whole()
		all, err := x.Entries(1, n)
		if err != nil {
			t.Fatal(err)
		}
		var want []int
		var counts timeline.Counts
		for _, e := range all {
			if p.chosen.filter != nil && !e.Matches(p.chosen.filter) {
				continue
			}
			counts[e.Class()]++
			if !timeline.Classes(c.hide).Has(e.Class()) {
				want = append(want, e.N)
			}
		}
		var got []int
		rows, _, err := p.chosen.entries(x, 1, n)
		for _, e := range rows {
			got = append(got, e.N)
		}
		if err != nil || !slices.Equal(got, want) || f.length != len(want) || f.counts != counts {
			t.Errorf("%+v: %v, want %v; %+v, want %v", c, got, want, f, counts)
		}
		// What comes later goes the same way.
		p.chosen.set(c.filter)
		if f := whole(); f.length != len(want) || f.counts != counts {
			t.Errorf("%+v again: %+v", c, f)
		}
		for k := 1; k <= n; k++ {
			at, in := slices.BinarySearch(want, k)
			out := p.place(request{N: k}).(placed)
			if out.N != k || out.Exact != in || out.At != min(at+1, len(want)) || (out.Says == "") != in {
				t.Errorf("%+v: entry %d is at %+v of %v", c, k, out, want)
			}
			to := slices.IndexFunc(want, func(m int) bool { return m > k && all[m-1].Conn == all[k-1].Conn })
			out = p.place(request{N: k, whole: []byte(`{"by":1}`)}).(placed)
			if to < 0 && (out.N != 0 || out.At != 0 || out.Says != "No other entry of this connection.") || to >= 0 && (out.At != to+1 || !out.Exact) {
				t.Errorf("%+v: behind %d there is %+v, want place %d of %v", c, k, out, to+1, want)
			}
		}
	}

	ws := dial(t, url)
	ws.WriteJSON(map[string]any{"op": "hide", "classes": []string{"ack", "presence", "connection"}})
	for {
		var v map[string]any
		if err := ws.ReadJSON(&v); err != nil {
			t.Fatal(err)
		}
		if v["op"] == "status" && v["filter"] == 1.0 {
			if got := v["classes"].([]any); v["len"] != 10.0 || v["total"] != 32.0 || got[timeline.Ack] != 10.0 {
				t.Errorf("%v", v)
			}
			return
		}
	}
}
