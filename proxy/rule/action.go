package rule

import (
	"fmt"
	"math/rand/v2"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/proxy/session"
	"github.com/xmpplens/xmpplens/record"
)

// A shot is one firing of a rule.
type shot struct {
	values
	dir    record.Dir
	frame  decode.Frame // Raw as the steps before left it
	reason session.Reason
	rng    *rand.Rand
}

// An action makes the steps of a plan.
type action func(*shot) session.Plan

// A verb is a word that a rule can do.
type verb struct {
	main string   // the key of what is said without one: delay 2s is delay: {for: 2s}
	keys []string // the others
	help string
	// ends tells that nothing of the plan comes behind it; fixed that it can be
	// done with frames that go their way whatever is planned.
	ends, fixed bool
	read        func(r *reader, a args) action
}

// args are what is said of a verb, by key.
type args struct {
	verb     string
	at       *yaml.Node // the verb's own place
	values   map[string]*yaml.Node
	captures []string
}

var verbs map[string]verb

func init() { // what is read refers back to the verbs
	verbs = map[string]verb{
		"drop":      {ends: true, help: "do not pass it on", read: readDrop},
		"hold":      {main: "for", help: "keep it, and what follows, until somebody decides or the time is over", read: readHold},
		"delay":     {main: "for", keys: []string{"jitter"}, help: "keep it, and what follows, for a time", read: readDelay},
		"duplicate": {main: "times", help: "pass it on and repeat it", read: readDuplicate},
		"reorder":   {main: "behind", keys: []string{"within"}, ends: true, help: "pass it on behind the next stanzas", read: readReorder},
		"edit":      {main: "edits", help: "change what XPaths select", read: readEdit},
		"answer":    {main: "error", keys: []string{"type", "text", "result", "xml", "in"}, ends: true, help: "answer in the place of the other side, and do not pass it on", read: readAnswer},
		"send":      {main: "to", keys: []string{"xml", "in", "swallow"}, fixed: true, help: "send something in addition", read: readSend},
		"note":      {main: "text", keys: []string{"level"}, fixed: true, help: "say something in the recording", read: readNote},
		"stop":      {main: "what", help: "stop the recording of the connection", read: readStop},
		"cut":       {main: "how", keys: []string{"leg", "condition"}, ends: true, fixed: true, help: "end the connection", read: readCut},
		"freeze":    {ends: true, help: "from here on nothing passes and nothing closes", read: readFreeze},
		"throttle":  {main: "to", keys: []string{"dir"}, fixed: true, help: "slow the direction down", read: readThrottle},
		"truncate":  {main: "at", keys: []string{"then"}, ends: true, help: "pass its beginning on and end the connection", read: readTruncate},
		"corrupt":   {main: "bytes", help: "pass it on with damaged bytes", read: readCorrupt},
	}
}

func readDrop(*reader, args) action {
	return func(s *shot) session.Plan { return session.Plan{session.Drop{Reason: s.reason}} }
}

func readHold(r *reader, a args) action {
	limit := r.duration(a.values["for"], 0)
	return func(s *shot) session.Plan { return session.Plan{session.Hold{Reason: s.reason, Limit: limit}} }
}

func readDelay(r *reader, a args) action {
	r.need(a, "for", "say how long: delay: 2s")
	wait, jitter := r.duration(a.values["for"], 0), r.duration(a.values["jitter"], 0)
	return func(s *shot) session.Plan {
		d := wait
		if jitter > 0 {
			d += time.Duration(s.rng.Int64N(int64(jitter)))
		}
		return session.Plan{session.Delay{Reason: s.reason, For: d}}
	}
}

// maxCopies bounds what is made of one stanza.
const maxCopies = 1000

func readDuplicate(r *reader, a args) action {
	n := r.count(a.values["times"], 1, 1, maxCopies)
	return func(s *shot) session.Plan { return session.Plan{session.Duplicate{Reason: s.reason, N: n}} }
}

func readReorder(r *reader, a args) action {
	n, within := r.count(a.values["behind"], 1, 1, maxCopies), r.duration(a.values["within"], 2*time.Second)
	return func(s *shot) session.Plan {
		return session.Plan{session.Reorder{Reason: s.reason, N: n, Limit: within}}
	}
}

func readNote(r *reader, a args) action {
	r.need(a, "text", "say what: note: the roster is lost here")
	text := r.template(a.values["text"], false, a.captures)
	level := r.among(a.values["level"], "", "note", "warning", "error")
	return func(s *shot) session.Plan {
		return session.Plan{session.Note{Reason: s.reason, Level: level, Text: text.fill(&s.values)}}
	}
}

func readStop(r *reader, a args) action {
	r.among(a.values["what"], "recording", "recording")
	return func(s *shot) session.Plan { return session.Plan{session.StopRecording{Reason: s.reason}} }
}

func readFreeze(*reader, args) action {
	return func(s *shot) session.Plan { return session.Plan{session.Freeze{Reason: s.reason}} }
}

func readCut(r *reader, a args) action {
	how := r.manner(a.values["how"], "fin", "fin", "rst", "half", "no-notify", "tls-alert", "stream-error")
	leg := session.Client
	if r.among(a.values["leg"], "client", "client", "server") == "server" {
		leg = session.Server
	}
	condition := ""
	if n := a.values["condition"]; n != nil {
		if how != session.StreamError {
			r.mistake(n, "a condition goes with stream-error only", "write how: stream-error, or leave it out")
		}
		condition = r.among(n, "", streamErrors...)
	}
	return func(s *shot) session.Plan {
		return session.Plan{session.Cut{Reason: s.reason, Manner: how, Leg: leg, Condition: condition}}
	}
}

func readTruncate(r *reader, a args) action {
	then := r.manner(a.values["then"], "fin", "fin", "rst", "no-notify")
	share, at := r.share(a.values["at"], 50)
	return func(s *shot) session.Plan {
		n := at
		if share > 0 {
			n = len(s.frame.Raw) * share / 100
		}
		return session.Plan{session.Truncate{Reason: s.reason, N: min(n, len(s.frame.Raw)-1), Cut: then}}
	}
}

func readCorrupt(r *reader, a args) action {
	n := r.count(a.values["bytes"], 1, 1, 1<<20)
	return func(s *shot) session.Plan {
		b := append([]byte(nil), s.frame.Raw...)
		if len(b) == 0 {
			return nil
		}
		for range n {
			// No UTF-8 has this octet: what reads it has to notice (RFC 6120 §11.6).
			b[s.rng.IntN(len(b))] = 0xff
		}
		s.frame.Raw = b
		return session.Plan{session.Corrupt{Reason: s.reason, Bytes: b}}
	}
}

func readThrottle(r *reader, a args) action {
	r.need(a, "to", "say how fast: throttle: 1kB/s, or off")
	rate := r.rate(a.values["to"])
	dir := record.Dir(r.among(a.values["dir"], "", "CS", "SC"))
	return func(s *shot) session.Plan {
		d := dir
		if d == "" {
			d = s.dir
		}
		return session.Plan{session.Throttle{Reason: s.reason, Dir: d, Rate: rate}}
	}
}

func readEdit(r *reader, a args) action {
	r.need(a, "edits", "say what: edit: [{set: /iq/@type, to: error}]")
	edits := r.edits(a.values["edits"], a.captures)
	return func(s *shot) session.Plan {
		b, err := edited(s.frame, edits, &s.values)
		if err == errNothing {
			return nil
		}
		if err != nil {
			return session.Plan{session.Note{Reason: s.reason, Level: "warning", Text: fmt.Sprintf("%s could not edit: %v", s.reason.By, err)}}
		}
		s.frame.Raw = b
		return session.Plan{session.Edit{Reason: s.reason, Bytes: b}}
	}
}

func readSend(r *reader, a args) action {
	r.need(a, "to", "say to whom: send: {to: client, xml: <presence/>}")
	r.need(a, "xml", "say what: send: {to: client, xml: <presence/>}")
	dir := record.SC
	if r.among(a.values["to"], "client", "client", "server") == "server" {
		dir = record.CS
	}
	xml, in := r.template(a.values["xml"], true, a.captures), r.duration(a.values["in"], 0)
	swallow := r.yes(a.values["swallow"], true)
	return func(s *shot) session.Plan {
		return session.Plan{session.Inject{Reason: s.reason, Dir: dir, Bytes: []byte(xml.fill(&s.values)), Swallow: swallow, After: in}}
	}
}

// isStanza tells stanzas from nonzas.
func isStanza(s *stanza.Stanza) bool {
	return s.Kind == "message" || s.Kind == "presence" || s.Kind == "iq"
}
