package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

// Rules of the command line, of a file and a script are armed together; the file and
// the script are read again when they change, and what has mistakes changes nothing.
func TestArmed(t *testing.T) {
	dir := t.TempDir()
	rules, script := filepath.Join(dir, "r.yaml"), filepath.Join(dir, "s.star")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	write(rules, "rules:\n- name: first\n  when: message and body == \"message 1\" and dir == \"SC\"\n  do: {edit: [{set: //body, to: \"one of ${from.bare}\"}]}\n")
	write(script, "def on_stanza(s):\n  if s.kind == 'message' and s.get('//body') == 'message 2':\n    s.set('//body', 'two')\n    log('seen', s.id)\n")
	_, _, p := play(t, "--rules", rules, "--script", script, "--rule", `answer service-unavailable name "no roster" if dir == "CS" and iq and roster`)
	p.says("armed: 1 rule of the command line, 1 rule in r.yaml, script s.star")
	live := func(until ...string) string {
		t.Helper()
		out, err := proxytest.SlixmppLives(t, p.ca, p.addr, romeo+"/orchard", "montague", proxytest.Life{To: romeo + "/orchard", Say: 2, Until: until})
		if err != nil {
			t.Fatal(out)
		}
		return out
	}
	inOrder(t, live("no roster: IqError"), "got 22 one of romeo@localhost", "got 3 two")
	p.wait("seen message-2", p.out.String)

	write(rules, "rules:\n- when: message\n  do: dorp\n")
	p.says("r.yaml:3:7: unknown action \"dorp\" (did you mean drop?)")
	write(script, "def on_stanza(s):\n  x(\n")
	p.says("s.star:3:1: got outdent")
	inOrder(t, live("got 3 two"), "got 22 one of romeo@localhost", "got 3 two")

	write(rules, "rules:\n- name: first\n  when: message and body == \"message 1\" and dir == \"SC\"\n  do: {edit: [{set: //body, to: uno}]}\n")
	p.says("read again: " + rules)
	write(script, "def on_stanza(s):\n  if s.kind == 'message' and s.get('//body') == 'message 2':\n    s.nonsense\n")
	p.says("read again: " + script)
	inOrder(t, live("got 9 message 2"), "got 3 uno", "got 9 message 2")
	p.wait("s.star:3:6: stanza has no .nonsense field or method", p.out.String)
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	p.says("rule no roster: fired 3 of 3 times")
}

// Everything that is wrong is told at once.
func TestArmedMistakes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.yaml")
	if err := os.WriteFile(file, []byte("rules:\n- when: iq and\n  do: dorp\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := xmpplens(t, "proxy", "--rules", file, "--rule", "drpo if iq", "--scenario", "lost-ack", "--pause", "typ == 1", "--script", "/nowhere.star", "example.org").CombinedOutput()
	if err == nil {
		t.Error("it runs")
	}
	for _, want := range []string{"r.yaml:2:", `r.yaml:3:7: unknown action "dorp"`, `unknown action "drpo" (did you mean drop?)`, "did you mean lost-acks?", "--pause: ", "nowhere.star"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

// With nothing asked for nothing is armed.
func TestNothingArmed(t *testing.T) {
	_, server := prosody(t)
	p := startProxy(t, server.Addr)
	p.stop()
	if strings.Contains(p.err.String(), "armed") {
		t.Error(p.err.String())
	}
}

// A client hears a fatal TLS alert, and resumes.
func TestCutWithAlert(t *testing.T) {
	t.Parallel()
	ca, server, p := play(t, "--rule", `cut tls-alert limit 1 if dir == "CS" and message`)
	heard := hears(t, ca.File, server.Addr, 1)
	out, err := proxytest.XMPPJSLives(t, p.ca, "xmpp://"+p.addr, julietJS, "capulet", proxytest.Life{To: romeo, Say: 1, Until: []string{"resumed", "acknowledged message 1"}})
	if err != nil {
		t.Fatal(out)
	}
	inOrder(t, out, "managed", "ALERT_BAD_RECORD_MAC", "disconnected", "resumed", "acknowledged message 1")
	if s := heard(); strings.Count(s, "got message 1") != 1 {
		t.Errorf("romeo: %s", s)
	}
}
