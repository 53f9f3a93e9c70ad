// Package foreign reads what other programs recorded of XMPP and makes events of
// it: network captures (pcap, pcapng), stream files, and the debug logs of
// clients and servers.
//
//	sum, err := foreign.Read(ctx, "capture.pcapng", foreign.Options{}, func(t time.Time, ev record.Event) error {
//		now = t
//		return log.Append(ev)
//	})
//
// Events come in the order of the input, each with its time; the connections are
// numbered in the order in which they are first heard of. What is not in the
// input is not made up: where a capture lost bytes, a log has no dates, or leaves
// out stream headers, there is a note that says so (and an event "carry" where a
// stream header has to be assumed).
//
// The input is read as a stream. What is kept in memory is, of a capture: for
// each connection the state of its two directions, up to MaxGap bytes that are
// ahead of a hole in either (MaxGaps in all connections together), up to MaxProbe
// bytes until it is known whether the connection is XMPP, one beginning of a
// frame and what the Decrypter keeps; of at most MaxConns connections. Of a log:
// a line, and for each connection the beginning of a frame.
package foreign

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/xmpplens/xmpplens/record"
)

// Limits on what is kept in memory.
const (
	MaxGap     = 4 << 20  // bytes behind a hole in one direction, until the hole counts as lost
	MaxGaps    = 64 << 20 // the same in all connections together
	MaxProbe   = 256 << 10
	MaxProbes  = 64 << 20  // the same in all connections together
	MaxWaiting = 128 << 20 // bytes of TLS that wait for keys, in all connections together
	MaxConns   = 50_000    // connections at a time; those that were silent the longest are ended
	MaxPacket  = 16 << 20  // bytes of one packet, and of one block of a pcapng
	MaxLine    = 64 << 20  // bytes of one line of a log
)

// Formats are the values of Options.Format, without "auto" and "recording".
var Formats = []string{"pcap", "streams", "slixmpp", "nbxmpp", "prosody", "smack", "profanity"}

// A Decrypter reads the TLS records of one connection, and makes events of them.
type Decrypter interface {
	Write(d record.Dir, b []byte) // what one side sent
	Update() bool                 // takes keys that have become known; more are wanted
	End() []string                // nothing more comes; how the sides ended TLS
	Backlog() int                 // bytes that wait for keys
	Forgo()                       // gives them up
}

// Options are how an input is read. The zero value works.
type Options struct {
	Format string // one of Formats; "" and "auto": told by the content
	All    bool   // TCP connections that are not XMPP as well

	// Decrypt makes a Decrypter, whose events go to emit; their times do not
	// count. Nil: TLS records stay as they are.
	Decrypt func(conn int, emit func(record.Event)) Decrypter
	// Secrets takes a key log that is in a pcapng (a Decryption Secrets Block).
	Secrets func(keylog []byte)

	// Progress is told with every read how much of the file was read.
	Progress func(done, size int64)
	// Location is the time zone of logs that name none; nil is that of the
	// system.
	Location *time.Location
}

// An Emit takes the next event, which is valid during the call, and its time, which
// is not before that of the last. An error ends the reading.
type Emit func(t time.Time, ev record.Event) error

// A Summary tells what was in the input.
type Summary struct {
	Format string // as in Options
	Conns  int    // connections that were imported
	Events int

	Packets  int64 // of a capture
	Payload  int64 // bytes of TCP payload; the following sum up to it
	Recorded int64 // are in the recording
	Repeated int64 // came twice
	LeftOut  int64 // of connections that are not XMPP

	Lost    int64    // bytes that are not in the capture although they were sent
	Odd     int64    // packets that cannot be read
	Skipped []string // what was left out, in words

	Lines, Unknown int64 // of a log: lines, and those that are nothing known
	Dated          bool  // there are times
}

// A SyntaxError is an input that cannot be read, or not to its end.
type SyntaxError struct {
	Place string // packet 17 at offset 1234; line 3
	What  string
	Fix   string
}

func (e *SyntaxError) Error() string {
	if e.Place == "" {
		return "import: " + e.What
	}
	return fmt.Sprintf("import: %s: %s", e.Place, e.What)
}

// Hint returns what to do about it.
func (e *SyntaxError) Hint() string { return e.Fix }

// Read reads the file, or directory of stream files, at path.
func Read(ctx context.Context, path string, o Options, emit Emit) (*Summary, error) {
	in, err := open(path, o)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	s := &sink{ctx: ctx, emit: emit, sum: Summary{Format: in.format}}
	err = in.read(o, s)
	return &s.sum, err
}

// read makes events of the input.
func (in *input) read(o Options, s *sink) error {
	var err error
	switch in.format {
	case "pcap":
		err = readCapture(in, o, s)
	case "streams":
		err = readStreams(in, o, s)
	default:
		err = readLog(in, o, s)
	}
	if s.err != nil {
		return s.err
	}
	return err
}

// A sink hands events out and counts them. The first error sticks.
type sink struct {
	ctx  context.Context
	emit Emit
	sum  Summary
	err  error
	last time.Time

	unsure bool // a login is in the input, and not whether the connection is encrypted
}

func (s *sink) add(t time.Time, ev record.Event) {
	if s.err != nil {
		return
	}
	if t.Before(s.last) {
		t = s.last // of a packet that overtook another, of a connection that showed late what it is
	}
	s.last = t
	s.sum.Events++
	s.err = s.emit(t, ev)
}

func (s *sink) note(t time.Time, conn int, level, text, hint string) {
	s.add(t, record.Event{C: conn, E: record.EventNote, Level: level, Text: text, Hint: hint, By: "import"})
}

// stopped reports whether reading is to end.
func (s *sink) stopped() bool {
	if s.err == nil {
		s.err = s.ctx.Err()
	}
	return s.err != nil
}

// IsRecording reports whether the file is a recording of xmpplens itself,
// compressed or not.
func IsRecording(path string) bool {
	return begins(path, func(head []byte) bool {
		line, _, _ := bytes.Cut(head, []byte("\n"))
		return bytes.HasPrefix(bytes.TrimLeft(line, " \t"), []byte("{")) && bytes.Contains(line, []byte(`"xmpplens"`))
	})
}

// IsPcapng reports whether the file is a capture of that form, compressed or not.
func IsPcapng(path string) bool {
	return begins(path, func(head []byte) bool { return bytes.HasPrefix(head, []byte("\x0a\x0d\x0d\x0a")) })
}

func begins(path string, as func(head []byte) bool) bool {
	in, err := unpacked(path)
	if err != nil {
		return false
	}
	defer in.Close()
	return as(in.head)
}

// Unpacked opens a file, and takes off gzip and zstd.
func Unpacked(path string) (io.ReadCloser, error) {
	in, err := unpacked(path)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{in.Reader, in}, nil
}

func unpacked(path string) (*input, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	in := &input{path: path, close: []func(){func() { f.Close() }}}
	if err := in.unpack(f); err != nil {
		in.Close()
		return nil, err
	}
	return in, nil
}
