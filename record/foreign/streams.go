package foreign

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record"
)

// This file reads stream files: for each connection one with what the client
// said and one with what the server said, or only one of them. They have no
// times, and which of two frames in different files came first is a guess: an
// answer stands behind its question.

// manifestName is the file that export writes beside stream files, which says
// more than this package guesses; see package export.
const manifestName = "streams.json"

// streamFile is the name of one: what comes before cs or sc tells connections
// apart.
var streamFileName = regexp.MustCompile(`(?i)^(.*?)(cs|sc)((?:\.[a-z]+)*)$`)

type streamPair struct{ cs, sc string }

func readStreams(in *input, _ Options, s *sink) error {
	pairs, err := pairsOf(in)
	if err != nil {
		return err
	}
	t := in.modified
	for _, name := range slices.SortedFunc(maps.Keys(pairs), naturally) {
		if s.stopped() {
			return nil
		}
		p := pairs[name]
		if s.sum.Events == 0 {
			s.note(t, 0, "", "imported from stream files in "+baseName(in.path), "")
			s.note(t, 0, "", "stream files have no times: everything has that of the file, and which direction spoke first is a guess, an answer follows its question", "")
		}
		if err := readPair(p, t, s); err != nil {
			return err
		}
	}
	if s.unsure {
		s.note(t, 0, "", "the stream files do not say whether the connections were encrypted: where they were, findings about a login in the clear do not hold", "")
	}
	if s.sum.Events > 0 {
		s.note(t, 0, "", "the stream files end: "+s.sum.Words(), "")
	}
	return nil
}

// naturally sorts 2 before 10.
func naturally(a, b string) int {
	if n := len(a) - len(b); n != 0 && strings.Trim(a+b, "0123456789-_.") == "" {
		return n
	}
	return strings.Compare(a, b)
}

// pairsOf finds the files.
func pairsOf(in *input) (map[string]streamPair, error) {
	pairs := make(map[string]streamPair)
	add := func(path string) bool {
		m := streamFileName.FindStringSubmatch(filepath.Base(path))
		if m == nil {
			return false
		}
		p := pairs[m[1]]
		if strings.EqualFold(m[2], "cs") {
			p.cs = path
		} else {
			p.sc = path
		}
		pairs[m[1]] = p
		return true
	}
	if in.Reader == nil { // a directory
		list, err := os.ReadDir(in.path)
		if err != nil {
			return nil, fmt.Errorf("import: %w", err)
		}
		for _, e := range list {
			if e.Type().IsRegular() {
				add(filepath.Join(in.path, e.Name()))
			}
		}
		if len(pairs) == 0 {
			return nil, &SyntaxError{"", "there are no stream files in " + in.path, "their names end in cs and sc, as in 1-cs.xml and 1-sc.xml"}
		}
		return pairs, nil
	}
	if add(in.path) {
		// The other direction stands beside it.
		base := filepath.Base(in.path)
		m := streamFileName.FindStringSubmatchIndex(base)
		swapped := map[string]string{"cs": "sc", "sc": "cs", "CS": "SC", "SC": "CS"}[base[m[4]:m[5]]]
		other := filepath.Join(filepath.Dir(in.path), base[:m[4]]+swapped+base[m[5]:])
		if info, err := os.Stat(other); err == nil && info.Mode().IsRegular() {
			add(other)
		}
		return pairs, nil
	}
	if serverSaid(in.head) {
		pairs[""] = streamPair{sc: in.path}
	} else {
		pairs[""] = streamPair{cs: in.path}
	}
	return pairs, nil
}

// serverSaid tells by its beginning whose words a stream file holds.
func serverSaid(head []byte) bool {
	if bytes.Contains(head, []byte("<stream:features")) || bytes.Contains(head, []byte("<success")) || bytes.Contains(head, []byte("<challenge")) {
		return true
	}
	header := head
	if i := bytes.Index(head, []byte("<stream:stream")); i >= 0 {
		header = head[i:]
		if end := bytes.IndexByte(header, '>'); end >= 0 {
			header = header[:end]
		}
		return bytes.Contains(header, []byte(" id="))
	}
	return false
}

// side reads the frames of one file.
type side struct {
	dir  record.Dir
	path string
	in   *input
	r    *bufio.Reader
	dec  decode.Decoder
	buf  []byte
	done bool // of reading
	over bool // there are no more frames

	frame  decode.Frame
	parsed stanza.Stanza
}

func openSide(path string, d record.Dir) (*side, error) {
	if path == "" {
		return &side{dir: d, over: true}, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	s := &side{dir: d, path: path, buf: make([]byte, 64<<10), in: &input{path: path, close: []func(){func() { f.Close() }}}}
	if err := s.in.unpack(f); err != nil {
		s.in.Close()
		return nil, err
	}
	s.r = s.in.Reader
	return s, s.next()
}

// next reads the next frame.
func (s *side) next() error {
	for !s.over {
		var ok bool
		if s.frame, ok = s.dec.Next(); !ok && s.done {
			s.frame, ok = s.dec.Close()
			s.over = !ok
		}
		if ok {
			s.parsed = stanza.Parse(s.frame)
			return nil
		}
		if s.done {
			continue
		}
		n, err := s.r.Read(s.buf)
		s.dec.Write(s.buf[:n])
		if errors.Is(err, io.EOF) {
			s.done = true
		} else if err != nil {
			return &SyntaxError{fmt.Sprintf("%s at byte %d", s.path, s.dec.Offset()), err.Error(), "look whether it was copied whole"}
		}
	}
	return nil
}

// maxTurn bounds how many frames are taken for what stands before an answer.
const maxTurn = 200

// readPair makes a connection of two files.
func readPair(p streamPair, t time.Time, s *sink) error {
	cs, err := openSide(p.cs, record.CS)
	if err != nil {
		return err
	}
	defer cs.close()
	sc, err := openSide(p.sc, record.SC)
	if err != nil {
		return err
	}
	defer sc.close()
	k := newTalk(s, t, pairKind(cs, sc), false)
	say := func(from *side) error {
		k.data(t, from.dir, from.frame.Raw)
		return from.next()
	}
	for !cs.over && !s.stopped() {
		answer := question(cs)
		if err := say(cs); err != nil {
			return err
		}
		for n := 0; answer != nil && !sc.over && n < maxTurn; n++ {
			got := answer(sc)
			if err := say(sc); err != nil {
				return err
			}
			if got {
				break
			}
		}
	}
	for !sc.over && !s.stopped() {
		if err := say(sc); err != nil {
			return err
		}
	}
	k.close("")
	return nil
}

func (s *side) close() {
	if s.in != nil {
		s.in.Close()
	}
}

func pairKind(sides ...*side) string {
	for _, s := range sides {
		if s.in == nil {
			continue
		}
		if kind := kindOf(s.in.head[:min(len(s.in.head), enough)]); kind != "" {
			return kind
		}
	}
	return "c2s"
}

// question returns what tells the answer to what the client says next, nil where
// it waits for none.
func question(s *side) func(*side) bool {
	p := &s.parsed
	one := func(names ...string) func(*side) bool {
		return func(a *side) bool { return a.parsed.Kind == "nonza" && slices.Contains(names, a.parsed.Name) }
	}
	switch {
	case p.Kind == "header":
		return one("features")
	case p.Kind == "iq" && (p.Type == "get" || p.Type == "set"):
		id := p.ID
		return func(a *side) bool {
			return a.parsed.Kind == "iq" && a.parsed.ID == id && (a.parsed.Type == "result" || a.parsed.Type == "error")
		}
	case p.Kind != "nonza":
		return nil
	}
	switch p.Name {
	case "starttls":
		return one("proceed", "failure")
	case "auth", "response", "authenticate":
		return one("challenge", "success", "failure", "continue")
	case "compress":
		return one("compressed", "failure")
	case "enable":
		return one("enabled", "failed")
	case "resume":
		return one("resumed", "failed")
	case "handshake":
		return one("handshake")
	}
	return nil
}
