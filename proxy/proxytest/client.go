package proxytest

import (
	"crypto/hmac"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/xdg-go/scram"
)

// A Way is how a Client logs in: exactly so, or not at all.
type Way struct {
	Addr, JID, Password string
	Roots               *x509.CertPool
	Mechanism           string // SCRAM-…, PLAIN, or HT-… with Token
	Binding             string // type of channel binding, for -PLUS and HT-…
	Offered             bool   // give up when the mechanism or binding is not offered
	SawNone             bool   // say that binding would be possible, and none is offered (gs2 flag y)
	SASL2, Bind2, SM    bool   // XEP-0388, XEP-0386 with the JID's resource as tag, XEP-0198 inline
	WantHash            bool   // insist on the hash of XEP-0474
	RequestToken        string // ask for a token for this mechanism (XEP-0484)
	Token               string // that was issued before
	Resume              string // id of the managed stream to resume
	Direct              bool   // TLS from the first byte
	Late                bool   // say who it is only when the server asks (RFC 6120 §6.4.2)
	Clear               bool   // no TLS
	Compress            bool   // insist on zlib (XEP-0138) after the login
	MaxTLS              uint16
	KeyLog              io.Writer // for the secrets of TLS, nil = none
}

// A Client is one that is logged in.
type Client struct {
	JID        string // that was bound
	Mechanisms []string
	Bindings   []string // nil where none were announced
	Token      string   // issued with the login
	SM         string   // id of the managed stream
	Resumed    bool
	TLS        *tls.ConnectionState
	x          *xmlStream
	w          Way
	user       string
	domain     string
}

// A LoginError is a login that the server refused, or the client itself.
type LoginError struct {
	Condition, Text string
	Own             bool // it was the client
}

func (e *LoginError) Error() string { return e.Condition + ": " + e.Text }

// Connect logs in. The connection is open when there is no error.
func Connect(w Way) (*Client, error) {
	conn, err := net.Dial("tcp", w.Addr)
	if err != nil {
		return nil, err
	}
	bare, resource, _ := strings.Cut(w.JID, "/")
	c := &Client{x: newXMLStream(conn), w: w}
	c.user, c.domain, _ = strings.Cut(bare, "@")
	err = c.logIn(resource)
	if err != nil {
		c.x.conn.Close()
		return nil, err
	}
	return c, nil
}

// open opens a stream and returns the features.
func (c *Client) open() (*Element, error) {
	c.x.printf("<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='%s' from='%s@%s' to='%s' version='1.0'>", nsStreams, c.user, c.domain, c.domain)
	if _, err := c.x.header(); err != nil {
		return nil, err
	}
	return c.features()
}

func (c *Client) features() (*Element, error) {
	f, err := c.x.next()
	if err == nil && !f.is(nsStreams, "features") {
		err = fmt.Errorf("proxytest: %s %s instead of features", f.XMLName.Local, f.Inner)
	}
	return f, err
}

func (c *Client) secure() error {
	tc := tls.Client(c.x.conn, &tls.Config{ServerName: c.domain, RootCAs: c.w.Roots, MaxVersion: c.w.MaxTLS, KeyLogWriter: c.w.KeyLog})
	if err := tc.Handshake(); err != nil {
		return err
	}
	c.x = newXMLStream(tc)
	c.TLS = c.x.tls()
	return nil
}

func (c *Client) logIn(resource string) error {
	if c.w.Direct {
		if err := c.secure(); err != nil {
			return err
		}
	}
	f, err := c.open()
	if err != nil {
		return err
	}
	if f.Child(nsTLS, "starttls") != nil && c.TLS == nil && !c.w.Clear {
		c.x.printf("<starttls xmlns='%s'/>", nsTLS)
		e, err := c.x.next()
		if err != nil {
			return err
		}
		if !e.is(nsTLS, "proceed") {
			return fmt.Errorf("proxytest: STARTTLS is refused")
		}
		if err := c.secure(); err != nil {
			return err
		}
		if f, err = c.open(); err != nil {
			return err
		}
	}
	if err := c.offered(f); err != nil {
		return err
	}
	if c.w.SASL2 {
		return c.sasl2(resource)
	}
	if err := c.sasl1(); err != nil {
		return err
	}
	f, err = c.open()
	if err == nil && c.w.Compress {
		err = c.compress(f)
	}
	if err != nil {
		return err
	}
	r := ""
	if resource != "" {
		r = "<resource>" + html.EscapeString(resource) + "</resource>"
	}
	answer, err := c.IQ("<iq type='set' id='bind'><bind xmlns='" + nsBind + "'>" + r + "</bind></iq>")
	if err != nil {
		return err
	}
	if j := answer.Child(nsBind, "bind").Child(nsBind, "jid"); j != nil {
		c.JID = j.Text
	}
	return nil
}

// offered reads the offer and gives up where it is not enough.
func (c *Client) offered(f *Element) error {
	list := f.Child(nsSASL, "mechanisms")
	if c.w.SASL2 {
		list = f.Child(nsSASL2, "authentication")
	}
	if list == nil {
		return &LoginError{"no-mechanisms", "no SASL is offered", true}
	}
	for _, m := range list.Kids {
		if m.XMLName.Local == "mechanism" {
			c.Mechanisms = append(c.Mechanisms, m.Text)
		}
	}
	if b := f.Child(nsBinding, "sasl-channel-binding"); b != nil {
		c.Bindings = []string{}
		for _, k := range b.Kids {
			c.Bindings = append(c.Bindings, k.Attr("type"))
		}
	}
	known := c.Mechanisms
	if strings.HasPrefix(c.w.Mechanism, "HT-") {
		known = nil
		if fast := list.Child(nsSASL2, "inline").Child(nsFAST, "fast"); fast != nil {
			for _, m := range fast.Kids {
				known = append(known, m.Text)
			}
		}
	}
	switch {
	case !c.w.Offered:
	case !slices.Contains(known, c.w.Mechanism):
		return &LoginError{"not-offered", c.w.Mechanism + " is not offered", true}
	case c.w.Binding != "" && c.Bindings != nil && !slices.Contains(c.Bindings, c.w.Binding):
		return &LoginError{"not-offered", c.w.Binding + " is not offered", true}
	}
	return nil
}

// steps makes the messages of the mechanism: each call answers one of the
// server's, the first one none.
func (c *Client) steps() (func(message string) (string, error), func() bool, error) {
	var cb scram.ChannelBinding
	if c.w.Binding != "" {
		var err error
		if cb, err = channelBinding(c.w.Binding, c.TLS, nil); err != nil {
			return nil, nil, &LoginError{"no-binding", err.Error(), true}
		}
	}
	base := strings.TrimSuffix(c.w.Mechanism, "-PLUS")
	switch {
	case c.w.Mechanism == "PLAIN":
		return func(string) (string, error) { return "\x00" + c.user + "\x00" + c.w.Password, nil }, func() bool { return true }, nil
	case strings.HasPrefix(c.w.Mechanism, "HT-"):
		good, first := false, true
		return func(message string) (string, error) {
			if first {
				first = false
				return c.user + "\x00" + string(tokenProof(c.w.Token, "Initiator", cb.Data)), nil
			}
			good = hmac.Equal([]byte(message), tokenProof(c.w.Token, "Responder", cb.Data))
			return "", nil
		}, func() bool { return good }, nil
	case hashes[base].scram == nil:
		return nil, nil, fmt.Errorf("proxytest: no mechanism %s", c.w.Mechanism)
	}
	client, err := hashes[base].scram.NewClient(c.user, c.w.Password, "")
	if err != nil {
		return nil, nil, err
	}
	conv := client.NewConversation()
	switch {
	case base != c.w.Mechanism:
		conv = client.NewConversationWithChannelBinding(cb)
	case c.w.SawNone:
		conv = client.NewConversationAdvertisingChannelBinding()
	}
	return func(message string) (string, error) {
		if strings.Contains(message, ",i=") {
			if err := c.checkHash(message); err != nil {
				return "", err
			}
		}
		return conv.Step(message)
	}, conv.Valid, nil
}

// checkHash is what XEP-0474 §3.2 demands of a client.
func (c *Client) checkHash(challenge string) error {
	_, h, ok := strings.Cut(challenge, ",h=")
	h, _, _ = strings.Cut(h, ",")
	want := OfferHash(c.w.Mechanism, c.Mechanisms, c.Bindings)
	switch {
	case ok && h != want:
		return &LoginError{"ssdp", "the offer was changed on its way", true}
	case !ok && c.w.WantHash:
		return &LoginError{"ssdp", "the challenge has no hash of the offer", true}
	}
	return nil
}

// exchange runs the mechanism from the first answer on to the result.
func (c *Client) exchange(ns string, step func(string) (string, error), valid func() bool) (*Element, error) {
	for {
		e, err := c.x.next()
		if err != nil {
			return nil, err
		}
		switch e.XMLName.Local {
		case "challenge":
			message, err := decodeSASL(e.Text)
			if err == nil {
				message, err = step(message)
			}
			if err != nil {
				c.x.printf("<abort xmlns='%s'/>", ns)
				return nil, err
			}
			c.x.printf("<response xmlns='%s'>%s</response>", ns, encodeSASL(message))
		case "success":
			text := e.Text
			if d := e.Child(nsSASL2, "additional-data"); d != nil {
				text = d.Text
			}
			if data, err := decodeSASL(text); err == nil && data != "" && !valid() {
				if _, err := step(data); err != nil {
					return nil, err
				}
			}
			if !valid() {
				return nil, errors.New("proxytest: the server did not prove itself")
			}
			return e, nil
		default:
			l := &LoginError{Condition: e.XMLName.Local}
			for _, k := range e.Kids {
				if k.XMLName.Local == "text" {
					l.Text = k.Text
				} else if k.XMLName.Space == nsSASL {
					l.Condition = k.XMLName.Local
				}
			}
			return nil, l
		}
	}
}

// asked says first in answer to an empty challenge, and goes on with step.
func asked(first string, step func(string) (string, error)) func(string) (string, error) {
	said := false
	return func(message string) (string, error) {
		if said {
			return step(message)
		}
		said = true
		if message != "" {
			return "", errors.New("proxytest: the server knows already who the client is")
		}
		return first, nil
	}
}

func (c *Client) sasl1() error {
	step, valid, err := c.steps()
	if err != nil {
		return err
	}
	first, err := step("")
	if err != nil {
		return err
	}
	message := encodeSASL(first)
	if c.w.Late {
		message, step = "", asked(first, step)
	}
	c.x.printf("<auth xmlns='%s' mechanism='%s'>%s</auth>", nsSASL, c.w.Mechanism, message)
	_, err = c.exchange(nsSASL, step, valid)
	return err
}

func (c *Client) sasl2(resource string) error {
	step, valid, err := c.steps()
	if err != nil {
		return err
	}
	first, err := step("")
	if err != nil {
		return err
	}
	inline := "<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'><software>proxytest</software></user-agent>"
	if c.w.Resume != "" {
		inline += fmt.Sprintf("<resume xmlns='%s' previd='%s' h='0'/>", nsSM, c.w.Resume)
	}
	if c.w.Bind2 {
		sm := ""
		if c.w.SM {
			sm = "<enable xmlns='" + nsSM + "'/>"
		}
		inline += "<bind xmlns='" + nsBind2 + "'><tag>" + html.EscapeString(resource) + "</tag>" + sm + "</bind>"
	}
	if c.w.RequestToken != "" {
		inline += fmt.Sprintf("<request-token xmlns='%s' mechanism='%s'/>", nsFAST, c.w.RequestToken)
	}
	if c.w.Token != "" {
		inline += "<fast xmlns='" + nsFAST + "'/>"
	}
	message := "<initial-response>" + encodeSASL(first) + "</initial-response>"
	if c.w.Late {
		message, step = "", asked(first, step)
	}
	c.x.printf("<authenticate xmlns='%s' mechanism='%s'>%s%s</authenticate>", nsSASL2, c.w.Mechanism, message, inline)
	e, err := c.exchange(nsSASL2, step, valid)
	if err != nil {
		return err
	}
	if id := e.Child(nsSASL2, "authorization-identifier"); id != nil {
		c.JID = id.Text
	}
	c.Token = e.Child(nsFAST, "token").Attr("token")
	c.SM = e.Child(nsBind2, "bound").Child(nsSM, "enabled").Attr("id")
	if r := e.Child(nsSM, "resumed"); r != nil {
		c.SM, c.Resumed = r.Attr("previd"), true
		return nil
	}
	_, err = c.features()
	return err
}

// Send sends XML.
func (c *Client) Send(text string) error { return c.x.printf("%s", text) }

// Next returns the next element from the server.
func (c *Client) Next() (*Element, error) { return c.x.next() }

// IQ sends an iq and returns its answer; what comes in between is dropped.
func (c *Client) IQ(text string) (*Element, error) {
	if err := c.Send(text); err != nil {
		return nil, err
	}
	for {
		e, err := c.Next()
		if err != nil {
			return nil, err
		}
		if e.is("jabber:client", "iq") && (e.Attr("type") == "result" || e.Attr("type") == "error") {
			return e, nil
		}
	}
}

// Ping asks the server for a sign of life.
func (c *Client) Ping() error {
	e, err := c.IQ("<iq type='get' id='ping'><ping xmlns='urn:xmpp:ping'/></iq>")
	if err == nil && e.Attr("type") != "result" {
		err = errors.New("proxytest: no pong")
	}
	return err
}

// Close ends the stream and waits until the server has, too.
func (c *Client) Close() {
	c.x.printf("</stream:stream>")
	for {
		if _, err := c.x.next(); err != nil {
			break
		}
	}
	c.x.conn.Close()
}

// Cut ends the connection without a word.
func (c *Client) Cut() { c.x.conn.Close() }

// Addr is the client's own address.
func (c *Client) Addr() string { return c.x.conn.LocalAddr().String() }
