package session

import (
	"strings"
	"testing"

	"github.com/xdg-go/scram"

	"github.com/xmpplens/xmpplens/record"
)

// beginLate is begin of a client that says who it is when it is asked.
func (p *peers) beginLate(start, mechanism string, cb scram.ChannelBinding) string {
	t := p.t
	t.Helper()
	c, err := hashOf(mechanism).NewClient("juliet", "r0m30", "")
	if err != nil {
		t.Fatal(err)
	}
	p.client = c.NewConversationWithChannelBinding(cb)
	first, _ := p.client.Step("")
	p.data(record.CS, start)
	if got := p.take(Server); got != "" {
		t.Errorf("the server hears %s before the client has said who it is", got)
	}
	if got := p.take(Client); got != "<challenge xmlns='"+p.ns+"'/>" {
		t.Errorf("the client is asked with %s", got)
	}
	p.data(record.CS, "<response xmlns='"+p.ns+"'>"+encode(first)+"</response>")
	return p.take(Server)
}

// A client of an account that is known begins without a message: it is logged in
// on each leg all the same, in either profile.
func TestReauthAsked(t *testing.T) {
	for _, c := range []struct{ ns, start, end string }{
		{nsSASL, "<auth xmlns='" + nsSASL + "' mechanism='SCRAM-SHA-1-PLUS'/>", "</auth>"},
		{nsSASL, "<auth mechanism='SCRAM-SHA-1-PLUS' xmlns='" + nsSASL + "'></auth>", "</auth>"},
		{nsSASL2, "<authenticate xmlns='" + nsSASL2 + "' mechanism='SCRAM-SHA-1-PLUS'>" + inline + "</authenticate>", "</initial-response>" + inline + "</authenticate>"},
		{nsSASL2, "<x:authenticate xmlns:x='" + nsSASL2 + "' mechanism='SCRAM-SHA-1-PLUS'/>", "</x:initial-response></x:authenticate>"},
	} {
		p := &peers{bench: secured2(t, frontLeg, backLeg, juliet, list([]string{"tls-exporter"}, "SCRAM-SHA-1-PLUS")), ns: c.ns}
		p.take(Client)
		p.take(Server)
		got := p.beginLate(c.start, "SCRAM-SHA-1-PLUS", exporter("front"))
		if !strings.HasSuffix(got, c.end) || !strings.Contains(got, "mechanism='SCRAM-SHA-1-PLUS'") {
			t.Fatalf("%s became %s", c.start, got)
		}
		p.challenge("SCRAM-SHA-1", strings.ReplaceAll(got, "x:", ""), "", exporter("back"))
		p.data(record.SC, "<success xmlns='"+c.ns+"'>"+map[string]string{nsSASL: encode(p.end), nsSASL2: "<additional-data>" + encode(p.end) + "</additional-data>"}[c.ns]+"</success>")
		p.believes(p.take(Client))
		p.w.compare(t)
	}
}

// What the client of another account says goes to the server in one piece, and
// so does nonsense. A client that gives up is told so.
func TestReauthAskedOthers(t *testing.T) {
	const start = "<auth xmlns='" + nsSASL + "' mechanism='SCRAM-SHA-1'/>"
	auth := func(text string) string {
		return "<auth xmlns='" + nsSASL + "' mechanism='SCRAM-SHA-1'>" + text + "</auth>"
	}
	for _, c := range []struct{ answer, server, client string }{
		{element("response", "n,,n=nurse,r=abc"), auth(encode("n,,n=nurse,r=abc")), ""},
		{"<response xmlns='" + nsSASL + "'>!</response>", auth("!"), ""},
		{"<response xmlns='" + nsSASL + "'/>", auth("="), ""},
		{"<abort xmlns='" + nsSASL + "'/>", "", failureOf(nsSASL, "aborted")},
		{auth("bm9uc2Vuc2U="), auth("bm9uc2Vuc2U="), ""}, // it begins anew
	} {
		b := secured2(t, frontLeg, backLeg, juliet, list([]string{"tls-exporter"}, "SCRAM-SHA-1"))
		b.data(record.CS, start)
		b.take(Client)
		b.take(Server)
		b.data(record.CS, c.answer)
		if got := b.take(Server); got != c.server {
			t.Errorf("%s was sent as %s", c.answer, got)
		}
		if got := b.take(Client); got != c.client {
			t.Errorf("%s was answered with %s", c.answer, got)
		}
		b.w.compare(t)
	}
	// Who says in the stream header that it is somebody else is not asked.
	b := secured2(t, frontLeg, backLeg, map[string]string{"romeo@capulet.example": "x"}, list(nil, "SCRAM-SHA-1"))
	b.s.from = "juliet@capulet.example"
	b.take(Server)
	b.data(record.CS, start)
	if got := b.take(Server); got != start {
		t.Errorf("it became %s", got)
	}
}
