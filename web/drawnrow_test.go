package web

import (
	"encoding/json"
	"strings"
	"testing"

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
