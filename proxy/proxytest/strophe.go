package proxytest

import (
	_ "embed"
	"os"
	"path/filepath"
	"testing"
)

//go:embed strophe.mjs
var strophe []byte

// Strophe runs strophe.js in Node.js at the URL of a BOSH endpoint: it logs in,
// sends text to its own address if there is any, waits for a message and logs
// out. It returns what it printed, "online …" and "got …" among it.
func Strophe(t testing.TB, ca, service, jid, password, text string) (string, error) {
	t.Helper()
	return Node(t, ca, strophe, []string{"strophe.js", "jsdom"}, service, jid, password, text)
}

//go:embed strophe.html
var strophePage []byte

// InstallStrophe puts a page with strophe.js, strophe.html, into a directory that
// a server shows. Its query says where to log in, and what to say to itself; what
// happens stands in the page.
func InstallStrophe(t testing.TB, dir string) {
	t.Helper()
	lib, err := os.ReadFile(filepath.Join(NodeModules(t, "strophe.js"), "strophe.js", "dist", "strophe.umd.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"strophe.html": strophePage, "strophe.umd.min.js": lib} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
