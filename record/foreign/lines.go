package foreign

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/xmpplens/xmpplens/record"
)

// This file makes connections out of the lines of a log.

// lineKind says what a line of a log is.
type lineKind uint8

const (
	proceeds lineKind = iota // nothing that begins a record: it belongs to what came before, or to nobody
	speaks                   // a record that begins XML
	remarks                  // any other record
)

// logLine is what a dialect makes of a line.
type logLine struct {
	kind    lineKind
	dir     record.Dir
	session string // tells connections apart, "" where the log does not
	stream  string // c2s, s2s, component; "" is c2s
	t       time.Time
	text    []byte // the XML, or its first line
	tag     bool   // text is only the start tag of an element
	version string // TLS is established, of this version
	cipher  string
}

// A dialect reads the lines of one program. t is the time that the line begins
// with, zero where it has none.
type dialect struct {
	name     string
	headless bool // stream headers are not in the log
	whole    bool // a record ends with an element, and nothing comes between
	unindent byte // what is put in front of lines that go on
	parse    func(line []byte, c *clock) logLine
	said     string // what one has to know of the log
}

// maxTalks bounds the connections of a log that are open at a time.
const maxTalks = 10_000

// logReader is the state of a log that is read.
type logReader struct {
	s     *sink
	d     *dialect
	clock clock
	talks map[string]*talk
	order []string // of talks, the oldest first
	in    *input

	cur     *talk // what the lines that follow go on with
	dir     record.Dir
	fresh   bool // nothing was said of it yet
	t       time.Time
	pending *logLine // a start tag, which the whole element may follow
	full    map[string]bool
	tags    int64
	begun   bool
}

func guessLog(head []byte) string {
	best, most := "", 0
	for _, d := range dialects {
		n := 0
		var c clock
		for line := range bytes.Lines(head) {
			if d.parse(trimLine(line), &c).kind == speaks {
				n++
			}
		}
		if n > most {
			best, most = d.name, n
		}
	}
	return best
}

func trimLine(line []byte) []byte { return bytes.TrimRight(line, "\r\n") }

func readLog(in *input, o Options, s *sink) error {
	r := &logReader{s: s, in: in, talks: make(map[string]*talk), full: make(map[string]bool)}
	for _, d := range dialects {
		if d.name == in.format {
			r.d = d
		}
	}
	r.clock = newClock(in.modified, o.Location)
	var broken error
	var buf []byte
	for !s.stopped() {
		line, long, err := readLine(in.Reader, buf[:0])
		buf = line
		if len(line) == 0 && err != nil {
			if !errors.Is(err, io.EOF) {
				broken = &SyntaxError{fmt.Sprintf("line %d", s.sum.Lines+1), err.Error(), "what stands before was imported; look whether the file was copied whole"}
			}
			break
		}
		s.sum.Lines++
		if long {
			s.sum.Skipped = append(s.sum.Skipped[:min(len(s.sum.Skipped), 100)], fmt.Sprintf("line %d is longer than %d bytes and was cut", s.sum.Lines, MaxLine))
		}
		r.line(trimLine(line))
	}
	r.flush()
	return r.finish(broken)
}

// readLine reads a line with its end into buf. What is longer than MaxLine is cut.
func readLine(r *bufio.Reader, buf []byte) (line []byte, long bool, err error) {
	for {
		piece, err := r.ReadSlice('\n')
		if room := MaxLine - len(buf); len(piece) > room {
			piece, long = piece[:room], true
		}
		buf = append(buf, piece...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return buf, long, err
		}
	}
}

func (r *logReader) line(line []byte) {
	l := r.d.parse(line, &r.clock)
	if !l.t.IsZero() {
		r.t = l.t
		r.s.sum.Dated = true
	}
	switch l.kind {
	case speaks:
		r.speak(&l)
	case remarks:
		if r.d.whole && l.t.IsZero() && r.cur != nil && !r.fresh && !r.cur.whole(r.dir) {
			r.proceed(line) // what somebody wrote looks like a record
			return
		}
		r.s.sum.Unknown++
		r.flush()
		if k := r.talks[l.session]; l.version != "" && k != nil {
			k.t = r.at()
			k.secure(l.version, l.cipher, "")
		}
		r.cur = nil
	case proceeds:
		r.proceed(line)
	}
}

// at is the time of what is read: that of the line, or of the file where there
// is none.
func (r *logReader) at() time.Time {
	if r.t.IsZero() {
		return r.in.modified
	}
	return r.t
}

// speak takes the beginning of something that was said. A program may log the
// start tag of an element and the whole of it: then the whole counts.
func (r *logReader) speak(l *logLine) {
	if l.tag {
		r.cur = nil
		r.flush()
		if r.full[l.session] {
			return // or it is what the program says to itself
		}
		keep := *l
		keep.text = slices.Clone(l.text)
		r.pending = &keep
		return
	}
	if r.pending != nil && r.pending.session == l.session && r.pending.dir == l.dir {
		r.pending = nil
	}
	r.flush()
	if l.session != "" && len(r.full) < maxTalks {
		r.full[l.session] = true
	}
	k := r.talk(l)
	r.cur, r.dir, r.fresh = k, l.dir, len(l.text) == 0
	k.data(r.at(), l.dir, l.text)
}

// flush records a start tag whose element did not follow.
func (r *logReader) flush() {
	if l := r.pending; l != nil {
		r.pending = nil
		r.element(l)
	}
}

// element records an element of which only the start tag is known.
func (r *logReader) element(l *logLine) {
	k := r.talk(l)
	text := bytes.TrimSpace(l.text)
	if !bytes.HasPrefix(text, []byte("<?xml")) && !bytes.HasPrefix(text, []byte("<stream:stream")) && !bytes.HasPrefix(text, []byte("</")) && !bytes.HasSuffix(text, []byte("/>")) && bytes.HasSuffix(text, []byte(">")) {
		text = append(slices.Clone(text[:len(text)-1]), "/>"...)
		r.tags++
	}
	k.data(r.at(), l.dir, text)
	r.cur = nil
}

// talk returns the connection that a line belongs to.
func (r *logReader) talk(l *logLine) *talk {
	if !r.begun {
		r.begin()
	}
	k := r.talks[l.session]
	if k != nil && k.renews(l.dir, l.text) {
		k.close("another one begins")
		k = nil
	}
	if k != nil {
		return k
	}
	stream := map[string]string{"": "c2s", "s2sout": "s2s"}[l.stream]
	if stream == "" {
		stream = l.stream
	}
	if _, known := r.talks[l.session]; !known {
		for len(r.order) >= maxTalks {
			old := r.order[0]
			r.order = r.order[1:]
			r.talks[old].close("more connections than are kept")
			delete(r.talks, old)
			delete(r.full, old)
		}
		r.order = append(r.order, l.session)
	}
	k = newTalk(r.s, r.at(), stream, r.d.headless)
	r.talks[l.session] = k
	if l.session != "" {
		r.s.note(r.at(), k.id, "", "in the log it is called "+l.session, "")
	}
	return k
}

func (r *logReader) begin() {
	r.begun = true
	r.s.note(r.at(), 0, "", fmt.Sprintf("imported from %s, a log of %s", baseName(r.in.path), r.d.name), "")
	r.s.note(r.at(), 0, "", r.d.said, "")
}

// proceed takes a line that begins no record.
func (r *logReader) proceed(line []byte) {
	k := r.cur
	blank := len(bytes.TrimSpace(line)) == 0
	switch {
	case k == nil && blank:
	case k == nil:
		r.s.sum.Unknown++
	case !k.whole(r.dir) && !r.fresh:
		if r.d.unindent != 0 && len(line) > 0 && line[0] == r.d.unindent {
			line = line[1:]
		}
		k.data(r.at(), r.dir, append([]byte("\n"), line...))
	case bytes.HasPrefix(bytes.TrimLeft(line, " \t"), []byte("<")):
		// nbxmpp and Gajim print the XML behind the line that says whose it is.
		l := logLine{dir: r.dir, text: line}
		if r.fresh && k.renews(r.dir, line) {
			for key, other := range r.talks {
				if other == k {
					l.session = key
				}
			}
			k = r.talk(&l)
			r.cur = k
		}
		r.fresh = false
		k.data(r.at(), r.dir, line)
	case blank:
	default:
		r.cur = nil
		r.s.sum.Unknown++
	}
}

func (r *logReader) finish(broken error) error {
	if !r.begun {
		if broken != nil {
			return broken
		}
		return &SyntaxError{"", fmt.Sprintf("none of the %d lines of %s is XMPP as %s logs it", r.s.sum.Lines, r.in.path, r.d.name), "what is needed is a debug log; another --format may fit better"}
	}
	for _, key := range slices.SortedFunc(maps.Keys(r.talks), func(a, b string) int { return r.talks[a].id - r.talks[b].id }) {
		r.talks[key].close("")
	}
	if r.tags > 0 {
		r.s.note(r.at(), 0, "warning", fmt.Sprintf("of %s the log has the start tag only: what they contain is not there, and they are shown empty", plural(int(r.tags), "element")), "load mod_stanza_debug in Prosody, and log at the level debug")
	}
	if r.s.unsure {
		r.s.note(r.at(), 0, "", "the log does not say whether the connections are encrypted: where they are, findings about a login in the clear do not hold", "")
	}
	if !r.s.sum.Dated {
		r.s.note(r.at(), 0, "", "the log has no times: everything has the time of the file", "")
	} else if r.clock.guessed != "" {
		r.s.note(r.at(), 0, "", r.clock.guessed, "")
	}
	text := "the log ends: " + r.s.sum.Words()
	level := ""
	if broken != nil {
		level, text = "warning", text+"; "+broken.Error()
	}
	r.s.note(r.at(), 0, level, text, "")
	return broken
}
