package web

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/xmpplens/xmpplens/decode/filter"
)

// This file draws what can stand at the caret of the filter: names and operators
// of the language, values that the recording has, filters that were used before.

const (
	maxSuggested = 40 // words of the language in one answer
	maxPast      = 5  // filters that were used before, beside others
	maxHistory   = 30 // of them, where nothing else can stand
)

var (
	operators = []filter.Name{{Name: "==", Help: "is"}, {Name: "!=", Help: "is not"}, {Name: "contains", Help: "has in it"}, {Name: "startsWith", Help: "begins with"},
		{Name: "endsWith", Help: "ends with"}, {Name: "matches", Help: "fits a regular expression"}, {Name: "in", Help: `is one of ["…", "…"]`}}
	joints = []filter.Name{{Name: "and", Help: "both"}, {Name: "or", Help: "one of both"}, {Name: "not", Help: "the others"}}

	texts    = regexp.MustCompile(`^(name|type|id|(from|to)(\.\w+)?|ns|lang|kind|summary|dir|phase|outcome|body|error)$`)
	valueDue = regexp.MustCompile(`(?:\b(payload|finding|jid|xep)\(\s*|\b([\w.]+)\s*(?:==|!=|contains|startsWith|endsWith|in\s*\[(?:[^\]]*,)?)\s*)("?)([^"]*)$`)
	lastWord = regexp.MustCompile(`[\w.]*$`)
	wordOf   = regexp.MustCompile(`([\w.]+)\s+$`)
	ended    = regexp.MustCompile(`["\])]$`) // a text, a list or a call ends here,
	behind   = regexp.MustCompile(`["\])]\s+$`)
	closing  = regexp.MustCompile(`^"?\)?`)
)

// suggested answers with options to choose from: data-text is the filter up to the
// caret, data-rest what is behind it.
type suggested struct {
	Op      string `json:"op"`
	Seq     int    `json:"seq"`
	Options group  `json:"options"`
	More    bool   `json:"more"` // asked again, there may be more
}

// suggest offers what can stand between Text and Rest, and of the filters Past
// those with all of this in them.
func (p *page) suggest(q request) suggested {
	var want struct {
		Text, Rest string
		Past       []string
		Seq        int
	}
	q.into(&want)
	out := suggested{Op: "complete", Seq: want.Seq, Options: group{}}
	offer := func(text, rest, label, help string, past bool) {
		a := attrs{"id": fmt.Sprintf("name-%d", len(out.Options)), "role": "option", "aria-selected": "false", "data-text": text, "data-rest": rest}
		var forget any
		if past {
			a["data-past"], forget = "", el("span.forget", attrs{"title": "Forget it (Shift+Delete)", "aria-hidden": "true"}, "✕")
		}
		out.Options = append(out.Options, el("li", a, el("bdi", label), el("small", help), forget))
	}
	if len(want.Text)+len(want.Rest) > maxFilter {
		return out
	}
	if due := dueAt(want.Text); due != nil {
		var values []string
		values, out.More = p.completed(due.of, due.part)
		for _, v := range values {
			if v != due.part {
				offer(due.before+due.written(v), closing.ReplaceAllString(want.Rest, ""), v, "", false)
			}
		}
		return out
	}
	before, word, words := wordsAt(want.Text)
	for _, w := range words {
		if strings.HasPrefix(w.Name, word) && w.Name != word && len(out.Options) < maxSuggested {
			offer(before+begun(w.Name), want.Rest, w.Name, w.Help, false)
		}
	}
	whole, left := strings.TrimSpace(want.Text+want.Rest), maxPast
	if whole == "" {
		left = maxHistory
	}
	for _, text := range want.Past {
		if left > 0 && text != whole && strings.Contains(text, whole) {
			offer(text, "", text, "used before", true)
			left--
		}
	}
	return out
}

// due is a value that is written.
type due struct {
	before, part string // the filter in front of the value, what there is of it
	of           string // the field
	call, number bool   // it is the argument of a function; it has no quotes
}

// dueAt tells which value is written at the end of a text; nil = none.
func dueAt(text string) *due {
	m := valueDue.FindStringSubmatch(text)
	if m == nil || m[1] == "" && m[2] != "conn" && !texts.MatchString(m[2]) {
		return nil
	}
	if m[3] == "" && strings.ContainsAny(m[4], ") ") { // it has ended
		return nil
	}
	d := &due{before: text[:len(text)-len(m[3])-len(m[4])], part: m[4], of: m[1] + m[2], call: m[1] != ""}
	d.number = d.of == "xep" || d.of == "conn"
	if d.of == "jid" {
		d.of = "from.bare"
	}
	return d
}

// written is how a value stands in a filter.
func (d *due) written(value string) string {
	if !d.number {
		value = filter.Quote(value)
	}
	if d.call {
		value += ")"
	}
	return value + " "
}

// wordsAt returns the last word of a text, what is in front of it, and the words of
// the language that can stand there.
func wordsAt(text string) (before, word string, can []filter.Name) {
	word = lastWord.FindString(text)
	before = strings.TrimSuffix(text, word)
	of := ""
	if m := wordOf.FindStringSubmatch(before); m != nil {
		of = m[1]
	}
	joint := slices.ContainsFunc(joints, func(j filter.Name) bool { return j.Name == of })
	switch {
	case ended.MatchString(before), strings.Count(before, `"`)%2 == 1: // behind a text, or in one
	case texts.MatchString(of):
		can = operators
	case of != "" && !joint, behind.MatchString(before):
		can = joints
	case word != "" || strings.TrimSpace(before) != "":
		can = append(filter.Names(), joints...)
	}
	return before, word, can
}

// begun is a word as it is taken: a function as far as its argument.
func begun(name string) string {
	call, _, is := strings.Cut(name, "(")
	switch {
	case !is:
		return name + " "
	case call == "xep":
		return call + "("
	}
	return call + `("`
}
