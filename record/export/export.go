// Package export writes a recording in the forms that other programs and other
// people read: the stream files of each connection, entries as JSON Lines, one
// HTML page that needs nothing else, and a capture for Wireshark. Back reads two
// of them back.
//
//	f, err := export.NewCapture(file, export.Options{Header: r.Header(), Choice: choice})
//	err = export.Run(ctx, r, f, choice, export.Hooks{})
//
// A recording is read once, from the first event to the last, and never held:
// what is kept of a connection is what timeline.Folder keeps, the entries that
// open it (Choice), and a frame that is under way. The page alone has its
// entries in the browser's memory in the end.
package export

import (
	"bufio"
	"context"
	"errors"
	"io"

	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// Options are how an export is written.
type Options struct {
	Header  record.Header // of the recording
	Tool    string        // who writes
	Title   string        // of the page
	Secrets bool          // show them; they are masked otherwise
	Sent    bool          // what was sent on, not what was received
	Choice  Choice

	// Notes are what people said about entries, by number. They stand behind
	// them in a recording, where a capture cannot look: see ReadNotes.
	Notes map[int][]string
}

// maxNotes bounds the notes that ReadNotes returns.
const maxNotes = 10_000

// ReadNotes reads a recording for the notes that people made on entries.
func ReadNotes(ctx context.Context, r *record.Reader) (map[int][]string, error) {
	notes := make(map[int][]string)
	for n := 0; n < maxNotes; {
		ev, err := r.Next(ctx)
		var line *record.LineError
		var damage *record.DamageError
		switch {
		case errors.Is(err, io.EOF):
			return notes, nil
		case errors.As(err, &line), errors.As(err, &damage):
		case err != nil:
			return notes, nil // Run meets it, too, and says it
		case ev.E == record.EventNote && ev.By == record.ByUser && ev.N > 0:
			notes[int(ev.N)] = append(notes[int(ev.N)], ev.Text)
			n++
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return notes, nil
}

// A Form is one way to write a recording.
type Form interface {
	// Event takes every event of the recording, before the entries that it
	// completes.
	Event(ev record.Event) error
	// Entry takes what is chosen. extra is context: what a chosen entry
	// cannot be understood without.
	Entry(e *timeline.Entry, extra bool) error
	// Finish writes the end.
	Finish() error
}

// Hooks are told how it goes. nil ones are left out.
type Hooks struct {
	Trouble  func(error)                  // damage of the recording, which is stepped over
	Progress func(pos int64, entries int) // now and then: bytes read, entries seen
}

// Run writes what is chosen of a recording.
func Run(ctx context.Context, r *record.Reader, f Form, c Choice, h Hooks) error {
	var fold timeline.Folder
	var failed error
	entries := 0
	p := picker{Choice: c}
	emit := func(e *timeline.Entry, extra bool) {
		if failed == nil {
			failed = f.Entry(e, extra)
		}
	}
	err := fold.Read(ctx, r, timeline.Sink{
		Entry: func(e *timeline.Entry) {
			entries++
			p.add(e, emit)
		},
		Event: func(ev record.Event) error {
			if failed == nil {
				failed = f.Event(ev)
			}
			return failed
		},
		Before: func() error {
			if h.Progress != nil {
				h.Progress(r.Pos(), entries)
			}
			return failed
		},
		Trouble: h.Trouble,
	})
	switch {
	case failed != nil:
		return failed
	case err != nil:
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return f.Finish()
}

// JSONL is entries as JSON Lines, the objects that show --format=json prints.
type JSONL struct {
	out  *bufio.Writer
	opt  timeline.JSONOptions
	line []byte
}

// NewJSONL writes to w.
func NewJSONL(w io.Writer, o Options) *JSONL {
	return &JSONL{out: bufio.NewWriterSize(w, 64<<10), opt: timeline.JSONOptions{Start: o.Header.Time, Secrets: o.Secrets}}
}

func (j *JSONL) Event(record.Event) error { return nil }

func (j *JSONL) Entry(e *timeline.Entry, extra bool) error {
	if extra {
		return nil
	}
	j.line = append(e.JSON(j.line[:0], j.opt), '\n')
	_, err := j.out.Write(j.line)
	return err
}

func (j *JSONL) Finish() error { return j.out.Flush() }
