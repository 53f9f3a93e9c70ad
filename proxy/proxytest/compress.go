package proxytest

import (
	"compress/zlib"
	"fmt"
	"io"
	"net"
)

const (
	nsCompress    = "http://jabber.org/protocol/compress"
	nsCompression = "http://jabber.org/features/compress"
)

// compress agrees on zlib (XEP-0138) and opens the stream again, inside.
func (c *Client) compress(f *Element) error {
	offer := f.Child(nsCompression, "compression")
	if offer.Child("", "method") == nil {
		return &LoginError{"no-compression", "no compression is offered", true}
	}
	c.x.printf("<compress xmlns='%s'><method>%s</method></compress>", nsCompress, offer.Child("", "method").Text)
	e, err := c.x.next()
	if err != nil {
		return err
	}
	if !e.is(nsCompress, "compressed") {
		return &LoginError{"no-compression", e.Inner, false}
	}
	c.x = newXMLStream(&zlibConn{Conn: c.x.conn, w: zlib.NewWriter(c.x.conn)})
	_, err = c.open()
	return err
}

// A zlibConn flushes each write.
type zlibConn struct {
	net.Conn
	w *zlib.Writer
	r io.Reader // nil until something is read
}

func (c *zlibConn) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	if err == nil {
		err = c.w.Flush()
	}
	return n, err
}

func (c *zlibConn) Read(b []byte) (int, error) {
	if c.r == nil {
		r, err := zlib.NewReader(c.Conn)
		if err != nil {
			return 0, fmt.Errorf("proxytest: %w", err)
		}
		c.r = r
	}
	return c.r.Read(b)
}
