package foreign

import (
	"cmp"
	"container/list"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/xmpplens/xmpplens/record"
)

// This file follows the TCP connections of a capture.

// wellKnown are the ports on which XMPP is expected, with the kind of connection
// and whether TLS begins at once (RFC 6120 §14.7, XEP-0368, XEP-0114).
var wellKnown = map[uint16]string{5222: "c2s", 5223: "c2s", 5269: "s2s", 5270: "s2s", 5275: "component", 5347: "component"}

// pair names a connection, whoever sends: the lower address first.
type pair struct{ a, b netip.AddrPort }

// tcpConn is one TCP connection.
type tcpConn struct {
	key    pair
	at     *list.Element // in captured.silent
	since  time.Time     // of its first packet
	t      time.Time     // of its last packet
	client int           // 0: a, 1: b, -1: not known yet
	from   [2]flow       // by sender
	began  bool          // its SYN is in the capture
	seq    uint32        // of the SYN
	first  string        // who ended first
	ended  bool
	reset  bool

	app *dialog // nil until somebody says something, and when it has ended
}

// captured is the state of a capture that is read.
type captured struct {
	in      *input
	o       Options
	s       *sink
	d       dissector
	conns   map[pair]*tcpConn
	silent  *list.List // of *tcpConn, the longest silent first
	gaps    int        // bytes behind holes
	probes  int        // bytes that wait for a decision
	waiting int        // bytes that wait for keys
	ids     int
	now     time.Time // of the packet
	begun   bool
	ours    bool             // xmpplens wrote it
	inside  map[pair]*dialog // of ours, those that go on inside of TLS, in the next connection
	others  map[string]int   // what was left out, connections of each kind
	links   map[int]int64    // packets of link types that cannot be read
	evicted int
}

func readCapture(in *input, o Options, s *sink) error {
	c := &captured{in: in, o: o, s: s, conns: make(map[pair]*tcpConn), inside: make(map[pair]*dialog), silent: list.New(), others: make(map[string]int), links: make(map[int]int64)}
	r := newCaptureReader(in)
	r.secrets = o.Secrets
	var broken error
	for !s.stopped() {
		p, err := r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			broken = err
			break
		}
		if strings.HasPrefix(r.app, "xmpplens") {
			p.comments, c.ours = nil, true // they say what follows from the stanzas anyway
		}
		c.packet(p)
	}
	if !c.begun {
		if broken != nil {
			return broken
		}
		c.begin(in.modified)
	}
	s.sum.Packets = r.n
	c.finish(broken)
	if s.sum.Conns == 0 && broken == nil {
		return c.nothing()
	}
	return broken
}

// begin says where the recording comes from.
func (c *captured) begin(t time.Time) {
	c.begun, c.now = true, t
	c.s.sum.Dated = true
	c.s.note(t, 0, "", "imported from the capture "+baseName(c.in.path), "")
}

func (c *captured) packet(p packet) {
	if !c.begun {
		c.begin(p.t)
	}
	c.now = p.t
	for _, text := range p.comments {
		c.comment(p, text)
	}
	if !readable(p.link) {
		c.links[p.link]++
		return
	}
	s, ok, odd := c.d.segment(p)
	if odd {
		c.s.sum.Odd++
	}
	if ok {
		c.segment(&s)
	}
}

// comment takes a remark that somebody made in Wireshark.
func (c *captured) comment(p packet, text string) {
	const longest = 4 << 10
	if len(text) > longest {
		text = text[:longest] + "…"
	}
	c.s.note(p.t, 0, "", fmt.Sprintf("comment on packet %d: %s", p.n, strings.ToValidUTF8(text, "\ufffd")), "")
}

func (c *captured) segment(s *segment) {
	c.s.sum.Payload += int64(len(s.data))
	key, from := pair{s.src, s.dst}, 0
	if cmp.Or(s.src.Addr().Compare(s.dst.Addr()), cmp.Compare(s.src.Port(), s.dst.Port())) > 0 {
		key, from = pair{s.dst, s.src}, 1
	}
	k := c.conns[key]
	if k != nil && s.syn && (k.ended || !s.has && k.seq != s.seq) {
		c.end(k, "the ports are used again")
		c.forget(k)
		k = nil
	}
	if k == nil {
		k = c.connection(key, s, from)
	}
	k.t = s.t
	c.silent.MoveToBack(k.at)
	if k.ended {
		c.s.sum.Repeated += int64(len(s.data)) // what comes late
		return
	}
	to := receiver{
		data:     func(b []byte) { c.deliver(k, from, b) },
		lost:     func(n uint32) { c.lose(k, from, n) },
		repeated: func(n int) { c.s.sum.Repeated += int64(n) },
		gaps:     &c.gaps,
	}
	f := &k.from[from]
	f.take(s, &to)
	if c.gaps > MaxGaps {
		f.last(&to)
	}
	f.look(s.t, &to)
	if s.has {
		other := &k.from[1-from]
		back := to
		back.data = func(b []byte) { c.deliver(k, 1-from, b) }
		back.lost = func(n uint32) { c.lose(k, 1-from, n) }
		other.confirm(s.ack, s.t)
		other.look(s.t, &back)
	}
	switch {
	case s.rst:
		k.reset = true
		k.first = cmp.Or(k.first, k.side(from))
		c.end(k, "")
	case k.from[0].finished && k.from[1].finished:
		k.first = cmp.Or(k.first, k.side(from))
		c.end(k, "")
	case f.finished:
		k.first = cmp.Or(k.first, k.side(from))
	}
}

// side names a sender.
func (k *tcpConn) side(from int) string {
	if from == max(k.client, 0) {
		return "client"
	}
	return "server"
}

func (c *captured) connection(key pair, s *segment, from int) *tcpConn {
	for len(c.conns) >= MaxConns {
		k := c.silent.Front().Value.(*tcpConn)
		if !k.ended {
			c.end(k, fmt.Sprintf("more than %d connections at a time", MaxConns))
			c.evicted++
		}
		c.forget(k)
	}
	k := &tcpConn{key: key, since: s.t, client: -1}
	_, a := wellKnown[key.a.Port()]
	_, b := wellKnown[key.b.Port()]
	switch {
	case s.syn && !s.has:
		k.client, k.began, k.seq = from, true, s.seq
	case s.syn:
		k.client, k.began = 1-from, true
		k.seq = s.ack - 1
	case a && !b:
		k.client = 1
	case b && !a:
		k.client = 0
	}
	if d := c.inside[key]; d != nil && s.syn {
		delete(c.inside, key)
		d.goesOn(k)
	}
	k.at = c.silent.PushBack(k)
	c.conns[key] = k
	return k
}

func (c *captured) forget(k *tcpConn) {
	delete(c.conns, k.key)
	c.silent.Remove(k.at)
}

// deliver takes the next bytes of a sender.
func (c *captured) deliver(k *tcpConn, from int, b []byte) {
	if k.client < 0 {
		k.client = from
		if answers(b) {
			k.client = 1 - from
		}
	}
	if k.app == nil {
		k.app = c.dialog(k)
	}
	k.app.receive(k.dir(from), b)
}

func (k *tcpConn) dir(from int) record.Dir {
	if from == max(k.client, 0) {
		return record.CS
	}
	return record.SC
}

func (c *captured) lose(k *tcpConn, from int, n uint32) {
	c.s.sum.Lost += int64(n)
	if k.app != nil {
		k.app.lose(k.dir(from), n)
	}
}

// ends returns the addresses of client and server.
func (k *tcpConn) ends() (client, server netip.AddrPort) {
	if k.client == 1 {
		return k.key.b, k.key.a
	}
	return k.key.a, k.key.b
}

// end ends a connection; why is "" where its FIN or RST is in the capture.
func (c *captured) end(k *tcpConn, why string) {
	if k.ended {
		return
	}
	for from := range k.from {
		to := receiver{
			data:     func(b []byte) { c.deliver(k, from, b) },
			lost:     func(n uint32) { c.lose(k, from, n) },
			repeated: func(n int) { c.s.sum.Repeated += int64(n) },
			gaps:     &c.gaps,
		}
		k.from[from].last(&to)
		k.from[from] = flow{}
	}
	k.ended = true
	switch d := k.app; {
	case d == nil:
	case c.ours && why == "" && d.agreed && !d.secure() && len(c.inside) < MaxConns:
		c.inside[k.key] = d
	default:
		d.end(k, why)
	}
	k.app = nil
}

// finish ends what is open.
func (c *captured) finish(broken error) {
	open := slices.SortedFunc(maps.Values(c.conns), func(a, b *tcpConn) int {
		x, y := 0, 0
		if a.app != nil {
			x = a.app.id
		}
		if b.app != nil {
			y = b.app.id
		}
		return cmp.Or(cmp.Compare(x, y), a.t.Compare(b.t))
	})
	for _, k := range open {
		c.end(k, "the capture ends")
	}
	for _, d := range slices.SortedFunc(maps.Values(c.inside), func(a, b *dialog) int { return a.id - b.id }) {
		d.end(d.k, "")
	}
	for _, what := range slices.Sorted(maps.Keys(c.others)) {
		c.s.sum.Skipped = append(c.s.sum.Skipped, fmt.Sprintf("%s: %s", what, plural(c.others[what], "connection")))
	}
	for _, link := range slices.Sorted(maps.Keys(c.links)) {
		c.s.sum.Skipped = append(c.s.sum.Skipped, fmt.Sprintf("link type %d, which is not read: %s", link, plural(int(c.links[link]), "packet")))
	}
	if c.evicted > 0 {
		c.s.sum.Skipped = append(c.s.sum.Skipped, fmt.Sprintf("%s ended early: there were more than %d at a time", plural(c.evicted, "connection"), MaxConns))
	}
	level, text := "", "the capture ends: "+c.s.sum.Words()
	if broken != nil {
		level, text = "warning", "the capture is damaged and was read as far as it goes: "+strings.TrimPrefix(broken.Error(), "import: ")+"; "+c.s.sum.Words()
	}
	c.s.note(c.now, 0, level, text, "")
}

// nothing is the error of a capture without XMPP.
func (c *captured) nothing() error {
	what := "no TCP connection has any data"
	if len(c.s.sum.Skipped) > 0 {
		what = strings.Join(c.s.sum.Skipped, "; ")
	}
	return &SyntaxError{"", "there is no XMPP in " + c.in.path + ": " + what, "connections that look like something else are imported with --all; those inside of TLS need --keylog=FILE to be recognised on a port that is not XMPP's"}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Words is the summary in words, "" where there is nothing to say.
func (s *Summary) Words() string {
	var parts []string
	if s.Format == "pcap" {
		parts = append(parts, plural(int(s.Packets), "packet"), fmt.Sprintf("%s in %s", plural(int(s.Recorded), "byte"), plural(s.Conns, "connection")))
		for _, p := range []struct {
			n    int64
			what string
		}{{s.Repeated, "came twice"}, {s.LeftOut, "left out"}, {s.Lost, "lost by the capture"}} {
			if p.n > 0 {
				parts = append(parts, plural(int(p.n), "byte")+" "+p.what)
			}
		}
		if s.Odd > 0 {
			parts = append(parts, plural(int(s.Odd), "packet")+" not readable")
		}
	} else {
		parts = append(parts, plural(s.Conns, "connection"))
		if s.Lines > 0 {
			parts = append(parts, plural(int(s.Lines), "line"), fmt.Sprintf("%d of them not XMPP", s.Unknown))
		}
	}
	parts = append(parts, s.Skipped...)
	return strings.Join(parts, ", ")
}
