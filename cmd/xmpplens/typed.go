package main

import (
	"slices"
	"unicode"

	"github.com/mattn/go-runewidth"

	"github.com/xmpplens/xmpplens/decode/stanza"
)

const (
	maxTyped   = maxSend // characters in a line
	maxHistory = 50      // lines
)

// typed is a line that somebody types. It is pure.
type typed struct {
	text []rune
	at   int      // of the cursor
	past []string // what was typed before, the newest last
	back int      // how far back in past the line is; 0 = it is a new one
	own  []rune   // the new one meanwhile
}

func newTyped(text string, past []string) *typed {
	t := &typed{text: []rune(text), past: past}
	t.at = len(t.text)
	return t
}

func (t *typed) String() string { return string(t.text) }

// press takes a key; what it does not know does nothing.
func (t *typed) press(k key) {
	switch {
	case k > 0:
		k &^= pasted
		if len(t.text) < maxTyped {
			t.text = slices.Insert(t.text, t.at, rune(k))
			t.at++
		}
	case k == keyBackspace && t.at > 0:
		t.cut(t.at-1, t.at)
	case k == keyDelete && t.at < len(t.text):
		t.cut(t.at, t.at+1)
	case k == keyClear:
		t.cut(0, t.at)
	case k == keyRest:
		t.cut(t.at, len(t.text))
	case k == keyWord:
		from := t.at
		for from > 0 && unicode.IsSpace(t.text[from-1]) {
			from--
		}
		for from > 0 && !unicode.IsSpace(t.text[from-1]) {
			from--
		}
		t.cut(from, t.at)
	case k == keyLeft:
		t.at = max(t.at-1, 0)
	case k == keyRight:
		t.at = min(t.at+1, len(t.text))
	case k == keyHome:
		t.at = 0
	case k == keyEnd:
		t.at = len(t.text)
	case k == keyUp && t.back < len(t.past):
		t.goBack(t.back + 1)
	case k == keyDown && t.back > 0:
		t.goBack(t.back - 1)
	}
}

func (t *typed) cut(from, to int) {
	t.text = slices.Delete(t.text, from, to)
	t.at = from
}

func (t *typed) goBack(n int) {
	if t.back == 0 {
		t.own = t.text
	}
	if t.back = n; n == 0 {
		t.text = t.own
	} else {
		t.text = []rune(t.past[len(t.past)-n])
	}
	t.at = len(t.text)
}

// view is what of the line is seen in a width, and in which cell of it the cursor is.
func (t *typed) view(width int) (text string, cursor int) {
	width = max(width, 2)
	wide := func(i int) int { return runewidth.StringWidth(shownRune(t.text[i])) }
	// The cursor is in the view, with what is in front of it as far as there is room.
	from, used := t.at, 0
	for from > 0 && used+wide(from-1) < width {
		from--
		used += wide(from)
	}
	if from > 0 { // a sign that there is more
		for from < t.at && used+1 >= width {
			used -= wide(from)
			from++
		}
		text, used = "…", used+1
	}
	cursor = used
	for i := from; i < len(t.text); i++ {
		if i >= t.at {
			if used+wide(i) >= width {
				break
			}
			used += wide(i)
		}
		text += shownRune(t.text[i])
	}
	return text, cursor
}

// shownRune is a character as a line shows it.
func shownRune(r rune) string {
	switch r {
	case '\n':
		return "⏎"
	case '\t':
		return " "
	}
	return stanza.Clean(string(r), 1)
}

// remembered adds a line to those that were typed before.
func remembered(past []string, line string) []string {
	if line == "" {
		return past
	}
	past = append(slices.DeleteFunc(slices.Clone(past), func(s string) bool { return s == line }), line)
	return past[max(0, len(past)-maxHistory):]
}
