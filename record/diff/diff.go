// Package diff compares two recordings by meaning: the same client with two
// servers, or a run of yesterday with one of today.
//
//	rep, err := diff.Compare(ctx, a, b, diff.Options{})
//	rep.Text(os.Stdout, 80)
//
// # What is compared
//
// Entries are joined to exchanges: a request with its answer, a message with
// its receipts, markers and carbons, a presence, a nonza. An exchange of one
// recording belongs to one of the other that has the same key: direction, kind,
// type, payload and addresses, in connections that belong together by kind,
// account and order. Where several have the same key, those with the same
// content are joined first, then those that say the same in their body or
// payload, then the rest in order. What comes asynchronously may come
// anywhere; only messages and presences from one sender must keep their order.
//
// What the protocol leaves free is no difference: ids, nonces, time stamps,
// resources, stream ids, numbers of stream management, hashes, tokens,
// certificates, ports; the order of elements (but in XHTML) and attributes,
// prefixes and quotes, white space between elements, xml:lang where it says
// what holds anyway, and from and to where they say the default (RFC 6120
// §8.1.2). Left out are keepalives: white space, acknowledgements, pings that
// are answered; and what crosses the end of a stream. Secrets are compared as
// being there or not, and never shown.
//
// Addresses are mapped: the account, its server and the server's other names
// (conference.a for conference.b), then contacts with the same name, then the
// others in the order in which they appear.
//
// # What it costs
//
// A recording is read up to three times and never held: once for addresses,
// once for exchanges, and once more for the text of those that differ. Some 150
// bytes an exchange are kept, which makes 300 MB for two recordings of 400,000
// entries; MaxEntries, MaxAddresses, MaxDetailed and maxText bound the rest. The
// time is linear in the recording but for sorting. A frame that came in parts is
// compared part by part.
//
// Compare(b, a) says the same as Compare(a, b) with the sides exchanged.
package diff

import (
	"context"
	"fmt"
	"time"

	"github.com/xmpplens/xmpplens/decode/filter"
	"github.com/xmpplens/xmpplens/record"
)

// Limits.
const (
	MaxEntries   = 4_000_000 // exchanges of one recording
	MaxAddresses = 100_000   // addresses of one recording that are mapped; others are compared as they are
	MaxDetailed  = 2_000     // differences that are described; others are counted
	maxText      = 64 << 20  // bytes of frames that are held to describe differences
	maxFrame     = 256 << 10 // bytes of a frame whose difference is described
	maxChanges   = 200       // described of one exchange
)

// Options are what is compared and how. The zero value compares everything but
// times.
type Options struct {
	ConnA, ConnB int            // one connection of each; 0 = all
	Filter       *filter.Filter // only entries that match; nil = all

	// Slower is how many times longer an answer must take to be a
	// difference, and at least Floor more (0 = DefaultFloor); 0 = times are
	// not compared.
	Slower float64
	Floor  time.Duration

	Ignore Ignore

	// Rows asks for Report.Rows.
	Rows bool

	Trouble  func(error)       // told of damage in a recording; may be nil
	Progress func(entries int) // told now and then how many entries were read; may be nil
}

// DefaultFloor is what an answer must take longer at least.
const DefaultFloor = 200 * time.Millisecond

// A Class says what kind of difference it is.
type Class string

const (
	Error      Class = "error"      // an exchange fails in one only, or otherwise
	Finding    Class = "finding"    // a finding in one only
	Connection Class = "connection" // a connection that the other lacks, or that ends otherwise
	Feature    Class = "feature"    // what is offered: stream features, mechanisms, features of entities
	Login      Class = "login"      // the login, or how a connection is secured; a login that fails comes first of all
	Missing    Class = "missing"    // an exchange that B lacks
	Extra      Class = "extra"      // an exchange that A lacks
	Different  Class = "different"  // an exchange with another content
	Order      Class = "order"      // a message or presence at another place among those of its sender
	Slower     Class = "slower"     // an answer that takes longer in one
)

// classes are in the order of what matters.
var classes = []Class{Error, Finding, Connection, Feature, Login, Missing, Extra, Different, Order, Slower}

// The signs of differences.
const (
	OnlyA   = "-"
	OnlyB   = "+"
	Changed = "~"
)

// A Report is what Compare found. Its JSON form is part of the command line's
// contract.
type Report struct {
	Version   int           `json:"xmpplens_diff"` // 1
	A         Side          `json:"a"`
	B         Side          `json:"b"`
	Verdict   string        `json:"verdict"` // one line
	Same      int           `json:"same"`    // exchanges without a difference
	Counts    map[Class]int `json:"counts"`  // of all differences, those that are left out too
	Addresses []Pair        `json:"addresses"`
	List      []Difference  `json:"differences"`
	LeftOut   int           `json:"left_out"` // differences that are counted only

	Rows []Row `json:"-"` // aligned, when asked for
}

// A Side is one of the two recordings.
type Side struct {
	Name        string `json:"name"` // for the caller to fill in
	Start       string `json:"start"`
	Connections int    `json:"connections"`
	Entries     int    `json:"entries"`
	Exchanges   int    `json:"exchanges"`
	Account     string `json:"account"`
	Server      string `json:"server"`
	Login       string `json:"login"` // mechanism and result of the first
}

// A Pair is an address of A and what stands for it in B.
type Pair struct {
	Role string `json:"role"` // account, server, room, contact, address
	A    string `json:"a"`
	B    string `json:"b"`
}

// A Difference is one exchange, finding or property of a connection that is not
// the same.
type Difference struct {
	Class    Class    `json:"class"`
	Sign     string   `json:"sign"` // - only in A, + only in B, ~ in both
	Phase    string   `json:"phase"`
	ConnA    int      `json:"conn_a,omitempty"`
	ConnB    int      `json:"conn_b,omitempty"`
	EntriesA []int    `json:"entries_a"` // the request first, then what belongs to it
	EntriesB []int    `json:"entries_b"`
	What     string   `json:"what"` // in words, of A unless only B has it
	Changes  []Change `json:"changes"`
	LeftOut  int      `json:"changes_left_out,omitempty"`

	seconds [2]float64
	what    [2]string
}

// A Change is a place at which an exchange differs.
type Change struct {
	Sign string `json:"sign"`
	Path string `json:"path"` // answer/query/feature[urn:xmpp:mam:2], message@type; "" = as a whole
	A    string `json:"a"`    // the value, or the element as text; "" where there is none
	B    string `json:"b"`

	Label string `json:"label,omitempty"` // a short name, of an element that is on one side only

	path string // the same in terms of B
}

// A Row is a line of the two recordings side by side: the numbers of entries that
// belong together, 0 where one has none.
type Row struct {
	A, B int32
	Sign byte  // '=', '-', '+' or '~'
	At   int32 // index in Report.List of the difference that it is part of, -1 = none
}

// Empty reports whether nothing differs.
func (r *Report) Empty() bool { return len(r.List) == 0 && r.LeftOut == 0 }

// TooLongError says that a recording has more than can be compared.
type TooLongError struct{ Exchanges int }

func (e *TooLongError) Error() string {
	return fmt.Sprintf("diff: more than %d exchanges", e.Exchanges)
}

// Hint says what to do.
func (e *TooLongError) Hint() string {
	return "compare one connection of each (--conn-a, --conn-b), or a part (-f)"
}

// Compare compares two recordings from their beginning. The readers stay the
// caller's, at their place.
func Compare(ctx context.Context, a, b *record.Reader, o Options) (*Report, error) {
	if o.Floor == 0 {
		o.Floor = DefaultFloor
	}
	c := &comparison{o: o}
	for i, r := range []*record.Reader{a, b} {
		c.side[i] = &session{r: r, only: []int{o.ConnA, o.ConnB}[i]}
		if err := c.side[i].survey(ctx, &o); err != nil {
			return nil, err
		}
	}
	pairs := pairAddresses(c.side[0], c.side[1])
	for _, s := range c.side {
		if err := s.read(ctx, &o); err != nil {
			return nil, err
		}
	}
	// One and the same order makes the comparison of B with A the mirror
	// image of that of A with B, whatever is equal on the way.
	flipped := c.side[1].less(c.side[0])
	if flipped {
		c.side[0], c.side[1] = c.side[1], c.side[0]
	}
	c.align()
	same, counts := c.differ()
	if err := c.describe(ctx); err != nil {
		return nil, err
	}
	rep := c.report(same, counts)
	if flipped {
		rep.flip()
	}
	rep.Addresses = pairs
	rep.count()
	return rep, nil
}
