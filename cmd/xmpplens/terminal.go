package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/term"

	"github.com/xmpplens/xmpplens/record"
)

// A gate lets one speak at a time: what is printed waits while somebody types a
// line. Nothing is lost by that, the console pulls from the recording.
type gate struct{ mu sync.Mutex }

// through is a writer that waits at the gate.
func (g *gate) through(w io.Writer) io.Writer { return &gated{g, w} }

type gated struct {
	g *gate
	w io.Writer
}

func (w *gated) Write(b []byte) (int, error) {
	w.g.mu.Lock()
	defer w.g.mu.Unlock()
	return w.w.Write(b)
}

// A keyboard takes keys while a proxy runs in a terminal.
type keyboard struct {
	gate gate
	log  *record.Log
	ring *ringKeeper // nil = there is none
	out  io.Writer   // for talk, past the gate
	mode *cbreak

	marks int
}

// keys are what the keyboard understands.
var keys = []struct {
	key  byte
	help string
}{
	{'m', "mark this moment, with a note in the recording"},
	{'k', "keep what the ring holds, in a file (with --ring)"},
	{'?', "these keys"},
}

// newKeyboard returns nil where nobody could type: stdin is no terminal, or the
// program runs in its background.
func newKeyboard(out io.Writer) *keyboard {
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || !term.IsTerminal(int(os.Stdin.Fd())) {
		return nil
	}
	mode, err := newCbreak(int(os.Stdin.Fd()))
	if err != nil {
		return nil
	}
	return &keyboard{out: out, mode: mode}
}

// start takes keys until end, which gives the terminal back as it was.
func (k *keyboard) start(log *record.Log, ring *ringKeeper) (end func()) {
	if k == nil {
		return func() {}
	}
	k.log, k.ring = log, ring
	k.mode.on()
	giveBack.Store(k.mode)
	fmt.Fprintln(k.out, "xmpplens: m marks this moment, ? lists the keys")
	go k.run(bufio.NewReader(os.Stdin)) // ends with the program: reading a terminal cannot be given up
	return restoreTerminal
}

// giveBack is the mode of the terminal that has to be undone at the end.
var giveBack atomic.Pointer[cbreak]

// restoreTerminal makes the terminal what it was, when it is not.
func restoreTerminal() {
	if mode := giveBack.Swap(nil); mode != nil {
		mode.off()
	}
}

func (k *keyboard) run(in *bufio.Reader) {
	for {
		b, err := in.ReadByte()
		if err != nil {
			return
		}
		switch b {
		case 'm':
			k.mark(in)
		case 'k':
			k.keep()
		case '?':
			k.help()
		}
	}
}

func (k *keyboard) help() {
	k.gate.mu.Lock()
	defer k.gate.mu.Unlock()
	for _, key := range keys {
		fmt.Fprintf(k.out, "  %c  %s\n", key.key, key.help)
	}
	fmt.Fprintln(k.out, "  Ctrl-C ends the proxy")
}

func (k *keyboard) keep() {
	if k.ring == nil {
		k.gate.mu.Lock()
		defer k.gate.mu.Unlock()
		fmt.Fprintln(k.out, "xmpplens: there is no ring to keep: begin with --ring=200MB, or keep everything with -w FILE")
		return
	}
	k.ring.ask("the key k")
}

// mark asks for a text and puts it into the recording, at the time of the key.
func (k *keyboard) mark(in *bufio.Reader) {
	k.marks++
	text := fmt.Sprintf("marker %d", k.marks)
	// The moment is that of the key, not that of the last letter.
	k.log.Append(record.Note(text, 0, 0, 0, "", 0))
	k.gate.mu.Lock()
	defer k.gate.mu.Unlock()
	k.mode.off()
	defer k.mode.on()
	fmt.Fprintf(k.out, "%s is set; a word on it (Enter for none): ", text)
	line, err := in.ReadString('\n')
	if err != nil {
		return
	}
	if line = strings.TrimSpace(line); line == "" {
		return
	}
	word, err := noteText(line)
	if err != nil {
		fmt.Fprintf(k.out, "xmpplens: %v\n", err)
		return
	}
	k.log.Append(record.Note(text+": "+word, 0, 0, 0, "", 0))
}
