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
	Force bool             // overwrite a file that exists
	Tool  string           // who records, for the header
	Now   func() time.Time // nil = time.Now
}

// A Log is a recording that is being written. It is safe for concurrent use.
type Log struct {
	file  *os.File
	now   func() time.Time
	start time.Time
	temp  bool

	mu      sync.Mutex
	size    int64 // bytes of whole lines; guarded by mu
	events  int64 // guarded by mu
	last    time.Duration
	err     *StoppedError // sticks; guarded by mu
	closed  bool          // guarded by mu
	readers map[*Reader]struct{}

	committed atomic.Int64  // size, for readers
	stopped   chan struct{} // closed when err is set, and by Close
	done      chan struct{} // closed by Close
}

// Create makes a recording at path, mode 0600. A file that is there already is
// an error unless Force.
func Create(path string, o Options) (*Log, error) {
	flags := os.O_RDWR | os.O_CREATE | os.O_EXCL
	if o.Force {
		flags = os.O_RDWR | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, &hinted{fmt.Errorf("record: %s exists already", path), "choose another name, or overwrite it with --force"}
	}
	if err != nil {
		return nil, fmt.Errorf("record: create the recording: %w", err)
	}
	if o.Force {
		f.Chmod(0o600) // an older file may have been open to others; a device cannot be changed
	}
	return begin(f, o, false)
}

// CreateTemp makes a recording in a temporary file, mode 0600, that Close
// removes.
func CreateTemp(o Options) (*Log, error) {
	f, err := os.CreateTemp("", "xmpplens-*.jsonl")
	if err != nil {
		return nil, &hinted{fmt.Errorf("record: create the temporary recording: %w", err), "make room, or set TMPDIR to a directory that has some"}
	}
	return begin(f, o, true)
}

func begin(f *os.File, o Options, temp bool) (*Log, error) {
	l := &Log{file: f, now: o.Now, temp: temp, readers: make(map[*Reader]struct{}), stopped: make(chan struct{}), done: make(chan struct{})}
	if l.now == nil {
		l.now = time.Now
	}
	l.start = l.now()
	line := appendHeader(nil, Header{Version: Version, Time: l.start.UTC().Round(0), Tool: o.Tool})
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
	if l.closed {
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
	l.committed.Store(l.size)
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

// Stopped is closed when recording stopped because of an error, and by Close.
func (l *Log) Stopped() <-chan struct{} { return l.stopped }

// Name returns the file's name.
func (l *Log) Name() string { return l.file.Name() }

// Size returns the file's length in bytes.
func (l *Log) Size() int64 { return l.committed.Load() }

// Start returns the time of the header.
func (l *Log) Start() time.Time { return l.start }

// Close completes the recording; readers then come to its end. A temporary file
// is removed, but readers that are open still read it.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	if l.err == nil {
		close(l.stopped)
	}
	close(l.done)
	l.wake()
	err := l.file.Sync()
	if cerr := l.file.Close(); err == nil || errors.Is(err, errors.ErrUnsupported) {
		err = cerr
	}
	if l.temp {
		os.Remove(l.file.Name())
	}
	return err
}

// Reader returns a reader of the log from its first event on. It waits at the
// end for more until the log is closed. Readers pull: one that never reads
// costs the log nothing.
func (l *Log) Reader() *Reader {
	r := &Reader{log: l, poke: make(chan struct{}, 1)}
	f, err := os.Open(l.file.Name())
	if err != nil {
		r.broken = fmt.Errorf("record: read the recording back: %w", err)
		return r
	}
	r.open(f, f)
	l.mu.Lock()
	l.readers[r] = struct{}{}
	l.mu.Unlock()
	if err := r.readHeader(); err != nil {
		r.broken = err
	}
	return r
}
