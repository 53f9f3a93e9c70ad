package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/xmpplens/xmpplens/decode/filter"
	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// An expectation is a note that check holds the recording to:
//
//	expect: EXPR                     the entry that it is on matches
//	expect answer within 2s: EXPR    its answer comes, in time, and matches
//	expect later within 5s: EXPR     an entry behind it, in the same connection, matches
//	expect never: EXPR               none does
//
// The time can be left out, and with an answer the expression. A rule or a script
// that notes one makes a recording that is checked by itself: what it is about goes on
// behind the note, in the same connection.
type expectation struct {
	text   string
	by     string        // who says so
	noted  time.Duration // when
	on     int           // the entry; 0 = the note's own place
	what   string
	within time.Duration // 0 = whenever
	match  *filter.Filter

	conn    int // 0 = any; of the entry, once it was seen
	at      time.Duration
	summary string
	dir     string
	begun   bool   // the entry was seen
	met     bool   // nothing more has to come
	failed  string // why it is not met
}

var expectForm = regexp.MustCompile(`^expect(?: +(answer|later|never))?(?: +within +([0-9.]+(?:ms|s|m)))? *(?::(.*))?$`)

const expectHint = `for example: expect: type == "result", expect answer within 2s, expect later: message and from.bare == "a@b", expect never: errors`

// expects tells whose notes can be expectations.
func expects(by string) bool {
	return by == record.ByUser || strings.HasPrefix(by, "rule ") || strings.HasPrefix(by, "script ")
}

// readExpectation reads a note; nil when it is none of that kind.
func readExpectation(ev record.Event) (*expectation, error) {
	text := strings.TrimSpace(ev.Text)
	if ev.E != record.EventNote || !expects(ev.By) || !strings.HasPrefix(text, "expect") {
		return nil, nil
	}
	if rest := text[len("expect"):]; rest != "" && rest[0] != ':' && rest[0] != ' ' {
		return nil, nil // expected, expectations: prose
	}
	bad := func(err error, hint string) error {
		where := "the note"
		if ev.N > 0 {
			where = fmt.Sprintf("the note on entry %d", ev.N)
		}
		return &usageError{fmt.Errorf("%s, %q: %w", where, text, err), hint}
	}
	m := expectForm.FindStringSubmatch(text)
	if m == nil {
		return nil, bad(errors.New("not a form of an expectation"), expectHint)
	}
	x := &expectation{text: text, by: ev.By, noted: ev.T, on: int(ev.N), what: m[1], conn: ev.C}
	if m[2] != "" {
		d, err := time.ParseDuration(m[2])
		if err != nil {
			return nil, bad(err, expectHint)
		}
		x.within = d
	}
	expr := strings.TrimSpace(m[3])
	switch {
	case expr == "" && x.what != "answer":
		return nil, bad(errors.New("the expression is missing"), expectHint)
	case x.what == "" && x.within > 0:
		return nil, bad(errors.New("a time goes with an answer, with later and with never"), expectHint)
	case (x.what == "" || x.what == "answer") && x.on == 0:
		return nil, bad(errors.New("it is on no entry"), "give the entry: xmpplens note FILE N TEXT")
	}
	match, err := filter.Compile(expr)
	if err != nil {
		return nil, bad(err, hintOf(err))
	}
	x.match = match
	return x, nil
}

// expectations reads those of a recording, whose entries come before them.
func expectations(path string) ([]*expectation, error) {
	r, err := timeline.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var out []*expectation
	for {
		ev, err := r.Next(context.Background())
		switch {
		case errors.Is(err, io.EOF):
			return out, nil
		case record.IsDamage(err):
			continue // told when the recording is walked
		case err != nil:
			return nil, err
		}
		x, err := readExpectation(ev)
		if err != nil {
			return nil, err
		}
		if x != nil {
			out = append(out, x)
		}
	}
}

// see tells the expectation of the next entry.
func (x *expectation) see(e *timeline.Entry) {
	if x.met || x.failed != "" {
		return
	}
	if !x.begun {
		mine := x.on > 0 && e.N == x.on || x.on == 0 && e.Kind == record.EventNote && e.By == x.by && (x.by == record.ByUser || e.T == x.noted) && strings.TrimSpace(e.Event.Text) == x.text
		if !mine {
			return
		}
		x.begun, x.at, x.summary, x.dir = true, e.T, e.Stanza.Summary, string(e.Way())
		if x.on == 0 {
			x.on = e.N
		} else {
			x.conn = e.Conn
		}
		if x.what == "" {
			if x.met = e.Matches(x.match); !x.met {
				x.failed = "the entry is another"
			}
		}
		return
	}
	late := x.within > 0 && e.T-x.at > x.within
	switch x.what {
	case "answer":
		for _, r := range e.Facts.Related {
			if r.N != x.on || r.Kind != track.Answers && r.Kind != track.Refuses {
				continue
			}
			switch {
			case late:
				x.failed = fmt.Sprintf("the answer, entry %d, took %s", e.N, (e.T - x.at).Round(time.Millisecond))
			case !e.Matches(x.match):
				x.failed = fmt.Sprintf("the answer, entry %d, is another: %s", e.N, e.Stanza.Summary)
			default:
				x.met = true
			}
		}
	case "later":
		if x.conn != 0 && e.Conn != x.conn || e.Kind == record.EventNote && expects(e.By) {
			return
		}
		if e.Matches(x.match) {
			if x.met = !late; late {
				x.failed = fmt.Sprintf("entry %d came after %s", e.N, (e.T - x.at).Round(time.Millisecond))
			}
		}
	case "never":
		if x.conn != 0 && e.Conn != x.conn || late || e.Kind == record.EventNote && expects(e.By) {
			return
		}
		if e.Matches(x.match) {
			x.failed = fmt.Sprintf("entry %d does: %s", e.N, e.Stanza.Summary)
		}
	}
}

// finding is what is wrong at the end of the recording; ok when nothing is.
func (x *expectation) finding() (f located, ok bool) {
	switch {
	case x.failed != "", x.met:
	case !x.begun:
		x.failed = "there is no such entry"
	case x.what == "answer":
		x.failed = "no answer came"
	case x.what == "later":
		x.failed = "nothing of the kind came"
	}
	if x.failed == "" {
		return f, true
	}
	return located{
		Finding: track.Finding{Severity: track.Error, Code: "expectation", Text: fmt.Sprintf("%q: %s", x.text, x.failed), Ref: "a note in the recording"},
		N:       x.on, at: x.at, Conn: x.conn, Dir: x.dir, Summary: x.summary,
	}, false
}
