package web

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// Composing: what is written in the page to be sent is coloured and checked while
// it is written, by those who will send it, and completed with what was seen.

// checked is the answer to check.
type checked struct {
	Op    string `json:"op"`
	Seq   int    `json:"seq"`
	Drawn group  `json:"drawn"` // the XML in colour, with a mark where it is wrong
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
	Part  int    `json:"part"`  // UTF-16 units in front of the caret that a word takes the place of
	Words group  `json:"words"` // buttons
}

const (
	maxOffered = 8    // words
	maxPieces  = 5000 // that have their own colour
)

// check colours, checks and completes what is to be sent.
func (p *page) check(q request) any {
	var want struct {
		Seq     int
		Conn    int
		Dir     string
		Verdict string // "" = it is put in
		Offset  int64
		XML     string
		Before  string // what stands in front of the caret, its end
	}
	q.into(&want)
	out := checked{Op: "check", Seq: want.Seq, Drawn: group{}, Words: group{}}
	part, words := p.offered(want.Before)
	out.Part = len(utf16.Encode([]rune(part)))
	for _, w := range words {
		out.Words = append(out.Words, button(w, "word "+w, "", attrs{"data-word": w}))
	}
	x, err := p.intercepts()
	switch {
	case err != nil:
	case strings.TrimSpace(want.XML) == "":
		err = &refusal{Text: "there is nothing to send", Fix: "write an element, or choose one above"}
	case direction(want.Dir) != nil:
		err = &refusal{Text: "there is no connection to send it into", Fix: "wait for a client to connect"}
	case want.Verdict != "":
		v := Verdict{Conn: want.Conn, Dir: want.Dir, Offset: want.Offset, Verdict: want.Verdict, XML: want.XML, Dry: true}
		h := heldAt(x, v)
		waitFor(x, h)
		if err = p.unmasked(h, v); err == nil {
			err = x.Decide(v)
		}
	default:
		err = x.Inject(Injection{Conn: want.Conn, Dir: want.Dir, XML: want.XML, Dry: true})
	}
	at := len(want.XML) + 1
	if err != nil {
		no := answering("check", err)
		out.Error, out.Hint = no.Error, no.Hint
		if e := (interface {
			error
			At() int
		})(nil); errors.As(err, &e) {
			at = min(max(e.At(), 0), len(want.XML))
			line, column := stanza.LineColumn(want.XML, at)
			out.Error = fmt.Sprintf("line %d, column %d: %s", line, column, strings.TrimPrefix(e.Error(), fmt.Sprintf("at byte %d: ", e.At())))
		}
	}
	out.Drawn = append(out.Drawn, tokensAround(want.XML, at)...)
	return out
}

// writing is how long a frame is held at least from when somebody wrote last at what is
// to go in its place: nobody writes against the clock.
const writing = 5 * time.Minute

// waitFor holds a frame for somebody who writes.
func waitFor(x Interceptor, h *HeldFrame) {
	if h != nil && time.Until(time.UnixMilli(h.Until)) < writing-time.Minute {
		// When it has gone meanwhile, the check says so.
		_ = x.Decide(Verdict{Conn: h.Conn, Dir: h.Dir, Offset: h.Offset, Verdict: "hold", Seconds: writing.Seconds(), By: "viewer"})
	}
}

// tokensAround draws XML in colour, with a mark at a place.
func tokensAround(xml string, at int) group {
	if at > len(xml) {
		return written(xml)
	}
	for at > 0 && at < len(xml) && !utf8.RuneStart(xml[at]) {
		at--
	}
	return append(append(written(xml[:at]), el("mark")), written(xml[at:])...)
}

// written draws XML in colour as far as a page can take it with each key: all of the
// text, which lies under what is written, but not each piece of it by itself.
func written(xml string) group {
	var out group
	at := 0
	for i, t := range timeline.Coloured(xml) {
		if i == maxPieces {
			return append(out, xml[at:])
		}
		at += len(t[1])
		out = append(out, colour(t))
	}
	return out
}

// What may be completed: the part that is written already, and the fields of the
// vocabulary that it is of.
var completions = []struct {
	before *regexp.Regexp
	fields []string
}{
	{regexp.MustCompile(`<([A-Za-z][\w.-]*)$`), []string{"name"}},
	{regexp.MustCompile(`\sxmlns(?::\w+)?=["']([^"'<]*)$`), []string{"payload", "ns"}},
	{regexp.MustCompile(`\s(?:to|from|jid|by)=["']([^"'<]*)$`), []string{"to", "from", "to.bare", "from.bare"}},
	{regexp.MustCompile(`\stype=["']([^"'<]*)$`), []string{"type"}},
}

// offered are words for what stands in front of the caret: those that were seen most.
func (p *page) offered(before string) (part string, words []string) {
	for _, c := range completions {
		m := c.before.FindStringSubmatch(before)
		if m == nil {
			continue
		}
		p.learn()
		count := make(map[string]int)
		for _, field := range c.fields {
			for w, n := range p.words.words[field] {
				if w != m[1] && strings.HasPrefix(strings.ToLower(w), strings.ToLower(m[1])) {
					count[w] += n
				}
			}
		}
		words = slices.SortedFunc(maps.Keys(count), func(a, b string) int { return cmp.Or(count[b]-count[a], strings.Compare(a, b)) })
		words = words[:min(len(words), maxOffered)]
		for i, w := range words {
			words[i] = quoting.Replace(w) // in quotes of either kind
		}
		return m[1], words
	}
	return "", nil
}

// A template is a common stanza. In it {me} is the full address that the client
// has, {account} its bare one, {domain} the server's, {peer} somebody whom it
// talked to, {id} is fresh. {ns} declares the namespace where the stream does not.
type template struct{ title, xml string }

var templates = map[string][]template{
	"CS": {
		{"Message", "<message{ns} to='{peer}' type='chat' id='{id}'>\n  <body></body>\n</message>"},
		{"Message that asks for a receipt", "<message{ns} to='{peer}' type='chat' id='{id}'>\n  <body></body>\n  <request xmlns='urn:xmpp:receipts'/>\n</message>"},
		{"Presence: available", "<presence{ns}>\n  <show>chat</show>\n  <status></status>\n</presence>"},
		{"Presence: unavailable", "<presence{ns} type='unavailable'/>"},
		{"Presence: subscribe", "<presence{ns} to='{peer}' type='subscribe' id='{id}'/>"},
		{"Ping", "<iq{ns} to='{domain}' type='get' id='{id}'>\n  <ping xmlns='urn:xmpp:ping'/>\n</iq>"},
		{"Service discovery: what it can", "<iq{ns} to='{domain}' type='get' id='{id}'>\n  <query xmlns='http://jabber.org/protocol/disco#info'/>\n</iq>"},
		{"Service discovery: what it has", "<iq{ns} to='{domain}' type='get' id='{id}'>\n  <query xmlns='http://jabber.org/protocol/disco#items'/>\n</iq>"},
		{"Roster", "<iq{ns} type='get' id='{id}'>\n  <query xmlns='jabber:iq:roster'/>\n</iq>"},
		{"Archive: the last ten messages", "<iq{ns} type='set' id='{id}'>\n  <query xmlns='urn:xmpp:mam:2' queryid='{id}'>\n    <set xmlns='http://jabber.org/protocol/rsm'><max>10</max><before/></set>\n  </query>\n</iq>"},
		{"Ask for an acknowledgement", "<r xmlns='urn:xmpp:sm:3'/>"},
	},
	"SC": {
		{"Message", "<message{ns} from='{peer}' to='{me}' type='chat' id='{id}'>\n  <body></body>\n</message>"},
		{"Message, as it was delivered late", "<message{ns} from='{peer}' to='{me}' type='chat' id='{id}'>\n  <body></body>\n  <delay xmlns='urn:xmpp:delay' from='{domain}' stamp='2026-01-01T12:00:00Z'/>\n</message>"},
		{"Message that could not be delivered", "<message{ns} from='{peer}' to='{me}' type='error' id='{id}'>\n  <error type='cancel'>\n    <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\n  </error>\n</message>"},
		{"Carbon copy of a message that another client sent", "<message{ns} from='{account}' to='{me}' type='chat'>\n  <sent xmlns='urn:xmpp:carbons:2'>\n    <forwarded xmlns='urn:xmpp:forward:0'>\n      <message xmlns='jabber:client' from='{account}/other' to='{peer}' type='chat' id='{id}'>\n        <body></body>\n      </message>\n    </forwarded>\n  </sent>\n</message>"},
		{"Presence: available", "<presence{ns} from='{peer}' to='{me}'/>"},
		{"Presence: unavailable", "<presence{ns} from='{peer}' to='{me}' type='unavailable'/>"},
		{"Presence: subscribe", "<presence{ns} from='{peer}' to='{account}' type='subscribe' id='{id}'/>"},
		{"Ping", "<iq{ns} from='{domain}' to='{me}' type='get' id='{id}'>\n  <ping xmlns='urn:xmpp:ping'/>\n</iq>"},
		{"Service discovery: what it can", "<iq{ns} from='{peer}' to='{me}' type='get' id='{id}'>\n  <query xmlns='http://jabber.org/protocol/disco#info'/>\n</iq>"},
		{"Roster push: a new contact", "<iq{ns} to='{me}' type='set' id='{id}'>\n  <query xmlns='jabber:iq:roster'>\n    <item jid='{peer}' subscription='both'/>\n  </query>\n</iq>"},
		{"Ask for an acknowledgement", "<r xmlns='urn:xmpp:sm:3'/>"},
	},
}

// templates are those for a connection and a direction, as options.
func (p *page) templates(q request) any {
	var want struct {
		Conn int
		Dir  string
	}
	q.into(&want)
	out := struct {
		Op      string `json:"op"`
		Options group  `json:"options"`
	}{"templates", group{el("option", attrs{"value": ""}, "Choose a stanza")}}
	names := map[string]string{"ns": "", "me": "me@example.org/client", "account": "me@example.org", "domain": "example.org", "peer": "somebody@example.org"}
	for _, c := range p.source.Conns([]int{want.Conn}) {
		for _, domain := range []string{c.To, c.State.Bound.Domain} {
			if domain != "" && len(domain) <= maxWord { // a template has it several times
				names["domain"] = domain
			}
		}
		names["account"], names["peer"] = "me@"+names["domain"], "somebody@"+names["domain"]
		if b := c.State.Bound; b.Domain == names["domain"] && len(b.String()) <= 2*maxWord {
			names["me"] = b.String()
			names["account"] = stanza.JID{Local: b.Local, Domain: b.Domain}.String()
		} else {
			names["me"] = names["account"]
		}
		if c.Bare() {
			names["ns"] = " xmlns='jabber:client'" // RFC 7395 §3.3.3
		}
	}
	names["peer"] = cmp.Or(p.peer(names["account"], names["domain"]), names["peer"])
	for _, t := range templates[want.Dir] {
		names["id"] = "lens-" + strings.ToLower(rand.Text()[:8])
		var fill []string
		for name, value := range names {
			if name != "ns" {
				value = quoting.Replace(value)
			}
			fill = append(fill, "{"+name+"}", value)
		}
		out.Options = append(out.Options, el("option", attrs{"value": strings.NewReplacer(fill...).Replace(t.xml)}, t.title))
	}
	return out
}

// peer is whom an account talks to most, "" = nobody was seen.
func (p *page) peer(account, domain string) (best string) {
	p.learn()
	most := 0
	for _, field := range []string{"to.bare", "from.bare"} {
		for w, n := range p.words.words[field] {
			if w != account && w != domain && strings.Contains(w, "@") && (n > most || n == most && w < best) {
				best, most = w, n
			}
		}
	}
	return best
}
