package session

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Two ends of XEP-0198 that talk through sessions, which drop, inject, double and
// move at random, over connections that break at any byte and are resumed.

// A party is one of the two ends.
type party struct {
	sent, acked, got uint32
	queue            []string // ids
	have             map[string]int
	in               []byte // not looked at yet
}

type couple struct {
	t       *testing.T
	r       *rand.Rand
	ends    [2]party // client, server
	all     Resumptions
	s       *Session
	wires   [2][]byte // what was written by each and not handed in
	up      [2]bool
	ids     int
	sasl2   bool
	dropped map[string]bool
	copied  map[string]bool
	timers  []int64
	failure string
}

var stanzaID = regexp.MustCompile(`^<message id='([^']*)'`)

func (c *couple) Judge(seen Seen) Plan {
	m := stanzaID.FindSubmatch(seen.Frame.Raw)
	if m == nil || seen.Fixed {
		return nil
	}
	r := Reason{By: "rule"}
	switch c.r.IntN(10) {
	case 0:
		c.dropped[string(m[1])] = true
		return Plan{Drop{r}}
	case 1:
		return Plan{Inject{Reason: r, Dir: seen.Dir, Bytes: []byte("<message id='own'/>")}}
	case 2:
		c.copied[string(m[1])] = true
		return Plan{Duplicate{r, 1}}
	case 3:
		return Plan{Reorder{Reason: r}}
	case 4:
		c.dropped[string(m[1])] = true
		return Plan{Answer{Reason: r, Bytes: []byte("<message id='own'/>")}}
	case 5:
		return Plan{Hold{Reason: r}}
	case 6:
		return Plan{Edit{r, []byte("<message id='" + string(m[1]) + "'><body>changed</body></message>")}}
	}
	return nil
}

func (c *couple) handle(in Input) {
	if c.s.Closed() {
		return
	}
	for _, e := range c.s.Handle(in) {
		switch e.Do {
		case Send:
			c.ends[e.Leg].in = append(c.ends[e.Leg].in, e.Bytes...)
		case Wait:
			c.timers = append(c.timers, e.Timer)
		}
	}
}

func (c *couple) raw(l Leg, text string) {
	c.handle(Input{On: Data, Dir: l.Receives(), Bytes: []byte(text)})
}

// connect opens a stream, logs in, and enables or resumes.
func (c *couple) connect(resume bool) {
	c.wires, c.timers = [2][]byte{}, nil
	c.ends[0].in, c.ends[1].in = nil, nil
	c.s = New(Config{Conn: 1, Resumptions: &c.all})
	c.handle(Input{On: Accepted, Client: "c", Server: "s"})
	c.handle(Input{On: Dialed, Server: "s"})
	if c.r.IntN(3) > 0 {
		c.handle(Input{On: Arm, Judge: c})
	}
	header := "<stream:stream to='a.example' xmlns='jabber:client' xmlns:stream='" + nsStreams + "' version='1.0'>"
	c.raw(Client, header)
	c.sasl2 = c.r.IntN(3) == 0
	client := &c.ends[Client]
	c.up = [2]bool{true, true}
	if c.sasl2 {
		c.raw(Server, header+"<stream:features><authentication xmlns='"+nsSASL2+"'><mechanism>PLAIN</mechanism></authentication></stream:features>")
		inline := "<bind xmlns='" + nsBind2 + "'><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>"
		if resume {
			inline = fmt.Sprintf("<resume xmlns='urn:xmpp:sm:3' h='%d' previd='x'/>", client.got)
		}
		c.ends[0].in, c.ends[1].in = nil, nil
		c.raw(Client, "<authenticate xmlns='"+nsSASL2+"' mechanism='PLAIN'><initial-response>AGEAYQ==</initial-response>"+inline+"</authenticate>")
		if !resume {
			c.raw(Server, "<success xmlns='"+nsSASL2+"'><bound xmlns='"+nsBind2+"'><enabled xmlns='urn:xmpp:sm:3' id='x' resume='true'/></bound></success><stream:features/>")
			c.ends[0].in, c.ends[1].in = nil, nil
			return
		}
		c.up[Client], c.up[Server] = false, false
		return
	}
	c.raw(Server, header+"<stream:features><mechanisms xmlns='"+nsSASL+"'><mechanism>PLAIN</mechanism></mechanisms></stream:features>")
	c.raw(Client, "<auth xmlns='"+nsSASL+"' mechanism='PLAIN'>AGEAYQ==</auth>")
	c.raw(Server, "<success xmlns='"+nsSASL+"'/>")
	c.raw(Client, header)
	c.raw(Server, header+"<stream:features/>")
	if !resume {
		c.raw(Client, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
		c.raw(Server, "<enabled xmlns='urn:xmpp:sm:3' id='x' resume='true'/>")
		c.ends[0].in, c.ends[1].in = nil, nil
		return
	}
	c.ends[0].in, c.ends[1].in = nil, nil
	c.up[Client], c.up[Server] = false, false
	c.wires[Client] = fmt.Appendf(nil, "<resume xmlns='urn:xmpp:sm:3' h='%d' previd='x'/>", client.got)
}

func (c *couple) say(l Leg) {
	e := &c.ends[l]
	c.ids++
	id := fmt.Sprintf("%d-%d", l, c.ids)
	e.queue = append(e.queue, id)
	e.sent++
	if c.up[l] {
		c.wires[l] = fmt.Appendf(c.wires[l], "<message id='%s'/>", id)
	}
}

func (c *couple) again(l Leg) {
	e := &c.ends[l]
	c.up[l] = true
	e.sent = e.acked + uint32(len(e.queue))
	for _, id := range e.queue {
		c.wires[l] = fmt.Appendf(c.wires[l], "<message id='%s'/>", id)
	}
}

var smElement = regexp.MustCompile(`^<(stream:features|message|a|resume|resumed|authenticate|success)\b([^>]*?)(?:/>|>(.*?)</(?:stream:features|message|authenticate|success)>)`)
var hOf = regexp.MustCompile(`\bh='(\d+)'`)

func (c *couple) fail(format string, args ...any) {
	if c.failure == "" {
		c.failure = fmt.Sprintf(format, args...)
	}
}

func (c *couple) acknowledge(l Leg, text string) {
	m := hOf.FindStringSubmatch(text)
	if m == nil {
		c.fail("no h in %s", text)
		return
	}
	h, _ := strconv.ParseUint(m[1], 10, 32)
	e := &c.ends[l]
	n := uint32(h) - e.acked
	if n > e.sent-e.acked {
		c.fail("the %v hears h %d, %d were acknowledged and %d sent", l, h, e.acked, e.sent)
		return
	}
	for range n {
		id := e.queue[0]
		e.queue = e.queue[1:]
		if c.ends[l.Other()].have[id] == 0 && !c.dropped[id] {
			c.fail("%s is acknowledged and did not arrive", id)
		}
	}
	e.acked = uint32(h)
}

// receive lets an end read what has arrived.
func (c *couple) receive(l Leg) {
	e := &c.ends[l]
	for {
		m := smElement.FindSubmatch(e.in)
		if m == nil {
			if len(e.in) > 200 {
				c.fail("the %v cannot read %.300q", l, e.in)
			}
			return
		}
		whole := string(m[0])
		e.in = e.in[len(whole):]
		switch string(m[1]) {
		case "message":
			e.got++
			id := string(stanzaID.FindStringSubmatch(whole)[1])
			if id == "own" {
				break
			}
			e.have[id]++
			if e.have[id] > 1 && !c.copied[id] {
				c.fail("%s arrives twice", id)
			}
			if c.dropped[id] && !c.copied[id] {
				c.fail("%s arrives, it was dropped", id)
			}
		case "a":
			c.acknowledge(l, whole)
		case "resume", "authenticate":
			if strings.Contains(whole, "<resume ") {
				c.acknowledge(l, whole)
				answer := fmt.Sprintf("<resumed xmlns='urn:xmpp:sm:3' h='%d' previd='x'/>", e.got)
				if string(m[1]) == "authenticate" {
					answer = "<success xmlns='" + nsSASL2 + "'>" + answer + "</success>"
				}
				c.wires[l] = append(c.wires[l], answer...)
				c.again(l)
			}
		case "resumed", "success":
			c.acknowledge(l, whole)
			c.again(l)
		}
	}
}

func (c *couple) pump(l Leg, whole bool) {
	if n := len(c.wires[l]); n > 0 && !c.s.Waits(l.Receives()) {
		if !whole {
			n = 1 + c.r.IntN(n)
		}
		b := c.wires[l][:n:n]
		c.wires[l] = c.wires[l][n:]
		c.raw(l, string(b))
	}
}

func (c *couple) decide() {
	held := c.s.Held()
	if len(held) == 0 {
		return
	}
	h := held[0]
	v := Verdict{Dir: h.Dir, Offset: h.Offset, Decision: Pass, By: "viewer"}
	if m := stanzaID.FindSubmatch(h.Raw); c.r.IntN(3) == 0 && m != nil {
		v.Decision = DropIt
		c.dropped[string(m[1])] = true
	}
	c.handle(Input{On: Decided, Verdict: &v})
}

func (c *couple) step() {
	l := Leg(c.r.IntN(2))
	switch c.r.IntN(24) {
	case 0, 1, 2, 3:
		c.say(l)
	case 4, 5, 6, 7, 8, 9, 10, 11:
		c.pump(l, false)
	case 12, 13, 14, 15, 16:
		c.receive(l)
	case 17, 18:
		if c.up[l] {
			c.wires[l] = fmt.Appendf(c.wires[l], "<a xmlns='urn:xmpp:sm:3' h='%d'/>", c.ends[l].got)
		}
	case 19, 20:
		c.decide()
	case 21:
		in := Input{On: Put, Injection: &Injection{Reason: Reason{By: "viewer"}, Dir: l.Receives(), Bytes: []byte("<message id='own'/>")}}
		if c.s.Refuses(in) == nil && c.up[0] && c.up[1] {
			c.handle(in)
		}
	case 22:
		var j Judge
		if c.r.IntN(3) > 0 {
			j = c
		}
		c.handle(Input{On: Arm, Judge: j})
	case 23:
		if c.r.IntN(3) == 0 {
			c.connect(true)
		}
	}
}

func (c *couple) run() string {
	c.connect(false)
	for range 60 + c.r.IntN(120) {
		if c.step(); c.failure != "" {
			return c.failure
		}
	}
	for round := 0; len(c.ends[0].queue)+len(c.ends[1].queue) > 0 && c.failure == ""; round++ {
		if round > 20 {
			return fmt.Sprintf("does not come to rest: %v %v", c.ends[0].queue, c.ends[1].queue)
		}
		c.connect(true)
		for range 60 {
			for _, l := range []Leg{Client, Server} {
				c.pump(l, true)
				c.receive(l)
				c.decide()
			}
			for _, id := range c.timers {
				c.handle(Input{On: Elapsed, Timer: id})
			}
			c.timers = nil
		}
	}
	for i := 1; i <= c.ids; i++ {
		for l := range 2 {
			id := fmt.Sprintf("%d-%d", l, i)
			if c.ends[l].have[id] > 0 {
				c.fail("%s came back", id)
			}
		}
	}
	return c.failure
}

func newCouple(t *testing.T, seed uint64) *couple {
	c := &couple{t: t, r: rand.New(rand.NewPCG(seed, 3)), dropped: map[string]bool{}, copied: map[string]bool{}}
	c.ends[0].have, c.ends[1].have = map[string]int{}, map[string]int{}
	return c
}

func TestManagedSessions(t *testing.T) {
	n := 2000
	if testing.Short() {
		n = 300
	}
	for seed := range n {
		if why := newCouple(t, uint64(seed)).run(); why != "" {
			t.Fatalf("seed %d: %s", seed, why)
		}
	}
}
