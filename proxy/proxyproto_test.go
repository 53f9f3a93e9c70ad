package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/xmpplens/xmpplens/record"
)

const v2Start = "\r\n\r\n\x00\r\nQUIT\n"

func TestProxyHeaders(t *testing.T) {
	for _, c := range []struct {
		in, src, dst, err string
	}{
		{"PROXY TCP4 192.0.2.7 198.51.100.1 40122 5222\r\n", "192.0.2.7:40122", "198.51.100.1:5222", ""},
		{"PROXY TCP6 2001:db8::7 2001:db8::1 40122 5222\r\n", "[2001:db8::7]:40122", "[2001:db8::1]:5222", ""},
		{"PROXY UNKNOWN\r\n", "", "", ""},
		{"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "", "", ""},
		{"PROXY TCP4 192.0.2.7 2001:db8::1 1 2\r\n", "", "", "is wrong"},
		{"PROXY TCP4 192.0.2.7 192.0.2.8 1 65536\r\n", "", "", "is wrong"},
		{"PROXY TCP4 192.0.2.7 192.0.2.8 1\r\n", "", "", "is wrong"},
		{"PROXY TCP4 192.0.2.7 192.0.2.8 1 2\n", "", "", "CR and LF"},
		{"PROXY " + strings.Repeat("x", 200), "", "", "too long"},
		{"<?xml version='1.0'?>", "", "", "did not begin"},
		{"PROXX", "", "", "did not begin"},
		{"\x16\x03\x01", "", "", "did not begin"},
		{v2Start + "\x21\x11\x00\x0c\xc0\x00\x02\x07\xc6\x33\x64\x01\x9c\xba\x14\x66", "192.0.2.7:40122", "198.51.100.1:5222", ""},
		{v2Start + "\x21\x11\x00\x0f\xc0\x00\x02\x07\xc6\x33\x64\x01\x9c\xba\x14\x66\x04\x00\x00", "192.0.2.7:40122", "198.51.100.1:5222", ""},
		{v2Start + "\x21\x21\x00\x24" + strings.Repeat("\x20\x01", 8) + strings.Repeat("\x20\x02", 8) + "\x9c\xba\x14\x66", "[2001:2001:2001:2001:2001:2001:2001:2001]:40122", "[2002:2002:2002:2002:2002:2002:2002:2002]:5222", ""},
		{v2Start + "\x20\x00\x00\x00", "", "", ""},
		{v2Start + "\x21\x31\x00\xd8" + strings.Repeat("/", 216), "", "", ""},
		{v2Start + "\x21\x11\x00\x04\xc0\x00\x02\x07", "", "", "too short"},
		{v2Start + "\x31\x11\x00\x00", "", "", "version and command"},
		{v2Start + "\x21\x12\x00\x0c\xc0\x00\x02\x07\xc6\x33\x64\x01\x9c\xba\x14\x66", "", "", "UDP"},
		{v2Start + "\x21\x11\x00\x0c\xc0", "", "", "unexpected EOF"},
		{"PROXY TCP4 192.0.2.7", "", "", "EOF"},
	} {
		for name, wrap := range map[string]func(io.Reader) io.Reader{"whole": func(r io.Reader) io.Reader { return r }, "bytewise": iotest.OneByteReader} {
			in := strings.NewReader(c.in + "<stream")
			if c.err != "" && strings.HasSuffix(c.err, "EOF") {
				in = strings.NewReader(c.in)
			}
			h, err := readProxyHeader(wrap(in))
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("%s %q: %v", name, c.in, err)
				}
				continue
			}
			rest, _ := io.ReadAll(in)
			if err != nil || string(rest) != "<stream" {
				t.Errorf("%s %q: %v, left %q", name, c.in, err, rest)
			}
			if c.src == "" && !h.src.IsValid() {
				continue
			}
			if h.src.String() != c.src || h.dst.String() != c.dst {
				t.Errorf("%s %q: from %s to %s", name, c.in, h.src, h.dst)
			}
		}
	}
}

// What is written is read again.
func TestProxyHeaderThereAndBack(t *testing.T) {
	four, six := netip.MustParseAddrPort("192.0.2.7:1"), netip.MustParseAddrPort("[2001:db8::1]:65535")
	mapped := netip.MustParseAddrPort("[::ffff:192.0.2.7]:1")
	for _, version := range []int{ProxyV1, ProxyV2} {
		for _, ends := range [][2]netip.AddrPort{{four, four}, {six, six}, {four, six}, {mapped, four}, {}} {
			h, err := readProxyHeader(bytes.NewReader(appendProxyHeader(nil, version, ends[0], ends[1])))
			if err != nil || h.version != version || h.src.IsValid() != ends[0].IsValid() {
				t.Errorf("version %d, %v: %+v, %v", version, ends, h, err)
			}
			for i, got := range []netip.AddrPort{h.src, h.dst} {
				if got.Addr().Unmap() != ends[i].Addr().Unmap() || got.Port() != ends[i].Port() {
					t.Errorf("version %d: %s became %s", version, ends[i], got)
				}
			}
		}
	}
}

func FuzzProxyHeader(f *testing.F) {
	for _, version := range []int{ProxyV1, ProxyV2} {
		f.Add(appendProxyHeader(nil, version, netip.MustParseAddrPort("192.0.2.7:1"), netip.MustParseAddrPort("192.0.2.8:5222")))
		f.Add(appendProxyHeader(nil, version, netip.MustParseAddrPort("[2001:db8::1]:1"), netip.MustParseAddrPort("[::1]:5222")))
		f.Add(appendProxyHeader(nil, version, netip.AddrPort{}, netip.AddrPort{}))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := readProxyHeader(bytes.NewReader(b))
		h2, err2 := readProxyHeader(iotest.OneByteReader(bytes.NewReader(b)))
		if h != h2 || (err == nil) != (err2 == nil) {
			t.Errorf("whole: %+v, %v; bytewise: %+v, %v", h, err, h2, err2)
		}
		if err != nil || !h.src.IsValid() {
			return
		}
		again, err := readProxyHeader(bytes.NewReader(appendProxyHeader(nil, h.version, h.src, h.dst)))
		if err != nil || again.src.Addr().Unmap() != h.src.Addr().Unmap() || again.dst.Port() != h.dst.Port() {
			t.Errorf("%+v became %+v, %v", h, again, err)
		}
	})
}

// From a balancer to a server that both speak the protocol: the session is the
// client's, and what is behind the header arrives untouched.
func TestProxyProtocol(t *testing.T) {
	for _, version := range []int{ProxyV1, ProxyV2} {
		t.Run(fmt.Sprint(version), func(t *testing.T) { testProxyProtocol(t, version) })
	}
}

func testProxyProtocol(t *testing.T, version int) {
	server, front := localListener(t), localListener(t)
	log, err := record.CreateTemp(record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	up, err := ParseUpstream(server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	p := &Proxy{Upstream: up, Log: log, ProxyProtocol: true, SendProxyProtocol: version}
	go func() { done <- p.Serve(ctx, front) }() // ends with ctx

	src, dst := netip.MustParseAddrPort("192.0.2.7:40122"), netip.MustParseAddrPort("198.51.100.1:5222")
	header := appendProxyHeader(nil, version, src, dst)
	c, err := net.Dial("tcp", front.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write(append(header, "<stream"...))
	s, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.SetDeadline(time.Now().Add(10 * time.Second))
	h, err := readProxyHeader(s)
	if err != nil || h.src != src || h.dst != dst {
		t.Errorf("the server is told %+v, %v", h, err)
	}
	c.(*net.TCPConn).CloseWrite()
	if b, err := io.ReadAll(s); err != nil || string(b) != "<stream" {
		t.Errorf("then it hears %q, %v", b, err)
	}
	s.Close()

	// Somebody who does not say who he is.
	other, err := net.Dial("tcp", front.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	other.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(other, "<?xml version='1.0'?>")
	if b, err := io.ReadAll(other); err != nil && !errors.Is(err, net.ErrClosed) && len(b) > 0 {
		t.Errorf("%q, %v", b, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	r := log.Reader()
	defer r.Close()
	log.Close()
	var text strings.Builder
	for {
		ev, err := r.Next(t.Context())
		if err != nil {
			break
		}
		fmt.Fprintln(&text, ev.E, ev.Client, ev.Text, ev.Error)
	}
	for _, want := range []string{"open 192.0.2.7:40122", "the client connected to 198.51.100.1:5222", "did not begin with a header of the PROXY protocol"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the recording lacks %q:\n%s", want, text.String())
		}
	}
}

func localListener(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}
