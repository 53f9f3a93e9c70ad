//go:build !linux

package proxy

import (
	"errors"
	"net"
	"net/netip"
)

// ListenTransparent needs Linux.
func ListenTransparent(string) (net.Listener, error) {
	return nil, &hinted{errors.New("proxy: connections that a firewall leads here are understood on Linux only"), "use --listen-socks, or the client's setting for host and port"}
}

func originalTarget(net.Conn, net.Addr) (netip.AddrPort, string, error) {
	return netip.AddrPort{}, "", errors.ErrUnsupported
}
