package redact

import (
	"slices"
	"strings"
)

// This file says what is what: which text or attribute of which element is an address, a name, a secret, what somebody
// wrote, or the protocol's own. What nobody knows is replaced.

// how a value is replaced.
type how uint8

const (
	guess   how = iota // by what it looks like; text where that is not known
	stays              // the protocol's: only words that identify somebody are replaced
	address            // a JID
	host               // a domain or IP address
	names              // all words, each by its pseudonym
	mixed              // all words but those of the protocol
	text               // as a whole
	blob               // keys and data, as a whole
	secret             // taken away
	sasl               // a SASL message
	link               // a URL
	node               // of service discovery or pubsub
	value_             // of a form
	version            // of software
	program            // its name
)

type treat struct {
	how  how
	kind string // for the report, and --keep
	mech string // sasl
}

// frame is an element that is open.
type frame struct {
	name, ns string
	spaces   []binding // declared here
	text     treat
	outer    bool   // a stream, or a wrapper of BOSH: what is in it is of the first level
	inside   string // xhtml, vcard, private: what an ancestor says of all that is in it
	field    treat  // of the values of a form's field
	mech     string
}

type binding struct{ prefix, uri string }

func split(q string) (prefix, name string) {
	if p, n, ok := strings.Cut(q, ":"); ok {
		return p, n
	}
	return "", q
}

func attrOf(attrs []attr, name string) string {
	for i := range attrs {
		if attrs[i].name == name {
			return string(attrs[i].value)
		}
	}
	return ""
}

// open makes the frame of a start tag.
func (l *lexer) open(q string, attrs []attr) frame {
	var f frame
	prefix, name := split(q)
	f.name = name
	for i := range attrs {
		if p, ok := strings.CutPrefix(attrs[i].name, "xmlns"); ok && (p == "" || p[0] == ':') {
			f.spaces = append(f.spaces, binding{strings.TrimPrefix(p, ":"), string(attrs[i].value)})
		}
	}
	f.ns = l.lookup(prefix, f.spaces)
	var up frame
	if n := len(l.stack); n > 0 && l.depth == 0 {
		up = l.stack[n-1]
	}
	f.outer = name == "stream" && (prefix != "" || f.ns == nsStreams) || name == "body" && f.ns == nsBOSH
	f.inside, f.mech = up.inside, up.mech
	switch {
	case f.inside != "":
	case f.ns == "urn:xmpp:sasl:2" && (name == "next" || name == "task-data"):
		f.inside = "secret"
	case f.ns == "http://www.w3.org/1999/xhtml", name == "html" && f.ns == "http://jabber.org/protocol/xhtml-im":
		f.inside = "xhtml"
	case f.ns == "vcard-temp", f.ns == "urn:ietf:params:xml:ns:vcard-4.0":
		f.inside = "vcard"
	case strings.Contains(f.ns, "omemo"), strings.Contains(f.ns, "axolotl"), strings.Contains(f.ns, "openpgp"), f.ns == "jabber:x:encrypted", f.ns == "jabber:x:signed":
		f.inside = "key"
	}
	if m := attrOf(attrs, "mechanism"); m != "" {
		f.mech = m
	}
	f.text = f.content(&up, attrs)
	return f
}

func (l *lexer) lookup(prefix string, own []binding) string {
	for _, b := range own {
		if b.prefix == prefix {
			return b.uri
		}
	}
	for i := len(l.stack) - 1; i >= 0; i-- {
		for _, b := range l.stack[i].spaces {
			if b.prefix == prefix {
				return b.uri
			}
		}
	}
	return ""
}

const (
	nsStreams  = "http://etherx.jabber.org/streams"
	nsBOSH     = "http://jabber.org/protocol/httpbind"
	nsDialback = "jabber:server:dialback"
)

// texts are elements whose text is of one kind wherever they stand.
var texts = map[string]treat{
	"body": {text, "body", ""}, "subject": {text, "subject", ""}, "status": {text, "status", ""},
	"nick": {names, "nick", ""}, "group": {names, "name", ""}, "reason": {text, "status", ""},
	"jid": {how: address}, "resource": {how: names}, "email": {how: address}, "username": {how: names}, "authorization-identifier": {how: address},
	"see-other-host": {how: host}, "see-other-uri": {link, "url", ""}, "redirect": {link, "url", ""}, "gone": {link, "url", ""},
	"password": {how: secret}, "digest": {how: secret}, "key": {how: secret}, "token": {how: secret}, "task-data": {how: secret}, "next": {how: secret},
	"handshake": {blob, "secret", ""}, "header": {blob, "secret", ""}, "fingerprint": {blob, "key", ""},
	"url": {link, "url", ""}, "uri": {link, "url", ""}, "href": {link, "url", ""},
	"data": {blob, "file", ""}, "hash": {blob, "key", ""}, "photo": {how: names}, "PHOTO": {blob, "file", ""}, "BINVAL": {blob, "file", ""},
	"thread": {how: stays}, "show": {how: stays}, "priority": {how: stays}, "mechanism": {how: stays}, "method": {how: stays},
	"first": {how: stays}, "last": {how: stays}, "before": {how: stays}, "after": {how: stays}, "max": {how: stays}, "count": {how: stays}, "index": {how: stays},
	"utc": {how: stays}, "tzo": {how: stays}, "seconds": {how: stays}, "max-bytes": {how: stays}, "idle-seconds": {how: stays}, "parent": {how: stays},
	"software": {program, "name", ""}, "device": {text, "name", ""}, "os": {text, "name", ""}, "size": {how: stays}, "date": {how: stays}, "media-type": {how: stays},
	"instructions": {text, "form", ""}, "title": {text, "name", ""}, "desc": {text, "name", ""}, "error": {text, "error", ""},
}

// content is how the text of an element is replaced.
func (f *frame) content(up *frame, attrs []attr) treat {
	switch f.inside {
	case "secret":
		return treat{how: secret}
	case "xhtml":
		return treat{text, "body", ""}
	case "key":
		return treat{blob, "key", ""}
	case "vcard":
		switch f.name {
		case "BINVAL", "PHOTO", "LOGO", "SOUND", "KEY", "CRED":
			return treat{blob, "file", ""}
		case "JABBERID", "USERID":
			return treat{how: address}
		case "uri", "URL":
			return treat{link, "vcard", ""}
		case "TYPE", "REV":
			return treat{how: stays}
		case "text", "type":
			if up.name == "type" || up.name == "parameters" || f.name == "type" {
				return treat{how: mixed}
			}
		}
		return treat{text, "vcard", ""}
	}
	if strings.Contains(f.ns, "sasl") {
		switch f.name {
		case "auth", "response", "challenge", "success", "initial-response", "additional-data", "data", "abort":
			return treat{how: sasl, mech: f.mech}
		case "text":
			return treat{text, "error", ""}
		}
	}
	switch {
	case f.ns == "http://jabber.org/protocol/geoloc":
		return treat{text, "text", ""}
	case f.ns == nsDialback && (f.name == "result" || f.name == "verify"):
		return treat{blob, "secret", ""}
	case f.name == "text" || up.name == "error" || f.name == "error":
		return treat{text, "error", ""}
	case f.name == "field":
		f.field = treat{value_, "form", ""}
		switch v, t := strings.ToLower(attrOf(attrs, "var")), attrOf(attrs, "type"); {
		case v == "form_type":
			f.field = treat{how: stays}
		case t == "text-private", strings.Contains(v, "password"), strings.Contains(v, "secret"), strings.Contains(v, "token"):
			f.field = treat{how: secret}
		case strings.HasPrefix(t, "jid"):
			f.field = treat{how: address}
		case t == "text-multi", t == "fixed":
			f.field = treat{text, "form", ""}
		}
		return treat{text, "form", ""}
	case f.name == "option":
		f.field = up.field
		return treat{text, "form", ""}
	case f.name == "value":
		if up.name == "field" || up.name == "option" {
			return up.field
		}
	case f.ns == "jabber:iq:version":
		switch f.name {
		case "name":
			return treat{program, "name", ""}
		case "version":
			return treat{version, "name", ""}
		}
	case f.ns == "jabber:iq:register":
		switch f.name {
		case "username", "email", "password", "key", "instructions":
		default:
			return treat{text, "form", ""}
		}
	case f.name == "data" && strings.Contains(f.ns, "x:data"), f.outer:
		return treat{text, "text", ""}
	}
	if t, ok := texts[f.name]; ok {
		return t
	}
	return treat{guess, "text", ""}
}

// attributesKept are attributes with values that the protocol enumerates, numbers, times and ids.
var attributesKept = set(`id type xml:lang lang version ver hash algo algorithm stamp h previd max resume mechanism code seq block-size sid rid wait hold requests inactivity polling
	content ack xmpp:version xmpp:restart xmpp:restartlogic charsets condition subscription ask affiliation role category var action creator senders media clockrate channels
	protocol component foundation generation network port priority width height size bytes status queryid complete stable index count newkey seconds
	default xml:space stanza secure route pause cid time max-bytes location-type mode profile maxptime ptime xmpp:condition standalone encoding order since start end amount
	created expires transport mime-type mime disposition stream qop behavior device rel-port rport tcptype namespace feature features preid prekey kex autojoin approved optional task expiry
	access_model unit datum volume chunk blocked style class from-type before after`)

var attributesOf = map[string]treat{
	"jid": {how: address}, "from": {how: address}, "to": {how: address}, "by": {how: address}, "initiator": {how: address}, "responder": {how: address},
	"owner": {how: address}, "with": {how: address}, "actor": {how: address}, "sender": {how: address}, "recipient": {how: address}, "target": {how: address},
	"authid": {how: address}, "authzid": {how: address}, "channel": {how: address}, "domain": {how: host},
	"host": {how: host}, "ip": {how: host}, "addr": {how: host}, "rel-addr": {how: host}, "raddr": {how: host}, "location": {how: host}, "address": {how: host},
	"nick": {names, "nick", ""}, "resource": {how: names}, "reporter": {how: names},
	"password": {how: secret}, "pwd": {how: secret}, "ufrag": {how: secret}, "username": {how: secret}, "credential": {how: secret}, "token": {how: secret},
	"secret": {how: secret}, "key-params": {how: secret}, "dstaddr": {blob, "key", ""}, "fingerprint": {blob, "key", ""},
	"url": {link, "url", ""}, "uri": {link, "url", ""}, "href": {link, "url", ""}, "src": {link, "url", ""}, "xlink:href": {link, "url", ""},
	"name": {text, "name", ""}, "label": {text, "form", ""}, "title": {text, "name", ""}, "desc": {text, "name", ""}, "alt": {text, "body", ""},
	"filename": {text, "name", ""}, "reason": {text, "status", ""}, "text": {text, "text", ""}, "description": {text, "text", ""}, "group": {names, "name", ""},
	"node": {how: node}, "value": {value_, "form", ""}, "content-type": {how: mixed},
}

// named are elements whose name attribute is the protocol's.
var named = set("payload-type parameter content hdrext rtcp-fb header method field crypto feature")

// attribute is how the value of an attribute is replaced.
func (l *lexer) attribute(f *frame, a *attr, attrs []attr) treat {
	name := a.name
	switch {
	case strings.HasPrefix(name, "xmlns"):
		return treat{how: stays}
	case name == "name" && named[f.name]:
		return treat{how: stays}
	case name == "name" && f.name == "identity":
		if c := attrOf(attrs, "category"); c == "client" || c == "server" {
			return treat{program, "name", ""}
		}
	case name == "id" && f.name == "info", name == "id" && f.name == "item" && len(a.value) == 40 && hexadecimal(a.value):
		return treat{how: names} // the hash of an avatar
	case name == "value" && f.name == "parameter", name == "name" && f.ns == "urn:xmpp:jingle:1":
		return treat{how: stays}
	case attributesKept[name], name == "key" && f.outer: // of a BOSH wrapper
		return treat{how: stays}
	}
	if t, ok := attributesOf[name]; ok {
		return t
	}
	return treat{how: mixed}
}

func hexadecimal(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return !isHex(c) })
}

// apply replaces a value.
func (r *redactor) apply(t treat, b []byte, escaped bool) {
	switch t.how {
	case secret:
		r.fill(b, escaped)
		return
	case sasl:
		r.sasl(b, t.mech)
		return
	case stays:
		r.stays(b)
		return
	}
	v := r.value(b, escaped)
	if len(v.g) == 0 {
		return
	}
	switch t.how {
	case address:
		r.jid(trim(v))
	case host:
		r.host(trim(v))
	case names:
		if t.kind != "" && r.keep[t.kind] {
			r.scan(v, secretOnly, false)
			return
		}
		r.each(v, all)
	case mixed:
		r.scan(v, notKnown, true)
	case text:
		r.text(v, t.kind)
	case blob:
		r.blob(v, t.kind)
	case link:
		if t.kind != "" && r.keep[t.kind] {
			r.scan(v, secretOnly, false)
			return
		}
		r.url(trim(v))
	case node:
		r.node(v)
	case program:
		if software[strings.ToLower(strings.TrimSpace(v.text()))] {
			r.scan(v, secretOnly, false)
			return
		}
		r.text(v, t.kind)
	case version:
		if s := v.text(); s != "" && s[0] >= '0' && s[0] <= '9' && len(s) < 20 && strings.Trim(s, "0123456789.abcrv+~-") == "" {
			r.scan(v, secretOnly, false)
			return
		}
		r.text(v, t.kind)
	case value_, guess:
		r.guess(v, t.kind)
	}
	switch t.how {
	case address, host, names, mixed, link, node:
		kind := t.kind
		if kind == "" {
			kind = "address"
		}
		r.count(kind)
	}
}

// stays replaces nothing but words that identify somebody. Most of it is the same over and over.
func (r *redactor) stays(b []byte) {
	clean := r.clean[0]
	if r.collecting {
		clean = r.clean[1]
	}
	if len(b) == 0 || clean[string(b)] {
		return
	}
	if len(b) > 128 {
		r.scan(r.value(b, true), secretOnly, false)
		return
	}
	before := string(b)
	r.scan(r.value(b, true), secretOnly, false)
	if before == string(b) {
		if len(clean) >= maxCached {
			clear(clean)
		}
		clean[before] = true
	}
}

func trim(v value) value {
	for len(v.g) > 0 && strings.ContainsRune(" \t\r\n", v.g[0].r) {
		v.g = v.g[1:]
	}
	for n := len(v.g); n > 0 && strings.ContainsRune(" \t\r\n", v.g[n-1].r); n-- {
		v.g = v.g[:n-1]
	}
	return v
}

// guess replaces a value of which nothing is known: what is the protocol's stays, addresses become addresses.
func (r *redactor) guess(v value, kind string) {
	t := trim(v)
	if len(t.g) > maxToken {
		r.text(v, kind)
		return
	}
	s := t.text()
	switch {
	case s == "":
	case harmless(s), vocabulary()[strings.ToLower(s)], known(s):
		r.scan(v, secretOnly, false)
	case strings.Contains(s, "://") && !strings.ContainsAny(s, " \n"), strings.HasPrefix(s, "xmpp:"):
		r.url(t)
	case strings.Contains(s, "@") && !strings.ContainsAny(s, " \n"):
		r.jid(t)
	case r.ipPort(t, s):
	case isDomain(s):
		r.host(t)
	default:
		r.text(v, kind)
	}
}

// harmless are small numbers, points in time, and yes and no.
func harmless(s string) bool {
	if strings.Trim(s, "0123456789-+.") == "" {
		return len(s) < minDigits || len(s) == 10 && s[4] == '-' && s[7] == '-'
	}
	return len(s) >= 19 && len(s) <= 35 && s[4] == '-' && s[7] == '-' && s[10] == 'T' && strings.Trim(s[11:], "0123456789:.+-Z") == ""
}

// node replaces a node: what stands in front of # is a name of the protocol, of a program, or of somebody; behind it may
// stand the hash of capabilities (XEP-0115).
func (r *redactor) node(v value) {
	s := v.text()
	if known(s) {
		r.scan(v, secretOnly, false)
		return
	}
	at := v.index('#')
	if at < 0 {
		r.scan(v, notKnown, true)
		return
	}
	tail := v.sub(at+1, len(v.g))
	r.scan(v.sub(0, at), notKnown, true)
	if h := tail.text(); (len(h) == 28 || len(h) == 44) && h[len(h)-1] == '=' {
		r.scan(tail, secretOnly, false)
		return
	}
	r.scan(tail, notKnown, true)
}
