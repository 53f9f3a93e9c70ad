package proxy

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/proxy/mitmca"
)

// The peer of a leg hears a fatal alert, also while somebody reads the leg.
func TestAlert(t *testing.T) {
	ca, err := mitmca.New()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Leaf("localhost")
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, reading := range []bool{false, true} {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			heard := make(chan error, 1)
			go func() { // ends with the connection
				c, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
				if err == nil {
					c.Write([]byte("hello"))
					_, err = io.ReadAll(c)
					c.Close()
				}
				heard <- err
			}()
			nc, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			var l leg
			l.use(nc)
			tc := tls.Server(l.socket.Load(), &tls.Config{Certificates: []tls.Certificate{*cert}})
			if err := tc.Handshake(); err != nil {
				t.Fatal(err)
			}
			l.tls, l.reader.tls = tc, tc
			if buf, n, err := l.read(); n != 5 || err != nil {
				t.Fatal(n, err)
			} else {
				buf.release()
			}
			done := make(chan error, 1)
			if reading {
				go func() { // ends with the alert
					buf, _, err := l.read()
					buf.release()
					done <- err
				}()
			} else {
				done <- io.EOF
			}
			if !l.alert() {
				t.Error("no alert")
			}
			if err := <-heard; err == nil || !strings.Contains(err.Error(), "bad record MAC") {
				t.Errorf("TLS %x, reading %v: the peer heard %v", version, reading, err)
			}
			if err := <-done; err == nil {
				t.Error("reading goes on")
			}
			l.close()
			ln.Close()
		}
	}
	var plain leg
	if plain.alert() {
		t.Error("an alert without TLS")
	}
}
