package export

import (
	"bufio"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// The page is made of these files as they are.
var (
	//go:embed page/page.html
	pageHTML string
	//go:embed page/page.css
	pageCSS string
	//go:embed page/page.js
	pageJS string
)

const (
	// piece is how many entries stand in one script element.
	piece = 200
	// maxShown bounds the XML of one entry in the page, in bytes.
	maxShown = 64 << 10
)

// A Page is one HTML file that holds a timeline and the program that shows it.
// Nothing in it leads anywhere: a policy forbids to load, and allows the one
// script and the one style sheet by their hashes. What was said stands there as
// JSON, in which "<" is escaped, and becomes text nodes.
type Page struct {
	Options
	out     *bufio.Writer
	rows    []pageRow
	details []pageDetails
	conns   []pageConn
	known   map[int]bool // connections that are in conns
	classes map[string]int
	names   []string
}

// maxConns bounds the connections that can be chosen in the page.
const maxConns = 10_000

// pageRow is what the list and its filter need of an entry.
type pageRow struct {
	timeline.Row
	From    string `json:"from,omitempty"`
	To      string `json:"to,omitempty"`
	Answers int    `json:"answers,omitempty"` // the number of the request
}

// pageDetails are the rest. XML is one text, and for its colours runs of class
// and length, in UTF-16 as the browser counts.
type pageDetails struct {
	Fields   [][2]string      `json:"fields"`
	Payloads any              `json:"payloads"`
	Findings []track.Finding  `json:"findings"`
	Related  []track.Relation `json:"related"`
	X        string           `json:"x"`
	XC       []int            `json:"xc"`
	SX       string           `json:"sx,omitempty"` // what was sent on instead
	SXC      []int            `json:"sxc,omitempty"`
	Cut      int              `json:"cut,omitempty"`
}

type pageConn struct {
	Conn   int    `json:"conn"`
	Label  string `json:"label"`
	Client string `json:"client"`
	Server string `json:"server"`
}

// NewPage begins a page.
func NewPage(w io.Writer, o Options) (*Page, error) {
	p := &Page{Options: o, out: bufio.NewWriterSize(w, 256<<10), known: make(map[int]bool), classes: make(map[string]int)}
	fmt.Fprintf(p.out, `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'sha256-%s'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>%s · xmpplens</title>
<style>%s</style>
</head>
%s`, sum(pageJS), sum(pageCSS), html.EscapeString(o.Title), pageCSS, strings.TrimRight(pageHTML, "\n"))
	return p, nil
}

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(h[:])
}

func (p *Page) Event(record.Event) error { return nil }

func (p *Page) Entry(e *timeline.Entry, extra bool) error {
	if e.Conn > 0 && !p.known[e.Conn] && len(p.conns) < maxConns {
		p.known[e.Conn] = true
		c := pageConn{Conn: e.Conn}
		if e.Kind == record.EventOpen {
			c.Client, c.Server = e.Event.Client, e.Event.Server
			c.Label = strings.TrimSpace(e.Event.Kind + " " + c.Client)
		}
		p.conns = append(p.conns, c)
	}
	if extra {
		return nil
	}
	d := e.Details(timeline.DetailsOptions{Start: p.Header.Time, Secrets: p.Secrets, Most: maxShown})
	row := pageRow{Row: d.Row, From: e.Stanza.From, To: e.Stanza.To}
	for _, r := range d.Related {
		if r.Kind == track.Answers {
			row.Answers = r.N
		}
	}
	out := pageDetails{Fields: d.Fields, Payloads: d.Payloads, Findings: d.Findings, Related: d.Related, Cut: d.Cut}
	out.X, out.XC = p.runs(d.XML)
	out.SX, out.SXC = p.runs(d.Sent)
	p.rows = append(p.rows, row)
	p.details = append(p.details, out)
	if len(p.rows) == piece {
		return p.flush()
	}
	return nil
}

// runs joins tokens.
func (p *Page) runs(tokens []timeline.Token) (string, []int) {
	var text strings.Builder
	runs := make([]int, 0, 2*len(tokens))
	for _, t := range tokens {
		class, ok := p.classes[t[0]]
		if !ok {
			class = len(p.names)
			p.classes[t[0]] = class
			p.names = append(p.names, t[0])
		}
		s := strings.ToValidUTF8(t[1], "\ufffd") // as JSON would
		text.WriteString(s)
		n := 0
		for _, r := range s {
			n += utf16.RuneLen(r)
		}
		runs = append(runs, class, n)
	}
	return text.String(), runs
}

func (p *Page) flush() error {
	if len(p.rows) == 0 {
		return nil
	}
	if err := p.script(`class="rows"`, p.rows); err != nil {
		return err
	}
	err := p.script(`class="details"`, p.details)
	p.rows, p.details = p.rows[:0], p.details[:0]
	return err
}

// script writes data. encoding/json escapes <, > and &, so that nothing in it
// ends the element.
func (p *Page) script(attr string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.out, "\n<script type=\"application/json\" %s>", attr)
	p.out.Write(b)
	_, err = p.out.WriteString("</script>")
	return err
}

func (p *Page) Finish() error {
	if err := p.flush(); err != nil {
		return err
	}
	if p.conns == nil {
		p.conns = []pageConn{}
	}
	if err := p.script(`id="conns"`, p.conns); err != nil {
		return err
	}
	made := "recorded " + p.Header.Time.Format("2006-01-02 15:04:05 MST")
	if p.Secrets {
		made += ", secrets are shown"
	} else {
		made += ", secrets are masked"
	}
	if !p.Choice.All() {
		made += ", a part"
	}
	if p.Tool != "" {
		made += ", by " + p.Tool
	}
	about := struct {
		Title   string   `json:"title"`
		Start   string   `json:"start"`
		Made    string   `json:"made"`
		Piece   int      `json:"piece"`
		Classes []string `json:"classes"`
	}{p.Title, p.Header.Time.Format(time.RFC3339Nano), made, piece, append([]string{}, p.names...)}
	if err := p.script(`id="about"`, about); err != nil {
		return err
	}
	fmt.Fprintf(p.out, "\n<script>%s</script>\n</body>\n</html>\n", pageJS)
	return p.out.Flush()
}
