package web

import (
	"encoding/json"
	"testing"
)

func TestDrawn(t *testing.T) {
	var none drawn
	tree := el("p.finding.error", attrs{"title": "x"}, "", nil, none, group{"a <b>", group{el("br"), group{}}}, el("svg", el("path", attrs{"d": "M0 0"})))
	got, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	want := `["p.finding.error",{"title":"x"},"a \u003cb\u003e",["br"],["svg",["path",{"d":"M0 0"}]]]`
	if string(got) != want {
		t.Errorf("drawn\n%s, want\n%s", got, want)
	}
}
