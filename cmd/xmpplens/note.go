package main

import (
	"bufio"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

type noteCmd struct {
	File string `arg:"" help:"The recording." type:"path"`
	N    int    `arg:"" optional:"" help:"Number of the entry, as show --format=json and the viewer print it; 0 = the end of the recording. Without it, notes are listed."`
	Text string `arg:"" optional:"" help:"What to say about it."`
}

func (noteCmd) Examples() string {
	return `  xmpplens note bug.jsonl 57 "here the roster disappears"
  xmpplens note bug.jsonl 57 'expect answer within 2s: type == "result"'   xmpplens check then holds it to that
  xmpplens note bug.jsonl                                                  the notes that there are`
}

// maxNote bounds a note, in bytes.
const maxNote = 4 << 10

func (c *noteCmd) Run(s *streams) error {
	if c.N == 0 && c.Text == "" {
		return c.list(s)
	}
	text, err := noteText(c.Text)
	if err != nil {
		return err
	}
	var last time.Duration
	var on *timeline.Entry
	entries := 0
	if _, _, err := walk(s, c.File, func(e *timeline.Entry) {
		last, entries = max(last, e.T), e.N
		if e.N == c.N {
			on = e.Clone()
		}
	}); err != nil {
		return err
	}
	if c.N < 0 || c.N > 0 && on == nil {
		return usagef("xmpplens show --format=json prints the numbers as n", "%s has no entry %d: it has %d", c.File, c.N, entries)
	}
	ev := noteOn(text, last, on)
	if _, err := readExpectation(ev); err != nil {
		return err
	}
	if err := record.Annotate(c.File, ev); err != nil {
		return err
	}
	where := "the end"
	if on != nil {
		where = fmt.Sprintf("entry %d, %s", on.N, on.Stanza.Summary)
	}
	s.say("xmpplens: noted on %s", where)
	return nil
}

// noteText returns the text of a note without what stands around it, when it can be one.
func noteText(text string) (string, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return "", usagef(`for example: xmpplens note bug.jsonl 57 "here the roster disappears"`, "a note needs a text")
	case len(text) > maxNote:
		return "", usagef("say it shorter, or keep it beside the recording", "the note has %d bytes, more than %d", len(text), maxNote)
	case !utf8.ValidString(text):
		return "", usagef("is the terminal set to UTF-8?", "the note is not UTF-8")
	}
	return text, nil
}

// noteOn is the event of a note on an entry; nil is the end of the recording.
func noteOn(text string, at time.Duration, on *timeline.Entry) record.Event {
	if on == nil {
		return record.Note(text, at, 0, 0, "", 0)
	}
	return record.Note(text, at, on.N, on.Conn, on.Dir, on.Offset)
}

// list prints the notes that people made.
func (c *noteCmd) list(s *streams) error {
	out := bufio.NewWriter(s.stdout)
	if _, _, err := walk(s, c.File, func(e *timeline.Entry) {
		if e.Kind == record.EventNote && e.By == record.ByUser {
			fmt.Fprintf(out, "%d: %s\n", e.N, e.Stanza.Summary)
		}
	}); err != nil {
		return errors.Join(out.Flush(), err)
	}
	return out.Flush()
}
