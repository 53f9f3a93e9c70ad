package proxytest

import (
	_ "embed"
	"encoding/json"
	"strconv"
	"testing"
	"time"
)

// A Life is what a client does while things happen to it.
type Life struct {
	To       string   `json:"to,omitempty"`
	Say      int      `json:"say,omitempty"`      // messages that it sends
	Pause    int      `json:"pause,omitempty"`    // milliseconds between them (@xmpp/client)
	Timeout  int      `json:"timeout,omitempty"`  // milliseconds without an acknowledgement after which it gives a connection up (@xmpp/client)
	Patience int      `json:"patience,omitempty"` // milliseconds that it waits for a stream or a socket to end (@xmpp/client)
	Retry    bool     `json:"retry,omitempty"`    // it logs in again after a failure
	Carbons  bool     `json:"carbons,omitempty"`  // (slixmpp)
	Strict   bool     `json:"strict,omitempty"`   // it goes nowhere without its roster (slixmpp)
	Until    []string `json:"until"`              // it ends when a line with each of these was printed, in this order
}

//go:embed lives.mjs
var livesJS []byte

// XMPPJSLives runs a client made with @xmpp/client, which reconnects and resumes by
// itself, and returns what it said that it saw: see lives.mjs.
func XMPPJSLives(t testing.TB, ca, service, jid, password string, l Life) (string, error) {
	t.Helper()
	return Node(t, ca, livesJS, []string{"@xmpp/client", "ws"}, service, jid, password, l.json(t))
}

//go:embed lives.py
var livesPython []byte

// SlixmppLives runs a slixmpp client in the same way: see lives.py.
func SlixmppLives(t testing.TB, ca, addr, jid, password string, l Life) (string, error) {
	t.Helper()
	return python(t, ca, livesPython, jid, password, addr, ca, l.json(t))
}

func (l Life) json(t testing.TB) string {
	t.Helper()
	if l.Until == nil {
		l.Until = []string{}
	}
	b, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

//go:embed soak.py
var soak []byte

// SlixmppSoaks runs a slixmpp client that talks to itself for some seconds, over
// direct TLS: see soak.py.
func SlixmppSoaks(t testing.TB, ca, addr, jid, password string, seconds, seed int) (string, error) {
	t.Helper()
	return pythonFor(t, limit+time.Duration(seconds)*time.Second, ca, soak, jid, password, addr, ca, strconv.Itoa(seconds), strconv.Itoa(seed))
}
