package proxy

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"syscall"
	"time"
)

// A client with a setting for a SOCKS5 proxy (RFC 1928) says itself which server
// it wants. The conversation in front of the session is
//
//	client: the ways to authenticate     proxy: none, or name and password (RFC 1929), any of them
//	client: CONNECT host:port            proxy, when the server is reached: succeeded, or why not
//
// and is read without taking a byte of the session. Who can reach such a
// listener can connect to anywhere: only clients of this machine are served.

const socksWait = 30 * time.Second // for the whole conversation of the client

// The answers (RFC 1928 §6).
const (
	socksSucceeded    = 0x00
	socksFailure      = 0x01
	socksNotAllowed   = 0x02
	socksNoNetwork    = 0x03
	socksNoHost       = 0x04
	socksRefused      = 0x05
	socksExpired      = 0x06
	socksNoCommand    = 0x07
	socksNoSuchFamily = 0x08
)

// readSocks reads what the client asks for and answers all but that.
func readSocks(rw io.ReadWriter, kind string) (Upstream, error) {
	var b [256]byte
	var short error
	read := func(n int) []byte { // after a failed read there are zeros
		clear(b[:n])
		if short == nil {
			_, short = io.ReadFull(rw, b[:n])
		}
		return b[:n]
	}
	gone := func() (Upstream, error) {
		return Upstream{}, fmt.Errorf("the client went away before it had asked for a server: %w", short)
	}
	first := read(1)[0]
	switch {
	case short != nil:
		return gone()
	case first == 5:
	case first == 4:
		rw.Write([]byte{0, 0x5b, 0, 0, 0, 0, 0, 0})
		return Upstream{}, &hinted{errors.New("the client speaks SOCKS4, which has no host names and no IPv6"), "set it to SOCKS5"}
	case first == 'C', first == 'G', first == 'P':
		return Upstream{}, &hinted{errors.New("the client speaks HTTP to the SOCKS listener"), "set it to a SOCKS5 proxy, not to an HTTP proxy"}
	default:
		return Upstream{}, &hinted{errors.New("the client does not speak SOCKS5 to the SOCKS listener"), "is SOCKS5 set in the client, with this port? Clients without a proxy setting connect to --listen"}
	}
	if err := socksMethod(rw, read); err != nil {
		return Upstream{}, err
	}
	var host string
	h := read(4)
	version, command, family := h[0], h[1], h[3]
	switch family {
	case 1, 4:
		n := map[byte]int{1: net.IPv4len, 4: net.IPv6len}[family]
		host = net.IP(read(n)).String()
	case 3:
		host = string(read(int(read(1)[0])))
	}
	port := binary.BigEndian.Uint16(read(2))
	fail := func(code byte, text, hint string) (Upstream, error) {
		rw.Write(appendSocksReply(nil, code, nil))
		return Upstream{}, &hinted{errors.New(text), hint}
	}
	switch {
	case short != nil:
		return gone()
	case version != 5:
		return fail(socksFailure, "the client's SOCKS request is not one of version 5", "")
	case command != 1:
		return fail(socksNoCommand, fmt.Sprintf("the client asks SOCKS for %s, only CONNECT is served", map[byte]string{2: "BIND", 3: "UDP ASSOCIATE"}[command]), "file transfers through SOCKS (XEP-0065) go another way")
	case family != 1 && family != 3 && family != 4:
		return fail(socksNoSuchFamily, fmt.Sprintf("the client's SOCKS request names an address of the unknown kind %d", family), "")
	}
	up, err := ParseUpstreamOf(kind, net.JoinHostPort(host, strconv.Itoa(int(port))))
	if err != nil {
		return fail(socksFailure, fmt.Sprintf("the client asks SOCKS for %q, port %d", host, port), "")
	}
	return up, nil
}

// socksMethod agrees on how the client authenticates (RFC 1928 §3).
func socksMethod(rw io.ReadWriter, read func(int) []byte) error {
	offered := string(read(int(read(1)[0])))
	has := func(method byte) bool {
		for i := range len(offered) {
			if offered[i] == method {
				return true
			}
		}
		return false
	}
	switch {
	case has(0):
		_, err := rw.Write([]byte{5, 0})
		return err
	case has(2): // RFC 1929: any name and password are right
		if _, err := rw.Write([]byte{5, 2}); err != nil {
			return err
		}
		if v := read(1)[0]; v != 1 {
			return errors.New("the client's name and password for SOCKS are not written as RFC 1929 has it")
		}
		read(int(read(1)[0]))
		read(int(read(1)[0]))
		_, err := rw.Write([]byte{1, 0})
		return err
	}
	rw.Write([]byte{5, 0xff})
	return &hinted{errors.New("the client wants to authenticate to SOCKS in a way that is not served"), "set it to no authentication, or to name and password"}
}

// appendSocksReply writes an answer; at is where the server leg begins, nil =
// unknown.
func appendSocksReply(b []byte, code byte, at net.Addr) []byte {
	b = append(b, 5, code, 0)
	tcp, _ := at.(*net.TCPAddr)
	if tcp == nil {
		tcp = &net.TCPAddr{IP: net.IPv4zero}
	}
	if ip := tcp.IP.To4(); ip != nil {
		b = append(append(b, 1), ip...)
	} else {
		b = append(append(b, 4), tcp.IP.To16()...)
	}
	return binary.BigEndian.AppendUint16(b, uint16(tcp.Port))
}

// socksCode is the answer that tells best why there is no connection.
func socksCode(err error) byte {
	var dns *net.DNSError
	switch {
	case err == nil:
		return socksSucceeded
	case errors.Is(err, errItself):
		return socksNotAllowed
	case errors.Is(err, syscall.ECONNREFUSED):
		return socksRefused
	case errors.Is(err, syscall.ENETUNREACH):
		return socksNoNetwork
	case errors.As(err, &dns), errors.Is(err, syscall.EHOSTUNREACH):
		return socksNoHost
	case errors.Is(err, context.DeadlineExceeded):
		return socksExpired
	}
	return socksFailure
}

// arriveSocks asks the client which server it wants. The answer to it waits for
// the connection to that server.
func (c *conn) arriveSocks() (string, error) {
	nc := c.legs[0].socket.Load().conn
	tcp, ok := nc.RemoteAddr().(*net.TCPAddr)
	if !ok || !tcp.IP.IsLoopback() {
		return "", errors.New("a client of another machine wants SOCKS: only this one is served")
	}
	nc.SetDeadline(time.Now().Add(socksWait))
	up, err := readSocks(nc, c.p.Kind)
	nc.SetDeadline(time.Time{})
	if err != nil {
		return hintOf(err), err
	}
	if u, ok := c.p.Domains[up.Host]; ok {
		up = u
	}
	c.goTo(up)
	c.socks = true
	return "SOCKS5: the client asks for " + up.String(), nil
}

// answerSocks tells the client how connecting went, before it says anything.
func (c *conn) answerSocks(server net.Conn, err error) error {
	var at net.Addr
	if server != nil {
		at = server.LocalAddr()
	}
	nc := c.legs[0].socket.Load().conn
	nc.SetWriteDeadline(time.Now().Add(socksWait))
	_, failed := nc.Write(appendSocksReply(nil, socksCode(err), at))
	nc.SetWriteDeadline(time.Time{})
	return failed
}
