// Package record keeps what a proxy saw: a recording is a file of JSON Lines,
// one event a line, append-only, readable with jq and grep.
//
// The writer is a Log, the reading side a Reader, which pulls at its own pace
// and can follow a Log that is still being written:
//
//	log, err := record.Create("login.jsonl", record.Options{Tool: "xmpplens"})
//	log.Append(record.Event{C: 1, E: record.EventData, D: record.CS, Data: chunk, HasData: true})
//	r := log.Reader()
//	ev, err := r.Next(ctx)
//
// The first line is the header with the format's version. Keys and events that
// this package does not know are kept and written back as they were. A
// recording holds exact bytes, secrets included: files have mode 0600, and have
// one writer (flock, where the system knows it).
//
// # Large and long recordings
//
// A recording can be kept in segments, files that are closed and begun anew
// while it goes on (Options):
//
//   - Compressed: s.jsonl.zst holds the closed segments, one zstd frame for each
//     MiB of lines. The open segment is s.jsonl beside it, plain, so that a
//     killed program loses nothing. A closed segment is compressed in the
//     background, appended and synced, and only then is its plain file removed;
//     while it waits it is called s.jsonl.7.
//   - Rotated: s.0001.jsonl, s.0002.jsonl, …; each is compressed when it is
//     closed where the name ends in .zst. With Keep the oldest are removed.
//   - Ring: the same in a directory of its own, bounded in bytes. Log.Keep copies
//     what it holds to an ordinary recording.
//
// Each segment begins with a header line that has the same time, to which all
// times are relative, the segment's number, and its offset: the bytes of event
// lines before it, headers not counted.
//
//	{"xmpplens":1,"time":"2026-11-23T10:00:00.000000000Z","segment":3,"offset":134217728}
//
// A segment whose predecessor was removed has carry lines behind its header, as
// many bytes as the header's "carry" says. For each connection that is open they
// repeat "open" and the last "secure" of each leg, and have one line a direction:
//
//	{"t":12.5,"c":1,"e":"carry","d":"CS","o":12345,"n":187,"s":"<stream:stream …><message><bo"}
//
// "s" is the stream header in force, "n" bytes long, and then what was received
// from offset "o" on: the beginning of the frame that the boundary cuts.
//
// Open takes the name of any of these and reads all as one stream; it prefers a
// plain segment to a compressed one, so that nothing is read twice after a crash.
// Positions (Reader.Pos, Reader.SeekTo) count the bytes of event lines behind the
// first header and hold in all forms. The form of compressed segments is
// described in frame.go: each zstd frame follows a skippable one that says what
// is in it, so that there is no index to keep beside the file.
//
// What is damaged costs what it hits: a line in a plain file (which has no
// checksum: a flipped byte that leaves the line valid goes unnoticed), a frame in
// a compressed one. Reader.Next names the file, the time range and the bytes, and
// goes on behind it.
package record

import (
	"encoding/json"
	"time"
)

// A Dir is a direction: client to server or server to client.
type Dir string

const (
	CS Dir = "CS" // client to server
	SC Dir = "SC" // server to client
)

// TransportBOSH is Event.Transport of a BOSH session (XEP-0124), whatever
// connections its requests come on.
const TransportBOSH = "bosh"

// TransportWebSocket is Event.Transport of a session over WebSocket (RFC 7395):
// its data are messages without their framing.
const TransportWebSocket = "websocket"

// BothLegs is Event.Leg of a TLS session between client and server themselves,
// which the proxy only reads.
const BothLegs = "both"

// The events of format version 1. Others are kept and skipped.
const (
	EventOpen     = "open"     // a client connected: Kind, Client, Server, Transport
	EventData     = "data"     // a leg received: D, Data; over BOSH a body: RID, More
	EventSecure   = "secure"   // TLS is established: Leg, Version, Cipher, ALPN, Peer, Verified, Text (what else is known)
	EventCompress = "compress" // stream compression (XEP-0138) begins: Leg, Method; data goes on to be the text
	EventTLS      = "tls"      // bytes of a TLS session that goes through untouched: D, Data, always "b" in the file
	EventEdit     = "edit"     // the bytes [O,O+N) of D were sent as Data: By, Why
	EventHold     = "hold"     // the bytes [O,O+N) of D are held: By
	EventVerdict  = "verdict"  // what was done with the frame held at O: Verdict, Data when edited, By
	EventInject   = "inject"   // Data was sent before offset O of D: By, Why
	EventNote     = "note"     // a remark: Level, Text, Hint, By; with D: bytes of it are missing here, N of them where that is known, and what was framed so far ends
	EventClose    = "close"    // the connection ended: By, Error, Why
	EventHTTP     = "http"     // a request that is not XMPP, with its answer: Op (method), Text (path), Code (status); Data, when it was changed, is what the client got: Why
	EventControl  = "control"  // a control frame of WebSocket: D, Op (ping, pong, close), Data; Code and Text of a close. Or a message or frame that breaks the rules: Op "broken"; "cut", what was framed so far ends here; Level, Text, Why
	EventCarry    = "carry"    // what a reader has to know that starts here: see Carrier
)

// Carried is the Why of an "open" or "secure" event among carry lines: it
// happened in an earlier segment.
const Carried = "in an earlier segment"

// An Event is one line of a recording. Which fields count depends on E; zero
// fields are not written.
type Event struct {
	T time.Duration // since the header's time, never less than the line before; set by Append
	C int           // connection, from 1; 0 = the recording as a whole
	E string
	D Dir

	Kind, Client, Server string // open
	Transport            string // open: TransportBOSH, TransportWebSocket; "" where a stream goes over TCP

	// RID is the request of a BOSH session that D is about: on data the whole
	// body of the request or of its answer, as it was received, which may be
	// before its turn (XEP-0124 §14.2). On a note: it gets no answer. 0 = none.
	// More says that the body goes on in the direction's next data with this
	// RID.
	RID  int64
	More bool

	// Data is "s" in the file where it is valid UTF-8, "b" (base64) where
	// not. HasData tells an empty text, which an edit needs, from none.
	// From a Reader, Data is valid until the next call of Next.
	Data    []byte
	HasData bool

	O, N int64 // offset and length in what the direction received since the connection opened

	Leg, Version, Cipher, ALPN, Peer string // secure
	Verified                         bool
	Method                           string // compress

	Verdict, By, Why  string
	Level, Text, Hint string // note; Level is "", "note", "warning" or "error"
	Error             string

	Op   string // control, http
	Code int

	Extra []Member // keys that this version does not know, in their order
}

// A Member is an unknown key with its value as it stands in the file.
type Member struct {
	Key   string
	Value json.RawMessage
}

// Version is the format version that this package writes.
const Version = 1

// A Header is the first line of a recording.
type Header struct {
	Version int
	Time    time.Time // the beginning of the recording, the same in all segments
	Tool    string

	// Of a segment; 0 where a recording is one file.
	Segment int   // number, from 1
	Offset  int64 // bytes of event lines in the segments before
	Carry   int64 // bytes of carry lines behind the header

	Extra []Member
}
