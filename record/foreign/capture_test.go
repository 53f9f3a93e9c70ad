package foreign

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"
	"github.com/klauspost/compress/zstd"

	"github.com/xmpplens/xmpplens/record"
)

// theWords are those of conversation.
const theWords = `open
CS header
SC header
SC nonza
CS iq
CS message
CS presence
SC iq
SC message
CS end
SC end
close: connection 1 closed by the client`

func wordsOf(w *wire) [2]string {
	var out [2]string
	src, _ := w.addr(0)
	for _, p := range w.packets {
		s, ok, _ := new(dissector).segment(packet{link: 101, data: p.b, length: len(p.b)})
		if !ok {
			continue
		}
		i := 1
		if s.src.Port() == uint16(src.Port) {
			i = 0
		}
		out[i] += string(s.data)
	}
	return out
}

func TestLinkTypes(t *testing.T) {
	four, six := conversation("192.0.2.1:40000", "192.0.2.2:5222"), conversation("[2001:db8::1]:40000", "[2001:db8::2]:5222")
	for _, w := range []*wire{four, six} {
		for _, kind := range []layers.LinkType{layers.LinkTypeEthernet, layers.LinkTypeRaw, layers.LinkTypeNull, layers.LinkTypeLoop, layers.LinkTypeLinuxSLL, layers.LinkTypeLinuxSLL2} {
			r := importBytes(t, "c.pcap", pcapOf(kind, w.packets...), Options{})
			if r.err != nil || r.words(1) != theWords || r.said[1] != wordsOf(w) {
				t.Errorf("%s %v: %v\n%s\n%s", w.server, kind, r.err, r.words(1), r.notes())
			}
		}
	}
	open := importBytes(t, "c.pcap", pcapOf(layers.LinkTypeEthernet, six.packets...), Options{}).events[1]
	if open.Client != "[2001:db8::1]:40000" || open.Server != "[2001:db8::2]:5222" || open.Kind != "c2s" {
		t.Errorf("%+v", open)
	}
	// A link type that nobody reads.
	b := pcapOf(layers.LinkTypeEthernet, four.packets...)
	b[20] = 250
	if r := importBytes(t, "c.pcap", b, Options{}); r.err == nil || !strings.Contains(r.err.Error(), "link type 250, which is not read: 22 packets") {
		t.Error(r.err)
	}
}

func TestVLAN(t *testing.T) {
	w := conversation("192.0.2.1:40000", "192.0.2.2:5222")
	for i, p := range w.packets {
		b := link(layers.LinkTypeEthernet, p.b)
		w.packets[i].b = slices.Concat(b[:12], []byte{0x88, 0xa8, 0, 7, 0x81, 0, 0, 9}, b[12:])
	}
	b := pcapOf(layers.LinkTypeRaw, w.packets...)
	b[20] = 1
	if r := importBytes(t, "c.pcap", b, Options{}); r.words(1) != theWords {
		t.Errorf("%v\n%s", r.err, r.words(1))
	}
}

// ngOf writes a pcapng in either byte order, with what stands in front of the
// packets, and a comment on the fourth.
func ngOf(order binary.AppendByteOrder, resolution byte, before []byte, packets ...frame) []byte {
	block := func(kind uint32, body []byte) []byte {
		for len(body)%4 != 0 {
			body = append(body, 0)
		}
		n := uint32(len(body) + 12)
		out := order.AppendUint32(order.AppendUint32(nil, kind), n)
		return order.AppendUint32(append(out, body...), n)
	}
	head := order.AppendUint32(nil, 0x1a2b3c4d)
	head = order.AppendUint16(order.AppendUint16(head, 1), 0)
	out := block(0x0a0d0d0a, append(head, bytes.Repeat([]byte{0xff}, 8)...))
	i := order.AppendUint16(order.AppendUint16(nil, uint16(layers.LinkTypeRaw)), 0)
	i = order.AppendUint32(i, 0)
	i = append(order.AppendUint16(order.AppendUint16(i, 9), 1), resolution, 0, 0, 0)
	i = order.AppendUint32(i, 0)
	out = append(out, block(1, i)...)
	out = append(out, before...)
	for n, p := range packets {
		ticks := uint64(p.t.UnixNano()) / 1000
		if resolution == 9 {
			ticks *= 1000
		}
		e := order.AppendUint32(nil, 0)
		e = order.AppendUint32(order.AppendUint32(e, uint32(ticks>>32)), uint32(ticks))
		e = order.AppendUint32(order.AppendUint32(e, uint32(len(p.b))), uint32(len(p.b)))
		e = append(e, p.b...)
		for len(e)%4 != 0 {
			e = append(e, 0)
		}
		if n == 3 {
			e = append(order.AppendUint16(order.AppendUint16(e, 1), 5), "look!\x00\x00\x00"...)
			e = order.AppendUint32(e, 0)
		}
		out = append(out, block(6, e)...)
	}
	return out
}

func TestContainers(t *testing.T) {
	w := conversation("192.0.2.1:40000", "192.0.2.2:5222")
	plain := pcapOf(layers.LinkTypeRaw, w.packets...)
	var gz, zs bytes.Buffer
	g := gzip.NewWriter(&gz)
	g.Write(plain)
	g.Close()
	z, _ := zstd.NewWriter(&zs)
	z.Write(plain)
	z.Close()
	big := bytes.Clone(plain)
	swap := func(b []byte, sizes ...int) {
		for _, n := range sizes {
			slices.Reverse(b[:n])
			b = b[n:]
		}
	}
	swap(big, 4, 2, 2, 4, 4, 4, 4)
	for at := 24; at < len(big); {
		n := int(binary.LittleEndian.Uint32(big[at+8:]))
		swap(big[at:], 4, 4, 4, 4)
		at += 16 + n
	}
	for name, b := range map[string][]byte{
		"pcap": plain, "big": big, "gzip": gz.Bytes(), "zstd": zs.Bytes(),
		"ng": ngOf(binary.LittleEndian, 6, nil, w.packets...), "ng-big": ngOf(binary.BigEndian, 6, nil, w.packets...), "ng-nano": ngOf(binary.LittleEndian, 9, nil, w.packets...),
	} {
		r := importBytes(t, name, b, Options{})
		if r.err != nil || r.words(1) != theWords {
			t.Errorf("%s: %v\n%s", name, r.err, r.words(1))
			continue
		}
		for i, ev := range r.events {
			if ev.E == record.EventData && ev.D == record.CS {
				if got := r.times[i].Sub(noon); got != 4*time.Millisecond {
					t.Errorf("%s: the first data come at %v", name, got)
				}
				break
			}
		}
		if has := strings.Contains(r.notes(), "comment on packet 4: look!"); has != strings.HasPrefix(name, "ng") {
			t.Errorf("%s: %s", name, r.notes())
		}
	}
}

func TestSecretsBlock(t *testing.T) {
	w := conversation("192.0.2.1:40000", "192.0.2.2:5222")
	body := binary.LittleEndian.AppendUint32(nil, 0x544c534b)
	body = append(binary.LittleEndian.AppendUint32(body, 8), "KEY 1 2\n"...)
	n := uint32(len(body) + 12)
	block := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, 10), n)
	block = binary.LittleEndian.AppendUint32(append(block, body...), n)
	var got string
	r := importBytes(t, "c", ngOf(binary.LittleEndian, 6, block, w.packets...), Options{Secrets: func(b []byte) { got += string(b) }})
	if r.err != nil || got != "KEY 1 2\n" || r.words(1) != theWords {
		t.Errorf("%v %q", r.err, got)
	}
}

func TestReordered(t *testing.T) {
	w := conversation("192.0.2.1:40000", "192.0.2.2:5222")
	want := wordsOf(w)
	for i := 3; i+1 < len(w.packets)-3; i++ {
		p := slices.Clone(w.packets)
		p[i].b, p[i+1].b = p[i+1].b, p[i].b
		r := importBytes(t, "c", pcapOf(layers.LinkTypeRaw, p...), Options{})
		if r.err != nil || r.said[1] != want || r.sum.Lost != 0 {
			t.Errorf("packets %d and %d exchanged: %v, %d lost\n%q", i, i+1, r.err, r.sum.Lost, r.said[1])
		}
		p = slices.Insert(slices.Clone(w.packets), i+2, w.packets[i])
		if r := importBytes(t, "c", pcapOf(layers.LinkTypeRaw, p...), Options{}); r.err != nil || r.said[1] != want || r.words(1) != theWords {
			t.Errorf("packet %d twice: %v\n%s", i, r.err, r.words(1))
		}
	}
	// Retransmitted in other pieces.
	v := newWire("192.0.2.1:40000", "192.0.2.2:5222").open()
	v.says(0, clientHeader)
	v.send(0, layers.TCP{ACK: true}, "<presence/><iq id='")
	v.seq[0] -= 1
	v.send(0, layers.TCP{ACK: true}, "'1")
	v.seq[0] -= 9
	v.send(0, layers.TCP{ACK: true}, "<iq id='1' type='get'/>")
	if r := importBytes(t, "c", pcapOf(layers.LinkTypeRaw, v.packets...), Options{}); r.said[1][0] != clientHeader+"<presence/><iq id='1' type='get'/>" || r.sum.Repeated != 10 {
		t.Errorf("%q, %d repeated", r.said[1][0], r.sum.Repeated)
	}
}

func TestLost(t *testing.T) {
	w := newWire("192.0.2.1:40000", "192.0.2.2:5222").open()
	w.says(0, clientHeader)
	w.says(1, serverHeader+someFeatures)
	w.says(1, "<message id='1'><body>hello</body></message><message id='2'><bo")
	gone := len(w.packets)
	w.says(1, "dy>lost</body></message><message id='3'><body>half <x><message/>")
	w.says(1, "</x></body></message><message id='4'><body>whole</body></message>")
	for range 20 {
		w.says(0, "<presence/>")
	}
	w.says(1, "<message id='5'/>")
	w.close()
	p := slices.Delete(slices.Clone(w.packets), gone, gone+1)
	r := importBytes(t, "c", pcapOf(layers.LinkTypeRaw, p...), Options{})
	n := len("dy>lost</body></message><message id='3'><body>half <x><message/>")
	if r.err != nil || r.sum.Lost != int64(n) {
		t.Errorf("%v, %d lost", r.err, r.sum.Lost)
	}
	words := r.words(1)
	for _, want := range []string{
		fmt.Sprintf("note: %d bytes of the server lost: sent, and not in the capture\n", n),
		"SC junk\nnote: framing begins again: the 21 bytes before belong to something whose beginning is missing\nSC message\n",
		"SC message\nCS end", // nothing is junk any more
	} {
		if want = strings.Replace(want, "\nCS end", "\nclose: connection 1 closed by the client", 1); !strings.Contains(words, want) {
			t.Errorf("no %q in\n%s", want, words)
		}
	}
	var ids []string
	for _, e := range r.entries() {
		if e.Kind == "message" {
			ids = append(ids, e.Stanza.ID+e.Stanza.NS)
		}
	}
	if got := strings.Join(ids, " "); got != "1jabber:client 4jabber:client 5jabber:client" {
		t.Error(got)
	}
}

// TestLostInside has a hole inside of a stanza that contains what looks like another.
func TestLostInside(t *testing.T) {
	w := newWire("192.0.2.1:40000", "192.0.2.2:5222").open()
	w.says(0, clientHeader)
	w.says(1, serverHeader+someFeatures)
	gone := len(w.packets)
	w.says(1, "<message id='1'><forwarded xmlns='urn:xmpp:forward:0'>")
	w.says(1, "<message id='2'/></forwarded></message><message id='3'/>")
	for range 20 {
		w.says(0, "<presence/>")
	}
	w.says(1, "<message id='4'/>").close()
	r := importBytes(t, "c", pcapOf(layers.LinkTypeRaw, slices.Delete(slices.Clone(w.packets), gone, gone+1)...), Options{})
	var ids []string
	for _, e := range r.entries() {
		if e.Kind == "message" {
			ids = append(ids, e.Stanza.ID)
		}
	}
	if got := strings.Join(ids, " "); got != "2 3 4" || strings.Count(r.words(1), "framing begins again") != 1 {
		t.Errorf("%s\n%s", got, r.words(1))
	}
}

func TestMiddle(t *testing.T) {
	w := newWire("192.0.2.1:40000", "192.0.2.2:5222")
	w.says(1, "or</body></message><message id='1'><body>x</body></message>")
	w.says(0, "<iq type='get' id='2'/>")
	w.says(1, "<iq type='result' id='2'/>")
	r := importBytes(t, "c", pcapOf(layers.LinkTypeRaw, w.packets...), Options{})
	want := `open
note: the capture begins in the middle of this connection
SC junk
SC junk
SC junk
note: framing begins again: the 19 bytes before belong to something whose beginning is missing
SC message
CS iq
SC iq`
	if got := r.words(1); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, e := range r.entries() {
		if e.Kind == "iq" && e.Stanza.NS != "jabber:client" || e.Kind != "junk" && len(e.Facts.Findings) > 0 && e.Facts.Findings[0].Code != "iq-payloads" {
			t.Errorf("%s %q %+v", e.Kind, e.Stanza.NS, e.Facts.Findings)
		}
	}
}

func TestParallel(t *testing.T) {
	a, b := conversation("192.0.2.1:40000", "192.0.2.2:5222"), conversation("192.0.2.1:40001", "192.0.2.2:5269")
	var both []frame
	for i := range a.packets {
		q := b.packets[i]
		q.t = q.t.Add(300 * time.Microsecond)
		both = append(both, a.packets[i], q)
	}
	r := importBytes(t, "c", pcapOf(layers.LinkTypeRaw, both...), Options{})
	if r.said[1] != wordsOf(a) || r.said[2] != wordsOf(b) || r.sum.Conns != 2 {
		t.Errorf("%v %v", r.err, r.said)
	}
	if !slices.IsSortedFunc(r.times, time.Time.Compare) {
		t.Error("times go back")
	}
	// One behind the other on the same ports.
	c := conversation("192.0.2.1:40000", "192.0.2.2:5222")
	for i := range c.packets {
		c.packets[i].t = c.packets[i].t.Add(time.Hour)
	}
	r = importBytes(t, "c", pcapOf(layers.LinkTypeRaw, slices.Concat(a.packets, c.packets)...), Options{})
	if r.sum.Conns != 2 || r.said[2] != wordsOf(c) {
		t.Errorf("%d connections", r.sum.Conns)
	}
}

func TestLeftOut(t *testing.T) {
	x := conversation("192.0.2.1:40000", "192.0.2.2:7777") // recognised by what is said
	h := newWire("192.0.2.1:40002", "192.0.2.2:80").open()
	h.says(0, "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n").says(1, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").close()
	bosh := newWire("192.0.2.1:40003", "192.0.2.2:5280").open()
	bosh.says(0, "POST /http-bind HTTP/1.1\r\nHost: example.org\r\nContent-Length: 2\r\n\r\n<b").close()
	ssh := newWire("192.0.2.1:40004", "192.0.2.2:22").open()
	ssh.says(1, "SSH-2.0-OpenSSH\r\n"+strings.Repeat("x", 5000)).close()
	tls := newWire("192.0.2.1:40005", "192.0.2.2:443").open()
	tls.says(0, string(clientHello("h2", "http/1.1"))).close()
	direct := newWire("192.0.2.1:40006", "192.0.2.2:443").open()
	direct.says(0, string(clientHello("xmpp-client"))).close()
	port := newWire("192.0.2.1:40007", "192.0.2.2:5223").open()
	port.says(0, string(clientHello("something"))).close()
	b := pcapOf(layers.LinkTypeRaw, slices.Concat(port.packets, x.packets, h.packets, bosh.packets, ssh.packets, tls.packets, direct.packets)...)
	r := importBytes(t, "c", b, Options{})
	if r.err != nil || r.sum.Conns != 3 || r.said[2] != wordsOf(x) || !strings.HasPrefix(r.words(1), "open\nclose") {
		t.Errorf("%v: %d connections, %s", r.err, r.sum.Conns, r.sum.Words())
	}
	for _, want := range []string{"HTTP to port 80: 1 connection", "BOSH over HTTP to port 5280, which is not read from a capture (xmpplens proxy records it): 1 connection", "port 22, not XMPP: 1 connection", "TLS to port 443, not known to be XMPP: 1 connection"} {
		if !slices.Contains(r.sum.Skipped, want) {
			t.Errorf("no %q in %q", want, r.sum.Skipped)
		}
	}
	if !strings.HasPrefix(r.words(3), "open\nclose") || r.sum.LeftOut == 0 {
		t.Error(r.words(3))
	}
	r = importBytes(t, "c", b, Options{All: true})
	if r.sum.Conns != 7 || r.sum.LeftOut != 0 {
		t.Errorf("--all: %d connections, %s", r.sum.Conns, r.sum.Words())
	}
	r = importBytes(t, "c", pcapOf(layers.LinkTypeRaw, h.packets...), Options{})
	if r.err == nil || !strings.Contains(r.err.Error(), "there is no XMPP in") {
		t.Error(r.err)
	}
}

// clientHello is one that offers protocols.
func clientHello(protocols ...string) []byte {
	var names []byte
	for _, p := range protocols {
		names = append(append(names, byte(len(p))), p...)
	}
	ext := binary.BigEndian.AppendUint16(nil, 16)
	ext = binary.BigEndian.AppendUint16(ext, uint16(len(names)+2))
	ext = append(binary.BigEndian.AppendUint16(ext, uint16(len(names))), names...)
	body := append([]byte{3, 3}, make([]byte, 32)...)
	body = append(body, 0, 0, 2, 0x13, 1, 1, 0)
	body = append(binary.BigEndian.AppendUint16(body, uint16(len(ext))), ext...)
	hand := append([]byte{1, 0, 0, byte(len(body))}, body...)
	return append([]byte{0x16, 3, 1, 0, byte(len(hand))}, hand...)
}

func TestStartTLS(t *testing.T) {
	w := newWire("192.0.2.1:40000", "192.0.2.2:7777").open()
	w.says(0, clientHeader).says(1, serverHeader+"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>")
	w.says(0, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>").says(1, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	hello := string(clientHello("xmpp-client"))
	w.says(0, hello[:3]).says(0, hello[3:]).says(1, "\x16\x03\x03\x00\x01\x02").close()
	var shown strings.Builder
	o := Options{Decrypt: func(_ int, emit func(record.Event)) Decrypter { return &fakeTLS{&shown, emit} }}
	r := importBytes(t, "c", pcapOf(layers.LinkTypeRaw, w.packets...), o)
	if want := "CS " + hello[:3] + "CS " + hello[3:] + "SC \x16\x03\x03\x00\x01\x02"; shown.String() != want {
		t.Errorf("shown to the decrypter: %q", shown.String())
	}
	if !strings.Contains(r.words(1), "SC nonza\nsecure\nCS presence\nclose: connection 1 closed by the client (it ended well)") {
		t.Error(r.words(1))
	}
	tls := 0
	for _, ev := range r.events {
		if ev.E == record.EventTLS {
			tls += len(ev.Data)
		}
	}
	if tls != len(hello)+6 {
		t.Errorf("%d bytes of TLS", tls)
	}
}

// TestStartTLSLost has captures that lost one packet of the negotiation.
func TestStartTLSLost(t *testing.T) {
	w := newWire("192.0.2.1:40000", "192.0.2.2:5222").open()
	w.says(0, clientHeader).says(1, serverHeader+"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>")
	w.says(0, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>").says(1, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	w.says(0, string(clientHello("xmpp-client"))).says(1, "\x16\x03\x03\x00\x01\x02")
	for range 20 {
		w.says(0, "\x17\x03\x03\x00\x01\x02").says(1, "\x17\x03\x03\x00\x01\x02")
	}
	w.close()
	for i := 3; i < 10; i += 2 {
		r := importBytes(t, "c", pcapOf(layers.LinkTypeRaw, slices.Delete(slices.Clone(w.packets), i, i+1)...), Options{})
		tls := 0
		for _, ev := range r.events {
			if ev.E == record.EventTLS {
				tls++
			}
		}
		if words := r.words(1); tls != 42 || strings.Contains(words, "junk") || strings.Count(words, "lost: sent") != 1 {
			t.Errorf("without packet %d: %d pieces of TLS\n%s", i, tls, words)
		}
		for _, e := range r.entries() {
			for _, f := range e.Facts.Findings {
				if f.Code == "stream-missing" {
					t.Errorf("without packet %d: %s: %s", i, e.Stanza.Summary, f.Text)
				}
			}
		}
	}
}

// fakeTLS is a Decrypter that reads a presence at the end.
type fakeTLS struct {
	shown *strings.Builder
	emit  func(record.Event)
}

func (f *fakeTLS) Write(d record.Dir, b []byte) { fmt.Fprintf(f.shown, "%s %s", d, b) }
func (f *fakeTLS) Update() bool                 { return false }
func (f *fakeTLS) Backlog() int                 { return 0 }
func (f *fakeTLS) Forgo()                       {}
func (f *fakeTLS) End() []string {
	f.emit(record.Event{E: record.EventSecure, Leg: record.BothLegs, Version: "TLS 1.3"})
	f.emit(record.Event{E: record.EventData, D: record.CS, Data: []byte("<presence/>"), HasData: true})
	return []string{"it ended well"}
}

func TestWebSocket(t *testing.T) {
	w := newWire("192.0.2.1:40000", "192.0.2.2:5280").open()
	w.says(0, "GET /xmpp-websocket HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: xmpp\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n")
	frame := func(op byte, masked bool, text string) string {
		b := []byte{0x80 | op, byte(len(text))}
		if !masked {
			return string(b) + text
		}
		b[1] |= 0x80
		key := []byte{1, 2, 3, 4}
		b = append(b, key...)
		for i := range text {
			b = append(b, text[i]^key[i%4])
		}
		return string(b)
	}
	w.says(1, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: xmpp\r\n\r\n"+frame(9, false, "are you there"))
	w.says(0, frame(10, true, "are you there")+frame(1, true, "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='example.org'/>"))
	w.says(1, frame(1, false, "<message xmlns='jabber:client'><body>hi</body></message>")+frame(8, false, "\x03\xe8bye"))
	w.close()
	r := importBytes(t, "c", pcapOf(layers.LinkTypeRaw, w.packets...), Options{})
	want := "open\nhttp\nSC control\nCS control\nCS nonza\nSC message\nSC control\nclose: connection 1 closed by the client"
	if open := r.events[1]; open.Transport != record.TransportWebSocket || r.said[1][1] != "<message xmlns='jabber:client'><body>hi</body></message>" {
		t.Errorf("%+v, %q", open, r.said[1])
	}
	got := r.words(1)
	got = strings.ReplaceAll(strings.ReplaceAll(got, "CS header", "CS nonza"), "\ncontrol", "\nSC control")
	if r.err != nil || strings.ReplaceAll(got, "CS control", "SC control") != strings.ReplaceAll(want, "CS control", "SC control") {
		t.Errorf("%v\n%s", r.err, got)
	}
}

func TestFragments(t *testing.T) {
	w := conversation("192.0.2.1:40000", "192.0.2.2:5222")
	var p []frame
	for i, q := range w.packets {
		const head = 20
		if len(q.b) < head+60 {
			p = append(p, q)
			continue
		}
		first, rest := bytes.Clone(q.b[:head+48]), append(bytes.Clone(q.b[:head]), q.b[head+48:]...)
		binary.BigEndian.PutUint16(first[2:], uint16(len(first)))
		binary.BigEndian.PutUint16(rest[2:], uint16(len(rest)))
		binary.BigEndian.PutUint16(first[6:], 0x2000)
		binary.BigEndian.PutUint16(rest[6:], 48/8)
		for _, f := range [][]byte{first, rest} {
			binary.BigEndian.PutUint16(f[4:], uint16(i))
			p = append(p, frame{q.t, f})
		}
	}
	if r := importBytes(t, "c", pcapOf(layers.LinkTypeRaw, p...), Options{}); r.err != nil || r.words(1) != theWords {
		t.Errorf("IPv4: %v\n%s", r.err, r.words(1))
	}
	w = conversation("[2001:db8::1]:40000", "[2001:db8::2]:5222")
	p = nil
	for i, q := range w.packets {
		const head = 40
		if len(q.b) < head+60 {
			p = append(p, q)
			continue
		}
		piece := func(offset uint16, more byte, data []byte) frame {
			b := bytes.Clone(q.b[:head])
			b[6] = 44
			binary.BigEndian.PutUint16(b[4:], uint16(len(data)+8))
			b = append(b, 6, 0)
			b = binary.BigEndian.AppendUint16(b, offset|uint16(more))
			b = binary.BigEndian.AppendUint32(b, uint32(i))
			return frame{q.t, append(b, data...)}
		}
		p = append(p, piece(0, 1, q.b[head:head+48]), piece(48, 0, q.b[head+48:]))
	}
	if r := importBytes(t, "c", pcapOf(layers.LinkTypeRaw, p...), Options{}); r.err != nil || r.words(1) != theWords {
		t.Errorf("IPv6: %v\n%s", r.err, r.words(1))
	}
}

func TestDamaged(t *testing.T) {
	w := conversation("192.0.2.1:40000", "192.0.2.2:5222")
	b := pcapOf(layers.LinkTypeRaw, w.packets...)
	for n := range b {
		r := importBytes(t, "c", b[:n], Options{})
		whole := r.err == nil
		if !whole && !strings.Contains(r.err.Error(), "packet ") && n > 24 && r.sum.Payload > 0 {
			t.Fatalf("%d bytes: %v", n, r.err)
		}
		if n > len(b)-60 && r.sum.Conns != 1 {
			t.Errorf("%d bytes: %d connections", n, r.sum.Conns)
		}
	}
	r := importBytes(t, "c", b[:len(b)-5], Options{})
	if r.err == nil || !strings.Contains(r.err.Error(), "packet 22 at offset") || !strings.Contains(r.notes(), "the capture is damaged and was read as far as it goes: packet 22 at offset") {
		t.Errorf("%v\n%s", r.err, r.notes())
	}
	// Cut short while it was captured.
	for i := range w.packets {
		if len(w.packets[i].b) > 100 {
			w.packets[i].b = w.packets[i].b[:100]
		}
	}
	r = importBytes(t, "c", pcapOf(layers.LinkTypeRaw, w.packets...), Options{})
	if r.sum.Lost == 0 || !strings.Contains(r.notes(), "lost: sent, and not in the capture") {
		t.Errorf("%v: %s", r.err, r.sum.Words())
	}
}

func TestReset(t *testing.T) {
	w := newWire("192.0.2.1:40000", "192.0.2.2:5222").open()
	w.says(0, clientHeader)
	w.send(1, layers.TCP{RST: true, ACK: true}, "")
	r := importBytes(t, "c", pcapOf(layers.LinkTypeRaw, w.packets...), Options{})
	if !strings.HasSuffix(r.words(1), "close: connection 1 closed by the server: the server reset the connection") {
		t.Error(r.words(1))
	}
}
