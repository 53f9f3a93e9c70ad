package session

import (
	"fmt"
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/record"
)

// This file is what others have to know of intercepting: who is asked what is to
// happen with a frame, and what the answer can be. intercept.go carries it out.
//
//	j := session.JudgeFunc(func(seen session.Seen) session.Plan {
//		if !seen.Fixed && string(seen.Frame.Name) == "a" {
//			return session.Plan{session.Drop{Reason: session.Reason{By: "rule lost-acks"}}}
//		}
//		return nil
//	})
//	s.Handle(session.Input{On: session.Arm, Judge: j})

// A Judge is asked about each frame, in the order in which they come, what is to
// happen with it. It runs while the session's lock is held: it must not block and
// must not call the session or its proxy. One judge belongs to one session, whose
// two directions ask it one at a time.
type Judge interface {
	Judge(Seen) Plan
}

// A JudgeFunc is a function as a Judge.
type JudgeFunc func(Seen) Plan

// Judge calls f.
func (f JudgeFunc) Judge(seen Seen) Plan { return f(seen) }

// Seen is a frame about which a judge is asked.
type Seen struct {
	Dir   record.Dir
	Frame decode.Frame // as it was received; its slices are valid during the call only
	// Authenticated says that the login has ended.
	Authenticated bool
	// Fixed says that the frame goes its way whatever the plan says: it is
	// shown so that a judge can keep step. That is so for stream headers, what
	// negotiates TLS and compression, logins that the proxy does on each leg
	// (--account), frames whose beginning was sent before the judge came, frames
	// that are too large to be kept (they come in parts, or not at all), what is
	// no XML, and in a session that is only tapped. Of such a plan only Note,
	// Inject, Throttle and Cut are carried out.
	Fixed bool
}

// A Plan is what happens with a frame, one step after the other. Nil lets it pass.
//
// Edit, Corrupt, Delay, Hold, Note, Inject and Throttle can be combined in any
// order; each Edit is of what the one before made. Drop, Answer, Reorder, Truncate,
// Freeze and Cut end a plan. Over BOSH only Edit, Drop, Note and StopRecording are
// possible: what else is asked for is refused with a note, and the frame passes.
type Plan []Step

// Ends reports whether a plan ends with its frame, so that nobody else has to be
// asked about it.
func Ends(p Plan) bool {
	for _, step := range p {
		switch step.(type) {
		case Drop, Answer, Reorder, Truncate, Freeze, Cut:
			return true
		}
	}
	return false
}

// A Step is one of the types below.
type Step interface{ reason() Reason }

// Reason says who does something, and why, for the recording and its reader:
// "pause", "rule lost-acks", "viewer".
type Reason struct{ By, Why string }

func (r Reason) reason() Reason { return r }

// Hold keeps the frame, and with it what follows in its direction, until there is
// a Verdict on it or the limit is over; then it passes. Recorded as hold and
// verdict. The other direction flows on.
type Hold struct {
	Reason
	Limit time.Duration // 0 = Config.HoldLimit
}

// Delay keeps the frame, and what follows in its direction, for a time. Recorded
// as hold and verdict (delayed).
type Delay struct {
	Reason
	For time.Duration
}

// Edit sends Bytes in place of the frame: one element, well-formed in the
// namespaces of the stream (CheckElement). If it is not the frame passes, with a
// note. Recorded as edit, or as verdict when the frame was held. Bytes are sent as
// they are: h in an element of stream management is then the judge's own matter.
type Edit struct {
	Reason
	Bytes []byte
}

// Corrupt sends Bytes in place of the frame, whatever they are; if nil, the frame
// with an octet in its middle that is no UTF-8. Recorded as Edit is. Stream
// management takes it for delivered: the peer, which cannot have understood it,
// says so when it resumes, and the sender then sends it again.
type Corrupt struct {
	Reason
	Bytes []byte
}

// Drop does not send the frame. Recorded as edit to nothing, or as verdict. A
// stanza counts as handled for its sender, and is dropped again when the sender
// repeats it after a resumption.
type Drop struct{ Reason }

// Answer drops the frame and answers it in the place of the peer: Bytes, one or
// more elements, go back in the other direction. Recorded as Drop and Inject.
type Answer struct {
	Reason
	Bytes []byte
	After time.Duration // the answer comes after that time
}

// Inject sends elements of nobody's in a direction, at the next boundary: the
// frame's own when it is the direction of the frame, in front of it. Recorded as
// inject. Its stanzas are taken out of what the peer counts as handled; one that
// is lost with the connection is not repeated after a resumption.
type Inject struct {
	Reason
	Dir     record.Dir
	Bytes   []byte
	Swallow bool          // the answer to an iq in it does not reach the other side
	After   time.Duration // at the next boundary after that time
}

// Duplicate sends the frame N more times, behind itself. The copies are recorded
// as injections.
type Duplicate struct {
	Reason
	N int
}

// Reorder sends the frame behind the next N stanzas of its direction, or by itself
// when they do not come within the limit. It is recorded as dropped, and injected
// where it goes. Only stanzas can be moved.
type Reorder struct {
	Reason
	N     int           // 0 = 1
	Limit time.Duration // 0 = Config.HoldLimit
}

// Freeze is a line that is dead and does not say so: from this frame on nothing
// passes in either direction and nothing is closed. What comes is recorded as
// dropped. For stream management it was never sent. There is no way back; the
// session ends when both legs have.
type Freeze struct{ Reason }

// Truncate sends the first N bytes of the frame, and then cuts the connection.
// Recorded as an edit of the rest. N < 0 counts from the frame's end.
type Truncate struct {
	Reason
	N   int
	Cut Manner
}

// Cut ends the connection in place of sending the frame, which is recorded as
// dropped; for stream management it was never sent. What was sent before arrives.
type Cut struct {
	Reason
	Manner    Manner
	Leg       Leg    // the one that hears of it, for Half, TLSAlert and StreamError
	Condition string // of StreamError; "" = internal-server-error
}

// Manner is a way to end a connection.
type Manner uint8

const (
	FIN         Manner = iota // both legs are closed in order, with close_notify under TLS
	RST                       // both legs are reset
	Half                      // nothing more is sent to Leg; the frame passes on no more, the other direction flows on
	NoNotify                  // both legs end with FIN, but TLS without close_notify, as after an attack or a crash
	TLSAlert                  // Leg is told a fatal TLS alert (bad_record_mac, RFC 8446 §6.2), then both are closed; without TLS it is FIN, with a note
	StreamError               // Leg is told a stream error with Condition (RFC 6120 §4.9), then both are closed
)

var manners = [...]string{"fin", "rst", "half", "no-notify", "tls-alert", "stream-error"}

// String returns the name that rules use.
func (m Manner) String() string {
	if int(m) >= len(manners) {
		return fmt.Sprintf("manner %d", int(m))
	}
	return manners[m]
}

// ParseManner is the opposite of String.
func ParseManner(s string) (Manner, error) {
	for i, name := range manners {
		if s == name {
			return Manner(i), nil
		}
	}
	return 0, fmt.Errorf("session: no way to end a connection is called %q: it is one of %v", s, manners)
}

// Throttle slows down what is sent in a direction, from this frame on; 0 lifts it.
// Recorded as a note.
type Throttle struct {
	Reason
	Dir  record.Dir
	Rate int // bytes a second
}

// Note adds a remark to the recording.
type Note struct {
	Reason
	Level string // "", warning, error
	Text  string
}

// StopRecording ends the recording of this connection: what follows passes and is
// not seen. A note says so, and the close event still comes.
type StopRecording struct{ Reason }

// Decision is what a Verdict decides about a frame that is held.
type Decision string

const (
	Pass       Decision = "passed"
	EditIt     Decision = "edited"   // Bytes go in its place
	DropIt     Decision = "dropped"  // as Drop
	AnswerIt   Decision = "answered" // as Answer, with Bytes
	DelayIt    Decision = "delayed"  // it passes after For
	HoldOn     Decision = "held"     // it waits for a verdict For from now on; not recorded
	NotDecided Decision = ""
)

// A Verdict decides about a frame that is held, with Input.On Decided.
type Verdict struct {
	Decision Decision
	Dir      record.Dir
	Offset   int64 // of the frame, as Held says
	Bytes    []byte
	For      time.Duration
	By       string
	// All decides about what is behind it in its direction in the same way, as
	// far as it was received and would be held; EditIt, AnswerIt and HoldOn
	// cannot be for all.
	All bool
}

// A HeldFrame is one that is held.
type HeldFrame struct {
	Dir    record.Dir
	Offset int64
	Raw    []byte // as it was received, or as a step before changed it; the session's own, it must not be changed
	By     string // who holds it
	Behind int    // bytes that wait behind it
	Timer  int64  // of the effect Wait, after which it passes by itself
}
