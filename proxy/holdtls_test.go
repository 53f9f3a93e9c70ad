package proxy_test

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/proxy"
	"github.com/xmpplens/xmpplens/proxy/mitmca"
	"github.com/xmpplens/xmpplens/proxy/session"
)

// A client that asks for TLS without waiting for the features, which are held: the
// handshake with the server is done when they are let pass, by whoever reads the leg.
func TestHoldBeforeTLS(t *testing.T) {
	ca, err := mitmca.New()
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ca.Leaf("localhost")
	if err != nil {
		t.Fatal(err)
	}
	const features = "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>"
	const starttls = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
	const proceed = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
	answered := make(chan struct{})
	upstream := accept(t, func(c net.Conn) {
		io.ReadFull(c, make([]byte, len(openStream)))
		io.WriteString(c, answer+features)
		io.ReadFull(c, make([]byte, len(starttls)))
		io.WriteString(c, proceed)
		close(answered)
		tc := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{*leaf}})
		io.Copy(io.Discard, tc) // ends with the connection
	})
	var p *proxy.Proxy
	addr := serveProxy(t, upstream, func(x *proxy.Proxy) { p, x.CA, x.Insecure = x, ca, true })
	p.Arm("pause", holdMessages("features"))
	client, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	io.WriteString(client, openStream)
	conn, h := held(t, p)
	io.WriteString(client, starttls)
	<-answered
	// Who reads on would have it soon.
	for end := time.Now().Add(100 * time.Millisecond); h.Behind == 0 && time.Now().Before(end); {
		_, h = held(t, p)
	}
	if err := p.Decide(conn, session.Verdict{Dir: h.Dir, Offset: h.Offset, Decision: session.Pass}); err != nil {
		t.Fatal(err)
	}
	expect(t, client, answer)
	client.SetReadDeadline(time.Now().Add(5 * time.Second))
	got := ""
	for b := make([]byte, 1000); !strings.HasSuffix(got, proceed); {
		n, err := client.Read(b)
		if got += string(b[:n]); err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	tc := tls.Client(client, &tls.Config{InsecureSkipVerify: true})
	if err := tc.Handshake(); err != nil {
		t.Error(err)
	}
}
