package filter

import (
	"bytes"
	"fmt"
	"html"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/decode/track"
)

// The words of the language, by what they yield.

var strs = map[string]func(*Subject) string{
	"name":          func(s *Subject) string { return s.Stanza.Name },
	"type":          func(s *Subject) string { return s.Stanza.Type },
	"id":            func(s *Subject) string { return s.Stanza.ID },
	"from":          func(s *Subject) string { return s.Stanza.From },
	"to":            func(s *Subject) string { return s.Stanza.To },
	"from.bare":     func(s *Subject) string { return bare(s.Stanza.From) },
	"from.local":    func(s *Subject) string { return stanza.SplitJID(s.Stanza.From).Local },
	"from.domain":   func(s *Subject) string { return stanza.SplitJID(s.Stanza.From).Domain },
	"from.resource": func(s *Subject) string { return stanza.SplitJID(s.Stanza.From).Resource },
	"to.bare":       func(s *Subject) string { return bare(s.Stanza.To) },
	"to.local":      func(s *Subject) string { return stanza.SplitJID(s.Stanza.To).Local },
	"to.domain":     func(s *Subject) string { return stanza.SplitJID(s.Stanza.To).Domain },
	"to.resource":   func(s *Subject) string { return stanza.SplitJID(s.Stanza.To).Resource },
	"ns":            func(s *Subject) string { return s.Stanza.NS },
	"lang":          func(s *Subject) string { return s.Stanza.Lang },
	"kind":          func(s *Subject) string { return s.Stanza.Kind },
	"summary":       func(s *Subject) string { return s.Stanza.Summary },
	"dir":           func(s *Subject) string { return s.Dir },
	"phase":         func(s *Subject) string { return s.Facts.Phase },
	"outcome":       func(s *Subject) string { return s.Outcome },
	"body":          body,
	"error": func(s *Subject) string {
		if s.Stanza.Error == nil {
			return ""
		}
		return s.Stanza.Error.Condition
	},
}

var nums = map[string]func(*Subject) float64{
	"n":       func(s *Subject) float64 { return float64(s.N) },
	"conn":    func(s *Subject) float64 { return float64(s.Conn) },
	"t":       func(s *Subject) float64 { return s.T.Seconds() },
	"size":    func(s *Subject) float64 { return float64(len(s.Frame.Raw)) },
	"latency": latency,
	"slow":    latency,
}

// words are the shorthands for the hand.
var words = map[string]func(*Subject) bool{
	"message":  func(s *Subject) bool { return s.Stanza.Kind == "message" },
	"presence": func(s *Subject) bool { return s.Stanza.Kind == "presence" },
	"iq":       func(s *Subject) bool { return s.Stanza.Kind == "iq" },
	"stanzas":  func(s *Subject) bool { k := s.Stanza.Kind; return k == "message" || k == "presence" || k == "iq" },
	"nonzas":   func(s *Subject) bool { return s.Stanza.Kind == "nonza" },
	"errors": func(s *Subject) bool {
		return s.Stanza.Error != nil || s.Frame.Err != nil || hasFinding(s, track.Error)
	},
	"findings":  func(s *Subject) bool { return len(s.Facts.Findings) > 0 },
	"keepalive": func(s *Subject) bool { return s.Stanza.Kind == "whitespace" || s.Stanza.Kind == "body" },
	"edited":    func(s *Subject) bool { return s.Outcome == "edited" || s.Outcome == "dropped" },
	"injected":  func(s *Subject) bool { return s.Outcome == "injected" },
	"muc": func(s *Subject) bool {
		return s.Stanza.Type == "groupchat" || prefixed(s, "http://jabber.org/protocol/muc", "jabber:x:conference")
	},
	"roster":   prefixes("jabber:iq:roster"),
	"bosh":     prefixes("http://jabber.org/protocol/httpbind"),
	"sm":       prefixes("urn:xmpp:sm:"),
	"s2s":      func(s *Subject) bool { return s.Facts.Federated },
	"dialback": prefixes("jabber:server:dialback"),
	"sasl":     prefixes("urn:ietf:params:xml:ns:xmpp-sasl", "urn:xmpp:sasl:", "urn:xmpp:fast:"),
	"disco":    prefixes("http://jabber.org/protocol/disco"),
	"pubsub":   prefixes("http://jabber.org/protocol/pubsub"),
	"mam":      prefixes("urn:xmpp:mam:"),
	"carbons":  prefixes("urn:xmpp:carbons:"),
	"omemo":    prefixes("eu.siacs.conversations.axolotl", "urn:xmpp:omemo:"),
	"jingle":   prefixes("urn:xmpp:jingle"),
	"upload":   prefixes("urn:xmpp:http:upload"),
	"receipts": prefixes("urn:xmpp:receipts", "urn:xmpp:chat-markers:"),
}

// factual are the names that look at Subject.Facts.
var factual = map[string]bool{"phase": true, "latency": true, "slow": true, "errors": true, "findings": true, "finding": true, "s2s": true}

// call is a function of one argument, which is read once.
type call struct {
	number bool
	build  func(arg string) (func(*Subject) bool, error)
}

var calls = map[string]call{
	"payload": {build: func(ns string) (func(*Subject) bool, error) {
		return func(s *Subject) bool {
			for i := range s.Stanza.Payloads {
				if p := &s.Stanza.Payloads[i]; p.NS == ns || p.Name == ns {
					return true
				}
			}
			return false
		}, nil
	}},
	"xep": {number: true, build: func(n string) (func(*Subject) bool, error) {
		number, err := strconv.Atoi(n)
		if err != nil {
			return nil, fmt.Errorf("xep(%s): give the number of a XEP", n)
		}
		id := fmt.Sprintf("XEP-%04d", number)
		return func(s *Subject) bool {
			for i := range s.Stanza.Payloads {
				if s.Stanza.Payloads[i].XEP == id {
					return true
				}
			}
			return false
		}, nil
	}},
	"finding": {build: func(code string) (func(*Subject) bool, error) {
		return func(s *Subject) bool {
			for i := range s.Facts.Findings {
				if f := &s.Facts.Findings[i]; code == "" || f.Code == code || f.Severity == code {
					return true
				}
			}
			return false
		}, nil
	}},
	"jid": {build: func(j string) (func(*Subject) bool, error) {
		if _, err := stanza.ParseJID(j); err != nil {
			return nil, err
		}
		return func(s *Subject) bool {
			return strings.EqualFold(s.Stanza.From, j) || strings.EqualFold(s.Stanza.To, j) || strings.EqualFold(bare(s.Stanza.From), j) || strings.EqualFold(bare(s.Stanza.To), j)
		}, nil
	}},
	"text": {build: func(text string) (func(*Subject) bool, error) {
		low := []byte(strings.ToLower(text))
		return func(s *Subject) bool { return holds(s, low) }, nil
	}},
	"match": {build: func(re string) (func(*Subject) bool, error) {
		r, err := regexp.Compile(re)
		if err != nil {
			return nil, fmt.Errorf("match(%q): %w", re, err)
		}
		return func(s *Subject) bool {
			return r.Match(s.shown()) || len(s.Frame.Raw) == 0 && r.MatchString(s.Stanza.Summary)
		}, nil
	}},
	"xpath": {build: xpathMatcher},
}

var help = map[string]string{
	"name": "name of the element", "type": "the type attribute", "id": "the id attribute", "from": "who sends", "to": "who receives",
	"from.bare": "sender without resource", "from.local": "local part of the sender", "from.domain": "domain of the sender", "from.resource": "resource of the sender",
	"to.bare": "receiver without resource", "to.local": "local part of the receiver", "to.domain": "domain of the receiver", "to.resource": "resource of the receiver",
	"ns": "namespace of the element", "lang": "xml:lang", "kind": "message, presence, iq, nonza, header, …", "summary": "the line in words", "dir": "CS or SC", "phase": "tcp, stream, tls, sasl, dialback, bind, online, closing",
	"outcome": "passed, edited, dropped, injected", "body": "text of a message", "error": "condition of an error",
	"n": "number of the entry", "conn": "number of the connection", "t": "time since the beginning: t > 10s and t < 1m", "size": "bytes", "latency": "of an iq answer: slow > 200ms", "slow": "the same as latency",
	"message": "messages", "presence": "presence", "iq": "iq stanzas", "stanzas": "messages, presence and iq", "nonzas": "other elements", "errors": "errors of every kind", "findings": "entries with findings",
	"keepalive": "white space keepalives and BOSH polls", "bosh": "BOSH wrappers", "edited": "what the proxy changed", "injected": "what was injected",
	"muc": "rooms", "roster": "the roster", "sm": "stream management", "s2s": "between servers", "dialback": "dialback between servers", "sasl": "logins", "disco": "service discovery", "pubsub": "publish-subscribe", "mam": "archives", "carbons": "carbons",
	"omemo": "OMEMO", "jingle": "Jingle", "upload": "file upload", "receipts": "receipts and markers",
	`payload("…")`: "a payload with this namespace or name", "xep(…)": "a payload of this XEP", `finding("…")`: "a finding with this code or severity", `jid("…")`: "sent or received by this address",
	`text("…")`: "this text anywhere", `match("…")`: "a regular expression anywhere", `xpath("…")`: "an XPath that selects something",
}

// kindOf reports whether a name is one of the language.
func kindOf(name string) (string, bool) {
	if _, ok := strs[name]; ok {
		return "text", true
	}
	if _, ok := nums[name]; ok {
		return "number", true
	}
	if _, ok := words[name]; ok {
		return "word", true
	}
	_, ok := calls[name]
	return "function", ok
}

// member tells from.bare and the like, which look like a word to search for.
var member = regexp.MustCompile(`^(from|to)\.\w+$`)

func bare(jid string) string {
	s, _, _ := strings.Cut(jid, "/")
	return s
}

func latency(s *Subject) float64 {
	if !s.Facts.HasLatency {
		return -1
	}
	return s.Facts.Latency.Seconds()
}

func body(s *Subject) string {
	if s.Stanza.Kind != "message" || !bytes.Contains(s.Frame.Raw, []byte("body")) {
		return ""
	}
	root := s.Stanza.Root()
	if root == nil {
		return ""
	}
	if b := root.Child(root.NS, "body"); b != nil {
		return b.Text
	}
	return ""
}

func hasFinding(s *Subject, severity string) bool {
	for i := range s.Facts.Findings {
		if s.Facts.Findings[i].Severity == severity {
			return true
		}
	}
	return false
}

func prefixed(s *Subject, namespaces ...string) bool {
	for _, ns := range namespaces {
		if strings.HasPrefix(s.Stanza.NS, ns) {
			return true
		}
		for i := range s.Stanza.Payloads {
			if strings.HasPrefix(s.Stanza.Payloads[i].NS, ns) {
				return true
			}
		}
	}
	return false
}

func prefixes(namespaces ...string) func(*Subject) bool {
	return func(s *Subject) bool { return prefixed(s, namespaces...) }
}

// holds looks for text, given in lower case, in an entry: as it stands in the
// traffic, and as it reads.
func holds(s *Subject, low []byte) bool {
	raw := s.Frame.Raw
	if containsFoldString(s.Stanza.Summary, low) {
		return true
	}
	if hit := reads(raw, low); !hit || !s.Masked {
		return hit
	}
	at := 0 // only a hit is worth to look for secrets
	for _, hidden := range stanza.Secrets(s.Frame) {
		if reads(raw[at:hidden.Start], low) {
			return true
		}
		at = hidden.End
	}
	return reads(raw[at:], low)
}

// reads looks for text in XML as it stands there, and behind its entities.
func reads(raw, low []byte) bool {
	return containsFold(raw, low) || bytes.ContainsFunc(low, escaped) && bytes.IndexByte(raw, '&') >= 0 && containsFoldString(html.UnescapeString(string(raw)), low)
}

// escaped tells what may stand in XML as an entity.
func escaped(r rune) bool { return r < ' ' || r >= utf8.RuneSelf || strings.ContainsRune("<>&\"'", r) }

// shown is a frame without the secrets that s may not tell.
func (s *Subject) shown() []byte {
	if !s.Masked || s.Frame.Raw == nil {
		return s.Frame.Raw
	}
	return stanza.Mask(s.Frame.Raw, stanza.Secrets(s.Frame))
}

// containsFold reports whether low is in b in any case.
func containsFold(b, low []byte) bool {
	if len(low) == 0 {
		return true
	}
	for _, c := range low {
		if c >= utf8.RuneSelf {
			return bytes.Contains(bytes.ToLower(b), low)
		}
	}
	up := low[0]
	if 'a' <= up && up <= 'z' {
		up -= 'a' - 'A'
	}
	for {
		i := bytes.IndexByte(b, low[0])
		if up != low[0] {
			end := len(b)
			if i >= 0 {
				end = i
			}
			if j := bytes.IndexByte(b[:end], up); j >= 0 {
				i = j
			}
		}
		if i < 0 || len(b)-i < len(low) {
			return false
		}
		k := 1
		for k < len(low) {
			c := b[i+k]
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			if c != low[k] {
				break
			}
			k++
		}
		if k == len(low) {
			return true
		}
		b = b[i+1:]
	}
}

func containsFoldString(s string, low []byte) bool {
	if len(low) > len(s) {
		return false
	}
	return containsFold([]byte(s), low)
}
