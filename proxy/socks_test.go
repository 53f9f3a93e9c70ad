package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/xmpplens/xmpplens/record"
)

// talk is a client that says everything at once, and what it hears.
type talk struct {
	io.Reader
	bytes.Buffer
}

func (t *talk) Read(b []byte) (int, error) { return t.Reader.Read(b) }

func TestSocksRequests(t *testing.T) {
	for _, c := range []struct{ in, up, heard, err string }{
		{"\x05\x01\x00\x05\x01\x00\x03\x0fcapulet.example\x14\x66", "capulet.example:5222", "\x05\x00", ""},
		{"\x05\x02\x01\x00\x05\x01\x00\x01\xc0\x00\x02\x07\x14\x67", "192.0.2.7:5223", "\x05\x00", ""},
		{"\x05\x01\x00\x05\x01\x00\x04\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\x14\x66", "[2001:db8::7]:5222", "\x05\x00", ""},
		{"\x05\x01\x02\x01\x03abc\x02de\x05\x01\x00\x01\xc0\x00\x02\x07\x14\x66", "192.0.2.7:5222", "\x05\x02\x01\x00", ""},
		{"\x05\x01\x02\x07\x03abc\x02de", "", "\x05\x02", "RFC 1929"},
		{"\x05\x01\x01", "", "\x05\xff", "in a way that is not served"},
		{"\x05\x00", "", "\x05\xff", "in a way that is not served"},
		{"\x05\x01\x00\x05\x02\x00\x01\xc0\x00\x02\x07\x14\x66", "", "\x05\x00\x05\x07\x00\x01\x00\x00\x00\x00\x00\x00", "BIND"},
		{"\x05\x01\x00\x05\x03\x00\x01\xc0\x00\x02\x07\x14\x66", "", "\x05\x00\x05\x07\x00\x01\x00\x00\x00\x00\x00\x00", "UDP ASSOCIATE"},
		{"\x05\x01\x00\x05\x01\x00\x02\xc0\x00\x02\x07\x14\x66", "", "\x05\x00\x05\x08\x00\x01\x00\x00\x00\x00\x00\x00", "unknown kind 2"},
		{"\x05\x01\x00\x05\x01\x00\x03\x03a b\x14\x66", "", "\x05\x00\x05\x01\x00\x01\x00\x00\x00\x00\x00\x00", `"a b"`},
		{"\x05\x01\x00\x05\x01\x00\x03\x01a\x00\x00", "", "\x05\x00\x05\x01\x00\x01\x00\x00\x00\x00\x00\x00", "port 0"},
		{"\x05\x01\x00\x05", "", "\x05\x00", "went away"},
		{"\x04\x01\x14\x66\xc0\x00\x02\x07\x00", "", "\x00\x5b\x00\x00\x00\x00\x00\x00", "SOCKS4"},
		{"CONNECT capulet.example:5222 HTTP/1.1\r\n", "", "", "HTTP"},
		{"<?xml", "", "", "does not speak SOCKS5"},
		{"\x16\x03\x01", "", "", "does not speak SOCKS5"},
		{"", "", "", "went away"},
	} {
		in := strings.NewReader(c.in + map[bool]string{true: "<stream"}[c.up != ""])
		rw := &talk{Reader: iotest.OneByteReader(in)}
		up, err := readSocks(rw, "c2s")
		rest, _ := io.ReadAll(in)
		if c.up == "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q: %v", c.in, err)
			}
		} else if err != nil || up.String() != c.up || string(rest) != "<stream" {
			t.Errorf("%q: %v, %v, left %q", c.in, up, err, rest)
		}
		if got := rw.String(); got != c.heard {
			t.Errorf("%q: heard %q, not %q", c.in, got, c.heard)
		}
	}
}

func FuzzSocks(f *testing.F) {
	f.Add([]byte("\x05\x01\x00\x05\x01\x00\x03\x0fcapulet.example\x14\x66"))
	f.Add([]byte("\x05\x01\x02\x01\x03abc\x02de\x05\x01\x00\x01\xc0\x00\x02\x07\x14\x66"))
	f.Fuzz(func(t *testing.T, b []byte) {
		up, err := readSocks(&talk{Reader: bytes.NewReader(b)}, "")
		if err == nil && (up.Host == "" || up.Port == 0) {
			t.Errorf("%q leads to %+v", b, up)
		}
	})
}

func TestSocksCodes(t *testing.T) {
	for err, want := range map[error]byte{
		nil:                    socksSucceeded,
		&hinted{errItself, ""}: socksNotAllowed,
		os.NewSyscallError("connect", syscall.ECONNREFUSED): socksRefused,
		syscall.ENETUNREACH:                           socksNoNetwork,
		&net.DNSError{IsNotFound: true}:               socksNoHost,
		fmt.Errorf("x: %w", context.DeadlineExceeded): socksExpired,
		errors.New("something"):                       socksFailure,
	} {
		if got := socksCode(err); got != want {
			t.Errorf("%v: %d, not %d", err, got, want)
		}
	}
	six := appendSocksReply(nil, 0, &net.TCPAddr{IP: net.ParseIP("2001:db8::7"), Port: 5222})
	if want := "\x05\x00\x00\x04\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\x14\x66"; string(six) != want {
		t.Errorf("%q", six)
	}
}

// Two servers behind one listener, and one that is not there.
func TestSocks(t *testing.T) {
	log, err := record.CreateTemp(record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	front, first, second := localListener(t), localListener(t), localListener(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	p := &Proxy{Log: log, Socks: []net.Listener{front}, Upstream: Upstream{Any: true},
		Domains: map[string]Upstream{"mapped.example": {Host: "127.0.0.1", Port: second.Addr().(*net.TCPAddr).Port}}}
	go func() { done <- p.Serve(ctx) }() // ends with ctx
	ask := func(host string, port int) (net.Conn, []byte) {
		c, err := net.Dial("tcp", front.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(10 * time.Second))
		c.Write(append(append([]byte{5, 1, 0, 5, 1, 0, 3, byte(len(host))}, host...), byte(port>>8), byte(port)))
		b := make([]byte, 12)
		if n, err := io.ReadFull(c, b); err != nil {
			t.Errorf("%s: %d bytes, %v", host, n, err)
		}
		return c, b
	}
	for host, ln := range map[string]net.Listener{"localhost": first, "127.0.0.1": second, "mapped.example": second} {
		c, answer := ask(host, ln.Addr().(*net.TCPAddr).Port)
		if !bytes.HasPrefix(answer, []byte{5, 0, 5, 0, 0, 1, 127, 0, 0, 1}) {
			t.Errorf("%s: answered %x", host, answer)
			continue
		}
		io.WriteString(c, "<stream")
		s, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c.(*net.TCPConn).CloseWrite()
		if b, err := io.ReadAll(s); err != nil || string(b) != "<stream" {
			t.Errorf("%s: heard %q, %v", host, b, err)
		}
		s.Close()
	}
	gone := localListener(t)
	gone.Close()
	if _, answer := ask("127.0.0.1", gone.Addr().(*net.TCPAddr).Port); answer[3] != socksRefused {
		t.Errorf("nobody there: answered %x", answer)
	}
	if _, answer := ask("127.0.0.1", front.Addr().(*net.TCPAddr).Port); answer[3] != socksNotAllowed {
		t.Errorf("the proxy itself: answered %x", answer)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
