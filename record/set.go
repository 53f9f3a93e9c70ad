package record

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"
)

// A set is the segments of a recording as one stream of bytes: the header line
// of the first with its carry lines, then the event lines of all. What stands at
// the beginning of later segments is left out. A position in the stream stays
// what it is when a segment is compressed, or gets carry lines because the one
// before it is removed.
type set struct {
	names names
	head  []byte // the header line and the carry lines of the first segment
	base  int64  // Header.Offset of the first segment: the event lines before the stream
	start time.Time
	tail  error // what is wrong at the end of the last segment
	live  bool  // of a Log: its keeper tells what becomes of segments

	mu   sync.Mutex
	segs []*segment // in order; guarded by mu
	refs int        // guarded by mu

	io    sync.Mutex // held while reading; taken before mu
	plain map[int]*plainFile
	zst   map[string]*os.File
	cache []unpacked // the latest first
	clock int64
}

// A segment is a run of event lines in one file.
type segment struct {
	number int
	at     int64  // bytes of event lines before
	size   int64  // bytes of its own; -1 while it is written
	path   string // the plain file; "" when frames are
	zst    string
	frames []frame // behind its head, in order
	heads  []frame
}

func (s *segment) end() int64 { return s.at + max(s.size, 0) }

// plainFile is an open plain segment.
type plainFile struct {
	*os.File
	head int64 // bytes of header and carry lines
	used int64 // clock of the last use
	keep bool  // not closed to save descriptors
}

// unpacked is a decompressed frame.
type unpacked struct {
	segment int
	pos     int64
	b       []byte
}

const (
	// maxCached bounds the decompressed frames that are kept, in bytes; one
	// is always kept.
	maxCached = 32 * frameSize
	// maxOpenFiles bounds the files of segments that are kept open.
	maxOpenFiles = 32
	// maxHead bounds the header and carry lines at the beginning of a
	// segment, in bytes. A Log leaves out what does not fit.
	maxHead = 64 << 20
)

// A GoneError says that events were removed (by --keep, or from a ring) before
// they were read. The Reader goes on with what is there.
type GoneError struct {
	Bytes int64 // of event lines
	next  int64
}

func (e *GoneError) Error() string {
	return fmt.Sprintf("record: %d bytes of events are no longer kept", e.Bytes)
}

// A DamageError says that a part of a compressed segment, or the end of a plain
// one, cannot be read. The Reader goes on behind it.
type DamageError struct {
	File     string
	From, To time.Duration // when what is lost was recorded; 0 where it is not known
	Bytes    int64         // of event lines that are lost
	Events   int           // 0 where it is not known
	Err      error
	next     int64
}

func (e *DamageError) Error() string {
	what := fmt.Sprintf("%d bytes of events", e.Bytes)
	if e.Events > 0 {
		what = fmt.Sprintf("%d events", e.Events)
	}
	if e.To > 0 {
		what += fmt.Sprintf(", recorded from %.3f s to %.3f s,", e.From.Seconds(), e.To.Seconds())
	}
	return fmt.Sprintf("record: %s: %s are lost: %v", e.File, what, e.Err)
}

func (e *DamageError) Unwrap() error { return e.Err }

// errMoved says that a segment is no longer where it was.
var errMoved = errors.New("record: the segment is elsewhere")

func newSet(n names) *set {
	return &set{names: n, refs: 1, plain: make(map[int]*plainFile), zst: make(map[string]*os.File)}
}

// logical is the position of an offset in the event lines.
func (s *set) logical(offset int64) int64 { return offset - s.base + int64(len(s.head)) }

// ReadAt reads from one segment at most. At the end it returns io.EOF.
func (s *set) ReadAt(p []byte, pos int64) (int, error) {
	if pos < 0 {
		return 0, fmt.Errorf("record: no position %d", pos)
	}
	if pos < int64(len(s.head)) {
		return copy(p, s.head[pos:]), nil
	}
	offset := pos - int64(len(s.head)) + s.base
	s.io.Lock()
	defer s.io.Unlock()
	for range 3 {
		seg, next, err := s.locate(offset)
		if err != nil {
			return 0, err
		}
		n, err := s.read(&seg, offset-seg.at, p)
		if !errors.Is(err, errMoved) {
			return n, s.damage(&seg, next, offset, err)
		}
		if err := s.reload(seg.number); err != nil {
			return 0, err
		}
	}
	return 0, fmt.Errorf("record: segment of offset %d: the files change faster than they are read", offset)
}

// locate finds the segment that an offset is in, and where the next begins (-1 =
// there is none).
func (s *set) locate(offset int64) (segment, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, _ := slices.BinarySearchFunc(s.segs, offset, func(g *segment, o int64) int {
		if g.at <= o {
			return -1
		}
		return 1
	})
	next := int64(-1)
	if i < len(s.segs) {
		next = s.segs[i].at
	}
	// Empty segments share their offset with the one behind.
	if i > 0 {
		if g := s.segs[i-1]; g.size < 0 || offset < g.end() {
			return *g, next, nil
		}
	}
	if next < 0 {
		return segment{}, 0, io.EOF
	}
	return segment{}, 0, &GoneError{Bytes: next - offset, next: s.logical(next)}
}

// read reads at rel bytes behind the head of a segment.
func (s *set) read(g *segment, rel int64, p []byte) (int, error) {
	if g.size >= 0 {
		p = p[:min(int64(len(p)), g.size-rel)]
	}
	if g.path != "" {
		f, err := s.file(g)
		if err != nil {
			return 0, err
		}
		n, err := f.ReadAt(p, f.head+rel)
		if n > 0 {
			err = nil
		}
		return n, err
	}
	i, _ := slices.BinarySearchFunc(g.frames, g.at+rel, func(f frame, o int64) int {
		if f.offset <= o {
			return -1
		}
		return 1
	})
	if i == 0 || g.at+rel >= g.frames[i-1].offset+int64(g.frames[i-1].size) {
		return 0, errLostFrame
	}
	f := &g.frames[i-1]
	b, err := s.unpack(g, f)
	if err != nil {
		return 0, err
	}
	return copy(p, b[g.at+rel-f.offset:]), nil
}

var errLostFrame = errors.New("a compressed frame is not there or its description is broken")

// damage says what an error of read means for the stream.
func (s *set) damage(g *segment, next, offset int64, err error) error {
	var gone *GoneError
	switch {
	case err == nil, errors.As(err, &gone), errors.Is(err, fs.ErrPermission), errors.Is(err, os.ErrClosed):
		return err
	case errors.Is(err, io.EOF) && g.size < 0:
		return io.EOF
	}
	e := &DamageError{File: g.path, Err: err}
	end := g.end()
	if g.path == "" {
		e.File = g.zst
		for i := range g.frames {
			f := &g.frames[i]
			if f.offset > offset {
				end = f.offset
				e.To = f.first
				break
			}
			e.From = f.last
			if offset < f.offset+int64(f.size) {
				end, e.From, e.To, e.Events = f.offset+int64(f.size), f.first, f.last, f.events
				break
			}
		}
	} else if errors.Is(err, io.EOF) {
		e.Err = errors.New("the file is shorter than it was")
	}
	if next >= 0 && (end > next || end <= offset) {
		end = next
	}
	if end <= offset {
		return err // no way around
	}
	e.Bytes, e.next = end-offset, s.logical(end)
	return e
}

// file opens a plain segment and makes sure that it is the right one.
func (s *set) file(g *segment) (*plainFile, error) {
	s.clock++
	if f := s.plain[g.number]; f != nil {
		f.used = s.clock
		return f, nil
	}
	f, h, head, err := openPlain(g.path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, errMoved
		}
		return nil, err
	}
	if h.Segment != g.number {
		f.Close()
		return nil, errMoved
	}
	s.trim(maxOpenFiles - 1)
	s.plain[g.number] = &plainFile{File: f, head: head, used: s.clock}
	return s.plain[g.number], nil
}

// trim closes the files that were used longest ago.
func (s *set) trim(most int) {
	for {
		oldest, open := 0, 0
		for number, f := range s.plain {
			if f.keep {
				continue
			}
			if open++; oldest == 0 || f.used < s.plain[oldest].used {
				oldest = number
			}
		}
		if open <= most {
			return
		}
		s.plain[oldest].Close()
		delete(s.plain, oldest)
	}
}

// unpack returns the lines of a frame.
func (s *set) unpack(g *segment, f *frame) ([]byte, error) {
	for i, u := range s.cache {
		if u.segment == g.number && u.pos == f.pos {
			if i > 0 {
				copy(s.cache[1:], s.cache[:i])
				s.cache[0] = u
			}
			return u.b, nil
		}
	}
	file := s.zst[g.zst]
	if file == nil {
		var err error
		if file, err = os.Open(g.zst); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil, errMoved
			}
			return nil, err
		}
		if len(s.zst) >= maxOpenFiles {
			for path, old := range s.zst {
				old.Close()
				delete(s.zst, path)
				break
			}
		}
		s.zst[g.zst] = file
	}
	b, err := f.read(file)
	if err != nil {
		return nil, err
	}
	s.cache = slices.Insert(s.cache, 0, unpacked{g.number, f.pos, b})
	total := 0
	for i, u := range s.cache {
		if total += len(u.b); total > maxCached && i > 0 {
			clear(s.cache[i:])
			s.cache = s.cache[:i]
			break
		}
	}
	return b, nil
}

// read reads and decompresses a frame.
func (f *frame) read(file io.ReaderAt) ([]byte, error) {
	packed := make([]byte, f.packed)
	if _, err := file.ReadAt(packed, f.pos); err != nil {
		return nil, err
	}
	return f.unpack(packed)
}

// forget drops what is held of a segment whose file changed. The caller holds io.
func (s *set) forget(number int, zst string) {
	if f := s.plain[number]; f != nil {
		f.Close()
		delete(s.plain, number)
	}
	if f := s.zst[zst]; f != nil {
		f.Close()
		delete(s.zst, zst)
	}
	s.cache = slices.DeleteFunc(s.cache, func(u unpacked) bool { return u.segment == number })
}

// pin opens the plain segments, so that they stay readable when they are
// removed.
func (s *set) pin() error {
	s.io.Lock()
	defer s.io.Unlock()
	s.mu.Lock()
	segs := slices.Clone(s.segs)
	s.mu.Unlock()
	for _, g := range segs {
		if g.path == "" {
			continue
		}
		f, err := s.file(g)
		if err != nil {
			return err
		}
		f.keep = true
	}
	return nil
}

func (s *set) acquire() {
	s.mu.Lock()
	s.refs++
	s.mu.Unlock()
}

// release closes the files when nobody reads any more.
func (s *set) release() error {
	s.mu.Lock()
	s.refs--
	left := s.refs
	s.mu.Unlock()
	if left > 0 {
		return nil
	}
	s.io.Lock()
	defer s.io.Unlock()
	for _, f := range s.plain {
		f.Close()
	}
	for _, f := range s.zst {
		f.Close()
	}
	clear(s.plain)
	clear(s.zst)
	s.cache = nil
	return nil
}
