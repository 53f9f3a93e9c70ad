package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

// What follows plays each scenario to a real client in front of a real Prosody, and
// holds on to what the client was seen to do.

// play starts Prosody and xmpplens with flags.
func play(t *testing.T, flags ...string) (*proxytest.CA, *proxytest.Prosody, *program) {
	t.Helper()
	ca, server := prosody(t)
	return ca, server, startProxy(t, append([]string{"--server-ca", ca.File, server.Addr}, flags...)...)
}

// inOrder checks that lines come in this order in what was said.
func inOrder(t *testing.T, said string, lines ...string) {
	t.Helper()
	rest := said
	for _, l := range lines {
		_, behind, found := strings.Cut(rest, l)
		if !found {
			t.Fatalf("%q does not come (in this order: %q) in\n%s", l, lines, said)
		}
		rest = behind
	}
}

// has checks that the recording has as many entries as wanted that match.
func (p *program) has(t *testing.T, want int, filter string) {
	t.Helper()
	out := strings.TrimSpace(p.show("--format=json", "-f", filter))
	n := len(strings.Split(out, "\n"))
	if out == "" {
		n = 0
	}
	if n != want {
		t.Errorf("%d entries match %s, not %d:\n%.3000s", n, filter, want, p.show("--format=line"))
	}
}

const (
	julietJS = "juliet@localhost"
	romeo    = "romeo@localhost"
)

// @xmpp/client asks for acknowledgements, and gives up when none comes in its time. It
// does so by ending its stream in order, so that there is nothing to resume (XEP-0198
// §7): its user hears that the messages failed, although all of them arrived.
func TestScenarioLostAcks(t *testing.T) {
	t.Parallel()
	ca, server, p := play(t, "--scenario=lost-acks")
	heard := hears(t, ca.File, server.Addr, 3)
	out, err := proxytest.XMPPJSLives(t, p.ca, "xmpp://"+p.addr, julietJS, "capulet", proxytest.Life{To: romeo, Say: 3, Timeout: 1500, Until: []string{"disconnected", "failed message 3"}})
	if err != nil {
		t.Fatal(out)
	}
	inOrder(t, out, "managed", "disconnected", "not resumed", "failed message 1", "failed message 2", "failed message 3")
	if strings.Contains(out, "acknowledged") {
		t.Errorf("an acknowledgement came through:\n%s", out)
	}
	inOrder(t, heard(), "got message 1", "got message 2", "got message 3")
	p.stop()
	p.says("rule lost-acks: fired")
}

// hears runs romeo's client, which logs in at addr, until it has heard n messages.
func hears(t *testing.T, ca, addr string, n int) func() string {
	got := make(chan string, 1)
	go func() { // ends with the client, which has its own time limit
		out, err := proxytest.Slixmpp(t, ca, addr, romeo+"/orchard", "montague", fmt.Sprintf("--expect=%d", n))
		got <- fmt.Sprint(out, err)
	}()
	return func() string { return <-got }
}

// @xmpp/client on a line that breaks three times resumes each time, and everything
// arrives once and in order.
func TestScenarioFlakyMobile(t *testing.T) {
	t.Parallel()
	ca, server, p := play(t, "--scenario=flaky-mobile")
	heard := hears(t, ca.File, server.Addr, 28)
	out, err := proxytest.XMPPJSLives(t, p.ca, "xmpp://"+p.addr, julietJS, "capulet", proxytest.Life{To: romeo, Say: 28, Pause: 20, Timeout: 5000, Until: []string{"resumed", "resumed", "resumed", "acknowledged message 28"}})
	if err != nil {
		t.Fatal(out)
	}
	if n := strings.Count(out, "disconnected"); n < 3 {
		t.Errorf("it lost its connection %d times:\n%s", n, out)
	}
	var want []string
	for i := range 28 {
		want = append(want, fmt.Sprintf("message %d\n", i+1))
	}
	s := heard()
	inOrder(t, s, want...)
	if n := strings.Count(s, "got message"); n != 28 {
		t.Errorf("%d messages arrived", n)
	}
}

// slixmpp is usable while its roster is late.
func TestScenarioSlowRoster(t *testing.T) {
	t.Parallel()
	_, _, p := play(t, "--scenario=slow-roster")
	out, err := proxytest.SlixmppLives(t, p.ca, p.addr, romeo+"/orchard", "montague", proxytest.Life{To: romeo + "/orchard", Say: 1, Until: []string{"roster"}})
	if err != nil {
		t.Fatal(out)
	}
	inOrder(t, out, "online", "got 9 message 1", "roster")
	p.stop()
	p.says("rule slow-roster: fired 1 of 1 times")
	p.has(t, 1, `dir == "CS" and iq and roster`)
}

// slixmpp takes a server whose database is away for one that refuses its mechanism:
// it tries the next one on the same connection at once, and then gives up. Told to
// log in again, it does so with the same password. The server saw one login.
func TestScenarioAuthTemporaryFailure(t *testing.T) {
	t.Parallel()
	_, _, p := play(t, "--scenario=auth-temporary-failure")
	out, err := proxytest.SlixmppLives(t, p.ca, p.addr, romeo+"/orchard", "montague", proxytest.Life{Retry: true, Until: []string{"online"}})
	if err != nil {
		t.Fatal(out)
	}
	inOrder(t, out, "login failed: temporary-auth-failure", "login failed: temporary-auth-failure", "online")
	p.has(t, 2, `name == "auth" and outcome == "dropped"`)
	p.has(t, 1, `name == "auth" and outcome == "passed"`)
}

// @xmpp/client does not come back by itself when a login failed; its user has to
// start it again.
func TestScenarioAuthTemporaryFailureJS(t *testing.T) {
	t.Parallel()
	_, _, p := play(t, "--scenario=auth-temporary-failure")
	out, err := proxytest.XMPPJSLives(t, p.ca, "xmpp://"+p.addr, julietJS, "capulet", proxytest.Life{Retry: true, Until: []string{"online"}})
	if err != nil {
		t.Fatal(out)
	}
	inOrder(t, out, "start: temporary-auth-failure", "start: temporary-auth-failure", "online")
}

// @xmpp/client comes back after a restart, is told that its stream is forgotten, and
// gives its user the message back that was not acknowledged.
func TestScenarioServerRestart(t *testing.T) {
	t.Parallel()
	ca, server, p := play(t, "--scenario=server-restart")
	heard := hears(t, ca.File, server.Addr, 1)
	out, err := proxytest.XMPPJSLives(t, p.ca, "xmpp://"+p.addr, julietJS, "capulet", proxytest.Life{To: romeo, Say: 1, Until: []string{"acknowledged message 1"}})
	if err != nil {
		t.Fatal(out)
	}
	inOrder(t, out, "managed", "error system-shutdown", "disconnected", "not resumed", "managed", "acknowledged message 1")
	inOrder(t, out, "failed message 1", "acknowledged message 1")
	if s := heard(); strings.Count(s, "got message 1") != 1 {
		t.Errorf("romeo: %s", s)
	}
	p.has(t, 2, `dir == "SC" and iq and payload("urn:ietf:params:xml:ns:xmpp-bind")`)
}

// @xmpp/client goes on as a new session when it may not resume.
func TestScenarioResumeRefused(t *testing.T) {
	t.Parallel()
	ca, server, p := play(t, "--scenario=resume-refused")
	heard := hears(t, ca.File, server.Addr, 2)
	out, err := proxytest.XMPPJSLives(t, p.ca, "xmpp://"+p.addr, julietJS, "capulet", proxytest.Life{To: romeo, Say: 2, Pause: 1500, Until: []string{"acknowledged message", "acknowledged message"}})
	if err != nil {
		t.Fatal(out)
	}
	inOrder(t, out, "managed", "disconnected", "not resumed", "managed", "acknowledged message 1")
	inOrder(t, out, "acknowledged message 2")
	inOrder(t, out, "failed message 1", "acknowledged message 1")
	if s := heard(); strings.Count(s, "got message 1") != 1 || strings.Count(s, "got message 2") != 1 {
		t.Errorf("romeo: %s", s)
	}
}

// @xmpp/client notices by an <r/> without answer that its line is dead, and resumes
// on a new one.
func TestScenarioHalfOpen(t *testing.T) {
	t.Parallel()
	ca, server, p := play(t, "--scenario=half-open")
	heard := hears(t, ca.File, server.Addr, 2)
	out, err := proxytest.XMPPJSLives(t, p.ca, "xmpp://"+p.addr, julietJS, "capulet", proxytest.Life{To: romeo, Say: 2, Timeout: 1500, Patience: 3000, Until: []string{"resumed", "acknowledged message 2"}})
	if err != nil {
		t.Fatal(out)
	}
	inOrder(t, out, "managed", "disconnected", "resumed", "acknowledged message 1", "acknowledged message 2")
	s := heard()
	inOrder(t, s, "got message 1", "got message 2")
	if n := strings.Count(s, "got message"); n != 2 {
		t.Errorf("%d messages arrived: %s", n, s)
	}
}

// slixmpp takes a message of a million letters, and what comes behind it.
func TestScenarioHugeStanza(t *testing.T) {
	t.Parallel()
	_, _, p := play(t, "--scenario=huge-stanza")
	out, err := proxytest.SlixmppLives(t, p.ca, p.addr, romeo+"/orchard", "montague", proxytest.Life{To: romeo + "/orchard", Say: 2, Until: []string{"got 9 message 2"}})
	if err != nil {
		t.Fatal(out)
	}
	inOrder(t, out, "online", "got 1000000 xxx", "got 9 message 2")
}

// slixmpp shows a message twice that comes twice: it does not look at its ids.
func TestScenarioDuplicateDelivery(t *testing.T) {
	t.Parallel()
	_, _, p := play(t, "--scenario=duplicate-delivery")
	out, err := proxytest.SlixmppLives(t, p.ca, p.addr, romeo+"/orchard", "montague", proxytest.Life{To: romeo + "/orchard", Say: 2, Until: []string{"got 9 message 2", "got 9 message 2"}})
	if err != nil {
		t.Fatal(out)
	}
	inOrder(t, out, "got 9 message 1", "got 9 message 1", "got 9 message 2", "got 9 message 2")
	p.has(t, 2, "injected and message")
}

// slixmpp shows carbons in the order in which they come.
func TestScenarioReorderedCarbons(t *testing.T) {
	t.Parallel()
	ca, server, p := play(t, "--scenario=reordered-carbons")
	said := make(chan string, 1)
	go func() { // ends with the client, which has its own time limit
		out, err := proxytest.SlixmppLives(t, p.ca, p.addr, romeo+"/orchard", "montague", proxytest.Life{Carbons: true, Until: []string{"carbon message 2", "carbon message 4"}})
		said <- fmt.Sprint(out, err)
	}()
	p.wait("presence available", p.out.String)
	if out, err := proxytest.SlixmppLives(t, ca.File, server.Addr, romeo+"/garden", "montague", proxytest.Life{To: julietJS, Say: 4, Until: []string{"roster"}}); err != nil {
		t.Error(out)
	}
	inOrder(t, <-said, "carbons on", "carbon message 1", "carbon message 3", "carbon message 2", "carbon message 4", "done")
}

// slixmpp tells its user which messages were refused, and tries none again by itself.
func TestScenarioRateLimited(t *testing.T) {
	t.Parallel()
	ca, server, p := play(t, "--scenario=rate-limited")
	heard := hears(t, ca.File, server.Addr, 4)
	out, err := proxytest.SlixmppLives(t, p.ca, p.addr, "juliet@localhost/balcony", "capulet", proxytest.Life{To: romeo, Say: 6, Until: []string{"refused", "refused"}})
	if err != nil {
		t.Fatal(out)
	}
	inOrder(t, out, "refused wait resource-constraint: message-3", "refused wait resource-constraint: message-6")
	s := heard()
	inOrder(t, s, "got message 1", "got message 2", "got message 4", "got message 5")
	p.has(t, 6, `dir == "CS" and message`)
}

// The same over WebSocket.
func TestScenarioWebSocket(t *testing.T) {
	t.Parallel()
	ca, server := prosody(t)
	p := startProxy(t, "ws://"+server.HTTP+"/xmpp-websocket", "--scenario=resume-refused")
	heard := hears(t, ca.File, server.Addr, 2)
	out, err := proxytest.XMPPJSLives(t, p.ca, "ws://"+p.addr+"/xmpp-websocket", julietJS, "capulet", proxytest.Life{To: romeo, Say: 2, Pause: 1500, Until: []string{"acknowledged message", "acknowledged message"}})
	if err != nil {
		t.Fatal(out)
	}
	inOrder(t, out, "managed", "disconnected", "not resumed", "managed", "acknowledged message 1")
	inOrder(t, out, "acknowledged message 2")
	if s := heard(); strings.Count(s, "got message 1") != 1 || strings.Count(s, "got message 2") != 1 {
		t.Errorf("romeo: %s", s)
	}
}
