package track

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xmpplens/xmpplens/decode/stanza"
)

// This file follows streams between servers. They are used in one direction
// (RFC 6120 §4.2) unless bidi is on (XEP-0288): an answer comes on another
// connection than its question. A domain is proved with SASL EXTERNAL
// (XEP-0178 §3) or by dialback (XEP-0220), where the receiving server asks the
// domain's own server on a second connection whether the key is right.

const (
	nsServer   = "jabber:server"
	nsDialback = "jabber:server:dialback"
	nsBidi     = "urn:xmpp:bidi"
)

// A federation is what is known of a stream between servers.
type federation struct {
	on       bool
	from, to string             // of the connecting server's stream header
	id       string             // of the receiving server's stream
	proved   string             // the domain that the connecting server proved with EXTERNAL
	bidi     bool               // stanzas go both ways
	asked    [2]map[string]int  // dialback requests without an answer: their entries, by direction
	pairs    [2]map[string]bool // pairs of domains that may send, by direction
	problems [2]string          // what is wrong with the certificate of a leg
}

const (
	maxPairs = 1000 // of one connection, in each direction
	maxPart  = 300  // bytes of an address or key that are remembered
)

// key makes one of several parts, which come from strangers.
func key(parts ...string) string {
	for i, p := range parts {
		parts[i] = p[:min(len(p), maxPart)]
	}
	return strings.Join(parts, "\x00")
}

// domain is that of an address, in lower case.
func domain(jid string) string { return strings.ToLower(normal(jid).Domain) }

// federates takes what a stream header says.
func (c *Conn) federates(in Frame, ns string) {
	if ns != nsServer {
		return
	}
	c.fed.on = true
	if s := in.Frame.Stream; in.Dir == CS {
		c.fed.from, c.fed.to = domain(s.Attr("from")), domain(s.Attr("to"))
	} else {
		c.fed.id = strings.Clone(s.Attr("id"))
	}
}

// dialback follows the four steps of XEP-0220 §2.
func (t *Tracker) dialback(c *Conn, in Frame, root *stanza.Node, f *Facts) {
	if root.Name != "result" && root.Name != "verify" {
		return
	}
	from, to, id := domain(root.Attr("from")), domain(root.Attr("to")), root.Attr("id")
	if from == "" || to == "" {
		f.find(Error, "dialback-missing-address", "dialback needs both domains, in from and to", "XEP-0220 §2.1.1")
		return
	}
	if root.Name == "result" {
		id = c.fed.id
	}
	if root.Attr("type") != "" {
		t.dialbackAnswer(c, in, root, f, from, to, id)
		return
	}
	if c.fed.asked[in.Dir] == nil || len(c.fed.asked[in.Dir]) >= maxPairs {
		c.fed.asked[in.Dir] = make(map[string]int)
	}
	c.fed.asked[in.Dir][key(root.Name, from, to, id)] = in.N
	if c.phase != PhaseOnline {
		c.enter(PhaseDialback, in.At)
	}
	secret := strings.TrimSpace(root.Text)
	if root.Name == "result" {
		c.detail(from + " → " + to)
		t.keys.put(key("sent", from, to, id), in.N)
		t.keys.put(key("sent", from, to, id, secret), in.N)
		return
	}
	c.detail("is the key of " + to + " right?")
	// Who asks is the receiver of the key.
	sent := t.keys.get(key("sent", to, from, id))
	f.relate(Verifies, sent)
	if sent > 0 && t.keys.get(key("sent", to, from, id, secret)) == 0 {
		f.find(Error, "dialback-key", fmt.Sprintf("this is not the key that was sent in entry %d: something between the servers changed it", sent), "XEP-0220 §2.1.2")
	}
}

// dialbackAnswer takes the answer to a request that went the other way.
func (t *Tracker) dialbackAnswer(c *Conn, in Frame, root *stanza.Node, f *Facts, from, to, id string) {
	ask := in.Dir.other()
	k := key(root.Name, to, from, id)
	n := c.fed.asked[ask][k]
	if n == 0 {
		f.find(Warning, "dialback-unasked", fmt.Sprintf("an answer to a request that was not made on this stream: %s must not believe it", to), "XEP-0220 §2.1.1")
		return
	}
	delete(c.fed.asked[ask], k)
	f.relate(Answers, n)
	verdict := key("verdict", to, from, id)
	if root.Name == "verify" {
		verdict = key("verdict", from, to, id)
		t.keys.put(verdict, in.N)
	} else {
		f.relate(RestsOn, t.keys.get(verdict))
	}
	switch kind := root.Attr("type"); kind {
	case "valid":
		if root.Name == "verify" {
			c.detail("the key of " + from + " is right")
			break
		}
		if c.fed.pairs[ask] == nil || len(c.fed.pairs[ask]) >= maxPairs {
			c.fed.pairs[ask] = make(map[string]bool)
		}
		c.fed.pairs[ask][key(to, from)] = true
		c.enter(PhaseOnline, in.At)
		c.detail(to + " → " + from + ", by dialback")
	case "invalid":
		c.detail("refused")
		text := fmt.Sprintf("%s does not believe that %s sends: its own server says that the key is wrong. Do DNS and the key's secret belong to the same server, and does the stream's id arrive unchanged?", from, to)
		if root.Name == "verify" {
			text = fmt.Sprintf("%s did not make this key: another server sends in its name, or its machines do not share the secret", from)
		}
		f.find(Error, "dialback-invalid", text, "XEP-0220 §2.2.1")
	default:
		c.detail("failed")
		f.find(Error, "dialback-error", fmt.Sprintf("%s could not check %s: %s", from, to, dialbackError(root)), "XEP-0220 §2.5")
	}
}

// dialbackError says what an error of dialback means.
func dialbackError(root *stanza.Node) string {
	said := "an error without a condition"
	e := root.Child("", "error")
	if e == nil {
		return said
	}
	for _, x := range e.Children {
		if x.Name != "text" {
			said = x.Name
			break
		}
	}
	if why := dialbackErrors[said]; why != "" {
		said += " (" + why + ")"
	}
	if t := e.Child("", "text"); t != nil && t.Text != "" {
		said += ": " + t.Text
	}
	return said
}

var dialbackErrors = map[string]string{
	"item-not-found":            "it does not host the domain",
	"remote-connection-failed":  "no connection to the domain's server",
	"remote-server-not-found":   "the domain's server was not found, or does not know the domain",
	"remote-server-timeout":     "the domain's server did not answer",
	"policy-violation":          "it demands TLS first",
	"not-authorized":            "it demands a certificate",
	"forbidden":                 "the domain's server says that the key is wrong",
	"not-acceptable":            "it could not establish who is asking",
	"resource-constraint":       "it takes no more domains on this connection",
	"internal-server-error":     "it failed itself",
	"undefined-condition":       "",
	"service-unavailable":       "it is not available",
	"feature-not-implemented":   "it does not know how",
	"remote-server-not-allowed": "",
}

// external takes the end of a login with EXTERNAL between servers.
func (c *Conn) external(in Frame, f *Facts, success bool) {
	who := cmp.Or(domain(c.Login.User), c.fed.from)
	if success {
		c.fed.proved = who
		c.enter(PhaseOnline, in.At)
		c.detail(who + ", by " + c.Login.Mechanism)
		return
	}
	why := "the connecting server's own certificate is good, but the server sees one of the proxy's authority for the same domain, which it has to trust (xmpplens ca trust)"
	switch {
	case !c.secure[0] && !c.secure[1]:
		why = "without TLS there is no certificate to prove anything"
	case c.fed.problems[0] != "":
		why = c.fed.problems[0]
	}
	if e := in.Stanza.Error; e != nil && e.Text != "" {
		why += fmt.Sprintf(" (the server says %q)", e.Text)
	}
	f.find(Error, "external-refused", "the server does not accept the certificate as proof of "+cmp.Or(who, "the domain")+": "+why, "XEP-0178 §3")
}

// bidirectional is the request to use the stream both ways.
func (c *Conn) bidirectional(in Frame, f *Facts) {
	if len(c.fed.pairs[in.Dir]) > 0 || c.Login.Result == "success" {
		f.find(Warning, "bidi-late", "bidi is asked for after the login: it belongs in front of it", "XEP-0288 §2.2")
	}
	c.fed.bidi = true
}

// authorised judges whether a stanza may come on this stream.
func (c *Conn) authorised(in Frame, f *Facts) {
	s := in.Stanza
	if s.From == "" || s.To == "" {
		ref, what := "RFC 6120 §8.1.1.2", "to"
		if s.From == "" {
			ref, what = "RFC 6120 §8.1.2.2", "from"
		}
		f.find(Error, "stanza-missing-address", "a stanza between servers without "+what+": the server must refuse it", ref)
		return
	}
	if in.Dir == SC && !c.fed.bidi {
		f.find(Error, "bidi-off", "a stanza from the server that was connected to: the stream goes one way only, bidi is not on", "XEP-0288 §2.2")
		return
	}
	from, to := domain(s.From), domain(s.To)
	if len(c.fed.pairs[CS])+len(c.fed.pairs[SC]) == 0 && c.fed.proved == "" {
		if c.headers[CS] > 0 {
			f.find(Error, "stanza-before-auth", "a stanza before "+from+" is authorised", "RFC 6120 §6.2")
		}
		return
	}
	// With bidi a pair that was authorised one way counts the other way, too.
	ok := c.fed.pairs[in.Dir][key(from, to)] || c.fed.bidi && c.fed.pairs[in.Dir.other()][key(to, from)]
	if c.fed.proved != "" {
		// What EXTERNAL proves is a domain, not a pair.
		ok = ok || in.Dir == CS && from == c.fed.proved || in.Dir == SC && to == c.fed.proved
	}
	if !ok {
		f.find(Error, "from-not-authorised", fmt.Sprintf("%s is not authorised to send to %s on this stream: the server must refuse it", from, to), "RFC 6120 §8.1.2.2")
	}
}

// unanswered names the requests that dialback left open.
func (c *Conn) unanswered(f *Facts) {
	var left []queued
	for d := range c.fed.asked {
		for _, n := range c.fed.asked[d] {
			left = append(left, queued{n: n})
		}
	}
	if len(left) > 0 {
		slices.SortFunc(left, func(a, b queued) int { return a.n - b.n })
		f.find(Warning, "dialback-unanswered", "never answered: "+entries(left), "XEP-0220 §2.1.1")
	}
}

// A crossing pairs iq stanzas across the connections between servers.
type crossing struct{ open map[string]request }

// iq relates an answer to its question, wherever that was asked.
func (x *crossing) iq(in Frame, f *Facts) {
	s := in.Stanza
	if s.ID == "" {
		return
	}
	switch s.Type {
	case "get", "set":
		if x.open == nil || len(x.open) >= maxOpen {
			x.open = make(map[string]request)
		}
		x.open[key(s.ID, s.From, s.To)] = request{n: in.N, at: in.At}
	case "result", "error":
		k := key(s.ID, s.To, s.From)
		if r, ok := x.open[k]; ok {
			delete(x.open, k)
			f.relate(Answers, r.n)
			f.Latency, f.HasLatency = max(in.At-r.at, time.Duration(0)), true
		}
	}
}
