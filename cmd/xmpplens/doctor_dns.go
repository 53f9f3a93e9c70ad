package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// This file asks DNS: the services of a domain (RFC 6120 §3.2, XEP-0368), and
// what pins certificates (RFC 7673).

// A zone is what DNS says about a domain.
type zone struct {
	clients []string          // HOST:PORT of xmpp-client, best first
	direct  []string          // of xmpps-client
	quic    []string          // of xmppq-client, over UDP
	addrs   map[string]string // of the hosts, one each
}

// maxTXT is how much of a TXT record is shown.
const maxTXT = 200

func (d *doctor) lookUp(ctx context.Context, s *section) zone {
	var z zone
	if !d.up.Service {
		return z // the server was given
	}
	services := []struct {
		name, without string
		keep          *[]string
	}{
		{"xmpp-client", "none: clients try " + net.JoinHostPort(d.name, "5222"), &z.clients},
		{"xmpps-client", "none: clients use STARTTLS", &z.direct},
		{"xmpp-server", "none: servers try " + net.JoinHostPort(d.name, "5269"), nil},
		{"xmpps-server", "none: servers use STARTTLS", nil},
	}
	found := make([]struct {
		list []string
		err  error
	}, len(services))
	var quicErr error
	var texts section
	var wg sync.WaitGroup
	for i, v := range services {
		wg.Go(func() { found[i].list, found[i].err = d.targets(ctx, v.name) })
	}
	wg.Go(func() { z.quic, quicErr = d.quic(ctx) })
	wg.Go(func() { d.alternatives(ctx, &texts) })
	wg.Wait()
	for i, v := range services {
		name, list := "_"+v.name+"._tcp", found[i].list
		switch {
		case found[i].err != nil:
			s.add(statusFailed, name, "%s", plainly(found[i].err))
		case len(list) == 0:
			s.add(statusNone, name, "%s", v.without)
		default:
			s.list(statusOK, name, list[0], list[1:])
		}
		if v.keep != nil {
			*v.keep = list
		}
	}
	if quicErr != nil {
		s.add(statusFailed, "_xmppq-client._udp", "%s", plainly(quicErr))
	} else if len(z.quic) > 0 {
		s.list(statusWarning, "_xmppq-client._udp", z.quic[0]+" (QUIC, XEP-0467)", z.quic[1:])
	}
	s.Checks = append(s.Checks, texts.Checks...)
	z.addrs = d.addresses(ctx, s, z)
	return z
}

func (d *doctor) targets(ctx context.Context, service string) ([]string, error) {
	ctx, cancel := timed(ctx)
	defer cancel()
	return d.proxy.Targets(ctx, service, d.name)
}

// resolver is the one that was asked for.
func (d *doctor) resolver() *net.Resolver {
	if d.proxy.Resolver != nil {
		return d.proxy.Resolver
	}
	return net.DefaultResolver
}

// quic looks for a record that no XEP has, but software does (XEP-0467 itself
// means UDP port 443, or host-meta).
func (d *doctor) quic(ctx context.Context) ([]string, error) {
	ctx, cancel := timed(ctx)
	defer cancel()
	_, records, err := d.resolver().LookupSRV(ctx, "xmppq-client", "udp", d.name)
	if absent(err) {
		return nil, nil
	}
	var list []string
	for _, r := range records {
		list = append(list, net.JoinHostPort(strings.TrimSuffix(r.Target, "."), strconv.Itoa(int(r.Port))))
	}
	return list, err
}

// absent reports whether DNS answered that there is no such record.
func absent(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

// alternatives looks for the TXT records that XEP-0156 had until version 1.4.
func (d *doctor) alternatives(ctx context.Context, s *section) {
	ctx, cancel := timed(ctx)
	defer cancel()
	texts, err := d.resolver().LookupTXT(ctx, "_xmppconnect."+d.name)
	switch {
	case absent(err):
		s.add(statusNone, "_xmppconnect TXT", "none, as it should be")
	case err != nil:
		s.add(statusFailed, "_xmppconnect TXT", "%s", plainly(err))
	default:
		for i, t := range texts {
			if len(t) > maxTXT {
				t = t[:maxTXT] + "…"
			}
			texts[i] = strings.ToValidUTF8(t, "�")
		}
		s.list(statusWarning, "_xmppconnect TXT", "was taken out of XEP-0156, since anybody can forge it:", texts)
	}
}

// addresses looks up the hosts, and notices when a recipe is in force: then a
// proxy for the domain would connect with itself.
func (d *doctor) addresses(ctx context.Context, s *section, z zone) map[string]string {
	out := make(map[string]string)
	hosts := hostsOf(slices.Concat(z.clients, z.direct))
	if len(hosts) == 0 {
		hosts = []string{d.name}
	}
	ctx, cancel := timed(ctx)
	defer cancel()
	hosts = hosts[:min(len(hosts), maxTargets)]
	answers := make([]struct {
		addrs []netip.Addr
		err   error
	}, len(hosts))
	var wg sync.WaitGroup
	for i, h := range hosts {
		wg.Go(func() { answers[i].addrs, answers[i].err = d.resolver().LookupNetIP(ctx, "ip", h) })
	}
	wg.Wait()
	for i, h := range hosts {
		if err := answers[i].err; err != nil {
			s.add(statusFailed, "address", "of %s: %s", h, plainly(err))
		}
		for _, a := range answers[i].addrs {
			if a.IsLoopback() {
				s.add(statusWarning, "address", "%s is this machine (%s): with a hosts line or a DNS server of your own in force, give the proxy the server's address and not its name", h, a)
				break
			}
			if out[h] == "" {
				out[h] = a.Unmap().String()
			}
		}
	}
	return out
}

// maxTargets is how many hosts of a service are looked at.
const maxTargets = 4

// hostsOf are the different hosts of a list of HOST:PORT.
func hostsOf(targets []string) []string {
	var out []string
	seen := make(map[string]bool)
	for _, t := range targets {
		if h, _, err := net.SplitHostPort(t); err == nil && !seen[h] {
			seen[h] = true
			out = append(out, h)
		}
	}
	return out
}

// nameServer is the DNS server to ask for records that Go's resolver does not
// know: the one given, or the system's first.
func nameServer(given string) string {
	if given != "" {
		if _, _, err := net.SplitHostPort(given); err != nil {
			given = net.JoinHostPort(strings.Trim(given, "[]"), "53")
		}
		return given
	}
	conf, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil || len(conf.Servers) == 0 {
		return ""
	}
	return net.JoinHostPort(conf.Servers[0], conf.Port)
}

// tlsa asks for the certificates that are pinned at a host and port, and
// whether the answer is signed.
func (d *doctor) tlsa(ctx context.Context, target string) (list []string, signed bool, err error) {
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		return nil, false, err
	}
	ctx, cancel := timed(ctx)
	defer cancel()
	q := new(dns.Msg)
	q.SetQuestion(dns.Fqdn("_"+port+"._tcp."+host), dns.TypeTLSA)
	q.SetEdns0(4096, true)
	q.AuthenticatedData = true
	var a *dns.Msg
	for _, network := range []string{"udp", "tcp"} { // TCP when it is cut short
		c := dns.Client{Net: network, Timeout: doctorLimit}
		if a, _, err = c.ExchangeContext(ctx, q, d.dns); err != nil {
			return nil, false, err
		}
		if !a.Truncated {
			break
		}
	}
	if a.Rcode != dns.RcodeSuccess && a.Rcode != dns.RcodeNameError {
		return nil, false, fmt.Errorf("the DNS server answers %s", dns.RcodeToString[a.Rcode])
	}
	for _, rr := range a.Answer {
		if t, ok := rr.(*dns.TLSA); ok {
			list = append(list, fmt.Sprintf("%d %d %d %.16s…", t.Usage, t.Selector, t.MatchingType, t.Certificate))
		}
	}
	return list, a.AuthenticatedData, nil
}
