package timeline

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/decode/filter"
	"github.com/xmpplens/xmpplens/record"
)

// Control frames of WebSocket have a direction, though they are not of the stream:
// live, and looked up in an index.
func TestControlWay(t *testing.T) {
	path := write(t, record.Event{C: 1, E: record.EventOpen, Transport: record.TransportWebSocket},
		record.Event{C: 1, E: record.EventControl, D: record.CS, Op: "ping"},
		record.Event{C: 1, E: record.EventControl, D: record.SC, Op: "close", Code: 1000})
	sent, err := filter.Compile(`dir == "CS"`)
	if err != nil {
		t.Fatal(err)
	}
	check := func(list []*Entry) {
		t.Helper()
		var ways []string
		for _, e := range list {
			ways = append(ways, string(e.Way()))
			var v struct{ Dir, Kind string }
			if err := json.Unmarshal(e.JSON(nil, JSONOptions{}), &v); err != nil || v.Dir != string(e.Way()) || e.Dir != "" {
				t.Errorf("%v: %+v", err, v)
			}
			if e.Matches(sent) != (e.Way() == record.CS) {
				t.Errorf("%s: chosen %v", e.Stanza.Summary, e.Matches(sent))
			}
		}
		if s := strings.Join(ways, ","); s != ",CS,SC" {
			t.Errorf("ways %s", s)
		}
	}
	check(read(t, path))
	r, err := record.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	x, err := NewIndex(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, err := x.Entries(1, 3)
	if err != nil {
		t.Fatal(err)
	}
	check(list)
}
