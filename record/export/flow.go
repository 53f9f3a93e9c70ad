package export

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

const (
	// wellKnown is the only port whose traffic Wireshark takes for XMPP.
	wellKnown = 5222
	// segment is how much one packet carries: as much as fits, so that a
	// stanza is rarely more than one.
	segment = 65535 - 40 - 20
	// unacked is after how many bytes the other side acknowledges.
	unacked = 48 << 10
	// shift scales the window, so that it is never full.
	shift = 7
)

// A flow is one connection as TCP that was never on a wire: the packets that
// carry what was recorded.
type flow struct {
	ends    [2]end    // the client, the server
	silent  int       // bytes of the side that spoke last which are not acknowledged
	last    int       // that side
	ahead   [2][]byte // an XML declaration that waits for its header, of each side
	remarks []string

	proceeds bool // the frame before was <proceed/>
}

type end struct {
	addr netip.Addr
	port uint16
	seq  uint32
}

const (
	syn = 1 << iota
	ack
	fin
	psh
)

// packet makes the IP packet in which a side says something.
func (f *flow) packet(from, flags int, payload []byte) ([]byte, error) {
	a, b := &f.ends[from], &f.ends[1-from]
	tcp := &layers.TCP{SrcPort: layers.TCPPort(a.port), DstPort: layers.TCPPort(b.port), Seq: a.seq, Window: 0xffff,
		SYN: flags&syn != 0, ACK: flags&ack != 0, FIN: flags&fin != 0, PSH: flags&psh != 0}
	if flags&ack != 0 {
		tcp.Ack = b.seq
	}
	a.seq += uint32(len(payload))
	if flags&syn != 0 {
		a.seq++
		tcp.Options = []layers.TCPOption{
			{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{segment >> 8, segment & 0xff}},
			{OptionType: layers.TCPOptionKindNop, OptionLength: 1},
			{OptionType: layers.TCPOptionKindWindowScale, OptionLength: 3, OptionData: []byte{shift}},
		}
	}
	if flags&fin != 0 {
		a.seq++
	}
	var ip interface {
		gopacket.SerializableLayer
		gopacket.NetworkLayer
	}
	if a.addr.Is4() {
		ip = &layers.IPv4{Version: 4, TTL: 64, Flags: layers.IPv4DontFragment, Protocol: layers.IPProtocolTCP, SrcIP: a.addr.AsSlice(), DstIP: b.addr.AsSlice()}
	} else {
		ip = &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolTCP, SrcIP: a.addr.AsSlice(), DstIP: b.addr.AsSlice()}
	}
	if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
		return nil, err
	}
	buf := gopacket.NewSerializeBufferExpectedSize(60, len(payload))
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ip, tcp, gopacket.Payload(payload))
	return buf.Bytes(), err
}

// cut returns how much of b the next packet carries. Wireshark takes a stanza
// for complete where a packet ends with ">", so one that goes on must not.
func cut(b []byte) int {
	if len(b) <= segment {
		return len(b)
	}
	n := segment
	for n > 1 && b[n-1] == '>' {
		n--
	}
	return n
}

// addresses gives every peer an address that a packet can have.
type addresses struct {
	names map[string]netip.Addr // of peers that are known by name
	taken map[[2]netip.AddrPort]int
}

// maxNames bounds the names that are remembered; further ones share an address.
const maxNames = 100_000

// named is where the addresses of peers without one come from: RFC 2544 keeps
// them for tests.
var named = netip.MustParseAddr("198.18.0.1")

// peer reads an address as an open event holds it. fresh says that the name was
// not seen before.
func (a *addresses) peer(s string, port uint16) (_ netip.AddrPort, name string, fresh bool) {
	if p, err := netip.ParseAddrPort(s); err == nil {
		return netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port()), "", false
	}
	if p, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(p.Unmap().WithZone(""), port), "", false
	}
	name = s
	if host, text, ok := cutPort(s); ok {
		n, _ := strconv.ParseUint(text, 10, 16)
		name, port = host, uint16(n)
	}
	addr, known := a.names[name]
	if !known {
		addr = named
		if n := len(a.names); n < maxNames {
			if a.names == nil {
				a.names = make(map[string]netip.Addr)
			}
			b := named.As4()
			host := uint32(b[2])<<8 | uint32(b[3]) + uint32(n)
			b[1] += byte(host >> 16)
			b[2], b[3] = byte(host>>8), byte(host)
			addr = netip.AddrFrom4(b)
			a.names[name] = addr
			fresh = true
		}
	}
	return netip.AddrPortFrom(addr, port), name, fresh
}

func cutPort(s string) (host, port string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.HasPrefix(s, "unix:") {
		return s, "", false
	}
	if _, err := strconv.ParseUint(s[i+1:], 10, 16); err != nil {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// flow begins the packets of a connection. remarks say where an address is not
// the real one.
func (a *addresses) flow(conn int, client, server string) (f *flow, fresh []string) {
	c, cname, cnew := a.peer(client, 0)
	s, sname, snew := a.peer(server, wellKnown)
	f = new(flow)
	if cname != "" {
		f.remark("client %s has the address %s here", cname, c.Addr())
	}
	if sname != "" {
		f.remark("server %s has the address %s here", sname, s.Addr())
	}
	if cnew && cname != "" {
		fresh = append(fresh, cname)
	}
	if snew && sname != "" {
		fresh = append(fresh, sname)
	}
	if s.Port() != wellKnown {
		f.remark("server port %d is %d here, as Wireshark knows XMPP by it", s.Port(), wellKnown)
		s = netip.AddrPortFrom(s.Addr(), wellKnown)
	}
	if c.Addr().Is4() != s.Addr().Is4() {
		c, s = netip.AddrPortFrom(netip.AddrFrom16(c.Addr().As16()), c.Port()), netip.AddrPortFrom(netip.AddrFrom16(s.Addr().As16()), s.Port())
	}
	if _, clash := a.taken[[2]netip.AddrPort{c, s}]; clash || c.Port() == 0 {
		was := c.Port()
		for n := 0; n < 1<<14; n++ {
			c = netip.AddrPortFrom(c.Addr(), uint16(49152+(conn+n)%(1<<14)))
			if _, clash := a.taken[[2]netip.AddrPort{c, s}]; !clash {
				break
			}
		}
		if was != 0 {
			f.remark("client port %d is %d here", was, c.Port())
		}
	}
	if a.taken == nil {
		a.taken = make(map[[2]netip.AddrPort]int)
	}
	a.taken[[2]netip.AddrPort{c, s}] = conn
	f.ends = [2]end{{addr: c.Addr(), port: c.Port(), seq: 1000}, {addr: s.Addr(), port: s.Port(), seq: 5000}}
	return f, fresh
}

// release makes the addresses of a flow free for another one.
func (a *addresses) release(f *flow) {
	delete(a.taken, [2]netip.AddrPort{netip.AddrPortFrom(f.ends[0].addr, f.ends[0].port), netip.AddrPortFrom(f.ends[1].addr, f.ends[1].port)})
}

// maxRemarks bounds what waits for the next packet.
const maxRemarks = 50

func (f *flow) remark(format string, args ...any) {
	if len(f.remarks) < maxRemarks {
		f.remarks = append(f.remarks, fmt.Sprintf(format, args...))
	}
}
