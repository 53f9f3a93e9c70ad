package foreign

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"

	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// FuzzImport takes anything for an input: nothing breaks, times do not go back,
// connections begin before anything else is said of them, and every byte of TCP
// is accounted for.
func FuzzImport(f *testing.F) {
	w := conversation("192.0.2.1:40000", "192.0.2.2:5222")
	v := conversation("[2001:db8::1]:40000", "[2001:db8::2]:7777")
	hello := newWire("192.0.2.1:40006", "192.0.2.2:443").open()
	hello.says(0, string(clientHello("xmpp-client"))).says(1, "\x16\x03\x03\x00\x02ab").close()
	all := append(append(w.packets, v.packets...), hello.packets...)
	f.Add(pcapOf(layers.LinkTypeEthernet, all...), false)
	f.Add(pcapOf(layers.LinkTypeRaw, all...), true)
	f.Add(ngOf(binary.LittleEndian, 9, nil, all...), true)
	names, _ := filepath.Glob("testdata/*.log")
	for _, name := range append(names, "testdata/gajim.txt") {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:min(len(b), 4<<10)], false)
	}
	f.Fuzz(func(t *testing.T, b []byte, all bool) {
		in := &input{path: "x", modified: noon}
		if in.unpack(bytes.NewReader(b)) != nil {
			return
		}
		defer in.Close()
		o := Options{All: all, Location: time.UTC, Decrypt: func(_ int, emit func(record.Event)) Decrypter { return &fakeTLS{new(strings.Builder), emit} }}
		if in.sniff(o) != nil || in.format == "streams" {
			return
		}
		open := make(map[int]bool)
		var fold timeline.Folder
		var last, first time.Time
		s := &sink{ctx: context.Background(), sum: Summary{Format: in.format}}
		tcp := int64(0)
		s.emit = func(at time.Time, ev record.Event) error {
			if at.Before(last) {
				t.Fatalf("%v behind %v", at, last)
			}
			if last = at; first.IsZero() {
				first = at
			}
			if ev.E == record.EventOpen {
				open[ev.C] = true
			} else if ev.C != 0 && !open[ev.C] {
				t.Fatalf("%s of connection %d, which did not begin", ev.E, ev.C)
			}
			ev.T = at.Sub(first)
			fold.Add(ev, 0, func(*timeline.Entry) {})
			tcp += int64(len(ev.Data))
			return nil
		}
		in.read(o, s)
		fold.Finish(func(*timeline.Entry) {})
		if sum := s.sum; sum.Format == "pcap" && sum.Payload != sum.Recorded+sum.Repeated+sum.LeftOut {
			t.Fatalf("%d bytes of payload are %d recorded, %d repeated and %d left out", sum.Payload, sum.Recorded, sum.Repeated, sum.LeftOut)
		}
	})
}

// FuzzReassembly has segments that come in any order, twice and in pieces, and none
// is missing: both streams are there, byte for byte.
func FuzzReassembly(f *testing.F) {
	f.Add(uint64(1), "<presence/><message><body>hello</body></message>", "<iq type='get' id='1'/>")
	f.Add(uint64(2), "", "<a/>")
	f.Fuzz(func(t *testing.T, seed uint64, cs, sc string) {
		if len(cs)+len(sc) > 4096 {
			return
		}
		r := rand.New(rand.NewPCG(seed, 1))
		w := newWire("192.0.2.1:40000", "192.0.2.2:5222").open()
		begin := len(w.packets)
		base := w.seq
		text := [2]string{clientHeader + cs, serverHeader + sc}
		for from := range text {
			for at := 0; at < len(text[from]); {
				n := min(1+r.IntN(60), len(text[from])-at)
				back := r.IntN(min(at, 5) + 1)
				w.seq[from] = base[from] + uint32(at-back)
				w.ack[from] = base[1-from] // nothing is confirmed: it is still on its way
				w.send(from, layers.TCP{ACK: true}, text[from][at-back:at+n])
				at += n
			}
			w.seq[from] = base[from] + uint32(len(text[from]))
		}
		p := w.packets[begin:]
		for i := range p { // not far from their places
			j := min(len(p)-1, i+r.IntN(8))
			p[i].b, p[j].b = p[j].b, p[i].b
		}
		for range r.IntN(4) {
			p = append(p, frame{p[len(p)-1].t, p[r.IntN(len(p))].b})
		}
		packets := append(w.packets[:begin:begin], p...)
		in := &input{path: "x", modified: noon}
		if err := in.unpack(bytes.NewReader(pcapOf(layers.LinkTypeRaw, packets...))); err != nil {
			t.Fatal(err)
		}
		in.format = "pcap"
		s := &sink{ctx: context.Background()}
		var got [2][]byte
		s.emit = func(_ time.Time, ev record.Event) error {
			if ev.E == record.EventData {
				got[dirIndex(ev.D)] = append(got[dirIndex(ev.D)], ev.Data...)
			}
			return nil
		}
		if err := in.read(Options{}, s); err != nil {
			t.Fatal(err)
		}
		for from := range text {
			if string(got[from]) != text[from] || s.sum.Lost != 0 {
				t.Fatalf("%q came out as %q, %d bytes lost", text[from], got[from], s.sum.Lost)
			}
		}
	})
}
