package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"
)

// Status of a check.
const (
	statusOK      = "ok"
	statusNone    = "none"    // is not there, and need not be
	statusWarning = "warning" // is there, and somebody should know
	statusFailed  = "failed"
)

var marks = map[string]string{statusOK: "✓", statusNone: "·", statusWarning: "!", statusFailed: "✗"}

// A probe is one thing that doctor looked at.
type probe struct {
	Status string   `json:"status"`
	Name   string   `json:"name"`
	Text   string   `json:"text"`
	Values []string `json:"values,omitempty"`
}

// A section is checks that belong together. One goroutine fills it.
type section struct {
	Title  string  `json:"title"`
	Checks []probe `json:"checks"`
}

func (s *section) add(status, name, format string, args ...any) {
	s.Checks = append(s.Checks, probe{Status: status, Name: name, Text: fmt.Sprintf(format, args...)})
}

// list is add with one value a line.
func (s *section) list(status, name, text string, values []string) {
	s.Checks = append(s.Checks, probe{status, name, text, values})
}

// A way is one of the ways of looking.
type way struct {
	Way     string `json:"way"`
	Works   string `json:"works"` // yes, partly, no
	Why     string `json:"why"`
	Command string `json:"command,omitempty"`
}

// A report is what doctor found.
type report struct {
	Domain    string      `json:"domain,omitempty"`
	Sections  []*section  `json:"sections"`
	Offers    []*offering `json:"offers,omitempty"`
	Endpoints []endpoint  `json:"endpoints,omitempty"`
	Escapes   []string    `json:"escapes,omitempty"`
	Ways      []way       `json:"ways,omitempty"`
	Client    string      `json:"client,omitempty"`
	Recipe    []recipe    `json:"recipe,omitempty"`
	Hint      string      `json:"hint,omitempty"`
}

// begin starts a section.
func (r *report) begin(title string) *section {
	s := &section{Title: title}
	r.Sections = append(r.Sections, s)
	return s
}

func (r *report) json(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

const (
	paper      = 80 // columns; only what is to be copied goes beyond
	nameColumn = 22
)

func (r *report) text(w io.Writer) {
	p := &sheet{w: w}
	for _, s := range r.Sections {
		if len(s.Checks) == 0 {
			continue
		}
		p.head(s.Title)
		for _, c := range s.Checks {
			p.row(marks[c.Status], c.Name, strings.Join(append([]string{c.Text}, c.Values...), "\n"))
		}
	}
	if len(r.Escapes) > 0 {
		p.head("Ways past the proxy")
		for _, e := range r.Escapes {
			p.item("! ", e)
		}
	}
	if len(r.Ways) > 0 {
		p.head("Ways of looking")
		for _, v := range r.Ways {
			p.row(map[string]string{"yes": "✓", "partly": "!", "no": "✗"}[v.Works], v.Way, v.Why)
			if v.Command != "" && v.Works != "no" {
				p.line("      " + v.Command)
			}
		}
	}
	for _, x := range r.Recipe {
		p.head(x.Title)
		if x.Text != "" {
			p.item("", x.Text)
		}
		for _, l := range x.Lines {
			p.line("      " + l)
		}
	}
	if r.Hint != "" {
		p.gap()
		p.item("", r.Hint)
	}
}

// sheet writes lines that fit.
type sheet struct {
	w     io.Writer
	began bool
}

// line makes visible what could drive a terminal: much comes from elsewhere.
func (p *sheet) line(s string) {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return '\ufffd'
		}
		return r
	}, s)
	fmt.Fprintln(p.w, s)
	p.began = true
}

// word quotes what a shell would understand.
func word(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_./:@%+=,[]", r))
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func (p *sheet) gap() {
	if p.began {
		p.line("")
	}
}

func (p *sheet) head(title string) {
	p.gap()
	p.line(title)
}

// row has a mark and a name in columns of their own.
func (p *sheet) row(mark, name, text string) {
	indent := strings.Repeat(" ", 4+nameColumn)
	first := "  " + mark + " " + runewidth.FillRight(name, nameColumn)
	if runewidth.StringWidth(name) >= nameColumn {
		p.line("  " + mark + " " + name)
		first = indent
	}
	for i, l := range paragraphs(text, paper-len(indent)) {
		if i > 0 {
			first = indent
		}
		p.line(strings.TrimRight(first+l, " "))
	}
}

// item is a paragraph, the lead stands before its first line.
func (p *sheet) item(lead, text string) {
	for i, l := range paragraphs(text, paper-2-len(lead)) {
		if i > 0 {
			lead = strings.Repeat(" ", len(lead))
		}
		p.line("  " + lead + l)
	}
}

// paragraphs breaks text into lines of at most width columns, between words; a
// word that is longer has a line of its own.
func paragraphs(text string, width int) []string {
	var out []string
	for part := range strings.SplitSeq(text, "\n") {
		out = append(out, strings.Split(wrap(part, width, 0), "\n")...)
	}
	return out
}
