package stanza

import (
	"cmp"
	"strings"

	"github.com/xmpplens/xmpplens/decode/xep"
)

// A Meaning says what a name in the traffic is for, and where that is written.
type Meaning struct {
	Text string `json:"text"`
	Ref  string `json:"ref"` // RFC 6120 §8.1.3, XEP-0198; "" = nowhere in particular
}

// attributes are what well-known attributes are for. The key is the attribute,
// with the element in front of it where it depends on that.
var attributes = map[string]Meaning{
	"to":                   {"The address that the stanza is for. Without one it is for the account itself, or the server.", "RFC 6120 §8.1.1"},
	"from":                 {"The address that the stanza is from. A server fills it in, or checks it.", "RFC 6120 §8.1.2"},
	"id":                   {"Chosen by the sender, so that an answer, an error or a receipt can name it.", "RFC 6120 §8.1.3"},
	"xml:lang":             {"The language of the text that people read inside.", "RFC 6120 §8.1.5"},
	"xmlns":                {"The namespace of the element and of those inside that declare none.", "RFC 6120 §4.8"},
	"jid":                  {"An address of XMPP: account@domain/resource.", "RFC 7622 §3"},
	"node":                 {"The part of the entity that is meant: a node of publish-subscribe, of discovery, or of a command.", "XEP-0030 §3"},
	"var":                  {"The name of a field for programs, or of a feature.", "XEP-0004 §3.2"},
	"stamp":                {"When it was sent for the first time, in UTC.", "XEP-0203 §2"},
	"code":                 {"A number for what happened. In errors it is the legacy of the time before XMPP.", "XEP-0086"},
	"mechanism":            {"The SASL mechanism of the login.", "RFC 6120 §6.3"},
	"h":                    {"How many stanzas the sender of this has handled since stream management began, modulo 2³².", "XEP-0198 §4"},
	"previd":               {"The id of the stream that is to be resumed.", "XEP-0198 §5"},
	"hash":                 {"The hash function that made ver.", "XEP-0115 §4"},
	"queryid":              {"Joins the results of the archive to the query.", "XEP-0313 §4"},
	"sid":                  {"The id of a session or of a bytestream.", ""},
	"iq type":              {"get asks for something, set changes or starts something; result and error answer them.", "RFC 6120 §8.2.3"},
	"message type":         {"chat: one to one; groupchat: to or from a room; headline: news that needs no answer; error: an answer to a message that failed; normal, or none: stands by itself.", "RFC 6121 §5.2.2"},
	"presence type":        {"None: available. unavailable, error, probe (asks for presence), subscribe, subscribed, unsubscribe, unsubscribed.", "RFC 6121 §4.7.1"},
	"error type":           {"What the sender can do: cancel (do not retry), continue (only a warning), modify (retry with other data), auth (retry when logged in), wait (retry later).", "RFC 6120 §8.3.2"},
	"error by":             {"The entity that found the error.", "RFC 6120 §8.3.1"},
	"field type":           {"How a person fills the field in: text-single, text-private (a secret), list-multi, boolean, …", "XEP-0004 §3.3"},
	"x type":               {"form: to fill in; submit: filled in; cancel; result: data that was asked for.", "XEP-0004 §3.1"},
	"stream version":       {"The version of XMPP that the sender speaks; 1.0 is that of the RFC.", "RFC 6120 §4.7.5"},
	"stream id":            {"The id that the receiving side gives the stream. It has to be unpredictable.", "RFC 6120 §4.7.3"},
	"stream to":            {"The domain that the stream is for.", "RFC 6120 §4.7.2"},
	"stream from":          {"The account or domain that opens the stream.", "RFC 6120 §4.7.1"},
	"stream xml:lang":      {"The language of texts in the stream that say no other.", "RFC 6120 §4.7.4"},
	"enable resume":        {"The client wants to resume the stream when the connection breaks.", "XEP-0198 §3"},
	"enabled resume":       {"The server will let the stream be resumed.", "XEP-0198 §3"},
	"enabled id":           {"What the client says to resume this stream.", "XEP-0198 §3"},
	"enabled max":          {"For how many seconds the server keeps the stream for a resumption.", "XEP-0198 §5"},
	"enabled location":     {"Where the server would like the client to come back.", "XEP-0198 §5"},
	"enable max":           {"For how many seconds the client would like the stream kept.", "XEP-0198 §5"},
	"query ver":            {"The version of the roster that is known already, or is sent.", "RFC 6121 §2.6"},
	"c ver":                {"The hash over the identity and features of the client, by which its capabilities are cached.", "XEP-0115 §5"},
	"c node":               {"The client's software.", "XEP-0115 §4"},
	"c ext":                {"Bundles of features, as clients said before hashes.", "XEP-0115"},
	"item subscription":    {"Who sees whose presence: none, to, from, both; remove deletes the contact.", "RFC 6121 §2.1.2.5"},
	"item ask":             {"subscribe: a request to see the contact's presence is waiting for an answer.", "RFC 6121 §2.1.2.2"},
	"item approved":        {"The contact may subscribe without being asked about.", "RFC 6121 §2.1.2.1"},
	"item name":            {"What the user calls it.", "RFC 6121 §2.1.2.4"},
	"item affiliation":     {"The standing relation to a room: owner, admin, member, none, outcast.", "XEP-0045 §5.2"},
	"item role":            {"What somebody may do during a visit: moderator, participant, visitor, none.", "XEP-0045 §5.1"},
	"item nick":            {"The name in the room.", "XEP-0045 §7"},
	"status code":          {"What a room says about what happened; 110 is about the receiver itself.", "XEP-0045 §15.6"},
	"fin complete":         {"true: there are no more results behind these.", "XEP-0313 §4.2"},
	"result id":            {"The id that the archive gave the message.", "XEP-0313 §4.2"},
	"stanza-id by":         {"The entity that gave the id.", "XEP-0359 §2.1"},
	"stanza-id id":         {"The id that an archive or a room gave the message; believe it only of those who may say so.", "XEP-0359 §2.1"},
	"origin-id id":         {"The sender's own id, which no server changes.", "XEP-0359 §2.2"},
	"received id":          {"The id of the message that arrived.", "XEP-0184 §7"},
	"displayed id":         {"The id of the last message that was seen.", "XEP-0333 §4.2"},
	"replace id":           {"The id of the message that this one corrects.", "XEP-0308 §3"},
	"reply id":             {"The id of the message that this one answers.", "XEP-0461"},
	"reactions id":         {"The id of the message that the reactions are about.", "XEP-0444"},
	"delay from":           {"Who held the stanza back.", "XEP-0203 §2"},
	"identity category":    {"What kind of entity it is: client, server, conference, pubsub, …", "XEP-0030 §3.1"},
	"command action":       {"What to do next: execute, next, prev, complete, cancel.", "XEP-0050 §3.4"},
	"command sessionid":    {"Joins the steps of a command.", "XEP-0050 §4.1"},
	"data seq":             {"The number of the block, from 0, up to 65535 and round again.", "XEP-0047 §2.2"},
	"open block-size":      {"How many bytes a block has at most.", "XEP-0047 §2.1"},
	"jingle action":        {"What happens to the session: session-initiate, session-accept, transport-info, session-terminate, …", "XEP-0166 §7.2"},
	"key rid":              {"The device that the key is for.", "XEP-0384"},
	"header sid":           {"The device that encrypted the message.", "XEP-0384"},
	"body rid":             {"The number of the request; each is one more than that before.", "XEP-0124 §7"},
	"body sid":             {"The session that the connection manager has begun.", "XEP-0124 §7.2"},
	"body wait":            {"For how many seconds the server may keep a request without an answer.", "XEP-0124 §7.1"},
	"body hold":            {"How many requests the server may keep open.", "XEP-0124 §7.1"},
	"body ack":             {"The highest request number that was received.", "XEP-0124 §9"},
	"channel-binding":      {"How the login is tied to the TLS session.", "XEP-0440"},
	"channel-binding type": {"A channel binding that the server can do.", "XEP-0440 §2"},
	"slot size":            {"The size of the file in bytes.", "XEP-0363"},
	"request filename":     {"The name of the file that is to be uploaded.", "XEP-0363 §4"},
	"request size":         {"The size of the file in bytes.", "XEP-0363 §4"},
}

// MeaningOf says what an attribute of an element is for. Names are without their
// prefix, but for xml:lang.
func MeaningOf(element, attribute string) (Meaning, bool) {
	if strings.HasPrefix(attribute, "xmlns:") {
		attribute = "xmlns"
	}
	if m, ok := attributes[element+" "+attribute]; ok {
		return m, true
	}
	m, ok := attributes[attribute]
	return m, ok
}

// maxMeanings bounds what is explained of one frame.
const maxMeanings = 300

// Meanings explains the attributes and the namespaces of an element and all that
// is inside. The keys are "element attribute", and the namespace.
func Meanings(root *Node) map[string]Meaning {
	out := make(map[string]Meaning)
	if root == nil {
		return out
	}
	namespace := func(ns string) {
		if _, ok := out[ns]; ok || ns == "" {
			return
		}
		if s, ok := xep.Lookup(ns); ok {
			text := s.Title
			if s.Status != "" && s.Status != "RFC" {
				text += ", " + strings.ToLower(s.Status)
			}
			if s.Family {
				text += "; this version of the namespace is not known"
			}
			out[ns] = Meaning{text, s.ID}
			return
		}
		out[ns] = Meaning{"A namespace that no RFC or XEP known here defines.", ""}
	}
	attribute := func(element, name string) {
		if m, ok := MeaningOf(element, name); ok {
			out[element+" "+name] = m
		}
	}
	todo := []*Node{root}
	for len(todo) > 0 && len(out) < maxMeanings {
		n := todo[len(todo)-1]
		todo = append(todo[:len(todo)-1], n.Children...)
		namespace(n.NS)
		for _, d := range n.decls[:min(len(n.decls), few)] {
			namespace(d.uri)
			attribute(n.Name, cmp.Or(strings.TrimSuffix("xmlns:"+d.prefix, ":"), "xmlns"))
		}
		for _, a := range n.Attrs[:min(len(n.Attrs), 4*few)] {
			attribute(n.Name, a.Name)
		}
	}
	return out
}

// Declared returns the namespace declarations of the element as attributes,
// without spans.
func (n *Node) Declared() []Attr {
	var out []Attr
	for _, d := range n.decls {
		out = append(out, Attr{Name: strings.TrimSuffix("xmlns:"+d.prefix, ":"), Value: d.uri})
	}
	return out
}
