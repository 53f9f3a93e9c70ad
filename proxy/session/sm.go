package session

import "slices"

// This file is the arithmetic of stream management (XEP-0198) where stanzas are
// put into a stream, and taken out of it, between the two that count them.

// maxRuns bounds what a lane remembers of stanzas that are not acknowledged, in
// pieces between two that something was done to.
const maxRuns = 10_000

// zeroth is the number in front of the first stanza: numbers count from here, so
// that nothing is below zero; what the peers say is the lower 32 bits.
const zeroth = 1 << 32

// A lane is the stanzas of one direction of a managed stream, which its sender and
// its receiver count each for itself. What the receiver says that it has handled
// (h) is changed into what the sender has to hear: the number up to which each
// stanza that it sent was handled, or dropped on purpose.
//
//	n, again := l.next()   the sender sends a stanza, its n-th
//	l.give(n)              it is sent on; l.give(0) sends one of nobody's
//	l.drop(n)              or it never will be
//	h = l.ack(h)           the receiver acknowledges
//
// As long as nothing was done to any stanza both count the same, and count is all
// that there is to do.
type lane struct {
	on    bool
	sent  uint64 // the sender's number of its latest stanza
	given uint64 // the receiver's number of its latest
	moved bool   // the two do not count the same any more; what follows is used from then on

	acked   uint64 // the receiver's number up to which it has acknowledged
	settled uint64 // the sender's number up to which all are handled or dropped
	out     []run  // what was given and not acknowledged: their n make given-acked
	done    []run  // sender's numbers above settled that are handled or dropped, in order
}

// A run is n stanzas in a row by the sender's numbers; first 0: of nobody's.
type run struct{ first, n uint64 }

// begin counts from the next stanza on.
func (l *lane) begin() { *l = lane{on: true, sent: zeroth, given: zeroth} }

// count takes k stanzas that are sent on as they come.
func (l *lane) count(k uint64) {
	if !l.moved {
		l.sent += k
		l.given += k
		return
	}
	for range k {
		if n, again := l.next(); !again {
			l.give(n)
		}
	}
}

// next takes a stanza of the sender. again: it was handled, or dropped, before the
// stream was resumed, and must not be sent on.
func (l *lane) next() (n uint64, again bool) {
	l.sent++
	if !l.moved {
		return l.sent, false
	}
	_, known := slices.BinarySearchFunc(l.done, l.sent, within)
	return l.sent, l.sent <= l.settled || known
}

// within compares a run with a number for a binary search.
func within(r run, n uint64) int {
	switch {
	case r.first+r.n <= n:
		return -1
	case r.first > n:
		return 1
	}
	return 0
}

// give sends the sender's n-th stanza on, or one of nobody's (0).
func (l *lane) give(n uint64) {
	if !l.moved {
		if n == l.given+1 {
			l.given = n
			return
		}
		l.move()
	}
	l.given++
	if last := len(l.out) - 1; last >= 0 {
		if r := &l.out[last]; r.first == 0 && n == 0 || r.first != 0 && n == r.first+r.n {
			r.n++
			return
		}
	}
	l.out = append(l.out, run{n, 1})
}

// drop settles the sender's n-th stanza, which is never sent on.
func (l *lane) drop(n uint64) {
	l.move()
	l.settle(run{n, 1})
}

// move begins to tell the two numbers apart. Nothing is known of what was
// acknowledged so far, and nothing has to be.
func (l *lane) move() {
	if l.moved {
		return
	}
	l.moved, l.acked, l.settled = true, zeroth, zeroth
	if l.given > zeroth {
		l.out = append(l.out, run{zeroth + 1, l.given - zeroth})
	}
}

// settle notes stanzas of the sender as handled or dropped.
func (l *lane) settle(r run) {
	if r.first == 0 || r.first+r.n-1 <= l.settled {
		return
	}
	if r.first <= l.settled {
		r.n -= l.settled + 1 - r.first
		r.first = l.settled + 1
	}
	i, _ := slices.BinarySearchFunc(l.done, r.first, within)
	if i > 0 && l.done[i-1].first+l.done[i-1].n == r.first {
		i--
		l.done[i].n += r.n
	} else if i == len(l.done) || l.done[i].first > r.first {
		l.done = slices.Insert(l.done, i, r)
	} else {
		l.done[i].n = max(l.done[i].n, r.first+r.n-l.done[i].first)
	}
	for i+1 < len(l.done) && l.done[i].first+l.done[i].n >= l.done[i+1].first {
		l.done[i].n = max(l.done[i].n, l.done[i+1].first+l.done[i+1].n-l.done[i].first)
		l.done = slices.Delete(l.done, i+1, i+2)
	}
	if l.done[0].first == l.settled+1 {
		l.settled += l.done[0].n
		l.done = slices.Delete(l.done, 0, 1)
	}
}

// expand makes the number that h stands for: the one next to what was given.
func (l *lane) expand(h uint32) uint64 {
	return uint64(int64(l.given) + int64(int32(h-uint32(l.given))))
}

// ack takes what the receiver says that it has handled and returns what the
// sender is to hear.
func (l *lane) ack(h uint32) uint32 {
	if !l.moved {
		return h
	}
	n := l.expand(h)
	excess := uint32(0) // a receiver that counts wrong is to be seen by the sender
	switch {
	case n > l.given:
		excess, n = uint32(n-l.given), l.given
	case n < l.acked:
		return uint32(l.settled) - uint32(l.acked-n)
	}
	for l.acked < n {
		r := &l.out[0]
		k := min(r.n, n-l.acked)
		l.settle(run{r.first, k})
		l.acked += k
		if r.n -= k; r.n == 0 {
			l.out = l.out[1:]
		} else if r.first != 0 {
			r.first += k
		}
	}
	return uint32(l.settled) + excess
}

// peek is ack without its consequences.
func (l *lane) peek(h uint32) uint32 {
	c := *l
	c.out, c.done = slices.Clone(l.out), slices.Clone(l.done)
	return c.ack(h)
}

// resume goes on after a resumption in which the receiver said that it has handled
// h and the sender was told: what the receiver does not have comes again, and what
// was of nobody's is forgotten.
func (l *lane) resume(h, told uint32) {
	if !l.on {
		l.begin()
	}
	if !l.moved {
		l.given = l.expand(h)
		l.sent = l.given
		return
	}
	n := l.expand(h)
	l.ack(h)
	l.given, l.acked, l.out = n, n, nil
	l.sent = uint64(int64(l.settled) + int64(int32(told-uint32(l.settled))))
}

// full reports whether nothing more may be done to stanzas before some of them are
// acknowledged.
func (l *lane) full() bool { return len(l.out)+len(l.done) > maxRuns }
