package web

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/record/timeline"
)

func TestDrawTrack(t *testing.T) {
	d := timeline.Density{End: 100 * time.Second, Width: time.Second, Bins: make([]timeline.Bin, 100)}
	d.Bins[0] = timeline.Bin{CS: 3, SC: 1}
	d.Bins[50] = timeline.Bin{SC: 1, Errors: 2, Warnings: 1}
	d.Bins[99] = timeline.Bin{CS: 1, Warnings: 1}
	d.Notes = []timeline.Mark{{N: 5, T: 50500 * time.Millisecond}}
	picture, columns := drawTrack(d, 300)
	if len(columns) != 100 || columns[0] != (column{4}) || columns[50] != (column{1, 2, 1, 1}) || columns[99] != (column{1, 0, 1, 0}) {
		t.Errorf("%v", columns)
	}
	b, err := json.Marshal(picture)
	if err != nil {
		t.Fatal(err)
	}
	got := string(b)
	for _, want := range []string{
		`["path.cs",{"d":"M0 0M0.0 15.0h2.0v19.0h-2.0zM297.0 `, `["path.notes",{"d":"M0 0M151.0 17l-4 -5l4 -5l4 5z"}]`,
		`["path.gap",{"d":"M0 0M3.0 15.0h147.0v38.0h-147.0zM153.0 15.0h144.0v38.0h-144.0z"}]`, // what stands between the three
		`["path.errors",{"d":"M0 0M149.5 55.0h3.0`, `["path.warnings",{"d":"M0 0M296.5 55.0`, `"+30 s"`, `"+1:00"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in\n%s", want, got)
		}
	}
	// What is empty, or has no width, is drawn, too.
	if _, columns := drawTrack(timeline.Density{}, 0); len(columns) != 1 {
		t.Errorf("%v", columns)
	}
	if picture, _ := drawTrack(timeline.Density{End: 4000 * 24 * time.Hour, Width: 24 * time.Hour}, 1e9); len(picture) < 20 {
		t.Errorf("%d parts", len(picture))
	}
}

// What is written in the player's field is read as it was meant there, in the time
// zone of who wrote it.
func TestReadPlace(t *testing.T) {
	start := time.Date(2026, 11, 25, 23, 30, 0, 0, time.UTC)
	const length = 2 * time.Hour
	for _, c := range []struct {
		text string
		zone int
		n    int
		t    float64
		ok   bool
	}{
		{"#120", 0, 120, 0, true}, {"# 7", 0, 7, 0, true}, {" +90 ", 0, 0, 90, true}, {"+1:30", 0, 0, 90, true}, {"90s", 0, 0, 90, true}, {"1:30", 0, 0, 90, true},
		{"23:30:01.5", 0, 0, 1.5, true}, {"00:00:10", 0, 0, 1810, true}, // past midnight
		{"23:00:00", 0, 0, 0, true}, {"+99999", 0, 0, 7200, true},
		{"00:30:01", -60, 0, 1, true}, {"18:30:01", 300, 0, 1, true}, // Paris, New York
		{"sometime", 0, 0, 0, false}, {"#", 0, 0, 0, false}, {"-5", 0, 0, 0, false}, {"1:2:3:4", 0, 0, 0, false},
	} {
		q := seek{Place: c.text, Zone: c.zone}
		if ok := q.read(start, length); ok != c.ok || q.N != c.n || q.T != c.t {
			t.Errorf("%q is %v %+v", c.text, ok, q)
		}
	}
}
