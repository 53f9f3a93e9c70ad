package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
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

type doctorCmd struct {
	Domain   string `arg:"" help:"The domain of the accounts."`
	Server   string `placeholder:"HOST:PORT" help:"Ask this server instead of what DNS says; tls://HOST:PORT for direct TLS."`
	ServerCA string `name:"server-ca" placeholder:"FILE" type:"path" help:"Authorities for the server's certificate (PEM), instead of the system's."`
	Resolver string `placeholder:"ADDR" help:"DNS server, instead of the system's."`
}

func (doctorCmd) Examples() string {
	return `  xmpplens doctor example.org
  xmpplens doctor --server=localhost:5222 --server-ca=ca.pem localhost`
}

// doctorLimit is how long each step may take.
const doctorLimit = 15 * time.Second

// A diagnosis is what a server offers to those who knock.
type diagnosis struct {
	addr       string
	direct     bool
	starttls   bool
	required   bool
	state      *tls.ConnectionState // nil without TLS
	untrusted  error
	mechanisms []string
	bindings   []string
}

func (c *doctorCmd) Run(s *streams) error {
	target := c.Server
	if target == "" {
		target = c.Domain
	}
	up, err := proxy.ParseUpstream(target)
	if err != nil {
		return &usageError{err, hintOf(err)}
	}
	if up.Web != "" {
		return &usageError{fmt.Errorf("doctor does not look at %s:// addresses", up.Web), "give DOMAIN, and --server=HOST:PORT"}
	}
	p := &proxy.Proxy{Upstream: up}
	if c.Resolver != "" {
		p.Resolver = proxy.ResolverAt(c.Resolver)
	}
	roots, err := authorities(c.ServerCA)
	if err != nil {
		return &usageError{err, "give a file of PEM certificates"}
	}
	ctx := context.Background()
	out := func(mark, format string, args ...any) { fmt.Fprintf(s.stdout, "  "+mark+" "+format+"\n", args...) }
	direct := up.Direct
	if up.Service {
		fmt.Fprintln(s.stdout, "DNS")
		for _, service := range []string{"xmpp-client", "xmpps-client"} {
			list, err := p.Targets(ctx, service, up.Host)
			switch {
			case err != nil:
				out("✗", "_%s._tcp: %v", service, err)
			case len(list) == 0 && service == "xmpp-client":
				out("·", "_%s._tcp: none; %s:5222 is tried", service, c.Domain)
			case len(list) == 0:
				out("·", "_%s._tcp: none; clients use STARTTLS", service)
			default:
				out("✓", "_%s._tcp: %s", service, strings.Join(list, ", "))
			}
		}
	}
	d, err := c.knock(ctx, p, direct, roots)
	if err != nil {
		return err
	}
	d.print(s.stdout, out)
	d.advise(s.stdout, out, c.Domain, target)
	return nil
}

// knock opens a stream, and another one behind TLS, and reads what is offered.
func (c *doctorCmd) knock(ctx context.Context, p *proxy.Proxy, direct bool, roots *x509.CertPool) (*diagnosis, error) {
	nc, direct, err := p.Dial(ctx, c.Domain, direct)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(doctorLimit))
	d := &diagnosis{addr: nc.RemoteAddr().String(), direct: direct}
	var conn net.Conn = nc
	if !direct {
		f, err := c.features(conn)
		if err != nil {
			return nil, err
		}
		d.read(f)
		if t := f.Child("urn:ietf:params:xml:ns:xmpp-tls", "starttls"); t != nil {
			d.starttls, d.required = true, t.Child("", "required") != nil
		}
		if !d.starttls {
			return d, nil
		}
		if _, err := io.WriteString(conn, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"); err != nil {
			return nil, err
		}
		var answer [len("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")]byte
		if _, err := io.ReadFull(conn, answer[:]); err != nil || !strings.HasPrefix(string(answer[:]), "<proceed") {
			return nil, fmt.Errorf("%s offers STARTTLS and then refuses it: %q, %v", d.addr, answer[:], err)
		}
	}
	name := proxy.ServerName(c.Domain)
	tc := tls.Client(conn, &tls.Config{ServerName: name, NextProtos: []string{"xmpp-client"}, InsecureSkipVerify: true, VerifyConnection: func(cs tls.ConnectionState) error {
		d.untrusted = proxy.Verify(cs, name, roots)
		return nil
	}})
	if err := tc.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS with %s: %w", d.addr, err)
	}
	state := tc.ConnectionState()
	d.state = &state
	f, err := c.features(tc)
	if err != nil {
		return nil, err
	}
	d.read(f)
	io.WriteString(tc, "</stream:stream>")
	return d, nil
}

// features opens a stream and returns what the server offers in it.
func (c *doctorCmd) features(conn net.Conn) (*stanza.Node, error) {
	var b strings.Builder
	for _, r := range c.Domain {
		if !strings.ContainsRune("<>&'\"", r) {
			b.WriteRune(r)
		}
	}
	fmt.Fprintf(conn, "<?xml version='1.0'?><stream:stream to='%s' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>", b.String())
	var dec decode.Decoder
	buf := make([]byte, 16<<10)
	for {
		n, err := conn.Read(buf)
		dec.Write(buf[:n])
		for f, ok := dec.Next(); ok; f, ok = dec.Next() {
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
}

func (d *diagnosis) read(f *stanza.Node) {
	d.mechanisms, d.bindings = nil, nil
	for _, n := range f.Children {
		for _, x := range n.Children {
			switch {
			case n.Name == "mechanisms" && x.Name == "mechanism":
				d.mechanisms = append(d.mechanisms, strings.TrimSpace(x.Text))
			case n.Name == "sasl-channel-binding":
				d.bindings = append(d.bindings, x.Attr("type"))
			}
		}
	}
}

func (d *diagnosis) print(w io.Writer, out func(mark, format string, args ...any)) {
	fmt.Fprintf(w, "Server %s\n", d.addr)
	switch {
	case d.direct:
		out("✓", "direct TLS (XEP-0368)")
	case d.required:
		out("✓", "STARTTLS, required")
	case d.starttls:
		out("!", "STARTTLS, not required: a client may log in without encryption")
	default:
		out("✗", "no STARTTLS: everything is in the clear")
	}
	if d.state != nil {
		out("✓", "%s, %s", tls.VersionName(d.state.Version), tls.CipherSuiteName(d.state.CipherSuite))
		leaf := d.state.PeerCertificates[0]
		if d.untrusted != nil {
			out("✗", "certificate %s: %s; xmpplens wants --server-ca=FILE or --insecure", leaf.Subject, strings.TrimPrefix(d.untrusted.Error(), "x509: "))
		} else {
			out("✓", "certificate %s, valid until %s", strings.Join(leaf.DNSNames, ", "), leaf.NotAfter.Format(time.DateOnly))
		}
	}
	if len(d.mechanisms) == 0 {
		out("✗", "no login is offered")
	} else {
		out("✓", "login with %s", strings.Join(d.mechanisms, ", "))
	}
	if d.bindings != nil {
		out("·", "channel binding with %s (XEP-0440)", strings.Join(d.bindings, ", "))
	}
}

// advise says which way of looking works, and how.
func (d *diagnosis) advise(w io.Writer, out func(mark, format string, args ...any), domain, target string) {
	plus := func(m string) bool { return strings.HasSuffix(m, "-PLUS") }
	scram := slices.ContainsFunc(d.mechanisms, func(m string) bool { return strings.HasPrefix(m, "SCRAM-") })
	binds := slices.ContainsFunc(d.mechanisms, plus)
	free := slices.ContainsFunc(d.mechanisms, func(m string) bool { return !plus(m) })
	plain := slices.Contains(d.mechanisms, "PLAIN")
	fmt.Fprintln(w, "Ways of looking")
	command := "xmpplens proxy " + target
	switch {
	case !binds:
		out("✓", "intercept: nothing that is offered is bound to the TLS channel")
	case !free:
		out("✗", "intercept: every login that is offered is bound to the TLS channel, which ends at the proxy")
	case plain:
		out("!", "intercept: clients that can bind to the channel fail; with --mechanisms=PLAIN they log in")
		command = "xmpplens proxy --mechanisms=PLAIN " + target
	default:
		out("!", "intercept: clients that can bind to the channel fail, and PLAIN is not offered")
	}
	if scram {
		out("✓", "re-authenticate: --account=JID --password-file=FILE, with the password of a test account")
		if binds && !plain {
			command = "xmpplens proxy --account=JID --password-file=FILE " + target
		}
	} else {
		out("✗", "re-authenticate: no SCRAM mechanism is offered")
	}
	out("✓", "tap: --tap --keylog=FILE alters nothing, for clients (or a server) that write their TLS secrets to SSLKEYLOGFILE")
	if slices.Contains(d.bindings, "tls-server-end-point") {
		out("✓", "with the server's own certificate: --cert=FILE --key=FILE, for clients that bind with tls-server-end-point")
	}
	fmt.Fprintf(w, `Recipe
  %s
  Point the client at 127.0.0.1, port 5222; the account stays …@%s. It must trust $(xmpplens ca path):
    Gajim          account, Connection, "Use custom hostname/port"
    Dino           no setting: a hosts line or SRV records of a test DNS server
    Conversations  account, Expert settings, "Extended connection settings": hostname and port
    Profanity      /account set NAME server 127.0.0.1, /account set NAME port 5222
    go-sendxmpp    -j 127.0.0.1:5222, with SSL_CERT_FILE
    slixmpp        client.connect(("127.0.0.1", 5222)), client.ca_certs = …
    xmpp.js        service: "xmpp://127.0.0.1:5222", domain: "%s", with NODE_EXTRA_CA_CERTS
    Smack          setHost("127.0.0.1").setPort(5222).setXmppDomain("%s")
`, command, domain, domain, domain)
}
