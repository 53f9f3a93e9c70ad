package export

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// Manifest is the name of the file that says what the stream files beside it
// are.
const Manifest = "streams.json"

const (
	// maxBuffer bounds what waits to be written to one stream file,
	// maxBuffers what waits for all of them.
	maxBuffer  = 64 << 10
	maxBuffers = 64 << 20
)

// Streams writes the stream files: for each connection one with what the client
// said and one with what the server said, exact bytes, secrets included.
//
// The manifest beside them is JSON, one event a line: the lines of the
// recording, where a data event has "n" in place of its bytes: so many are next
// in the file of its connection and direction. A file is opened for as long as
// one write takes, so that ten thousand connections need no more files than one.
type Streams struct {
	Options
	dir      string
	manifest *os.File
	out      *bufio.Writer
	line     []byte
	first    bool
	conns    []connection
	files    map[key]*streamFile
	waiting  int // bytes in all buffers
	last     time.Duration
}

// connection is one in the manifest.
type connection struct {
	Conn      int    `json:"conn"`
	Kind      string `json:"kind"`
	Transport string `json:"transport,omitempty"`
	Client    string `json:"client"`
	Server    string `json:"server"`
	CS        string `json:"cs"`
	SC        string `json:"sc"`
}

// head is the manifest without what is inside its lists.
type head struct {
	Version int       `json:"xmpplens-streams"`
	Start   time.Time `json:"start"`
	Tool    string    `json:"tool"`
	Sent    bool      `json:"sent"`
}

type streamFile struct {
	path string
	buf  []byte
}

// NewStreams writes into a directory that is there and empty.
func NewStreams(dir string, o Options) (*Streams, error) {
	f, err := os.OpenFile(filepath.Join(dir, Manifest), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	s := &Streams{Options: o, dir: dir, manifest: f, out: bufio.NewWriterSize(f, 64<<10), files: make(map[key]*streamFile), first: true}
	b, err := json.Marshal(head{1, o.Header.Time, o.Tool, o.Sent})
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	s.out.Write(b[:len(b)-1]) // its error sticks
	s.out.WriteString(",\n\"events\":[")
	return s, nil
}

// asReceived reports whether the files are what was received, in the order of
// its arrival.
func (s *Streams) asReceived() bool { return s.Choice.All() && !s.Sent }

func (s *Streams) Event(ev record.Event) error {
	switch {
	case ev.E == record.EventOpen && s.asReceived():
		s.connection(ev)
	case ev.E == record.EventTLS: // what it said is data
		return nil
	}
	if !s.asReceived() {
		return nil
	}
	if ev.E == record.EventData && isStream(ev.D) {
		return s.data(ev, ev.Data)
	}
	s.event(ev)
	if ev.E == record.EventClose {
		return s.closed(ev.C)
	}
	return nil
}

func (s *Streams) Entry(e *timeline.Entry, extra bool) error {
	switch {
	case s.asReceived():
		return nil
	case e.Dir == "":
		if e.Kind == record.EventOpen {
			s.connection(e.Event)
		}
		ev := e.Event
		ev.T = e.T
		s.event(ev)
		if e.Kind == record.EventClose {
			return s.closed(e.Conn)
		}
		return nil
	}
	raw := e.Frame.Raw
	switch {
	case s.Sent && e.Edited:
		raw = e.Sent
	case !s.Sent && e.Injected:
		return nil
	}
	if len(raw) == 0 {
		return nil
	}
	return s.data(record.Event{T: e.T, C: e.Conn, E: record.EventData, D: e.Dir}, raw)
}

func (s *Streams) connection(ev record.Event) {
	s.conns = append(s.conns, connection{ev.C, ev.Kind, ev.Transport, ev.Client, ev.Server, name(key{ev.C, record.CS}), name(key{ev.C, record.SC})})
}

func name(k key) string {
	if k.dir == record.CS {
		return fmt.Sprintf("%d-cs.xml", k.conn)
	}
	return fmt.Sprintf("%d-sc.xml", k.conn)
}

func (s *Streams) event(ev record.Event) {
	// An entry that waited behind one that was held is older than that.
	s.last = max(s.last, ev.T)
	ev.T = s.last
	s.line = record.AppendLine(s.line[:0], &ev)
	if !s.first {
		s.out.WriteByte(',')
	}
	s.first = false
	s.out.WriteByte('\n')
	s.out.Write(s.line[:len(s.line)-1])
}

func (s *Streams) data(ev record.Event, b []byte) error {
	ev.N, ev.Data, ev.HasData = int64(len(b)), nil, false
	s.event(ev)
	k := key{ev.C, ev.D}
	f := s.files[k]
	if f == nil {
		f = &streamFile{path: filepath.Join(s.dir, name(k))}
		s.files[k] = f
	}
	f.buf = append(f.buf, b...)
	s.waiting += len(b)
	if len(f.buf) >= maxBuffer {
		return s.write(f)
	}
	if s.waiting >= maxBuffers {
		return s.writeAll()
	}
	return nil
}

func (s *Streams) write(f *streamFile) error {
	out, err := os.OpenFile(f.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	_, err = out.Write(f.buf)
	s.waiting -= len(f.buf)
	f.buf = nil
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

func (s *Streams) writeAll() error {
	for _, f := range s.files {
		if len(f.buf) > 0 {
			if err := s.write(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// closed completes the files of a connection. Both are there even when nothing
// was said.
func (s *Streams) closed(conn int) error {
	for _, d := range dirs {
		k := key{conn, d}
		f := s.files[k]
		if f == nil {
			f = &streamFile{path: filepath.Join(s.dir, name(k))}
		}
		if err := s.write(f); err != nil {
			return err
		}
		delete(s.files, k)
	}
	return nil
}

func (s *Streams) Finish() error {
	for _, c := range s.conns {
		if s.files[key{c.Conn, record.CS}] != nil || s.files[key{c.Conn, record.SC}] != nil {
			if err := s.closed(c.Conn); err != nil {
				return err
			}
		}
	}
	if err := s.writeAll(); err != nil {
		return err
	}
	s.out.WriteString("\n],\n\"connections\":[")
	for i, c := range s.conns {
		b, err := json.Marshal(c)
		if err != nil {
			return fmt.Errorf("export: %w", err)
		}
		if i > 0 {
			s.out.WriteByte(',')
		}
		s.out.WriteByte('\n')
		s.out.Write(b)
	}
	s.out.WriteString("\n]}\n")
	if err := errors.Join(s.out.Flush(), s.manifest.Close()); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

// ReadStreams reads a directory that Streams wrote.
func ReadStreams(dir string) (*Back, error) {
	f, err := os.Open(filepath.Join(dir, Manifest))
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	r := &streamsReader{dir: dir, lines: bufio.NewReaderSize(f, 64<<10), at: make(map[key]int64)}
	r.b.close = f.Close
	r.b.more = r.more
	line, err := r.next()
	var h head
	if err == nil {
		err = json.Unmarshal(append(line[:max(len(line)-1, 0)], '}'), &h)
	}
	switch {
	case err != nil:
		f.Close()
		return nil, fmt.Errorf("export: %s: line 1 is no beginning of a manifest: %w", f.Name(), err)
	case h.Version != 1:
		f.Close()
		return nil, fmt.Errorf("export: %s: version %d of the manifest is not known", f.Name(), h.Version)
	}
	r.b.Header = record.Header{Version: record.Version, Time: h.Start, Tool: h.Tool}
	return &r.b, nil
}

// streamsReader reads the manifest line by line, and the files as it says.
type streamsReader struct {
	b     Back
	dir   string
	lines *bufio.Reader
	line  int
	at    map[key]int64 // how much of a file was read
	ended bool
}

// next returns the next line without its end.
func (r *streamsReader) next() ([]byte, error) {
	var line []byte
	for {
		piece, err := r.lines.ReadSlice('\n')
		line = append(line, piece...)
		if len(line) > record.MaxLine {
			return nil, fmt.Errorf("line %d is longer than %d bytes", r.line+1, record.MaxLine)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return nil, err
		}
		r.line++
		return line[:len(line)-1], nil
	}
}

func (r *streamsReader) more() error {
	line, err := r.next()
	if err != nil {
		return err // the end comes before: see below
	}
	switch {
	case r.ended, len(line) > 0 && line[0] == ']':
		r.ended = true
		for err == nil { // the connections: their events said it all
			_, err = r.next()
		}
		return err
	case r.line == 2:
		return nil
	}
	if n := len(line); n > 0 && line[n-1] == ',' {
		line = line[:n-1]
	}
	ev, err := record.ParseLine(line)
	if err != nil {
		return fmt.Errorf("export: %s: line %d: %w", Manifest, r.line, err)
	}
	r.b.queue = append(r.b.queue, ev)
	if ev.E != record.EventData || ev.HasData {
		return nil
	}
	k := key{ev.C, ev.D}
	b, err := r.read(k, ev.N)
	if err != nil {
		return fmt.Errorf("export: %s: line %d: %w", Manifest, r.line, err)
	}
	r.b.gain(k, b)
	return nil
}

// maxPiece bounds one data event, which came from one read.
const maxPiece = record.MaxLine

func (r *streamsReader) read(k key, n int64) ([]byte, error) {
	if n < 0 || n > maxPiece {
		return nil, fmt.Errorf("%d bytes at once", n)
	}
	f, err := os.Open(filepath.Join(r.dir, name(k)))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size()-r.at[k] < n {
		return nil, fmt.Errorf("%s ends %d bytes too early", name(k), n-(info.Size()-r.at[k]))
	}
	b := make([]byte, n)
	if _, err := f.ReadAt(b, r.at[k]); err != nil {
		return nil, err
	}
	r.at[k] += n
	return b, nil
}

// IsStreamFile reports whether a file has a name that Streams gives.
func IsStreamFile(file string) bool {
	number, ok := strings.CutSuffix(file, "-cs.xml")
	if !ok {
		number, ok = strings.CutSuffix(file, "-sc.xml")
	}
	_, err := strconv.ParseUint(number, 10, 31)
	return ok && err == nil
}
