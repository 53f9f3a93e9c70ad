package rule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/proxy/session"
)

const (
	nsStanzas = "urn:ietf:params:xml:ns:xmpp-stanzas"
	nsSASL    = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsSASL2   = "urn:xmpp:sasl:2"
	nsSM      = "urn:xmpp:sm:3"
)

// readAnswer reads what is said in the place of the other side: the error that
// fits what is answered, the result of an iq, or any element.
func readAnswer(r *reader, a args) action {
	given := 0
	for _, key := range []string{"error", "result", "xml"} {
		if a.values[key] != nil {
			given++
		}
	}
	if given != 1 {
		r.mistake(a.at, "an answer is one of error, result and xml", "for example answer: service-unavailable, or answer: {result: <query xmlns='jabber:iq:roster'/>}")
		return nil
	}
	for _, key := range []string{"type", "text"} {
		if n := a.values[key]; n != nil && a.values["error"] == nil {
			r.mistake(n, key+" goes with an error only", "leave it out")
		}
	}
	after := r.duration(a.values["in"], 0)
	answer := func(s *shot, b string, err error) session.Plan {
		if err != nil {
			return session.Plan{session.Note{Reason: s.reason, Level: "warning", Text: fmt.Sprintf("%s could not answer: %v; it passes", s.reason.By, err)}}
		}
		return session.Plan{session.Answer{Reason: s.reason, Bytes: []byte(b), After: after}}
	}
	switch {
	case a.values["xml"] != nil:
		xml := r.template(a.values["xml"], true, a.captures)
		return func(s *shot) session.Plan { return answer(s, xml.fill(&s.values), nil) }
	case a.values["result"] != nil:
		payload := &template{}
		if n := a.values["result"]; n.Value != "" && n.Tag != "!!null" {
			payload = r.template(n, true, a.captures)
		}
		return func(s *shot) session.Plan {
			b, err := Result(s.frame, s.s, payload.fill(&s.values))
			return answer(s, b, err)
		}
	}
	condition := r.among(a.values["error"], "", answerable()...)
	kind := r.among(a.values["type"], "", errorTypes...)
	text := &template{}
	if n := a.values["text"]; n != nil {
		text = r.template(n, false, a.captures)
	}
	return func(s *shot) session.Plan {
		b, err := s.refusal(condition, kind, text.fill(&s.values))
		return answer(s, b, err)
	}
}

// back is a stanza to who sent this one.
func (s *shot) back(kind, payload string) string {
	ns, _ := s.frame.Stream.Lookup("")
	return s.s.Back(kind, payload, ns != s.s.NS)
}

// refusal is how what came is refused: a stanza with an error, a login or a
// request for stream management with their own failures.
func (s *shot) refusal(condition, kind, text string) (string, error) {
	say := func(ns string) string {
		if text == "" {
			return ""
		}
		return "<text xmlns='" + ns + "'>" + stanza.Escape(text) + "</text>"
	}
	if s.s.NS == nsSASL || s.s.NS == nsSASL2 {
		if !slices.Contains(saslErrors, condition) {
			return "", fmt.Errorf("%s is no condition of a login (RFC 6120 §6.5): %s", condition, strings.Join(saslErrors, ", "))
		}
		at, textNS := "", nsSASL2
		if s.s.NS == nsSASL2 {
			at = " xmlns='" + nsSASL + "'" // XEP-0388 §2.6.2
		} else {
			textNS = nsSASL
		}
		return "<failure xmlns='" + s.s.NS + "'><" + condition + at + "/>" + say(textNS) + "</failure>", nil
	}
	byDefault, known := stanzaErrors[condition]
	switch {
	case !known:
		return "", fmt.Errorf("%s is a condition of logins, not of stanzas (RFC 6120 §8.3.3)", condition)
	case s.s.NS == nsSM && (s.s.Name == "resume" || s.s.Name == "enable"):
		return "<failed xmlns='" + nsSM + "'><" + condition + " xmlns='" + nsStanzas + "'/></failed>", nil // XEP-0198 §3, §5
	case !isStanza(s.s):
		return "", fmt.Errorf("<%s/> has no answer that says an error", s.s.Name)
	case s.s.Type == "error", s.s.Kind == "iq" && s.s.Type == "result":
		return "", fmt.Errorf("an answer must not be answered (RFC 6120 §8.3.1)")
	}
	return s.back("error", "<error type='"+cmp.Or(kind, byDefault)+"'><"+condition+" xmlns='"+nsStanzas+"'/>"+say(nsStanzas)+"</error>"), nil
}
