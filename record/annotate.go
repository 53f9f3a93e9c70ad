package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Annotate appends events to a recording that nobody is writing any more: what
// people have to say about it, with the times that the events have, which are
// not to be before the recording's last. path is what Open takes, but no single
// file of a set. What was recorded stays as it is: one file, and one that is not
// compressed yet, grow by lines; a compressed one by a segment of its own, which
// is a file more in a set. A line that a killed writer left unfinished gets its
// end and is reported as broken from then on.
//
// One that is being written is refused: events belong into its Log then.
func Annotate(path string, evs ...Event) error {
	var lines []byte
	for i := range evs {
		lines = appendLine(lines, &evs[i])
	}
	n, err := whereToAnnotate(path)
	if err != nil {
		return err
	}
	if n == nil {
		return appendLines(path, lines)
	}
	s := newSet(*n)
	if err := s.load(0); err != nil {
		return fmt.Errorf("record: %s: %w", path, err)
	}
	last := s.segs[len(s.segs)-1]
	if last.path != "" {
		return appendLines(last.path, lines)
	}
	h, _, err := last.header()
	if err != nil {
		return fmt.Errorf("record: %s: %w", last.zst, err)
	}
	h.Segment, h.Offset, h.Carry = last.number+1, last.end(), 0
	if !n.set {
		return appendFrames(last.zst, appendHeader(nil, h), lines, h)
	}
	f, err := create(n.member(h.Segment), false)
	if err != nil {
		return err
	}
	_, err = f.Write(append(appendHeader(nil, h), lines...))
	return done(f, err)
}

// whereToAnnotate returns the names of the recording's segments, nil when it is
// one plain file.
func whereToAnnotate(path string) (*names, error) {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		n := namesOf(path, true)
		if there, err := n.list(0); err == nil && len(there) > 0 {
			return &n, nil
		}
	}
	if namesOf(path, false).zst {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("record: open the recording: %w", err)
		}
		defer f.Close()
		if foreign(f) {
			return nil, &hinted{fmt.Errorf("record: %s was compressed by another program", path), "unpack it first, with zstd -d"}
		}
		n := namesOf(path, false)
		if set, _, ok := memberOf(path); ok {
			return nil, &hinted{fmt.Errorf("record: %s is one file of several", path), "give the name of the whole recording: " + set.plain}
		}
		return &n, nil
	}
	f, h, _, err := openPlain(path)
	if err != nil {
		return nil, err
	}
	f.Close()
	if h.Segment > 0 {
		hint := "give the name of the whole recording"
		if set, number, ok := memberOf(path); ok && number == h.Segment {
			hint += ": " + set.plain
		} else {
			hint += ": " + path + zstSuffix
		}
		return nil, &hinted{fmt.Errorf("record: %s is one file of several", path), hint}
	}
	return nil, nil
}

// appendLines adds whole lines to a plain file.
func appendLines(path string, lines []byte) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	if !lock(f) {
		f.Close()
		return inUse(path)
	}
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return done(f, err)
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], end-1); err == nil && last[0] != '\n' {
		lines = append([]byte{'\n'}, lines...)
	}
	if _, err = f.Write(lines); err != nil {
		f.Truncate(end)
	}
	return done(f, err)
}

// appendFrames adds a segment to a compressed file.
func appendFrames(path string, head, lines []byte, h Header) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	if !lock(f) {
		f.Close()
		return inUse(path)
	}
	info, err := f.Stat()
	if err != nil {
		return done(f, err)
	}
	size := info.Size()
	p := &packer{to: io.NewOffsetWriter(f, size), pos: size, segment: h.Segment}
	if err = p.addAll(bytes.NewReader(head), 0, int64(len(head)), h.Offset, flagHead); err == nil {
		err = p.addAll(bytes.NewReader(lines), 0, int64(len(lines)), h.Offset, flagLast)
	}
	if err != nil {
		f.Truncate(size)
	}
	return done(f, err)
}

// done completes a file that was added to.
func done(f *os.File, err error) error {
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("record: add to %s: %w", f.Name(), err)
	}
	return nil
}

func inUse(path string) error {
	return &hinted{fmt.Errorf("record: %s is being written by another xmpplens", path), "use the key m of that one, or its viewer, or wait until it has ended"}
}

// ByUser is Event.By of a note that a person made.
const ByUser = "user"

// Note is what a person says about an entry: its number, 0 for none, and where
// the entry is from a stream its connection, direction (Op: with D a note says that
// bytes are missing) and offset, by which it is found when earlier parts of the
// recording are gone.
func Note(text string, at time.Duration, entry, conn int, d Dir, offset int64) Event {
	return Event{T: at, C: conn, E: EventNote, Op: string(d), O: offset, N: int64(entry), Text: text, By: ByUser}
}
