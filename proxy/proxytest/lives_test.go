package proxytest

import (
	"strings"
	"testing"
)

// The clients that live through scenarios, where nothing happens to them.
func TestLives(t *testing.T) {
	ca := NewCA(t)
	p := StartProsody(t, ca, "localhost")
	p.Register(t, "juliet", "localhost", "capulet")
	p.Register(t, "romeo", "localhost", "montague")
	romeo := make(chan string, 1)
	go func() { // ends with the client, which has its own time limit
		out, _ := SlixmppLives(t, ca.File, p.Addr, "romeo@localhost/orchard", "montague", Life{Carbons: true, To: "juliet@localhost/balcony", Until: []string{"got 9 message 3"}})
		romeo <- out
	}()
	out, err := XMPPJSLives(t, ca.File, "xmpp://"+p.Addr, "juliet@localhost", "capulet", Life{To: "romeo@localhost", Say: 3, Until: []string{"managed", "acknowledged message 3"}})
	if err != nil {
		t.Error(out)
	}
	if s := <-romeo; !strings.Contains(s, "online") || !strings.Contains(s, "carbons on") || !strings.Contains(s, "\ndone\n") {
		t.Error(s)
	}
}
