package main

import (
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

// Each way to end a connection, or to damage it, as @xmpp/client hears of it: it comes
// back each time and its messages arrive. Where a stanza was cut in two it is not
// content with that at once: Prosody 0.12 goes on in the middle of it when the session
// is resumed, and ends the stream with not-well-formed; so it does without a proxy.
func TestCuts(t *testing.T) {
	t.Parallel()
	ca, server := prosody(t)
	for do, want := range map[string][]string{
		"cut fin":                          {"disconnected", "resumed"},
		"cut no-notify":                    {"disconnected", "resumed"},
		"cut rst":                          {"ECONNRESET", "disconnected", "resumed"},
		"cut half":                         {"disconnected", "resumed"},
		"cut stream-error condition reset": {"error reset", "disconnected", "resumed"},
		"cut stream-error leg server":      {"disconnected", "not resumed", "failed message 1"},
		"truncate 50% then rst":            {"ECONNRESET", "disconnected"},
		"truncate 10":                      {"disconnected"},
		"corrupt":                          {"error not-well-formed", "disconnected", "not resumed", "failed message 1"},
		"stop recording and drop":          nil,
	} {
		t.Run(strings.ReplaceAll(do, " ", "_"), func(t *testing.T) {
			p := startProxy(t, "--server-ca", ca.File, server.Addr, "--rule", do+` name it limit 1 if dir == "CS" and message`)
			out, err := proxytest.XMPPJSLives(t, p.ca, "xmpp://"+p.addr, julietJS, "capulet", proxytest.Life{To: romeo, Say: 2, Pause: 500, Timeout: 2000, Patience: 3000, Until: append(want, "acknowledged message", "acknowledged message")})
			if err != nil {
				t.Fatal(out)
			}
			inOrder(t, out, want...)
			if code := p.stop(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			p.says("rule it: fired 1 of")
			if strings.HasPrefix(do, "stop") {
				p.has(t, 0, `message and dir == "CS"`)
			}
		})
	}
}
