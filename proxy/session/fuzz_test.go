package session

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/xdg-go/scram"

	"github.com/xmpplens/xmpplens/record"
)

// pieces are what streams are made of; a byte of the fuzzer's input chooses one.
var pieces = []string{
	streamCS, streamSC, "<?xml version='1.0'?>\n", "</stream:stream>", " ", "\n",
	"<s:stream xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams' from='juliet@capulet.example' to='capulet.example' version='1.0'>",
	"<stream:features/>", "<stream:features><starttls xmlns='" + nsTLS + "'/></stream:features>",
	"<stream:features>" + list([]string{"tls-exporter", endPoint}, "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "PLAIN") + "</stream:features>",
	"<stream:features>" + list([]string{"tls-unique"}, "SCRAM-SHA-256-PLUS", "SCRAM-SHA3-512-PLUS") + "</stream:features>",
	"<stream:features>" + list(nil, "SCRAM-SHA-512") + "<compression xmlns='" + nsCompression + "'><method>zlib</method></compression></stream:features>",
	"<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>",
	"<stream:features><mechanisms xmlns='" + nsSASL + "'/><authentication xmlns='" + nsSASL2 + "'></authentication><sasl-channel-binding xmlns='" + nsBinding + "'/></stream:features>",
	"<starttls xmlns='" + nsTLS + "'/>", "<proceed xmlns='" + nsTLS + "'/>", "<failure xmlns='" + nsTLS + "'/>", "\x16\x03\x01",
	"<auth xmlns='" + nsSASL + "' mechanism='PLAIN'>AGp1bGlldAByMG0zMA==</auth>",
	"<authenticate xmlns='" + nsSASL2 + "' mechanism='PLAIN'><initial-response>AGp1bGlldAByMG0zMA==</initial-response><request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-EXPR'/></authenticate>",
	"<authenticate xmlns='" + nsSASL2 + "' mechanism='HT-SHA-256-ENDP'><initial-response>anVsaWV0AGFh</initial-response></authenticate>",
	"<authenticate xmlns='" + nsSASL2 + "' mechanism='SCRAM-SHA-1'/>", "<auth xmlns='" + nsSASL + "' mechanism='SCRAM-SHA-1'>!</auth>",
	"<auth xmlns='" + nsSASL + "' mechanism='SCRAM-SHA-1'>" + encode("y,a=x,n=juliet,r=a") + "</auth>",
	"<response xmlns='" + nsSASL + "'/>", "<response xmlns='" + nsSASL2 + "'>=</response>", "<abort xmlns='" + nsSASL + "'/>", "<abort xmlns='" + nsSASL2 + "'/>",
	"<challenge xmlns='" + nsSASL + "'/>", "<challenge xmlns='" + nsSASL2 + "'>" + encode("r=a,s=YQ==,i=1") + "</challenge>",
	"<success xmlns='" + nsSASL + "'/>", "<success xmlns='" + nsSASL2 + "'/>", "<success xmlns='" + nsSASL2 + "'><additional-data>dj0=</additional-data><resumed xmlns='urn:xmpp:sm:3'/></success>",
	"<success xmlns='" + nsSASL2 + "'><bound xmlns='urn:xmpp:bind:0'><enabled xmlns='urn:xmpp:sm:3' location='b.example'/></bound></success>",
	"<continue xmlns='" + nsSASL2 + "'><tasks><task>T</task></tasks></continue>",
	"<failure xmlns='" + nsSASL + "'><not-authorized/></failure>", failureOf(nsSASL2, "aborted"),
	"<enabled xmlns='urn:xmpp:sm:3' location='c.example:5223'/>",
	"<stream:error><see-other-host xmlns='" + nsStreamErrors + "'>d.example</see-other-host></stream:error>",
	"<handshake xmlns='jabber:component:accept'>00</handshake>", "<handshake/>",
	"<message to='romeo'><body>what light &amp; love</body></message>", "<presence/>", "<!-- c -->", "<?pi?>", "]]>", "<a", ">", "</b>", "&x;",
	"<stream:stream from='a.example' to='b.example' xmlns='jabber:server' xmlns:db='jabber:server:dialback' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>",
	"<stream:features><mechanisms xmlns='" + nsSASL + "'><mechanism>EXTERNAL</mechanism></mechanisms><dialback xmlns='urn:xmpp:features:dialback'/></stream:features>",
	"<auth xmlns='" + nsSASL + "' mechanism='EXTERNAL'>=</auth>", "<message xmlns='jabber:server' from='x@a.example' to='y@b.example'/>",
	"<result xmlns='" + nsDialback + "' from='a.example' to='b.example'>k</result>", "<result xmlns='" + nsDialback + "' from='b.example' to='a.example' type='valid'/>",
	"<verify xmlns='" + nsDialback + "' from='b.example' to='a.example' id='1' type='invalid'/>",
}

// A play is a session with a shell that keeps to its contract: it answers what
// it was asked, reads a leg only where it may, and nothing of one that ended.
type play struct {
	t      *testing.T
	s      *Session
	w      *wire
	asked  []Effect
	ended  [2]bool // by leg, received its end
	broken bool    // writing failed, or the session ended before its bytes did
	conv   *scram.ClientConversation
	ns     string
	floods int
	timers []int64
	dice   uint32 // of the judge
}

// Judge takes what is to be done from what was done before.
func (p *play) Judge(seen Seen) Plan {
	p.dice = p.dice*1664525 + uint32(seen.Frame.Offset) + 1013904223
	r := Reason{By: "rule"}
	message := []byte("<message xmlns='jabber:client'/>")
	switch p.dice >> 24 & 15 {
	case 0:
		return Plan{Hold{Reason: r}, Edit{r, message}}
	case 1:
		return Plan{Drop{r}}
	case 2:
		return Plan{Answer{Reason: r, Bytes: message}}
	case 3:
		return Plan{Edit{r, message}, Duplicate{r, 1}}
	case 4:
		return Plan{Inject{Reason: r, Dir: seen.Dir, Bytes: message, Swallow: true}, Delay{r, time.Second}}
	case 5:
		return Plan{Reorder{Reason: r}}
	case 6:
		if p.dice>>16&63 == 0 {
			return Plan{Cut{Reason: r, Manner: Manner(p.dice >> 8 % 5), Leg: Server}}
		}
	}
	return nil
}

// meddle arms, decides, injects, or lets time pass.
func (p *play) meddle(kind byte, d record.Dir) {
	p.dice += uint32(kind)
	switch {
	case kind == 0:
		p.handle(Input{On: Arm, Judge: p})
	case kind == 1:
		p.handle(Input{On: Arm})
	case kind < 4 && len(p.timers) > 0:
		id := p.timers[0]
		p.timers = p.timers[1:]
		p.handle(Input{On: Elapsed, Timer: id})
	case kind == 4:
		in := Input{On: Put, Injection: &Injection{Dir: d, Bytes: []byte("<iq xmlns='jabber:client' type='get' id='1'/>"), Swallow: true}}
		if p.s.Refuses(in) == nil {
			p.handle(in)
		}
	default:
		for _, h := range p.s.Held() {
			p.handle(Input{On: Decided, Verdict: &Verdict{Dir: h.Dir, Offset: h.Offset, Decision: []Decision{Pass, DropIt}[kind&1], All: kind == 6}})
			return
		}
	}
}

func (p *play) handle(in Input) {
	if p.s.Closed() {
		return
	}
	effects := p.s.Handle(in)
	p.w.carryOut(p.t, effects)
	for _, e := range effects {
		switch e.Do {
		case Dial, Secure, Redirect:
			p.asked = append(p.asked, e)
		case Wait:
			p.timers = append(p.timers, e.Timer)
		}
	}
	// MaxFrame, a tag of decode.MaxTag, and the last chunk.
	if n := p.size(); n > 2<<20 {
		p.t.Fatalf("the session holds %d bytes", n)
	}
}

// size is what the session keeps.
func (p *play) size() int {
	s := p.s
	n := len(s.waiting) + len(s.cs.dec.Unread()) + len(s.sc.dec.Unread()) + len(s.clientHeader) + len(s.serverHeader) + len(s.features.Raw) + len(s.proceed) + len(s.decl[0]) + len(s.decl[1])
	if s.turn != nil {
		n += len(s.turn.sent)
	}
	return n
}

// waits tells whether the shell is busy with something other than reading a leg.
func (p *play) busy(l Leg) bool {
	for _, e := range p.asked {
		// A handshake reads its leg itself. The client's goroutine dials,
		// the server's asks for the way.
		if e.Do == Secure && e.Leg == l || e.Do == Dial || e.Do == Redirect && l == Server {
			return true
		}
	}
	return p.ended[l]
}

func (p *play) data(d record.Dir, b []byte) {
	if len(b) == 0 || d == record.CS && (p.busy(Client) || p.s.Waits(d)) || d == record.SC && (p.busy(Server) || !p.s.ServerReady() || p.s.Waits(d)) {
		return
	}
	p.handle(Input{On: Data, Dir: d, Bytes: b})
}

func (p *play) end(l Leg, err error) {
	if l == Server && !p.s.ServerReady() || p.busy(l) {
		return
	}
	p.ended[l] = true
	p.handle(Input{On: EOF, Leg: l, Err: err, CloseNotify: true})
}

// reply answers the oldest thing that was asked.
func (p *play) reply(good bool, kind byte) {
	if len(p.asked) == 0 {
		return
	}
	e := p.asked[0]
	p.asked = p.asked[1:]
	problem := errors.New("remote error: tls: bad certificate")
	switch e.Do {
	case Dial:
		if good {
			p.handle(Input{On: Dialed, Server: "s", Direct: kind&1 != 0})
		} else {
			p.handle(Input{On: DialFailed, Err: problem})
		}
	case Redirect:
		if good {
			p.handle(Input{On: Redirected, Name: "127.0.0.1:1"})
		} else {
			p.handle(Input{On: Redirected, Err: problem})
		}
	case Secure:
		if e.Leg == Client {
			p.handle(Input{On: Hello, Name: "capulet.example", ALPN: []string{"xmpp-client"}})
			if p.s.Closed() {
				return
			}
		}
		if !good {
			p.handle(Input{On: TLSFailed, Leg: e.Leg, Err: problem})
			return
		}
		bindings := []map[string][]byte{nil, frontLeg, {"tls-unique": []byte("u")}, {endPoint: []byte("c")}}[kind&3]
		secured := TLS{Version: "TLS 1.3", ALPN: "xmpp-client", Bindings: bindings}
		if p.s.cfg.Kind == KindS2S && kind&1 != 0 {
			secured.Peer, secured.Names = "CN=a.example", []string{[]string{"a.example", "*.example"}[kind>>1&1]}
			if e.Leg == Server && e.From != "" {
				secured.Shown = e.From
			}
		}
		p.handle(Input{On: Secured, Leg: e.Leg, TLS: secured})
	}
}

// replies answers all that was asked, and what is asked because of that: a flood
// of frames that send the client elsewhere asks for each.
func (p *play) replies() {
	for n := 0; len(p.asked) > 0 && n < 10_000; n++ {
		p.reply(true, 1)
	}
}

var base64Text = regexp.MustCompile(`>([A-Za-z0-9+/=]{8,})<`)

// heard is the last SASL message that reached a leg.
func (p *play) heard(l Leg) string {
	all := base64Text.FindAllSubmatch(p.w.sent[l], -1)
	if all == nil {
		return ""
	}
	b, _ := base64.StdEncoding.DecodeString(string(all[len(all)-1][1]))
	return string(b)
}

// smart peers say what goes on with the login that there is.
func (p *play) smart(kind byte) {
	if kind&1 != 0 {
		p.ns = nsSASL
	} else {
		p.ns = nsSASL2
	}
	switch kind >> 1 & 3 {
	case 0: // the client begins
		mechanism := []string{"SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512"}[kind>>3&3]
		c, _ := hashOf(mechanism).NewClient("juliet", []string{"r0m30", "wrong"}[kind>>5&1], "")
		p.conv = c.WithMinIterations(1).NewConversation()
		if bound(mechanism) {
			p.conv = c.WithMinIterations(1).NewConversationWithChannelBinding(exporter("front"))
		}
		first, _ := p.conv.Step("")
		if kind>>6&1 != 0 { // … when it is asked
			name := map[string]string{nsSASL: "auth", nsSASL2: "authenticate"}[p.ns]
			p.data(record.CS, []byte("<"+name+" xmlns='"+p.ns+"' mechanism='"+mechanism+"'/>"))
			p.data(record.CS, []byte("<response xmlns='"+p.ns+"'>"+encode(first)+"</response>"))
			return
		}
		if p.ns == nsSASL {
			p.data(record.CS, []byte("<auth xmlns='"+p.ns+"' mechanism='"+mechanism+"'>"+encode(first)+"</auth>"))
		} else {
			p.data(record.CS, []byte("<authenticate mechanism='"+mechanism+"' xmlns='"+p.ns+"'><initial-response>"+encode(first)+"</initial-response></authenticate>"))
		}
	case 1: // the server challenges
		_, nonce, _ := strings.Cut(p.heard(Server), "r=")
		extra := []string{"", ",h=AAAA", ",d=", ",x"}[kind>>3&3]
		p.data(record.SC, []byte("<challenge xmlns='"+p.ns+"'>"+encode(fmt.Sprintf("r=%sx,s=c2FsdA==,i=%d%s", nonce, kind>>5, extra))+"</challenge>"))
	case 2: // the client proves itself
		if p.conv == nil {
			return
		}
		final, err := p.conv.Step(p.heard(Client))
		if err != nil {
			p.conv = nil
			return
		}
		p.data(record.CS, []byte("<response xmlns='"+p.ns+"'>"+encode(final)+"</response>"))
	case 3: // the server does, as far as one can who has no password
		text := encode("v=" + encode("a signature of nobody"))
		if p.s.reauth != nil && p.s.reauth.answered && kind>>5&1 != 0 {
			text = encode("e=other-error")
		}
		name := []string{"success", "continue", "challenge", "failure"}[kind>>3&3]
		if p.ns == nsSASL2 && name != "challenge" {
			text = "<additional-data>" + text + "</additional-data>"
		}
		p.data(record.SC, []byte("<"+name+" xmlns='"+p.ns+"'>"+text+"</"+name+">"))
	}
}

// run reads the fuzzer's input as a play: two bytes of configuration, then one
// move after the other.
func (p *play) run(in []byte) {
	next := func() byte {
		if len(in) == 0 {
			return 0
		}
		b := in[0]
		in = in[1:]
		return b
	}
	p.handle(Input{On: Accepted, Client: "c", Server: "s"})
	for len(in) > 0 && !p.s.Closed() {
		op := next()
		d, l := record.CS, Client
		if op&1 != 0 {
			d, l = record.SC, Server
		}
		switch op >> 1 & 15 {
		case 0, 1, 2, 3, 4: // a piece, whole or in two chunks
			b := []byte(pieces[int(next())%len(pieces)])
			if cut := int(op>>5) * len(b) / 8; cut > 0 {
				p.data(d, b[:cut:cut])
				b = b[cut:]
			}
			p.data(d, b)
		case 5: // any bytes
			n := min(int(next()), len(in))
			p.data(d, in[:n:n])
			in = in[n:]
		case 6, 7, 8:
			p.reply(op>>5 != 0, op>>6)
		case 9, 10, 11:
			p.smart(next())
		case 12:
			p.end(l, []error{nil, nil, errors.New("reset"), errors.New("remote error: tls: unknown certificate authority")}[op>>6])
		case 13: // a lot of it
			if p.floods++; op>>5 == 7 && p.floods <= 12 {
				piece := pieces[int(next())%len(pieces)]
				p.data(d, []byte(strings.Repeat(piece, 256<<10/len(piece))))
			}
		case 14:
			if op>>5 == 7 {
				p.handle(Input{On: WriteFailed, Leg: l, Err: errors.New("broken pipe")})
				p.broken = true
			} else {
				p.meddle(op>>5, d)
			}
		case 15:
			if op>>5 == 7 {
				p.handle(Input{On: Shutdown})
			}
		}
	}
	// In the end everything is answered and both legs come to their end.
	p.replies()
	p.end(Client, nil)
	p.replies()
	p.end(Server, nil)
	for n := 0; len(p.timers) > 0 && n < 10_000; n++ {
		p.meddle(2, record.CS)
		p.replies()
	}
}

func newPlay(t *testing.T, a, b byte) *play {
	modes := []TLSMode{Mirror, Off, StartTLS, Direct}
	cfg := Config{Conn: 1, Domain: "capulet.example", ClientTLS: modes[a&3], ServerTLS: modes[a>>2&3], MaxFrame: 64 << 10,
		ByDomain: a&16 != 0, ByTo: a&32 != 0, OwnCertificate: a&64 != 0, CA: "ca.pem"}
	if b&1 != 0 {
		cfg.Accounts = juliet
	}
	if b&2 != 0 {
		cfg.Mechanisms = []string{"PLAIN"}
	}
	switch b >> 2 & 7 {
	case 1:
		cfg.Kind, cfg.Secret = KindComponent, "sekrit"
	case 2:
		cfg.Kind = KindS2S
	case 3:
		cfg.Kind, cfg.Insecure = KindS2S, true
	}
	return &play{t: t, s: New(cfg), w: newWire()}
}

// FuzzSession plays any inputs in any order that the shell can hand in. Nothing
// panics, the log leads, what the log says was sent is what was sent, and little
// is kept.
func FuzzSession(f *testing.F) {
	scripts, err := filepath.Glob("testdata/*.script")
	if err != nil || len(scripts) == 0 {
		f.Fatal("no scripts", err)
	}
	// The scripts' bytes as they are, and a login with everything.
	for _, path := range scripts {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		seed := []byte{0, 1}
		if strings.Contains(string(text), "kind=s2s") {
			seed[1] = 2 << 2
		}
		for line := range strings.Lines(string(text)) {
			word, rest, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), ">> "), " ")
			switch {
			case !strings.HasPrefix(line, ">> "):
			case word == "CS" || word == "SC":
				op := byte(5 << 1)
				if word == "SC" {
					op |= 1
				}
				for len(rest) > 0 {
					n := min(len(rest), 255)
					seed = append(append(seed, op, byte(n)), rest[:n]...)
					rest = rest[n:]
				}
			case word == "eof":
				seed = append(seed, 12<<1)
			default:
				seed = append(seed, 6<<1|1<<5)
			}
		}
		f.Add(seed)
	}
	piece := func(d byte, text string) []byte {
		for i, p := range pieces {
			if p == text {
				return []byte{d, byte(i)}
			}
		}
		f.Fatalf("no piece %s", text)
		return nil
	}
	answer := []byte{6<<1 | 3<<6}
	for _, profile := range []byte{0, 1} {
		for _, config := range []byte{0, 1, 3} {
			seed := []byte{0, config, answer[0]}
			for _, x := range [][]byte{
				piece(0, streamCS), piece(1, streamSC), piece(1, "<stream:features><starttls xmlns='"+nsTLS+"'/></stream:features>"),
				piece(0, "<starttls xmlns='"+nsTLS+"'/>"), piece(1, "<proceed xmlns='"+nsTLS+"'/>"), {6<<1 | 1<<6}, piece(0, "\x16\x03\x01"), {6<<1 | 1<<6},
				piece(0, streamCS), piece(1, streamSC), {1, 9}, {9 << 1, profile | 1<<3}, {9 << 1, profile | 1<<1 | 1<<5}, {9 << 1, profile | 2<<1}, {9 << 1, profile | 3<<1},
				piece(0, streamCS), piece(1, streamSC), piece(1, "<stream:features/>"), {0, 40}, {1, 40},
			} {
				seed = append(seed, x...)
			}
			f.Add(seed)
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) < 2 || len(in) > 4<<10 {
			return
		}
		p := newPlay(t, in[0], in[1])
		p.run(in[2:])
		if !p.broken {
			p.w.compare(t)
		}
	})
}
