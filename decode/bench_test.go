package decode

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// mixed generates what servers send: iq results with a roster, archived messages, presence with capabilities, OMEMO.
// About 800 bytes a stanza.
func mixed(stanzas int) []byte {
	var b strings.Builder
	b.WriteString(open1)
	for i := range stanzas {
		switch i % 4 {
		case 0:
			fmt.Fprintf(&b, `<iq type='result' id='%x' to='juliet@capulet.example/balcony'><query xmlns='jabber:iq:roster' ver='ver%d'>`, i*7919, i)
			for k := range 7 {
				fmt.Fprintf(&b, `<item jid='person%d@montague.example' name='Person &amp; %d' subscription='both'><group>Friends</group></item>`, k, k)
			}
			b.WriteString("</query></iq>")
		case 1:
			fmt.Fprintf(&b, "<message to='juliet@capulet.example/balcony' from='juliet@capulet.example'><result xmlns='urn:xmpp:mam:2' queryid='f%d' id='28482-98726-%d'>"+
				"<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2010-07-10T23:08:%02dZ'/><message xmlns='jabber:client' xml:lang='en' type='chat' id='m%d' "+
				"from='romeo@montague.example/orchard' to='juliet@capulet.example'><body>But, soft! what light through yonder window breaks? It is the east, and Juliet is the sun. "+
				"Arise, fair sun, and kill the envious moon, Who is already sick and pale with grief, That thou her maid art far more fair than she</body>"+
				"<active xmlns='http://jabber.org/protocol/chatstates'/><request xmlns='urn:xmpp:receipts'/><origin-id xmlns='urn:xmpp:sid:0' id='m%d'/></message></forwarded></result></message>", i, i, i%60, i, i)
		case 2:
			fmt.Fprintf(&b, `<presence from="romeo@montague.example/orchard%d" to="juliet@capulet.example/balcony"><show>away</show><status>I shall return, O☃</status><priority>%d</priority>`+
				`<c xmlns="http://jabber.org/protocol/caps" hash="sha-1" node="https://client.example" ver="QgayPKawpkPSDYmwT/WM94uAlu0="/><x xmlns="vcard-temp:x:update"><photo>%040x</photo></x>`+
				`<idle xmlns="urn:xmpp:idle:1" since="1969-07-21T02:56:15Z"/></presence>`, i, i%10, i)
		case 3:
			fmt.Fprintf(&b, "<message to='juliet@capulet.example' from='romeo@montague.example/orchard' id='send%d' type='chat'><encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='27183'>", i)
			for k := range 3 {
				fmt.Fprintf(&b, "<key rid='%d'>%s</key>", 31415+k, strings.Repeat("QmFzZTY0", 22))
			}
			fmt.Fprintf(&b, "<iv>BASE64ENCODED</iv></header><payload>%s</payload></encrypted><encryption xmlns='urn:xmpp:eme:0' name='OMEMO' namespace='eu.siacs.conversations.axolotl'/><store xmlns='urn:xmpp:hints'/></message>", strings.Repeat("c2VjcmV0", 12))
		}
	}
	return []byte(b.String())
}

// decodeAll feeds the input in chunks and counts frames.
func decodeAll(tb testing.TB, d *Decoder, input []byte, chunk int) int {
	n := 0
	for at := 0; at < len(input); at += chunk {
		d.Write(input[at:min(at+chunk, len(input))])
		for f, ok := d.Next(); ok; f, ok = d.Next() {
			if f.Err != nil {
				tb.Fatal(f.Err)
			}
			n++
		}
	}
	return n
}

func rawTokens(tb testing.TB, input []byte) {
	x := xml.NewDecoder(bytes.NewReader(input))
	for {
		if _, err := x.RawToken(); err != nil {
			return
		}
	}
}

// BenchmarkAgainstXML compares framing with encoding/xml's RawToken on the same corpus, round by round.
func BenchmarkAgainstXML(b *testing.B) {
	const stanzas = 2000
	input := mixed(stanzas)
	seconds := func(f func()) float64 {
		began := time.Now()
		f()
		return time.Since(began).Seconds()
	}
	ours := func(chunk, times int) float64 {
		return seconds(func() {
			for range times {
				var d Decoder
				if n := decodeAll(b, &d, input, chunk); n != stanzas+1 {
					b.Fatal(n)
				}
			}
		}) / float64(times)
	}
	ours(64<<10, 1)
	var ratios, chunks, speed []float64
	for b.Loop() {
		x := seconds(func() { rawTokens(b, input) })
		o := ours(64<<10, 10)
		c := ours(1448, 10)
		ratios, chunks, speed = append(ratios, x/o), append(chunks, o/c), append(speed, float64(len(input))/o/1e6)
	}
	for _, v := range [][]float64{ratios, chunks, speed} {
		slices.Sort(v)
	}
	b.ReportMetric(ratios[len(ratios)/2], "ratio-xml")
	b.ReportMetric(chunks[len(chunks)/2], "ratio-1448-to-64Ki")
	b.ReportMetric(speed[len(speed)/2], "MB/s")
	b.ReportMetric(float64(len(input))/stanzas, "B/stanza")
}

// BenchmarkStanza reports allocations a stanza, which must be none.
func BenchmarkStanza(b *testing.B) {
	input := mixed(4)
	head := len(open1)
	var d Decoder
	d.Write(input[:head])
	d.Next()
	b.SetBytes(int64(len(input) - head))
	b.ReportAllocs()
	for b.Loop() {
		decodeAll(b, &d, input[head:], 1<<20)
	}
}

// BenchmarkOneStanza shows that work is linear in the size, in chunks and byte by byte.
func BenchmarkOneStanza(b *testing.B) {
	for _, size := range []int{1 << 20, 50 << 20} {
		for _, chunk := range []int{1, 1448} {
			if chunk == 1 && size > 1<<20 {
				continue
			}
			input := []byte(open1 + "<message><body a='" + strings.Repeat("v", 100<<10) + "'>" + strings.Repeat("text &amp; ", size/11) + "</body></message>")
			b.Run(fmt.Sprintf("%dMiB/%d", size>>20, chunk), func(b *testing.B) {
				b.SetBytes(int64(len(input)))
				for b.Loop() {
					var d Decoder
					decodeAll(b, &d, input, chunk)
				}
			})
		}
	}
}
