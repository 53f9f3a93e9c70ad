package web

import (
	"strings"

	"github.com/xmpplens/xmpplens/record/timeline"
)

// change is what the proxy made of a frame, line by line.
type change struct {
	How   string       `json:"how"` // edited, injected, dropped, …
	By    string       `json:"by"`
	Why   string       `json:"why"`
	Lines []changeLine `json:"lines"`
	Cut   int          `json:"cut,omitempty"` // lines that are not shown
}

// changeLine is a line: "-" received and not sent on, "+" sent and not received,
// "=" both.
type changeLine struct {
	Sign   string           `json:"sign"`
	Tokens []timeline.Token `json:"tokens"`
}

const (
	maxCompared = 1500 // lines that are compared, in each of both
	maxChanged  = 3000 // lines that are shown
)

// changeOf says what the proxy did with an entry; nil when it did nothing.
func changeOf(e *timeline.Entry, received, sent []timeline.Token) *change {
	c := &change{How: e.Outcome(), By: e.By, Why: e.Why}
	switch {
	case e.Dir == "" || c.How == "passed":
		return nil
	case e.Edited:
		c.Lines = compare(linesOf(received), linesOf(sent))
	case e.Injected:
		c.Lines = signed("+", linesOf(received))
	case c.How == "dropped":
		c.Lines = signed("-", linesOf(received))
	default:
		return nil
	}
	if over := len(c.Lines) - maxChanged; over > 0 {
		c.Lines, c.Cut = c.Lines[:maxChanged], over
	}
	return c
}

// linesOf cuts tokens where lines end.
func linesOf(tokens []timeline.Token) (out [][]timeline.Token) {
	line := []timeline.Token{}
	for _, t := range tokens {
		text := t[1]
		for {
			before, after, more := strings.Cut(text, "\n")
			if before != "" {
				line = append(line, timeline.Token{t[0], before})
			}
			if !more {
				break
			}
			out, line, text = append(out, line), []timeline.Token{}, after
		}
	}
	if len(line) > 0 {
		out = append(out, line)
	}
	return out
}

func signed(sign string, lines [][]timeline.Token) (out []changeLine) {
	for _, l := range lines {
		out = append(out, changeLine{sign, l})
	}
	return out
}

func plain(line []timeline.Token) string {
	var b strings.Builder
	for _, t := range line {
		b.WriteString(t[1])
	}
	return b.String()
}

// compare finds the lines that two texts share, as many as there can be.
func compare(a, b [][]timeline.Token) []changeLine {
	head := 0
	for head < len(a) && head < len(b) && plain(a[head]) == plain(b[head]) {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && plain(a[len(a)-1-tail]) == plain(b[len(b)-1-tail]) {
		tail++
	}
	out := signed("=", a[:head])
	out = append(out, middle(a[head:len(a)-tail], b[head:len(b)-tail])...)
	return append(out, signed("=", a[len(a)-tail:])...)
}

// middle compares what is between the lines that are the same at both ends.
func middle(a, b [][]timeline.Token) (out []changeLine) {
	if len(a) > maxCompared || len(b) > maxCompared {
		return append(signed("-", a), signed("+", b)...)
	}
	pa, pb := make([]string, len(a)), make([]string, len(b))
	for i := range a {
		pa[i] = plain(a[i])
	}
	for i := range b {
		pb[i] = plain(b[i])
	}
	best := make([][]int16, len(a)+1) // how many lines can be shared from there on
	for i := range best {
		best[i] = make([]int16, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if pa[i] == pb[j] {
				best[i][j] = best[i+1][j+1] + 1
			} else {
				best[i][j] = max(best[i+1][j], best[i][j+1])
			}
		}
	}
	var gone, come [][]timeline.Token
	flush := func() {
		for i := range min(len(gone), len(come)) {
			gone[i], come[i] = highlight(gone[i], come[i])
		}
		out = append(append(out, signed("-", gone)...), signed("+", come)...)
		gone, come = nil, nil
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && pa[i] == pb[j]:
			flush()
			out = append(out, changeLine{"=", a[i]})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && best[i+1][j] >= best[i][j+1]:
			gone = append(gone, a[i])
			i++
		default:
			come = append(come, b[j])
			j++
		}
	}
	flush()
	return out
}

// highlight marks what differs between two lines: the tokens between those that
// both begin and end with.
func highlight(a, b []timeline.Token) (x, y []timeline.Token) {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	mark := func(line []timeline.Token) (out []timeline.Token) {
		for i, t := range line {
			if i >= head && i < len(line)-tail {
				t[0] = strings.TrimSpace(t[0] + " differs")
			}
			out = append(out, t)
		}
		return out
	}
	if head+tail == 0 { // nothing in common: the sign says it all
		return a, b
	}
	return mark(a), mark(b)
}
