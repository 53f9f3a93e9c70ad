package web

import (
	"encoding/json"
	"testing"

	"github.com/xmpplens/xmpplens/record/timeline"
)

// The page that has a version gets nothing again.
func TestOverviewVersion(t *testing.T) {
	x, err := timeline.NewIndex(played(t))
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if err := x.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := &page{server: &Server{Source: x}, source: x, chosen: newChoice()}
	ask := func(v map[string]any) overviewed {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return p.overview(request{whole: b}).(overviewed)
	}
	first := ask(nil)
	sum := 0
	for _, b := range first.Traffic.Bins {
		sum += int(b.CS + b.SC)
	}
	if first.Same || len(first.Conns) != 1 || sum != 121 || len(first.Codes) == 0 {
		t.Errorf("%+v", first)
	}
	if got := ask(map[string]any{"version": first.Version}); !got.Same || got.Conns != nil {
		t.Errorf("%+v", got)
	}
	if got := ask(map[string]any{"version": first.Version, "from": 1, "to": 2}); got.Same || len(got.Traffic.Bins) != 200 {
		t.Errorf("%+v", got)
	}
}
