package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"github.com/xmpplens/xmpplens/decode/filter"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/proxy/session"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/web"
)

// A keyboard takes keys while a proxy runs in a terminal, and has the lines at its
// bottom: it carries out what the controls say. It never reads stdin where that is no
// terminal.
type keyboard struct {
	gate   gate
	tty    *os.File
	mode   *cbreak
	paint  palette
	status bool // there is always a status line
	edit   func(ctx context.Context, text string) (string, error)

	keyed
	secrets bool
	c       controls
	ended   chan struct{}
	redraw  chan struct{} // capacity 1
}

// keyed is what keys are for.
type keyed struct {
	x       *interceptor
	log     *record.Log
	ring    *ringKeeper // nil = there is none
	printed *livePrint
	flag    string // the filter of the command line
}

// livePrint is the filter of what is printed, which can be changed meanwhile.
type livePrint struct{ p atomic.Pointer[filter.Filter] }

const (
	fewChanges = 50 * time.Millisecond // between two looks at what is held
	escapeWait = 50 * time.Millisecond // for what goes on behind an ESC
	maxShown   = 24                    // lines of a held frame
)

// newKeyboard returns nil where nobody could type: stdin or stderr is no terminal, or
// the program runs in its background.
func newKeyboard(s *streams, d display) *keyboard {
	tty, ok := s.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(tty.Fd())) || !term.IsTerminal(int(os.Stdin.Fd())) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	mode, err := newCbreak(int(os.Stdin.Fd()))
	if err != nil {
		return nil
	}
	k := &keyboard{tty: tty, mode: mode, secrets: d.ShowSecrets, ended: make(chan struct{}), redraw: make(chan struct{}, 1)}
	k.gate.tty = tty
	k.gate.width = func() int {
		n, _, err := term.GetSize(int(tty.Fd()))
		if err != nil || n <= 0 {
			return 80
		}
		return n
	}
	k.paint = newPalette(colored(d, true))
	k.edit = editor{os.Stdin, tty}.edit
	// Where something else prints on this terminal, the bottom would be in its way.
	out, ok := s.stdout.(*os.File)
	k.status = ok && sameFile(out, tty) || d.Format == "none"
	s.stderr = k.gate.through(gated{w: tty, screen: true, talk: true, lines: true})
	s.stdout = k.gate.through(gated{w: s.stdout, screen: ok && sameFile(out, tty), lines: d.Format != "raw"})
	return k
}

func sameFile(a, b *os.File) bool {
	x, err := a.Stat()
	y, err2 := b.Stat()
	return err == nil && err2 == nil && os.SameFile(x, y)
}

// start takes keys until end, which gives the terminal back as it was; it ends an
// editor that has it, as the end of ctx does.
func (k *keyboard) start(ctx context.Context, what keyed) (end func()) {
	if k == nil {
		return func() {}
	}
	k.keyed = what
	k.c.filter, k.c.ring, k.c.tap = what.flag, what.ring != nil, what.x.tap
	k.c.limit = cmp.Or(what.x.proxy.HoldLimit, session.DefaultHoldLimit)
	k.mode.away, k.mode.back = k.gate.hide, k.again
	k.mode.on()
	undo := k.undo
	giveBack.Store(&undo)
	if !k.status {
		k.say("xmpplens: keys: p pause, r resume, h hold the next, i inject, m mark, f filter, q quit; ? lists them")
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := make(chan struct{})
	go func() { // until end
		defer close(k.ended)
		defer k.crashed()
		k.run(ctx, stop)
	}()
	return sync.OnceFunc(func() {
		cancel()
		close(stop)
		<-k.ended
		k.gate.end()
		restoreTerminal()
	})
}

// crashed restores the terminal before a panic is told.
func (k *keyboard) crashed() {
	if v := recover(); v != nil {
		restoreTerminal()
		panic(v)
	}
}

// giveBack undoes what was done to the terminal; nil when there is nothing to undo.
var giveBack atomic.Pointer[func()]

// restoreTerminal makes the terminal what it was, when it is not. It does not wait for
// long.
func restoreTerminal() {
	if undo := giveBack.Swap(nil); undo != nil {
		(*undo)()
	}
}

func (k *keyboard) undo() {
	k.mode.off() // first: a terminal that was stopped takes nothing
	k.gate.forget()
}

// again says that the program has the terminal again, or another size of it.
func (k *keyboard) again() {
	select {
	case k.redraw <- struct{}{}:
	default:
	}
}

// read reads a piece each time that it is asked.
func (k *keyboard) read(asked <-chan struct{}, pieces chan<- []byte) {
	defer close(pieces)
	for range asked {
		b := make([]byte, 4<<10)
		n, err := k.mode.read(b)
		if err != nil || n <= 0 {
			return
		}
		pieces <- b[:n]
	}
}

// run takes keys, and sees what is held, until stop is closed.
func (k *keyboard) run(ctx context.Context, stop <-chan struct{}) {
	asked, pieces := make(chan struct{}, 1), make(chan []byte, 1)
	go k.read(asked, pieces) // ends with the program: reading a terminal cannot be given up
	defer close(asked)
	asked <- struct{}{}
	reading := true
	watch, unwatch := k.x.Watch()
	defer unwatch()
	sizes := make(chan os.Signal, 1)
	if len(resizeSignals) > 0 {
		signal.Notify(sizes, resizeSignals...)
		defer signal.Stop(sizes)
	}
	var (
		keys    keyReader
		late    <-chan time.Time // an ESC may be a key
		rest    <-chan time.Time // changes are looked at again after it
		changes = watch
		over    = ctx.Done()
	)
	k.look()
	for {
		tick := k.draw()
		var press []key
		select {
		case <-stop:
			return
		case <-over:
			k.c.ending, over = true, nil
		case b, ok := <-pieces:
			if !ok {
				pieces = nil // the terminal has gone
				continue
			}
			reading = false
			if press = keys.feed(b); len(keys.rest) > 0 {
				late = time.After(escapeWait)
			}
		case <-late:
			press, late = keys.late(), nil
		case <-changes:
			k.look()
			changes, rest = nil, time.After(fewChanges)
		case <-rest:
			changes, rest = watch, nil
		case <-tick:
		case <-sizes:
		case <-k.redraw:
		}
		for _, key := range press {
			k.carryOut(ctx, k.c.press(key))
			k.look()
		}
		// Not before: a key may have given the terminal to an editor.
		if !reading && pieces != nil {
			asked <- struct{}{}
			reading = true
		}
	}
}

// look sees what is held.
func (k *keyboard) look() {
	held := k.x.heldNow()
	armed, _ := k.x.Armed()
	for i := range held {
		held[i].Size = len(held[i].XML)
		held[i].Masked = !k.secrets && len(stanza.SecretsAlone(held[i].XML)) > 0
	}
	k.carryOut(context.Background(), k.c.sees(state{armed: armed, paused: k.x.paused(), held: held}))
}

// draw draws the bottom, and returns when it has to be drawn again by itself.
func (k *keyboard) draw() (tick <-chan time.Time) {
	now := time.Now()
	if !k.mode.foreground() { // the terminal is somebody else's
		k.gate.hide()
		return nil
	}
	k.gate.show(k.c.bottom(now, &k.paint, k.status))
	if h := soonest(k.c.state.held); h != nil {
		left := time.UnixMilli(h.Until).Sub(now) % time.Second
		return time.After(max(left, 10*time.Millisecond))
	}
	return nil
}

func (k *keyboard) carryOut(ctx context.Context, deeds []deed) {
	for _, a := range deeds {
		r := k.do(ctx, a)
		switch {
		case a.then != nil:
			k.carryOut(ctx, a.then(r))
		case r.err != nil:
			k.carryOut(ctx, sayError(r.err))
		}
	}
}

// do carries out one deed.
func (k *keyboard) do(ctx context.Context, a deed) (r result) {
	switch a.do {
	case doSay:
		k.say(a.text)
	case doShow:
		k.show(&a.held)
	case doPause:
		r.text, r.err = k.x.pause(a.text)
	case doResume:
		r.text = k.x.resume()
	case doHoldNext:
		r.err = k.x.holdNext(a.text)
	case doDecide:
		r.err = k.x.Decide(a.verdict)
		if r.err != nil && strings.Contains(r.err.Error(), "no frame is held") {
			r.err = usagef("more time to decide: --hold-limit=10m", "%w", errors.New(r.err.Error()))
		}
	case doSessions:
		r.sessions = k.x.Sessions()
	case doInject:
		r.err = k.x.Inject(a.put)
	case doEdit:
		r.text, r.err = k.write(ctx, a.text)
	case doFilter:
		f, err := filter.Compile(a.text)
		if r.err = err; err == nil {
			if a.text == "" {
				f = nil
			}
			k.printed.p.Store(f)
		}
	case doMark:
		r.err = k.log.Append(record.Note(a.text, 0, 0, 0, "", 0))
	case doKeep:
		if k.ring == nil {
			r.err = usagef("begin with --ring=200MB, or keep everything with -w FILE", "there is no ring to keep")
		} else {
			k.ring.ask("the key k")
		}
	case doQuit:
		if p, err := os.FindProcess(os.Getpid()); err == nil {
			p.Signal(os.Interrupt) // as Ctrl-C does
		}
	}
	return r
}

// write lets an editor have the terminal.
func (k *keyboard) write(ctx context.Context, text string) (string, error) {
	k.gate.lend()
	k.mode.off()
	defer func() {
		k.mode.on()
		k.gate.giveBack()
	}()
	return k.edit(ctx, text)
}

func (k *keyboard) say(text string) {
	w := gated{g: &k.gate, w: k.tty, screen: true, talk: true}
	w.Write([]byte(text + "\n"))
}

// show prints a frame that is held.
func (k *keyboard) show(h *web.HeldFrame) {
	k.say(heldLines(h, time.Now(), &k.paint, k.secrets, k.gate.width()))
}
