package session

import (
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/record"
)

// An edit does not make a stanza larger than the server takes (XEP-0478); one that
// its sender made too large passes as it is.
func TestEditWithinLimits(t *testing.T) {
	for size, want := range map[int]string{100: "edited", 400: "refused"} {
		s := New(Config{Conn: 1, Judge: JudgeFunc(func(seen Seen) Plan {
			if string(seen.Frame.Name) != "message" {
				return nil
			}
			return Plan{Edit{Reason{By: "test"}, []byte("<message><body>" + strings.Repeat("x", size) + "</body></message>")}}
		})})
		s.Handle(Input{On: Accepted})
		s.Handle(Input{On: Dialed, Server: "server:5222"})
		var sent, notes string
		for _, turn := range []struct {
			d    record.Dir
			text string
		}{
			{record.CS, "<stream:stream to='a.example' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"},
			{record.SC, "<stream:stream id='1' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'><stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>"},
			{record.CS, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYQ==</auth>"},
			{record.SC, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"},
			{record.CS, "<stream:stream to='a.example' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"},
			{record.SC, "<stream:stream id='2' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'><stream:features><limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>300</max-bytes></limits></stream:features>"},
			{record.CS, "<message><body>short</body></message>"},
		} {
			for _, e := range s.Handle(Input{On: Data, Dir: turn.d, Bytes: []byte(turn.text)}) {
				if e.Do == Send && e.Leg == Server {
					sent += string(e.Bytes)
				}
				for _, ev := range e.Events {
					notes += ev.Text
				}
			}
		}
		switch edited := strings.Contains(sent, "xxx"); {
		case want == "edited" && !edited, want == "refused" && (edited || !strings.Contains(sent, "short") || !strings.Contains(notes, "the server takes 300 (XEP-0478)")):
			t.Errorf("%d bytes, %s: sent %.200s\nnoted %s", size, want, sent, notes)
		}
	}
}
