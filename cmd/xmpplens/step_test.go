package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// stepped records three messages with something else between them, and a long
// time.
func stepped(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s.jsonl")
	now := time.Now()
	log, err := record.Create(path, record.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		now = now.Add(time.Hour)
		log.Append(record.Event{C: 1, E: record.EventData, D: record.SC, HasData: true, Data: fmt.Appendf(nil, "<message><body>number %d</body></message><r xmlns='urn:xmpp:sm:3'/>", i)})
	}
	if err := errors.Join(log.Err(), log.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestStepper(t *testing.T) {
	keys := make(chan byte, 20)
	st := &stepper{keys: keys}
	message, nonza := &timeline.Entry{Kind: "message"}, &timeline.Entry{Kind: "nonza"}
	for _, c := range []struct {
		keys string
		e    *timeline.Entry
		want error
		left int
	}{
		{"x ", nonza, nil, 0},     // what means nothing is passed over
		{"\x1b[C", nonza, nil, 0}, // an arrow
		{"s", nonza, nil, 0},      // to the next stanza
		{" ", nonza, nil, 1},      // which this is not: the key is for it
		{"", message, nil, 0},     // and this is
		{"q", message, errInterrupted, 0},
		{"c ", message, nil, 1},
		{"q", message, nil, 2},
	} {
		for i := range len(c.keys) {
			keys <- c.keys[i]
		}
		if err := st.wait(t.Context(), c.e); err != c.want || len(keys) != c.left {
			t.Errorf("%q: %v, %d keys left", c.keys, err, len(keys))
		}
	}
}

// show --step in a terminal.
func TestStep(t *testing.T) {
	s := newScreen(t, 100)
	s.types(xmpplens(t).Path+" show --step --format=line "+stepped(t)+"; stty -a | grep -o -e '-*icanon'; echo ended", "Enter")
	s.shows("number 0")
	if got := s.do("capture-pane", "-p", "-J"); strings.Contains(got, "acknowledgement") {
		t.Errorf("it does not wait:\n%s", got)
	}
	s.types("Space")
	s.shows("acknowledgement")
	s.types("s")
	s.shows("number 1")
	s.types("q")
	s.shows("\nicanon\nended")
	if got := s.do("capture-pane", "-p", "-J"); strings.Contains(got, "number 2") {
		t.Errorf("it goes on behind q:\n%s", got)
	}
}

// --max-gap shortens what nobody wants to wait for.
func TestMaxGap(t *testing.T) {
	path := stepped(t)
	began := time.Now()
	var out, errs strings.Builder
	if code := run([]string{"show", "--speed=1", "--max-gap=200ms", "--format=line", path}, &out, &errs); code != exitDone || strings.Count(out.String(), "number") != 3 {
		t.Errorf("%d, %s%s", code, out.String(), errs.String())
	}
	if took := time.Since(began); took < 600*time.Millisecond || took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
	for _, args := range [][]string{{"--max-gap=1s"}, {"--speed=1", "--max-gap=-1s"}, {"--step", "--speed=1"}, {"--step", "--format=raw"}} {
		errs.Reset()
		if code := run(append([]string{"show", path}, args...), &out, &errs); code != exitUsage || !strings.Contains(errs.String(), "hint:") {
			t.Errorf("%v: %d %s", args, code, errs.String())
		}
	}
	if null, err := os.Open(os.DevNull); err == nil {
		defer null.Close()
		was := os.Stdin
		os.Stdin = null
		defer func() { os.Stdin = was }()
		errs.Reset()
		if code := run([]string{"show", path, "--step"}, &out, &errs); code != exitUsage || !strings.Contains(errs.String(), "terminal") {
			t.Errorf("without a terminal: %d %s", code, errs.String())
		}
	}
}
