package timeline

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/recordtest"
)

func TestHistogram(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	var h, even, odd Histogram
	var all []time.Duration
	for i := range 10_000 {
		d := time.Duration(rnd.ExpFloat64() * float64(time.Millisecond) * float64(1+i%7*300))
		all = append(all, d)
		h.Add(d)
		if i%2 == 0 {
			even.Add(d)
		} else {
			odd.Add(d)
		}
	}
	slices.Sort(all)
	even.Plus(&odd)
	even.Plus(&Histogram{})
	var none Histogram
	none.Plus(&even)
	if !reflect.DeepEqual(h, even) || !reflect.DeepEqual(h, none) {
		t.Errorf("two halves are not the whole: %+v %+v %+v", h, even, none)
	}
	near := func(got, want time.Duration) bool { return (got - want).Abs() <= want/50+1 }
	for _, q := range []float64{0, 0.01, 0.5, 0.9, 0.95, 0.99, 0.9999, 1} {
		if want := all[min(len(all)-1, int(q*float64(len(all))))]; !near(h.Quantile(q), want) {
			t.Errorf("quantile %v is %v, want %v", q, h.Quantile(q), want)
		}
	}
	if h.Max != all[len(all)-1] || h.Min != all[0] || h.Count != len(all) {
		t.Errorf("%v to %v of %d", h.Min, h.Max, h.Count)
	}
	for _, d := range []time.Duration{0, 1, time.Millisecond, time.Second, time.Hour} {
		short, long := 0, 0 // near the border anything goes
		for _, a := range all {
			if a < d-d/30 {
				short++
			}
			if a < d+d/30+1 {
				long++
			}
		}
		if got := int(h.Below(d)); got < short || got > long {
			t.Errorf("%d are below %v, want %d to %d", got, d, short, long)
		}
	}
	n := 0
	for _, s := range h.Steps() {
		n += int(s.N)
	}
	if n != len(all) || len(h.Steps()) > 200 {
		t.Errorf("%d in %d steps", n, len(h.Steps()))
	}
	var one Histogram
	one.Add(12345 * time.Microsecond)
	one.Add(-5)
	if one.Quantile(0.9) != 12345*time.Microsecond || one.Quantile(0) != 0 {
		t.Errorf("%v %v", one.Quantile(0.9), one.Quantile(0))
	}
	for bin := range 59 * perOctave { // each bin begins where it says
		if at := startOf(bin); binOf(at) != bin || at > 0 && binOf(at-1) != bin-1 {
			t.Fatalf("bin %d begins at %d, which is in %d", bin, at, binOf(at))
		}
	}
}

// The overview of a recording is what its entries sum up to.
func TestOverview(t *testing.T) {
	for _, path := range []string{"../../testdata/recordings/demo.jsonl", "../../testdata/recordings/bad.jsonl", generated(t, recordtest.Options{Seed: 4, Conns: 5})} {
		x := index(t, path)
		if err := x.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		entries, stanzas, bytes := [2]int{}, [2]int{}, [2]int64{}
		latency, findings, conns := 0, 0, map[int]bool{}
		var slowest time.Duration
		var last time.Duration
		for _, e := range fold(t, path) {
			last = max(last, e.T)
			findings += len(e.Facts.Findings)
			if e.Conn > 0 {
				conns[e.Conn] = true
			}
			if e.Facts.HasLatency {
				latency++
				slowest = max(slowest, e.Facts.Latency)
			}
			if e.Dir != "" {
				entries[way(e.Dir)]++
				bytes[way(e.Dir)] += int64(len(e.Frame.Raw))
				if e.Kind == "iq" || e.Kind == "message" || e.Kind == "presence" {
					stanzas[way(e.Dir)]++
				}
			}
		}
		length := x.Status().Len
		x.Sums(func(s *Sums, known int) {
			if s.Entries != entries || s.Stanzas != stanzas || s.Bytes != bytes || s.Last != last || known != length {
				t.Errorf("%s: %+v, want %v %v %v", path, s, entries, stanzas, bytes)
			}
			n, most, kinds := 0, time.Duration(0), 0
			for _, l := range s.Latencies {
				n += l.Count
				most = max(most, l.Slowest[0].Took)
				if !slices.IsSortedFunc(l.Slowest, func(a, b Slow) int { return int(b.Took - a.Took) }) || l.Slowest[0].Took != l.Max || len(l.Slowest) != min(l.Count, maxSlowest) {
					t.Errorf("%+v", l)
				}
			}
			for _, a := range s.Kinds {
				kinds += a.Count
			}
			if n != latency || most != slowest || kinds != entries[0]+entries[1] {
				t.Errorf("%d latencies up to %v, want %d up to %v; %d of kinds", n, most, latency, slowest, kinds)
			}
			n = 0
			for code, c := range s.Codes {
				n += c.Count
				if c.Code != code || c.First < 1 || c.Last < c.First {
					t.Errorf("%+v", c)
				}
			}
			if n != findings || n != s.Findings[0]+s.Findings[1]+s.Findings[2] {
				t.Errorf("%d findings, want %d", n, findings)
			}
		})
		list, n := x.Connections("id", false, 1000)
		of := Conn{}
		for _, c := range list {
			for w := range 2 {
				of.Entries[w] += c.Entries[w]
				of.Stanzas[w] += c.Stanzas[w]
				of.Bytes[w] += c.Bytes[w]
			}
		}
		total := 0
		for _, m := range []map[string]int{n.Open, n.Closed} {
			for _, k := range m {
				total += k
			}
		}
		if of.Entries != entries || of.Bytes != bytes || of.Stanzas != stanzas || len(list) != len(conns) || total != len(conns) {
			t.Errorf("%s: connections %+v, %d of %d, %d counted", path, of, len(list), len(conns), total)
		}
		for _, r := range [][2]time.Duration{{0, 0}, {0, last + 1}, {last / 3, last / 2}, {last / 2, last/2 + 1}, {last * 2, last * 3}, {-5, 1}} {
			var got Bin
			tr := x.Traffic(r[0], r[1], 50)
			for _, b := range tr.Bins {
				got.plus(b)
			}
			var want [2]uint32
			for _, e := range fold(t, path) {
				end := tr.From + tr.Width*time.Duration(len(tr.Bins))
				if e.Dir != "" && e.T >= tr.From && e.T < end {
					want[way(e.Dir)]++
				}
			}
			if got.CS != want[0] || got.SC != want[1] || len(tr.Bins) > 50 || tr.End != last {
				t.Errorf("%s: %v: %+v in %d bins of %v from %v, want %v", path, r, got, len(tr.Bins), tr.Width, tr.From, want)
			}
		}
	}
}

// Every column sorts, and what is equal stays in order.
func TestConnectionsSorted(t *testing.T) {
	x := index(t, generated(t, recordtest.Options{Conns: 40}))
	if err := x.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, by := range columns {
		up, _ := x.Connections(name, false, 1000)
		down, _ := x.Connections(name, true, 10)
		sorted := slices.IsSortedFunc(up, func(a, b Conn) int {
			if by.text != nil {
				return strings.Compare(by.text(&a), by.text(&b))
			}
			return int(max(min(by.number(&a)-by.number(&b), 1), -1))
		})
		if !sorted || len(up) != 40 || len(down) != 10 || down[0].ID != up[39].ID {
			t.Errorf("%s: not in order", name)
		}
	}
	if c, _ := x.Connections("nonsense", false, 1); c[0].ID != 1 || c[0].State.Mechanism == "" || c[0].State.Bound.Resource == "" || !c[0].Closed || c[0].RTT <= 0 {
		t.Errorf("%+v", c)
	}
}

// Names that come from anywhere are bounded, and so are connections; what is
// counted stays right.
func TestOverviewIsBounded(t *testing.T) {
	var s Sums
	for i := range 3 * maxNames {
		ns := fmt.Sprint("urn:hostile:", i)
		if i%2 == 0 {
			ns = strings.Repeat("x", 10_000+i)
		}
		s.Add(&Entry{N: i + 1, Dir: record.CS, Kind: "iq", Stanza: stanza.Stanza{Payloads: []stanza.Payload{{NS: ns}}}, Facts: track.Facts{Findings: []track.Finding{{Code: ns}}}})
	}
	n := 0
	for ns, a := range s.Payloads {
		n += a.Count
		if len(ns) > maxKey {
			t.Fatalf("a name of %d bytes", len(ns))
		}
	}
	if n != 3*maxNames || len(s.Payloads) > maxNames+1 || len(s.Codes) > maxNames+1 {
		t.Errorf("%d of %d names, %d codes", n, len(s.Payloads), len(s.Codes))
	}
	var k conns
	for id := 1; id <= maxConnections+500; id++ {
		k.add(&Entry{Conn: id, Kind: record.EventOpen, Event: record.Event{Kind: fmt.Sprint("k", id%20)}})
		if id > 300 { // the first stay open
			k.add(&Entry{Conn: id, Kind: record.EventClose})
		}
	}
	open, closed := 0, 0
	for _, n := range k.closed[0] {
		open += n
	}
	for _, n := range k.closed[1] {
		closed += n
	}
	if len(k.all) != maxConnections || k.forgotten != 500 || open != 300 || closed != maxConnections+200 || len(k.closed[0]) > maxKindsOf+1 {
		t.Errorf("%d connections, %d forgotten, %d open, %d closed, %v", len(k.all), k.forgotten, open, closed, k.closed)
	}
	for id := 1; id <= 300; id += 100 {
		if k.all[id] == nil {
			t.Errorf("connection %d is open and forgotten", id)
		}
	}
}

// What is known of a connection while it lasts: its round trip, and what waits.
func TestConnectionState(t *testing.T) {
	for _, closed := range []bool{false, true} {
		connectionState(t, closed)
	}
}

func connectionState(t *testing.T, closed bool) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.jsonl")
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	log, err := record.Create(path, record.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	say := func(after time.Duration, d record.Dir, text string) {
		now = now.Add(after)
		log.Append(record.Event{C: 1, E: record.EventData, D: d, Data: []byte(text), HasData: true})
	}
	log.Append(record.Event{C: 1, E: record.EventOpen, Kind: "c2s", Client: "127.0.0.1:4", Server: "127.0.0.1:5222"})
	log.Append(record.Event{C: 1, E: record.EventSecure, Leg: "client", Version: "TLS 1.3", Cipher: "A"})
	log.Append(record.Event{C: 1, E: record.EventSecure, Leg: "server", Version: "TLS 1.2", Cipher: "B"})
	for _, d := range []record.Dir{record.CS, record.SC} {
		say(0, d, "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>")
	}
	say(0, record.CS, "<iq type='get' id='v'><query xmlns='jabber:iq:version'/></iq>")
	say(80*time.Millisecond, record.SC, "<iq type='result' id='v'><query xmlns='jabber:iq:version'/></iq>")
	say(0, record.CS, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
	say(0, record.SC, "<enabled xmlns='urn:xmpp:sm:3' resume='true' id='x'/>")
	for i, took := range []time.Duration{8, 16} {
		say(0, record.CS, fmt.Sprintf("<iq type='get' id='p%d'><ping xmlns='urn:xmpp:ping'/></iq>", i))
		say(took*time.Millisecond, record.SC, fmt.Sprintf("<iq type='result' id='p%d'/>", i))
	}
	say(0, record.SC, "<a xmlns='urn:xmpp:sm:3' h='1'/>")
	say(0, record.CS, "<iq type='get' id='never'><ping xmlns='urn:xmpp:ping'/></iq>")
	if closed {
		log.Append(record.Event{C: 1, E: record.EventClose, By: "client"})
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	x := index(t, path)
	if err := x.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, n := x.Connections("id", false, 10)
	c := list[0]
	want := track.State{Phase: track.PhaseStream, SM: "enabled", Resumable: true, Sent: [2]uint32{3, 2}, Acked: [2]uint32{1, 0}, Unacked: [2]int{2, 2}, Unanswered: [2]int{1, 0}}
	if closed {
		want.Phase = track.PhaseClosed
	}
	if c.State != want || c.TLS != [2]string{"TLS 1.3", "TLS 1.2"} || c.Cipher != [2]string{"A", "B"} || c.RTT != 9*time.Millisecond || !c.Pinged || c.Answered != 3 || c.Closed != closed || c.Kind != "c2s" {
		t.Errorf("%+v", c)
	}
	if m := map[bool]map[string]int{false: n.Open, true: n.Closed}[closed]; m["c2s"] != 1 {
		t.Errorf("%+v", n)
	}
}
