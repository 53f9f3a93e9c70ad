package foreign

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/xmpplens/xmpplens/record"
)

// A dialog is what is said on a TCP connection. Its layers are TCP, TLS where
// there is any, and XMPP or HTTP. Until it is known that it is XMPP, what it
// yields is held.
type dialog struct {
	c  *captured
	k  *tcpConn
	id int // 0: held

	kind     string
	expected bool // XMPP is on that port, or TLS was negotiated for it
	refused  bool
	got      int64 // bytes of TCP, while held

	is      carries // inside of TLS, where there is any
	first   []said
	firsts  [2][]byte
	held    []record.Event
	holding int // bytes of first, firsts and held

	tls      [2]bool // by direction
	waiting  int     // bytes that wait for keys
	dec      Decrypter
	hello    []byte // of the client, until it is whole
	judged   bool   // the ClientHello was looked at
	stream   [2]stream
	asked    bool // <starttls/>
	agreed   bool // <proceed/>
	squeezed bool // compressed
	middle   bool // the beginning is not in the capture
	web      *webDialog
}

type said struct {
	d    record.Dir
	data []byte
}

func dirIndex(d record.Dir) int {
	if d == record.CS {
		return 0
	}
	return 1
}

func (c *captured) dialog(k *tcpConn) *dialog {
	d := &dialog{c: c, k: k, middle: !k.began}
	client, server := k.ends()
	kind, ok := wellKnown[server.Port()]
	if !ok {
		kind, ok = wellKnown[client.Port()]
	}
	d.kind, d.expected = kind, ok
	return d
}

// receive takes the next bytes of TCP.
func (d *dialog) receive(dir record.Dir, b []byte) {
	switch {
	case d.refused:
		d.c.s.sum.LeftOut += int64(len(b))
		return
	case d.id == 0:
		d.got += int64(len(b))
	default:
		d.c.s.sum.Recorded += int64(len(b))
	}
	if d.tls[dirIndex(dir)] {
		d.cipher(dir, b)
	} else {
		d.text(dir, b)
	}
}

// say yields an event.
func (d *dialog) say(ev record.Event) {
	if d.refused {
		return
	}
	ev.C = d.id
	if d.id != 0 {
		d.c.s.add(d.c.now, ev)
		return
	}
	ev.Data = slices.Clone(ev.Data)
	d.held = append(d.held, ev)
	d.hold(len(ev.Data) + 256)
}

// hold counts what is held. What is held for too long is let go.
func (d *dialog) hold(n int) {
	d.holding += n
	d.c.probes += n
	if d.holding > MaxProbe || d.c.probes > MaxProbes {
		d.refuse(d.what())
	}
}

// what names what the connection seems to be.
func (d *dialog) what() string {
	_, server := d.k.ends()
	switch {
	case d.tls[0] || d.tls[1]:
		return fmt.Sprintf("TLS to port %d, not known to be XMPP", server.Port())
	case d.is == web:
		return fmt.Sprintf("HTTP to port %d", server.Port())
	}
	return fmt.Sprintf("port %d, not XMPP", server.Port())
}

// refuse leaves the connection out, unless it was accepted already.
func (d *dialog) refuse(why string) {
	switch {
	case d.refused:
		return
	case d.id == 0 && !d.c.o.All:
		d.refused = true
		d.c.s.sum.LeftOut += d.got
		d.release()
		const kinds = 100
		if _, ok := d.c.others[why]; !ok && len(d.c.others) >= kinds {
			why = "other ports, not XMPP"
		}
		d.c.others[why]++
		return
	case d.id == 0:
		d.accept("")
		d.c.s.note(d.c.now, d.id, "", "taken in because everything was asked for: "+why, "")
	}
	// What it is, is shown.
	w := d.web
	d.is, d.web = xmpp, nil
	d.replay()
	if w != nil {
		for i, dir := range []record.Dir{record.CS, record.SC} {
			d.speak(dir, w.head[i])
		}
	}
}

func (d *dialog) release() {
	d.c.probes -= d.holding
	d.c.waiting -= d.waiting
	d.waiting, d.holding, d.first, d.firsts, d.held, d.hello, d.stream, d.dec = 0, 0, nil, [2][]byte{}, nil, nil, [2]stream{}, nil
}

// accept begins the connection in the recording.
func (d *dialog) accept(transport string) {
	if d.id != 0 || d.refused {
		return
	}
	d.c.ids++
	d.id = d.c.ids
	s := d.c.s
	s.sum.Conns++
	s.sum.Recorded += d.got
	client, server := d.k.ends()
	s.add(d.k.since, record.Event{C: d.id, E: record.EventOpen, Kind: cmp.Or(d.kind, "c2s"), Transport: transport, Client: address(client), Server: address(server)})
	if d.middle {
		s.note(d.k.since, d.id, "", "the capture begins in the middle of this connection", "")
	}
	held := d.held
	d.held = nil
	for _, ev := range held {
		ev.C = d.id
		s.add(d.c.now, ev)
	}
	d.c.probes -= d.holding
	d.holding = 0
}

func address(a netip.AddrPort) string { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).String() }

// text takes what is said in the clear, or inside of TLS.
func (d *dialog) text(dir record.Dir, b []byte) {
	switch {
	case d.refused:
	case d.is == xmpp:
		d.speak(dir, b)
	case d.is == web:
		d.http(dir, b)
	default:
		d.probe(dir, b)
	}
}

// probe looks what it is.
func (d *dialog) probe(dir record.Dir, b []byte) {
	i := dirIndex(dir)
	d.first = append(d.first, said{dir, slices.Clone(b)})
	d.firsts[i] = append(d.firsts[i], b[:min(len(b), max(0, enough-len(d.firsts[i])))]...)
	inside := d.tls[0] || d.tls[1]
	switch looksLike(d.firsts[i], d.expected) {
	case unsure:
		if d.hold(2 * len(b)); len(d.firsts[i]) >= enough {
			d.refuse(d.what())
		}
	case secured:
		if inside {
			d.refuse(d.what())
			return
		}
		d.tls = [2]bool{true, true}
		d.replay()
	case xmpp:
		d.is = xmpp
		d.kind = cmp.Or(kindOf(d.firsts[i]), d.kind, "c2s")
		d.accept("")
		d.replay()
	case web:
		d.is = web
		d.replay()
	case other:
		d.refuse(d.what())
	}
}

// kindOf tells the kind of a stream by its content namespace, "" where it does
// not.
func kindOf(head []byte) string {
	switch {
	case bytes.Contains(head, []byte("jabber:server")):
		return "s2s"
	case bytes.Contains(head, []byte("jabber:component:accept")):
		return "component"
	case bytes.Contains(head, []byte("jabber:client")):
		return "c2s"
	}
	return ""
}

// replay gives what was held back to the layer that it belongs to.
func (d *dialog) replay() {
	first := d.first
	d.first, d.firsts = nil, [2][]byte{}
	if d.id != 0 {
		d.c.probes -= d.holding
		d.holding = 0
	}
	for _, p := range first {
		if d.tls[dirIndex(p.d)] && d.is == unsure {
			d.cipher(p.d, p.data)
		} else {
			d.text(p.d, p.data)
		}
	}
}

// cipher takes what is protected by TLS.
func (d *dialog) cipher(dir record.Dir, b []byte) {
	d.say(record.Event{E: record.EventTLS, D: dir, Data: b, HasData: true})
	if d.refused {
		return
	}
	if d.dec == nil && d.c.o.Decrypt != nil {
		d.dec = d.c.o.Decrypt(d.id, d.read)
	}
	if d.id == 0 {
		d.judge(dir, b)
	}
	if d.dec != nil && !d.refused {
		d.dec.Write(dir, b)
		d.wait()
	}
}

// wait bounds what waits for keys, in all connections together.
func (d *dialog) wait() {
	n := 0
	if d.dec != nil && !d.refused {
		n = d.dec.Backlog()
	}
	d.c.waiting += n - d.waiting
	d.waiting = n
	if d.c.waiting > MaxWaiting && n > 0 {
		d.dec.Forgo()
		d.c.waiting -= n
		d.waiting = 0
	}
}

// judge decides by the ClientHello.
func (d *dialog) judge(dir record.Dir, b []byte) {
	if d.expected {
		d.accept("")
		return
	}
	if d.judged || dir != record.CS {
		return
	}
	d.hello = append(d.hello, b...)
	protocols, whole := helloALPN(d.hello)
	if !whole {
		return
	}
	d.judged, d.hello = true, nil
	switch {
	case slices.Contains(protocols, "xmpp-server"):
		d.kind, d.expected = "s2s", true
	case slices.Contains(protocols, "xmpp-client"):
		d.kind, d.expected = "c2s", true
	case d.dec == nil:
		d.refuse(d.what())
		return
	default:
		return // the plaintext will tell
	}
	d.accept("")
}

// read takes what the Decrypter makes of it.
func (d *dialog) read(ev record.Event) {
	switch {
	case ev.E == record.EventData:
		d.text(ev.D, ev.Data)
	case ev.E == record.EventSecure:
		d.say(ev)
		for i := range d.stream {
			d.stream[i].layer()
		}
	default:
		d.say(ev)
	}
}

// lose is told that bytes of a direction are missing.
func (d *dialog) lose(dir record.Dir, n uint32) {
	who := map[record.Dir]string{record.CS: "client", record.SC: "server"}[dir]
	hint := ""
	if d.tls[dirIndex(dir)] {
		hint = "what the " + who + " says inside of TLS cannot be read behind the hole"
	}
	d.say(record.Event{E: record.EventNote, D: dir, N: int64(n), Level: "warning", By: "import", Hint: hint,
		Text: fmt.Sprintf("%s of the %s lost: sent, and not in the capture", plural(int(n), "byte"), who)})
	if !d.tls[dirIndex(dir)] {
		d.stream[dirIndex(dir)].hole()
		if d.web != nil {
			d.web.lost = true
		}
	}
}

// end ends the dialog.
func (d *dialog) end(k *tcpConn, why string) {
	if d.id == 0 && !d.refused && !(d.tls[0] || d.tls[1]) {
		d.refuse(d.what())
	}
	var manner []string
	if d.dec != nil && !d.refused {
		d.dec.Update()
		manner = d.dec.End()
		d.c.waiting -= d.waiting
		d.waiting = 0
	}
	if d.id == 0 {
		d.refuse(d.what())
	}
	if d.refused {
		return
	}
	ev := record.Event{E: record.EventClose, By: k.first, Why: strings.Join(manner, "; ")}
	switch {
	case why == "the capture ends":
		return // nobody knows how it went on
	case why != "":
		ev.By, ev.Error = "import", why
	case k.reset:
		ev.Error = "the " + k.first + " reset the connection"
	}
	d.say(ev)
}
