package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Keep writes what is recorded so far to a recording of its own: of a ring, what
// it holds. It begins with carry lines when earlier events are gone. The name
// decides whether it is compressed. Recording goes on meanwhile; a full disk
// there ends Keep and not the recording.
func (l *Log) Keep(path string) error {
	src, from, end, err := l.snapshot()
	if err != nil {
		return err
	}
	defer src.Close()
	f, err := create(path, false)
	if err != nil {
		return err
	}
	err = l.copyTo(f, src, from, end, namesOf(path, false).zst)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(path)
		return &hinted{fmt.Errorf("record: keep the recording: %w", err), "make room, or choose a place that has some; what was recorded is still at hand"}
	}
	return nil
}

// snapshot returns the recording as it is now; the events and carry lines are
// the bytes in [from,end).
func (l *Log) snapshot() (src *Reader, from, end int64, err error) {
	if l.roll == nil {
		f, err := os.Open(l.name)
		if err != nil {
			return nil, 0, 0, fmt.Errorf("record: read the recording back: %w", err)
		}
		src = new(Reader)
		src.open(f, f)
		end = l.committed.Load()
	} else {
		s, until, err := l.roll.snapshot(l)
		if err != nil {
			return nil, 0, 0, err
		}
		src = &Reader{set: s}
		src.open(s, nil)
		end = until
	}
	line := make([]byte, maxHeaderLine)
	n, err := src.src.ReadAt(line, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		src.Close()
		return nil, 0, 0, err
	}
	return src, int64(bytes.IndexByte(line[:n], '\n') + 1), end, nil
}

// snapshot returns the segments that there are, opened, so that they stay
// readable when they are removed, and where they end. It does not take Log.mu:
// an Append that holds it may be waiting for the keeper, which waits for hold.
func (r *rolling) snapshot(l *Log) (*set, int64, error) {
	r.keeper.hold.Lock()
	defer r.keeper.hold.Unlock()
	// What is committed is in the segments that are listed behind it.
	end := l.committed.Load() - int64(len(r.set.head))
	var err error
	for range maxScans {
		r.set.mu.Lock()
		segs := append([]*segment(nil), r.set.segs...)
		r.set.mu.Unlock()
		var s *set
		if s, err = r.set.only(segs); err == nil {
			err = s.pin()
		}
		if err == nil {
			return s, s.logical(max(end, segs[0].at)), nil
		}
		s.release()
		if !errors.Is(err, errMoved) && !errors.Is(err, fs.ErrNotExist) {
			break
		}
		// It was compressed, or closed, meanwhile: the list has said so
		// before its file went.
	}
	return nil, 0, fmt.Errorf("record: read the recording back: %w", err)
}

// copyTo writes a recording in one file.
func (l *Log) copyTo(f *os.File, src *Reader, from, end int64, packed bool) error {
	whole := whole{src.src}
	if !packed {
		if _, err := f.Write(appendHeader(nil, l.header(0, 0))); err != nil {
			return err
		}
		_, err := io.Copy(f, io.NewSectionReader(whole, from, end-from))
		return err
	}
	p := &packer{to: f, segment: 1}
	flags := uint8(flagHead)
	if from == end {
		flags |= flagLast
	}
	if err := p.add(appendHeader(nil, l.header(1, 0)), 0, flags); err != nil {
		return err
	}
	return p.addAll(whole, from, end, 0, flagLast)
}

// whole reads as much as is asked for: a set stops at the end of a segment.
type whole struct{ io.ReaderAt }

func (w whole) ReadAt(p []byte, pos int64) (int, error) {
	done := 0
	for done < len(p) {
		n, err := w.ReaderAt.ReadAt(p[done:], pos+int64(done))
		if err != nil {
			return done + n, err
		}
		done += n
	}
	return done, nil
}
