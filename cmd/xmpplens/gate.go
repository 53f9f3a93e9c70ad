package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// A gate is what everything passes that is printed on a terminal where keys are taken,
// so that the lines at the bottom stay there, and so that another program can have the
// terminal for a while.
//
// What is printed of the traffic waits for that: the console pulls from the recording,
// and nothing is lost nor kept in memory. What is said beside it is kept, up to a
// limit: who says it must not wait.
type gate struct {
	mu     sync.Mutex
	tty    io.Writer     // where the bottom is drawn
	width  func() int    // columns
	bottom *bottom       // guarded by mu; nil = none
	now    drawnBottom   // guarded by mu; what is there
	torn   bool          // guarded by mu; what was printed last has no line end
	lent   chan struct{} // guarded by mu; not nil while another program has the terminal
	talk   bytes.Buffer  // guarded by mu; what was said meanwhile
	lost   int           // guarded by mu; bytes that were too many
	paste  bool          // guarded by mu; see setPaste
	over   bool          // guarded by mu; nothing is drawn any more

	writers []*gated
}

const (
	maxTalk = 64 << 10 // bytes that are kept of talk
	maxTail = 64 << 10 // bytes that are kept of a line that goes on
)

// A gated is a writer behind the gate.
type gated struct {
	g      *gate
	w      io.Writer
	screen bool // it is the terminal of the bottom
	talk   bool // who writes must not wait
	lines  bool // it is made of lines: their beginnings wait for the rest
	tail   []byte
}

// through returns w, which is what it writes to, behind the gate.
func (g *gate) through(w gated) *gated {
	w.g = g
	g.writers = append(g.writers, &w)
	return &w
}

func (w *gated) Write(b []byte) (int, error) {
	g := w.g
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.lent != nil {
		if w.talk {
			if g.talk.Len()+len(b) > maxTalk {
				g.lost += len(b)
			} else {
				g.talk.Write(b)
			}
			return len(b), nil
		}
		back := g.lent
		g.mu.Unlock()
		<-back
		g.mu.Lock()
	}
	return len(b), w.write(b)
}

// write prints; the caller holds mu.
func (w *gated) write(b []byte) error {
	g := w.g
	if !w.screen {
		_, err := w.w.Write(b)
		return err
	}
	if w.lines && !g.over {
		end := bytes.LastIndexByte(b, '\n') + 1
		if end == 0 && len(w.tail)+len(b) <= maxTail {
			w.tail = append(w.tail, b...)
			return nil
		}
		whole := b[:end]
		if len(w.tail) > 0 {
			whole = append(w.tail, whole...)
		}
		if w.tail = nil; len(b)-end <= maxTail {
			w.tail = append(w.tail, b[end:]...)
		} else {
			whole = append(whole[:len(whole):len(whole)], b[end:]...)
		}
		b = whole
	}
	if len(b) == 0 {
		return nil
	}
	if g.bottom == nil && len(g.now.lines) == 0 {
		_, err := w.w.Write(b)
		g.torn = b[len(b)-1] != '\n'
		return err
	}
	// One write, so that nothing flickers.
	var all bytes.Buffer
	g.erase(&all)
	all.Write(b)
	g.torn = b[len(b)-1] != '\n'
	g.draw(&all)
	_, err := w.w.Write(all.Bytes())
	return err
}

// show has other lines at the bottom; nil takes them away. Keys are taken from now on.
func (g *gate) show(b *bottom) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over {
		return
	}
	g.bottom = b
	if g.lent == nil {
		g.setPaste(true)
		g.redraw()
	}
}

// redraw draws the bottom anew; the caller holds mu.
func (g *gate) redraw() {
	var all bytes.Buffer
	g.erase(&all)
	g.draw(&all)
	g.tty.Write(all.Bytes())
}

// setPaste has the terminal say, or not, where a text begins and ends that is pasted;
// the caller holds mu.
func (g *gate) setPaste(on bool) {
	if g.paste == on {
		return
	}
	g.paste = on
	io.WriteString(g.tty, map[bool]string{true: "\x1b[?2004h", false: "\x1b[?2004l"}[on])
}

// hide takes the bottom away until it is shown again. It does not wait for long.
func (g *gate) hide() {
	soon(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.clear()
	})
}

// lend leaves the terminal to another program until giveBack.
func (g *gate) lend() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.setPaste(false)
	var all bytes.Buffer
	g.erase(&all)
	g.tty.Write(all.Bytes())
	g.lent = make(chan struct{})
}

// giveBack ends lend: what was said meanwhile is printed now.
func (g *gate) giveBack() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lent == nil {
		return
	}
	close(g.lent)
	g.lent = nil
	if g.lost > 0 {
		fmt.Fprintf(&g.talk, "xmpplens: %s more were said meanwhile\n", size(int64(g.lost)))
		g.lost = 0
	}
	g.setPaste(true)
	var all bytes.Buffer
	all.Write(g.talk.Bytes())
	g.talk.Reset()
	g.draw(&all)
	g.tty.Write(all.Bytes())
}

// end takes the bottom away for good.
func (g *gate) end() {
	g.giveBack()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.clear()
	g.over = true
	for _, w := range g.writers {
		w.w.Write(w.tail)
		w.tail = nil
	}
}

// forget is end for who must not wait.
func (g *gate) forget() {
	soon(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.clear()
		g.over = true
	})
}

// clear takes away what is at the bottom, and the mode for pasting; the caller holds mu.
func (g *gate) clear() {
	g.bottom = nil
	g.setPaste(false)
	g.redraw()
}

// soon waits for f, but not for long: a terminal that was stopped (Ctrl-S) takes nothing.
func soon(f func()) {
	const patience = 200 * time.Millisecond
	done := make(chan struct{})
	go func() { // until the terminal goes on
		defer close(done)
		f()
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}

// erase takes away what is at the bottom. The terminal may have become narrower, and
// have broken the lines.
func (g *gate) erase(out *bytes.Buffer) {
	d := g.now
	g.now = drawnBottom{}
	if len(d.lines) == 0 {
		return
	}
	width := max(g.width(), 1)
	last := len(d.lines) - 1
	up := 0
	for _, n := range d.cells[:last] {
		up += 1 + max(n-1, 0)/width
	}
	if at := d.cursor; at >= 0 {
		up += at / width
	} else {
		up += max(d.cells[last]-1, 0) / width
	}
	out.WriteByte('\r')
	if up > 0 {
		fmt.Fprintf(out, "\x1b[%dA", up)
	}
	out.WriteString("\x1b[J")
}

// draw puts the bottom behind what was printed.
func (g *gate) draw(out *bytes.Buffer) {
	if g.bottom == nil {
		return
	}
	d := g.bottom.draw(g.width())
	if len(d.lines) == 0 {
		return
	}
	if g.torn {
		out.WriteByte('\n')
		g.torn = false
	}
	out.WriteString(strings.Join(d.lines, "\n"))
	if last := len(d.lines) - 1; d.cursor >= 0 && d.cursor < d.cells[last] {
		out.WriteByte('\r')
		if d.cursor > 0 {
			fmt.Fprintf(out, "\x1b[%dC", d.cursor)
		}
	}
	g.now = d
}
