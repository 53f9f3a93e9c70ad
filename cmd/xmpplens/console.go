package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/fatih/color"
	"github.com/mattn/go-runewidth"
	"golang.org/x/term"

	"github.com/xmpplens/xmpplens/decode/filter"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// display holds the flags of every command that prints entries.
type display struct {
	Format      string `enum:"pretty,line,raw,json,none" default:"pretty" help:"How entries are printed: ${enum}."`
	Color       string `enum:"auto,always,never" default:"auto" help:"Colours: ${enum}. NO_COLOR is honoured."`
	Filter      string `short:"f" placeholder:"EXPR" help:"Only entries that match: iq and slow > 200ms, from.bare == \"a@b\", errors, …"`
	ShowSecrets bool   `help:"Show passwords, tokens and SASL payloads instead of masking them."`
	All         bool   `help:"Show what is hidden by default, too: white space keepalives, BOSH polls, XML declarations, HTTP requests that are not XMPP."`
	Numbers     bool   `help:"Print the number of each entry in front, as note, replay and the viewer use it."`
}

// A console prints entries.
type console struct {
	out     *bufio.Writer
	format  string
	secrets bool
	all     bool
	numbers bool
	filter  *filter.Filter // nil = everything
	width   func() int     // columns; 0 = unlimited
	paint   palette
	start   time.Time
	phases  map[int]string // of the connections, as told last
	conns   int            // connections seen so far: their labels show from the second on
	day     int            // of the last time stamp printed
	printed int            // entries
	err     error          // of the first failed write; nothing more is printed then
	scratch []byte
}

type palette struct {
	cs, sc, conn, good, warn, bad, dim *color.Color
	class                              [16]*color.Color
}

// check reports what is wrong with the flags.
func (d display) check() (*filter.Filter, error) {
	if d.Filter == "" {
		return nil, nil
	}
	f, err := filter.Compile(d.Filter)
	if err != nil {
		return nil, &usageError{err, hintOf(err)}
	}
	return f, nil
}

// newConsole prints the entries that are chosen to w; nil chooses all.
func newConsole(w io.Writer, d display, chosen *filter.Filter, start time.Time) *console {
	c := &console{filter: chosen, phases: make(map[int]string), out: bufio.NewWriterSize(w, 32<<10), format: d.Format, secrets: d.ShowSecrets, all: d.All, numbers: d.Numbers, start: start, width: func() int { return 0 }}
	f, isFile := w.(*os.File)
	terminal := isFile && term.IsTerminal(int(f.Fd()))
	if terminal {
		c.width = func() int {
			n, _, err := term.GetSize(int(f.Fd()))
			if err != nil {
				return 0
			}
			return n
		}
	}
	c.paint = newPalette(colored(d, terminal))
	return c
}

// colored reports whether there are to be colours.
func colored(d display, terminal bool) bool {
	return d.Color == "always" || d.Color == "auto" && terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// newPalette chooses from the sixteen colours that every terminal maps to its
// own theme. Blue and yellow stay apart for every kind of colour blindness,
// and the arrow says the same without colour.
func newPalette(colored bool) palette {
	make := func(a ...color.Attribute) *color.Color {
		c := color.New(a...)
		if colored {
			c.EnableColor()
		} else {
			c.DisableColor()
		}
		return c
	}
	p := palette{
		cs: make(color.FgHiBlue, color.Bold), sc: make(color.FgYellow, color.Bold), conn: make(color.FgMagenta),
		good: make(color.FgGreen), warn: make(color.FgYellow), bad: make(color.FgRed, color.Bold), dim: make(color.Faint),
	}
	p.class[stanza.Punct] = make(color.Faint)
	p.class[stanza.ElementName] = make(color.FgCyan)
	p.class[stanza.AttrName] = make(color.FgGreen)
	p.class[stanza.Value] = make(color.FgMagenta)
	p.class[stanza.Namespace] = make(color.Faint)
	p.class[stanza.Comment] = make(color.Faint, color.Italic)
	p.class[stanza.Masked] = make(color.FgYellow, color.Italic)
	p.class[stanza.Broken] = make(color.FgRed, color.ReverseVideo)
	return p
}

// print shows one entry. Errors of the writer stick.
func (c *console) print(e *timeline.Entry) {
	if c.err != nil {
		return
	}
	if e.Kind == "open" {
		c.conns++
	}
	if c.filter != nil && !e.Matches(c.filter) {
		return
	}
	phase := ""
	if e.Conn > 0 && e.Facts.Phase != c.phases[e.Conn] && e.Dir != "" {
		phase = e.Facts.Phase
		c.phases[e.Conn] = phase
	}
	switch c.format {
	case "none":
	case "json":
		c.scratch = e.JSON(c.scratch[:0], timeline.JSONOptions{Start: c.start, Secrets: c.secrets})
		c.out.Write(c.scratch)
		c.out.WriteByte('\n')
		c.printed++
	default:
		if !c.all && c.filter == nil && e.Quiet() {
			return
		}
		c.printed++
		c.line(e, phase)
		if c.format == "pretty" {
			c.body(e)
		}
	}
}

func (c *console) flush() error {
	if err := c.out.Flush(); err != nil && c.err == nil {
		c.err = err
	}
	return c.err
}

// line prints the entry's first line: time, connection, direction, summary.
func (c *console) line(e *timeline.Entry, phase string) {
	at := c.start.Add(e.T).Local()
	if day := at.YearDay(); day != c.day {
		c.day = day
		fmt.Fprintln(c.out, c.paint.dim.Sprint(at.Format("Monday 2006-01-02")))
	}
	stamp := at.Format("15:04:05.000")
	if c.numbers {
		stamp = fmt.Sprintf("%6d %s", e.N, stamp)
	}
	used := len(stamp) + 1
	fmt.Fprint(c.out, c.paint.dim.Sprint(stamp), " ")
	if c.conns > 1 && e.Conn > 0 {
		label := fmt.Sprintf("#%d ", e.Conn)
		used += len(label)
		fmt.Fprint(c.out, c.paint.conn.Sprint(label))
	}
	used += 2
	text, tint := e.Stanza.Summary, (*color.Color)(nil)
	if e.Dir == "" {
		tint = c.paint.connection(e)
	}
	switch {
	case e.Way() == record.CS:
		fmt.Fprint(c.out, c.paint.cs.Sprint("→"), " ")
	case e.Way() == record.SC:
		fmt.Fprint(c.out, c.paint.sc.Sprint("←"), " ")
	default:
		fmt.Fprint(c.out, tint.Sprint(mark(e)), " ")
	}
	if e.Dir != "" {
		if e.Stanza.Error != nil || e.Kind == "junk" || e.Frame.Err != nil {
			tint = c.paint.bad
		}
		if e.Edited || e.Injected {
			text = changeText(e) + " " + text
		}
	}
	worst := ""
	for _, f := range e.Facts.Findings {
		if worst == "" || rank[f.Severity] > rank[worst] {
			worst = f.Severity
		}
	}
	if worst == track.Error {
		tint = c.paint.bad
	} else if worst == track.Warning && tint == nil {
		tint = c.paint.warn
	}
	aside := c.aside(e, phase)
	if n := c.width(); n > 0 {
		room := n - used - runewidth.StringWidth(aside)
		if c.format == "line" {
			text = runewidth.Truncate(text, max(room, 20), "…")
		} else {
			text = wrap(text, room, used)
		}
	}
	if tint != nil {
		text = tint.Sprint(text)
	}
	if aside != "" {
		aside = c.paint.dim.Sprint(aside)
	}
	fmt.Fprintln(c.out, text+aside)
}

// rank orders severities.
var rank = map[string]int{track.Note: 1, track.Warning: 2, track.Error: 3}

// aside is what stands dimmed behind the summary: the phase that begins, how long an answer took, the
// XEPs of the payloads, the codes of findings where they are not spelled out.
func (c *console) aside(e *timeline.Entry, phase string) string {
	var parts []string
	if phase != "" {
		parts = append(parts, "["+phase+"]")
	}
	if e.Facts.HasLatency {
		parts = append(parts, milliseconds(e.Facts.Latency))
	}
	for _, p := range e.Stanza.Payloads {
		if strings.HasPrefix(p.XEP, "XEP-") && !slices.Contains(parts, p.XEP) && len(parts) < 4 {
			parts = append(parts, p.XEP)
		}
	}
	if c.format == "line" {
		for _, f := range e.Facts.Findings {
			parts = append(parts, "✗ "+f.Code)
		}
	}
	if parts == nil {
		return ""
	}
	return "  " + strings.Join(parts, " ")
}

func milliseconds(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1e3)
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

// wrap breaks a summary at blanks so that it stays in its column.
func wrap(text string, width, indent int) string {
	if width < 20 || runewidth.StringWidth(text) <= width {
		return text
	}
	var b strings.Builder
	used := 0
	for i, word := range strings.Split(text, " ") {
		w := runewidth.StringWidth(word)
		switch {
		case i == 0:
		case used+1+w > width:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			used = 0
		default:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += w
	}
	return b.String()
}

// maxReason bounds a hint or a reason, in characters.
const maxReason = 4 << 10

// mark is a sign for entries that are about a connection, not from a stream.
func mark(e *timeline.Entry) string {
	switch {
	case e.Kind == "open":
		return "●"
	case e.Kind == "close":
		return "○"
	case e.Kind == "secure", e.Kind == "compress":
		return "▣"
	case e.Event.Level == "error":
		return "✗"
	case e.Event.Level == "warning":
		return "!"
	case e.Kind == record.EventNote && e.By == record.ByUser:
		return "✎"
	}
	return "·"
}

// connection is how an entry looks that is about a connection.
func (p *palette) connection(e *timeline.Entry) *color.Color {
	switch {
	case e.Kind == "note" && e.Event.Level == "error", e.Kind == "close" && e.Event.Error != "":
		return p.bad
	case e.Kind == "note" && e.Event.Level == "warning":
		return p.warn
	case e.Kind == "secure":
		return p.good
	case e.Kind == record.EventNote && e.By == record.ByUser:
		return p.conn
	}
	return p.dim
}

// changeText says what the proxy did to the frame.
func changeText(e *timeline.Entry) string {
	switch {
	case e.Injected:
		return "[injected by " + e.By + "]"
	case len(e.Sent) == 0:
		return "[not passed on]"
	}
	return "[changed by " + e.By + "]"
}

// body prints the XML of an entry, indented below its line.
func (c *console) body(e *timeline.Entry) {
	c.findings(e)
	if e.Dir == "" {
		if e.Event.Hint != "" {
			fmt.Fprintln(c.out, c.paint.dim.Sprint("             hint: ")+stanza.Clean(e.Event.Hint, maxReason))
		}
		return
	}
	c.xml(e, "    ")
	if e.Why != "" {
		fmt.Fprintln(c.out, "    "+c.paint.warn.Sprint("why: ")+stanza.Clean(e.Why, maxReason))
	}
	if e.Edited && len(e.Sent) > 0 {
		sent := *e
		sent.Frame.Raw, sent.Frame.Err = e.Sent, nil
		fmt.Fprintln(c.out, "    "+c.paint.warn.Sprint("sent on as:"))
		c.xml(&sent, "    ")
	}
}

// findings prints the diagnostics of an entry below its line.
func (c *console) findings(e *timeline.Entry) {
	for _, f := range e.Facts.Findings {
		tint := c.paint.dim
		switch f.Severity {
		case track.Error:
			tint = c.paint.bad
		case track.Warning:
			tint = c.paint.warn
		}
		const indent = 4
		text := f.Severity + " " + f.Code + ": " + f.Text + " (" + f.Ref + ")"
		if n := c.width(); n > 0 {
			text = wrap(text, n-indent-2, indent+2)
		}
		fmt.Fprintln(c.out, strings.Repeat(" ", indent)+tint.Sprint("✗ "+text))
	}
}

func (c *console) xml(e *timeline.Entry, indent string) {
	w := &indenter{out: c.out, indent: indent, start: true}
	var secrets []stanza.Span
	if !c.secrets {
		secrets = stanza.Secrets(e.Frame)
	}
	width := 100
	if n := c.width(); n > 0 {
		width = max(n, 40)
	}
	stanza.Pretty(e.Frame, stanza.PrettyOptions{Width: width - len(indent), Indent: "  ", Secrets: secrets}, func(k stanza.Class, b []byte) {
		w.write(c.paint.class[k], b)
	})
	w.end()
}

// indenter puts an indent in front of each line and colours no line end, which
// some terminals would paint to the right margin.
type indenter struct {
	out    *bufio.Writer
	indent string
	start  bool
}

func (w *indenter) write(tint *color.Color, b []byte) {
	for len(b) > 0 {
		line, rest, more := bytes.Cut(b, []byte("\n"))
		if len(line) > 0 {
			if w.start {
				w.out.WriteString(w.indent)
				w.start = false
			}
			if tint != nil {
				tint.Fprint(w.out, string(line))
			} else {
				w.out.Write(line)
			}
		}
		if more {
			w.out.WriteByte('\n')
			w.start = true
		}
		b = rest
	}
}

func (w *indenter) end() {
	if !w.start {
		w.out.WriteByte('\n')
	}
}

// raw writes the bytes of an entry as they were received, secrets masked.
func (c *console) raw(e *timeline.Entry) {
	if e.Injected {
		return
	}
	b := e.Frame.Raw
	if !c.secrets {
		b = stanza.Mask(b, stanza.Secrets(e.Frame))
	}
	c.out.Write(b)
}
