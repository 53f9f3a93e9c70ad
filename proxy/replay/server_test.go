package replay

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/xml"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

// running is a Server with its authority.
type running struct {
	addr string
	ca   *proxytest.CA
	done chan *Report
	stop func()
}

func serve(t *testing.T, s *Server) *running {
	t.Helper()
	ca := proxytest.NewCA(t)
	s.Leaf = ca.Leaf
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	r := &running{addr: ln.Addr().String(), ca: ca, done: make(chan *Report, 1), stop: cancel}
	go func() { // ends with ctx
		report, err := s.Serve(ctx, ln)
		if err != nil {
			t.Error(err)
		}
		r.done <- report
	}()
	t.Cleanup(cancel)
	return r
}

func (r *running) report(t *testing.T) string {
	t.Helper()
	report := <-r.done
	var b bytes.Buffer
	if err := report.WriteText(&b); err != nil {
		t.Error(err)
	}
	return b.String()
}

// secured is a session whose server had TLS and everything else.
func secured(offer string) *tape {
	r := newTape()
	r.event(1, map[string]any{"e": "open", "kind": "c2s"})
	return r.say(1, "→"+header+`to='capulet.example'>`, "←"+header+`from='capulet.example' id='s0'><stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>`+offer+`</stream:features>`,
		`→<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGp1bGlldAB4</auth>`, `←<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>`,
		"→"+header+`to='capulet.example'>`, "←"+header+`from='capulet.example' id='s2'>`+postLogin,
		`→<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>balcony</resource></bind></iq>`,
		`←<iq type='result' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>`+capulet+`</jid></bind></iq>`,
		"→"+roster, "←"+rosterIs)
}

func TestLogins(t *testing.T) {
	script := secured(`<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms>`).load(t, Options{})
	for _, mechanism := range Mechanisms() {
		for _, sasl2 := range []bool{false, true} {
			ways := []proxytest.Way{{}}
			if strings.HasSuffix(mechanism, "-PLUS") {
				ways = []proxytest.Way{{Binding: "tls-exporter"}, {Binding: "tls-server-end-point"}, {Binding: "tls-unique", MaxTLS: tls.VersionTLS12}}
			}
			if mechanism == "ANONYMOUS" {
				continue // proxytest's client has an account; see TestVisit
			}
			for _, way := range ways {
				t.Run(fmt.Sprintf("%s %v %s", mechanism, sasl2, way.Binding), func(t *testing.T) {
					r := serve(t, &Server{Script: script, Passwords: Passwords{By: map[string]string{"juliet@capulet.example": "secret"}}, Mechanisms: Mechanisms(), SASL2: sasl2, Count: 1})
					way.Addr, way.JID, way.Password, way.Roots, way.Mechanism, way.Offered = r.addr, capulet, "secret", r.ca.Pool(), mechanism, true
					way.SASL2, way.Bind2, way.SM = sasl2, sasl2, sasl2
					wrong := way
					wrong.Password = "wrong"
					if _, err := proxytest.Connect(wrong); err == nil || !strings.Contains(err.Error(), "not-authorized") {
						t.Fatalf("a wrong password: %v", err)
					}
					c, err := proxytest.Connect(way)
					if err != nil {
						t.Fatal(err)
					}
					if !strings.HasPrefix(c.JID, "juliet@capulet.example/balcony") || sasl2 && c.JID == capulet {
						t.Errorf("bound %s", c.JID)
					}
					e, err := c.IQ("<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>")
					if err != nil || e.Attr("type") != "result" || e.Attr("to") != c.JID || len(e.Kids[0].Kids) != 2 {
						t.Errorf("%v: %+v", err, e)
					}
					c.Close()
					if out := r.report(t); !strings.Contains(out, "as recorded") {
						t.Error(out)
					}
				})
			}
		}
	}
}

func TestResumption(t *testing.T) {
	tape := secured(`<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms>`)
	tape.say(1, `→<enable xmlns='urn:xmpp:sm:3' resume='true'/>`, `←<enabled xmlns='urn:xmpp:sm:3' id='SM1' resume='true' max='60'/>`, "→<presence/>", "←"+whisper("one"), "→"+with(romeo, "two"), "←"+whisper("three"))
	script := tape.load(t, Options{})
	r := serve(t, &Server{Script: script, SASL2: true})
	way := proxytest.Way{Addr: r.addr, JID: capulet, Password: "x", Roots: r.ca.Pool(), Mechanism: "PLAIN"}
	c, err := proxytest.Connect(way)
	if err != nil {
		t.Fatal(err)
	}
	next := func(want string) *proxytest.Element {
		t.Helper()
		e, err := c.Next()
		if err != nil || !strings.Contains(e.Inner+e.XMLName.Local, want) {
			t.Fatalf("%v instead of %s: %+v", err, want, e)
		}
		return e
	}
	if _, err := c.IQ("<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>"); err != nil {
		t.Fatal(err)
	}
	c.Send(`<enable xmlns='urn:xmpp:sm:3' resume='true'/>`)
	id := next("enabled").Attr("id")
	c.Send("<presence/>")
	next("one")
	c.Cut()
	way.SASL2, way.Resume = true, id
	if c, err = proxytest.Connect(way); err != nil || !c.Resumed {
		t.Fatalf("not resumed: %v", err)
	}
	next("one") // h was 0: again
	c.Send(with(romeo, "two"))
	next("three")
	c.Close()
	if out := r.report(t); !strings.Contains(out, "session 1 (connection 1) as juliet@capulet.example/balcony: 3 of 3") || !strings.Contains(out, "as recorded") {
		t.Error(out)
	}
}

func TestManyAtOnce(t *testing.T) {
	script := secured(`<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms>`).load(t, Options{})
	back := secured(`<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms>`).load(t, Options{Side: "CS"})
	const n = 20
	r := serve(t, &Server{Script: script, Passwords: Passwords{Any: "secret"}, Mechanisms: Mechanisms(), Count: n})
	// Our own client against our own server.
	client := &Client{
		Script: back, Account: stanza.JID{Local: "user%d", Domain: "capulet.example"}, Password: func(string) (string, error) { return "secret", nil }, Count: n,
		Pace: Pace{Patience: 10 * time.Second},
		Dial: func(ctx context.Context, domain string) (net.Conn, bool, error) {
			c, err := net.Dial("tcp", r.addr)
			return c, false, err
		},
		TLS: func(domain string) *tls.Config { return &tls.Config{ServerName: domain, RootCAs: r.ca.Pool()} },
	}
	report, err := client.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	report.WriteText(&b)
	for _, out := range []string{b.String(), r.report(t)} {
		if !strings.Contains(out, "as recorded") || !strings.Contains(out, "20 sessions in ") || !strings.Contains(out, "as user20@capulet.example/balcony: 1 of 1") {
			t.Error(out)
		}
	}
	if !strings.Contains(b.String(), "answers after ") {
		t.Error(b.String())
	}
	b.Reset()
	if err := report.WriteJUnit(&b); err != nil {
		t.Error(err)
	}
	var doc struct{}
	if err := xml.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Error(err)
	}
}

// A client that goes away, or says what is no XMPP, costs nothing but itself.
func TestBadClients(t *testing.T) {
	script := secured(`<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms>`).load(t, Options{})
	r := serve(t, &Server{Script: script})
	for in, want := range map[string]string{
		"GET / HTTP/1.0\r\n\r\n": "<not-well-formed",
		"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' to='capulet.example' version='1.0'>": "<invalid-namespace",
		header + ">": "<improper-addressing",
		header + "to='capulet.example'><presence/>": "<policy-violation",
		header + "to='capulet.example'><auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>": "TLS comes first",
		"\x16\x03\x01\x00\x04x\x00\x00\x00": "",
	} {
		began := time.Now()
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(20 * time.Second))
		c.Write([]byte(in))
		var b bytes.Buffer
		b.ReadFrom(c)
		if d := time.Since(began); d > 10*time.Second {
			t.Errorf("%.100q: it took %s", in, d)
		}
		if !strings.Contains(b.String(), want) {
			t.Errorf("%.100q: %s", in, b.String())
		}
		c.Close()
	}
	r.stop()
	if out := r.report(t); !strings.Contains(out, "nobody came for session 1") {
		t.Error(out)
	}
}

// What comes in the clear behind <starttls/> is never the client's word inside
// of TLS (RFC 6120 §5.3.3).
func TestClearTextBehindStartTLS(t *testing.T) {
	script := secured(`<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms>`).load(t, Options{})
	r := serve(t, &Server{Script: script})
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	heard := func(c net.Conn, until string) string {
		t.Helper()
		var got []byte
		buf := make([]byte, 4096)
		for !bytes.Contains(got, []byte(until)) {
			n, err := c.Read(buf)
			if err != nil {
				t.Fatalf("%v behind %s", err, got)
			}
			got = append(got, buf[:n]...)
		}
		return string(got)
	}
	open := header + "to='capulet.example'>"
	c.Write([]byte(open))
	heard(c, "</stream:features>")
	c.Write([]byte("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" + open + "<presence/>"))
	if s := heard(c, "<proceed"); !strings.HasSuffix(s, "/>") {
		heard(c, "/>")
	}
	tc := tls.Client(c, &tls.Config{ServerName: "capulet.example", RootCAs: r.ca.Pool()})
	tc.Write([]byte(open))
	tc.Write([]byte("</stream:stream>"))
	if s := heard(tc, "</stream:stream>"); strings.Contains(s, "error") || !strings.Contains(s, "PLAIN") {
		t.Errorf("heard %s", s)
	}
}
