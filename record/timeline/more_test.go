package timeline

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/record"
)

// What is noted on a recording that was read to its end becomes part of the index,
// in whatever form it is stored.
func TestIndexTakesNotes(t *testing.T) {
	for _, name := range []string{"r.jsonl", "r.jsonl.zst"} {
		path := filepath.Join(t.TempDir(), name)
		log, err := record.Create(path, record.Options{Carry: NewCarrier})
		if err != nil {
			t.Fatal(err)
		}
		log.Append(conversation()...)
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		open := func() *record.Reader {
			r, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		x, err := NewIndex(open())
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		if err := x.More(t.Context(), open()); err == nil {
			t.Error("more of what was not read")
		}
		if err := x.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, text := range []string{"one", "two"} {
			n := x.Status().Len
			if err := record.Annotate(path, record.Note(text, x.Moment(n).End, 3, 0, "", 0)); err != nil {
				t.Fatal(err)
			}
			if err := x.More(t.Context(), open()); err != nil {
				t.Fatal(err)
			}
			s := x.Status()
			es, err := x.Entries(n+1, 5)
			if err != nil || len(es) != 1 || s.Known != n+1 || es[0].Event.Text != text || len(s.Trouble) > 0 {
				t.Fatalf("%s: %+v, %d entries, %v", name, s, len(es), err)
			}
			es, err = x.Entries(3, 1)
			if err != nil || len(es[0].Later) < i+1 || es[0].Later[len(es[0].Later)-1] != (track.Relation{Kind: track.NoteOn, N: n + 1}) {
				t.Errorf("%s: %v, %v", name, es[0].Later, err)
			}
		}
		if d := x.Density(); len(d.Notes) != 2 {
			t.Errorf("%v", d.Notes)
		}
		if x.EntryAt(time.Hour) != x.Status().Len {
			t.Error("the notes are not at the end")
		}
	}
}
