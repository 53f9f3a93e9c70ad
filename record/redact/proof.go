package redact

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"unicode"

	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// This file proves that nothing is left. It reads both recordings side by side. As everything was replaced in place, what
// survived stands where it stood: a word of gibberish that happens to be somebody's name is none. It looks for
//
//   - words that identify somebody, and phrases of texts, wherever they stand, with references and percent-encoding
//     resolved, and in base64;
//   - IP addresses;
//   - addresses, texts and secrets that package stanza finds in the frames, whatever the policies say.

// A LeakError says that something was not replaced.
type LeakError struct {
	Entry int64  // that it is in; 0 when it is in none
	Event int64  // from 1
	Kind  string // word, phrase, base64, IP address, text, address, or the kind of secret
	More  int    // further ones
}

func (e *LeakError) Error() string {
	where := fmt.Sprintf("entry %d", e.Entry)
	if e.Entry == 0 {
		where = fmt.Sprintf("event %d", e.Event)
	}
	more := ""
	if e.More > 0 {
		more = fmt.Sprintf(" (and %d more)", e.More)
	}
	return fmt.Sprintf("redact: %s still holds an original: %s%s; the result was removed", where, e.Kind, more)
}

// Hint says what to do.
func (e *LeakError) Hint() string {
	return "this is a bug of xmpplens: please report it, without the recording"
}

// proof is the reading of both files.
type proof struct {
	*redactor
	event  int64
	entry  int64 // handed out so far
	leak   *LeakError
	tails  map[tailKey][2][]byte
	folds  [2]timeline.Folder
	theirs []*timeline.Entry // of the original, that the copy's are compared with
}

// tailKey is where a word can go on in the next event.
type tailKey struct {
	c   int
	d   record.Dir
	rid int64
}

const (
	maxTail    = 256 // bytes
	maxTails   = 10_000
	maxChanges = 20 // findings that are named
)

func (p *proof) found(kind string, entry int64) {
	if p.leak != nil {
		p.leak.More++
		return
	}
	p.leak = &LeakError{Entry: entry, Event: p.event, Kind: kind}
}

// prove compares the result with the original.
func (r *redactor) prove(ctx context.Context, in, out string) error {
	p := &proof{redactor: r, tails: make(map[tailKey][2][]byte)}
	a, err := timeline.Open(in)
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := timeline.Open(out)
	if err != nil {
		return err
	}
	defer b.Close()
	for {
		x, xerr := next(ctx, a, false, nil)
		y, yerr := next(ctx, b, false, nil)
		if errors.Is(xerr, io.EOF) && errors.Is(yerr, io.EOF) {
			break
		}
		if xerr != nil {
			return fmt.Errorf("redact: read the original again: %w", xerr)
		}
		if yerr != nil {
			return fmt.Errorf("redact: read the result: %w", yerr)
		}
		p.event++
		if len(x.Data) != len(y.Data) || x.C != y.C || x.D != y.D || x.O != y.O || x.N != y.N || x.RID != y.RID {
			return fmt.Errorf("redact: event %d has another form than its original", p.event)
		}
		p.compare(&x, &y)
		p.folds[0].Add(x, a.Pos(), p.original)
		p.folds[1].Add(y, b.Pos(), p.copied)
		if r.o.Progress != nil {
			r.o.Progress(3, a.Pos())
		}
	}
	p.rest()
	p.folds[0].Finish(p.original)
	p.folds[1].Finish(p.copied)
	if len(p.theirs) > 0 {
		p.changed(p.theirs[0], "an entry is gone")
	}
	r.report.Entries = p.entry
	if p.leak != nil {
		return p.leak
	}
	return nil
}

// compare looks at one event.
func (p *proof) compare(x, y *record.Event) {
	for _, s := range [][2]string{{x.Text, y.Text}, {x.Why, y.Why}, {x.By, y.By}, {x.Hint, y.Hint}, {x.Error, y.Error}, {x.Client, y.Client}, {x.Server, y.Server},
		{x.Peer, y.Peer}, {x.Kind, y.Kind}, {x.Op, y.Op}, {x.Version, y.Version}} {
		p.bytes([]byte(s[0]), []byte(s[1]), false)
	}
	for i := range min(len(x.Extra), len(y.Extra)) {
		p.bytes(x.Extra[i].Value, y.Extra[i].Value, false)
	}
	if x.E == record.EventTLS {
		if len(bytes.Trim(y.Data, "\x00")) > 0 {
			p.found("TLS that a key log opens", 0)
		}
		return
	}
	k := tailKey{x.C, x.D, x.RID}
	if x.E != record.EventData {
		p.bytes(x.Data, y.Data, true)
		return
	}
	t := p.tails[k]
	a, b := append(t[0], x.Data...), append(t[1], y.Data...)
	// A word may go on in the next event: then it is looked at.
	n := 0
	for x.E == record.EventData && n < min(len(b), maxTail) && !ends(b[len(b)-1-n]) {
		n++
	}
	p.bytes(a[:len(a)-n], b[:len(b)-n], true)
	if len(p.tails) >= maxTails {
		p.rest()
	}
	p.tails[k] = [2][]byte{bytes.Clone(a[len(a)-n:]), bytes.Clone(b[len(b)-n:])}
	if n == 0 {
		delete(p.tails, k)
	}
}

// rest looks at what did not go on.
func (p *proof) rest() {
	for _, t := range p.tails {
		p.bytes(t[0], t[1], true)
	}
	clear(p.tails)
}

func ends(c byte) bool {
	return c == '<' || c == '>' || blank(c) || c == '\'' || c == '"' || c == '/' || c == '@'
}

// bytes looks for what survived in a copy; data tells that it is of a stream.
func (p *proof) bytes(a, b []byte, data bool) {
	if len(a) != len(b) || len(b) == 0 {
		if len(a) != len(b) {
			p.found("a text of another length", 0)
		}
		return
	}
	v := value{b, glyphs(b, data, nil)}
	same := func(w value) bool {
		from, to := w.g[0].at, w.g[len(w.g)-1].at+w.g[len(w.g)-1].n
		return bytes.Equal(a[from:to], b[from:to])
	}
	v.words(func(w value) {
		if same(w) && p.secret(w.word()) {
			p.found("a name or secret", 0)
		}
	})
	if data {
		phrases(v, func(h uint64) bool {
			if _, ok := p.phrases[h]; ok {
				p.found("a phrase of a text", 0)
			}
			return true
		}, same)
	}
	v.tokens(func(w value) {
		if same(w) && len(w.g) <= maxToken {
			s := strings.TrimRight(w.text(), ".:!?/")
			if p.hides(s) || p.hides(w.text()) {
				p.found("base64 of a name or secret", 0)
			}
			p.address(s)
		}
	})
}

// address looks for IP addresses.
func (p *proof) address(s string) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		port, perr := netip.ParseAddrPort(s)
		if perr != nil {
			return
		}
		a = port.Addr()
	}
	if _, ok := p.ips[a.WithZone("")]; ok && !staysPrivate(a) {
		p.found("an IP address", 0)
	}
}

// staysPrivate reports whether nothing of an address is replaced.
func staysPrivate(a netip.Addr) bool { return a.IsLoopback() || a.IsUnspecified() }

func (p *proof) original(e *timeline.Entry) { p.theirs = append(p.theirs, e.Clone()) }

// copied compares an entry of the copy with that of the original.
func (p *proof) copied(e *timeline.Entry) {
	p.entry++
	if len(p.theirs) == 0 {
		p.changed(e, "an entry is new")
		return
	}
	o := p.theirs[0]
	p.theirs[0], p.theirs = nil, p.theirs[1:]
	if o.Kind != e.Kind || len(o.Frame.Raw) != len(e.Frame.Raw) || o.Conn != e.Conn || o.Dir != e.Dir || o.Offset != e.Offset {
		p.changed(e, "it is another entry")
		return
	}
	for i := range max(len(o.Facts.Findings), len(e.Facts.Findings)) {
		switch {
		case i >= len(o.Facts.Findings):
			p.changed(e, e.Facts.Findings[i].Code+" is new")
		case i >= len(e.Facts.Findings):
			p.changed(e, o.Facts.Findings[i].Code+" is gone")
		case o.Facts.Findings[i].Code != e.Facts.Findings[i].Code || o.Facts.Findings[i].Severity != e.Facts.Findings[i].Severity:
			p.changed(e, o.Facts.Findings[i].Code+" became "+e.Facts.Findings[i].Code)
		}
	}
	p.frame(o, e)
}

func (p *proof) changed(e *timeline.Entry, what string) {
	if len(p.report.Changed) < maxChanges {
		p.report.Changed = append(p.report.Changed, fmt.Sprintf("entry %d: %s", e.N, what))
	}
}

// frame looks at secrets, and at texts and addresses that everybody knows.
func (p *proof) frame(o, e *timeline.Entry) {
	for _, s := range stanza.Secrets(o.Frame) {
		if s.Start == 0 {
			continue // an unfinished tag, which has no content
		}
		a, b := o.Frame.Raw[s.Start:s.End], e.Frame.Raw[s.Start:s.End]
		if s.What == "SASL" {
			if survives(message(a), message(b)) {
				p.found(s.What, p.entry)
			}
		} else if survives([][]byte{a}, [][]byte{b}) {
			p.found(s.What, p.entry)
		}
	}
	x, y := o.Stanza.Root(), e.Stanza.Root()
	if x != nil && y != nil {
		p.nodes(x, y)
	}
}

// message cuts a SASL message into what is secret of it: the fields of PLAIN, of SCRAM those that are neither numbers nor
// about the offer.
func message(b []byte) [][]byte {
	if bytes.IndexByte(b, '<') >= 0 { // elements of a second factor: what stands between their tags
		var out [][]byte
		for part := range bytes.SplitSeq(b, []byte{'<'}) {
			if _, text, ok := bytes.Cut(part, []byte{'>'}); ok {
				out = append(out, bytes.TrimSpace(text))
			}
		}
		return out
	}
	msg, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(b)))
	if err != nil {
		return [][]byte{b}
	}
	if bytes.IndexByte(msg, 0) >= 0 {
		return bytes.Split(msg, []byte{0})
	}
	var out [][]byte
	for f := range bytes.SplitSeq(msg, []byte{','}) {
		switch {
		case len(f) < 2 || f[1] != '=':
		case bytes.IndexByte([]byte("nrsvp"), f[0]) >= 0 && !bytes.HasPrefix(f, []byte("p=tls-")):
			out = append(out, f[2:])
		default:
			out = append(out, nil)
		}
	}
	return out
}

// window is how much of a secret is enough to call it a leak, in bytes.
const window = 8

// survives reports whether a piece of a secret is the same in the copy, and says more than its form: x, and A and 0 of
// base64, are what is written in place of secrets.
func survives(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := a[i], b[i]
		if len(x) != len(y) {
			continue
		}
		if bytes.Equal(x, y) && telling(x) > 2 {
			return true
		}
		for k := 0; k+window <= len(x); k++ {
			if bytes.Equal(x[k:k+window], y[k:k+window]) && telling(x[k:k+window]) >= window-2 {
				return true
			}
		}
	}
	return false
}

func telling(b []byte) int {
	n := 0
	for _, c := range b {
		if c >= '1' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' && c != 'x' && c != 'A' {
			n++
		}
	}
	return n
}

// ofPeople are elements whose text somebody wrote.
var ofPeople = map[string]string{"body": "body", "subject": "subject", "status": "status", "nick": "nick", "FN": "vcard", "NICKNAME": "vcard", "DESC": "vcard", "given": "vcard", "surname": "vcard"}

func (p *proof) nodes(x, y *stanza.Node) {
	if len(x.Children) != len(y.Children) || len(x.Attrs) != len(y.Attrs) {
		return // told as a changed finding, if it is one
	}
	if kind, ok := ofPeople[x.Name]; ok && !p.keep[kind] && x.Text == y.Text && replaceable(p.cipher.abc, x.Text) {
		p.found("the text of "+x.Name, p.entry)
	}
	for i := range x.Attrs {
		switch a := &x.Attrs[i]; a.Name {
		case "from", "to", "jid", "by":
			if a.Value != y.Attrs[i].Value {
				continue
			}
			j := stanza.SplitJID(a.Value)
			if replaceable(p.cipher.abc, j.Local) || replaceable(p.cipher.abc, j.Resource) {
				p.found("an address", p.entry)
			}
		}
	}
	for i := range x.Children {
		p.nodes(x.Children[i], y.Children[i])
	}
}

// replaceable reports whether a text has characters that another can stand for.
func replaceable(abc alphabet, s string) bool {
	for { // an entity that XML does not know stays
		before, rest, _ := strings.Cut(s, "&")
		_, after, ok := strings.Cut(rest, ";")
		if !ok {
			break
		}
		s = before + " " + after
	}
	return strings.IndexFunc(s, func(r rune) bool { return (unicode.IsLetter(r) || unicode.IsDigit(r)) && abc.place(r).set != nil }) >= 0
}
