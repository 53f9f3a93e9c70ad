package proxytest

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

//go:embed nbx.py
var nbx []byte

// Nbxmpp runs a client of nbxmpp, Gajim's library, that goes to addr by the SOCKS5
// proxy at socks ("" = straight), and returns what it printed: "online" and its
// address, then "pong" or "got …". Flags: --direct for direct TLS, --auth for a
// name and password for the proxy, --to and --say to send a message and wait for
// one.
func Nbxmpp(t testing.TB, jid, password, addr, socks string, flags ...string) (string, error) {
	t.Helper()
	const python = "/usr/bin/python3"
	if exec.Command(python, "-c", "import nbxmpp.client").Run() != nil {
		Missing(t, "needs nbxmpp: apt-get install python3-nbxmpp glib-networking")
	}
	script := filepath.Join(t.TempDir(), "client.py")
	if err := os.WriteFile(script, nbx, 0o600); err != nil {
		t.Fatal(err)
	}
	return run(t, "", "", python, append([]string{script, jid, password, addr, socks}, flags...)...)
}
