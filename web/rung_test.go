package web

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

func TestRung(t *testing.T) {
	ends := lane{1, "c2s", "romeo@montague.example/orchard", "montague.example"}
	said := func(dir record.Dir, summary string) *timeline.Entry {
		return &timeline.Entry{N: 2, T: time.Second, Conn: 1, Dir: dir, Kind: "message", Stanza: stanza.Stanza{Kind: "message", Summary: summary}}
	}
	with := func(e *timeline.Entry, change func(*timeline.Entry)) *timeline.Entry {
		change(e)
		return e
	}
	late := &timeline.Entry{T: -3 * time.Hour}
	for _, c := range []struct {
		e, before *timeline.Entry
		s         step
		want      rung // its lists as JSON
		lists     string
	}{
		{said("CS", "chat <b>"), said("CS", ""), step{Phase: "online"},
			rung{Class: "CS", Label: "romeo@montague.example/orchard to montague.example: chat <b>", Ends: "1 CS"}, `[] [["i.arrow"]] [["bdi","chat <b>"]]`},
		{with(said("SC", "iq result"), func(e *timeline.Entry) { e.Facts.HasLatency, e.Facts.Latency = true, 2600*time.Microsecond }), nil, step{"bind", true},
			rung{Class: "SC", Label: "montague.example to romeo@montague.example/orchard: iq result, after 2.6 ms", Ends: "1 SC"}, `[["span.phase","bind"]] [["i.band"],["i.arrow"]] [["bdi","iq result"],["span.latency","2.6 ms"]]`},
		{with(said("CS", "x"), func(e *timeline.Entry) { e.Verdict = "dropped" }), late, step{"tcp", true},
			rung{Class: "CS paused", Label: "romeo@montague.example/orchard to montague.example: x, dropped, 3 h 0 min after the one before", Ends: "1 CS"},
			`[["span.gap","· 3 h 0 min ·"]," ",["span.phase","connect"]] [["i.band"],["i.arrow.changed.dropped"]] [["span.tag","✕ dropped"],["bdi","x"]]`},
		{with(said("CS", "x"), func(e *timeline.Entry) { e.Injected = true }), nil, step{}, rung{Class: "CS", Label: "romeo@montague.example/orchard to montague.example: x, injected", Ends: "1 CS"},
			`[] [["i.arrow.changed.injected"]] [["span.tag","injected"],["bdi","x"]]`},
		{with(said("CS", "x"), func(e *timeline.Entry) { e.Verdict = "a.b<i>" }), nil, step{Phase: "closed"}, rung{Class: "CS", Label: "romeo@montague.example/orchard to montague.example: x, a.b<i>", Ends: "1 CS"},
			`[] [["i.band.closing"],["i.arrow.changed"]] [["span.tag","a.b<i>"],["bdi","x"]]`},
		{with(said("CS", "x"), func(e *timeline.Entry) {
			e.Facts.Findings = []track.Finding{{Severity: track.Warning, Code: "one"}, {Severity: track.Note, Code: "two"}}
		}), nil, step{}, rung{Class: "CS warning", Label: "romeo@montague.example/orchard to montague.example: x, warning one two", Ends: "1 CS"}, `[] [["i.arrow"]] [["bdi","x"],["span.code","▲ one two"]]`},
		{&timeline.Entry{Kind: "close", Conn: 1, Stanza: stanza.Stanza{Summary: "closed"}, Event: record.Event{E: "close", Error: "reset", Level: "error"}}, nil, step{Phase: "closed", Begins: true},
			rung{Class: "about error", Label: "close closed, error", Ends: "1 "}, `[["span.phase","closed"]] [["i.band.closing"],["i.arrow"]] [["span.sign","○"],["bdi","closed"],["span.code","✖"]]`},
		{&timeline.Entry{Kind: "note", Stanza: stanza.Stanza{Summary: "שלום"}, Event: record.Event{E: "note", Level: "\"> evil"}}, nil, step{}, rung{Class: "about note", Label: "note שלום"}, `[] [] [["span.sign","◆"],["bdi","שלום"]]`},
	} {
		got := rungOf(c.e, c.before, c.s, ends)
		var lists []string
		for _, l := range []group{got.Over, got.Picture, got.Text} {
			b, err := json.Marshal(l)
			if err != nil {
				t.Fatal(err)
			}
			lists = append(lists, strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(string(b)))
		}
		if l := strings.Join(lists, " "); l != c.lists {
			t.Errorf("%s is\n%s, want\n%s", c.want.Label, l, c.lists)
		}
		got.Over, got.Picture, got.Text = nil, nil, nil
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", c.want) {
			t.Errorf("is  %+v, want\n%+v", got, c.want)
		}
	}
	for s, want := range map[float64]string{1: "1.0 s", 59.94: "59.9 s", 60: "1 min 0 s", 3599.9: "59 min 59 s", 7380: "2 h 3 min"} {
		if got := pause(s); got != want {
			t.Errorf("%v s are %s", s, got)
		}
	}
	for ms, want := range map[float64]string{0.04: "0.04 ms", 9.94: "9.9 ms", 10: "10 ms", 9999: "9999 ms", 12345: "12.3 s"} {
		if got := took(ms); got != want {
			t.Errorf("%v ms are %s", ms, got)
		}
	}
}

// What is drawn has the brackets of what is told, and the lanes of all that is on
// the screen.
func TestRungs(t *testing.T) {
	p := demoPage(t)
	for from := 1; from < 288; from += 20 {
		told := p.ladder(request{whole: fmt.Appendf(nil, `{"from":%d,"count":20}`, from)}).(ladder)
		drawn := p.ladder(request{whole: fmt.Appendf(nil, `{"from":%d,"count":20,"draw":{"screen":30,"keep":["1","x"]}}`, from)}).(rungs)
		if n := min(20, 288-from+1); len(drawn.Rows) != n || drawn.From != from || drawn.Settled {
			t.Errorf("%d: %d rows from %d on, settled %v", from, len(drawn.Rows), drawn.From, drawn.Settled)
		}
		want, got := 0, 0
		for _, q := range told.Pairs {
			want += min(q.To, from+19, 288) - max(q.From, from) + 1
		}
		for _, r := range drawn.Rows {
			b, err := json.Marshal(r.Picture)
			if err != nil {
				t.Fatal(err)
			}
			got += strings.Count(string(b), `"i.pair.`)
			if conn := strings.Fields(r.Ends + " 0 0")[0]; conn != "0" && !strings.Contains(fmt.Sprint(drawn.Ends), conn+":[") {
				t.Errorf("%d: the lanes are %v, those of %s are not there", from, drawn.Ends, r.Ends)
			}
		}
		if got != want {
			t.Errorf("%d: %d parts of brackets, want %d of %d", from, got, want, len(told.Pairs))
		}
		if _, kept := drawn.Ends[1]; !kept || drawn.Proxy != len(drawn.Ends) {
			t.Errorf("%d: lanes %v around %d", from, drawn.Ends, drawn.Proxy)
		}
	}
	for _, hostile := range []string{`{"from":-5,"count":-5,"draw":{"screen":-9}}`, `{"from":99999999,"count":99999999,"draw":{"screen":99999999,"keep":["99999999"],"hide":[""]}}`, `{"draw":{}}`} {
		if r := p.ladder(request{whole: []byte(hostile)}).(rungs); len(r.Rows) != 0 || r.Settled || len(r.Heads) != 2 {
			t.Errorf("%s: %+v", hostile, r)
		}
	}
}

func TestBrackets(t *testing.T) {
	o := arrange([]lane{{1, "c2s", "a", "s"}, {2, "c2s", "b", "s"}}, nil)
	s := stretch{ladder: ladder{From: 10}, ended: []pair{{1, 9, 1, "CS"}}}
	for i := range 6 {
		s.Pairs = append(s.Pairs, pair{5 + i, 20, 1, "CS"})
	}
	// Those of the server stand together, those of the clients do not.
	s.Pairs = append(s.Pairs, pair{6, 12, 1, "SC"}, pair{7, 13, 2, "SC"}, pair{8, 14, 2, "CS"}, pair{13, 30, 1, "SC"}, pair{5, 6, 3, "CS"})
	var got []string
	for _, b := range s.placed(o) {
		got = append(got, fmt.Sprintf("%d-%d:%d", b.From, b.To, b.track))
	}
	if want := "5-20:1 6-20:2 6-12:0 7-20:3 7-13:1 8-20:4 8-14:0 10-20:0 13-30:0"; strings.Join(got, " ") != want {
		t.Errorf("tracks %v, want %s", got, want)
	}
}
