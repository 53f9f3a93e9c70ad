package proxytest

import (
	"crypto/tls"
	"fmt"
	"html"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
)

// An Offer is what a Server offers and knows. Debian's servers have no
// tls-exporter, no XEP-0474 and no SASL2 that runs; this one has, and offers
// exactly what it is told.
type Offer struct {
	Domain     string
	Users      map[string]string // passwords by user name
	Mechanisms []string          // SCRAM-…, SCRAM-…-PLUS and PLAIN
	Bindings   []string          // types of channel binding that are accepted
	Hide       bool              // the types of channel binding are not announced (XEP-0440)
	NoSASL1    bool              // SASL of RFC 6120 is not offered
	SASL2      bool              // XEP-0388 is, with Bind2 and inline stream management
	FAST       []string          // mechanisms for tokens (XEP-0484)
	Hash       bool              // the offer's hash stands in SCRAM challenges (XEP-0474)
	Direct     bool              // TLS from the first byte
	MaxTLS     uint16            // 0 = the highest
	Cert       *tls.Certificate  // nil = one that the test's authority makes
}

// A Server is a small XMPP server: RFC 6120 streams with STARTTLS or direct TLS,
// SASL1 and SASL2, resource binding, pings, and messages between its sessions.
type Server struct {
	Addr string
	Cert tls.Certificate
	t    testing.TB
	Offer

	mu       sync.Mutex
	logins   []Login             // guarded by mu
	sessions map[string]*session // online, by full address; guarded by mu
	streams  map[string]*session // that can be resumed, by id; guarded by mu
	tokens   map[string]string   // by user, blank, mechanism; guarded by mu
	last     int                 // makes names; guarded by mu
}

// A Login is one that was tried.
type Login struct {
	User, Mechanism string
	Binding         string // the type of channel binding, where one is used
	Version         uint16 // of TLS, 0 without
	SASL2           bool
	Failure         string // the condition; "" = success
}

// StartServer starts a server on loopback that ends with the test.
func StartServer(t testing.TB, ca *CA, o Offer) *Server {
	t.Helper()
	s := &Server{t: t, Offer: o, sessions: make(map[string]*session), streams: make(map[string]*session), tokens: make(map[string]string)}
	if o.Cert == nil {
		leaf, err := ca.Leaf(o.Domain)
		if err != nil {
			t.Fatal(err)
		}
		o.Cert = leaf
	}
	s.Cert = *o.Cert
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Addr = ln.Addr().String()
	live := make(map[net.Conn]bool)
	t.Cleanup(func() { // before that of serve, which waits
		s.mu.Lock()
		defer s.mu.Unlock()
		for c := range live {
			c.Close()
		}
	})
	serve(t, ln, func(c net.Conn) {
		s.mu.Lock()
		live[c] = true
		s.mu.Unlock()
		s.handle(c)
		c.Close()
		s.mu.Lock()
		delete(live, c)
		s.mu.Unlock()
	})
	return s
}

// Logins returns the logins so far.
func (s *Server) Logins() []Login {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.logins)
}

// name makes one that is new.
func (s *Server) name(prefix string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	return fmt.Sprintf("%s%d", prefix, s.last)
}

// A session is one connection of a client.
type session struct {
	*Server
	x       *xmlStream
	user    string // set by a login
	full    string // set by binding
	wmu     sync.Mutex
	managed bool     // stream management is on
	id      string   // of the managed stream
	handled uint32   // stanzas of the client's; guarded by wmu
	sent    uint32   // stanzas to the client, up to the last that is acknowledged
	queue   []string // and those that are not; guarded by wmu
}

func (s *Server) handle(conn net.Conn) {
	c := &session{Server: s, x: newXMLStream(conn)}
	defer func() { c.x.conn.Close() }()
	if s.Direct && c.secure() != nil {
		return
	}
	for again := true; again; {
		again = c.stream()
	}
	s.mu.Lock()
	if s.sessions[c.full] == c {
		delete(s.sessions, c.full)
	}
	s.mu.Unlock()
}

func (c *session) secure() error {
	tc := tls.Server(c.x.conn, &tls.Config{Certificates: []tls.Certificate{c.Cert}, MaxVersion: c.MaxTLS})
	if err := tc.Handshake(); err != nil {
		return err
	}
	c.x = newXMLStream(tc)
	return nil
}

// stream handles one stream; it reports whether another follows on the
// connection.
func (c *session) stream() bool {
	if _, err := c.x.header(); err != nil {
		return false
	}
	c.x.printf("<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='%s' id='%s' from='%s' version='1.0' xml:lang='en'>%s", nsStreams, c.name("s"), c.Domain, c.features())
	for {
		e, err := c.x.next()
		if err == errStreamEnd {
			c.x.printf("</stream:stream>")
		}
		if err != nil {
			return false
		}
		switch {
		case e.is(nsTLS, "starttls") && c.x.tls() == nil:
			c.x.printf("<proceed xmlns='%s'/>", nsTLS)
			return c.secure() == nil
		case e.is(nsSASL, "auth") && c.user == "":
			if c.sasl1(e) {
				return true
			}
		case e.is(nsSASL2, "authenticate") && c.user == "":
			c.sasl2(e)
		case c.user == "":
			c.x.printf("<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
			return false
		default:
			c.online(e)
		}
	}
}

func (c *session) features() string {
	switch {
	case c.user != "":
		return "<stream:features><bind xmlns='" + nsBind + "'/></stream:features>"
	case c.x.tls() == nil:
		return "<stream:features><starttls xmlns='" + nsTLS + "'><required/></starttls></stream:features>"
	}
	mechanisms := func(names []string) (s string) {
		for _, m := range names {
			s += "<mechanism>" + m + "</mechanism>"
		}
		return s
	}
	s := "<stream:features>"
	if !c.NoSASL1 {
		s += "<mechanisms xmlns='" + nsSASL + "'>" + mechanisms(c.Mechanisms) + "</mechanisms>"
	}
	if c.SASL2 {
		s += "<authentication xmlns='" + nsSASL2 + "'>" + mechanisms(c.Mechanisms) + "<inline><sm xmlns='" + nsSM + "'/><bind xmlns='" + nsBind2 + "'><inline><feature var='" + nsSM + "'/></inline></bind>"
		if c.FAST != nil {
			s += "<fast xmlns='" + nsFAST + "'>" + mechanisms(c.FAST) + "</fast>"
		}
		s += "</inline></authentication>"
	}
	if !c.Hide && c.Bindings != nil {
		s += "<sasl-channel-binding xmlns='" + nsBinding + "'>"
		for _, b := range c.Bindings {
			s += "<channel-binding type='" + b + "'/>"
		}
		s += "</sasl-channel-binding>"
	}
	return s + "</stream:features>"
}

// bind gives the session its address.
func (c *session) bind(resource string) {
	if resource == "" {
		resource = c.name("r")
	}
	c.full = c.user + "@" + c.Domain + "/" + resource
	c.mu.Lock()
	c.sessions[c.full] = c
	c.mu.Unlock()
}

// manage switches stream management on (XEP-0198).
func (c *session) manage() string {
	c.managed, c.id = true, c.name("sm")
	c.mu.Lock()
	c.streams[c.id] = c
	c.mu.Unlock()
	return "<enabled xmlns='" + nsSM + "' id='" + c.id + "' resume='true'/>"
}

// stanza sends one and keeps it until it is acknowledged.
func (c *session) stanza(text string) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if c.managed {
		c.queue = append(c.queue, text)
	}
	c.x.printf("%s", text)
}

// online handles what a client that is logged in says.
func (c *session) online(e *Element) {
	if e.XMLName.Space == "jabber:client" {
		c.wmu.Lock()
		c.handled++
		c.wmu.Unlock()
	}
	id := html.EscapeString(e.Attr("id"))
	switch {
	case e.is(nsSM, "r"):
		c.x.printf("<a xmlns='%s' h='%d'/>", nsSM, c.handled)
	case e.is(nsSM, "a"):
		var h uint32
		fmt.Sscan(e.Attr("h"), &h)
		c.wmu.Lock()
		n := min(int(h-c.sent), len(c.queue))
		c.queue, c.sent = c.queue[n:], h
		c.wmu.Unlock()
	case e.is("jabber:client", "message"):
		c.deliver(e)
	case !e.is("jabber:client", "iq"), e.Attr("type") == "result", e.Attr("type") == "error":
	case e.Child(nsBind, "bind") != nil:
		resource := ""
		if r := e.Child(nsBind, "bind").Child(nsBind, "resource"); r != nil {
			resource = r.Text
		}
		c.bind(resource)
		c.stanza(fmt.Sprintf("<iq type='result' id='%s'><bind xmlns='%s'><jid>%s</jid></bind></iq>", id, nsBind, html.EscapeString(c.full)))
	case e.Child("urn:xmpp:ping", "ping") != nil, e.Child("urn:ietf:params:xml:ns:xmpp-session", "session") != nil:
		c.stanza(fmt.Sprintf("<iq type='result' id='%s' from='%s'/>", id, c.Domain))
	case e.Child("jabber:iq:roster", "query") != nil:
		c.stanza(fmt.Sprintf("<iq type='result' id='%s'><query xmlns='jabber:iq:roster'/></iq>", id))
	case e.Child("http://jabber.org/protocol/disco#info", "query") != nil:
		c.stanza(fmt.Sprintf("<iq type='result' id='%s' from='%s'><query xmlns='http://jabber.org/protocol/disco#info'><identity category='server' type='im'/><feature var='urn:xmpp:ping'/></query></iq>", id, c.Domain))
	default:
		c.stanza(fmt.Sprintf("<iq type='error' id='%s' from='%s'><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>", id, c.Domain))
	}
}

// deliver passes a message on to the sessions that it is for.
func (c *session) deliver(e *Element) {
	to := e.Attr("to")
	c.mu.Lock()
	var all []*session
	for full, s := range c.sessions {
		if full == to || strings.HasPrefix(full, to+"/") {
			all = append(all, s)
		}
	}
	c.mu.Unlock()
	for _, s := range all {
		s.stanza(fmt.Sprintf("<message from='%s' to='%s' type='%s' id='%s'>%s</message>", html.EscapeString(c.full), html.EscapeString(s.full), html.EscapeString(e.Attr("type")), html.EscapeString(e.Attr("id")), e.Inner))
	}
}
