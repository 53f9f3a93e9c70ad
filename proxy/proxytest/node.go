package proxytest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// npmPackages are what tests in Node.js and in the browser are made of, as
// .ci/run installs them.
const npmPackages = "@xmpp/client@0.14 ws@8 strophe.js@5 @xmldom/xmldom@0.9 jsdom@29 axe-core@4"

// NodeModules returns the directory of the npm packages, in which all of those
// named are, or skips the test. It is $XMPPLENS_NODE_MODULES, or else
// xmpplens/node_modules in the user's directory for caches.
func NodeModules(t testing.TB, packages ...string) string {
	t.Helper()
	dir := os.Getenv("XMPPLENS_NODE_MODULES")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		dir = filepath.Join(cache, "xmpplens", "node_modules")
	}
	for _, p := range packages {
		if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(p), "package.json")); err != nil {
			Missing(t, "needs "+p+" in "+dir+": npm install --prefix "+filepath.Dir(dir)+" "+npmPackages)
		}
	}
	return dir
}

// Node runs an ES module in Node.js, with the packages that it imports at hand,
// and returns what it printed. Besides the public authorities it trusts those in
// the file ca; "" is none.
func Node(t testing.TB, ca string, code []byte, packages []string, args ...string) (string, error) {
	t.Helper()
	node := Need(t, "node", "nodejs npm")
	dir := t.TempDir()
	if err := os.Symlink(NodeModules(t, packages...), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "client.mjs")
	if err := os.WriteFile(script, code, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, append([]string{script}, args...)...)
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "NODE_EXTRA_CA_CERTS=") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	if ca != "" {
		cmd.Env = append(cmd.Env, "NODE_EXTRA_CA_CERTS="+ca)
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}
