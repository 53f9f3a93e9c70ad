package proxytest

import (
	"bufio"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	nsStreams = "http://etherx.jabber.org/streams"
	nsTLS     = "urn:ietf:params:xml:ns:xmpp-tls"
	nsSASL    = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsSASL2   = "urn:xmpp:sasl:2"
	nsBind    = "urn:ietf:params:xml:ns:xmpp-bind"
	nsBind2   = "urn:xmpp:bind:0"
	nsSM      = "urn:xmpp:sm:3"
	nsFAST    = "urn:xmpp:fast:0"
	nsBinding = "urn:xmpp:sasl-cb:0"
)

// An Element is a first-level element of a stream, or a part of one.
type Element struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Text    string     `xml:",chardata"`
	Kids    []*Element `xml:",any"`
	Inner   string     `xml:",innerxml"`
}

// Attr returns an attribute's value.
func (e *Element) Attr(name string) string {
	if e != nil {
		for _, a := range e.Attrs {
			if a.Name.Local == name && a.Name.Space == "" {
				return a.Value
			}
		}
	}
	return ""
}

// Child returns the first child of that name; ns may be empty.
func (e *Element) Child(ns, name string) *Element {
	if e != nil {
		for _, k := range e.Kids {
			if k.XMLName.Local == name && (ns == "" || k.XMLName.Space == ns) {
				return k
			}
		}
	}
	return nil
}

// is tells an element by its name.
func (e *Element) is(ns, name string) bool {
	return e.XMLName.Local == name && e.XMLName.Space == ns
}

// xmlStream reads a stream without reading ahead of an element: with an
// io.ByteReader encoding/xml buffers nothing itself, so that a new decoder can go
// on where the old one stopped. That is enough for tests that know what they say.
type xmlStream struct {
	conn net.Conn
	r    *bufio.Reader
	dec  *xml.Decoder
	mu   sync.Mutex // for writing
}

func newXMLStream(conn net.Conn) *xmlStream {
	return &xmlStream{conn: conn, r: bufio.NewReader(conn)}
}

// tls returns the state of the TLS layer, nil without one.
func (x *xmlStream) tls() *tls.ConnectionState {
	if c, ok := x.conn.(*tls.Conn); ok {
		state := c.ConnectionState()
		return &state
	}
	return nil
}

// header reads the header of a new stream.
func (x *xmlStream) header() (*Element, error) {
	x.conn.SetReadDeadline(time.Now().Add(limit))
	x.dec = xml.NewDecoder(x.r)
	for {
		t, err := x.dec.Token()
		if err != nil {
			return nil, err
		}
		if s, ok := t.(xml.StartElement); ok {
			if s.Name.Local != "stream" || s.Name.Space != nsStreams {
				return nil, fmt.Errorf("proxytest: <%s> where a stream begins", s.Name.Local)
			}
			return &Element{XMLName: s.Name, Attrs: s.Attr}, nil
		}
	}
}

var errStreamEnd = errors.New("proxytest: the stream was closed")

// next reads the next first-level element.
func (x *xmlStream) next() (*Element, error) {
	x.conn.SetReadDeadline(time.Now().Add(limit))
	for {
		t, err := x.dec.Token()
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			e := new(Element)
			if err := x.dec.DecodeElement(e, &t); err != nil {
				return nil, err
			}
			return e, nil
		case xml.EndElement:
			return nil, errStreamEnd
		}
	}
}

func (x *xmlStream) printf(format string, args ...any) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.conn.SetWriteDeadline(time.Now().Add(limit))
	_, err := fmt.Fprintf(x.conn, format, args...)
	return err
}
