// Package recordtest generates recordings of any size for tests and benchmarks:
//
//	n, err := recordtest.Write(path, recordtest.Options{Size: 3 << 30})
//
// They hold what servers send on a working day, some 800 bytes a stanza: roster
// and disco queries with their answers, archived messages, presence with
// capabilities, OMEMO, chats with receipts, on several connections at once, each
// with its login. The same options make the same recording.
package recordtest

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/xmpplens/xmpplens/record"
)

// Options are what is generated. The zero value makes a recording of 1 MB.
type Options struct {
	Size  int64 // bytes of the file, about
	Conns int   // connections that are open at once; 0 = 8
	Seed  uint64
	// Chunk cuts what a direction receives into pieces of up to so many
	// bytes, as reads of a socket do; 0 = one stanza a piece.
	Chunk int
}

// Write generates a recording at path and returns how many stanzas are in it.
func Write(path string, o Options) (stanzas int, err error) {
	var now time.Duration
	began := time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)
	log, err := record.Create(path, record.Options{Tool: "recordtest", Now: func() time.Time {
		now += 130 * time.Microsecond
		return began.Add(now)
	}})
	if err != nil {
		return 0, err
	}
	g := &generator{log: log, rnd: rand.New(rand.NewPCG(o.Seed, 1)), chunk: o.Chunk}
	g.key = make([]byte, 64<<10)
	for i := range g.key {
		g.key[i] = byte(g.rnd.Uint32())
	}
	g.key = base64.StdEncoding.AppendEncode(nil, g.key)
	if o.Conns == 0 {
		o.Conns = 8
	}
	if o.Size == 0 {
		o.Size = 1 << 20
	}
	for id := 1; id <= o.Conns; id++ {
		g.login(id)
	}
	for log.Size() < o.Size && log.Err() == nil {
		g.talk(1 + g.rnd.IntN(o.Conns))
	}
	for id := 1; id <= o.Conns; id++ {
		g.say(id, record.CS, "</stream:stream>")
		g.say(id, record.SC, "</stream:stream>")
		log.Append(record.Event{C: id, E: record.EventClose, By: "client"})
	}
	if err := log.Err(); err != nil {
		log.Close()
		return g.n, err
	}
	return g.n, log.Close()
}

type generator struct {
	log   *record.Log
	rnd   *rand.Rand
	chunk int
	key   []byte // random text, of which pieces are taken
	n     int
}

func (g *generator) say(id int, d record.Dir, s string) {
	for b := []byte(s); len(b) > 0; {
		n := len(b)
		if g.chunk > 0 {
			n = min(n, 1+g.rnd.IntN(g.chunk))
		}
		g.log.Append(record.Event{C: id, E: record.EventData, D: d, Data: b[:n], HasData: true})
		b = b[n:]
	}
}

const (
	open     = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' "
	features = "<stream:features xmlns:stream='http://etherx.jabber.org/streams'>"
)

// login opens a connection and binds a resource.
func (g *generator) login(id int) {
	g.log.Append(record.Event{C: id, E: record.EventOpen, Kind: "c2s", Client: fmt.Sprintf("192.0.2.%d:%d", id%250+1, 40000+id%20000), Server: "198.51.100.1:5222"})
	g.say(id, record.CS, "<?xml version='1.0'?>"+open+"to='capulet.example'>")
	g.say(id, record.SC, fmt.Sprintf("<?xml version='1.0'?>%sfrom='capulet.example' id='s%d'>", open, id))
	g.say(id, record.SC, features+"<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms></stream:features>")
	g.say(id, record.CS, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>")
	g.say(id, record.SC, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
	g.say(id, record.CS, open+"to='capulet.example'>")
	g.say(id, record.SC, fmt.Sprintf("%sfrom='capulet.example' id='t%d'>", open, id))
	g.say(id, record.SC, features+"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>")
	g.say(id, record.CS, "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
	g.say(id, record.SC, fmt.Sprintf("<iq type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>user%d@capulet.example/r%d</jid></bind></iq>", id, id))
	g.n += 2
}

func (g *generator) random(n int) []byte {
	at := g.rnd.IntN(len(g.key) - n)
	return g.key[at : at+n]
}

var lines = []string{
	"But, soft! what light through yonder window breaks? It is the east, and Juliet is the sun. ",
	"Arise, fair sun, and kill the envious moon, who is already sick and pale with grief. ",
	"My bounty is as boundless as the sea, my love as deep; the more I give to thee, the more I have. ",
	"Good night, good night! Parting is such sweet sorrow, that I shall say good night till it be morrow. ",
	"Ô Roméo, Roméo! pourquoi es-tu Roméo ? ",
	"These violent delights have violent ends &amp; in their triumph die. ",
}

func (g *generator) speech(n int) (s string) {
	for range n {
		s += lines[g.rnd.IntN(len(lines))]
	}
	return s
}

// talk says one thing that clients and servers say, and what answers it.
func (g *generator) talk(id int) {
	me := fmt.Sprintf("user%d@capulet.example/r%d", id, id)
	other := fmt.Sprintf("person%d@montague.example/%s", g.rnd.IntN(400), g.random(6))
	g.n++
	n := g.n
	switch g.rnd.IntN(8) {
	case 0: // a query
		g.say(id, record.CS, fmt.Sprintf("<iq type='get' id='q%d' to='montague.example'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>", n))
		s := fmt.Sprintf("<iq type='result' id='q%d' from='montague.example' to='%s'><query xmlns='http://jabber.org/protocol/disco#info'><identity category='server' type='im' name='Verona'/>", n, me)
		for k := range 8 + g.rnd.IntN(12) {
			s += fmt.Sprintf("<feature var='urn:xmpp:feature-%d:%d'/>", k, n%7)
		}
		g.say(id, record.SC, s+"</query></iq>")
		g.n++
	case 1, 2: // what the archive has
		q := fmt.Sprintf("f%d", n)
		g.say(id, record.CS, fmt.Sprintf("<iq type='set' id='m%d'><query xmlns='urn:xmpp:mam:2' queryid='%s'/></iq>", n, q))
		for k := range 10 {
			g.say(id, record.SC, fmt.Sprintf("<message to='%s' from='user%d@capulet.example'><result xmlns='urn:xmpp:mam:2' queryid='%s' id='%s-%d'><forwarded xmlns='urn:xmpp:forward:0'>"+
				"<delay xmlns='urn:xmpp:delay' stamp='2026-07-10T23:08:%02dZ'/><message xmlns='jabber:client' type='chat' id='a%d-%d' from='%s' to='%s'><body>%s</body>"+
				"<active xmlns='http://jabber.org/protocol/chatstates'/><origin-id xmlns='urn:xmpp:sid:0' id='a%d-%d'/></message></forwarded></result></message>",
				me, id, q, g.random(12), n+k, k, n, k, other, me, g.speech(2+g.rnd.IntN(6)), n, k))
		}
		g.say(id, record.SC, fmt.Sprintf("<iq type='result' id='m%d'><fin xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><count>10</count></set></fin></iq>", n))
		g.n += 11
	case 3, 4: // presence, in the quotes that need escapes
		g.say(id, record.SC, fmt.Sprintf(`<presence from="%s" to="%s"><show>away</show><status>%s</status><priority>%d</priority>`+
			`<c xmlns="http://jabber.org/protocol/caps" hash="sha-1" node="https://client.example" ver="%s="/><x xmlns="vcard-temp:x:update"><photo>%040x</photo></x>`+
			`<idle xmlns="urn:xmpp:idle:1" since="2026-07-21T02:56:15Z"/></presence>`, other, me, g.speech(1), n%10, g.random(27), n))
	case 5, 6: // OMEMO
		s := fmt.Sprintf("<message to='%s' from='%s' id='o%d' type='chat'><encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='27183'>", me, other, n)
		for k := range 3 + g.rnd.IntN(4) {
			s += fmt.Sprintf("<key rid='%d'>%s</key>", 31415+k, g.random(180))
		}
		g.say(id, record.SC, s+fmt.Sprintf("<iv>%s</iv></header><payload>%s</payload></encrypted><encryption xmlns='urn:xmpp:eme:0' name='OMEMO' namespace='eu.siacs.conversations.axolotl'/><store xmlns='urn:xmpp:hints'/></message>",
			g.random(16), g.random(40+g.rnd.IntN(500))))
	default: // a chat with its receipt
		g.say(id, record.SC, fmt.Sprintf("<message to='%s' from='%s' id='c%d' type='chat'><body>%s</body><request xmlns='urn:xmpp:receipts'/></message>", me, other, n, g.speech(3+g.rnd.IntN(6))))
		g.say(id, record.CS, fmt.Sprintf("<message to='%s' from='%s' id='r%d'><received xmlns='urn:xmpp:receipts' id='c%d'/></message>", other, me, n, n))
		g.n++
	}
}
