package proxy

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"unsafe"
)

const (
	soOriginalDst   = 80 // SO_ORIGINAL_DST, and IP6T_SO_ORIGINAL_DST of IPv6
	ipTransparent   = 19 // IP_TRANSPARENT
	ipv6Transparent = 75 // IPV6_TRANSPARENT
)

// ListenTransparent opens a listener for connections that a firewall leads here.
// For TPROXY it needs CAP_NET_ADMIN; for a redirection it does not, so that the
// lack of it is no error.
func ListenTransparent(addr string) (net.Listener, error) {
	lc := net.ListenConfig{Control: func(network, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) {
			syscall.SetsockoptInt(int(fd), syscall.SOL_IP, ipTransparent, 1)
			if network != "tcp4" {
				syscall.SetsockoptInt(int(fd), syscall.SOL_IPV6, ipv6Transparent, 1)
			}
		})
	}}
	return lc.Listen(context.Background(), "tcp", addr)
}

// originalTarget returns where a connection was to go before it was led to the
// listener, and by what; "" when it was not led here.
func originalTarget(nc net.Conn, listener net.Addr) (to netip.AddrPort, how string, err error) {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return to, "", errors.New("it is no TCP connection")
	}
	local := tcp.LocalAddr().(*net.TCPAddr).AddrPort()
	local = netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
	if !isAt(local, listener) {
		return local, "TPROXY", nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return to, "", err
	}
	var errno error
	if err := raw.Control(func(fd uintptr) { to, errno = originalDst(int(fd), local.Addr().Is4()) }); err != nil {
		return to, "", err
	}
	// Without a translation the kernel knows of none, or knows the address
	// that the connection has.
	if errno != nil || to == local {
		return to, "", nil
	}
	return to, "redirected", nil
}

// originalDst asks for SO_ORIGINAL_DST. The standard library has no call that
// reads any option; two of those that it has return as many bytes.
func originalDst(fd int, four bool) (netip.AddrPort, error) {
	if four {
		// A sockaddr_in: family, port, address.
		v, err := syscall.GetsockoptIPv6Mreq(fd, syscall.SOL_IP, soOriginalDst)
		if err != nil {
			return netip.AddrPort{}, err
		}
		b := v.Multiaddr
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), binary.BigEndian.Uint16(b[2:4])), nil
	}
	v, err := syscall.GetsockoptIPv6MTUInfo(fd, syscall.SOL_IPV6, soOriginalDst)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port := (*[2]byte)(unsafe.Pointer(&v.Addr.Port)) // in network order
	return netip.AddrPortFrom(netip.AddrFrom16(v.Addr.Addr), binary.BigEndian.Uint16(port[:])), nil
}
