package web

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// The desk is where people decide: the view of the page that shows what is held,
// what is armed and where something can be put in. It is drawn here; what its
// buttons do stands in their attributes, as the operation and its fields.

const (
	maxHeldShown = 4 << 10 // bytes of a held frame on the desk
	maxHeldDrawn = 50      // frames on it: it is drawn whenever one comes or goes,
	maxToEdit    = 1 << 20 // and so many bytes of them that can be edited
	maxTargets   = 100     // connections to choose from
)

// desked is the desk.
type desked struct {
	Op      string `json:"op"`
	Held    group  `json:"held"`
	Armed   group  `json:"armed"`
	Targets group  `json:"targets"` // options
	Error   string `json:"error,omitempty"`
}

// desk draws it.
func (p *page) desk(request) any {
	out := desked{Op: "desk", Held: group{}, Armed: group{}, Targets: group{}}
	x, err := p.intercepts()
	if err != nil {
		out.Error = err.Error()
		return out
	}
	sessions := x.Sessions()
	var held []HeldFrame
	var more int
	named := sessions[:min(len(sessions), maxTargets)] // those whose names are needed
	for i, s := range sessions {
		n := min(len(s.Held), maxHeldDrawn-len(held))
		held, more = append(held, s.Held[:n]...), more+len(s.Held)-n
		if n > 0 && i >= maxTargets {
			named = append(named[:len(named):len(named)], s)
		}
	}
	names := p.namesOf(named)
	left := maxToEdit
	for _, h := range p.masked(held) {
		if left -= len(h.XML); left < 0 {
			h.XML, left = "", left+len(h.XML)
		}
		out.Held = append(out.Held, heldFrame(h, names[h.Conn]))
	}
	if more > 0 {
		out.Held = append(out.Held, el("p.hint", thousands(more)+" more are held; they are shown when these are decided about."))
	}
	if len(out.Held) == 0 {
		out.Held = group{el("p.hint", "Nothing is held. What matches a breakpoint stops here, and waits for you to pass, edit, drop, answer or delay it.")}
	}
	for _, expr := range x.Breakpoints() {
		out.Armed = append(out.Armed, el("li", el("code", expr),
			button("Remove", "disarm "+expr, "Take the breakpoint away; what it holds passes", attrs{"data-op": "arm", "data-expr": expr, "data-off": ""})))
	}
	for _, r := range x.Rules() {
		out.Armed = append(out.Armed, ruleLine(r))
	}
	for _, s := range sessions[:min(len(sessions), maxTargets)] {
		for _, way := range []struct{ dir, to, no string }{{"SC", names[s.Conn][0], s.SC}, {"CS", names[s.Conn][1], s.CS}} {
			a := attrs{"value": fmt.Sprintf("%d %s", s.Conn, way.dir)}
			label := fmt.Sprintf("%d → %s", s.Conn, way.to)
			if way.no != "" {
				a["disabled"], label = "", label+": "+way.no
			}
			out.Targets = append(out.Targets, el("option", a, label))
		}
	}
	if len(out.Targets) == 0 {
		out.Targets = group{el("option", attrs{"value": "", "disabled": ""}, "no connection is open")}
	}
	return out
}

// namesOf are the ends of sessions, client and server.
func (p *page) namesOf(list []Session) map[int][2]string {
	out := make(map[int][2]string)
	var ids []int
	for _, s := range list {
		ids = append(ids, s.Conn)
		out[s.Conn] = [2]string{"the client " + s.Client, "the server " + s.Server}
	}
	for _, l := range p.lanes(ids) {
		out[l.Conn] = [2]string{clip(l.Client, maxLetters), clip(l.Server, maxLetters)}
	}
	return out
}

// button draws one; key is by what it is found again when it is drawn anew.
func button(text, key, title string, more attrs) drawn {
	a := attrs{"type": "button", "data-key": key, "title": title}
	maps.Copy(a, more)
	return el("button", a, text)
}

// heldFrame draws a frame with what can be decided.
func heldFrame(h HeldFrame, names [2]string) drawn {
	from, to := names[0], names[1]
	if h.Dir == "SC" {
		from, to = to, from
	}
	place := attrs{"data-conn": strconv.Itoa(h.Conn), "data-dir": h.Dir, "data-offset": strconv.FormatInt(h.Offset, 10)}
	decide := func(text, verdict, title string, more attrs) drawn {
		a := attrs{"data-op": "decide", "data-verdict": verdict}
		maps.Copy(a, place)
		maps.Copy(a, more)
		return button(text, fmt.Sprint(text, h.Conn, h.Dir, h.Offset), title, a)
	}
	var edit drawn
	var shown any = el("p.hint", fmt.Sprintf("It has %d bytes, too many to be shown and edited here, beside the others. The console edits any length: key h.", h.Size))
	if h.XML != "" {
		shown = el("pre", attrs{"tabindex": "0"}, coloured(h.XML, maxHeldShown))
		edit = decide("Edit…", "edit", "Send something else (E)", attrs{"data-xml": h.XML})
	}
	if h.Masked {
		edit = el("span.hint", "Secrets are masked: to edit it, start the proxy with --show-secrets.")
	}
	var behind string
	var pass, drop drawn
	if h.Behind > 0 {
		behind = fmt.Sprintf(" %d bytes wait behind it.", h.Behind)
		pass = decide("Pass all", "pass", "And what waits behind it", attrs{"data-all": ""})
		drop = decide("Drop all", "drop", "And what waits behind it", attrs{"data-all": ""})
	}
	return el("article",
		el("h3", el("bdi", from), " → ", el("bdi", to), fmt.Sprintf(", connection %d", h.Conn)),
		el("p", "Held by ", el("bdi", h.By), ". ", el("span", attrs{"data-until": strconv.FormatInt(h.Until, 10)}), behind),
		shown,
		el("div.buttons",
			decide("Pass", "pass", "As it is (P)", nil), edit, decide("Drop", "drop", "It is not sent on (D)", nil),
			decide("Answer…", "answer", "Drop it, and answer in the peer's place", attrs{"data-xml": stanza.Draft(h.XML, refused)}),
			decide("Delay 5 s", "delay", "Then it passes", attrs{"data-seconds": "5"}), decide("More time", "hold", "Half an hour", attrs{"data-seconds": "1800"}), pass, drop))
}

// ruleLine draws a rule with its switch.
func ruleLine(r Rule) drawn {
	a := attrs{"type": "checkbox", "data-op": "rules", "data-name": r.Name, "data-key": "rule " + r.Name}
	if r.On {
		a["checked"] = ""
	}
	counts := fmt.Sprintf("%d matched, %d fired", r.Matched, r.Fired)
	if r.Limit > 0 {
		counts += fmt.Sprintf(" of %d", r.Limit)
	}
	return el("li", el("label", el("input", a), " ", el("b", r.Name)), " ", el("code", r.Do+" if "+r.When), el("small", " ", r.Source+": "+counts))
}

// coloured draws XML as it is written, up to a length.
func coloured(xml string, most int) group {
	var out group
	for _, t := range timeline.Coloured(xml) {
		if most -= len(t[1]); most < 0 {
			return append(out, el("span.hint", " …"))
		}
		out = append(out, colour(t))
	}
	return out
}

// colour draws a coloured piece.
func colour(t timeline.Token) any {
	if t[0] == "" {
		return t[1]
	}
	return el("span."+strings.ReplaceAll(t[0], " ", "."), t[1])
}

// refused is what is in an answer that says an error, to begin with.
const refused = "\n  <error type='cancel'>\n    <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\n  </error>\n"

// quoting is for attributes in quotes of either kind.
var quoting = strings.NewReplacer("&", "&amp;", "<", "&lt;", "'", "&apos;", `"`, "&quot;")
