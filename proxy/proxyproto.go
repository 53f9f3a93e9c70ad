package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// The PROXY protocol (haproxy's proxy-protocol.txt) tells a server behind a
// balancer who the client is, in a header in front of everything else: a line
// of text (version 1) or a binary block (version 2). The proxy reads it from
// clients when it is told to expect it, and writes it to the server on request.

// ProxyV1 and ProxyV2 are the versions, for Proxy.SendProxyProtocol.
const (
	ProxyV1 = 1
	ProxyV2 = 2
)

const (
	proxyHeaderWait = 10 * time.Second // for the whole header
	proxyV1Max      = 107              // bytes, with the line end (§2.1)
	// proxyShortest is the length of the shortest header of version 1,
	// "PROXY UNKNOWN\r\n", and less than any of version 2: what can be read
	// without taking a byte of the session.
	proxyShortest = 15
)

var (
	proxyV1Start = []byte("PROXY ")
	proxyV2Start = []byte("\r\n\r\n\x00\r\nQUIT\n")
)

// A proxyHeader is what such a header says.
type proxyHeader struct {
	version  int
	src, dst netip.AddrPort // not valid when the balancer speaks for itself, or of something else than TCP
}

// errNoProxyHeader says that a client did not begin with a header.
var errNoProxyHeader = errors.New("the client did not begin with a header of the PROXY protocol, which --proxy-protocol demands")

func badProxyHeader(why string) error {
	return fmt.Errorf("the header of the PROXY protocol is wrong: %s", why)
}

// readProxyHeader reads a header and not one byte more.
func readProxyHeader(r io.Reader) (proxyHeader, error) {
	b := make([]byte, proxyShortest, proxyV1Max)
	for n := 0; n < len(b); {
		m, err := r.Read(b[n:])
		n += m
		if !startsWith(b[:n], proxyV1Start) && !startsWith(b[:n], proxyV2Start) {
			return proxyHeader{}, errNoProxyHeader
		}
		if err != nil && n < len(b) {
			return proxyHeader{}, err
		}
	}
	if bytes.HasPrefix(b, proxyV2Start) {
		return readProxyV2(b, r)
	}
	for b[len(b)-1] != '\n' {
		if len(b) == proxyV1Max {
			return proxyHeader{}, badProxyHeader("its line is too long")
		}
		b = b[:len(b)+1]
		if _, err := io.ReadFull(r, b[len(b)-1:]); err != nil {
			return proxyHeader{}, err
		}
	}
	return parseProxyV1(string(b))
}

// startsWith reports whether b and start are the same as far as both go.
func startsWith(b, start []byte) bool {
	n := min(len(b), len(start))
	return bytes.Equal(b[:n], start[:n])
}

// parseProxyV1 reads "PROXY TCP4 192.0.2.1 192.0.2.2 40122 5222\r\n".
func parseProxyV1(line string) (proxyHeader, error) {
	h := proxyHeader{version: ProxyV1}
	text, ok := strings.CutSuffix(line, "\r\n")
	if !ok {
		return h, badProxyHeader("its line does not end with CR and LF")
	}
	f := strings.Split(text, " ")
	if len(f) >= 2 && f[1] == "UNKNOWN" {
		return h, nil
	}
	if len(f) != 6 || f[1] != "TCP4" && f[1] != "TCP6" {
		return h, badProxyHeader(strconv.Quote(text))
	}
	for i, at := range []*netip.AddrPort{&h.src, &h.dst} {
		ip, err := netip.ParseAddr(f[2+i])
		port, err2 := strconv.ParseUint(f[4+i], 10, 16)
		if err != nil || err2 != nil || ip.Zone() != "" || ip.Is4() != (f[1] == "TCP4") {
			return proxyHeader{version: ProxyV1}, badProxyHeader(strconv.Quote(text))
		}
		*at = netip.AddrPortFrom(ip, uint16(port))
	}
	return h, nil
}

// readProxyV2 reads what follows the first bytes of a binary header.
func readProxyV2(start []byte, r io.Reader) (proxyHeader, error) {
	h := proxyHeader{version: ProxyV2}
	start = append([]byte(nil), start...)
	start = append(start, 0)
	if _, err := io.ReadFull(r, start[len(start)-1:]); err != nil {
		return h, err
	}
	rest := make([]byte, binary.BigEndian.Uint16(start[14:]))
	if _, err := io.ReadFull(r, rest); err != nil {
		return h, err
	}
	command, family := start[12], start[13]
	size := map[byte]int{0x11: 4, 0x21: 16}[family] // TCP over IPv4, over IPv6
	switch {
	case command == 0x20: // LOCAL: the balancer speaks for itself
		return h, nil
	case command != 0x21:
		return h, badProxyHeader(fmt.Sprintf("version and command are %#x", command))
	case family&0x0f == 2:
		return h, badProxyHeader("it is about UDP")
	case size == 0: // unspecified or a Unix socket
		return h, nil
	case len(rest) < 2*size+4:
		return h, badProxyHeader("its addresses are too short")
	}
	for i, at := range []*netip.AddrPort{&h.src, &h.dst} {
		ip, _ := netip.AddrFromSlice(rest[i*size : (i+1)*size])
		*at = netip.AddrPortFrom(ip, binary.BigEndian.Uint16(rest[2*size+2*i:]))
	}
	return h, nil // extensions (TLVs) are left out
}

// appendProxyHeader writes a header. Without addresses it says that nothing is
// known.
func appendProxyHeader(b []byte, version int, src, dst netip.AddrPort) []byte {
	known := src.IsValid() && dst.IsValid()
	s, d := src.Addr().Unmap().WithZone(""), dst.Addr().Unmap().WithZone("")
	if known && s.Is4() != d.Is4() { // one family for both
		s, d = netip.AddrFrom16(s.As16()), netip.AddrFrom16(d.As16())
	}
	if version == ProxyV1 {
		family := "TCP6"
		switch {
		case !known:
			return append(b, "PROXY UNKNOWN\r\n"...)
		case s.Is4():
			family = "TCP4"
		}
		return fmt.Appendf(b, "PROXY %s %s %s %d %d\r\n", family, s, d, src.Port(), dst.Port())
	}
	b = append(b, proxyV2Start...)
	if !known {
		return append(b, 0x21, 0, 0, 0) // PROXY, unspecified, no addresses
	}
	family := byte(0x21)
	if s.Is4() {
		family = 0x11
	}
	b = append(b, 0x21, family)
	b = binary.BigEndian.AppendUint16(b, uint16(2*s.BitLen()/8+4))
	b = append(append(b, s.AsSlice()...), d.AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, src.Port())
	return binary.BigEndian.AppendUint16(b, dst.Port())
}

// An arrived is a client's connection under the addresses that are meant: those
// that a balancer told.
type arrived struct {
	*net.TCPConn
	remote, local net.Addr
}

func (a *arrived) RemoteAddr() net.Addr { return a.remote }
func (a *arrived) LocalAddr() net.Addr  { return a.local }

// takeProxyHeader reads the header that a balancer sends in front of a client,
// and returns the connection as the client's, with a note on who brought it.
func takeProxyHeader(nc net.Conn) (net.Conn, string, error) {
	nc.SetReadDeadline(time.Now().Add(proxyHeaderWait))
	h, err := readProxyHeader(nc)
	nc.SetReadDeadline(time.Time{})
	if err != nil {
		if isEOF(err) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the connection was closed before the header of the PROXY protocol was complete")
		}
		return nil, "", &hinted{err, "does the balancer send it (send-proxy in haproxy, proxy_protocol on in nginx)? Clients that connect directly need a listener without --proxy-protocol"}
	}
	note := fmt.Sprintf("PROXY protocol, version %d, from %s", h.version, nc.RemoteAddr())
	tcp, ok := nc.(*net.TCPConn)
	if !h.src.IsValid() || !ok {
		return nc, note + ": no address of the client", nil
	}
	note += fmt.Sprintf(": the client connected to %s", h.dst)
	return &arrived{tcp, net.TCPAddrFromAddrPort(h.src), net.TCPAddrFromAddrPort(h.dst)}, note, nil
}

// sendProxyHeader tells the server who the client is.
func (c *conn) sendProxyHeader(server net.Conn) error {
	var ends [2]netip.AddrPort
	client := c.legs[0].socket.Load().conn
	for i, a := range []net.Addr{client.RemoteAddr(), client.LocalAddr()} {
		if tcp, ok := a.(*net.TCPAddr); ok {
			ends[i] = tcp.AddrPort()
		}
	}
	server.SetWriteDeadline(time.Now().Add(proxyHeaderWait))
	_, err := server.Write(appendProxyHeader(nil, c.p.SendProxyProtocol, ends[0], ends[1]))
	server.SetWriteDeadline(time.Time{})
	if err != nil {
		return &hinted{fmt.Errorf("proxy: tell the server who the client is: %w", err), "does the server expect the PROXY protocol there?"}
	}
	return nil
}
