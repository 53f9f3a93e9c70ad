// Package tap reads a TLS session that it has no part in: it is shown the
// records of both sides and the session's secrets, out of a key log as NSS
// writes it (SSLKEYLOGFILE), and tells what was said.
//
//	d := tap.New()
//	d.Write(tap.Client, chunk, emit) // as it was read: records may be split anywhere
//	d.Write(tap.Server, chunk, emit)
//	d.AddKey(key, emit)              // as soon as there are some, also later
//	d.End(emit)                      // nothing more comes
//
// It reads TLS 1.3 (RFC 8446) and the AEAD cipher suites of TLS 1.2 (RFC 5246,
// RFC 5288, RFC 7905), with resumption, HelloRetryRequest, key updates, early
// data and renegotiation. It owns no socket, no clock and no goroutine.
//
// Records whose secrets are not there yet wait, up to MaxBacklog bytes. Both
// sides are handed out in the order in which they came, late secrets or not.
// Nothing that comes in can do harm: what cannot be read ends in one event that
// says why.
package tap

import (
	"encoding/hex"
	"fmt"
	"sync"
)

// A Side is one end of the session.
type Side uint8

const (
	Client Side = iota
	Server
)

func (s Side) String() string {
	if s == Client {
		return "client"
	}
	return "server"
}

// A Random is that of a ClientHello; key logs name sessions by it.
type Random [32]byte

func (r Random) String() string { return hex.EncodeToString(r[:]) }

// Kind tells what an Event is about.
type Kind uint8

const (
	Hello         Kind = iota + 1 // a ClientHello: Random, and Session with Name and Offered
	Waiting                       // secrets are missing; once for each Random: Random, Session as far as it is known
	Secure                        // the handshake is done: Random, Session. Before the first Plain
	Plain                         // From said Data
	Certificate                   // the client's certificate, after Secure or before: Chain
	Notice                        // worth a line: Text
	Alert                         // From sent the alert Text (RFC 8446 §6)
	Closed                        // From sent close_notify
	Undecryptable                 // nothing more of From can be read: Err
)

// An Event is one thing that was seen. Which fields count is said at the
// constants of Kind. It and what it refers to are valid during the call of emit.
type Event struct {
	Kind    Kind
	From    Side
	Data    []byte
	Random  Random
	Session *Session
	Chain   [][]byte // DER, the leaf first
	Text    string
	Fatal   bool // of an Alert
	Err     error
}

// A Session is what is known of the TLS session.
type Session struct {
	Version string   // TLS 1.3
	Cipher  string   // TLS_AES_128_GCM_SHA256
	Name    string   // the server's name that the client asked for (SNI)
	Offered []string // the client's ALPN protocols
	ALPN    string   // the one that the server chose
	Chain   [][]byte // the server's certificates, DER; none in a resumed session
	Resumed bool
	// Bindings are the channel bindings that can be known: tls-unique and
	// tls-server-end-point (RFC 5929), tls-exporter (RFC 9266).
	Bindings map[string][]byte
}

const (
	// DefaultBacklog is how many bytes of records wait for their secrets.
	DefaultBacklog = 4 << 20
	maxQueue       = 32 << 10 // records that wait
	maxRandoms     = 64       // handshakes whose secrets are kept
)

// A Decrypter follows one connection. It is not safe for concurrent use.
type Decrypter struct {
	MaxBacklog int // bytes; 0 means DefaultBacklog

	half  [2]half
	hs    *handshake // the latest; nil before the ClientHello
	keys  map[Random]*secrets
	queue []waiting // records that cannot be read yet, as they came
	held  [2]int    // of them, by side
	size  int       // of their bytes
	gates int       // counts what may let waiting records go on
	ended bool      // no more secrets come: those that are there have to do

	// Of one call.
	emit  func(Event)
	plain *[plainSize]byte // from the pool, while n > 0
	n     int              // plaintext in it that was not handed out
	from  Side             // who said it
}

// plainSize is room for some records' plaintext.
const plainSize = 64 << 10

var plains = sync.Pool{New: func() any { return new([plainSize]byte) }}

// waiting is a record that waits.
type waiting struct {
	from   Side
	record []byte
}

// half is what one side sends.
type half struct {
	buf   []byte // the beginning of a record
	err   error  // why no more is read
	stage stage
	hs    *handshake // whose secrets protect it
	key   key
	hand  []byte // the beginning of a handshake message
	skips bool   // records that cannot be read are early data that was refused
}

// stage is how far the protection of a side is.
type stage uint8

const (
	clear     stage = iota
	early           // TLS 1.3, 0-RTT
	hands           // TLS 1.3, handshake
	traffic         // TLS 1.3, application data
	traffic12       // TLS 1.2, after ChangeCipherSpec
)

// New returns a Decrypter for a connection whose first record comes next.
func New() *Decrypter { return &Decrypter{keys: make(map[Random]*secrets)} }

// Write takes what a side sent, as it was read. It keeps nothing of b.
func (d *Decrypter) Write(from Side, b []byte, emit func(Event)) {
	d.begin(emit)
	defer d.finish()
	h := &d.half[from]
	for h.err == nil {
		var r []byte
		var err error
		if r, b, err = h.take(b); err != nil {
			d.fail(from, err)
			return
		}
		if r == nil {
			return
		}
		d.record(from, r)
	}
}

// AddKey takes a secret. Those of other sessions are no matter.
func (d *Decrypter) AddKey(k Key, emit func(Event)) {
	s := d.keys[k.Random]
	if s == nil {
		if len(d.keys) >= maxRandoms {
			return
		}
		s = new(secrets)
		d.keys[k.Random] = s
	}
	if k.Label < 0 || int(k.Label) >= len(s) {
		return
	}
	s[k.Label] = append([]byte(nil), k.Secret...)
	d.gates++
	if len(d.queue) == 0 {
		return
	}
	d.begin(emit)
	defer d.finish()
	d.drain()
}

// End tells that neither bytes nor secrets come any more. What waits is read as
// far as one side's secrets allow it.
func (d *Decrypter) End(emit func(Event)) {
	d.begin(emit)
	defer d.finish()
	d.ended = true
	d.gates++
	d.drain()
	for side, n := range d.held {
		if n > 0 {
			d.fail(Side(side), ErrNoKeys)
		}
	}
	if d.hs != nil && d.hs.version == version13 && d.hs.finished[Server] {
		d.secure(d.hs)
	}
}

// Forgo gives up what waits, as if MaxBacklog were reached.
func (d *Decrypter) Forgo(emit func(Event)) {
	d.begin(emit)
	defer d.finish()
	err := &BacklogError{d.size}
	d.fail(Client, err)
	d.fail(Server, err)
}

// Wants returns the random of the session whose secrets are not known yet, or
// not all of them.
func (d *Decrypter) Wants() (r Random, yes bool) {
	if d.hs == nil || d.half[Client].err != nil && d.half[Server].err != nil {
		return Random{}, false
	}
	return d.hs.random, !d.hs.complete(d.keys[d.hs.random])
}

// Backlog returns how many bytes wait for their secrets.
func (d *Decrypter) Backlog() int { return d.size }

func (d *Decrypter) begin(emit func(Event)) { d.emit = emit }

func (d *Decrypter) finish() {
	d.flush()
	d.emit = nil
}

// flush hands out the plaintext that was gathered.
func (d *Decrypter) flush() {
	if d.n > 0 {
		n := d.n
		d.n = 0
		d.emit(Event{Kind: Plain, From: d.from, Data: d.plain[:n]})
	}
	if d.plain != nil {
		plains.Put(d.plain)
		d.plain = nil
	}
}

// tell hands out anything else, in its order.
func (d *Decrypter) tell(e Event) {
	d.flush()
	d.emit(e)
}

func (d *Decrypter) notice(format string, args ...any) {
	d.tell(Event{Kind: Notice, Text: fmt.Sprintf(format, args...)})
}

// fail ends the reading of a side.
func (d *Decrypter) fail(from Side, err error) {
	h := &d.half[from]
	if h.err != nil {
		return
	}
	*h = half{err: err}
	d.held[from] = 0
	left := d.queue[:0]
	for _, w := range d.queue {
		if w.from == from {
			d.size -= len(w.record)
		} else {
			left = append(left, w)
		}
	}
	clearTail(d.queue, len(left))
	d.queue = left
	d.tell(Event{Kind: Undecryptable, From: from, Err: err})
}

func clearTail(q []waiting, from int) {
	for i := from; i < len(q); i++ {
		q[i] = waiting{}
	}
}

// record reads a record, or lets it wait.
func (d *Decrypter) record(from Side, r []byte) {
	if d.held[from] > 0 {
		d.wait(from, r)
		return
	}
	gates := d.gates
	ok, err := d.read(from, r)
	switch {
	case err != nil:
		d.fail(from, err)
	case !ok:
		d.wait(from, r)
		return
	}
	if len(d.queue) > 0 && d.gates != gates {
		d.drain()
	}
}

func (d *Decrypter) wait(from Side, r []byte) {
	limit := d.MaxBacklog
	if limit == 0 {
		limit = DefaultBacklog
	}
	if d.size+len(r) > limit || len(d.queue) >= maxQueue {
		err := &BacklogError{limit}
		d.fail(from, err)
		d.fail(from.other(), err)
		return
	}
	d.held[from]++
	d.queue = append(d.queue, waiting{from, append([]byte(nil), r...)})
	d.size += len(r)
}

// drain reads what waits, in the order in which it came: whenever something may
// let an earlier record go on, it begins again with that.
func (d *Decrypter) drain() {
	for again := true; again; {
		again = false
		var stuck [2]bool
		for i := 0; i < len(d.queue); i++ {
			w := d.queue[i]
			if w.record == nil || stuck[w.from] {
				continue
			}
			gates := d.gates
			ok, err := d.read(w.from, w.record)
			if err != nil {
				d.fail(w.from, err) // takes its records out of the queue
				again = true
				break
			}
			if !ok {
				stuck[w.from] = true
				continue
			}
			d.size -= len(w.record)
			d.held[w.from]--
			d.queue[i].record = nil
			if d.gates != gates && stuck != [2]bool{} {
				again = true
				break
			}
		}
		left := d.queue[:0]
		for _, w := range d.queue {
			if w.record != nil {
				left = append(left, w)
			}
		}
		clearTail(d.queue, len(left))
		d.queue = left
	}
	if len(d.queue) == 0 {
		d.queue = nil
	}
}
