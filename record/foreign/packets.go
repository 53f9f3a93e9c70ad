package foreign

import (
	"net/netip"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/ip4defrag"
	"github.com/gopacket/gopacket/ip6defrag"
	"github.com/gopacket/gopacket/layers"
)

// A segment is what a TCP segment says. Its data is valid until the next packet.
type segment struct {
	t                  time.Time
	packet             int64
	src, dst           netip.AddrPort
	seq, ack           uint32
	syn, fin, rst, has bool // has: ack counts
	data               []byte
	length             int // of the data on the wire: more than is there where the capture cuts packets
}

const (
	maxFragments = 16 << 20         // bytes of fragments of IP packets: when so many came, those that wait are forgotten
	fragmentTime = 30 * time.Second // how long (RFC 8200 §4.5: 60 s; RFC 1122 §3.3.2: 60 to 120 s)
)

// dissector finds TCP in packets.
type dissector struct {
	four    *ip4defrag.IPv4Defragmenter
	six     *ip6defrag.IPv6Defragmenter
	waiting int // bytes of fragments, at most
	n       int // fragments
}

// decoders are those of link types that gopacket has under other numbers, or not
// at all.
var decoders = map[int]gopacket.Decoder{
	12:  layers.LinkTypeRaw, // DLT_RAW, as BSDs write it
	14:  layers.LinkTypeRaw,
	101: layers.LinkTypeRaw,
	228: layers.LayerTypeIPv4,
	229: layers.LayerTypeIPv6,
}

// readable reports whether packets of a link type can be read.
func readable(link int) bool {
	if _, ok := decoders[link]; ok {
		return true
	}
	return link >= 0 && link < len(layers.LinkTypeMetadata) && layers.LinkTypeMetadata[link].DecodeWith != nil
}

// segment returns the TCP segment in a packet. ok is false where there is none,
// or none yet; odd says that the packet cannot be read.
func (d *dissector) segment(p packet) (s segment, ok, odd bool) {
	var dec gopacket.Decoder = layers.LinkType(p.link)
	if own, found := decoders[p.link]; found {
		dec = own
	}
	pk := gopacket.NewPacket(p.data, dec, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
	pk.Metadata().Truncated = len(p.data) < p.length
	switch net := pk.NetworkLayer().(type) {
	case *layers.IPv4:
		if net.FragOffset > 0 || net.Flags&layers.IPv4MoreFragments != 0 {
			return d.fragment4(p, net)
		}
	case *layers.IPv6:
		if f, is := pk.Layer(layers.LayerTypeIPv6Fragment).(*layers.IPv6Fragment); is {
			return d.fragment6(p, net, f)
		}
	case nil:
		return segment{}, false, pk.ErrorLayer() != nil
	}
	tcp, is := pk.TransportLayer().(*layers.TCP)
	if !is {
		return segment{}, false, pk.ErrorLayer() != nil && pk.TransportLayer() == nil && looksTCP(pk)
	}
	src, dst := pk.NetworkLayer().NetworkFlow().Endpoints()
	return tcpSegment(p, src.Raw(), dst.Raw(), tcp, lengthOf(pk, tcp))
}

// looksTCP reports whether a packet whose transport cannot be read says that it
// is TCP.
func looksTCP(pk gopacket.Packet) bool {
	switch net := pk.NetworkLayer().(type) {
	case *layers.IPv4:
		return net.Protocol == layers.IPProtocolTCP
	case *layers.IPv6:
		return net.NextHeader == layers.IPProtocolTCP
	}
	return false
}

// lengthOf returns how many bytes of data a segment has on the wire.
func lengthOf(pk gopacket.Packet, tcp *layers.TCP) int {
	header := int(tcp.DataOffset) * 4
	there := len(tcp.Payload)
	switch net := pk.NetworkLayer().(type) {
	case *layers.IPv4:
		if n := int(net.Length) - int(net.IHL)*4 - header; n > there && net.Length != 0 {
			return n
		}
	case *layers.IPv6:
		// Extension headers stand between.
		if full := int(net.Length) - (len(net.Payload) - there); net.Length != 0 && full > there {
			return full
		}
	}
	return there
}

func tcpSegment(p packet, src, dst []byte, tcp *layers.TCP, length int) (segment, bool, bool) {
	a, ok1 := netip.AddrFromSlice(src)
	b, ok2 := netip.AddrFromSlice(dst)
	if !ok1 || !ok2 {
		return segment{}, false, true
	}
	return segment{
		t: p.t, packet: p.n,
		src: netip.AddrPortFrom(a, uint16(tcp.SrcPort)), dst: netip.AddrPortFrom(b, uint16(tcp.DstPort)),
		seq: tcp.Seq, ack: tcp.Ack, syn: tcp.SYN, fin: tcp.FIN, rst: tcp.RST, has: tcp.ACK,
		data: tcp.Payload, length: length,
	}, true, false
}

// room forgets fragments whose rest does not come.
func (d *dissector) room(t time.Time, n int) {
	if d.four == nil || d.waiting+n > maxFragments {
		d.four, d.six, d.waiting = ip4defrag.NewIPv4Defragmenter(), ip6defrag.NewIPv6Defragmenter(), 0
	}
	d.waiting += n + 256 // and what keeps them
	if d.n++; d.n%64 == 0 {
		d.four.DiscardOlderThan(t.Add(-fragmentTime))
	}
}

func (d *dissector) fragment4(p packet, ip *layers.IPv4) (segment, bool, bool) {
	d.room(p.t, len(ip.Payload))
	copied := *ip // the packet's memory is used again
	copied.Payload = append([]byte(nil), ip.Payload...)
	whole, err := d.four.DefragIPv4WithTimestamp(&copied, p.t)
	if err != nil {
		return segment{}, false, true
	}
	if whole == nil || whole.Protocol != layers.IPProtocolTCP {
		return segment{}, false, false
	}
	return inner(p, whole.SrcIP, whole.DstIP, whole.Payload)
}

func (d *dissector) fragment6(p packet, ip *layers.IPv6, f *layers.IPv6Fragment) (segment, bool, bool) {
	d.room(p.t, len(f.Payload))
	head, fragment := *ip, *f
	head.SrcIP, head.DstIP = append([]byte(nil), ip.SrcIP...), append([]byte(nil), ip.DstIP...)
	head.Payload = append([]byte(nil), ip.Payload...)
	fragment.Payload = append([]byte(nil), f.Payload...)
	whole := d.six.DefragIPv6(&head, &fragment)
	if whole == nil || whole.NextHeader != layers.IPProtocolTCP {
		return segment{}, false, false
	}
	return inner(p, whole.SrcIP, whole.DstIP, whole.Payload)
}

// inner reads the segment in a packet that was put together.
func inner(p packet, src, dst, payload []byte) (segment, bool, bool) {
	var tcp layers.TCP
	if err := tcp.DecodeFromBytes(payload, gopacket.NilDecodeFeedback); err != nil {
		return segment{}, false, true
	}
	return tcpSegment(p, src, dst, &tcp, len(tcp.Payload))
}

// before reports whether a stands before b in the circle of sequence numbers
// (RFC 9293 §3.4).
func before(a, b uint32) bool { return int32(a-b) < 0 }
