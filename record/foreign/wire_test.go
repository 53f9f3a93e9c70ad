package foreign

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// wire makes the packets of a TCP connection.
type wire struct {
	client, server string // host:port
	seq            [2]uint32
	ack            [2]uint32
	now            time.Time
	packets        []frame
}

// frame is an IP packet.
type frame struct {
	t time.Time
	b []byte
}

func newWire(client, server string) *wire {
	return &wire{client: client, server: server, seq: [2]uint32{0xfffffff0, 1000}, now: noon}
}

func (w *wire) addr(from int) (src, dst *net.TCPAddr) {
	a, _ := net.ResolveTCPAddr("tcp", w.client)
	b, _ := net.ResolveTCPAddr("tcp", w.server)
	if from == 1 {
		return b, a
	}
	return a, b
}

// send makes a packet, a millisecond behind the last.
func (w *wire) send(from int, tcp layers.TCP, data string) {
	w.now = w.now.Add(time.Millisecond)
	src, dst := w.addr(from)
	tcp.SrcPort, tcp.DstPort, tcp.Seq, tcp.Ack, tcp.Window = layers.TCPPort(src.Port), layers.TCPPort(dst.Port), w.seq[from], w.ack[from], 65535
	var ip gopacket.SerializableLayer
	if src.IP.To4() != nil {
		ip4 := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: src.IP.To4(), DstIP: dst.IP.To4(), Id: uint16(len(w.packets))}
		tcp.SetNetworkLayerForChecksum(ip4)
		ip = ip4
	} else {
		ip6 := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolTCP, SrcIP: src.IP, DstIP: dst.IP}
		tcp.SetNetworkLayerForChecksum(ip6)
		ip = ip6
	}
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ip, &tcp, gopacket.Payload(data)); err != nil {
		panic(err)
	}
	w.packets = append(w.packets, frame{w.now, bytes.Clone(buf.Bytes())})
	n := uint32(len(data))
	if tcp.SYN || tcp.FIN {
		n++
	}
	w.seq[from] += n
	w.ack[1-from] = w.seq[from]
}

func (w *wire) open() *wire {
	w.send(0, layers.TCP{SYN: true}, "")
	w.send(1, layers.TCP{SYN: true, ACK: true}, "")
	w.send(0, layers.TCP{ACK: true}, "")
	return w
}

// says sends text in one segment, which is acknowledged.
func (w *wire) says(from int, text string) *wire {
	w.send(from, layers.TCP{ACK: true, PSH: true}, text)
	w.send(1-from, layers.TCP{ACK: true}, "")
	return w
}

func (w *wire) close() *wire {
	w.send(0, layers.TCP{FIN: true, ACK: true}, "")
	w.send(1, layers.TCP{FIN: true, ACK: true}, "")
	w.send(0, layers.TCP{ACK: true}, "")
	return w
}

const (
	clientHeader = "<?xml version='1.0'?><stream:stream to='example.org' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
	serverHeader = "<?xml version='1.0'?><stream:stream id='s1' from='example.org' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
	someFeatures = "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>"
)

// conversation is a short one.
func conversation(client, server string) *wire {
	w := newWire(client, server).open()
	w.says(0, clientHeader)
	w.says(1, serverHeader+someFeatures)
	w.says(0, "<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq><message to='juliet@example.org'><body>one</bo")
	w.says(0, "dy></message><presence/>")
	w.says(1, "<iq type='result' id='1'><query xmlns='jabber:iq:roster'/></iq>")
	w.says(1, "<message from='juliet@example.org'><body>two</body></message>")
	w.says(0, "</stream:stream>")
	w.says(1, "</stream:stream>")
	return w.close()
}

// link wraps an IP packet for a link type.
func link(kind layers.LinkType, ip []byte) []byte {
	six := ip[0]>>4 == 6
	ether := []byte{0x08, 0x00}
	family := uint32(2)
	if six {
		ether, family = []byte{0x86, 0xdd}, 10
	}
	var head []byte
	switch kind {
	case layers.LinkTypeEthernet:
		head = append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, ether...)
		for len(head)+len(ip) < 60 { // padded, as Ethernet does
			ip = append(bytes.Clone(ip), 0)
		}
	case layers.LinkTypeNull:
		head = binary.LittleEndian.AppendUint32(nil, family)
	case layers.LinkTypeLoop:
		head = binary.BigEndian.AppendUint32(nil, family)
	case layers.LinkTypeLinuxSLL:
		head = append([]byte{0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0}, ether...)
	case layers.LinkTypeLinuxSLL2:
		head = append(append([]byte{}, ether...), 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0)
	}
	return append(bytes.Clone(head), ip...)
}

// pcapOf writes a pcap.
func pcapOf(kind layers.LinkType, packets ...frame) []byte {
	var buf bytes.Buffer
	w := pcapgo.NewWriterNanos(&buf)
	w.WriteFileHeader(262144, kind)
	for _, p := range packets {
		b := p.b
		if kind != layers.LinkTypeRaw {
			b = link(kind, b)
		}
		if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: p.t, CaptureLength: len(b), Length: len(b)}, b); err != nil {
			panic(err)
		}
	}
	return buf.Bytes()
}

// imported is what came of an input.
type imported struct {
	sum    *Summary
	err    error
	events []record.Event
	times  []time.Time
	said   map[int][2]string // by connection: CS, SC
}

func importBytes(t testing.TB, name string, b []byte, o Options) *imported {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return importFile(t, path, o)
}

func importFile(t testing.TB, path string, o Options) *imported {
	t.Helper()
	r := &imported{said: make(map[int][2]string)}
	r.sum, r.err = Read(context.Background(), path, o, func(at time.Time, ev record.Event) error {
		ev.Data = bytes.Clone(ev.Data)
		r.events = append(r.events, ev)
		r.times = append(r.times, at)
		if ev.E == record.EventData {
			s := r.said[ev.C]
			s[dirIndex(ev.D)] += string(ev.Data)
			r.said[ev.C] = s
		}
		return nil
	})
	if s := r.sum; s != nil && s.Format == "pcap" && s.Payload != s.Recorded+s.Repeated+s.LeftOut {
		t.Errorf("%d bytes of payload are %d recorded, %d repeated and %d left out", s.Payload, s.Recorded, s.Repeated, s.LeftOut)
	}
	return r
}

// entries folds the events.
func (r *imported) entries() []*timeline.Entry {
	var fold timeline.Folder
	var out []*timeline.Entry
	keep := func(e *timeline.Entry) { out = append(out, e.Clone()) }
	for i, ev := range r.events {
		ev.T = r.times[i].Sub(r.times[0])
		fold.Add(ev, int64(i), keep)
	}
	fold.Finish(keep)
	return out
}

// kinds are the kinds of a connection's entries, in their order, with summaries
// of notes.
func (r *imported) words(conn int) string {
	var out []string
	for _, e := range r.entries() {
		if e.Conn != conn || e.Kind == "declaration" {
			continue
		}
		word := string(e.Dir) + " " + e.Kind
		if e.Kind == record.EventNote || e.Kind == record.EventClose {
			word = e.Kind + ": " + e.Stanza.Summary
		}
		out = append(out, strings.TrimSpace(word))
	}
	return strings.Join(out, "\n")
}

func (r *imported) notes() string {
	var out []string
	for _, ev := range r.events {
		if ev.E == record.EventNote {
			out = append(out, ev.Text)
		}
	}
	return strings.Join(out, "\n")
}
