package record

import (
	"context"
	"path/filepath"
	"reflect"
	"testing"
)

// What came to the format for XMPP over HTTP is read as it was written.
func TestOverHTTP(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.jsonl")
	l, err := Create(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []Event{
		{C: 1, E: EventOpen, Kind: "c2s", Client: "c:1", Server: "ws://s/", Transport: "websocket"},
		{E: EventHTTP, Op: "GET", Text: "/.well-known/host-meta", Code: 200, Data: []byte("<XRD/>"), HasData: true, By: "proxy", Why: "ws://a became ws://b"},
		{C: 1, E: EventControl, D: CS, Op: "ping", Data: []byte("\x00\xff"), HasData: true},
		{C: 1, E: EventControl, D: SC, Op: "close", Code: 1001, Text: "going away"},
	}
	if err := l.Append(want...); err != nil {
		t.Fatal(err)
	}
	l.Close()
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, w := range want {
		ev, err := r.Next(context.Background())
		ev.T = 0
		if err != nil || !reflect.DeepEqual(ev, w) {
			t.Errorf("%v\n got %+v\nwant %+v", err, ev, w)
		}
	}
}
