package redact

import (
	_ "embed"
	"strings"
	"sync"
)

// vocabularyText lists the words of XMPP: of the names of elements and attributes, of the values that specifications
// enumerate, and of namespaces. They are never taken for somebody's name where the protocol has its words.
//
//go:embed vocabulary.txt
var vocabularyText string

var vocabulary = sync.OnceValue(func() map[string]bool { return set(vocabularyText) })

func set(words string) map[string]bool {
	m := make(map[string]bool)
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// labels are parts of domains that say what a host is for, and top-level domains that belong to nobody.
var labels = set(`com org net info example test invalid localhost local onion arpa www xmpp jabber chat im muc conference conferences rooms room
	groups group upload uploads share files file pubsub proxy proxy65 bosh ws websocket search vjud users echo gateway irc component server pep mix biboumi push stun turn
	http https xmpps`)

// reserved are top-level domains that belong to nobody (RFC 2606, RFC 6762, RFC 7686).
var reserved = set("example test invalid localhost local onion")

// publishers are hosts that stand in namespaces and in the nodes of clients (XEP-0115), and say nothing about who uses them.
var publishers = set(`jabber.org etherx.jabber.org www.w3.org prosody.im www.process-one.net gajim.org dino.im conversations.im slixmpp.com psi-im.org pidgin.im
	profanity-im.github.io conversejs.org www.igniterealtime.org swift.im monal-im.org poez.io movim.eu tkabber.jabber.ru mcabber.com miranda-ng.org
	siskin.im beagle.im tigase.org mongooseim.com www.apple.com www.google.com xmpp.org code.matthewwild.co.uk babelmonkeys.de`)

// software are names of programs as they stand in versions (XEP-0092) and identities (XEP-0030). Others are replaced.
var software = set(`prosody ejabberd openfire tigase mongooseim metronome gajim dino conversations cheogram blabber.im psi psi+ profanity slixmpp converse.js
	strophe.js swift monal siskin beagle pidgin miranda movim poezio mcabber smack go-sendxmpp mellium xmpp.js gajim.org aioxmpp`)
