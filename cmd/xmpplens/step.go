package main

import (
	"context"
	"os"

	"golang.org/x/term"

	"github.com/xmpplens/xmpplens/record/timeline"
)

// A stepper lets one entry after another be printed, at the press of a key.
type stepper struct {
	keys    <-chan byte // closed when nobody types any more
	stanzas bool        // until the next stanza nothing waits
	all     bool        // nor until the end
}

const stepHelp = "xmpplens: Space prints the next entry, s goes on to the next stanza, c to the end, q ends"

// newStepper takes keys from the terminal until end.
func newStepper(s *streams) (st *stepper, end func(), err error) {
	const hint = "in a script, use --speed=X with --max-gap=DURATION"
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return nil, nil, usagef(hint, "--step needs a terminal to press keys in")
	}
	mode, err := newCbreak(int(os.Stdin.Fd()))
	if err != nil {
		return nil, nil, usagef(hint, "--step: %v", err)
	}
	mode.on()
	undo := mode.off
	giveBack.Store(&undo)
	s.say(stepHelp)
	keys := make(chan byte)
	go func() { // ends with the program: reading a terminal cannot be given up
		defer close(keys)
		var b [1]byte
		for {
			if n, err := os.Stdin.Read(b[:]); n != 1 || err != nil {
				return
			}
			keys <- b[0]
		}
	}()
	return &stepper{keys: keys}, restoreTerminal, nil
}

// wait waits behind an entry that was printed for the key that lets the next one
// come. It returns errInterrupted when there is to be none.
func (st *stepper) wait(ctx context.Context, e *timeline.Entry) error {
	switch e.Kind {
	case "message", "presence", "iq":
		st.stanzas = false
	}
	if st.all || st.stanzas {
		return nil
	}
	for {
		select {
		case <-ctx.Done():
			return errInterrupted
		case key, ok := <-st.keys:
			switch {
			case !ok, key == 'q', key == 4: // Ctrl-D
				return errInterrupted
			case key == ' ', key == '\n', key == '\r', key == 'C': // the last of an arrow to the right
				return nil
			case key == 's':
				st.stanzas = true
				return nil
			case key == 'c':
				st.all = true
				return nil
			}
		}
	}
}
