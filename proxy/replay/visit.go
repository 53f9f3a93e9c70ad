package replay

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xdg-go/scram"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
)

// A host gives a connection what it shares with others.
type host interface {
	// preview is the session that a client of a domain probably gets: its
	// offer is what the client is shown. nil = there is none left.
	preview(domain string) *Session
	// match is the session that a client that is logged in probably gets,
	// or goes on with; nil = there is none left.
	match(domain, user string) *Session
	// claim gives a client its session.
	claim(domain, user string) *Session
	// begin is told of a session that is bound.
	begin(*Player)
	// resume finds the session that a client wants to go on with, and takes
	// it from the connection that had it.
	resume(id, user string) *Player
}

// A visit is one connection of a client: streams, STARTTLS, login and binding
// (RFC 6120), or all of that at once (XEP-0388, XEP-0386). Then a Player has the
// word. It is pure: what is to be sent is taken with take.
type visit struct {
	host    host
	script  *Script
	guard   *Passwords
	wanted  []string // mechanisms; nil = as recorded
	sasl2   bool     // SASL2 is offered though it was not recorded
	noTLS   bool
	expect  Expect
	pace    Pace
	others  map[string]string
	secured bool
	cbs     map[string]scram.ChannelBinding

	domain   string // that the client asked for
	streamed bool   // a header of ours was sent and its stream is open
	offered  []string
	login    *exchange
	tries    int
	user     string // of the client that is logged in
	s        *Session
	player   *Player
	out      []byte
	startTLS bool // after out was sent
	restart  bool // the client's next word begins a stream
	closing  bool // likewise
}

const nothingLeft = "every recorded session was played: replay server --loop plays them again"

// maxTries is how many logins may fail on one connection (RFC 6120 §6.4.5).
const maxTries = 5

func (v *visit) say(format string, args ...any) { v.out = fmt.Appendf(v.out, format, args...) }

// take returns what is to be sent, once.
func (v *visit) take() []byte {
	if v.player != nil {
		v.out = append(v.out, v.player.Take()...)
		v.closing = v.closing || v.player.closing
	}
	b := v.out
	v.out = nil
	return b
}

// fail ends the stream with an error (RFC 6120 §4.9).
func (v *visit) fail(condition, text string) {
	if !v.streamed {
		v.header()
	}
	v.say("<stream:error><%s xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>%s</text></stream:error></stream:stream>", condition, escape(text))
	v.closing = true
}

func (v *visit) header() {
	from := ""
	if v.domain != "" {
		from = " from='" + escape(v.domain) + "'"
	}
	v.say("<?xml version='1.0'?><stream:stream xmlns='%s' xmlns:stream='%s' id='%s'%s version='1.0' xml:lang='en'>", nsClient, nsStreams, randomID(), from)
	v.streamed = true
}

// hear takes a frame that the client said.
func (v *visit) hear(now time.Duration, wall time.Time, f decode.Frame) {
	if v.closing {
		return
	}
	switch f.Kind {
	case decode.Header:
		v.opened(f)
		return
	case decode.End:
		if p := v.player; p != nil && p.man.on {
			v.out = append(v.out, p.Take()...)
			v.say("%s", p.man.answer())
		}
		v.say("</stream:stream>")
		v.closing = true
		return
	case decode.Element:
	case decode.Whitespace, decode.Declaration:
		return
	default:
		v.fail("not-well-formed", "what came is no XML that XMPP allows")
		return
	}
	switch {
	case f.Part != decode.Whole:
		v.fail("policy-violation", "the stanza is too large")
		return
	case f.Err != nil:
		v.fail("not-well-formed", f.Err.Error())
		return
	case v.player != nil:
		v.player.Hear(now, f)
		return
	}
	root, err := stanza.Tree(f)
	if err != nil {
		v.fail("not-well-formed", err.Error())
		return
	}
	v.negotiate(now, wall, root)
}

func (v *visit) opened(f decode.Frame) {
	ns, _ := f.Stream.Lookup("")
	switch {
	case f.Err != nil:
		v.fail("not-well-formed", f.Err.Error())
	case v.streamed:
		v.fail("not-well-formed", "a stream begins inside of another")
	case f.Stream.NS != nsStreams || f.Stream.Name != "stream":
		v.fail("invalid-namespace", "no stream of XMPP")
	case ns != nsClient:
		v.fail("invalid-namespace", "only clients are served: "+ns)
	case f.Stream.Attr("to") == "" && v.domain == "":
		v.fail("improper-addressing", "the stream is to nobody")
	case f.Stream.Attr("version") == "":
		v.fail("unsupported-version", "the stream has no version: XMPP 1.0 is needed")
	default:
		if to := strings.ToLower(f.Stream.Attr("to")); to != "" && v.user == "" {
			v.domain = to
		}
		v.header()
		v.say("%s", v.features())
	}
}

// features are as recorded, as far as they are not about what differs here: TLS
// and the login.
func (v *visit) features() string {
	if v.user != "" {
		return v.afterLogin()
	}
	s := v.host.preview(v.domain)
	if s == nil {
		s = &Session{TLS: true}
	}
	var b strings.Builder
	b.WriteString("<stream:features>")
	if s.TLS && !v.noTLS && !v.secured {
		b.WriteString("<starttls xmlns='" + nsTLS + "'>")
		if s.NoClear {
			b.WriteString("<required/></starttls></stream:features>")
			return b.String()
		}
		b.WriteString("</starttls>")
	}
	wanted := v.wanted
	if wanted == nil {
		wanted = append(slices.Clone(s.Offer.SASL1), s.Offer.SASL2...)
		if _, ok := v.cbs["tls-unique"]; !ok && s.Offer.Bindings == nil {
			// Its clients took tls-unique for granted (RFC 5802 §6.1),
			// which TLS 1.3 does not have.
			wanted = slices.DeleteFunc(wanted, func(m string) bool { return strings.HasSuffix(m, "-PLUS") })
		}
	}
	v.offered = usable(wanted, v.guard, v.secured)
	list := ""
	for _, m := range v.offered {
		list += "<mechanism>" + escape(m) + "</mechanism>"
	}
	if s.Offer.SASL1 != nil || s.Offer.SASL2 == nil {
		b.WriteString("<mechanisms xmlns='" + nsSASL + "'>" + list + "</mechanisms>")
	}
	if s.Offer.SASL2 != nil || v.sasl2 {
		b.WriteString("<authentication xmlns='" + nsSASL2 + "'>" + list + "<inline><sm xmlns='urn:xmpp:sm:3'/><bind xmlns='" + nsBind2 + "'><inline><feature var='urn:xmpp:sm:3'/></inline></bind></inline></authentication>")
	}
	if slices.ContainsFunc(v.offered, func(m string) bool { return strings.HasSuffix(m, "-PLUS") }) {
		b.WriteString("<sasl-channel-binding xmlns='" + nsBinding + "'>")
		for _, kind := range []string{"tls-exporter", "tls-unique", "tls-server-end-point"} {
			if _, ok := v.cbs[kind]; ok {
				b.WriteString("<channel-binding type='" + kind + "'/>")
			}
		}
		b.WriteString("</sasl-channel-binding>")
	}
	b.WriteString("</stream:features>")
	return b.String()
}

// afterLogin are the recorded features, but for what cannot be had.
func (v *visit) afterLogin() string {
	var b strings.Builder
	b.WriteString("<stream:features>")
	bound := v.player != nil
	binds := false
	if v.s.features.size > 0 {
		if f, root, err := v.script.frame(v.s.features); err == nil {
			w := rewriter{names: Names{From: v.s.Account, To: stanza.JID{Local: v.user, Domain: v.domain}, Others: v.others}}
			for _, n := range root.Children {
				switch {
				case n.NS == nsTLS, n.NS == nsSASL, n.NS == nsSASL2, n.NS == nsBinding, n.Name == "compression":
					continue
				case n.NS == nsBind || n.NS == nsSession:
					if bound {
						continue
					}
					binds = binds || n.NS == nsBind
				}
				part := decode.Frame{Kind: decode.Element, Raw: f.Raw[n.Start:n.End], Stream: f.Stream}
				if tree, err := stanza.Tree(part); err == nil && tree.NS == n.NS {
					b.Write(w.live(part, tree, ""))
				}
			}
		}
	}
	if !bound && !binds {
		b.WriteString("<bind xmlns='" + nsBind + "'/>")
	}
	b.WriteString("</stream:features>")
	return b.String()
}

// negotiate is everything up to the binding.
func (v *visit) negotiate(now time.Duration, wall time.Time, root *stanza.Node) {
	switch {
	case root.NS == nsTLS && root.Name == "starttls" && !v.secured && !v.noTLS && v.user == "":
		v.say("<proceed xmlns='%s'/>", nsTLS)
		v.startTLS, v.streamed, v.domain = true, false, ""
	case root.NS == nsTLS && root.Name == "starttls":
		v.say("<failure xmlns='%s'/></stream:stream>", nsTLS)
		v.closing = true
	case v.user == "" && v.offered == nil:
		v.fail("policy-violation", "TLS comes first")
	case v.user == "" && (root.NS == nsSASL && root.Name == "auth" || root.NS == nsSASL2 && root.Name == "authenticate"):
		v.authenticate(now, wall, root)
	case v.login != nil && root.NS == v.login.ns && root.Name == "response":
		message, err := decodeSASL(root.Text)
		v.advance(now, wall, message, err)
	case v.login != nil && root.NS == v.login.ns && root.Name == "abort":
		v.refuse(v.login.ns, &refusal{"aborted", "the client does not want to go on"})
	case v.user == "":
		v.fail("not-authorized", "the login comes first")
	case isSM(root.NS) && root.Name == "resume":
		if text := v.resume(now, root); text != "" {
			v.say("%s", text)
		} else {
			v.say("<failed xmlns='%s'><item-not-found xmlns='%s'/></failed>", root.NS, nsStanzas)
		}
	case root.Name == "iq" && root.Attr("type") == "set" && root.Child(nsBind, "bind") != nil:
		resource := ""
		if r := root.Child(nsBind, "bind").Child(nsBind, "resource"); r != nil {
			resource = strings.TrimSpace(r.Text)
		}
		if !v.bind(now, wall, resource) {
			return
		}
		v.say("<iq type='result' id='%s'><bind xmlns='%s'><jid>%s</jid></bind></iq>", escape(root.Attr("id")), nsBind, escape(v.player.live.String()))
	case root.Name == "iq" && root.Attr("type") != "result" && root.Attr("type") != "error":
		v.say("<iq type='error' id='%s'><error type='cancel'><not-allowed xmlns='%s'/></error></iq>", escape(root.Attr("id")), nsStanzas)
	}
}

func (v *visit) authenticate(now time.Duration, wall time.Time, root *stanza.Node) {
	x, err := newExchange(root.NS, root.Attr("mechanism"), v.offered, v.domain, v.guard, v.cbs)
	if err != nil {
		v.refuse(root.NS, err)
		return
	}
	v.login = x
	data := root
	if root.NS == nsSASL2 {
		x.auth, data = root, root.Child(nsSASL2, "initial-response")
	}
	if data == nil || strings.TrimSpace(data.Text) == "" {
		if root.Attr("mechanism") == "ANONYMOUS" {
			v.advance(now, wall, "", nil)
			return
		}
		v.say("<challenge xmlns='%s'></challenge>", root.NS) // the client speaks first: RFC 6120 §6.4.2
		return
	}
	message, err := decodeSASL(data.Text)
	v.advance(now, wall, message, err)
}

func (v *visit) advance(now time.Duration, wall time.Time, message string, err error) {
	x := v.login
	answer, done := "", false
	if err == nil {
		answer, done, err = x.step(message)
	}
	if err == nil && done {
		if j, bad := stanza.ParseJID(x.user + "@" + v.domain); bad != nil || j.Local == "" {
			err = &refusal{"malformed-request", "the user's name cannot be one"}
		} else {
			x.user = j.Local
		}
	}
	if err == nil && done {
		if v.s = v.host.match(v.domain, x.user); v.s == nil {
			err = &refusal{"temporary-auth-failure", nothingLeft}
		}
	}
	switch {
	case err != nil:
		v.refuse(x.ns, err)
	case !done:
		v.say("<challenge xmlns='%s'>%s</challenge>", x.ns, encodeSASL(answer))
	case x.ns == nsSASL:
		v.user, v.login, v.streamed, v.restart = x.user, nil, false, true
		v.say("<success xmlns='%s'>%s</success>", nsSASL, encodeSASL(answer))
	default:
		v.user, v.login = x.user, nil
		v.inline(now, wall, x.auth, answer)
	}
}

// inline is the end of a login with SASL2 and what was asked for along with it.
func (v *visit) inline(now time.Duration, wall time.Time, auth *stanza.Node, answer string) {
	data, inner, again := "", "", ""
	if answer != "" {
		data = "<additional-data>" + encodeSASL(answer) + "</additional-data>"
	}
	for _, n := range auth.Children {
		if isSM(n.NS) && n.Name == "resume" {
			resumed := v.resume(now, n)
			if at := strings.Index(resumed, "/>"); at >= 0 {
				inner, again = resumed[:at+2], resumed[at+2:]
			} else {
				inner = fmt.Sprintf("<failed xmlns='%s'><item-not-found xmlns='%s'/></failed>", n.NS, nsStanzas)
			}
		}
	}
	if b := auth.Child(nsBind2, "bind"); b != nil && v.player == nil {
		resource := randomID()
		if t := b.Child(nsBind2, "tag"); t != nil && strings.TrimSpace(t.Text) != "" {
			resource = strings.TrimSpace(t.Text) + "/" + resource
		}
		if !v.bind(now, wall, resource) {
			return
		}
		enabled := ""
		for _, n := range b.Children {
			if isSM(n.NS) && n.Name == "enable" {
				enabled = v.player.enable(n)
			}
		}
		inner += "<bound xmlns='" + nsBind2 + "'>" + enabled + "</bound>"
	}
	id := v.user + "@" + v.domain
	if v.player != nil {
		id = v.player.live.String()
	}
	v.say("<success xmlns='%s'>%s<authorization-identifier>%s</authorization-identifier>%s</success>", nsSASL2, data, escape(id), inner)
	if again == "" {
		v.say("%s", v.features()) // at once, without a new stream: XEP-0388 §2.6.1
	}
	v.say("%s", again)
}

func (v *visit) refuse(ns string, err error) {
	v.login = nil
	r := &refusal{"temporary-auth-failure", err.Error()}
	errors.As(err, &r)
	v.say("<failure xmlns='%s'><%s xmlns='%s'/><text>%s</text></failure>", ns, r.condition, nsSASL, escape(r.text))
	if v.tries++; v.tries == maxTries {
		v.fail("policy-violation", "too many logins failed")
	}
}

// bind gives the client its address and the word to the player.
func (v *visit) bind(now time.Duration, wall time.Time, resource string) bool {
	if v.s = v.host.claim(v.domain, v.user); v.s == nil {
		v.fail("policy-violation", nothingLeft)
		return false
	}
	if resource == "" {
		resource = v.s.Account.Resource
	}
	if resource == "" {
		resource = randomID()
	}
	live := stanza.JID{Local: v.user, Domain: v.domain, Resource: resource}
	v.player = newPlayer(v.script, v.s, live, v.others, v.expect, v.pace, now, wall)
	v.host.begin(v.player)
	return true
}

// resume goes on with an earlier session. "" = it cannot.
func (v *visit) resume(now time.Duration, root *stanza.Node) string {
	p := v.host.resume(root.Attr("previd"), v.user+"@"+v.domain)
	if p == nil {
		return ""
	}
	text, ok := p.resume(now, root)
	if !ok {
		return ""
	}
	v.player = p
	return text
}
