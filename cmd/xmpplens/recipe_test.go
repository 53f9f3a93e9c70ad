package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

// checked runs xmpplens check on the recording and returns its exit code.
func (p *program) checked(t *testing.T, args ...string) (string, int) {
	t.Helper()
	out, err := xmpplens(t, append([]string{"check", p.file}, args...)...).CombinedOutput()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return string(out), exit.ExitCode()
	case err != nil:
		t.Fatal(err)
	}
	return string(out), 0
}

// The README's recipe for CI: a rule answers with an error and notes what is expected
// of the client. Check is content with one that goes on, and not with one that gives up.
func TestRecipeErrorInCI(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "no-roster.yaml")
	rules := "rules:\n  - name: no roster\n    when: dir == \"CS\" and iq and roster\n    do:\n      - note: 'expect later within 5s: dir == \"CS\" and presence'\n      - answer: service-unavailable\n"
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, givesUp := range []bool{false, true} {
		_, _, p := play(t, "--no-web", "--rules="+file)
		if out, err := proxytest.SlixmppLives(t, p.ca, p.addr, romeo+"/orchard", "montague", proxytest.Life{Strict: givesUp, Until: []string{"no roster: IqError"}}); err != nil {
			t.Fatal(out)
		}
		p.stop()
		out, code := p.checked(t)
		if givesUp != strings.Contains(out, `"expect later within 5s: dir == \"CS\" and presence": nothing of the kind came`) || givesUp != (code == 3) {
			t.Errorf("gives up %v: exit code %d\n%s", givesUp, code, out)
		}
	}
}

// The README's recipe for resumption: what was not acknowledged comes again, once.
func TestRecipeResumption(t *testing.T) {
	t.Parallel()
	ca, server, p := play(t, "--rule", `cut rst after 2 limit 1 if dir == "CS" and message`)
	heard := hears(t, ca.File, server.Addr, 5)
	out, err := proxytest.XMPPJSLives(t, p.ca, "xmpp://"+p.addr, julietJS, "capulet", proxytest.Life{To: romeo, Say: 5, Until: []string{"resumed", "acknowledged message 5"}})
	if err != nil {
		t.Fatal(out)
	}
	s := heard()
	inOrder(t, s, "got message 1", "got message 2", "got message 3", "got message 4", "got message 5")
	if n := strings.Count(s, "got message"); n != 5 {
		t.Errorf("%d messages arrived:\n%s", n, s)
	}
	p.stop()
	shown := p.show("--format=line", "-f", `sm and not (name in ["r", "a"])`)
	inOrder(t, shown, "enable", "resume", "resumed")
	if out, code := p.checked(t); code != 0 && strings.Contains(out, "sm-") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}
