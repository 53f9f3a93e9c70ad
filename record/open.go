package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

// maxUnpacked bounds what a file that another program compressed may become, in
// bytes: it is unpacked to a temporary file.
var maxUnpacked int64 = 64 << 30

// Open reads a recording from its file or files. path is
//
//   - a file, s.jsonl;
//   - a compressed one, s.jsonl.zst, with the segments beside it that are not
//     compressed yet;
//   - the name that a set was recorded under, s.jsonl where there are
//     s.0001.jsonl, s.0002.jsonl, …;
//   - one file of a set, s.0002.jsonl: that and all that follow.
func Open(path string) (*Reader, error) { return OpenWith(path, nil) }

// OpenWith is Open that reads the files in front of the one that is named, too,
// where it has no carry lines yet because they are still there. The recording
// then begins with what the Carrier says, as it would if they were not.
func OpenWith(path string, carry func() Carrier) (*Reader, error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return openMissing(path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("record: open the recording: %w", err)
	}
	if info.IsDir() {
		return nil, &hinted{fmt.Errorf("record: %s is a directory", path), "give the recording's file"}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("record: open the recording: %w", err)
	}
	r := new(Reader)
	if namesOf(path, false).zst {
		if !foreign(f) {
			f.Close()
			return openPacked(path, carry)
		}
		plain, err := unpackFile(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		f = plain
	}
	r.open(f, f)
	if err := r.readHeader(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if r.header.Segment == 0 {
		return r, nil
	}
	n, after := names{plain: path, zst: true}, 0
	if set, number, ok := memberOf(path); ok && number == r.header.Segment {
		n, after = set, number-1
	} else if r.header.Carry > 0 || !n.owns(r.header.Segment) {
		return r, nil // a segment that was put aside
	}
	f.Close()
	return openSet(n, after, path, carry)
}

// owns reports whether the plain file is the open segment of a compressed
// recording, as far as that shows.
func (n names) owns(segment int) bool {
	segs, _, err := n.scan(0)
	return err == nil && len(segs) > 0 && segs[len(segs)-1].number == segment
}

func openPacked(path string, carry func() Carrier) (*Reader, error) {
	if set, number, ok := memberOf(path); ok {
		if segs, _, err := scanFile(path); err == nil && len(segs) > 0 && segs[0].number == number {
			return openSet(set, number-1, path, carry)
		}
	}
	return openSet(namesOf(path, false), 0, path, nil)
}

// openMissing finds what stands for a name that no file has.
func openMissing(path string, missing error) (*Reader, error) {
	n := namesOf(path, true)
	r, err := openSet(n, 0, path, nil)
	if errors.Is(err, os.ErrNotExist) {
		n.set = false
		r, err = openSet(n, 0, path, nil)
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("record: open the recording: %w", missing)
	}
	return r, err
}

func openSet(n names, after int, path string, carry func() Carrier) (*Reader, error) {
	s := newSet(n)
	if err := s.load(after); errors.Is(err, os.ErrNotExist) {
		if _, serr := os.Stat(path); serr != nil {
			return nil, err
		}
		return nil, &hinted{fmt.Errorf("record: %s is no recording: there is no segment in it", path), "recordings begin with a header; is it empty, or something else?"}
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if after > 0 && carry != nil {
		if err := s.introduce(carry()); err != nil {
			return nil, fmt.Errorf("record: read the files in front of %s: %w", path, err)
		}
	}
	return s.reader(path)
}

// reader returns a reader, which releases the set.
func (s *set) reader(path string) (*Reader, error) {
	r := &Reader{set: s}
	r.open(s, nil)
	if err := r.readHeader(); err != nil {
		s.release()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// carryAt returns the carry lines of the segment whose events begin at pos.
func (s *set) carryAt(pos int64) []Event {
	s.mu.Lock()
	var g *segment
	for _, other := range s.segs {
		if s.logical(other.at) == pos {
			g = other
		}
	}
	s.mu.Unlock()
	if g == nil {
		return nil
	}
	lines, err := g.headLines()
	if err != nil {
		return nil
	}
	_, lines, _ = bytes.Cut(lines, []byte{'\n'})
	var out []Event
	for len(lines) > 0 {
		var line []byte
		line, lines, _ = bytes.Cut(lines, []byte{'\n'})
		var ev Event
		if len(bytes.TrimSpace(line)) > 0 && parseEvent(line, &ev) == nil {
			out = append(out, ev)
		}
	}
	return out
}

// unpackFile decompresses what another program compressed, to a temporary file
// that is gone when it is closed.
func unpackFile(f *os.File) (*os.File, error) {
	d, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(256<<20))
	if err != nil {
		return nil, fmt.Errorf("record: decompress: %w", err)
	}
	defer d.Close()
	to, err := os.CreateTemp("", "xmpplens-*.jsonl")
	if err != nil {
		return nil, &hinted{fmt.Errorf("record: decompress: %w", err), "set TMPDIR to a directory that has room"}
	}
	os.Remove(to.Name())
	n, err := io.Copy(to, io.LimitReader(d, maxUnpacked))
	if err == nil && n == maxUnpacked {
		err = fmt.Errorf("more than %d bytes", maxUnpacked)
	}
	if err != nil && n > 0 && errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil // torn: what is there is read, and its last line is torn, too
	}
	if err != nil {
		to.Close()
		return nil, &hinted{fmt.Errorf("record: decompress: %w", err), "zstdcat FILE > s.jsonl rescues what can be read"}
	}
	return to, nil
}
