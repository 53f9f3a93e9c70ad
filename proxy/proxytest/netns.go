package proxytest

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// InNetwork runs the test that calls it in a network of its own (a network
// namespace), where it may change addresses and firewall: as a second process,
// in which InNetwork returns true. The commands, of ip and nft, are run there
// first. Linux only; needs root.
func InNetwork(t *testing.T, commands ...string) bool {
	t.Helper()
	const inside = "XMPPLENS_TEST_NETWORK"
	if os.Getenv(inside) == t.Name() {
		for _, c := range append([]string{"ip link set lo up"}, commands...) {
			if out, err := exec.Command("sh", "-c", c).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", c, err, out)
			}
		}
		return true
	}
	unshare := Need(t, "unshare", "util-linux")
	Need(t, "ip", "iproute2")
	Need(t, "nft", "nftables")
	if exec.Command(unshare, "-n", "nft", "add", "table", "inet", "xmpplens").Run() != nil {
		Missing(t, "needs root, a network namespace and nftables in the kernel")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(unshare, "-n", self, "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=120s")
	cmd.Env = append(os.Environ(), inside+"="+t.Name())
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("in a network of its own: %v\n%s", err, out)
	}
	return false
}

// Run runs a command that must succeed.
func Run(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
}
