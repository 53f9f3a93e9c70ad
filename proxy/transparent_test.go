//go:build linux

package proxy

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
	"github.com/xmpplens/xmpplens/record"
)

// Everything that a firewall can do to lead connections here, over IPv4 and IPv6.
// The clients are those with the addresses that end in 9.
func TestTransparent(t *testing.T) {
	if !proxytest.InNetwork(t,
		"ip addr add 192.0.2.1/32 dev lo; ip addr add 192.0.2.9/32 dev lo",
		"ip addr add 2001:db8::1/128 dev lo; ip addr add 2001:db8::9/128 dev lo",
		"nft add table inet xmpplens",
		"nft 'add chain inet xmpplens out { type nat hook output priority -100; }'",
		"nft add rule inet xmpplens out ip saddr 192.0.2.9 tcp dport 5222 redirect to :15222",
		"nft add rule inet xmpplens out ip6 saddr 2001:db8::9 tcp dport 5222 redirect to :15222",
		// TPROXY works on what arrives: what this machine sends is marked, and routed to arrive.
		"ip rule add fwmark 1 lookup 100; ip route add local default dev lo table 100",
		"ip -6 rule add fwmark 1 lookup 100; ip -6 route add local default dev lo table 100",
		"nft 'add chain inet xmpplens route { type route hook output priority mangle; }'",
		"nft add rule inet xmpplens route tcp dport 5223 ip saddr 192.0.2.9 meta mark set 1",
		"nft add rule inet xmpplens route tcp dport 5223 ip6 saddr 2001:db8::9 meta mark set 1",
		"nft 'add chain inet xmpplens pre { type filter hook prerouting priority mangle; }'",
		"nft add rule inet xmpplens pre meta mark 1 tcp dport 5223 tproxy ip to 127.0.0.1:15222 accept",
		"nft add rule inet xmpplens pre meta mark 1 tcp dport 5223 tproxy ip6 to [::1]:15222 accept",
	) {
		return
	}
	servers := make(map[string]net.Listener)
	for _, addr := range []string{"192.0.2.1:5222", "192.0.2.1:5223", "[2001:db8::1]:5222", "[2001:db8::1]:5223", "127.0.0.1:5333"} {
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		servers[addr] = ln
	}
	for _, listen := range [][]string{{"127.0.0.1:15222", "[::1]:15222"}, {"[::]:15222"}} {
		log, err := record.CreateTemp(record.Options{})
		if err != nil {
			t.Fatal(err)
		}
		p := &Proxy{Log: log, Transparent: true, Upstream: Upstream{Host: "127.0.0.1", Port: 5333}}
		var listeners []net.Listener
		for _, addr := range listen {
			ln, err := ListenTransparent(addr)
			if err != nil {
				t.Fatal(err)
			}
			listeners = append(listeners, ln)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Serve(ctx, listeners...) }() // ends with ctx
		for _, c := range []struct{ from, to, server string }{
			{"192.0.2.9", "192.0.2.1:5222", "192.0.2.1:5222"},
			{"2001:db8::9", "[2001:db8::1]:5222", "[2001:db8::1]:5222"},
			{"192.0.2.9", "192.0.2.1:5223", "192.0.2.1:5223"},
			{"2001:db8::9", "[2001:db8::1]:5223", "[2001:db8::1]:5223"},
			{"127.0.0.1", "127.0.0.1:15222", "127.0.0.1:5333"}, // not led here
		} {
			d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(c.from), 0)), Timeout: 5 * time.Second}
			nc, err := d.Dial("tcp", c.to)
			if err != nil {
				t.Errorf("%v: %v", c, err)
				continue
			}
			io.WriteString(nc, "<stream")
			ln := servers[c.server].(*net.TCPListener)
			ln.SetDeadline(time.Now().Add(5 * time.Second))
			s, err := ln.Accept()
			if err != nil {
				t.Errorf("%v, listening on %v: %v", c, listen, err)
				nc.Close()
				continue
			}
			if s.RemoteAddr().String() == nc.LocalAddr().String() {
				t.Errorf("%v: the client escaped", c)
			}
			nc.(*net.TCPConn).CloseWrite()
			if b, err := io.ReadAll(s); err != nil || string(b) != "<stream" {
				t.Errorf("%v: the server heard %q, %v", c, b, err)
			}
			s.Close()
			nc.Close()
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		text := notesOf(t, log)
		for _, want := range []string{"wanted to go to 192.0.2.1:5222 (redirected)", "wanted to go to [2001:db8::1]:5222 (redirected)",
			"wanted to go to 192.0.2.1:5223 (TPROXY)", "wanted to go to [2001:db8::1]:5223 (TPROXY)", "connected to the proxy itself: it goes to 127.0.0.1:5333"} {
			if !strings.Contains(text, want) {
				t.Errorf("the recording lacks %q:\n%s", want, text)
			}
		}
	}
}

// A rule that leaves nobody out leads the proxy to itself: it notices.
func TestTransparentLoop(t *testing.T) {
	if !proxytest.InNetwork(t,
		"ip addr add 192.0.2.1/32 dev lo",
		"nft add table inet xmpplens",
		"nft 'add chain inet xmpplens out { type nat hook output priority -100; }'",
		"nft add rule inet xmpplens out tcp dport 5222 redirect to :15222",
	) {
		return
	}
	log, err := record.CreateTemp(record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Log: log, Transparent: true, Upstream: Upstream{Any: true}}
	ln, err := ListenTransparent("127.0.0.1:15222")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Serve(ctx, ln) }() // ends with ctx
	nc, err := net.Dial("tcp", "192.0.2.1:5222")
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(nc, "<stream")
	if b, err := io.ReadAll(nc); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the loop does not end: %q, %v", b, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	text := notesOf(t, log)
	if !strings.Contains(text, "was led back to the proxy") || strings.Count(text, "wanted to go to") != 1 {
		t.Errorf("nobody says why, or late:\n%s", text)
	}
}

// notesOf closes a log and returns its notes.
func notesOf(t *testing.T, log *record.Log) string {
	t.Helper()
	r := log.Reader()
	defer r.Close()
	log.Close()
	var s strings.Builder
	for {
		ev, err := r.Next(t.Context())
		if err != nil {
			return s.String()
		}
		if ev.E == record.EventNote {
			s.WriteString(ev.Text + "\n")
		}
	}
}
