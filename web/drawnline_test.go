package web

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/record/diff"
)

// A row of the comparison has both sides and what is between them; a side may be
// empty, and has the classes of a row of the list.
func TestDrawsLines(t *testing.T) {
	a, b := twoServers(t)
	rep, err := diff.Compare(t.Context(), a, b, diff.Options{Rows: true})
	if err != nil {
		t.Fatal(err)
	}
	x := indexOf(t, a)
	rep.Rows = []diff.Row{{A: 3, Sign: '-'}, {A: 3, B: 3, Sign: '='}, {A: 3, B: 1 << 20, Sign: '~'}}
	d := &SideBySide{Report: rep, A: x, B: x}
	lines, err := d.lines(1, 2, true)
	if err != nil || len(lines) != 2 {
		t.Fatalf("%v %v", lines, err)
	}
	only, _ := json.Marshal(lines[0])
	for _, want := range []string{`"look":"minus"`, `["span.side.`, `["span.n","3"]`, `["span.sign",{"role":"gridcell","title":"only in A"},"−"],["span.side",{"role":"gridcell"}]]`} {
		if !strings.Contains(string(only), want) {
			t.Errorf("no %s in %s", want, only)
		}
	}
	if same, _ := json.Marshal(lines[1]); strings.Count(string(same), `["span.n","3"]`) != 2 {
		t.Errorf("%s", same)
	}
	if _, err := d.lines(3, 1, true); err == nil {
		t.Error("an entry that is not there is drawn")
	}
}
