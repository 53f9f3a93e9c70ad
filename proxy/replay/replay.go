// Package replay plays one side of a recording to a live peer: the server's to
// a client under test, or the client's to a real server.
//
// A Script is what a recording's client sessions said once they were logged in,
// as Steps in their order. The login itself is not played but done anew, for it
// cannot be repeated: nonces, channel binding, certificates.
//
//	script, err := replay.Load(ctx, reader, replay.Options{Side: record.SC})
//	defer script.Close()
//	server := &replay.Server{Script: script, Leaf: ca.Leaf, Pace: replay.Pace{Speed: 1}}
//	report, err := server.Serve(ctx, listener)
//	report.WriteText(os.Stdout)
//
// # What is matched
//
// A live stanza is the recorded one that means the same: its kind, type,
// receiver (the account itself, its server, somebody else) and payload with its
// node. Ids, resources, the domain, time stamps, stream management and what of
// the wording is free do not count; see meaning. The k-th such request gets the
// k-th such answer.
//
// # The parts
//
// Everything that decides is pure: Player is the server's side of a session that
// is logged in, visit a connection with its login, actor the client's side, all
// without sockets and clock. Server and Client are the thin shells around them.
//
// # What is kept in memory
//
// About a hundred bytes a stanza, MaxSteps of them at most (more in the
// recording is an error that says how to choose); the stanzas themselves go to a
// temporary file when they are more than a few megabytes. Of a live session:
// what stream management may have to send again, and the ids that stand for
// recorded ones, both bounded.
package replay

import (
	"errors"
	"fmt"
	"time"
)

const (
	nsClient  = "jabber:client"
	nsStreams = "http://etherx.jabber.org/streams"
	nsTLS     = "urn:ietf:params:xml:ns:xmpp-tls"
	nsSASL    = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsSASL2   = "urn:xmpp:sasl:2"
	nsBind    = "urn:ietf:params:xml:ns:xmpp-bind"
	nsBind2   = "urn:xmpp:bind:0"
	nsSession = "urn:ietf:params:xml:ns:xmpp-session"
	nsStanzas = "urn:ietf:params:xml:ns:xmpp-stanzas"
	nsBinding = "urn:xmpp:sasl-cb:0"
	nsPing    = "urn:xmpp:ping"
	nsFraming = "urn:ietf:params:xml:ns:xmpp-framing"
	nsCSI     = "urn:xmpp:csi:0"
	nsStates  = "http://jabber.org/protocol/chatstates"
)

// Stream management has two namespaces (XEP-0198 §12).
func isSM(ns string) bool { return ns == "urn:xmpp:sm:3" || ns == "urn:xmpp:sm:2" }

// Expect is what a live client must say to pass.
type Expect string

// The expectations.
const (
	Subset Expect = "subset" // everything recorded, in an order that means the same; more is allowed
	Strict Expect = "strict" // everything recorded in that order, and nothing else
)

// A Pace is how time passes. The zero value plays at once and waits for ever.
type Pace struct {
	Speed    float64       // 1 = as recorded, 10 = ten times as fast, 0 = without waiting
	Patience time.Duration // how much longer than recorded the peer may be silent before what it should say is missing; 0 = for ever
}

// of is recorded time as it is played.
func (p Pace) of(d time.Duration) time.Duration {
	if p.Speed <= 0 || d <= 0 {
		return 0
	}
	return time.Duration(float64(d) / p.Speed)
}

// ErrNothing says that a recording has nothing to play.
var ErrNothing = errors.New("replay: there is no client session in the recording that got online")

// hinted is an error with its remedy.
type hinted struct {
	error
	hint string
}

func (e *hinted) Unwrap() error { return e.error }

// Hint returns what to do about the error.
func (e *hinted) Hint() string { return e.hint }

func hintf(hint, format string, args ...any) error {
	return &hinted{fmt.Errorf(format, args...), hint}
}
