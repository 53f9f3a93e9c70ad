package session

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// Two ends that keep to XEP-0198, each with its queue of what is not acknowledged,
// and the rewriter between them: whatever is dropped, injected, doubled, moved,
// and wherever the connection breaks, neither may hear a wrong number, nothing is
// acknowledged that did not arrive (but what was dropped on purpose), nothing is
// lost, and nothing arrives twice.

// parcel is one element on its way.
type parcel struct {
	kind byte // s(tanza), a, r(esume), R(esumed)
	id   int  // of a stanza; negative: of nobody's
	h    uint32
}

// end is one of the two.
type end struct {
	sent, acked uint32
	queue       []int
	got         uint32
	have        map[int]int
	up          bool // it may send
}

// hop is one direction: two wires with the rewriter between them.
type hop struct {
	lane     lane
	in, out  []parcel
	from, to *end
	kept     []parcel // moved behind the next stanza
	keptN    []uint64
}

type history struct {
	r       *rand.Rand
	a, b    end
	ab, ba  hop
	ids     int
	dropped map[int]bool
	copied  map[int]bool
	resume  struct { // what the rewriter remembers of <resume/>
		h, told uint32
	}
	log []string
}

func (h *history) note(format string, args ...any) {
	if h.log != nil {
		h.log = append(h.log, fmt.Sprintf(format, args...))
	}
}

func newHistory(seed uint64) *history {
	h := &history{r: rand.New(rand.NewPCG(seed, 1)), dropped: map[int]bool{}, copied: map[int]bool{}}
	h.a.up, h.b.up = true, true
	h.a.have, h.b.have = map[int]int{}, map[int]int{}
	h.ab = hop{from: &h.a, to: &h.b}
	h.ba = hop{from: &h.b, to: &h.a}
	h.ab.lane.begin()
	h.ba.lane.begin()
	if h.r.IntN(3) == 0 { // close to where 32 bits end
		for _, l := range []*hop{&h.ab, &h.ba} {
			start := uint32(h.r.IntN(20)) - 10
			l.lane.sent, l.lane.given = zeroth+uint64(start), zeroth+uint64(start)
			l.from.sent, l.from.acked, l.to.got = start, start, start
		}
	}
	return h
}

func (h *history) send(p *hop) {
	h.ids++
	p.from.queue = append(p.from.queue, h.ids)
	p.from.sent++
	if p.from.up {
		p.in = append(p.in, parcel{kind: 's', id: h.ids})
	}
}

// forward lets the rewriter take the next element of a direction.
func (h *history) forward(p *hop) {
	if len(p.in) == 0 {
		return
	}
	e := p.in[0]
	p.in = p.in[1:]
	back := &h.ba
	if p == &h.ba {
		back = &h.ab
	}
	switch e.kind {
	case 's':
		n, again := p.lane.next()
		if again {
			h.note("again %d", e.id)
			return
		}
		switch h.r.IntN(12) {
		case 0:
			h.note("drop %d", e.id)
			p.lane.drop(n)
			h.dropped[e.id] = true
			return
		case 1:
			p.lane.give(0)
			p.out = append(p.out, parcel{kind: 's', id: -1})
		case 2:
			p.kept, p.keptN = append(p.kept, e), append(p.keptN, n)
			return
		case 3:
			h.copied[e.id] = true
			p.lane.give(n)
			p.out = append(p.out, e)
			n = 0
		}
		p.lane.give(n)
		p.out = append(p.out, e)
		for i, k := range p.kept {
			p.lane.give(p.keptN[i])
			p.out = append(p.out, k)
		}
		p.kept, p.keptN = nil, nil
	case 'a':
		e.h = back.lane.ack(e.h)
		p.out = append(p.out, e)
	case 'r': // of a, about what b sent
		told := back.lane.peek(e.h)
		h.resume.h, h.resume.told = e.h, told
		e.h = told
		p.out = append(p.out, e)
	case 'R': // of b, about what a sent
		told := back.lane.ack(e.h)
		back.lane.resume(e.h, told)
		p.lane.resume(h.resume.h, h.resume.told)
		e.h = told
		p.out = append(p.out, e)
	}
}

// acknowledge is what an end does with an h.
func (h *history) acknowledge(at *end, value uint32, other *end) error {
	n := value - at.acked
	if n > at.sent-at.acked {
		return fmt.Errorf("h %d where %d were acknowledged and %d sent", value, at.acked, at.sent)
	}
	for range n {
		id := at.queue[0]
		at.queue = at.queue[1:]
		if other.have[id] == 0 && !h.dropped[id] {
			return fmt.Errorf("stanza %d is acknowledged and did not arrive", id)
		}
	}
	at.acked = value
	return nil
}

func (h *history) receive(p *hop) error {
	if len(p.out) == 0 {
		return nil
	}
	e := p.out[0]
	p.out = p.out[1:]
	at := p.to
	switch e.kind {
	case 's':
		at.got++
		if e.id < 0 {
			break
		}
		at.have[e.id]++
		if h.dropped[e.id] {
			return fmt.Errorf("stanza %d arrives, it was dropped", e.id)
		}
		if at.have[e.id] > 1 && !h.copied[e.id] {
			return fmt.Errorf("stanza %d arrives twice", e.id)
		}
	case 'a':
		return h.acknowledge(at, e.h, p.from)
	case 'r':
		if err := h.acknowledge(at, e.h, p.from); err != nil {
			return err
		}
		h.ba.in = append(h.ba.in, parcel{kind: 'R', h: h.b.got})
		h.again(&h.ba)
	case 'R':
		if err := h.acknowledge(at, e.h, p.from); err != nil {
			return err
		}
		h.again(&h.ab)
	}
	return nil
}

// again repeats what is not acknowledged.
func (h *history) again(p *hop) {
	p.from.up = true
	p.from.sent = p.from.acked + uint32(len(p.from.queue))
	for _, id := range p.from.queue {
		p.in = append(p.in, parcel{kind: 's', id: id})
	}
}

func (h *history) cut() {
	for _, p := range []*hop{&h.ab, &h.ba} {
		p.in, p.out, p.kept, p.keptN = nil, nil, nil, nil
	}
	h.a.up, h.b.up = false, false
	h.note("cut")
}

func (h *history) step() error {
	p := &h.ab
	if h.r.IntN(2) == 0 {
		p = &h.ba
	}
	switch k := h.r.IntN(20); {
	case k < 5:
		h.send(p)
	case k < 10:
		h.forward(p)
	case k < 16:
		return h.receive(p)
	case k < 18:
		if p.from.up {
			p.in = append(p.in, parcel{kind: 'a', h: p.from.got})
		}
	case k == 18:
		h.forward(p)
	case h.r.IntN(4) == 0:
		h.cut()
		h.ab.in = append(h.ab.in, parcel{kind: 'r', h: h.a.got})
	}
	return nil
}

// settle goes on until nothing is on its way.
func (h *history) settle() error {
	for round := 0; ; round++ {
		if round > 6 {
			return fmt.Errorf("does not come to rest: a %v b %v", h.a.queue, h.b.queue)
		}
		h.cut()
		h.ab.in = append(h.ab.in, parcel{kind: 'r', h: h.a.got})
		for len(h.ab.in)+len(h.ab.out)+len(h.ba.in)+len(h.ba.out) > 0 {
			for _, p := range []*hop{&h.ab, &h.ba} {
				h.forward(p)
				if err := h.receive(p); err != nil {
					return err
				}
			}
		}
		if len(h.a.queue)+len(h.b.queue) == 0 {
			break
		}
	}
	for id := 1; id <= h.ids; id++ {
		if n := h.a.have[id] + h.b.have[id]; n == 0 && !h.dropped[id] {
			return fmt.Errorf("stanza %d never arrives", id)
		}
	}
	return nil
}

func (h *history) run() error {
	for range 40 + h.r.IntN(60) {
		if err := h.step(); err != nil {
			return err
		}
		for _, p := range []*hop{&h.ab, &h.ba} {
			if err := p.lane.sound(); err != nil {
				return err
			}
		}
	}
	return h.settle()
}

// sound checks the invariants that stand beside the fields.
func (l *lane) sound() error {
	if !l.moved {
		return nil
	}
	sum := uint64(0)
	for _, r := range l.out {
		sum += r.n
	}
	if sum != l.given-l.acked {
		return fmt.Errorf("out holds %d, given-acked is %d", sum, l.given-l.acked)
	}
	last := l.settled
	for _, r := range l.done {
		if r.first <= last+1 || r.n == 0 {
			return fmt.Errorf("done is not in order: %v, settled %d", l.done, l.settled)
		}
		last = r.first + r.n - 1
	}
	return nil
}

func TestHistories(t *testing.T) {
	n := 100_000
	if testing.Short() {
		n = 5_000
	}
	for seed := range n {
		if err := newHistory(uint64(seed)).run(); err != nil {
			h := newHistory(uint64(seed))
			h.log = []string{"history"}
			h.run()
			t.Fatalf("history %d: %v\n%v", seed, err, slices.Compact(h.log))
		}
	}
}
