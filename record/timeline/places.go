package timeline

import (
	"encoding/binary"
	"time"

	"github.com/xmpplens/xmpplens/decode/track"
)

// This file keeps where the entries of a recording are, and what is known of
// them, in some twenty bytes an entry: in blocks, as the differences to the
// entry before. One block is read to find an entry in it.

// place says where an entry is in the recording, and what its frame is.
type place struct {
	t         time.Duration
	off, pos  int64
	skip      int64
	size      int
	conn      int
	header    int // in Index.headers, from 1; 0 = none
	sc        bool
	kind      uint8
	isStream  bool // of a direction; else it is about a connection
	isOdd     bool // more is kept in Index.odd
	fromNoone bool // injected
	class     Class
}

const perBlock = 256

// block holds perBlock entries; the last one of places fewer.
type block struct {
	b     []byte // of each entry its place
	facts []byte // of each entry whose facts are known
	later []link // what points to entries of the block

	classes [perBlock]Class
}

// link is a relation, seen from the entry that it points to.
type link struct {
	to   uint8 // entry in the block, from 0
	kind uint8 // in findings.kinds
	n    int32 // the later entry
}

// places is a list of places. The zero value is empty.
type places struct {
	blocks []*block
	n      int
	end    differ // behind the last entry
	counts Counts
}

// differ is what differences are made to: the entry before. It begins anew with
// each block.
type differ struct {
	t, pos int64
	halves [16]struct {
		id   int
		next int64 // offset of the byte behind its last frame
	}
}

func (p *place) half() int {
	if p.sc {
		return 2*p.conn + 1
	}
	return 2 * p.conn
}

// expected returns the offset that an entry has when nothing is left out. Of many
// directions some are forgotten.
func (d *differ) expected(p *place) int64 {
	if h := &d.halves[uint(p.half())%16]; h.id == p.half() {
		return h.next
	}
	return 0
}

func (d *differ) took(p *place) {
	d.t, d.pos = int64(p.t), p.pos
	h := &d.halves[uint(p.half())%16]
	h.id, h.next = p.half(), p.off+int64(p.size)
}

func (s *places) add(p *place) {
	if s.n%perBlock == 0 {
		if n := len(s.blocks); n > 0 {
			s.blocks[n-1].b = exactly(s.blocks[n-1].b)
		}
		s.blocks = append(s.blocks, new(block))
		s.end = differ{}
	}
	last := s.blocks[len(s.blocks)-1]
	last.classes[s.n%perBlock] = p.class
	s.counts[p.class]++
	s.n++
	b := append(last.b, p.kind&15|bit(p.sc)<<4|bit(p.isStream)<<5|bit(p.isOdd)<<6|bit(p.fromNoone)<<7)
	b = binary.AppendVarint(b, int64(p.conn))
	b = binary.AppendVarint(b, int64(p.t)-s.end.t)
	b = binary.AppendVarint(b, p.pos-s.end.pos)
	b = binary.AppendUvarint(b, uint64(p.skip))
	b = binary.AppendUvarint(b, uint64(p.size))
	b = binary.AppendUvarint(b, uint64(p.header))
	last.b = binary.AppendVarint(b, p.off-s.end.expected(p))
	s.end.took(p)
}

func bit(on bool) uint8 {
	if on {
		return 1
	}
	return 0
}

// exactly takes a copy that has no room behind it.
func exactly(b []byte) []byte { return append(make([]byte, 0, len(b)), b...) }

// cut forgets what is behind the first n entries.
func (s *places) cut(n int) {
	c := s.from(n/perBlock*perBlock + 1)
	keep := make([]place, n%perBlock)
	for i := range keep {
		c.next(&keep[i])
	}
	var old *block
	if len(keep) > 0 {
		old = s.blocks[n/perBlock]
	}
	s.blocks, s.n = s.blocks[:n/perBlock], n/perBlock*perBlock
	s.counts = Counts{}
	for _, g := range s.blocks {
		for _, class := range g.classes {
			s.counts[class]++
		}
	}
	for i := range keep {
		s.add(&keep[i])
	}
	if old != nil {
		last := s.blocks[len(s.blocks)-1]
		last.facts, last.later = old.facts, old.later
	}
}

// cursor reads places one after another.
type cursor struct {
	s  *places
	n  int // of the next entry, from 1
	at int // in its block
	differ
}

// from returns a cursor in front of entry n.
func (s *places) from(n int) *cursor {
	c := &cursor{s: s, n: (n-1)/perBlock*perBlock + 1}
	var p place
	for c.n < n && c.next(&p) {
	}
	return c
}

func (c *cursor) next(p *place) bool {
	if c.n > c.s.n {
		return false
	}
	if (c.n-1)%perBlock == 0 {
		c.at, c.differ = 0, differ{}
	}
	g := c.s.blocks[(c.n-1)/perBlock]
	b := g.b
	head := b[c.at]
	c.at++
	signed := func() int64 {
		v, n := binary.Varint(b[c.at:])
		c.at += n
		return v
	}
	unsigned := func() int {
		v, n := binary.Uvarint(b[c.at:])
		c.at += n
		return int(v)
	}
	*p = place{kind: head & 15, sc: head>>4&1 > 0, isStream: head>>5&1 > 0, isOdd: head>>6&1 > 0, fromNoone: head>>7 > 0, class: g.classes[(c.n-1)%perBlock]}
	p.conn = int(signed())
	p.t = time.Duration(c.t + signed())
	p.pos = c.pos + signed()
	p.skip = int64(unsigned())
	p.size = unsigned()
	p.header = unsigned()
	p.off = signed() + c.expected(p)
	c.took(p)
	c.n++
	return true
}

// vocabulary numbers words as they come: kinds of relations, phases.
type vocabulary []string

// number returns the number of a word, 0 when there are most others already.
func (v *vocabulary) number(word string, most int) uint8 {
	for i, w := range *v {
		if w == word {
			return uint8(i)
		}
	}
	if len(*v) == 0 {
		*v = vocabulary{""}
	}
	if word == "" || len(*v) >= most {
		return 0
	}
	*v = append(*v, word)
	return uint8(len(*v) - 1)
}

// What of them has room in a byte, and in half of one.
const (
	maxKinds  = 256
	maxPhases = 16
)

// findings are kept once each: their texts repeat.
type findings struct {
	list   []track.Finding
	number map[track.Finding]int
	kinds  vocabulary // of relations
	phases vocabulary
}

func (f *findings) add(one track.Finding) int {
	n, ok := f.number[one]
	if !ok {
		if f.number == nil {
			f.number = make(map[track.Finding]int)
		}
		n = len(f.list)
		f.list = append(f.list, one)
		f.number[one] = n
	}
	return n
}

// append appends the facts of entry n.
func (f *findings) append(b []byte, n int, facts *track.Facts) []byte {
	b = append(b, f.phases.number(facts.Phase, maxPhases)|bit(facts.HasLatency)<<4|bit(len(facts.Related) > 0)<<5|bit(len(facts.Findings) > 0)<<6|bit(facts.Federated)<<7)
	if facts.HasLatency {
		b = binary.AppendVarint(b, int64(facts.Latency))
	}
	if len(facts.Related) > 0 {
		b = binary.AppendUvarint(b, uint64(len(facts.Related)))
		for _, r := range facts.Related {
			b = binary.AppendVarint(append(b, f.kinds.number(r.Kind, maxKinds)), int64(n-r.N))
		}
	}
	if len(facts.Findings) > 0 {
		b = binary.AppendUvarint(b, uint64(len(facts.Findings)))
		for _, one := range facts.Findings {
			b = binary.AppendUvarint(b, uint64(f.add(one)))
		}
	}
	return b
}

// read reads the facts of entry n, which b begins with, and returns the rest. It
// only passes over them when facts is nil.
func (f *findings) read(b []byte, n int, facts *track.Facts) []byte {
	head := b[0]
	b = b[1:]
	signed := func() int64 {
		v, k := binary.Varint(b)
		b = b[k:]
		return v
	}
	unsigned := func() int {
		v, k := binary.Uvarint(b)
		b = b[k:]
		return int(v)
	}
	if facts == nil {
		facts = new(track.Facts) // for the lists below, which are short and rare
	}
	facts.Phase, facts.Federated = f.phases[head&15], head>>7 > 0
	if head>>4&1 > 0 {
		facts.HasLatency, facts.Latency = true, time.Duration(signed())
	}
	if head>>5&1 > 0 {
		for k := unsigned(); k > 0; k-- {
			kind := b[0]
			b = b[1:]
			facts.Related = append(facts.Related, track.Relation{Kind: f.kinds[kind], N: n - int(signed())})
		}
	}
	if head>>6&1 > 0 {
		for k := unsigned(); k > 0; k-- {
			facts.Findings = append(facts.Findings, f.list[unsigned()])
		}
	}
	return b
}

// factsFrom returns the facts of the entries of a block, from entry n on.
func (s *places) factsFrom(f *findings, n int) []byte {
	b := s.blocks[(n-1)/perBlock].facts
	for k := (n-1)/perBlock*perBlock + 1; k < n; k++ {
		b = f.read(b, k, nil)
	}
	return b
}
