package session

import (
	"time"

	"github.com/xmpplens/xmpplens/record"
)

// This file is what a session and its shell say to each other.

// On tells what happened.
type On uint8

const (
	Accepted    On = iota + 1 // the client connected: Client, Server; TLS, when it was secured before; Err when it cannot be served, else Hint may say how it came
	Data                      // bytes arrived: Dir, Bytes; over BOSH a body, or a piece of it: RID, More
	EOF                       // a leg stopped sending: Leg, Err (nil for an orderly end)
	Dialed                    // answer to Dial: Server, Direct; Hint says why it is not the first choice
	DialFailed                // answer to Dial: Err, Hint
	Hello                     // the ClientHello of the client leg: Name (SNI), ALPN
	Secured                   // answer to Secure: Leg, TLS
	TLSFailed                 // answer to Secure: Leg, Err, Hint
	Redirected                // answer to Redirect: Name, the address to tell the client, "" to leave it; Err says why there is none, Hint
	Compressed                // answer to Compress, when both legs are changed over
	Upgraded                  // answer to Upgrade: Name (path), Code (101); Hint, what was changed in the request; Err, what is wrong with the answer
	Refused                   // answer to Upgrade: Name (path), Code (status, 0 = none), Err, Hint
	WriteFailed               // bytes could not be sent: Leg, Err
	Unanswered                // over BOSH: a request gets no answer: RID; Err, Hint (Err nil: the client gave it up); Over
	Idle                      // over BOSH: no request came for Patience
	Untapped                  // the session is closed and the tap has said its last: Manner, how the legs ended TLS
	Shutdown                  // the proxy ends
	Arm                       // Judge is asked from the next frame on; nil = nobody, and what is held passes
	Decided                   // a verdict on a frame that is held: Verdict
	Put                       // elements of nobody's are to be sent: Injection
	Elapsed                   // answer to Wait: Timer
)

// An Input is one thing that happened. Which fields count is said at the
// constants of On. Bytes are only read during Handle and while its effects are
// carried out.
type Input struct {
	On             On
	Dir            record.Dir
	Leg            Leg
	Bytes          []byte
	Client, Server string
	Direct         bool
	Name           string
	ALPN           []string
	TLS            TLS
	Err            error
	Hint           string
	Code           int
	CloseNotify    bool // EOF: the leg's TLS layer was closed properly
	RID            int64
	More           bool // a body that is too large to be looked at goes on
	Over           bool // Unanswered: and the session is over with that
	Manner         []string
	Judge          Judge
	Verdict        *Verdict   // a pointer, as Injection: inputs lie on the stacks of goroutines that wait
	Injection      *Injection // for a peer, and there is one for each direction of each connection
	Timer          int64
}

// Do tells what to carry out.
type Do uint8

const (
	Record      Do = iota + 1 // append Events, in one write
	Send                      // write Bytes to Leg
	Dial                      // connect the server leg to the server of Name (domain), Direct; answer Dialed or DialFailed
	Secure                    // start TLS on Leg: the client leg as server, with Unread before anything read from the socket; the server leg as client, for Name, offering ALPN; answer Secured or TLSFailed
	Certificate               // answer to Hello: the leaf for Name, choosing from ALPN
	Compress                  // begin zlib on Leg, in both directions, with Unread before anything read from below, before anybody writes; answer Compressed
	Tap                       // show Bytes, which Leg sent, to the tap; in the order of Handle
	CloseWrite                // end the sending side of Leg: close_notify, then FIN
	Close                     // close both legs, the session is over
	Redirect                  // find an address of the proxy's own for Name, where the server sends the client; answer Redirected
	Upgrade                   // open a WebSocket with the server, as the client asked, and answer the client as the server did; answer Upgraded or Refused
	Linger                    // give Leg a short time to say more, then treat it as closed
	Wait                      // answer Elapsed with Timer after For
	Unwait                    // Elapsed is not wanted any more: Timer
	Slow                      // send no more than Rate bytes a second to Leg from here on; 0 = as fast as it goes
	Abort                     // reset both legs
	Alert                     // end the TLS layer of Leg with a fatal alert
	Sever                     // end both legs with FIN, TLS without close_notify
)

// An Effect is one thing to carry out. Bytes and Events may alias the input
// and the session's buffers: they are valid until the next Handle for the same
// direction.
type Effect struct {
	Do     Do
	Leg    Leg
	Bytes  []byte
	Events []record.Event
	Name   string
	ALPN   []string
	Direct bool
	Unread []byte
	Max    string // of Certificate: the highest TLS version; "" = any
	Ask    bool   // of Certificate: request the client's certificate
	From   string // of Secure on the server leg: the domain whose certificate to show when the server asks for one; "" = none
	Timer  int64
	For    time.Duration
	Rate   int
	RID    int64 // of Send over BOSH, when it answers a request that waits: otherwise the body goes on in place of the one received
}
