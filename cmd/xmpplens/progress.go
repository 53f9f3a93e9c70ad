package main

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/term"
)

// A progress tells on stderr how far long work is: on a terminal in one line that
// is written over, elsewhere in a line now and then. Short work says nothing.
type progress struct {
	s        *streams
	what     string
	total    int64 // bytes; 0 = not known
	terminal bool
	began    time.Time
	next     time.Time
	calls    int
	shown    bool
}

func newProgress(s *streams, what string, total int64) *progress {
	f, ok := s.stderr.(*os.File)
	p := &progress{s: s, what: what, total: total, terminal: ok && term.IsTerminal(int(f.Fd())), began: time.Now()}
	p.next = p.began.Add(p.pace())
	return p
}

func (p *progress) pace() time.Duration {
	if p.terminal {
		return 500 * time.Millisecond
	}
	return 10 * time.Second
}

// at is told of every step; the clock is looked at now and then.
func (p *progress) at(pos int64, entries int) {
	if p.calls++; p.calls%64 != 0 {
		return
	}
	now := time.Now()
	if now.Before(p.next) {
		return
	}
	p.next = now.Add(p.pace())
	text := fmt.Sprintf("xmpplens: %s: %s, %d entries", p.what, size(pos), entries)
	if p.total > 0 && pos <= p.total {
		text = fmt.Sprintf("xmpplens: %s: %d %%, %d entries", p.what, 100*pos/p.total, entries)
	}
	if !p.terminal {
		p.s.say("%s", text)
		return
	}
	p.shown = true
	fmt.Fprintf(p.s.stderr, "\r%s\x1b[K", text)
}

// clear takes the line away before something else is said.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.s.stderr, "\r\x1b[K")
		p.shown = false
	}
}
