package main

import (
	"reflect"
	"strings"
	"testing"
)

// Keys are the same however their bytes are cut.
func TestKeys(t *testing.T) {
	for _, c := range []struct {
		bytes string
		want  []key
	}{
		{"p\r\n\t\x7f\x08", []key{'p', keyEnter, keyEnter, keyTab, keyBackspace, keyBackspace}},
		{"é你😀", []key{'é', '你', '😀'}},
		{"\x1b[A\x1bOB\x1b[C\x1b[D\x1b[H\x1b[4~\x1b[3~", []key{keyUp, keyDown, keyRight, keyLeft, keyHome, keyEnd, keyDelete}},
		{"\x01\x05\x15\x17\x0b\x0f\x00\x1c", []key{keyHome, keyEnd, keyClear, keyWord, keyRest, keyEditor}},
		{"\x1b[15~\x1b[1;5Cx", []key{'x'}},              // a function key, Ctrl-right: nothing
		{"\x1bx", []key{keyEsc, 'x'}},                   // Esc, or Alt
		{"\x1b[" + strings.Repeat("1;", 40) + "x", nil}, // too long to be one
		{"\x1b[200~a\r\nb\x1b[A\x1b[201~\r", []key{pasted + 'a', pasted + '\n', pasted + '\n', pasted + 'b', pasted + '[', pasted + 'A', keyEnter}},
		{"a\xffb", []key{'a', 'b'}},
	} {
		var r keyReader
		got := r.feed([]byte(c.bytes))
		if c.want == nil {
			if len(got) == 0 || got[0] != keyEsc {
				t.Errorf("%q: %v", c.bytes, got)
			}
			continue
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %v, not %v", c.bytes, got, c.want)
		}
		got = nil
		for i := range len(c.bytes) {
			got = append(got, r.feed([]byte{c.bytes[i]})...)
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q byte by byte: %v, not %v", c.bytes, got, c.want)
		}
	}
	var r keyReader
	if got := r.feed([]byte("\x1b")); got != nil {
		t.Errorf("an ESC that may go on: %v", got)
	}
	if got := r.late(); !reflect.DeepEqual(got, []key{keyEsc}) {
		t.Errorf("an ESC alone: %v", got)
	}
	r.feed([]byte("\x1b["))
	if got := r.late(); !reflect.DeepEqual(got, []key{keyEsc, '['}) {
		t.Errorf("an ESC and a bracket: %v", got)
	}
	if got := r.feed([]byte("A")); !reflect.DeepEqual(got, []key{'A'}) {
		t.Errorf("behind it: %v", got)
	}
}

func FuzzKeys(f *testing.F) {
	for _, s := range []string{"p\r", "\x1b[A", "\x1b[200~<a\r\n>\x1b[201~", "\xf0\x9f\x98", "\x1b\x1b[", "é\xff"} {
		f.Add([]byte(s), uint8(1))
	}
	f.Fuzz(func(t *testing.T, b []byte, cut uint8) {
		var whole, pieces keyReader
		want := whole.feed(b)
		at := int(cut) % (len(b) + 1)
		got := append(pieces.feed(b[:at]), pieces.feed(b[at:])...)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q cut at %d: %v, not %v", b, at, got, want)
		}
		if len(whole.rest) > maxSequence+4 {
			t.Errorf("%d bytes are kept", len(whole.rest))
		}
	})
}

func TestTyped(t *testing.T) {
	past := []string{"first", "second"}
	for _, c := range []struct {
		keys []key
		want string
		at   int
	}{
		{[]key{'b', keyHome, 'a', keyEnd, 'c'}, "abc", 3},
		{[]key{'a', 'b', 'c', keyLeft, keyBackspace}, "ac", 1},
		{[]key{'a', 'b', keyLeft, keyDelete, keyDelete, keyLeft, keyLeft, keyBackspace}, "a", 0},
		{[]key{'a', ' ', 'b', 'c', ' ', keyWord}, "a ", 2},
		{[]key{'a', 'b', 'c', keyLeft, keyRest}, "ab", 2},
		{[]key{'a', 'b', 'c', keyLeft, keyClear}, "c", 0},
		{[]key{'n', keyUp}, "second", 6},
		{[]key{'n', keyUp, keyUp, keyUp}, "first", 5},
		{[]key{'n', keyUp, keyUp, keyDown, 's', keyDown, keyDown}, "n", 1},
		{[]key{keyEsc, keyTab, keyEditor}, "", 0},
	} {
		in := newTyped("", past)
		for _, k := range c.keys {
			in.press(k)
		}
		if in.String() != c.want || in.at != c.at {
			t.Errorf("%v: %q at %d, not %q at %d", c.keys, in.String(), in.at, c.want, c.at)
		}
	}
	if got := remembered([]string{"a", "b"}, "a"); !reflect.DeepEqual(got, []string{"b", "a"}) {
		t.Errorf("%q", got)
	}
	var long []string
	for range 3 * maxHistory {
		long = remembered(long, strings.Repeat("x", len(long)+1))
	}
	if len(long) != maxHistory {
		t.Errorf("%d lines are remembered", len(long))
	}
}

// What is seen of a line has the cursor in it, in whatever width.
func TestTypedView(t *testing.T) {
	for _, c := range []struct {
		text   string
		at     int
		width  int
		want   string
		cursor int
	}{
		{"abc", 3, 10, "abc", 3},
		{"abc", 1, 10, "abc", 1},
		{"abcdefghij", 10, 5, "…hij", 4},
		{"abcdefghij", 0, 5, "abcd", 0},
		{"你好吗", 3, 20, "你好吗", 6},
		{"你好吗", 3, 6, "…好吗", 5},
		{"a\nb\tc\x1b", 6, 20, "a⏎b c�", 6},
		{"\u202eab", 3, 20, "�ab", 3},
	} {
		in := newTyped(c.text, nil)
		in.at = c.at
		if text, cursor := in.view(c.width); text != c.want || cursor != c.cursor {
			t.Errorf("%q at %d in %d: %q %d, not %q %d", c.text, c.at, c.width, text, cursor, c.want, c.cursor)
		}
	}
}
