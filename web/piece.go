package web

import (
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record/timeline"
)

const (
	rawPiece = 64 << 10 // bytes
	hexPiece = 4 << 10  // bytes
)

// piece is a part of a frame as one of the tabs shows it. The page holds one
// piece at a time, however large the frame is.
type piece struct {
	Op     string           `json:"op"`
	N      int              `json:"n"`
	As     string           `json:"as"` // pretty, raw, hex, tree
	Off    int              `json:"off"`
	Next   int              `json:"next"`             // where the piece behind it begins; 0 = there is none
	Total  int              `json:"total"`            // bytes of what As shows
	Tokens []timeline.Token `json:"tokens,omitempty"` // pretty, raw
	Groups [][2]string      `json:"groups,omitempty"` // hex: eight bytes each, in figures and as text
	From   int              `json:"from"`             // tree: the first child of Node that is in it
	Node   *branch          `json:"node,omitempty"`
	Error  string           `json:"error,omitempty"`
	masked bool             // something in the frame is secret and not shown
}

// piece answers with what is at Off of an entry.
func (p *page) piece(q request) any {
	var want struct {
		As              string
		Off, Node, From int
		Draw            bool
		Seq             int
	}
	q.into(&want)
	if want.Draw {
		l := p.leaf(q.N, want.As, want.Off, want.Node, want.From)
		l.Seq = want.Seq
		return l
	}
	e, err := oneEntry(p.source, q.N)
	if err != nil {
		return piece{Op: "piece", N: q.N, As: want.As, Error: err.Error()}
	}
	return p.server.pieceOf(e, want.As, want.Off, want.Node, want.From)
}

// pieceOf takes a piece of an entry.
func (s *Server) pieceOf(e *timeline.Entry, as string, off, node, from int) piece {
	out := piece{Op: "piece", N: e.N, As: as, Off: max(off, 0), From: max(from, 0)}
	f := e.Frame
	var spans []stanza.Span
	if !s.Secrets {
		spans = stanza.Secrets(f)
	}
	out.masked = len(spans) > 0
	switch as {
	case "pretty":
		var cut int
		out.Tokens, cut = e.Tokens(timeline.DetailsOptions{Secrets: s.Secrets, Off: out.Off, Most: maxShown})
		out.Total = out.Off + cut
		for _, t := range out.Tokens {
			out.Total += len(t[1])
		}
		if cut > 0 {
			out.Next = out.Total - cut
		}
	case "raw":
		end := out.window(f.Raw, rawPiece)
		stanza.Raw(f.Raw, out.Off, end, spans, func(c stanza.Class, b []byte) {
			out.Tokens = append(out.Tokens, timeline.Token{map[stanza.Class]string{stanza.Masked: "masked", stanza.Broken: "broken", stanza.Comment: "control"}[c], string(b)})
		})
	case "hex":
		out.Off &^= 15
		out.Groups = figures(f.Raw, out.Off, out.window(nil, hexPiece, len(f.Raw)), spans)
	case "tree":
		out.Total = len(f.Raw)
		var err error
		if out.Node, err = branchOf(f, spans, node, out.From); err != nil {
			out.Error = "This is no element, so there is no tree."
		}
	default:
		out.Error = fmt.Sprintf("there is no way %q to show an entry", as)
	}
	return out
}

// window fixes where the piece begins and ends. It cuts no letter of text.
func (o *piece) window(text []byte, size int, total ...int) (end int) {
	o.Total = len(text)
	if total != nil {
		o.Total = total[0]
	}
	start := func(at int) int {
		for k := 0; k < 4 && at > 0 && at < len(text) && !utf8.RuneStart(text[at]); k++ {
			at--
		}
		return at
	}
	o.Off = start(min(o.Off, o.Total))
	end = start(min(o.Off+size, o.Total))
	if end < o.Total {
		o.Next = end
	}
	return end
}

// figures are the bytes in hexadecimal, eight at a time, and as text: a letter of
// UTF-8 stands at its first byte, with · for those behind it. Secrets are •.
func figures(raw []byte, start, end int, spans []stanza.Span) [][2]string {
	var out [][2]string
	hidden := func(at int) bool {
		for len(spans) > 0 && spans[0].End <= at {
			spans = spans[1:]
		}
		return len(spans) > 0 && spans[0].Start <= at
	}
	follow := 0 // bytes of the letter that are still to come
	for at := start; at < end; at += 8 {
		var bytes, text strings.Builder
		for i := at; i < min(at+8, end); i++ {
			if i > at {
				bytes.WriteByte(' ')
			}
			if hidden(i) {
				bytes.WriteString("••")
				text.WriteString("•")
				follow = 0
				continue
			}
			bytes.WriteString(hex.EncodeToString(raw[i : i+1]))
			if follow > 0 {
				follow--
				text.WriteString("·")
				continue
			}
			r, n := utf8.DecodeRune(raw[i:])
			switch {
			case r == utf8.RuneError && n < 2, !unicode.IsGraphic(r), unicode.Is(unicode.M, r):
				text.WriteString(".")
			default:
				text.WriteRune(r)
				follow = n - 1
			}
		}
		out = append(out, [2]string{bytes.String(), text.String()})
	}
	return out
}
