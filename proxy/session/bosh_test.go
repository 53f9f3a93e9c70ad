package session

import (
	"errors"
	"testing"

	"github.com/xmpplens/xmpplens/record"
)

func TestReadBody(t *testing.T) {
	for _, c := range []struct {
		in, sid string
		rid     int64
	}{
		{"<body xmlns='http://jabber.org/protocol/httpbind' rid='7' sid='s'><message>", "s", 7},
		{"<?xml version='1.0'?>\n<b:body xmlns:b='http://jabber.org/protocol/httpbind' rid='9007199254740991'/>", "", 1<<53 - 1},
		{"<body xmlns='http://jabber.org/protocol/httpbind' rid='9007199254740992' sid='s'/>", "s", 0},
		{"<body xmlns='http://jabber.org/protocol/httpbind' rid='-1'/>", "", 0},
		{"<body rid='7' sid='s'/>", "", 0},
		{"hello", "", 0},
		{"<body xmlns='http://jabber.org/protocol/httpbind' rid='7'", "", 0},
		{"", "", 0},
	} {
		if sid, rid := ReadBody([]byte(c.in)); sid != c.sid || rid != c.rid {
			t.Errorf("%s: %q, %d", c.in, sid, rid)
		}
	}
}

// How long the shell waits for a request is the server's and the client's word.
func TestPatience(t *testing.T) {
	s := New(Config{Conn: 1, Transport: BOSH})
	s.Handle(Input{On: Accepted})
	play := func(d record.Dir, rid int64, attrs string) {
		s.Handle(Input{On: Data, Dir: d, RID: rid, Bytes: []byte("<body xmlns='" + nsBOSH + "' " + attrs + "/>")})
	}
	play(record.CS, 1, "rid='1' to='a'")
	if s.Patience() != 0 || s.Pending() != 1 {
		t.Error(s.Patience(), s.Pending())
	}
	play(record.SC, 1, "sid='x' inactivity='30' maxpause='120'")
	if s.Patience().Seconds() != 30 || s.SID() != "x" || s.Pending() != 0 {
		t.Error(s.Patience(), s.SID(), s.Pending())
	}
	play(record.CS, 2, "sid='x' rid='2'")
	if play(record.SC, 2, "sid='x'"); s.Patience().Seconds() != 30 { // as Prosody answers
		t.Error(s.Patience())
	}
	play(record.CS, 2, "sid='x' rid='2' pause='100'")
	if s.Patience().Seconds() != 100 {
		t.Error(s.Patience())
	}
	play(record.CS, 3, "sid='x' rid='3'")
	if s.Patience().Seconds() != 30 {
		t.Error(s.Patience())
	}
}

// FuzzBOSH: bodies with any content, whole and in pieces, requests given up and
// failed in between: what is sent is what the log says, and what is not edited
// goes as it came.
func FuzzBOSH(f *testing.F) {
	const features = "<body xmlns='http://jabber.org/protocol/httpbind' xmlns:stream='http://etherx.jabber.org/streams' sid='s'><stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-1-PLUS</mechanism></mechanisms><compression xmlns='http://jabber.org/features/compress'/></stream:features></body>"
	const away = "<body xmlns='http://jabber.org/protocol/httpbind' type='terminate' condition='see-other-uri'><uri>https://upstream.test/b</uri></body>"
	f.Add([]byte{1, 0, 1, 1, 2, 0, 2, 3}, "<body xmlns='http://jabber.org/protocol/httpbind' rid='1'/>", features)
	f.Add([]byte{1, 0, 1, 5, 2, 4, 1, 1, 3, 8, 2, 16}, "<body", away)
	f.Add([]byte{1, 0, 1, 3}, features, away)
	f.Fuzz(func(t *testing.T, plan []byte, one, two string) {
		if len(plan) > 200 || len(one)+len(two) > 8192 {
			return
		}
		s := New(Config{Conn: 1, Transport: BOSH, Lead: func(string) (string, error) { return "http://proxy.test/", nil }})
		w := newWire()
		w.carryOut(t, s.Handle(Input{On: Accepted, Client: "client:1"}))
		w.carryOut(t, s.Handle(Input{On: Secured, Leg: Client}))
		for i := 0; i+1 < len(plan); i += 2 {
			in := Input{On: Data, Dir: record.CS, RID: int64(plan[i]) % 16, Bytes: []byte(one)}
			how := plan[i+1]
			if how&1 != 0 {
				in.Dir = record.SC
			}
			if how&2 != 0 {
				in.Bytes = []byte(two)
			}
			in.More = how&4 != 0
			if how&24 == 24 {
				in = Input{On: Unanswered, RID: in.RID, Over: how&32 != 0}
				if how&64 != 0 {
					in.Err = errors.New("HTTP 502")
				}
			}
			sent := len(w.sent[Server])
			closed := s.Closed()
			w.carryOut(t, s.Handle(in))
			if got := string(w.sent[Server][sent:]); in.On == Data && in.Dir == record.CS && !closed && got != string(in.Bytes) {
				t.Fatalf("request %q goes on as %q", in.Bytes, got)
			}
		}
		w.carryOut(t, s.Handle(Input{On: Shutdown}))
		w.compare(t)
	})
}
