package session

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/proxy/websocket"
	"github.com/xmpplens/xmpplens/record"
)

// Random traffic, random plans, random chunks, verdicts at random times: what is
// sent is what the log says, and every element that reaches a leg is whole.

// A fray is one such session.
type fray struct {
	t      *testing.T
	r      *rand.Rand
	p      *play
	timers []int64
	ws     bool
	in     [2][]byte // by leg, not handed in yet
	ids    int
}

var steps = []func(f *fray, seen Seen) Step{
	func(*fray, Seen) Step { return Hold{Reason: Reason{By: "pause"}} },
	func(*fray, Seen) Step { return Delay{Reason: Reason{By: "rule d"}, For: time.Second} },
	func(f *fray, _ Seen) Step { return Edit{Reason{By: "rule e"}, f.stanza("edited")} },
	func(*fray, Seen) Step { return Edit{Reason{By: "rule bad"}, []byte("<a><b></a>")} },
	func(*fray, Seen) Step { return Drop{Reason{By: "rule x"}} },
	func(f *fray, _ Seen) Step { return Answer{Reason: Reason{By: "rule a"}, Bytes: f.stanza("answer")} },
	func(f *fray, seen Seen) Step {
		return Inject{Reason: Reason{By: "rule i"}, Dir: seen.Dir, Bytes: f.stanza("injected")}
	},
	func(f *fray, seen Seen) Step {
		return Inject{Reason: Reason{By: "rule o"}, Dir: other(seen.Dir), Bytes: f.stanza("injected"), After: time.Second}
	},
	func(*fray, Seen) Step { return Duplicate{Reason{By: "rule 2"}, 2} },
	func(*fray, Seen) Step { return Reorder{Reason: Reason{By: "rule r"}, N: 2} },
	func(*fray, Seen) Step { return Note{Reason{By: "rule n"}, "", "here"} },
	func(_ *fray, seen Seen) Step { return Throttle{Reason{By: "rule t"}, seen.Dir, 1000} },
	func(*fray, Seen) Step { return Truncate{Reason: Reason{By: "rule cut"}, N: 5} },
	func(*fray, Seen) Step { return Cut{Reason: Reason{By: "rule cut"}, Manner: StreamError, Leg: Client} },
	func(*fray, Seen) Step { return Freeze{Reason{By: "rule f"}} },
	func(*fray, Seen) Step { return Cut{Reason: Reason{By: "rule cut"}, Manner: Half, Leg: Server} },
}

func (f *fray) stanza(id string) []byte {
	f.ids++
	return fmt.Appendf(nil, "<message xmlns='jabber:client' id='%s%d'><body>%s</body></message>", id, f.ids, strings.Repeat("x", f.r.IntN(40)))
}

// Judge is a random plan.
func (f *fray) Judge(seen Seen) (plan Plan) {
	gentle := len(steps) - 4
	for f.r.IntN(3) == 0 {
		if f.r.IntN(200) == 0 {
			plan = append(plan, steps[gentle+f.r.IntN(4)](f, seen))
		} else {
			plan = append(plan, steps[f.r.IntN(gentle)](f, seen))
		}
	}
	return plan
}

func (f *fray) handle(in Input) {
	if f.p.s.Closed() {
		return
	}
	effects := f.p.s.Handle(in)
	f.p.w.carryOut(f.t, effects)
	for _, e := range effects {
		if e.Do == Wait {
			f.timers = append(f.timers, e.Timer)
		}
	}
}

func (f *fray) begin() {
	f.handle(Input{On: Accepted, Client: "c", Server: "s"})
	f.handle(Input{On: Dialed, Server: "s"})
	if f.ws {
		f.handle(Input{On: Upgraded, Name: "/ws", Code: 101})
	}
	open := func(d record.Dir, text ...string) {
		for _, x := range text {
			if f.ws {
				x = strings.ReplaceAll(x, "<stream:stream ", "<open xmlns='"+nsFraming+"' ")
				x = strings.ReplaceAll(x, " xmlns:stream='"+nsStreams+"' version='1.0'>", " version='1.0'/>")
				x = strings.ReplaceAll(x, " xmlns='jabber:client'", "")
				x = strings.ReplaceAll(x, "<stream:features>", "<stream:features xmlns:stream='"+nsStreams+"'>")
			}
			f.handle(Input{On: Data, Dir: d, Bytes: f.framed(d, []byte(x))})
		}
	}
	header := "<stream:stream to='a.example' xmlns='jabber:client' xmlns:stream='" + nsStreams + "' version='1.0'>"
	open(record.CS, header)
	open(record.SC, header, "<stream:features><mechanisms xmlns='"+nsSASL+"'><mechanism>PLAIN</mechanism></mechanisms></stream:features>")
	open(record.CS, "<auth xmlns='"+nsSASL+"' mechanism='PLAIN'>AGEAYQ==</auth>")
	open(record.SC, "<success xmlns='"+nsSASL+"'/>")
	open(record.CS, header)
	open(record.SC, header, "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>")
}

func (f *fray) framed(d record.Dir, b []byte) []byte {
	if !f.ws {
		return b
	}
	var key *[4]byte
	if d == record.CS {
		key = &wsKey
	}
	if f.r.IntN(5) == 0 {
		k := f.r.IntN(len(b) + 1)
		return websocket.AppendFrame(websocket.AppendFrame(nil, websocket.Text, false, key, b[:k]), websocket.Continuation, true, key, b[k:])
	}
	return websocket.AppendFrame(nil, websocket.Text, true, key, b)
}

var talk = []string{
	"<iq xmlns='jabber:client' type='get' id='q%d'><query xmlns='a:b'/></iq>", "<message xmlns='jabber:client' id='m%d'><body>hello</body></message>",
	"<presence xmlns='jabber:client' id='p%d'/>", "<r xmlns='urn:xmpp:sm:3'/>", "<enable xmlns='urn:xmpp:sm:3' resume='true'/>",
	"<enabled xmlns='urn:xmpp:sm:3' id='x' resume='true'/>", "<a xmlns='urn:xmpp:sm:3' h='1'/>", "<iq xmlns='jabber:client' type='result' id='ask'/>",
}

func (f *fray) say(l Leg) {
	text := talk[f.r.IntN(len(talk))]
	if strings.Contains(text, "%d") {
		f.ids++
		text = fmt.Sprintf(text, f.ids)
	}
	if !f.ws && f.r.IntN(3) == 0 {
		text += "\n"
	}
	if l == Server && f.r.IntN(40) == 0 {
		text = "<enabled xmlns='urn:xmpp:sm:3' id='y' resume='true' location='b.example'/>"
	}
	f.in[l] = append(f.in[l], f.framed(l.Receives(), []byte(text))...)
}

func (f *fray) step() {
	s := f.p.s
	l := Leg(f.r.IntN(2))
	d := l.Receives()
	switch f.r.IntN(12) {
	case 0, 1, 2:
		f.say(l)
	case 3, 4, 5, 6, 7:
		if n := len(f.in[l]); n > 0 && !s.Waits(d) && !(l == Server && s.turn != nil) {
			k := 1 + f.r.IntN(n)
			b := slices.Clone(f.in[l][:k])
			f.in[l] = f.in[l][k:]
			f.handle(Input{On: Data, Dir: d, Bytes: b})
			for i := range b {
				b[i] = '#' // the session must not rely on it any more
			}
		}
	case 8:
		if held := s.Held(); len(held) > 0 {
			v := Verdict{Dir: held[0].Dir, Offset: held[0].Offset, By: "viewer", All: f.r.IntN(3) == 0}
			switch v.Decision = []Decision{Pass, EditIt, DropIt, AnswerIt, DelayIt, HoldOn}[f.r.IntN(6)]; v.Decision {
			case EditIt, AnswerIt:
				v.Bytes, v.All = f.stanza("verdict"), false
			case DelayIt:
				v.For = time.Second
			case HoldOn:
				v.For, v.All = time.Second, false
			}
			in := Input{On: Decided, Verdict: &v}
			if err := s.Refuses(in); err != nil && v.Decision != AnswerIt {
				f.t.Errorf("refused %+v: %v", v, err)
			} else if err == nil {
				f.handle(in)
			}
		}
	case 9:
		if len(f.timers) > 0 {
			i := f.r.IntN(len(f.timers))
			id := f.timers[i]
			f.timers = slices.Delete(f.timers, i, i+1)
			f.handle(Input{On: Elapsed, Timer: id})
		}
	case 10:
		in := Input{On: Put, Injection: &Injection{Reason: Reason{By: "viewer"}, Dir: d, Bytes: f.stanza("put"), Swallow: true}}
		if f.r.IntN(3) == 0 {
			in.Injection.Bytes = []byte("<iq xmlns='jabber:client' type='get' id='ask'><ping xmlns='urn:xmpp:ping'/></iq>")
		}
		if s.Refuses(in) == nil {
			f.handle(in)
		}
	case 11:
		switch {
		case s.turn != nil:
			f.handle(Input{On: Redirected, Name: "127.0.0.1:1"})
		case f.r.IntN(8) == 0:
			var j Judge
			if f.r.IntN(3) > 0 {
				j = f
			}
			f.handle(Input{On: Arm, Judge: j})
		}
	}
}

func runFray(t *testing.T, seed uint64, ws bool) {
	f := &fray{t: t, r: rand.New(rand.NewPCG(seed, 2)), ws: ws}
	cfg := Config{Conn: 1, MaxFrame: 64 << 10}
	if ws {
		cfg.Transport = WebSocket
	}
	f.p = &play{t: t, s: New(cfg), w: newWire()}
	f.p.w.ws = ws
	early := f.r.IntN(4) == 0
	if early {
		f.handle(Input{On: Arm, Judge: JudgeFunc(func(seen Seen) Plan {
			if seen.Authenticated {
				return f.Judge(seen)
			}
			return nil
		})})
	}
	f.begin()
	if early && !f.p.s.Closed() && !f.p.s.Armed() && !f.p.s.ic.on {
		t.Error("armed before the login, and not after it")
	}
	if !early && f.r.IntN(3) > 0 {
		f.handle(Input{On: Arm, Judge: f})
	}
	for range 50 + f.r.IntN(150) {
		f.step()
	}
	s := f.p.s
	// What is left comes in, what waits goes on, and the legs end.
	for l := range f.in {
		if d := Leg(l).Receives(); !s.Waits(d) && s.turn == nil && len(f.in[l]) > 0 {
			f.handle(Input{On: Data, Dir: d, Bytes: f.in[l]})
		}
	}
	for i := 0; len(f.timers) > 0 && i < 10_000; i++ {
		id := f.timers[0]
		f.timers = f.timers[1:]
		f.handle(Input{On: Elapsed, Timer: id})
	}
	if s.turn != nil {
		f.handle(Input{On: Redirected})
	}
	f.handle(Input{On: EOF, Leg: Leg(f.r.IntN(2)), CloseNotify: true})
	f.handle(Input{On: EOF, Leg: Client, CloseNotify: true})
	f.handle(Input{On: EOF, Leg: Server, CloseNotify: true})
	for i := 0; len(f.timers) > 0 && i < 10_000; i++ {
		id := f.timers[0]
		f.timers = f.timers[1:]
		f.handle(Input{On: Elapsed, Timer: id})
	}
	if !s.Closed() {
		if s.turn != nil {
			f.handle(Input{On: Redirected})
		}
		f.handle(Input{On: Shutdown})
	}
	f.p.w.compare(t)
}

func TestIntercept(t *testing.T) {
	n := 4000
	if testing.Short() {
		n = 500
	}
	for _, transport := range []struct {
		name string
		ws   bool
	}{{"tcp", false}, {"websocket", true}} {
		t.Run(transport.name, func(t *testing.T) {
			for seed := range n {
				runFray(t, uint64(seed), transport.ws)
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}
