package proxy

import (
	"net"
	"time"
)

// This file is how several goroutines write to one leg. Its direction's own writes
// itself, and waits; whoever else has something to say (an injection, a verdict,
// the other direction) puts it into the queue, in the order in which the session
// decided, and does not wait: who holds wmu writes what is queued before giving it
// back. Where too much waits a direction does wait, so that a peer that asks and never
// reads the answers is read no further, and nothing more is injected.

// maxQueued is how much may wait for a leg before somebody waits for that, in bytes.
const maxQueued = 1 << 20

// A piece is something to do with a leg, in order.
type piece struct {
	b    []byte
	slow bool // rate counts from here on
	rate int
}

// put queues a piece.
func (l *leg) put(p piece) {
	l.qmu.Lock()
	l.queue = append(l.queue, p)
	l.behind += len(p.b)
	l.qmu.Unlock()
}

// drainLocked carries out what is queued; the caller holds wmu.
func (l *leg) drainLocked() {
	for {
		list := l.waiting()
		if len(list) == 0 {
			return
		}
		l.carryAllLocked(list)
	}
}

// waiting returns what is queued, and empties the queue.
func (l *leg) waiting() []piece {
	l.qmu.Lock()
	defer l.qmu.Unlock()
	list := l.queue
	l.queue = nil
	return list
}

func (l *leg) carryAllLocked(list []piece) {
	for _, p := range list {
		if err := l.carryOutLocked(p); err != nil && l.failed == nil {
			l.failed = err
		}
		l.qmu.Lock()
		l.behind -= len(p.b)
		l.qmu.Unlock()
	}
}

func (l *leg) carryOutLocked(p piece) error {
	if p.slow {
		l.rate = p.rate
		return nil
	}
	return l.writeLocked(p.b)
}

func (l *leg) queued() bool {
	l.qmu.Lock()
	defer l.qmu.Unlock()
	return len(l.queue) > 0
}

// full reports whether nothing more should be put into the queue. What is being
// written counts until it is.
func (l *leg) full() bool {
	l.qmu.Lock()
	defer l.qmu.Unlock()
	return l.behind > maxQueued
}

// unlock carries out what is queued and gives wmu back. It returns the error of
// what was queued by somebody who does not wait.
func (l *leg) unlock() (err error) {
	for {
		l.drainLocked()
		if l.failed != nil {
			err, l.failed = l.failed, nil
		}
		l.wmu.Unlock()
		// What was queued since, when wmu was still held, has nobody else.
		if !l.queued() || !l.wmu.TryLock() {
			return err
		}
	}
}

// flush waits until what is queued is carried out.
func (l *leg) flush() error {
	l.wmu.Lock()
	return l.unlock()
}

// slices is how many pieces a slow leg gets a second.
const slicesASecond = 20

// writeSlowly writes no faster than rate; the caller holds wmu.
func (l *leg) writeSlowly(b []byte) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for len(b) > 0 {
		s := l.socket.Load()
		if s == nil {
			return net.ErrClosed
		}
		n := min(max(l.rate/slicesASecond, 1), len(b))
		if err := l.writeNow(s, b[:n]); err != nil {
			return err
		}
		b = b[n:]
		timer.Reset(time.Duration(n) * time.Second / time.Duration(l.rate))
		select {
		case <-timer.C:
		case <-l.gone:
			return l.writeNow(s, b)
		}
	}
	return nil
}

// abort ends the connection with a reset.
func (l *leg) abort() {
	if s := l.socket.Load(); s != nil {
		if tcp, ok := base(s.conn).(interface{ SetLinger(int) error }); ok {
			tcp.SetLinger(0)
		}
		s.conn.Close()
	}
}

// sever ends the sending side with FIN, but its TLS layer without close_notify.
func (l *leg) sever() {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	s := l.socket.Load()
	if s == nil || l.ended {
		return
	}
	l.ended = true
	if half, ok := s.conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
}

// base is the connection below what was read in front of it.
func base(c net.Conn) net.Conn {
	if x, ok := c.(interface{ NetConn() net.Conn }); ok {
		return x.NetConn()
	}
	return c
}
