package web

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/record/timeline"
)

func TestDrawnRow(t *testing.T) {
	for _, c := range []struct {
		row        timeline.Row
		look, kind string // and the class of the connection
		cells      string
		tip, rest  string // tags and findings
	}{
		{timeline.Row{N: 1234, T: 1.5, Conn: 9, Dir: "CS", Sign: "→", Kind: "iq", Class: "iq", Size: 12_345, Latency: 12.4, XEPs: []string{"XEP-0199", "XEP-0030"}, Codes: []string{"a", "b"}, Level: "error", Noted: true, Outcome: "dropped"},
			"CS error", "iq hue1", "1234||#9|→|iq||0199 0030||12 ms|12.3\u00a0kB", "client to server", `[["span.noted",{"title":"has a note"},"◆"],["span.tag","dropped"]] [["span.code",{"title":"a b"},"✖ a b"]]`},
		{timeline.Row{N: 1, Sign: "▣", Kind: "secure", Class: "connection"}, "about secure", "connection ", "1|||▣|secure|||||", "secure", "[] []"},
		{timeline.Row{N: 2, Conn: 1, Dir: "SC", Sign: "←", Kind: "nonza", Class: "ack", Quiet: true, Size: 9, Codes: []string{"<i>"}}, "SC quiet", "ack hue0", "2||#1|←|nonza|||||9\u00a0B", "server to client", `[] [["span.code",{"title":"<i>"},"• <i>"]]`},
	} {
		got := rowOf(c.row)
		tags, err := json.Marshal(got.Tags)
		if err != nil {
			t.Fatal(err)
		}
		code, err := json.Marshal(got.Code)
		if err != nil {
			t.Fatal(err)
		}
		rest := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(string(tags) + " " + string(code))
		if got.Look != c.look || got.Kind+" "+got.Conn != c.kind || strings.Join(got.Cells, "|") != c.cells || got.Tip != c.tip || rest != c.rest {
			t.Errorf("%+v, %s, want %+v", got, rest, c)
		}
	}
}

// The cells of the rows, the titles and the menu are of the same columns.
func TestColumnsDrawn(t *testing.T) {
	if n := len(titles()); n != len(columns) || n != len(rowOf(timeline.Row{}).Cells) || n != 10 {
		t.Errorf("%d titles", n)
	}
	b, err := json.Marshal(columnMenu())
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(b), `"type":"checkbox"`); n != len(columns)-1 || strings.Count(string(b), `"type":"range"`) != n || strings.Count(string(b), `"type":"radio"`) != 6 {
		t.Errorf("%s", b)
	}
}

func TestSince(t *testing.T) {
	for _, c := range []struct {
		t    time.Duration
		want string
	}{
		{0, "+0.000"}, {-time.Second, "+0.000"}, {500 * time.Millisecond, "+0.500"}, {1234999 * time.Microsecond, "+1.234"}, {62 * time.Second, "+1:02.000"},
		{10 * time.Minute, "+10:00.000"}, {26*time.Hour + 3*time.Second, "+1 d 2:00:03.000"}, {24 * time.Hour, "+1 d 0.000"},
	} {
		if got := since(c.t); got != c.want {
			t.Errorf("%v: %s, want %s", c.t, got, c.want)
		}
	}
}

// A row knows how long after the one before it is, wherever a request begins.
func TestDrawnRowsFollow(t *testing.T) {
	r := demoReader(t)
	x := indexOf(t, r)
	s := &Server{Source: x}
	p := &page{server: s, source: x, chosen: s.choice()}
	p.chosen.set("message")
	for f := p.chosen.look(x, x.Status()); f.more; f = p.chosen.look(x, x.Status()) {
	}
	all := p.rows(asked(t, map[string]any{"draw": true, "from": 1, "count": 20})).(drawnRows)
	plain := p.rows(asked(t, map[string]any{"from": 1, "count": 20})).(rows)
	if len(all.Rows) != 20 || len(plain.Rows) != 20 || all.Rows[0].Before != "" || all.Filter != plain.Filter || all.Known != plain.Known {
		t.Fatalf("%+v", all)
	}
	entries, _, err := p.chosen.entries(x, 1, 20)
	if err != nil {
		t.Fatal(err)
	}
	for i := range all.Rows {
		if i > 0 && all.Rows[i].Before != since(entries[i].T-entries[i-1].T) || all.Rows[i].Start != since(entries[i].T) {
			t.Errorf("%+v", all.Rows[i])
		}
		one := p.rows(asked(t, map[string]any{"draw": true, "from": i + 1, "count": 1})).(drawnRows)
		if !reflect.DeepEqual(one.Rows, all.Rows[i:i+1]) || one.From != i+1 || one.Rows[0].N != plain.Rows[i].N || i > 0 && one.Rows[0].Before == "" {
			t.Errorf("%+v, want %+v", one.Rows, all.Rows[i])
		}
	}
}
