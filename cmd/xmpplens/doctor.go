package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/xmpplens/xmpplens/proxy"
)

type doctorCmd struct {
	Subject   string `arg:"" optional:"" name:"domain|client" help:"A domain, whose server is looked at, or the name of a client; without, this machine is looked at."`
	Client    string `placeholder:"NAME" help:"Print what to set in this client, too."`
	Server    string `placeholder:"HOST:PORT" help:"Ask this server instead of what DNS says; tls://HOST:PORT for direct TLS."`
	WebServer string `name:"web-server" placeholder:"HOST:PORT" help:"Ask this web server for what is under https://DOMAIN/.well-known/."`
	ServerCA  string `name:"server-ca" placeholder:"FILE" type:"path" help:"Authorities for the certificates (PEM), instead of the system's."`
	Resolver  string `placeholder:"ADDR" help:"DNS server, instead of the system's."`
	Listen    string `short:"l" default:"127.0.0.1:5222" placeholder:"ADDR" help:"Where the proxy is to listen, for the recipes (${default})."`
	CADir     string `name:"ca-dir" placeholder:"DIR" type:"path" help:"Directory of the certificate authority."`
	Format    string `enum:"text,json" default:"text" help:"How the report is printed: ${enum}."`
}

func (doctorCmd) Examples() string {
	return `  xmpplens doctor                                   this machine: authority, ports, environment
  xmpplens doctor example.org                       what the domain offers, and which way of looking works
  xmpplens doctor gajim                             what to set in a client
  xmpplens doctor --client=dino example.org         the same with the domain's own hosts and ports
  xmpplens doctor --server=localhost:5222 --server-ca=ca.pem localhost
  xmpplens doctor --format=json example.org | jq '.ways[] | {way, works}'

Clients: ` + clientNames()
}

// doctorLimit is how long each step may take.
const doctorLimit = 15 * time.Second

// A doctor looks at one domain.
type doctor struct {
	domain string // as in addresses of accounts
	name   string // the same as in DNS and URLs
	target string // as UPSTREAM of the proxy
	up     proxy.Upstream
	proxy  *proxy.Proxy // to look up and to dial as the proxy does
	dns    string       // address of the DNS server, "" = not known
	web    string       // address of the web server, "" = the domain's
	roots  *x509.CertPool
	found  zone                               // by examine
	pages  map[string]func() (fetched, error) // that are asked for already, by path
}

func (c *doctorCmd) Run(s *streams) error {
	domain, who := c.Subject, c.Client
	if who == "" && clientNamed(domain) != nil {
		domain, who = "", domain
	}
	var chosen *client
	if who != "" {
		if chosen = clientNamed(who); chosen == nil {
			return usagef("known are "+clientNames(), "no client %q is known", who)
		}
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return usagef("give HOST:PORT, as in 127.0.0.1:5222", "--listen: %v", err)
	}
	r := &report{Domain: domain}
	var d *doctor
	var err error
	switch {
	case domain != "":
		if d, err = c.doctor(domain); err != nil {
			return err
		}
		err = d.examine(context.Background(), r)
	case chosen == nil:
		lookAround(r, c.CADir)
	}
	if chosen != nil {
		r.Client = chosen.Name
		r.Recipe = recipes(chosen, c.placement(d, r))
	} else if domain != "" {
		r.Hint = "xmpplens doctor --client=NAME " + domain + " prints what to set in a client: " + clientNames() + "."
	}
	if c.Format == "json" {
		if jsonErr := r.json(s.stdout); jsonErr != nil {
			return jsonErr
		}
	} else {
		r.text(s.stdout)
	}
	return err
}

// doctor checks the flags.
func (c *doctorCmd) doctor(domain string) (*doctor, error) {
	d := &doctor{domain: domain, name: proxy.ServerName(domain), web: c.WebServer}
	d.target = d.name
	if c.Server != "" {
		d.target = c.Server
	}
	var err error
	if d.up, err = proxy.ParseUpstream(d.target); err != nil {
		return nil, &usageError{err, hintOf(err)}
	}
	if d.up.Web != "" || d.up.Any {
		return nil, usagef("WebSocket and BOSH are found by the domain's host-meta", "the server %s is not HOST:PORT", d.target)
	}
	if c.WebServer != "" {
		if _, _, err := net.SplitHostPort(c.WebServer); err != nil {
			return nil, usagef("give HOST:PORT", "--web-server: %v", err)
		}
	}
	if d.roots, err = authorities(c.ServerCA); err != nil {
		return nil, &usageError{err, "give a file of PEM certificates"}
	}
	d.proxy = &proxy.Proxy{Upstream: d.up}
	if c.Resolver != "" {
		d.proxy.Resolver = proxy.ResolverAt(c.Resolver)
	}
	d.dns = nameServer(c.Resolver)
	return d, nil
}

// examine looks at everything at the same time and puts it in order. The error
// is that of the server, without which there is no verdict.
func (d *doctor) examine(ctx context.Context, r *report) error {
	records, server, web := r.begin("DNS of "+d.domain), r.begin("Server"), r.begin("Web of "+d.domain)
	pins := r.begin("Pinned certificates")
	var wg sync.WaitGroup
	var z zone
	var m hostMeta
	var err error
	wg.Go(func() {
		z = d.lookUp(ctx, records)
		r.Offers, err = d.ask(ctx, server, z)
	})
	d.pages = d.ahead(ctx, pageHostMeta, pageHostMetaJSON, pagePOSH)
	wg.Go(func() { m = d.wellKnown(ctx, web) })
	wg.Wait()
	d.found = z
	r.Endpoints = m.endpoints
	pinned := d.pins(ctx, pins, z, m, r.Offers)
	r.Escapes = escapes(z, m)
	if err == nil {
		r.Ways = verdicts(r.Offers, pinned, d.target)
	}
	return err
}

// timed is a context for one step.
func timed(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, doctorLimit)
}

// plainly is an error in one line for a report.
func plainly(err error) string {
	var dns *net.DNSError
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err // the address is known
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no answer within %v", doctorLimit)
	case errors.As(err, &dns) && dns.IsTimeout:
		return "the DNS server does not answer"
	}
	return strings.TrimPrefix(strings.ReplaceAll(err.Error(), "\n", "; "), "proxy: ")
}
