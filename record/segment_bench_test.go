package record

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var words = strings.Fields("the of and to in is that it was for on are with as his they be at one have this from or had by hot word but what some we can out other were all there when up use your how said an each she which do their time if will way about many then them write would like so these her long make thing see him two has look more day could go come did number sound no most people my over know water than call first who may down side been now find")

// traffic appends the lines of mixed traffic, some 800 bytes a stanza: chat,
// presence, archive results, iq, OMEMO, with ids and keys that do not repeat.
func traffic(dst []byte, n int, rnd *rand.Rand) []byte {
	id := func() string {
		return fmt.Sprintf("%08x-%04x-%012x", rnd.Uint32(), rnd.Uint32()&0xffff, rnd.Uint64()&0xffffffffffff)
	}
	say := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteString(words[rnd.IntN(len(words))])
			b.WriteByte(' ')
		}
		return b.String()
	}
	key := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		return base64.StdEncoding.EncodeToString(b)
	}
	for i := range n {
		who := fmt.Sprintf("user%d@capulet.example", rnd.IntN(500))
		var s string
		switch rnd.IntN(6) {
		case 0, 1:
			s = fmt.Sprintf("<message xmlns=\"jabber:client\" from=\"%s/%s\" to=\"romeo@montague.example\" type=\"chat\" id=\"%s\"><body>%s</body><active xmlns=\"http://jabber.org/protocol/chatstates\"/><origin-id xmlns=\"urn:xmpp:sid:0\" id=\"%s\"/></message>", who, id(), id(), say(20+rnd.IntN(60)), id())
		case 2:
			s = fmt.Sprintf("<presence from=\"%s/%s\" to=\"romeo@montague.example\"><show>away</show><priority>%d</priority><c xmlns=\"http://jabber.org/protocol/caps\" hash=\"sha-1\" node=\"https://gajim.org\" ver=\"%s\"/></presence>", who, id(), rnd.IntN(10), key(20))
		case 3:
			s = fmt.Sprintf("<message to=\"romeo@montague.example/balcony\"><result xmlns=\"urn:xmpp:mam:2\" queryid=\"%s\" id=\"%s\"><forwarded xmlns=\"urn:xmpp:forward:0\"><delay xmlns=\"urn:xmpp:delay\" stamp=\"2026-11-%02dT%02d:%02d:%02dZ\"/><message xmlns=\"jabber:client\" from=\"%s\" type=\"chat\"><body>%s</body></message></forwarded></result></message>", id(), id(), rnd.IntN(28)+1, rnd.IntN(24), rnd.IntN(60), rnd.IntN(60), who, say(40))
		case 4:
			s = fmt.Sprintf("<iq type=\"result\" id=\"%s\" from=\"%s\"><query xmlns=\"http://jabber.org/protocol/disco#info\" node=\"https://gajim.org#%s\"><identity category=\"client\" type=\"pc\" name=\"Gajim\"/><feature var=\"urn:xmpp:mam:2\"/><feature var=\"urn:xmpp:carbons:2\"/><feature var=\"http://jabber.org/protocol/muc\"/></query></iq>", id(), who, key(20))
		default:
			s = fmt.Sprintf("<message from=\"%s\" to=\"romeo@montague.example\" id=\"%s\"><encrypted xmlns=\"eu.siacs.conversations.axolotl\"><header sid=\"%d\"><key rid=\"%d\">%s</key><iv>%s</iv></header><payload>%s</payload></encrypted></message>", who, id(), rnd.Uint32(), rnd.Uint32(), key(180), key(12), key(100+rnd.IntN(300)))
		}
		dst = appendLine(dst, &Event{T: timeOf(i), C: 1 + i%7, E: EventData, D: SC, Data: []byte(s), HasData: true})
	}
	return dst
}

// BenchmarkFrameSize: how small and how fast frames of a size are, and what it
// costs to reach one entry in them. frameSize is 4 MiB because of this.
func BenchmarkFrameSize(b *testing.B) {
	lines := traffic(nil, 90_000, rand.New(rand.NewPCG(1, 2)))
	for _, size := range []int{256 << 10, 1 << 20, 2 << 20, 4 << 20, 16 << 20, 64 << 20} {
		var packed bytes.Buffer
		var frames []frame
		b.Run(fmt.Sprintf("pack/%dKiB", size>>10), func(b *testing.B) {
			b.SetBytes(int64(len(lines)))
			for b.Loop() {
				packed.Reset()
				p := &packer{to: &packed, segment: 1}
				for rest := lines; len(rest) > 0; {
					n := min(size, len(rest))
					n = bytes.LastIndexByte(rest[:n], '\n') + 1
					if err := p.add(rest[:n], 0, 0); err != nil {
						b.Fatal(err)
					}
					rest = rest[n:]
				}
				frames = p.frames
			}
			b.ReportMetric(float64(len(lines))/float64(packed.Len()), "ratio")
		})
		b.Run(fmt.Sprintf("reach/%dKiB", size>>10), func(b *testing.B) {
			if frames == nil {
				b.Skip("pack was not run")
			}
			n := 0
			for b.Loop() {
				f := frames[n%len(frames)]
				if _, err := f.read(bytes.NewReader(packed.Bytes())); err != nil {
					b.Fatal(err)
				}
				n++
			}
		})
	}
}

// BenchmarkSeek: reaching any event of a recording of 80 MB.
func BenchmarkSeek(b *testing.B) {
	for _, name := range []string{"s.jsonl", "s.jsonl.zst"} {
		path := filepath.Join(b.TempDir(), name)
		l, err := Create(path, Options{})
		if err != nil {
			b.Fatal(err)
		}
		rnd := rand.New(rand.NewPCG(1, 2))
		lines := bytes.SplitAfter(traffic(nil, 90_000, rnd), []byte("\n"))
		for _, line := range lines[:len(lines)-1] {
			var ev Event
			if err := parseEvent(line, &ev); err != nil {
				b.Fatal(err)
			}
			l.Append(ev)
		}
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
		r, err := Open(path)
		if err != nil {
			b.Fatal(err)
		}
		var pos []int64
		b.Run("read/"+name, func(b *testing.B) {
			info, _ := os.Stat(path)
			b.ReportMetric(float64(info.Size()), "filesize")
			for b.Loop() {
				r.SeekTo(0)
				r.readHeader()
				pos = pos[:0]
				for {
					if _, err := r.Next(context.Background()); err != nil {
						break
					}
					pos = append(pos, r.Pos())
				}
				b.SetBytes(pos[len(pos)-1])
			}
		})
		b.Run("seek/"+name, func(b *testing.B) {
			if len(pos) == 0 {
				b.Skip("read was not run")
			}
			for b.Loop() {
				at := rnd.IntN(len(pos))
				r.SeekTo(pos[at])
				if _, err := r.Next(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("open/"+name, func(b *testing.B) {
			for b.Loop() {
				r, err := Open(path)
				if err != nil {
					b.Fatal(err)
				}
				r.Close()
			}
		})
		r.Close()
	}
}

// BenchmarkAppendForms: what a chunk of 800 bytes costs in each form.
func BenchmarkAppendForms(b *testing.B) {
	for _, f := range []struct {
		name, path string
		o          Options
	}{
		{"one file", "s.jsonl", Options{}},
		{"compressed", "s.jsonl.zst", Options{}},
		{"rotated", "s.jsonl", Options{RotateSize: 64 << 20}},
		{"ring", "s.jsonl", Options{Ring: 200 << 20, Carry: newCounter}},
	} {
		b.Run(f.name, func(b *testing.B) {
			l, err := Create(filepath.Join(b.TempDir(), f.path), f.o)
			if err != nil {
				b.Fatal(err)
			}
			lines := bytes.SplitAfter(traffic(nil, 1000, rand.New(rand.NewPCG(1, 2))), []byte("\n"))
			evs := make([]Event, len(lines)-1)
			for i := range evs {
				parseEvent(lines[i], &evs[i])
			}
			b.SetBytes(800)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := l.Append(evs[i%len(evs)]); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			l.Close()
		})
	}
}

func timeOf(i int) time.Duration { return time.Duration(i) * 731 * time.Microsecond }
