package proxytest

import (
	"bufio"
	"context"
	_ "embed"
	"os/exec"
	"strings"
	"testing"
)

// GoSendxmppHears logs in with go-sendxmpp and returns the first line that it
// prints with text in it, "" when none comes.
func GoSendxmppHears(t testing.TB, ca, addr, jid, password, text string, flags ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, Need(t, "go-sendxmpp", "go-sendxmpp"), append(flags, "-l", "-u", jid, "-p", password, "-j", addr)...)
	cmd.Env = environ(t, ca)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// It listens until it is stopped.
	defer cmd.Wait()
	defer cancel()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), text) {
			return lines.Text()
		}
	}
	return ""
}

//go:embed xmpp.mjs
var xmppJS []byte

// XMPPJS runs a client made with @xmpp/client: it logs in at the service (an
// address with its scheme), sends text, waits for a message, and logs out. It
// returns what it printed: a line "got …".
func XMPPJS(t testing.TB, ca, service, jid, password, to, text string) (string, error) {
	t.Helper()
	return Node(t, ca, xmppJS, []string{"@xmpp/client", "ws"}, service, jid, password, to, text)
}
