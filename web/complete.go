package web

import (
	"cmp"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xmpplens/xmpplens/decode/filter"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// This file helps to write filters: it knows the values that entries have, and
// adds them to a filter.

const (
	maxWords     = 2000 // values of a field that are kept
	maxWord      = 300  // bytes of one
	maxCompleted = 50   // values in one answer

	glance = 15 * time.Millisecond // at entries, for one answer
)

// A vocabulary counts the values of a recording, for one page. It looks at some entries each
// time that it is asked, here and there and then more closely, so that a long
// recording is never gone through for a key that is pressed.
type vocabulary struct {
	seen   map[int]bool              // blocks of atOnce entries
	at     int                       // how many places of the order there were
	blocks int                       // of the order
	words  map[string]map[string]int // by field, then value
}

// valuesOf are the values of an entry, by names of the filter language.
func valuesOf(e *timeline.Entry) (out [][2]string) {
	add := func(field, value string) {
		if value != "" && !slices.Contains(out, [2]string{field, value}) {
			out = append(out, [2]string{field, value})
		}
	}
	s := &e.Stanza
	add("kind", s.Kind)
	add("dir", string(e.Way()))
	if e.Conn > 0 {
		add("conn", strconv.Itoa(e.Conn))
	}
	for _, jid := range [][2]string{{"from", s.From}, {"to", s.To}} {
		parts := stanza.SplitJID(jid[1])
		bare, _, _ := strings.Cut(jid[1], "/")
		add(jid[0], jid[1])
		add(jid[0]+".bare", bare)
		add(jid[0]+".domain", parts.Domain)
	}
	add("name", s.Name)
	add("type", s.Type)
	add("id", s.ID)
	add("ns", s.NS)
	for _, p := range s.Payloads {
		add("payload", p.NS)
		if n, ok := strings.CutPrefix(p.XEP, "XEP-"); ok {
			add("xep", strings.TrimLeft(n, "0"))
		}
	}
	if s.Error != nil {
		add("error", s.Error.Condition)
	}
	for _, f := range e.Facts.Findings {
		add("finding", f.Code)
	}
	add("phase", e.Facts.Phase)
	add("outcome", e.Outcome())
	return out
}

// add counts a value. When there are too many, those that are rare go.
func (v *vocabulary) add(field, value string) {
	if field == "id" || len(value) > maxWord {
		return
	}
	of := v.words[field]
	if of == nil {
		of = make(map[string]int)
		v.words[field] = of
	}
	if _, known := of[value]; !known && len(of) >= maxWords {
		for w, n := range of {
			if of[w] = n / 2; n < 2 {
				delete(of, w)
			}
		}
		if len(of) >= maxWords {
			return
		}
	}
	of[value]++
}

// look looks at more entries for a glance, and tells whether there are others.
func (v *vocabulary) look(src Source) (more bool) {
	st := src.Status()
	blocks := st.Known / atOnce // whole ones: the last is looked at when it is
	if blocks == 0 || len(v.seen) == blocks {
		v.rest(src, blocks*atOnce+1, st.Known)
		return false
	}
	if v.blocks != blocks {
		v.blocks, v.at = blocks, 0
	}
	width := bits.Len(uint(blocks - 1))
	for began := time.Now(); v.at < 1<<width; v.at++ {
		b := int(bits.Reverse64(uint64(v.at)) >> (64 - width)) // halves, quarters, …
		if width == 0 {
			b = 0
		}
		if b >= blocks || v.seen[b] {
			continue
		}
		if time.Since(began) > glance {
			return true
		}
		v.seen[b] = true
		v.rest(src, b*atOnce+1, (b+1)*atOnce)
	}
	return false
}

func (v *vocabulary) rest(src Source, from, to int) {
	entries, _ := src.Entries(from, max(0, to-from+1)) // those that can be read
	for _, e := range entries {
		for _, f := range valuesOf(e) {
			v.add(f[0], f[1])
		}
	}
}

// completed are values for completion, those first that are seen most.
type completed struct {
	Op     string   `json:"op"`
	Seq    int      `json:"seq"`
	Values []string `json:"values"`
	More   bool     `json:"more"` // asked again, there may be more
}

// learn looks at more entries for their values, and tells whether there are others.
func (p *page) learn() (more bool) {
	if v := &p.words; v.words == nil {
		v.words, v.seen = make(map[string]map[string]int), make(map[int]bool)
	}
	return p.words.look(p.source)
}

// complete answers which values of Field have Part in them; to a page, which draws,
// what can stand at the caret of its filter.
func (p *page) complete(q request) any {
	var want struct {
		Field, Part string
		Seq         int
		Draw        bool
	}
	q.into(&want)
	if want.Draw {
		return p.suggest(q)
	}
	out := completed{Op: "complete", Seq: want.Seq}
	out.Values, out.More = p.completed(want.Field, want.Part)
	return out
}

// completed are the values of a field with a part in them.
func (p *page) completed(field, part string) (values []string, more bool) {
	more = p.learn()
	values = []string{}
	of := p.words.words[field]
	part = strings.ToLower(part)
	for w := range of {
		if strings.Contains(strings.ToLower(w), part) {
			values = append(values, w)
		}
	}
	slices.SortFunc(values, func(a, b string) int { return cmp.Or(of[b]-of[a], strings.Compare(a, b)) })
	return values[:min(len(values), maxCompleted)], more
}

// values answers what entry N, or the one at a place, has to filter by; to a page,
// which draws, the menu of that, or of a Value of a Field.
func (p *page) values(q request) any {
	var want struct {
		Field, Value, Filter string
		Draw                 bool
	}
	q.into(&want)
	if want.Draw && want.Field != "" {
		return p.menuOf([][2]string{{want.Field, want.Value}}, want.Filter)
	}
	if q.N == 0 {
		q.N = p.chosen.number(q.At)
	}
	out := struct {
		Op     string      `json:"op"`
		N      int         `json:"n"`
		Values [][2]string `json:"values"`
	}{"values", q.N, [][2]string{}}
	entries, err := p.source.Entries(q.N, 1)
	if err == nil && len(entries) > 0 {
		for _, f := range valuesOf(entries[0]) {
			if len(f[1]) <= maxFilter/8 {
				out.Values = append(out.Values, f)
			}
		}
	}
	if want.Draw {
		return p.menuOf(out.Values, want.Filter)
	}
	return out
}

// refine adds a value to a filter; How is one of those of package filter.
func (p *page) refine(q request) any {
	var want struct{ Filter, How, Field, Value string }
	q.into(&want)
	out := struct {
		Op    string `json:"op"`
		Expr  string `json:"expr"`
		Error string `json:"error,omitempty"`
	}{Op: "refine"}
	clause, err := filter.Clause(want.Field, want.Value)
	if err == nil {
		out.Expr, err = filter.Refine(want.Filter, want.How, clause)
	}
	if err != nil {
		out.Error = err.Error()
	}
	return out
}
