package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/proxy"
)

// This file knocks at the server and reads what it offers.

// An offering is what a server offers to those who knock.
type offering struct {
	Addr        string   `json:"addr"`
	Direct      bool     `json:"direct"`
	STARTTLS    bool     `json:"starttls"`
	Required    bool     `json:"required"`
	TLS         string   `json:"tls,omitempty"`
	Cipher      string   `json:"cipher,omitempty"`
	Names       []string `json:"names,omitempty"`     // of the certificate
	Untrusted   string   `json:"untrusted,omitempty"` // why it is not trusted
	Mechanisms  []string `json:"mechanisms"`
	SASL2       []string `json:"sasl2,omitempty"`
	FAST        []string `json:"fast,omitempty"`
	Bind2       bool     `json:"bind2,omitempty"`
	Bindings    []string `json:"bindings,omitempty"`
	Compression []string `json:"compression,omitempty"`

	state *tls.ConnectionState // nil without TLS
}

// logins are the mechanisms of SASL and SASL2.
func (o *offering) logins() []string {
	list := o.Mechanisms
	for _, m := range o.SASL2 {
		if !slices.Contains(list, m) {
			list = append(list[:len(list):len(list)], m)
		}
	}
	return list
}

// maxGreeting is how much a server may say before its features end.
const maxGreeting = 1 << 20

// ask knocks as clients do: with STARTTLS, and with direct TLS where the domain
// has it. The error is that of the first, when nobody opens.
func (d *doctor) ask(ctx context.Context, s *section, z zone) ([]*offering, error) {
	tries := []bool{d.up.Direct}
	if len(z.direct) > 0 {
		tries = append(tries, true)
	}
	var list []*offering
	var first error
	for _, direct := range tries {
		o, err := d.knock(ctx, direct)
		if err != nil {
			if first == nil {
				first = err
			}
			s.add(statusFailed, map[bool]string{true: "direct TLS", false: "STARTTLS"}[direct], "%s", plainly(err))
			if o == nil {
				continue
			}
		}
		if direct && len(list) > 0 && !o.Direct {
			continue // the same as before
		}
		o.describe(s)
		list = append(list, o)
	}
	if len(list) > 0 {
		return list, nil
	}
	return nil, first
}

// knock opens a stream, and another one behind TLS, and reads what is offered.
func (d *doctor) knock(ctx context.Context, direct bool) (*offering, error) {
	ctx, cancel := timed(ctx)
	defer cancel()
	nc, direct, err := d.proxy.Dial(ctx, d.name, direct)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(doctorLimit))
	o := &offering{Addr: nc.RemoteAddr().String(), Direct: direct}
	if !direct {
		f, err := d.features(nc)
		if err != nil {
			return nil, err
		}
		o.read(f)
		if t := f.Child("urn:ietf:params:xml:ns:xmpp-tls", "starttls"); t != nil {
			o.STARTTLS, o.Required = true, t.Child("", "required") != nil
		}
		if !o.STARTTLS {
			return o, nil
		}
		if _, err := io.WriteString(nc, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"); err != nil {
			return nil, err
		}
		if answer, err := untilTag(nc); err != nil || !strings.HasPrefix(strings.TrimSpace(answer), "<proceed") {
			return nil, errors.Join(fmt.Errorf("%s offers STARTTLS and then refuses it: %.100q", o.Addr, answer), err)
		}
	}
	tc := tls.Client(nc, &tls.Config{ServerName: d.name, NextProtos: []string{"xmpp-client"}, InsecureSkipVerify: true, VerifyConnection: func(cs tls.ConnectionState) error {
		if err := proxy.Verify(cs, d.name, d.roots); err != nil {
			o.Untrusted = strings.TrimPrefix(err.Error(), "x509: ")
		}
		return nil
	}})
	if err := tc.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS with %s: %w", o.Addr, err)
	}
	state := tc.ConnectionState()
	o.state, o.TLS, o.Cipher = &state, tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite)
	o.Names = state.PeerCertificates[0].DNSNames
	f, err := d.features(tc)
	if err != nil {
		return nil, err
	}
	o.read(f)
	io.WriteString(tc, "</stream:stream>")
	return o, nil
}

// untilTag reads one tag byte by byte: what follows belongs to TLS.
func untilTag(r io.Reader) (string, error) {
	var out []byte
	var b [1]byte
	for len(out) < 1000 {
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return string(out), err
		}
		if out = append(out, b[0]); b[0] == '>' {
			return string(out), nil
		}
	}
	return string(out), nil
}

// features opens a stream and returns what the server offers in it.
func (d *doctor) features(conn net.Conn) (*stanza.Node, error) {
	fmt.Fprintf(conn, "<?xml version='1.0'?><stream:stream to='%s' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>", attribute(d.domain))
	var dec decode.Decoder
	buf := make([]byte, 16<<10)
	for total := 0; total < maxGreeting; {
		n, err := conn.Read(buf)
		total += n
		dec.Write(buf[:n])
		for f, more := dec.Next(); more; f, more = dec.Next() {
			root, treeErr := stanza.Tree(f)
			switch {
			case f.Kind != decode.Element || treeErr != nil:
			case string(f.Name) == "features":
				return root, nil
			case string(f.Name) == "error":
				return nil, fmt.Errorf("the server ends the stream: %s", stanza.Parse(f).Summary)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("no features from %s: %w", conn.RemoteAddr(), err)
		}
	}
	return nil, fmt.Errorf("no features from %s in %d bytes", conn.RemoteAddr(), maxGreeting)
}

// attribute leaves out what has a meaning in XML: no domain has it.
func attribute(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("<>&'\"", r) {
			return -1
		}
		return r
	}, s)
}

func (o *offering) read(f *stanza.Node) {
	o.Mechanisms, o.SASL2, o.FAST, o.Bindings, o.Compression, o.Bind2 = []string{}, nil, nil, nil, nil, false
	mechanisms := func(n *stanza.Node) (list []string) {
		for _, x := range n.Children {
			if x.Name == "mechanism" {
				list = append(list, strings.TrimSpace(x.Text))
			}
		}
		return list
	}
	for _, n := range f.Children {
		switch n.NS + " " + n.Name {
		case "urn:ietf:params:xml:ns:xmpp-sasl mechanisms":
			o.Mechanisms = append(o.Mechanisms, mechanisms(n)...)
		case "urn:xmpp:sasl:2 authentication":
			o.SASL2 = mechanisms(n)
			if inline := n.Child("", "inline"); inline != nil {
				o.Bind2 = inline.Child("urn:xmpp:bind:0", "bind") != nil
				if fast := inline.Child("urn:xmpp:fast:0", "fast"); fast != nil {
					o.FAST = mechanisms(fast)
				}
			}
		case "urn:xmpp:sasl-cb:0 sasl-channel-binding":
			for _, x := range n.Children {
				o.Bindings = append(o.Bindings, x.Attr("type"))
			}
		case "http://jabber.org/features/compress compression":
			for _, x := range n.Children {
				o.Compression = append(o.Compression, strings.TrimSpace(x.Text))
			}
		}
	}
}

// describe puts an offering into the report.
func (o *offering) describe(s *section) {
	switch {
	case o.Direct:
		s.add(statusOK, "direct TLS", "at %s (XEP-0368)", o.Addr)
	case o.Required:
		s.add(statusOK, "STARTTLS", "at %s, required", o.Addr)
	case o.STARTTLS:
		s.add(statusWarning, "STARTTLS", "at %s, not required: a client may log in without encryption", o.Addr)
	default:
		s.add(statusFailed, "STARTTLS", "not offered at %s: everything is in the clear", o.Addr)
	}
	if o.state != nil {
		s.add(statusOK, "TLS", "%s, %s", strings.TrimPrefix(o.TLS, "TLS "), o.Cipher)
		leaf := o.state.PeerCertificates[0]
		if o.Untrusted != "" {
			s.add(statusFailed, "certificate", "%s: %s; xmpplens wants --server-ca=FILE or --insecure", leaf.Subject, o.Untrusted)
		} else {
			s.add(statusOK, "certificate", "%s, valid until %s", strings.Join(o.Names, ", "), leaf.NotAfter.Format(time.DateOnly))
		}
	}
	if len(o.logins()) == 0 {
		s.add(statusFailed, "login", "none is offered")
	}
	for _, row := range []struct{ name, text string }{
		{"login (SASL)", strings.Join(o.Mechanisms, ", ")},
		{"login (SASL2)", strings.Join(o.SASL2, ", ")},
		{"tokens (FAST)", strings.Join(o.FAST, ", ")},
		{"channel binding", strings.Join(o.Bindings, ", ")},
		{"compression", strings.Join(o.Compression, ", ")},
	} {
		if row.text == "" {
			continue
		}
		switch row.name {
		case "login (SASL2)":
			row.text += " (XEP-0388"
			if o.Bind2 {
				row.text += ", with Bind 2"
			}
			row.text += ")"
		case "tokens (FAST)":
			row.text += " (XEP-0484): the proxy takes those out that are bound to the channel, so that clients do not lose them"
		case "channel binding":
			row.text += " (XEP-0440)"
		case "compression":
			row.text += " (XEP-0138): the proxy takes it out, unless --compression=inflate"
		}
		s.add(statusOK, row.name, "%s", row.text)
	}
	if slices.ContainsFunc(o.logins(), func(m string) bool { return strings.HasPrefix(m, "SCRAM-") }) {
		s.add(statusNone, "signed offer", "whether the server signs its offer (XEP-0474) is said during a login only; where it does, a client notices what the proxy takes out")
	}
}
