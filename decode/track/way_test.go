package track

import (
	"slices"
	"testing"
)

// A message goes from a client through two servers to a client, and to a room.
func TestWay(t *testing.T) {
	s := login()
	s.play("2 open", "2 CS <stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' from='capulet.example' to='montague.example' version='1.0'>",
		"3 open", "3 CS <stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>", "3 SC <stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>")
	me := s.t.Conn(1).Bound.String()
	s.play("CS <message id='1' to='romeo@montague.example' type='chat'><body>x</body></message>")
	sent := s.n
	if s.last().Related != nil {
		t.Errorf("sent: %v", s.last().Related)
	}
	s.play("2 CS <message id='1' from='" + me + "' to='Romeo@montague.example' type='chat'><body>x</body></message>")
	between := s.n
	for _, c := range []struct {
		line string
		want int
	}{
		{"2 CS <message id='1' from='nurse@capulet.example/x' to='romeo@montague.example' type='chat'/>", 0},
		{"3 SC <message id='1' from='" + me + "' to='romeo@montague.example/a' type='chat'/>", between},
		{"3 SC <message id='1' from='" + me + "' to='romeo@montague.example/b' type='chat'/>", between},
		{"3 SC <message id='1' from='rosaline@capulet.example/x' to='romeo@montague.example/b' type='chat'/>", 0},
		{"3 SC <message id='1' from='" + me + "' to='romeo@montague.example/b'/>", 0},
	} {
		s.play(c.line)
		if got := s.last().Related; (c.want == 0) != (len(got) == 0) || c.want > 0 && !slices.Contains(got, Relation{Delivers, c.want}) {
			t.Errorf("%s: %v, want %d", c.line, got, c.want)
		}
	}
	if got := s.facts[between].Related; !slices.Contains(got, Relation{Delivers, sent}) {
		t.Errorf("between servers: %v", got)
	}
	s.play("CS <message id='r' to='verona@rooms.montague.example' type='groupchat'><body>x</body></message>")
	sent = s.n
	s.play("SC <message id='r' from='verona@rooms.montague.example/juliet' to='" + me + "' type='groupchat'><body>x</body></message>")
	if got := s.last().Related; !slices.Contains(got, Relation{Delivers, sent}) {
		t.Errorf("from the room: %v", got)
	}
	s.play("CS <iq id='q' to='romeo@montague.example/a' type='get'><ping xmlns='urn:xmpp:ping'/></iq>")
	sent = s.n
	s.play("3 SC <iq id='q' from='" + me + "' to='romeo@montague.example/a' type='get'><ping xmlns='urn:xmpp:ping'/></iq>")
	if got := s.last().Related; !slices.Contains(got, Relation{Delivers, sent}) {
		t.Errorf("iq: %v", got)
	}
}
