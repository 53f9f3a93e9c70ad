package main

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/xmpplens/xmpplens/proxy/mitmca"
)

// A recipe is one way to bring a client to the proxy: what to do, and lines to
// be copied.
type recipe struct {
	Title string   `json:"title"`
	Text  string   `json:"text,omitempty"`
	Lines []string `json:"lines,omitempty"`
}

// A placement is what the recipes are about: which server, and where the proxy
// is.
type placement struct {
	addr, host, port string // of the proxy
	domain, name     string // in addresses of accounts, in DNS
	target           string // as UPSTREAM
	servers          []site
	endpoints        []endpoint
	ca               string // the authority's certificate
}

// A site is a host and port that clients connect to when no proxy is there.
type site struct{ service, host, port, addr string }

const (
	someDomain  = "example.org"
	someAddress = "198.51.100.7" // RFC 5737
	keyFile     = "$HOME/keys.log"
)

// placement puts the recipes in place: with what was found out, or with
// examples.
func (c *doctorCmd) placement(d *doctor, r *report) placement {
	p := placement{addr: c.Listen, domain: someDomain, name: someDomain, target: someDomain, ca: "$(xmpplens ca path)", endpoints: r.Endpoints}
	p.host, p.port = split(c.Listen)
	dir := c.CADir
	if dir == "" {
		dir, _ = mitmca.DefaultDir()
	}
	if ca, err := mitmca.Existing(dir); err == nil {
		p.ca = ca.Path()
	}
	if d != nil {
		p.domain, p.name, p.target = d.domain, d.name, d.target
		for service, targets := range map[string][]string{"xmpp-client": d.found.clients, "xmpps-client": d.found.direct} {
			for _, t := range targets[:min(len(targets), maxTargets)] {
				host, port := split(t)
				p.servers = append(p.servers, site{service, host, port, d.found.addrs[host]})
			}
		}
		if len(p.servers) == 0 && !d.up.Service {
			p.servers = append(p.servers, site{"xmpp-client", d.up.Host, fmt.Sprint(d.up.Port), ""})
		}
		slices.SortFunc(p.servers, func(a, b site) int { return strings.Compare(a.service, b.service) })
	}
	if len(p.servers) == 0 {
		name := p.name
		if d == nil {
			name = "xmpp." + p.domain
		}
		p.servers = []site{{"xmpp-client", name, "5222", ""}}
	}
	for i, s := range p.servers {
		if s.addr == "" {
			p.servers[i].addr = someAddress
		}
	}
	return p
}

// fill puts the values into a text of the table.
func (p placement) fill(text string) string {
	return strings.NewReplacer("{addr}", p.addr, "{host}", p.host, "{port}", p.port, "{domain}", p.domain, "{ca}", p.ca, "{keys}", keyFile).Replace(text)
}

// lacks reports whether a text of the table says that there is no such thing.
func lacks(text string) bool {
	return strings.HasPrefix(text, "none") || strings.HasPrefix(text, "no way")
}

// recipes are all ways for one client, the simplest first.
func recipes(c *client, p placement) []recipe {
	listen := ""
	if p.addr != "127.0.0.1:5222" {
		listen = "-l " + p.addr + " "
	}
	out := []recipe{{c.Title, p.fill("Finds its server: " + c.Finds + ".\nBinds its login to the channel: " + c.Binding + ".\nFacts from: " + c.Seen + "."), nil}}
	if c.Browser {
		out = append(out, browserRecipe(c, p, listen))
		out = append(out, recipe{"Trust", p.fill(c.Trust), nil})
	} else {
		setting := recipe{"A setting of the client", p.fill(c.Setting), nil}
		if !lacks(c.Setting) {
			setting.Lines = []string{"xmpplens proxy " + listen + p.target}
		}
		out = append(out, setting, recipe{"Trust", p.fill(c.Trust), nil}, hostsRecipe(p), zoneRecipe(p, listen), redirectRecipe(p))
	}
	socks := recipe{"SOCKS5", p.fill(c.SOCKS), nil}
	if !lacks(c.SOCKS) {
		socks.Lines = []string{"xmpplens proxy --listen-socks=127.0.0.1:1080"}
	}
	tap := recipe{"Tap: nothing is altered, no authority is needed", p.fill(c.Keys), nil}
	if !lacks(c.Keys) && !c.Browser {
		tap.Lines = []string{"xmpplens proxy " + listen + "--tap --keylog=" + keyFile + " " + p.target}
	}
	return append(out, socks, tap)
}

// browserRecipe is for clients in pages.
func browserRecipe(c *client, p placement, listen string) recipe {
	r := recipe{Title: "A setting of the page", Text: p.fill(c.Setting)}
	for _, e := range p.endpoints {
		r.Lines = append(r.Lines, "xmpplens proxy "+listen+word(e.URL))
	}
	if r.Lines == nil {
		r.Lines = []string{
			"xmpplens proxy " + listen + "wss://" + p.domain + ":5281/xmpp-websocket",
			"xmpplens proxy " + listen + "https://" + p.domain + ":5281/http-bind",
		}
		r.Text += ". PATH is that of the server: Prosody has /xmpp-websocket and /http-bind, ejabberd /ws and /bosh"
	}
	return r
}

// hostsRecipe leads the names of the server to this machine. The line holds for
// the proxy, too, so that it must be told the server's address.
func hostsRecipe(p placement) recipe {
	r := recipe{Title: "Instead: a hosts line", Text: "In /etc/hosts (Windows: C:\\Windows\\System32\\drivers\\etc\\hosts). The proxy listens at the server's ports and is given the server's address, since the line holds for the proxy, too. Take the line out afterwards:"}
	seen := make(map[string]bool)
	for _, s := range p.servers {
		if !seen[s.host] {
			seen[s.host] = true
			r.Lines = append(r.Lines, "127.0.0.1  "+s.host)
		}
		scheme := ""
		if s.service == "xmpps-client" {
			scheme = "tls://"
		}
		r.Lines = append(r.Lines, fmt.Sprintf("xmpplens proxy -l 127.0.0.1:%s %s%s", s.port, scheme, net.JoinHostPort(s.addr, s.port)))
	}
	slices.SortStableFunc(r.Lines, func(a, b string) int {
		return strings.Compare(a[:3], b[:3]) // the lines of the file first
	})
	if len(p.servers) > 1 {
		r.Text = strings.TrimSuffix(r.Text, ":") + ". Each command has a terminal of its own:"
	}
	return r
}

// zoneRecipe is for a DNS server that a test machine or network asks.
func zoneRecipe(p placement, listen string) recipe {
	proxy := "lens." + p.name + "."
	ip := p.host
	if net.ParseIP(ip) == nil || net.ParseIP(ip).IsUnspecified() {
		ip = "127.0.0.1"
	}
	kind := "A"
	if strings.Contains(ip, ":") {
		kind = "AAAA"
	}
	return recipe{
		Title: "Instead: SRV records of a test DNS server",
		Text:  "For the client's machine only; the proxy asks the real one. One address takes STARTTLS and direct TLS:",
		Lines: []string{
			fmt.Sprintf("_xmpp-client._tcp.%s. 60 IN SRV 0 0 %s %s", p.name, p.port, proxy),
			fmt.Sprintf("_xmpps-client._tcp.%s. 60 IN SRV 0 0 %s %s", p.name, p.port, proxy),
			fmt.Sprintf("%s 60 IN %s %s", proxy, kind, ip),
			fmt.Sprintf("xmpplens proxy %s--resolver=ADDRESS-OF-THE-REAL-DNS-SERVER %s", listen, p.name),
		},
	}
}

// redirectRecipe is for Linux: what the kernel redirects keeps its destination.
func redirectRecipe(p placement) recipe {
	ports := []string{"5222", "5223"}
	for _, s := range p.servers {
		if !slices.Contains(ports, s.port) {
			ports = append(ports, s.port)
		}
	}
	list := strings.Join(ports, ", ")
	return recipe{
		Title: "Instead: a redirect (Linux, as root)",
		Text:  "The proxy runs as a user of its own (here lens), whose connections are not redirected. For clients on other machines, on a router: hook prerouting instead of output, without skuid, and -l '[::]:15222':",
		Lines: []string{
			"sudo -u lens xmpplens proxy --transparent -l 127.0.0.1:15222 -l '[::1]:15222'",
			"nft add table inet xmpplens",
			"nft 'add chain inet xmpplens out { type nat hook output priority -100; }'",
			"nft 'add rule inet xmpplens out tcp dport { " + list + " } meta skuid != lens redirect to :15222'",
			"nft delete table inet xmpplens   # the end of it",
			"iptables -t nat -A OUTPUT -p tcp -m multiport --dports " + strings.ReplaceAll(list, " ", "") + " -m owner ! --uid-owner lens -j REDIRECT --to-ports 15222   # or this, and ip6tables",
		},
	}
}
