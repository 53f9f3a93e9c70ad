package timeline

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/record"
)

// A Row is an entry as a line of a list on a screen.
type Row struct {
	N       int      `json:"n"`
	T       float64  `json:"t"` // seconds since the start
	Conn    int      `json:"conn"`
	Dir     string   `json:"dir"`
	Sign    string   `json:"sign"` // of the direction, or what it is instead
	Kind    string   `json:"kind"`
	Summary string   `json:"summary"`
	Size    int      `json:"size"`
	Latency float64  `json:"latency,omitempty"` // milliseconds
	Outcome string   `json:"outcome,omitempty"` // unless passed
	Level   string   `json:"level,omitempty"`   // warning, error
	Codes   []string `json:"codes,omitempty"`   // of findings
	XEPs    []string `json:"xeps,omitempty"`    // of the payloads
	Quiet   bool     `json:"quiet,omitempty"`   // what matters only to those who look for it
	Class   string   `json:"class"`
	Noted   bool     `json:"noted,omitempty"` // there is a note on it
	On      int      `json:"on,omitempty"`    // a note: the entry that it is on
}

// signs are those of directions, and of what has none.
var signs = map[string]string{
	string(record.CS): "→", string(record.SC): "←",
	record.EventOpen: "●", record.EventClose: "○", record.EventSecure: "▣", record.EventCompress: "▤", record.EventNote: "◆",
}

// Row returns the entry as a line of a list.
func (e *Entry) Row() Row {
	r := Row{N: e.N, T: e.T.Seconds(), Conn: e.Conn, Dir: string(e.Way()), Kind: e.Kind, Summary: e.Stanza.Summary, Size: len(e.Frame.Raw), Level: e.Event.Level, Class: e.Class().String(),
		Noted: slices.ContainsFunc(e.Later, func(r track.Relation) bool { return r.Kind == track.NoteOn })}
	r.Sign = cmp.Or(signs[r.Dir], signs[r.Kind], "·")
	if e.Kind == record.EventNote && e.Event.By == record.ByUser {
		r.On = int(e.Event.N)
	}
	switch {
	case e.Quiet(), e.Kind == "nonza" && strings.HasPrefix(e.Stanza.NS, "urn:xmpp:sm:") && len(e.Stanza.Name) == 1:
		r.Quiet = true
	}
	if e.Facts.HasLatency {
		r.Latency = float64(e.Facts.Latency.Microseconds()) / 1e3
	}
	if o := e.Outcome(); o != "passed" {
		r.Outcome = o
	}
	for _, p := range e.Stanza.Payloads {
		if strings.HasPrefix(p.XEP, "XEP-") && !slices.Contains(r.XEPs, p.XEP) && len(r.XEPs) < 3 {
			r.XEPs = append(r.XEPs, p.XEP)
		}
	}
	for _, f := range e.Facts.Findings {
		switch f.Severity {
		case track.Error:
			r.Level = "error"
		case track.Warning:
			if r.Level == "" {
				r.Level = "warning"
			}
		}
		r.Codes = append(r.Codes, f.Code)
	}
	if e.Stanza.Error != nil || e.Frame.Err != nil || e.Event.E == "close" && e.Event.Error != "" {
		r.Level = "error"
	}
	return r
}

// Details are an entry in full, for a screen.
type Details struct {
	Row      Row              `json:"row"`
	Fields   [][2]string      `json:"fields"` // name and value, of what is not empty
	Payloads []stanza.Payload `json:"payloads"`
	Findings []track.Finding  `json:"findings"`
	Related  []track.Relation `json:"related"`
	XML      []Token          `json:"xml"`
	Sent     []Token          `json:"sent,omitempty"` // what was sent on instead
	Cut      int              `json:"cut,omitempty"`  // bytes that are not shown
}

// A Token is a coloured piece of XML: class and text.
type Token [2]string

// classNames are the classes of tokens, as style sheets name them.
var classNames = map[stanza.Class]string{
	stanza.Punct: "punct", stanza.ElementName: "element", stanza.AttrName: "attr", stanza.Value: "value", stanza.Text: "text",
	stanza.Namespace: "ns", stanza.Comment: "comment", stanza.Masked: "masked", stanza.Broken: "broken", stanza.Space: "",
}

// DetailsOptions are how Details are made.
type DetailsOptions struct {
	Start   time.Time // of the recording
	Secrets bool      // show them; they are masked otherwise
	Off     int       // bytes of XML, as it is printed, that are left out at its beginning
	Most    int       // and those that are wanted from there on
}

// Details returns all that a screen shows of the entry but Later, which only an
// Index knows. No list in it is nil.
func (e *Entry) Details(o DetailsOptions) Details {
	d := Details{Row: e.Row(), Fields: [][2]string{}, XML: []Token{},
		Payloads: append([]stanza.Payload{}, e.Stanza.Payloads...),
		Findings: append([]track.Finding{}, e.Facts.Findings...),
		Related:  append([]track.Relation{}, e.Facts.Related...)}
	for _, f := range [][2]string{
		{"time", o.Start.Add(e.T).Format("2006-01-02 15:04:05.000000")},
		{"type", e.Stanza.Type},
		{"id", e.Stanza.ID},
		{"from", e.Stanza.From},
		{"to", e.Stanza.To},
		{"namespace", e.Stanza.NS},
		{"phase", e.Facts.Phase},
		{"outcome", d.Row.Outcome},
		{"by", e.By},
		{"why", e.Why},
		{"hint", e.Event.Hint},
	} {
		if f[1] != "" {
			d.Fields = append(d.Fields, f)
		}
	}
	if e.Dir == "" {
		return d
	}
	d.XML, d.Cut = o.tokens(e.Frame)
	if e.Edited {
		sent := e.Frame
		sent.Raw, sent.Err = e.Sent, nil
		d.Sent, _ = o.tokens(sent)
	}
	return d
}

// Tokens prints what was received, from Off on, and tells how many bytes there are
// behind what it prints.
func (e *Entry) Tokens(o DetailsOptions) (out []Token, cut int) { return o.tokens(e.Frame) }

// Coloured colours XML as it is written, whole or not yet.
func Coloured(xml string) (out []Token) {
	stanza.Tokens([]byte(xml), nil, func(c stanza.Class, b []byte) { out = append(out, Token{classNames[c], string(b)}) })
	return out
}

// tokens prints a frame, cut where it is too long.
func (o *DetailsOptions) tokens(f decode.Frame) (out []Token, cut int) {
	out = []Token{}
	var spans []stanza.Span
	if !o.Secrets {
		spans = stanza.Secrets(f)
	}
	skip, size := o.Off, 0
	stanza.Pretty(f, stanza.PrettyOptions{Width: 88, Secrets: spans}, func(c stanza.Class, b []byte) {
		over := min(skip, len(b))
		for over > 0 && over < len(b) && !utf8.RuneStart(b[over]) {
			over-- // Off is inside a letter
		}
		skip -= min(skip, len(b))
		if b = b[over:]; len(b) == 0 {
			return
		}
		if size += len(b); size > o.Most {
			over := min(size-o.Most, len(b))
			for over < len(b) && !utf8.RuneStart(b[len(b)-over]) {
				over++
			}
			cut += over
			if b = b[:len(b)-over]; len(b) == 0 {
				return
			}
		}
		name := classNames[c]
		if n := len(out); n > 0 && out[n-1][0] == name {
			out[n-1][1] += string(b)
			return
		}
		out = append(out, Token{name, string(b)})
	})
	return out, cut
}
