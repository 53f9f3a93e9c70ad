package proxytest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Haproxy starts a balancer in front of addr that says with the PROXY protocol,
// version 1 or 2, who its clients are, and returns its address.
func Haproxy(t testing.TB, addr string, version int) string {
	t.Helper()
	haproxy := Need(t, "haproxy", "haproxy")
	send := "send-proxy"
	if version == 2 {
		send = "send-proxy-v2"
	}
	front := fmt.Sprintf("127.0.0.1:%d", Port(t))
	config := filepath.Join(t.TempDir(), "haproxy.cfg")
	text := fmt.Sprintf(`global
  maxconn 100
defaults
  mode tcp
  timeout connect 10s
  timeout client 60s
  timeout server 60s
listen xmpp
  bind %s
  server lens %s %s
`, front, addr, send)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, exec.Command(haproxy, "-f", config, "-db"), os.DevNull)
	WaitFor(t, front)
	return front
}
