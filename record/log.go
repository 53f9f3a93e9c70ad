package record

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Options are how a Log is created. The zero value works.
type Options struct {
	Force bool             // overwrite a file that exists, unless it is being written
	Tool  string           // who records, for the header
	Now   func() time.Time // nil = time.Now

	// Of a recording in segments; see the package's documentation.
	Segment     int64          // bytes at which a segment is closed that is compressed; 0 = DefaultSegment
	RotateSize  int64          // bytes at which the next file is begun; 0 = never
	RotateEvery time.Duration  // time after which the next event begins the next file; 0 = never
	Keep        int            // closed files that are kept; 0 = all
	Ring        int64          // bytes on disk (more only when one event is longer); what is older goes, and Log.Keep keeps the rest; 0 = no ring
	Carry       func() Carrier // nil = what is open at the beginning of the oldest segment is not known
	Warn        func(error)    // is told what went wrong in the background, and must not call the Log; nil = nobody
}

// A Log is a recording that is being written. It is safe for concurrent use.
type Log struct {
	file  *os.File // guarded by mu when rolling
	name  string
	now   func() time.Time
	start time.Time
	tool  string
	temp  bool
	roll  *rolling // nil: one file

	mu       sync.Mutex
	size     int64 // bytes of whole lines in file; guarded by mu
	events   int64 // guarded by mu
	last     time.Duration
	err      *StoppedError // sticks; guarded by mu
	closed   bool          // guarded by mu
	finished bool          // guarded by mu
	readers  map[*Reader]struct{}

	committed atomic.Int64  // bytes of the recording, for readers
	stopped   chan struct{} // closed when err is set, and by Finish
	done      chan struct{} // closed by Finish
}

// Create makes a recording at path, mode 0600. A file that is there already is
// an error unless Force; one that another Log is writing is always one.
func Create(path string, o Options) (*Log, error) {
	if o.segments(path) {
		return createSegments(path, o)
	}
	f, err := create(path, o.Force)
	if err != nil {
		return nil, err
	}
	return begin(f, o, false)
}

// create opens a new file for one writer.
func create(path string, force bool) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		if f, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
			return nil, exists(path)
		}
		switch {
		case !lock(f):
			err = taken(path)
		case !force:
			err = exists(path)
		default:
			err = f.Truncate(0)
			if info, serr := f.Stat(); serr == nil && !info.Mode().IsRegular() {
				err = nil // a device cannot be cut
			}
		}
		if err != nil {
			f.Close()
			return nil, err
		}
		f.Chmod(0o600) // an older file may have been open to others; a device cannot be changed
		return f, nil
	}
	if err != nil {
		return nil, fmt.Errorf("record: create the recording: %w", err)
	}
	if !lock(f) {
		f.Close()
		return nil, taken(path)
	}
	return f, nil
}

func exists(path string) error {
	return &hinted{fmt.Errorf("record: %s exists already", path), "choose another name, or overwrite it with --force"}
}

func taken(path string) error {
	return &hinted{fmt.Errorf("record: %s is being written by another xmpplens", path), "choose another name, or end the other one first; --force does not take a recording away"}
}

// CreateTemp makes a recording in a temporary file, mode 0600, that Close
// removes. With Options.Ring it is a directory.
func CreateTemp(o Options) (*Log, error) {
	if o.Ring > 0 {
		return createRing("", o)
	}
	f, err := os.CreateTemp("", "xmpplens-*.jsonl")
	if err != nil {
		return nil, &hinted{fmt.Errorf("record: create the temporary recording: %w", err), "make room, or set TMPDIR to a directory that has some"}
	}
	return begin(f, o, true)
}

func newLog(f *os.File, o Options, temp bool) *Log {
	l := &Log{file: f, name: f.Name(), now: o.Now, tool: o.Tool, temp: temp, readers: make(map[*Reader]struct{}), stopped: make(chan struct{}), done: make(chan struct{})}
	if l.now == nil {
		l.now = time.Now
	}
	l.start = l.now()
	return l
}

// header is that of a new file of the log.
func (l *Log) header(segment int, offset int64) Header {
	return Header{Version: Version, Time: l.start.UTC().Round(0), Tool: l.tool, Segment: segment, Offset: offset}
}

func begin(f *os.File, o Options, temp bool) (*Log, error) {
	l := newLog(f, o, temp)
	line := appendHeader(nil, l.header(0, 0))
	if _, err := f.Write(line); err != nil {
		f.Close()
		if temp {
			os.Remove(f.Name())
		}
		return nil, fmt.Errorf("record: write the header: %w", err)
	}
	l.size = int64(len(line))
	l.committed.Store(l.size)
	return l, nil
}

// lines is a buffer for the lines of one Append.
type lines struct {
	b     []byte
	parts []int // where each line begins
}

// maxPooled bounds the buffers that are kept: a 50 MB stanza's must go.
const maxPooled = 1 << 20

var pool = sync.Pool{New: func() any { return &lines{b: make([]byte, 0, 8<<10)} }}

// Append writes all events with one write(2), in their order and with the time
// of the call. Encoding is done before the lock is taken: only the time, which
// must not go backwards in the file, is filled in under it.
//
// The first error sticks: from then on nothing is written, and what a failed
// write left behind is cut off where the file allows it. The caller need not
// look at it for each event; Err and Stopped tell.
func (l *Log) Append(evs ...Event) error {
	buf := pool.Get().(*lines)
	buf.b, buf.parts = buf.b[:0], buf.parts[:0]
	for i := range evs {
		buf.parts = append(buf.parts, len(buf.b))
		buf.b = appendEvent(buf.b, &evs[i])
	}
	err := l.write(buf)
	if cap(buf.b) <= maxPooled {
		pool.Put(buf)
	}
	return err
}

func (l *Log) write(buf *lines) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	if l.finished {
		return errClosed
	}
	now := max(l.now().Sub(l.start), l.last)
	l.last = now
	// The room in front of each line that its time does not need is taken
	// out by moving the lines before it to the right, first to last.
	start := 0
	for i := len(buf.parts) - 1; i >= 0; i-- {
		at := buf.parts[i]
		free := putTime(buf.b[at:], now)
		if i == len(buf.parts)-1 {
			start = at + free
		} else {
			next := start
			line := buf.b[at+free : buf.parts[i+1]]
			start = next - len(line)
			copy(buf.b[start:next], line)
		}
	}
	b := buf.b[start:]
	if l.roll != nil && l.roll.due(l.size, len(b), now) {
		l.rotate(now)
	}
	n, err := l.file.Write(b)
	if err != nil {
		if n > 0 {
			// A torn line would be reported by every reader.
			if l.file.Truncate(l.size) == nil {
				l.file.Seek(l.size, 0)
			}
		}
		l.err = &StoppedError{l.events, err}
		close(l.stopped)
		l.wake()
		return l.err
	}
	l.size += int64(n)
	l.events += int64(len(buf.parts))
	l.committed.Add(int64(n))
	l.wake()
	return nil
}

var errClosed = errors.New("record: the log is closed")

// wake pokes every reader; one that has not come yet is not waited for.
// The caller holds mu.
func (l *Log) wake() {
	for r := range l.readers {
		select {
		case r.poke <- struct{}{}:
		default:
		}
	}
}

// Err returns the *StoppedError that ended the recording early, or nil.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		return nil
	}
	return l.err
}

// Stopped is closed when recording stopped because of an error, and by Finish.
func (l *Log) Stopped() <-chan struct{} { return l.stopped }

// Name returns the file's name: of a recording in several, the one that Open
// takes for all.
func (l *Log) Name() string { return l.name }

// Size returns the recording's length in bytes, uncompressed.
func (l *Log) Size() int64 { return l.committed.Load() }

// Start returns the time of the header.
func (l *Log) Start() time.Time { return l.start }

// Finish ends the recording; readers then come to its end. Keep still works,
// until Close.
func (l *Log) Finish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.finished {
		return
	}
	l.finished = true
	if l.err == nil {
		close(l.stopped)
	}
	close(l.done)
	l.wake()
}

// Close finishes the recording and completes its files. A temporary file is
// removed, but readers that are open still read it. Of a recording that is
// compressed it returns when the last segment is.
func (l *Log) Close() error {
	l.Finish()
	l.mu.Lock()
	again := l.closed
	l.closed = true
	l.mu.Unlock()
	if again {
		return nil
	}
	if l.roll != nil {
		return l.closeSegments()
	}
	err := l.file.Sync()
	if cerr := l.file.Close(); err == nil || errors.Is(err, errors.ErrUnsupported) {
		err = cerr
	}
	if l.temp {
		os.Remove(l.name)
	}
	return err
}

// Reader returns a reader of the log from its first event on. It waits at the
// end for more until the log is closed. Readers pull: one that never reads
// costs the log nothing.
func (l *Log) Reader() *Reader {
	r := &Reader{log: l, poke: make(chan struct{}, 1)}
	if l.roll != nil {
		l.roll.set.acquire()
		r.set = l.roll.set
		r.open(r.set, nil)
		r.register()
		if err := r.readHeader(); err != nil {
			r.broken = err
		}
		return r
	}
	f, err := os.Open(l.name)
	if err != nil {
		r.broken = fmt.Errorf("record: read the recording back: %w", err)
		return r
	}
	r.open(f, f)
	r.register()
	if err := r.readHeader(); err != nil {
		r.broken = err
	}
	return r
}
