package session

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/proxy/websocket"
	"github.com/xmpplens/xmpplens/record"
)

// In scripts with transport=websocket the bytes of a direction are frames, with
// " && " between them:
//
//	text <a/>    a message           part <a    its first fragment
//	more b       a further one       rest />    its last
//	ping x, pong x, close 1000 bye   raw \x81   bytes as they are

// wsKey masks the client's frames in scripts.
var wsKey = [4]byte{0x37, 0xfa, 0x21, 0x3d}

func framesOf(t *testing.T, d record.Dir, s string) []byte {
	t.Helper()
	var key *[4]byte
	if d == record.CS {
		key = &wsKey
	}
	var out []byte
	for f := range strings.SplitSeq(s, " && ") {
		word, rest, _ := strings.Cut(f, " ")
		payload := []byte(unescape(t, rest))
		switch word {
		case "text":
			out = websocket.AppendFrame(out, websocket.Text, true, key, payload)
		case "part":
			out = websocket.AppendFrame(out, websocket.Text, false, key, payload)
		case "more":
			out = websocket.AppendFrame(out, websocket.Continuation, false, key, payload)
		case "rest":
			out = websocket.AppendFrame(out, websocket.Continuation, true, key, payload)
		case "binary":
			out = websocket.AppendFrame(out, websocket.Binary, true, key, payload)
		case "ping":
			out = websocket.AppendFrame(out, websocket.Ping, true, key, payload)
		case "pong":
			out = websocket.AppendFrame(out, websocket.Pong, true, key, payload)
		case "close":
			code, reason, _ := strings.Cut(rest, " ")
			n := 0
			fmt.Sscan(code, &n)
			out = websocket.AppendFrame(out, websocket.Close, true, key, websocket.ClosePayload(n, reason))
		case "raw":
			out = append(out, payload...)
		default:
			t.Fatalf("unknown frame %q", f)
		}
	}
	return out
}

// showFrames is the inverse, as far as b is whole frames.
func showFrames(l Leg, b []byte) string {
	d := websocket.Decoder{Client: l == Server}
	var out []string
	var payload []byte
	started := false
	for rest := b; len(rest) > 0; {
		p, n := d.Next(rest)
		rest = rest[n:]
		payload = p.AppendTo(payload)
		if p.Lost || p.Err != nil && p.Err.Code != websocket.CodeFragment {
			return "raw " + escape(b)
		}
		if !p.Ends {
			continue
		}
		word := p.Op.String()
		text := escape(payload)
		switch {
		case p.Op == websocket.Close:
			code, reason := websocket.ReadClose(payload)
			text = strings.TrimSpace(fmt.Sprint(code, " ", reason))
		case p.Op.IsControl():
		case b[len(b)-len(rest)-n]&0x0f == 0 && p.EndsMessage:
			word = "rest"
		case b[len(b)-len(rest)-n]&0x0f == 0:
			word = "more"
		case !p.EndsMessage:
			word = "part"
		}
		out = append(out, strings.TrimSpace(word+" "+text))
		payload, started = nil, true
	}
	if !started || !d.AtBoundary() && len(payload) > 0 {
		return "raw " + escape(b)
	}
	return strings.Join(out, " && ")
}

// payloads takes the framing off what was sent to a leg.
func payloads(l Leg, b []byte) []byte {
	d := websocket.Decoder{Client: l == Server}
	var out []byte
	for len(b) > 0 {
		b0 := b
		p, n := d.Next(b)
		b = b[n:]
		if p.Lost {
			return append(out, b0...)
		}
		if !p.Op.IsControl() {
			out = p.AppendTo(out)
		}
	}
	return out
}

// A message of any length passes, in memory that does not grow with it, as long
// as nothing is armed; before the login has ended it is given up at the limit.
func TestWebSocketLongMessage(t *testing.T) {
	for _, online := range []bool{false, true} {
		s := New(Config{Conn: 1, Transport: WebSocket, MaxFrame: 1 << 20})
		for _, in := range []Input{{On: Accepted}, {On: Dialed}, {On: Upgraded}} {
			s.Handle(in)
		}
		if online {
			s.armed = false
		}
		const size = 50 << 20
		chunk := make([]byte, 0, 64<<10)
		head := websocket.AppendFrame(nil, websocket.Text, true, nil, nil)
		head = append(head[:1], 127, 0, 0, 0, 0, 0x03, 0x20, 0, 0) // 50 MiB
		start, end := "<message xmlns='jabber:client'><body>", "</body></message>"
		sent, recorded, most := 0, 0, 0
		feed := func(b []byte) {
			for _, e := range s.Handle(Input{On: Data, Dir: record.SC, Bytes: b}) {
				sent += len(e.Bytes)
				for _, ev := range e.Events {
					if ev.E == record.EventData {
						recorded += len(ev.Data)
					}
					if ev.E == record.EventControl {
						t.Errorf("%+v", ev)
					}
				}
			}
			most = max(most, cap(s.ws.sc.held)+cap(s.ws.sc.out))
		}
		feed(append(head, start...))
		left := size - len(start) - len(end)
		for left > 0 {
			n := min(left, cap(chunk))
			chunk = chunk[:n]
			for i := range chunk {
				chunk[i] = 'x'
			}
			feed(chunk)
			left -= n
		}
		feed([]byte(end))
		if recorded != size || sent != size+10 {
			t.Errorf("online %v: %d bytes sent, %d recorded", online, sent, recorded)
		}
		if limit := 8 << 20; most > limit || online && most > 1<<10 {
			t.Errorf("online %v: %d bytes were held", online, most)
		}
	}
}

// A message that is changed and turns out to be too long to be held goes on in
// fragments. Frames of the proxy's own to the server are masked.
func TestWebSocketOwnFrames(t *testing.T) {
	s := New(Config{Conn: 1, Transport: WebSocket, MaxFrame: 400, Mask: func() [4]byte { return [4]byte{5, 6, 7, 8} }})
	w := newWire()
	w.ws = true
	give := func(in Input) { w.carryOut(t, s.Handle(in)) }
	give(Input{On: Accepted, TLS: TLS{Version: "TLS 1.3"}})
	give(Input{On: Dialed})
	give(Input{On: Upgraded})
	give(Input{On: Data, Dir: record.CS, Bytes: websocket.AppendFrame(nil, websocket.Text, true, &wsKey, []byte("<open xmlns='"+nsFraming+"' to='b'/>"))})
	asked := len(w.sent[Server])
	long := "<f:features xmlns:f='" + nsStreams + "'><c:sasl-channel-binding xmlns:c='" + nsBinding + "'/></f:features>" + strings.Repeat("<a xmlns='x'/>", 100)
	give(Input{On: Data, Dir: record.SC, Bytes: websocket.AppendFrame(nil, websocket.Text, false, nil, []byte(long[:700]))})
	give(Input{On: Data, Dir: record.SC, Bytes: websocket.AppendFrame(nil, websocket.Continuation, true, nil, []byte(long[700:]))})
	if got := string(w.said(Client)); strings.Contains(got, "sasl-channel-binding") || strings.Count(got, "<a ") != 100 {
		t.Errorf("the client got %s", got)
	}
	d := websocket.Decoder{}
	frames := 0
	for b := w.sent[Client]; len(b) > 0; {
		p, n := d.Next(b)
		if p.Err != nil {
			t.Fatal(p.Err)
		}
		if p.Begins {
			frames++
		}
		b = b[n:]
	}
	if m := s.ws.sc; frames < 2 || !d.AtBoundary() || len(m.held)+len(m.out) > 0 {
		t.Errorf("%d frames, whole: %v; %d bytes held", frames, d.AtBoundary(), len(m.held)+len(m.out))
	}
	give(Input{On: Shutdown})
	if own := w.sent[Server][asked:]; len(own) < 6 || string(own[2:6]) != "\x05\x06\x07\x08" {
		t.Errorf("said to the server: %q", own)
	}
	w.compare(t)
}

// What the proxy says itself waits for the end of a message that is under way.
func TestWebSocketInject(t *testing.T) {
	s := New(Config{Conn: 1, Transport: WebSocket})
	w := newWire()
	w.ws = true
	for _, in := range []Input{{On: Accepted}, {On: Dialed}, {On: Upgraded}} {
		w.carryOut(t, s.Handle(in))
	}
	s.armed = false
	w.carryOut(t, s.Handle(Input{On: Data, Dir: record.CS, Bytes: websocket.AppendFrame(nil, websocket.Text, false, &wsKey, []byte("<a xmlns="))}))
	s.events, s.notes, s.sends = nil, nil, nil
	s.inject(record.CS, "<own xmlns='x'/>", "test")
	w.carryOut(t, s.answer())
	w.carryOut(t, s.Handle(Input{On: Data, Dir: record.CS, Bytes: websocket.AppendFrame(nil, websocket.Continuation, true, &wsKey, []byte("'x'/>"))}))
	if got := string(w.said(Server)); got != "<a xmlns='x'/><own xmlns='x'/>" {
		t.Errorf("the server got %s", got)
	}
	w.compare(t)
}

// FuzzWebSocket feeds frames that break every rule: whatever comes in, the
// session does not stop, and what is sent on is what the log says.
func FuzzWebSocket(f *testing.F) {
	const open = "<open xmlns='" + nsFraming + "' to='a' version='1.0'/>"
	features := "<stream:features xmlns:stream='" + nsStreams + "'><mechanisms xmlns='" + nsSASL + "'><mechanism>SCRAM-SHA-1-PLUS</mechanism><mechanism>PLAIN</mechanism></mechanisms></stream:features>"
	f.Add([]byte(open), []byte(open+features), uint64(1), false)
	f.Add([]byte("<a><b/></a>"), []byte("<success xmlns='"+nsSASL+"'/>"+features), uint64(2), true)
	f.Add([]byte("<presence/>"), []byte("<close xmlns='"+nsFraming+"' see-other-uri='wss://b/ws'/>"), uint64(3), true)
	f.Add([]byte{0x89, 0x80, 0, 0, 0, 0, 0x81}, []byte("\x81\x7e\xff\xff"), uint64(4), false)
	f.Fuzz(func(t *testing.T, cs, sc []byte, seed uint64, online bool) {
		rng := rand.New(rand.NewPCG(seed, 0))
		s := New(Config{Conn: 1, Transport: WebSocket, MaxFrame: 64 + rng.IntN(1000), Lead: func(u string) (string, error) {
			if len(u)%2 == 1 {
				return "", errors.New("no way")
			}
			return "ws://own/", nil
		}})
		w := newWire()
		w.ws = true
		for _, in := range []Input{{On: Accepted, TLS: TLS{Version: "TLS 1.3"}}, {On: Dialed}, {On: Upgraded}} {
			w.carryOut(t, s.Handle(in))
		}
		s.armed = !online
		valid := rng.IntN(4) > 0
		left := [2][]byte{cs, sc}
		if valid { // in frames of any kind, cut anywhere
			for i, key := range []*[4]byte{{1, 2, 3, 4}, nil} {
				var b []byte
				fresh := true
				for p := left[i]; len(p) > 0; {
					n := min(len(p), 1+rng.IntN(200))
					op, fin := websocket.Text, rng.IntN(3) > 0
					if !fresh {
						op = websocket.Continuation
					}
					b = websocket.AppendFrame(b, op, fin, key, p[:n])
					fresh, p = fin, p[n:]
					if rng.IntN(4) == 0 {
						b = websocket.AppendFrame(b, websocket.Ping, true, key, []byte("ping"))
					}
				}
				left[i] = b
			}
		}
		for len(left[0])+len(left[1]) > 0 {
			i := rng.IntN(2)
			if len(left[i]) == 0 {
				i = 1 - i
			}
			n := 1 + rng.IntN(min(len(left[i]), 300))
			chunk := append([]byte(nil), left[i][:n]...)
			w.carryOut(t, s.Handle(Input{On: Data, Dir: Leg(i).Receives(), Bytes: chunk}))
			left[i] = left[i][n:]
			if rng.IntN(30) == 0 {
				w.carryOut(t, s.Handle(Input{On: Shutdown}))
			}
		}
		for _, l := range []Leg{Client, Server} {
			w.carryOut(t, s.Handle(Input{On: EOF, Leg: l}))
		}
		if valid {
			w.compare(t)
		}
	})
}
