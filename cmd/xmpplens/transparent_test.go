//go:build linux

package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

// Real clients that know nothing of the proxy, led to it by the rule that the
// help has: by group here, because the test's user has everything that it needs.
func TestTransparentClients(t *testing.T) {
	const lens = 60000
	if !proxytest.InNetwork(t,
		"nft add table inet xmpplens",
		"nft 'add chain inet xmpplens out { type nat hook output priority -100; }'",
	) {
		return
	}
	ca, server := prosody(t)
	lead := func(addr string) {
		port := addr[strings.LastIndexByte(addr, ':')+1:]
		proxytest.Run(t, "nft", "add", "rule", "inet", "xmpplens", "out", "meta", "skgid", "!=", fmt.Sprint(lens), "tcp", "dport", port, "redirect", "to", ":15222")
	}
	p := startProxyAs(t, &syscall.SysProcAttr{Credential: &syscall.Credential{Gid: lens}}, "--transparent", "-l", "127.0.0.1:15222", "--server-ca", ca.File)
	lead(server.Addr)
	lead(server.Direct)
	proxytest.GoSendxmpp(t, p.ca, server.Addr, "juliet@localhost", "capulet", "romeo@localhost", "art thou there?")
	out, err := proxytest.Slixmpp(t, p.ca, server.Direct, "romeo@localhost/orchard", "montague", "--direct", "--expect=1")
	if err != nil || !strings.Contains(out, "got art thou there?") {
		t.Errorf("%v: %s", err, out)
	}
	p.stop()
	s := p.show("--format=line")
	for _, want := range []string{"the client wanted to go to " + server.Addr + " (redirected)", "the client wanted to go to " + server.Direct + " (redirected)", "connection 2 (c2s)"} {
		if !strings.Contains(s, want) {
			t.Errorf("the recording lacks %q:\n%s", want, s)
		}
	}
}
