package timeline

import (
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/record"
)

// What a person says about an entry points to it, and the entry back.
func TestNote(t *testing.T) {
	evs := append(conversation(), record.Note("look", 0, 4, 1, record.CS, 0), record.Note("that is all", 0, 0, 0, "", 0), record.Note("not yet there", 0, 1000, 1, record.CS, 0))
	path := write(t, evs...)
	entries := read(t, path)
	last := len(entries) - 3
	on := entries[last]
	for i, e := range entries {
		if e.Stanza.Summary == "note on 4: look" {
			last, on = i, e
		}
	}
	if r := on.Facts.Related; len(r) != 1 || r[0] != (track.Relation{Kind: track.NoteOn, N: 4}) {
		t.Errorf("%q is related to %v", on.Stanza.Summary, r)
	}
	for _, e := range entries[last+1:] {
		if e.Kind == record.EventNote && e.Facts.Related != nil {
			t.Errorf("%q is related to %v", e.Stanza.Summary, e.Facts.Related)
		}
	}
	x := filled(t, path)
	got, err := x.Entries(4, 1)
	if err != nil || len(got) != 1 || len(got[0].Later) == 0 || got[0].Later[len(got[0].Later)-1] != (track.Relation{Kind: track.NoteOn, N: on.N}) {
		t.Errorf("%v: entry 4 is pointed to by the note in %+v", err, got)
	}
}

// A note that is made while an element is on its way does not end it.
func TestNoteWithin(t *testing.T) {
	header := "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
	path := write(t, record.Event{C: 1, E: record.EventOpen}, data(record.CS, header+"<presence/><mess"), record.Note("look", 0, 3, 1, record.CS, int64(len(header))), data(record.CS, "age/>"))
	var kinds []string
	for _, e := range read(t, path) {
		kinds = append(kinds, e.Kind)
	}
	if got := strings.Join(kinds, " "); got != "open stream presence note message" && got != "open header presence note message" {
		t.Error(got)
	}
}

// Names of events come from anywhere, for example out of certificates: they do
// not drive the terminal.
func TestWordsAreClean(t *testing.T) {
	hostile := "a\x1b[2Jb\u202ec\x07"
	for _, ev := range []record.Event{
		{C: 1, E: record.EventOpen, Client: hostile},
		{C: 1, E: record.EventSecure, Leg: "server", Peer: hostile},
		{C: 1, E: record.EventNote, Text: hostile},
		{C: 1, E: record.EventHTTP, Op: "GET", Text: hostile},
		{C: 1, E: record.EventControl, D: record.CS, Op: "close", Text: hostile},
		{C: 1, E: record.EventClose, By: "client", Error: hostile},
	} {
		path := write(t, record.Event{C: 2, E: record.EventOpen}, ev)
		for _, e := range append(read(t, path), must(filled(t, path).Entries(1, 10))...) {
			if strings.ContainsAny(e.Stanza.Summary, "\x1b\u202e\x07") {
				t.Errorf("%s: %q", ev.E, e.Stanza.Summary)
			}
		}
	}
}

func must(e []*Entry, err error) []*Entry {
	if err != nil {
		panic(err)
	}
	return e
}

// filled is an index that has read all of a recording.
func filled(t *testing.T, path string) *Index {
	t.Helper()
	x := index(t, path)
	if err := x.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return x
}
