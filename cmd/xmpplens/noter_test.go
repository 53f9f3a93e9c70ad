package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
	"github.com/xmpplens/xmpplens/web"
)

// The viewer's notes go into the recording that is shown, finished or not.
func TestNoter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.jsonl")
	log, err := record.Create(path, record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	log.Append(record.Event{C: 1, E: record.EventOpen, Kind: "c2s"},
		record.Event{C: 1, E: record.EventData, D: record.CS, HasData: true, Data: []byte("<message><body>x</body></message>")},
		record.Event{C: 1, E: record.EventClose})
	index := func(r *record.Reader, wait bool) *timeline.Index {
		x, err := timeline.NewIndex(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { x.Close() })
		ended := make(chan error, 1)
		go func() { ended <- x.Run(t.Context()) }()
		if wait {
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
		}
		return x
	}
	live := index(log.Reader(), false)
	live.Wait(t.Context(), func(s timeline.Status) bool { return s.Known == 3 })
	var n web.Noter = &noter{index: live, log: log}
	if err := n.Note(2, "live"); err != nil {
		t.Fatal(err)
	}
	if s := live.Wait(t.Context(), func(s timeline.Status) bool { return s.Known == 4 }); s.Known != 4 {
		t.Fatalf("%+v", s)
	}
	if err := n.Note(2, "expect nonsense("); err == nil || hintOf(err) == "" {
		t.Errorf("an expectation that cannot be read: %v", err)
	}
	r, err := timeline.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	other := index(r, true)
	n = &noter{index: other, path: path}
	if err := n.Note(2, "too early"); err == nil || !strings.Contains(err.Error(), "being written") {
		t.Errorf("while it is written: %v", err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if err := n.Note(2, "later"); err != nil {
		t.Fatal(err)
	}
	if err := n.Note(0, "the end"); err != nil {
		t.Fatal(err)
	}
	es, err := other.Entries(1, 10)
	if err != nil || len(es) != 6 {
		t.Fatalf("%d entries, %v", len(es), err)
	}
	if es[4].Stanza.Summary != "note on 2: later" || es[5].Stanza.Summary != "the end" || len(es[1].Later) != 2 || es[4].T < es[2].T {
		t.Errorf("%s; %s; %v; %v", es[4].Stanza.Summary, es[5].Stanza.Summary, es[1].Later, es[4].T)
	}
}
