// Package redact makes of a recording one that can be shared: who spoke, from where and about what is replaced, when, how
// and in which form stays.
//
//	report, err := redact.Run(ctx, "bug.jsonl", "share.jsonl", redact.Options{Seed: seed})
//
// # What becomes of what
//
// Everything is replaced in place by something of the same length in bytes: offsets, sizes, chunks, edits and holds stay
// right without any arithmetic, and the result parses as the original does.
//
// Addresses, domains, resources, nicks and rooms are replaced word by word, each word by its pseudonym: the same
// everywhere in the file, whatever its case. Of domains the labels that tell the kind of host (conference, upload) and
// those that belong to nobody (example, localhost) stay; of IP addresses loopback and the beginning of private networks.
// Two IP addresses with the same beginning keep having one.
//
// Texts (bodies, subjects, names, vCards, values of forms, …) are replaced as a whole, by text of the same script; names
// that occur in them by their pseudonyms. Keys, hashes of files and data are replaced within their alphabet. Passwords,
// tokens and proofs become x; of SASL messages the form stays. What came of TLS unread becomes zeros: with a key log it
// would be readable.
//
// Names of elements and attributes, namespaces, enumerated values, numbers, times and ids stay; but a word in them that
// identifies somebody, because it stood in an address or was a secret, is replaced there, too. What no policy knows is
// replaced.
//
// Pseudonyms are made by encryption that keeps the form (see cipher), under a key that is thrown away unless a seed was
// given. What is equal stays equal and what differs stays different, so that a stanza that was sent twice is still the
// same twice.
//
// # Passes
//
// A first pass collects the words that identify somebody (maxIdentifiers bounds them) and hashes of phrases of the texts
// (maxPhrasesKept), a second one writes, a third one proves: it reads both files side by side, with package timeline,
// and looks for what survived. All stream: in memory are the dictionary, and events that wait for the end of a text or
// tag (maxHeld).
package redact

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

const (
	// maxIdentifiers bounds the words, and the IP addresses, that identify somebody: 16 bytes of memory each, and more.
	maxIdentifiers = 1 << 20
	// maxPhrasesKept bounds the phrases of texts that the proof looks for.
	maxPhrasesKept = 2 << 20
	// maxHeld bounds the events that wait for the end of a text or tag, in bytes.
	maxHeld = 64 << 20
	// maxCached bounds the pseudonyms that need not be made again.
	maxCached = 1 << 16
)

// Kinds are what Options.Keep can name, with what they stand for.
var Kinds = []struct{ Name, Means string }{
	{"body", "bodies of messages, plain and XHTML"},
	{"error", "texts of errors"},
	{"file", "pictures and other data: avatars, in-band bytestreams"},
	{"form", "labels and values of forms, registration data"},
	{"name", "names of contacts, groups, bookmarks, files, devices"},
	{"nick", "nicknames that stand by themselves"},
	{"note", "notes in the recording"},
	{"status", "status texts and reasons"},
	{"subject", "subjects"},
	{"text", "what is in elements that this program does not know"},
	{"url", "addresses of web pages and files"},
	{"vcard", "vCards"},
}

// Options are how a recording is redacted. The zero value replaces everything.
type Options struct {
	Keep  []string // kinds that stay, but for the words in them that identify somebody
	Seed  string   // the same seed gives the same pseudonyms; "" = nobody can find out
	Force bool     // overwrite the result if it exists
	// Map is told each pseudonym once or more, if not nil: it holds what was hidden.
	Map func(kind, original, replacement string)
	// Trouble is told of damage; nil = nobody.
	Trouble func(error)
	// Progress is told the pass, from 1, and how many bytes of the recording are done; nil = nobody.
	Progress func(pass int, bytes int64)
}

// A Report says what was replaced, without the originals.
type Report struct {
	Events      int64            `json:"events"`
	Entries     int64            `json:"entries"`
	Replaced    map[string]int64 `json:"replaced"`    // values, by kind
	Kept        []string         `json:"kept"`        // by Options.Keep
	Identifiers int              `json:"identifiers"` // words that occur nowhere any more
	Addresses   int              `json:"ip_addresses"`
	Phrases     int              `json:"phrases"` // of texts, looked for
	Ambiguous   int              `json:"ambiguous"`
	Unsearched  int64            `json:"unsearched_texts"`
	TLS         int64            `json:"tls_bytes"` // not read, zeros now
	Early       int64            `json:"replaced_early"`
	Changed     []string         `json:"findings_changed"`
}

// redactor is one pass over a recording.
type redactor struct {
	keep       map[string]bool
	collecting bool
	full       bool // maxIdentifiers is reached
	secrets    map[uint64]struct{}
	ips        map[netip.Addr]struct{}
	phrases    map[uint64]struct{}
	unsearched map[uint64]struct{}
	missed     int64 // texts whose phrases are not looked for
	cipher     cipher
	names      map[string]string
	clean      [2]map[string]bool // what stays as it is, when writing and when collecting
	o          Options
	report     Report

	g []glyph // of the value at hand
	u []unit

	conns  map[int]*conn
	queue  []held
	queued int64
}

func (r *redactor) count(kind string) {
	if !r.collecting {
		r.report.Replaced[kind]++
	}
}

func (r *redactor) mapped(kind, before, after string) {
	if r.o.Map != nil {
		r.o.Map(kind, before, after)
	}
}

// UnknownKind is a name in Options.Keep that is none of Kinds.
type UnknownKind struct{ Name string }

func (e *UnknownKind) Error() string {
	return fmt.Sprintf("redact: there is no kind %q to keep", e.Name)
}

// Hint lists the kinds.
func (e *UnknownKind) Hint() string {
	var names []string
	for _, k := range Kinds {
		names = append(names, k.Name)
	}
	return "kinds are " + strings.Join(names, ", ") + "; addresses and secrets are always replaced"
}

// ErrTooMany says that a recording names more than the dictionary holds.
var ErrTooMany = &hinted{fmt.Errorf("redact: the recording names more than %d people and places", maxIdentifiers), "redact parts of it: xmpplens show --format=json tells what is in it"}

type hinted struct {
	error
	hint string
}

func (e *hinted) Hint() string  { return e.hint }
func (e *hinted) Unwrap() error { return e.error }

func newRedactor(o Options) (*redactor, error) {
	r := &redactor{o: o, keep: make(map[string]bool), secrets: make(map[uint64]struct{}), ips: make(map[netip.Addr]struct{}), phrases: make(map[uint64]struct{}),
		unsearched: make(map[uint64]struct{}), names: make(map[string]string), clean: [2]map[string]bool{make(map[string]bool), make(map[string]bool)}, report: Report{Replaced: make(map[string]int64)}, cipher: cipher{abc: make(alphabet)}}
	for _, k := range o.Keep {
		known := false
		for _, kind := range Kinds {
			known = known || kind.Name == k
		}
		if !known {
			return nil, &UnknownKind{k}
		}
		if !r.keep[k] {
			r.keep[k] = true
			r.report.Kept = append(r.report.Kept, k)
		}
	}
	slices.Sort(r.report.Kept)
	if o.Seed == "" {
		if _, err := rand.Read(r.cipher.key[:]); err != nil {
			return nil, fmt.Errorf("redact: %w", err)
		}
	} else {
		r.cipher.key = sha256.Sum256([]byte("xmpplens redact\x00" + o.Seed))
	}
	return r, nil
}

// Run writes the recording in as out, redacted, and proves that nothing is left in it. When something is, out is removed
// and the error is a *LeakError.
func Run(ctx context.Context, in, out string, o Options) (*Report, error) {
	r, err := newRedactor(o)
	if err != nil {
		return nil, err
	}
	if same(in, out) {
		return nil, &hinted{fmt.Errorf("redact: %s would be overwritten while it is read", in), "choose another name for the result"}
	}
	r.collecting = true
	if _, err := r.pass(ctx, 1, in, func(record.Event) error { return nil }); err != nil {
		return nil, err
	}
	if r.full {
		return nil, ErrTooMany
	}
	r.collecting = false
	if err := r.finish(ctx, in, out, func() error { return r.write(ctx, in, out) }); err != nil {
		return nil, err
	}
	r.report.Identifiers, r.report.Addresses, r.report.Phrases = len(r.secrets), len(r.ips), len(r.phrases)
	r.report.Ambiguous, r.report.Unsearched = len(r.unsearched), r.missed
	return &r.report, nil
}

// finish writes the result and proves it; one that cannot be proved is removed.
func (r *redactor) finish(ctx context.Context, in, out string, write func() error) error {
	if err := write(); err != nil {
		return err
	}
	if err := r.prove(ctx, in, out); err != nil {
		return errors.Join(err, os.Remove(out))
	}
	return nil
}

func same(in, out string) bool {
	a, err := os.Stat(in)
	if err != nil {
		return false
	}
	b, err := os.Stat(out)
	return err == nil && os.SameFile(a, b)
}

// pass hands out all events of a recording, each when it is complete.
func (r *redactor) pass(ctx context.Context, n int, in string, emit func(record.Event) error) (int64, error) {
	from, err := timeline.Open(in)
	if err != nil {
		return 0, err
	}
	defer from.Close()
	r.conns, r.queue, r.queued = make(map[int]*conn), nil, 0
	events := int64(0)
	for {
		ev, err := next(ctx, from, n == 1, r.o.Trouble)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return events, err
		}
		events++
		if err := r.take(ev, emit); err != nil {
			return events, err
		}
		if r.o.Progress != nil {
			r.o.Progress(n, from.Pos())
		}
	}
	for _, c := range r.conns {
		c.flush()
	}
	return events, r.drain(emit)
}

// next returns the next event that can be read.
func next(ctx context.Context, from *record.Reader, tell bool, trouble func(error)) (record.Event, error) {
	for {
		ev, err := from.Next(ctx)
		var stopped *record.StoppedError
		if err != nil && (record.IsDamage(err) || errors.As(err, &stopped)) {
			if tell && trouble != nil {
				trouble(err)
			}
			continue
		}
		return ev, err
	}
}

// write makes the redacted file.
func (r *redactor) write(ctx context.Context, in, out string) error {
	from, err := timeline.Open(in)
	if err != nil {
		return err
	}
	start, tool := from.Header().Time, from.Header().Tool
	from.Close()
	now := start
	r.sentence(&tool)
	to, err := record.Create(out, record.Options{Force: r.o.Force, Tool: tool, Now: func() time.Time { return now }})
	if err != nil {
		return err
	}
	r.report.Events, err = r.pass(ctx, 2, in, func(ev record.Event) error {
		now = start.Add(ev.T)
		return to.Append(ev)
	})
	if cerr := to.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return errors.Join(err, os.Remove(out))
	}
	return nil
}
