package web

import (
	"errors"
	"slices"
	"strings"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/record/timeline"
)

const (
	maxShown = 256 << 10 // bytes of a frame that the page gets
	maxLinks = 24        // entries that are linked to, with what they say
	farPart  = 16        // entries between two parts of a large stanza
)

// details are an entry in full.
type details struct {
	Op    string `json:"op"`
	At    int    `json:"at"`
	Known int    `json:"known"`
	timeline.Details
	Later    []track.Relation          `json:"later"`    // what points here
	Links    []link                    `json:"links"`    // Related and Later, and the parts of a large stanza
	Unfolded []stanza.Unfolded         `json:"unfolded"` // what is inside in other forms
	Meanings map[string]stanza.Meaning `json:"meanings"` // of "element attribute", and of namespaces
	Change   *change                   `json:"change,omitempty"`
	Size     int                       `json:"bytes"`  // of the frame; 0 = there is none
	Masked   bool                      `json:"masked"` // something in it is secret and not shown
	Whole    bool                      `json:"whole"`  // a whole element, of which a test can be made
	Error    string                    `json:"error,omitempty"`
}

// link is an entry that has to do with the one that is shown.
type link struct {
	Kind    string  `json:"kind"`
	N       int     `json:"n"`
	Summary string  `json:"summary,omitempty"`
	Dir     string  `json:"dir,omitempty"`
	After   float64 `json:"after"` // seconds from the one that is shown on; less than 0 = before it
}

// inverse says a relation from the other end.
var inverse = map[string]string{
	track.Answers: "answered by", track.Acks: "acknowledged by", track.Resends: "sent again as", track.Carbon: "carbon in", track.Archived: "in the archive as", track.Receipt: "receipt in",
	track.Marks: "marked by", track.Corrects: "corrected by", track.Replies: "reply in", track.Reacts: "reaction in", track.Refuses: "refused by", track.Login: "goes on in", track.NoteOn: "note",
	track.Delivers: "delivered as",
	track.Verifies: "verified by", track.RestsOn: "decides",
}

// entry answers with the details of the entry at a place, or with a number; to a
// page, which says as what it shows entries, as they are drawn.
func (p *page) entry(q request) any {
	var want struct {
		As  string
		Seq int
	}
	q.into(&want)
	if q.N == 0 {
		q.N = p.chosen.number(q.At)
	}
	d := p.server.entryOf(p.source, q.N)
	d.At = q.At
	if want.As != "" {
		drawn := p.sheet(&d, want.As)
		drawn.Seq = want.Seq
		return drawn
	}
	return d
}

// oneEntry returns the entry with a number.
func oneEntry(source Source, n int) (*timeline.Entry, error) {
	entries, err := source.Entries(n, 1)
	if err == nil && (n < 1 || len(entries) == 0) {
		err = errors.New("there is no such entry")
	}
	if err != nil {
		return nil, err
	}
	return entries[0], nil
}

func (s *Server) entryOf(source Source, n int) details {
	d := details{Op: "entry", Known: source.Status().Known, Later: []track.Relation{}, Links: []link{}, Unfolded: []stanza.Unfolded{}}
	e, err := oneEntry(source, n)
	if err != nil {
		d.Details = new(timeline.Entry).Details(timeline.DetailsOptions{})
		d.Row.N, d.Fields, d.Error = n, [][2]string{}, err.Error()
		return d
	}
	d.Details = e.Details(timeline.DetailsOptions{Start: source.Start(), Secrets: s.Secrets, Most: maxShown})
	for _, r := range e.Later {
		d.Later = append(d.Later, track.Relation{Kind: inverse[r.Kind], N: r.N})
	}
	for _, r := range slices.Concat(d.Related, d.Later) {
		d.Links = append(d.Links, link{Kind: r.Kind, N: r.N})
	}
	d.Links = append(d.Links, parts(source, e)...)
	for i := range d.Links[:min(len(d.Links), maxLinks)] {
		l := &d.Links[i]
		if other, err := oneEntry(source, l.N); err == nil {
			row := other.Row()
			l.Summary, l.Dir, l.After = row.Summary, row.Dir, (other.T - e.T).Seconds()
		}
	}
	d.Change = changeOf(e, d.XML, d.Sent)
	if e.Dir == "" {
		return d
	}
	d.Size = len(e.Frame.Raw)
	d.Masked = !s.Secrets && len(stanza.Secrets(e.Frame)) > 0
	d.Whole = e.Frame.Kind == decode.Element && e.Frame.Part == decode.Whole && e.Stanza.Root() != nil
	root := rootOf(e)
	d.Meanings = stanza.Meanings(root)
	d.Unfolded = append(d.Unfolded, stanza.Unfold(e.Frame, root, s.Secrets)...)
	return d
}

// rootOf is what can be explained of an entry: its element, or the header of a stream.
func rootOf(e *timeline.Entry) *stanza.Node {
	root := e.Stanza.Root()
	if root == nil && e.Frame.Kind == decode.Header {
		root, _ = stanza.Tree(e.Frame)
	}
	return root
}

// parts links the parts of a stanza that is too large to be one entry.
func parts(source Source, e *timeline.Entry) []link {
	var out []link
	look := func(kind string, by int) {
		for n := e.N + by; n > 0 && n != e.N+by*farPart; n += by {
			other, err := oneEntry(source, n)
			if err != nil {
				return
			}
			if other.Conn == e.Conn && other.Dir == e.Dir && other.Frame.Part != decode.Whole {
				out = append(out, link{Kind: kind, N: n})
				return
			}
		}
	}
	if e.Frame.Part == decode.Middle || e.Frame.Part == decode.Last {
		look("goes on from", -1)
	}
	if e.Frame.Part == decode.First || e.Frame.Part == decode.Middle {
		look("goes on in", 1)
	}
	return out
}

// standalone returns an element with the namespaces that it has from its stream,
// so that it can be read by itself.
func standalone(f decode.Frame, raw []byte) []byte {
	end := 1 + strings.IndexAny(string(raw[1:min(len(raw), 4096)]), " \t\r\n/>")
	root, err := stanza.Tree(f)
	if end < 2 || err != nil || f.Stream == nil {
		return raw
	}
	own := make(map[string]bool)
	for _, a := range root.Declared() {
		own[a.Name] = true
	}
	var add strings.Builder
	for _, b := range f.Stream.Bindings {
		name := strings.TrimSuffix("xmlns:"+b.Prefix, ":")
		if own[name] || b.Prefix != "" && !strings.Contains(string(raw), b.Prefix+":") || b.Prefix == "xml" {
			continue
		}
		own[name] = true
		add.WriteString(" " + name + "='" + quoting.Replace(b.URI) + "'")
	}
	return slices.Concat(raw[:end], []byte(add.String()), raw[end:])
}
