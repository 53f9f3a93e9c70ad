package stanza

import (
	"strings"
	"sync"

	"github.com/xmpplens/xmpplens/decode/xep"
)

// Nearly all names and namespaces in traffic are known ones: they are not
// allocated anew for each stanza.

// maxWord bounds what is looked for among the known words, in bytes.
const maxWord = 64

var words = sync.OnceValue(func() map[string]string {
	known := make(map[string]string)
	for _, w := range strings.Fields(`message presence iq body subject thread show status priority query error text html from to id type lang xml xml:lang xmlns stream
		get set result chat groupchat headline normal unavailable subscribe subscribed unsubscribe unsubscribed probe away xa dnd
		jid name subscription ask group item items ver node hash var feature identity category client server pc phone web c x photo field value form submit options option
		delay stamp forwarded received sent private queryid fin count first last set max after before index complete stable
		active inactive composing paused gone request displayed markable acknowledged origin-id stanza-id by
		encrypted header key rid sid prekey iv payload encryption namespace store no-store no-copy no-permanent-store
		a r h enable enabled resume resumed failed previd location
		auth challenge response success failure mechanism mechanisms features starttls proceed required optional bind session resource
		event pubsub publish retract configure affiliation role code actor reason destroy invite password continue
		true false both none cancel modify wait 0 1 2 3 5 10 utf-8 1.0 en`) {
		known[w] = w
	}
	for ns := range xep.All() {
		known[ns] = ns
	}
	return known
})

// word returns b as a string.
func word(b []byte) string {
	if len(b) <= maxWord {
		if w, ok := words()[string(b)]; ok {
			return w
		}
	}
	return string(b)
}
