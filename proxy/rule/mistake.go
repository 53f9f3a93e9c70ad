package rule

import (
	"fmt"
	"strings"
)

// A Mistake is something wrong in a rule, with its place.
type Mistake struct {
	File   string // "" for a rule of the command line
	Line   int    // from 1; 0 = unknown
	Column int    // in characters, from 1; 0 = unknown
	Text   string
	Remedy string // what to do, "" when Text says it
}

func (m Mistake) Error() string {
	var b strings.Builder
	b.WriteString(m.File)
	switch {
	case m.File == "" && m.Column > 0:
		fmt.Fprintf(&b, "column %d", m.Column)
	case m.Line > 0:
		fmt.Fprintf(&b, ":%d", m.Line)
		if m.Column > 0 {
			fmt.Fprintf(&b, ":%d", m.Column)
		}
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	b.WriteString(m.Text)
	if m.Remedy != "" {
		b.WriteString(" (" + m.Remedy + ")")
	}
	return b.String()
}

// Mistakes are all that is wrong in a file, in the order of their places.
type Mistakes []Mistake

func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, x := range m {
		lines[i] = x.Error()
	}
	return strings.Join(lines, "\n")
}

// maxMistakes bounds what is told of a file that is something else.
const maxMistakes = 50
