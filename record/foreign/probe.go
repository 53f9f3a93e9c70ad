package foreign

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
)

// This file tells by its first bytes what a connection carries.

type carries uint8

const (
	unsure  carries = iota // more bytes are needed
	xmpp                   // a stream
	secured                // TLS
	web                    // HTTP
	other                  // something else
)

// enough is how many bytes tell for sure that it is not XMPP.
const enough = 4 << 10

// looksLike judges the first bytes of one direction; expected says that XMPP is on
// that port.
func looksLike(b []byte, expected bool) carries {
	t := bytes.TrimLeft(b, " \t\r\n")
	switch {
	case len(t) == 0:
		if len(b) > enough {
			return other
		}
		return unsure
	case t[0] >= 0x14 && t[0] <= 0x17:
		if len(t) < 3 {
			return unsure
		}
		if t[1] == 3 && t[2] <= 4 {
			return secured
		}
		return other
	}
	for _, m := range methods {
		if bytes.HasPrefix(t, m) {
			return web
		}
		if bytes.HasPrefix(m, t) {
			return unsure
		}
	}
	if expected {
		return xmpp
	}
	head := b[:min(len(b), enough)]
	for _, sign := range signs {
		if bytes.Contains(head, sign) {
			return xmpp
		}
	}
	if t[0] != '<' || len(b) >= enough {
		return other
	}
	return unsure
}

var methods = [][]byte{[]byte("GET "), []byte("POST "), []byte("OPTIONS "), []byte("HEAD "), []byte("PUT "), []byte("HTTP/1."), []byte("PRI * HTTP/2")}

// signs stand in XMPP and hardly anywhere else.
var signs = [][]byte{[]byte("http://etherx.jabber.org/streams"), []byte("jabber:"), []byte("urn:ietf:params:xml:ns:xmpp-"), []byte("urn:xmpp:"),
	[]byte("<stream:"), []byte("<iq "), []byte("<presence"), []byte("<message ")}

// answers reports whether the bytes are what a server says first.
func answers(b []byte) bool {
	t := bytes.TrimLeft(b, " \t\r\n")
	return bytes.HasPrefix(t, []byte("HTTP/1.")) || bytes.HasPrefix(t, []byte("<stream:features")) || bytes.HasPrefix(t, []byte("<stream:error")) ||
		len(t) > 5 && t[0] == 0x16 && t[1] == 3 && t[5] == 2 // ServerHello
}

// helloALPN returns the protocols that a ClientHello offers (RFC 7301), and
// whether it is there as a whole. What is no ClientHello offers none.
func helloALPN(b []byte) (protocols []string, whole bool) {
	var hello []byte // out of the records
	for {
		if len(b) == 0 || len(b) < 5 {
			return nil, false
		}
		if b[0] != 0x16 {
			return nil, true
		}
		n := int(binary.BigEndian.Uint16(b[3:]))
		if len(b) < 5+n {
			return nil, false
		}
		hello = append(hello, b[5:5+n]...)
		b = b[5+n:]
		if len(hello) >= 4 {
			if hello[0] != 1 {
				return nil, true
			}
			if size := int(hello[1])<<16 | int(hello[2])<<8 | int(hello[3]); len(hello) >= 4+size {
				return alpnOf(hello[4 : 4+size]), true
			}
		}
		if len(hello) > 64<<10 {
			return nil, true
		}
	}
}

// alpnOf reads the body of a ClientHello (RFC 8446 §4.1.2).
func alpnOf(b []byte) (protocols []string) {
	skip := func(lengthBytes int) bool {
		if len(b) < lengthBytes {
			return false
		}
		n := int(b[0])
		if lengthBytes == 2 {
			n = int(binary.BigEndian.Uint16(b))
		}
		if len(b) < lengthBytes+n {
			return false
		}
		b = b[lengthBytes+n:]
		return true
	}
	if len(b) < 34 {
		return nil
	}
	b = b[34:]                                          // version and random
	if !skip(1) || !skip(2) || !skip(1) || len(b) < 2 { // session, suites, compression
		return nil
	}
	b = b[2:]
	for len(b) >= 4 {
		kind, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if len(b) < 4+n {
			return nil
		}
		v := b[4 : 4+n]
		b = b[4+n:]
		if kind != 16 || len(v) < 2 {
			continue
		}
		for v = v[2:]; len(v) > 0 && len(v) > int(v[0]); v = v[1+int(v[0]):] {
			protocols = append(protocols, string(v[1:1+int(v[0])]))
		}
		return protocols
	}
	return nil
}

func baseName(path string) string { return filepath.Base(path) }
