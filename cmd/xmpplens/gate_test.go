package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// glass is a terminal as far as the gate uses one, without a lower end.
type glass struct {
	t     *testing.T
	width int
	rows  [][]rune
	y, x  int
}

func (g *glass) Write(b []byte) (int, error) {
	for s := string(b); s != ""; {
		var n int
		var op byte
		switch {
		case strings.HasPrefix(s, "\x1b[?2004"): // pasting
			s = s[8:]
			continue
		case strings.HasPrefix(s, "\x1b[J"):
			g.rows = g.rows[:g.y+1]
			g.rows[g.y] = g.rows[g.y][:min(g.x, len(g.rows[g.y]))]
			s = s[3:]
			continue
		case strings.HasPrefix(s, "\x1b["):
			if k, err := fmt.Sscanf(s, "\x1b[%d%c", &n, &op); k != 2 || err != nil {
				g.t.Fatalf("unknown: %q", s)
			}
			s = s[strings.IndexByte(s, op)+1:]
			if op == 'A' {
				g.y = max(g.y-n, 0)
			} else {
				g.x += n
			}
			continue
		}
		r, _ := utf8.DecodeRuneInString(s)
		s = s[len(string(r)):]
		switch r {
		case '\r':
			g.x = 0
		case '\n':
			g.y, g.x = g.y+1, 0
		default:
			g.room()
			row := g.rows[g.y]
			for len(row) <= g.x {
				row = append(row, ' ')
			}
			row[g.x] = r
			g.rows[g.y] = row
			g.x++
		}
		g.room()
	}
	return len(b), nil
}

func (g *glass) room() {
	for len(g.rows) <= g.y {
		g.rows = append(g.rows, nil)
	}
}

func (g *glass) lines() (out []string) {
	for _, r := range g.rows {
		out = append(out, string(r))
	}
	return out
}

// narrow makes the terminal narrower, as those do that break their lines anew.
func (g *glass) narrow(width int) {
	var rows [][]rune
	for i, r := range g.rows {
		if i == g.y {
			g.y = len(rows) + g.x/width
			g.x %= width
		}
		for len(r) > width {
			rows, r = append(rows, r[:width]), r[width:]
		}
		rows = append(rows, slices.Clone(r))
	}
	g.rows, g.width = rows, width
}

func newGlass(t *testing.T, width int) (*gate, *glass) {
	s := &glass{t: t, width: width, rows: [][]rune{nil}}
	return &gate{tty: s, width: func() int { return s.width }}, s
}

// However writes are cut, lines stay whole and the bottom stands below them.
func TestGateLines(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		g, s := newGlass(t, 60)
		out := g.through(gated{w: s, screen: true, lines: true})
		talk := g.through(gated{w: s, screen: true, talk: true, lines: true})
		var want []string
		var text strings.Builder
		for i := range 20 {
			line := fmt.Sprintf("line %d %s", i, strings.Repeat("x", random.IntN(30)))
			want = append(want, line)
			text.WriteString(line + "\n")
		}
		status := []part{{text: "nothing armed"}, {text: "p pause"}}
		for rest := text.String(); rest != ""; {
			n := min(1+random.IntN(100), len(rest))
			out.Write([]byte(rest[:n]))
			rest = rest[n:]
			switch random.IntN(6) {
			case 0:
				g.show(&bottom{status: status})
			case 1:
				g.show(&bottom{status: status, choice: []part{{text: "print only:"}}, input: newTyped("abc", nil)})
			case 2:
				g.show(nil)
			}
		}
		talk.Write([]byte("said\n"))
		want = append(want, "said")
		g.show(&bottom{status: status, choice: []part{{text: "print only:"}}, input: newTyped("abc", nil)})
		if got := s.lines(); !slices.Equal(got, append(want, "nothing armed  p pause", "print only: abc")) {
			t.Fatalf("%q", got)
		}
		g.end()
		if got := s.lines(); !slices.Equal(got, append(want, "")) {
			t.Fatalf("at the end %q", got)
		}
		out.Write([]byte("torn")) // nothing is kept back any more
		if got := s.lines(); got[len(got)-1] != "torn" {
			t.Fatalf("behind the end %q", got)
		}
	}
}

// What has no line ends is printed all the same, and a bottom that a narrower terminal
// has broken is taken away as a whole.
func TestGateTorn(t *testing.T) {
	g, s := newGlass(t, 60)
	out := g.through(gated{w: s, screen: true})
	g.show(&bottom{status: []part{{text: "status"}}})
	out.Write([]byte("<a/>"))
	out.Write([]byte("<b/>"))
	if got := s.lines(); !slices.Equal(got, []string{"<a/>", "<b/>", "status"}) {
		t.Errorf("%q", got)
	}
	g.show(&bottom{status: []part{{text: strings.Repeat("s", 50)}}, choice: []part{{text: "c"}}, input: newTyped(strings.Repeat("t", 40), nil)})
	s.narrow(20)
	g.show(&bottom{status: []part{{text: "status"}}})
	if got := s.lines(); !slices.Equal(got, []string{"<a/>", "<b/>", "status"}) {
		t.Errorf("made narrower: %q", got)
	}
	long := g.through(gated{w: s, screen: true, lines: true})
	long.Write(bytes.Repeat([]byte("x"), 3*maxTail))
	if len(long.tail) > maxTail {
		t.Errorf("%d bytes are kept", len(long.tail))
	}
}

// While another program has the terminal, traffic waits and talk does not, but is kept
// within a bound.
func TestGateLent(t *testing.T) {
	g, s := newGlass(t, 60)
	out := g.through(gated{w: s, screen: true, lines: true})
	talk := g.through(gated{w: s, screen: true, talk: true, lines: true})
	g.show(&bottom{status: []part{{text: "status"}}})
	g.lend()
	printed := make(chan struct{})
	go func() { // until giveBack
		defer close(printed)
		out.Write([]byte("traffic\n"))
	}()
	talk.Write([]byte("said\n"))
	talk.Write(bytes.Repeat([]byte("x"), maxTalk))
	g.show(&bottom{status: []part{{text: "other"}}})
	select {
	case <-printed:
		t.Error("the traffic did not wait")
	case <-time.After(20 * time.Millisecond):
	}
	if got := s.lines(); !slices.Equal(got, []string{""}) {
		t.Errorf("lent: %q", got)
	}
	g.giveBack()
	<-printed
	if got := s.lines(); !slices.Equal(got, []string{"said", "xmpplens: 65.5 kB more were said meanwhile", "traffic", "other"}) {
		t.Errorf("given back: %q", got)
	}
}
