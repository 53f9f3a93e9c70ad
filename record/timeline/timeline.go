// Package timeline folds the events of a recording into entries: frames with
// their time, connection, direction and meaning, and what happened to the
// connections. It works the same while a recording is written and afterwards.
//
//	var fold timeline.Folder
//	for {
//		ev, err := r.Next(ctx)
//		…
//		fold.Add(ev, r.Pos(), func(e *timeline.Entry) { fmt.Println(e.Stanza.Summary) })
//	}
//
// A Folder keeps of each open connection the bytes of frames that are not
// complete, of those that are held, and what package track keeps; nothing of what
// it has handed out. A recording of any size streams through it.
//
// To come back to entries there is an Index. It has the whole list soon, at the
// speed of framing, and what entries mean together some time later:
//
//	x, err := timeline.NewIndex(r)
//	go x.Run(ctx)
//	…
//	entries, err := x.Entries(1_000_000, 50)
package timeline

import (
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/filter"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/record"
)

// An Entry is a frame as it is shown, or something that happened to a
// connection. It and what it refers to are valid during the call that hands it
// out; Clone makes one to keep.
type Entry struct {
	N    int           // from 1, in the order of the recording
	T    time.Duration // since the recording's start, of the event that completed the entry
	Conn int           // 0 = the recording as a whole
	Dir  record.Dir    // "" for entries that are not from a stream; see Way

	// Kind is that of the stanza (see stanza.Stanza), or open, secure,
	// note, http, control, close.
	Kind string

	// Offset of the frame in what the direction received. Over BOSH entries
	// are in the order of their requests, and the offsets are not in order
	// where one overtook another.
	Offset int64
	Frame  decode.Frame
	Stanza stanza.Stanza

	// Sent is what went to the other leg instead of the frame, when Edited.
	// Injected frames were received from nobody.
	Edited, Injected bool
	Sent             []byte
	Verdict          string // passed, edited, dropped: of a frame that was held
	By, Why          string // who changed or injected it, and for what reason

	Facts track.Facts // what it means together with others

	// Later are the entries that point to this one, as far as they are
	// known: only an Index knows what comes behind.
	Later []track.Relation

	Event record.Event // of an entry that is not from a stream

	// Track is what is known of the connection; nil where there is none, and
	// in what an Index hands out.
	Track *track.Conn

	// Where the entry is in the recording: the event at pos, behind skip of
	// its bytes; of what was injected, the frame number skip.
	pos, skip int64
	pieces    []int64 // the events that the frame was received in, where they stand far apart
	header    []byte  // of the stream that it is in
}

// Clone returns a copy that stays valid.
func (e *Entry) Clone() *Entry {
	c := *e
	c.Frame = cloneFrame(e.Frame)
	c.Sent = append([]byte(nil), e.Sent...)
	c.Event.Data = append([]byte(nil), e.Event.Data...)
	return &c
}

func cloneFrame(f decode.Frame) decode.Frame {
	b := make([]byte, 0, len(f.Raw)+len(f.Prefix)+len(f.Name)+len(f.NS))
	take := func(s []byte) []byte {
		at := len(b)
		b = append(b, s...)
		return b[at:len(b):len(b)]
	}
	f.Raw, f.Prefix, f.Name, f.NS = take(f.Raw), take(f.Prefix), take(f.Name), take(f.NS)
	return f
}

// Way returns the direction of an entry: Dir, or that in which a control frame of
// WebSocket went, which is beside the stream. "" where there is none.
func (e *Entry) Way() record.Dir {
	if e.Kind == record.EventControl {
		return e.Event.D
	}
	return e.Dir
}

// Matches reports whether a filter chooses the entry.
func (e *Entry) Matches(f *filter.Filter) bool { return e.Shows(f, true) }

// Shows is Matches for somebody who sees the secrets, or may not: then a filter
// tells nothing of them, either.
func (e *Entry) Shows(f *filter.Filter, secrets bool) bool {
	return f.Match(&filter.Subject{N: e.N, Conn: e.Conn, T: e.T, Dir: string(e.Way()), Frame: e.Frame, Stanza: &e.Stanza, Facts: &e.Facts, Outcome: e.Outcome(), Masked: !secrets})
}

// Quiet reports whether the entry matters only to those who look for it.
func (e *Entry) Quiet() bool {
	switch e.Kind {
	case "whitespace", "declaration":
		return true
	case "body":
		return e.Facts.Findings == nil
	case record.EventHTTP:
		return e.Why == ""
	case record.EventControl:
		return e.Event.Level == "" && e.Event.Op != "close"
	}
	return false
}
