package timeline

import (
	"fmt"
	"slices"
	"testing"

	"github.com/xmpplens/xmpplens/record"
)

// What is decided about a frame that waited behind another is recorded when the
// one in front is let go: the holds first, so that no entry is out before its
// verdict.
func TestVerdictBehind(t *testing.T) {
	header := "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
	o := int64(len(header))
	data := func(s string) record.Event {
		return record.Event{C: 1, E: record.EventData, D: record.CS, Data: []byte(s), HasData: true}
	}
	var got []string
	var f Folder
	for _, ev := range []record.Event{
		data(header),
		{C: 1, E: record.EventHold, D: record.CS, O: o, N: 14, By: "pause"},
		data("<iq id='1'/>\n\n<iq id='2'/><iq id='3'/>"),
		{C: 1, E: record.EventHold, D: record.CS, O: o + 14, N: 12, By: "rule"},
		{C: 1, E: record.EventHold, D: record.CS, O: o + 26, N: 12, By: "pause"},
		{C: 1, E: record.EventVerdict, D: record.CS, O: o, Verdict: "passed", By: "viewer"},
		{C: 1, E: record.EventVerdict, D: record.CS, O: o + 14, Verdict: "dropped", By: "rule"},
		{C: 1, E: record.EventVerdict, D: record.CS, O: o + 26, Verdict: "edited", Data: []byte("<iq id='4'/>"), HasData: true, By: "viewer"},
	} {
		f.Add(ev, 0, func(e *Entry) {
			if e.Stanza.Kind == "iq" {
				got = append(got, fmt.Sprintf("%s %s %q", e.Stanza.ID, e.Verdict, e.Sent))
			}
		})
	}
	want := []string{`1 passed ""`, `2 dropped ""`, `3 edited "<iq id='4'/>"`}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
