package timeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/record"
)

func events(t *testing.T, path string) []record.Event {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := record.Read(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	var out []record.Event
	for {
		ev, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		ev.Data = bytes.Clone(ev.Data)
		out = append(out, ev)
	}
}

// tell is what has to be the same of an entry, wherever the reading began.
func tell(e *Entry) string {
	if e.Dir == "" {
		return fmt.Sprintf("%v %d %s", e.T, e.Conn, e.Stanza.Summary)
	}
	return fmt.Sprintf("%v %d %s %s at %d: %q {%s}%s edited %v %q verdict %q injected %v: %s", e.T, e.Conn, e.Dir, e.Kind, e.Offset, e.Frame.Raw, e.Frame.NS, e.Frame.Name,
		e.Edited, e.Sent, e.Verdict, e.Injected, e.Stanza.Summary)
}

// split folds the events from k on, behind the carry lines of those before, and
// all of them, and returns what each says of them. One event at a time: what is
// held or incomplete at k comes behind it in both.
func split(evs []record.Event, k int) (whole, carried []string) {
	var c Carrier
	var a, b Folder
	for i, ev := range evs {
		emit := func(e *Entry) {
			if i >= k {
				whole = append(whole, tell(e))
			}
		}
		a.Add(ev, 0, emit)
		if i < k {
			c.Add(ev)
		}
	}
	for _, ev := range c.Carry() {
		b.Add(ev, 0, func(e *Entry) {
			if e.Dir != "" {
				carried = append(carried, "too early: "+tell(e))
			}
		})
	}
	for _, ev := range evs[k:] {
		b.Add(ev, 0, func(e *Entry) { carried = append(carried, tell(e)) })
	}
	a.Finish(func(e *Entry) { whole = append(whole, tell(e)) })
	b.Finish(func(e *Entry) { carried = append(carried, tell(e)) })
	return whole, carried
}

func compare(t *testing.T, name string, evs []record.Event, step int) {
	t.Helper()
	for k := 0; k <= len(evs); k += step {
		whole, carried := split(evs, k)
		if slices.Equal(whole, carried) {
			continue
		}
		for i := range max(len(whole), len(carried)) {
			var a, b string
			if i < len(whole) {
				a = whole[i]
			}
			if i < len(carried) {
				b = carried[i]
			}
			if a != b {
				t.Errorf("%s, begun at event %d, entry %d of %d and %d:\nwhole   %.400s\ncarried %.400s", name, k, i, len(whole), len(carried), a, b)
				return
			}
		}
	}
}

// Reading goes on exactly behind carry lines, wherever a recording is cut.
func TestCarry(t *testing.T) {
	demo := events(t, "../../testdata/recordings/demo.jsonl")
	compare(t, "demo", demo, 1)
	compare(t, "bad", events(t, "../../testdata/recordings/bad.jsonl"), 37)
	// The same in pieces that end anywhere.
	var pieces []record.Event
	for _, ev := range demo {
		for ev.E == record.EventData && len(ev.Data) > 7 {
			head := ev
			n := 7 + len(ev.Data)%90
			n = min(n, len(ev.Data))
			head.Data, ev.Data = ev.Data[:n], ev.Data[n:]
			pieces = append(pieces, head)
		}
		if ev.E != record.EventData || len(ev.Data) > 0 {
			pieces = append(pieces, ev)
		}
	}
	compare(t, "demo in pieces", pieces, 3)
}

// Holds, edits, the framing of WebSocket and the bodies of BOSH, too.
func TestCarryOfHolds(t *testing.T) {
	const header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='1'>"
	at := int64(len(header))
	data := func(c int, s string) record.Event {
		return record.Event{C: c, E: record.EventData, D: record.SC, Data: []byte(s), HasData: true}
	}
	body := func(d record.Dir, rid int64, more bool, s string) record.Event {
		return record.Event{C: 3, E: record.EventData, D: d, RID: rid, More: more, Data: []byte(s), HasData: true}
	}
	evs := []record.Event{
		{C: 1, E: record.EventOpen, Kind: "c2s", Client: "a", Server: "b"},
		data(1, header),
		{C: 1, E: record.EventHold, D: record.SC, O: at, N: 11},
		data(1, "<a>one</a>"), data(1, "<b/><c"),
		{C: 1, E: record.EventInject, D: record.SC, O: at, Data: []byte("<new/>"), HasData: true},
		data(1, ">x</c>"),
		{C: 1, E: record.EventVerdict, D: record.SC, O: at, Verdict: "edited", Data: []byte("<a>two</a>"), HasData: true},
		{C: 1, E: record.EventEdit, D: record.SC, O: at + 25, N: 3, Data: []byte("Y"), HasData: true, By: "proxy"},
		data(1, "<d>"), data(1, "abc</d>"),
		{C: 2, E: record.EventOpen, Kind: "c2s", Client: "a", Server: "b", Transport: record.TransportWebSocket},
		data(2, "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' id='2'/>"), data(2, "<message xmlns='jabber:client'>"), data(2, "<body/></message>"),
		{C: 3, E: record.EventOpen, Kind: "c2s", Client: "a", Server: "b", Transport: record.TransportBOSH},
		body(record.CS, 10, false, "<body rid='10' xmlns='http://jabber.org/protocol/httpbind' to='x'/>"),
		body(record.SC, 10, true, "<body sid='1' xmlns='http://jabber.org/protocol/httpbind' requests='2'><presence xmlns='jabber:client'/><message xmlns='jabb"),
		body(record.CS, 11, true, "<body rid='11' sid='1' xmlns='http://jabber.org/proto"),
		body(record.SC, 10, false, "er:client'/></body>"),
		body(record.CS, 11, false, "col/httpbind'><iq xmlns='jabber:client'/></body>"),
		body(record.SC, 11, false, "<body xmlns='http://jabber.org/protocol/httpbind'/>"),
		{C: 1, E: record.EventClose, By: "client"},
	}
	for i := range evs {
		evs[i].T = time.Duration(i+1) * time.Millisecond
	}
	for k := range len(evs) + 1 {
		if k == 6 || k == 7 { // what was injected in front of what is held is in the part that is gone
			continue
		}
		whole, carried := split(evs, k)
		// What was complete of a body that goes on is handed out again.
		carried = slices.DeleteFunc(carried, func(s string) bool { return k > 17 && strings.HasPrefix(s, "too early") })
		if !slices.Equal(whole, carried) {
			t.Errorf("begun at event %d:\nwhole   %s\ncarried %s", k, strings.Join(whole, "\n        "), strings.Join(carried, "\n        "))
		}
	}
}

// A frame that is longer than what the decoder keeps is cut at the boundary; what
// comes behind it is not lost.
func TestCarryOfLongFrame(t *testing.T) {
	const header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='1'>"
	evs := []record.Event{{C: 1, E: record.EventOpen}, {C: 1, E: record.EventData, D: record.CS, Data: []byte(header), HasData: true}}
	add := func(s string) {
		evs = append(evs, record.Event{C: 1, E: record.EventData, D: record.CS, Data: []byte(s), HasData: true})
	}
	add("<message to='x'><body>")
	for range 6 {
		add(strings.Repeat("long ", 200_000))
	}
	add("</body></message>")
	add("<presence/>")
	whole, carried := split(evs, 8)
	last := func(s []string) string { return s[len(s)-1] }
	if len(carried) < 2 || last(whole) != last(carried) || !strings.Contains(last(carried), "presence") {
		t.Errorf("behind the long frame: %.300s, want %.300s", last(carried), last(whole))
	}
	for _, ev := range func() []record.Event {
		var c Carrier
		for _, ev := range evs[:8] {
			c.Add(ev)
		}
		return c.Carry()
	}() {
		if len(ev.Data) > 4<<20+1000 {
			t.Errorf("%d bytes are carried", len(ev.Data))
		}
	}
}

// A recording that lost its first files is read as what is left of the whole,
// also by an index; and an index that saw the whole says what is gone.
func TestKeptFiles(t *testing.T) {
	for _, name := range []string{"s.jsonl", "s.jsonl.zst"} {
		path := filepath.Join(t.TempDir(), name)
		l, err := record.Create(path, record.Options{RotateSize: 20 << 10, Keep: 2, Carry: NewCarrier, Warn: func(err error) { t.Error(err) }})
		if err != nil {
			t.Fatal(err)
		}
		x, err := NewIndex(l.Reader())
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- x.Run(context.Background()) }()
		for n := range 4 {
			had := x.Status().Len
			for _, ev := range events(t, "../../testdata/recordings/demo.jsonl") {
				if ev.C > 0 {
					ev.C += 10 * n
				}
				if ev.E == record.EventClose {
					continue // they stay open
				}
				l.Append(ev)
			}
			x.Wait(context.Background(), func(s Status) bool { return s.Len > had })
		}
		l.Finish()
		<-done
		l.Close()
		n := x.Status().Len
		old, err := x.Entries(1, 1)
		if err != nil || !strings.Contains(old[0].Stanza.Summary, "no longer kept") {
			t.Errorf("%s: the first entry: %v, %v", name, old, err)
		}
		last, err := x.Entries(n-99, 100)
		if err != nil || len(last) != 100 {
			t.Fatalf("%s: %d entries, %v", name, len(last), err)
		}
		x.Close()

		r, err := record.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		y, err := NewIndex(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := y.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		m := y.Status().Len
		again, err := y.Entries(m-99, 100)
		if err != nil || len(y.Status().Trouble) > 0 || m >= n {
			t.Fatalf("%s: %d entries of %d, %v, %v", name, m, n, err, y.Status().Trouble)
		}
		for i := range again {
			if a, b := tell(last[i]), tell(again[i]); a != b {
				t.Errorf("%s: entry %d:\nwhole %.300s\nleft  %.300s", name, i, a, b)
				break
			}
		}
		all, err := y.Entries(1, m)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range all {
			if e.Frame.Kind == decode.Junk {
				t.Errorf("%s: junk: %.200s", name, tell(e))
				break
			}
		}
		y.Close()
	}
}

// One file of a set is read from there on, with what is open there, although the
// files in front of it are not removed; positions hold.
func TestOpenOneOfSet(t *testing.T) {
	for _, name := range []string{"s.jsonl", "s.jsonl.zst"} {
		path := filepath.Join(t.TempDir(), name)
		l, err := record.Create(path, record.Options{RotateSize: 5 << 10})
		if err != nil {
			t.Fatal(err)
		}
		for _, ev := range events(t, "../../testdata/recordings/demo.jsonl") {
			l.Append(ev)
		}
		l.Close()
		entries := func(r *record.Reader, err error) []*Entry {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			x, err := NewIndex(r)
			if err != nil {
				t.Fatal(err)
			}
			defer x.Close()
			if err := x.Run(context.Background()); err != nil || len(x.Status().Trouble) > 0 {
				t.Fatal(err, x.Status().Trouble)
			}
			all, err := x.Entries(1, x.Status().Len)
			if err != nil {
				t.Fatal(err)
			}
			return all
		}
		whole := entries(record.Open(path))
		for n := 2; n < 8; n++ {
			member := strings.Replace(path, "s.jsonl", fmt.Sprintf("s.%04d.jsonl", n), 1)
			part := entries(Open(member))
			// In front are the connections that are open.
			for len(part) > 0 && (part[0].Kind == record.EventOpen || part[0].Kind == record.EventSecure) {
				part = part[1:]
			}
			if len(part) == 0 || len(part) >= len(whole) {
				t.Fatalf("%s: %d entries of %d", member, len(part), len(whole))
			}
			for i, e := range part {
				if a, b := tell(whole[len(whole)-len(part)+i]), tell(e); a != b {
					t.Errorf("%s: entry %d:\nwhole %.300s\npart  %.300s", member, i, a, b)
					break
				}
			}
		}
	}
}

// Whatever carry lines say, folding them and carrying on from them ends.
func FuzzCarry(f *testing.F) {
	const header = "{\"xmpplens\":1,\"time\":\"2026-11-23T10:00:00Z\"}\n"
	for _, ev := range []string{
		`{"t":0,"c":1,"e":"open"}` + "\n" + `{"t":1,"c":1,"e":"carry","d":"CS","o":9,"n":5,"s":"<a><b><c"}` + "\n" + `{"t":1,"c":1,"e":"data","d":"CS","s":"/></b>"}`,
		`{"t":0,"c":1,"e":"open","transport":"bosh"}` + "\n" + `{"t":1,"c":1,"e":"carry","d":"SC","o":3,"rid":7,"more":true,"s":"<body"}` + "\n" + `{"t":1,"c":1,"e":"data","d":"SC","rid":7,"s":"/>"}`,
		`{"t":0,"c":1,"e":"open","transport":"websocket"}` + "\n" + `{"t":1,"c":1,"e":"hold","d":"CS","o":-5,"n":99}` + "\n" + `{"t":1,"c":1,"e":"carry","d":"CS","o":-7,"n":-3,"s":"<open/>"}`,
		`{"t":0,"c":1,"e":"secure","leg":"both"}` + "\n" + `{"t":1,"c":1,"e":"edit","d":"CS","o":1,"n":99999999999}` + "\n" + `{"t":1,"c":1,"e":"carry","d":"CS","o":9223372036854775807,"s":"<a>"}`,
	} {
		f.Add(header + ev + "\n")
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := record.Read(strings.NewReader(text))
		if err != nil {
			return
		}
		var c Carrier
		var fold Folder
		n := 0
		emit := func(*Entry) { n++ }
		err = fold.Read(context.Background(), r, Sink{Entry: emit, Event: func(ev record.Event) error {
			c.Add(ev)
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		var again Folder
		for _, ev := range c.Carry() {
			again.Add(ev, 1, emit)
		}
		again.gap(emit)
		again.Finish(emit)
	})
}

// Behind a damaged frame of a compressed recording entries go on: what is lost
// is said, and the streams are not.
func TestDamagedFrame(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.jsonl.zst")
	l, err := record.Create(path, record.Options{Segment: 20 << 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range events(t, "../../testdata/recordings/demo.jsonl") {
		l.Append(ev)
	}
	l.Close()
	fold := func() (entries, junk int, trouble []error) {
		r, err := record.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		var f Folder
		err = f.Read(context.Background(), r, Sink{
			Entry: func(e *Entry) {
				entries++
				if e.Frame.Kind == decode.Junk || e.Frame.Err != nil {
					junk++
				}
			},
			Trouble: func(err error) { trouble = append(trouble, err) },
		})
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	whole, junk, trouble := fold()
	if junk > 0 || len(trouble) > 0 {
		t.Fatalf("%d entries are junk, %v", junk, trouble)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	left, junk, trouble := fold()
	var damage *record.DamageError
	if len(trouble) != 1 || !errors.As(trouble[0], &damage) || damage.Events == 0 || damage.To <= damage.From {
		t.Errorf("said: %v", trouble)
	}
	if left < whole/3 || left >= whole || junk > 2 {
		t.Errorf("%d entries of %d are left, %d of them junk", left, whole, junk)
	}
}

// A note with a direction says that bytes are missing: what was framed of it ends,
// and the stream goes on with the next element.
func TestMissingBytes(t *testing.T) {
	var fold Folder
	var got []string
	emit := func(e *Entry) { got = append(got, string(e.Dir)+e.Kind+" "+e.Stanza.NS) }
	data := func(s string) {
		fold.Add(record.Event{C: 1, E: record.EventData, D: record.SC, Data: []byte(s), HasData: true}, 0, emit)
	}
	data("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'><message><bo")
	fold.Add(record.Event{C: 1, E: record.EventNote, D: record.CS, N: 5, Text: "elsewhere"}, 0, emit)
	fold.Add(record.Event{C: 1, E: record.EventNote, D: record.SC, N: 5, Text: "5 bytes lost"}, 0, emit)
	data("<presence/>")
	fold.Finish(emit)
	want := []string{"SCheader http://etherx.jabber.org/streams", "note ", "SCjunk ", "note ", "SCpresence jabber:client"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
