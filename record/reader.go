package record

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// MaxLine bounds one line of a recording, in bytes. A longer one is reported
// and skipped.
const MaxLine = 256 << 20

const (
	readSize   = 128 << 10
	followPoll = 100 * time.Millisecond
)

// A Reader pulls events out of a recording at its own pace. It is not safe for
// concurrent use; Clone makes another one with a position of its own.
type Reader struct {
	src    io.ReaderAt
	set    *set // src, when the recording is in segments
	close  func() error
	log    *Log          // nil for a finished file
	poke   chan struct{} // capacity 1; the log wrote something
	follow bool
	still  bool
	broken error // of opening

	header Header
	buf    []byte // read but not yet returned: the bytes of the file from at on
	at     int64
	line   int // of the next line, from 1; 0 after SeekTo
	pos    int64
	told   bool          // the torn tail, or the stop of the log, was reported
	last   time.Duration // of the event before
	queue  []Event       // carry lines that come before the next event
	data   []byte        // of the last data event
}

// Read reads a recording that is in memory or behind any other io.ReaderAt,
// which the caller closes.
func Read(src io.ReaderAt) (*Reader, error) {
	r := new(Reader)
	r.open(src, io.NopCloser(nil))
	return r, r.readHeader()
}

func (r *Reader) open(src io.ReaderAt, c io.Closer) {
	r.src, r.line = src, 1
	if r.set != nil {
		r.close = r.set.release
	} else {
		r.close = c.Close
	}
}

// register makes the log poke the reader.
func (r *Reader) register() {
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	r.log.readers[r] = struct{}{}
}

func (r *Reader) readHeader() error {
	line, err := r.readLine(context.Background())
	var torn *TornError
	if errors.Is(err, io.EOF) || errors.As(err, &torn) {
		line, err = r.buf, nil // an empty file, or a header without its end
	}
	if err != nil {
		return err
	}
	r.header, err = parseHeader(line)
	return err
}

// Follow makes Next wait at the end of a file for more, as tail -f does.
func (r *Reader) Follow() { r.follow = true }

// Still makes Next return io.EOF where it would wait for more, or lets it wait
// again.
func (r *Reader) Still(on bool) { r.still = on }

// Header returns the first line.
func (r *Reader) Header() Header { return r.header }

// Pos returns where the line of the last event begins, in bytes from the
// beginning of the recording, uncompressed. Only the header of its first file
// counts, and a position stays valid for SeekTo when files are compressed.
func (r *Reader) Pos() int64 { return r.pos }

// SeekTo makes the next event the one whose line begins at pos.
func (r *Reader) SeekTo(pos int64) error {
	if pos < 0 {
		return fmt.Errorf("record: no position %d", pos)
	}
	if ahead := pos - r.at; ahead >= 0 && ahead <= int64(len(r.buf)) {
		r.buf = r.buf[ahead:]
	} else {
		r.buf = nil
	}
	r.at, r.line, r.told, r.queue, r.last = pos, 0, false, nil, 0
	return nil
}

// Clone returns a reader of the same recording at the same position.
func (r *Reader) Clone() (*Reader, error) {
	if r.broken != nil {
		return nil, r.broken
	}
	c := &Reader{src: r.src, set: r.set, close: func() error { return nil }, log: r.log, follow: r.follow, header: r.header, at: r.at, line: r.line}
	if r.set != nil {
		r.set.acquire()
		c.close = r.set.release
	}
	if r.log != nil {
		c.poke = make(chan struct{}, 1)
		c.register()
	}
	return c, nil
}

// Close releases the file. Clones of the reader must not be used any more.
func (r *Reader) Close() error {
	if r.log != nil {
		r.log.mu.Lock()
		delete(r.log.readers, r)
		r.log.mu.Unlock()
	}
	if r.close == nil {
		return nil
	}
	end := r.close
	r.close = nil
	return end()
}

// Next returns the next event. Its Data is valid until the next call.
//
// At the end of a file the error is io.EOF; a reader of a Log, or one that
// follows, waits for more. Damage is reported once and does not end the
// reading: a *TornError for a last line without its end, a *LineError for a
// line that cannot be read, a *DamageError for a part of a segment, a
// *StoppedError when recording stopped early. A *GoneError says that events are
// no longer kept; the next events are then carry lines, which have no position
// (Pos is -1).
func (r *Reader) Next(ctx context.Context) (Event, error) {
	var ev Event
	if cap(r.data) > maxPooled {
		r.data = nil // of a large event
	}
	var err error
	r.data, err = r.next(ctx, &ev, r.data[:0])
	return ev, err
}

// NextInto is Next for those who keep events for a while: it fills in ev, whose
// Data it appends to buf, and returns the longer buf. Data is valid as long as
// the caller leaves buf alone.
func (r *Reader) NextInto(ctx context.Context, ev *Event, buf []byte) ([]byte, error) {
	n := len(buf)
	buf, err := r.next(ctx, ev, buf)
	if len(buf) == n && len(ev.Data) > 0 { // it is in the line, or in a buffer of its own
		buf = append(buf, ev.Data...)
		ev.Data = buf[n:len(buf):len(buf)]
	}
	return buf, err
}

// next fills in ev. The data of an event that is written as this package writes
// it is appended to buf.
func (r *Reader) next(ctx context.Context, ev *Event, buf []byte) ([]byte, error) {
	*ev = Event{}
	if r.broken != nil {
		return buf, r.broken
	}
	if err := ctx.Err(); err != nil {
		return buf, err
	}
	if len(r.queue) > 0 {
		*ev = r.queue[0]
		r.queue = r.queue[1:]
		r.pos = -1
		return buf, nil
	}
	for {
		r.pos = r.at
		number := r.line
		line, err := r.readLine(ctx)
		if err != nil {
			return buf, err
		}
		if out, ok := parseData(line, ev, buf); ok {
			r.last = ev.T
			return out, nil
		}
		if len(bytes.TrimSpace(line)) == 0 || bytes.HasPrefix(line, []byte(`{"xmpplens":`)) {
			continue // a header where segments were put together
		}
		if err := parseEvent(line, ev); err != nil {
			*ev = Event{}
			return buf, &LineError{Line: number, Offset: r.pos, After: r.last, Err: err}
		}
		r.last = ev.T
		return buf, nil
	}
}

// readLine returns the next line without its end.
func (r *Reader) readLine(ctx context.Context) ([]byte, error) {
	searched := 0
	for {
		if n := bytes.IndexByte(r.buf[searched:], '\n'); n >= 0 {
			line := r.buf[:searched+n]
			r.advance(searched + n + 1)
			return line, nil
		}
		searched = len(r.buf)
		if searched > MaxLine {
			return nil, r.skipLine()
		}
		err := r.fill()
		if err == nil {
			continue
		}
		if r.skip(err) {
			return nil, err
		}
		if !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("record: read: %w", err)
		}
		if err := r.atEnd(ctx); err != nil {
			return nil, err
		}
	}
}

func (r *Reader) advance(n int) {
	r.buf = r.buf[n:]
	r.at += int64(n)
	if r.line > 0 {
		r.line++
	}
}

// fill reads more behind buf. Lines that were returned stay where they are: a
// new array is taken when the old one is used up.
func (r *Reader) fill() error {
	if cap(r.buf)-len(r.buf) < readSize/4 {
		bigger := make([]byte, len(r.buf), max(readSize, 2*len(r.buf)+readSize/2))
		copy(bigger, r.buf)
		r.buf = bigger
	}
	room := r.buf[len(r.buf):cap(r.buf)]
	from := r.at + int64(len(r.buf))
	if r.log != nil {
		// Only what is whole: a write may be under way.
		left := r.log.committed.Load() - from
		if left <= 0 {
			return io.EOF
		}
		room = room[:min(int64(len(room)), left)]
	}
	n, err := r.src.ReadAt(room, from)
	r.buf = r.buf[:len(r.buf)+n]
	if n > 0 {
		return nil
	}
	return err
}

// skipLine leaves out a line that is too long.
func (r *Reader) skipLine() error {
	e := &LineError{Line: r.line, Offset: r.at, After: r.last, Err: fmt.Errorf("longer than %d bytes", MaxLine)}
	for {
		if n := bytes.IndexByte(r.buf, '\n'); n >= 0 {
			r.advance(n + 1)
			return e
		}
		r.at += int64(len(r.buf))
		r.buf = r.buf[:0]
		if err := r.fill(); err != nil {
			return e
		}
	}
}

// skip goes on behind what is lost.
func (r *Reader) skip(err error) bool {
	var damage *DamageError
	var gone *GoneError
	next := int64(0)
	switch {
	case errors.As(err, &damage):
		next = damage.next
	case errors.As(err, &gone):
		next = gone.next
		r.queue = r.set.carryAt(next)
	default:
		return false
	}
	r.buf, r.at, r.line = nil, next, 0
	return true
}

// atEnd waits for more, or says why there is none.
func (r *Reader) atEnd(ctx context.Context) error {
	switch {
	case r.still && (r.log != nil || r.follow):
		return io.EOF
	case r.log != nil:
		select {
		case <-r.log.done:
			if r.log.committed.Load() > r.at+int64(len(r.buf)) {
				return nil // the last words before the end
			}
			if err := r.stop(); err != nil {
				return err
			}
			return io.EOF
		default:
		}
		if err := r.stop(); err != nil {
			return err
		}
		select {
		case <-r.poke:
		case <-r.log.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		return nil
	case r.follow:
		timer := time.NewTimer(followPoll)
		defer timer.Stop()
		select {
		case <-timer.C:
			if r.set != nil {
				return r.set.refresh()
			}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	case len(r.buf) > 0 && !r.told:
		r.told = true
		return &TornError{Offset: r.at, Bytes: len(r.buf)}
	case r.set != nil && r.set.tail != nil && !r.told:
		r.told = true
		return r.set.tail
	}
	return io.EOF
}

// stop returns the error that stopped the log, the first time.
func (r *Reader) stop() error {
	if r.told {
		return nil
	}
	if err := r.log.Err(); err != nil {
		r.told = true
		return err
	}
	return nil
}
