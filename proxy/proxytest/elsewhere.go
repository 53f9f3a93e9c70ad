package proxytest

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

//go:embed mod_elsewhere.lua
var elsewhere []byte

// elsewhere puts the module into dir and returns what its use says in the
// configuration.
func (p *Prosody) installElsewhere(t testing.TB, dir string) string {
	t.Helper()
	p.elsewhere = filepath.Join(dir, "elsewhere")
	if err := os.WriteFile(filepath.Join(dir, "mod_elsewhere.lua"), elsewhere, 0o600); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("plugin_paths = { %q }  elsewhere_file = %q\n", dir, p.elsewhere)
}

// SendElsewhere makes the server send clients to addr from now on: with a
// stream error when they bind a resource (how is "error"), or with the location
// of stream management ("location").
func (p *Prosody) SendElsewhere(t testing.TB, how, addr string) {
	t.Helper()
	if err := os.WriteFile(p.elsewhere, []byte(how+" "+addr+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}
