package redact

import (
	"context"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// build makes a recording of two directions, cut into chunks, with events between them.
func build(t testing.TB, cs, sc, cuts, extra string, kind uint8) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "in.jsonl")
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	log, err := record.Create(path, record.Options{Now: func() time.Time { now = now.Add(1234567 * time.Nanosecond); return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	open := record.Event{C: 1, E: record.EventOpen, Kind: "c2s", Client: "203.0.113.7:40122", Server: "capulet.example:5222"}
	bosh := false
	switch kind % 4 {
	case 1:
		open.Transport = record.TransportWebSocket
	case 2:
		open.Transport, bosh = record.TransportBOSH, true
	case 3:
		open.Kind = "s2s"
	}
	log.Append(open)
	dirs := []record.Dir{record.CS, record.SC}
	left := []string{cs, sc}
	sent := []int64{0, 0}
	rid := int64(1)
	for i := 0; len(left[0])+len(left[1]) > 0; i++ {
		n, d := 300, i%2
		if len(cuts) > 0 {
			c := cuts[i%len(cuts)]
			n, d = int(c>>1)+1, int(c&1)
		}
		if left[d] == "" {
			d = 1 - d
		}
		n = min(n, len(left[d]))
		ev := record.Event{C: 1, E: record.EventData, D: dirs[d], Data: []byte(left[d][:n]), HasData: true}
		if bosh {
			ev.RID, ev.More = rid, n < len(left[d]) && n%2 == 0
			if !ev.More && d == 1 {
				rid++
			}
		}
		log.Append(ev)
		left[d], sent[d] = left[d][n:], sent[d]+int64(n)
		o := sent[d]
		switch (i + int(kind>>2)) % 11 {
		case 2:
			log.Append(record.Event{C: 1, E: record.EventEdit, D: dirs[d], O: max(0, o-int64(n)), N: int64(n), Data: []byte(extra), HasData: true, By: "proxy", Why: "because of " + extra})
		case 3:
			log.Append(record.Event{C: 1, E: record.EventHold, D: dirs[d], O: o, N: 10, By: "pause"})
		case 4:
			log.Append(record.Event{C: 1, E: record.EventVerdict, D: dirs[d], O: o, Verdict: "edited", Data: []byte(extra), HasData: true, By: "viewer"})
		case 5:
			log.Append(record.Event{C: 1, E: record.EventInject, D: dirs[d], O: o, Data: []byte(extra), HasData: true, By: "rule x", Why: extra})
		case 6:
			log.Append(record.Event{C: 1, E: record.EventNote, Text: extra, By: "viewer"}, record.Event{C: 1, E: record.EventNote, Text: extra, By: "proxy", Hint: extra})
		case 7:
			log.Append(record.Event{C: 1, E: record.EventHTTP, Op: "GET", Text: "/" + extra, Code: 200, Data: []byte(extra), HasData: true})
		case 8:
			log.Append(record.Event{C: 1, E: record.EventControl, D: dirs[d], Op: "close", Text: extra, Data: []byte(extra), HasData: true})
		case 9:
			if extra == "" {
				log.Append(record.Event{C: 1, E: record.EventSecure, Leg: []string{"client", "server", "both"}[i%3], Version: "TLS 1.3", Peer: "CN=capulet.example"})
			}
		}
	}
	log.Append(record.Event{C: 1, E: record.EventClose, By: "client", Error: extra})
	return path
}

const (
	head = `<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='capulet.example' to='capulet.example' id='s1' version='1.0'>`
	bind = `<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features><success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>` + head +
		`<iq type='result' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>juliet@capulet.example/balcony</jid></bind></iq>`
)

// seeds are pairs of directions.
var seeds = [][2]string{
	{head + `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGp1bGlldABzZWNyZXQ=</auth>` + head + `<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>balcony</resource></bind></iq><enable xmlns='urn:xmpp:sm:3' resume='true'/><message to='romeo@montague.example' id='m1'><body>Art thou not Romeo, and a Montague?</body></message><r xmlns='urn:xmpp:sm:3'/></stream:stream>`,
		head + bind + `<enabled xmlns='urn:xmpp:sm:3' id='x' resume='true'/><message from='Romeo@montague.example/orchard' to='juliet@capulet.example/balcony'><body>Neither, fair maid</body></message><a xmlns='urn:xmpp:sm:3' h='1'/></stream:stream>`},
	{head + `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>biwsbj11c2VyLHI9ZnlrbytkMmxiYkZnT05Sdjlxa3hkYXdM</auth>`,
		head + `<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-1</mechanism><mechanism>SCRAM-SHA-1-PLUS</mechanism></mechanisms></stream:features><challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>cj1meWtvM3JmYyxzPVFTWENSK1E2c2VrOGJmOTIsaT00MDk2</challenge><failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/><text>No, juliet</text></failure>`},
	{`<body rid='1' to='capulet.example' wait='60' hold='1' xmlns='http://jabber.org/protocol/httpbind' xmpp:version='1.0' xmlns:xmpp='urn:xmpp:xbosh'/>`,
		`<body sid='s' wait='60' requests='2' xmlns='http://jabber.org/protocol/httpbind' from='capulet.example'><message xmlns='jabber:client' from='romeo@montague.example'><body>&#x4e16;&#30028; 🙂</body></message></body>`},
	{`<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='capulet.example' version='1.0'/><iq type='get' id='1' to='[2001:db8::1]'><query xmlns='http://jabber.org/protocol/disco#info' node='urn:x#y'/></iq>`,
		`<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' from='capulet.example' id='q' version='1.0'/><iq type='result' id='1' from='[2001:db8::1]'><query xmlns='http://jabber.org/protocol/disco#info'><identity name='Juliet' category='account'/></query></iq><iq type='result' id='1'/>`},
	{`<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' xmlns:stream='http://etherx.jabber.org/streams' from='a.example' to='b.example' version='1.0'><db:result from='a.example' to='b.example'>b4835385f37fe289</db:result><message from='x@a.example' to='y@b.example'/>`,
		`<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' xmlns:stream='http://etherx.jabber.org/streams' from='b.example' to='a.example' id='D60' version='1.0'><db:result from='b.example' to='a.example' type='valid'/>`},
	{"\x16\x03\x01 not <xml & at='all", "<a><![CDATA[juliet]]><!-- x --></b>&nbsp;<?pi romeo?><!DOCTYPE x [<!ENTITY y 'juliet'>]>"},
	{head + `<message from='a b@c' to='@'><body>` + "\xff\xfe" + `</body></message><presence type='odd' from='juliet@capulet.example/x'/>`, head + `<message type='error' id='e' from='juliet@capulet.example'><error type='cancel'><text>no juliet here</text></error></message>`},
}

// FuzzRedact: whatever was recorded, what comes out has the same events and no original; where the XML nests, the same
// entries and findings.
func FuzzRedact(f *testing.F) {
	for i, s := range seeds {
		for kind := range 4 {
			f.Add(s[0], s[1], "\x00\x21\x80\x05", `<message to='juliet@capulet.example'><body>x</body></message>`, uint8(kind+4*i))
		}
		f.Add(s[0], s[1], "", "Juliet said: 203.0.113.7 juliet@capulet.example", uint8(i))
		f.Add(s[0], s[1], "\x02", "", uint8(20))
	}
	f.Fuzz(func(t *testing.T, cs, sc, cuts, extra string, kind uint8) {
		if len(cs)+len(sc)+len(extra) > 20_000 {
			return
		}
		in := build(t, cs, sc, cuts, extra, kind)
		out := in + ".out"
		rep, err := Run(context.Background(), in, out, Options{Seed: "1"})
		if err != nil {
			t.Fatal(err)
		}
		if len(rep.Changed) > 0 && !strange(cs, sc, extra) && !loses(t, in) {
			t.Errorf("%q\n%s", rep.Changed, first(out))
		}
		a, b := events(t, in), events(t, out)
		if len(a) != len(b) {
			t.Fatalf("%d events became %d", len(a), len(b))
		}
		for i := range a {
			x, y := a[i], b[i]
			if x.T != y.T || x.E != y.E || x.C != y.C || x.D != y.D || x.O != y.O || x.N != y.N || x.RID != y.RID || x.More != y.More || len(x.Data) != len(y.Data) || x.HasData != y.HasData {
				t.Errorf("event %d: %+v became %+v", i, x, y)
			}
		}
	})
}

// strange reports whether addresses are written in ways that no program writes and that a pseudonym of the same length
// cannot follow: with references to letters, or in two forms of Unicode or IDNA that stand for the same; or whether
// a text is not XML, so that it cannot be told what in it is a text.
func strange(texts ...string) bool {
	for _, s := range texts {
		if strings.Contains(s, "&#") || strings.Contains(strings.ToLower(s), "xn--") || strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 }) {
			return true
		}
		d := xml.NewDecoder(strings.NewReader(s))
		for {
			if _, err := d.RawToken(); err == io.EOF {
				break
			} else if err != nil {
				return true
			}
		}
	}
	return false
}

// loses reports whether the nesting is lost somewhere, or a < in quotes makes it doubtful: where that ends depends on what follows, which is replaced.
func loses(t testing.TB, path string) bool {
	r, err := timeline.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	lost := false
	var fold timeline.Folder
	err = fold.Read(context.Background(), r, timeline.Sink{Entry: func(e *timeline.Entry) {
		lost = lost || e.Kind == "junk" || e.Frame.Err != nil && e.Frame.Err.Code == decode.CodeLess
	}})
	return lost || err != nil
}

func first(path string) string {
	b, _ := os.ReadFile(path)
	return string(b[:min(len(b), 6000)])
}
