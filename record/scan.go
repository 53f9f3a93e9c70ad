package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// maxHeaderLine bounds the first line of a file, in bytes.
const maxHeaderLine = 64 << 10

// openPlain opens a plain file and reads its header line. head is the length of
// what stands in front of its own events.
func openPlain(path string) (f *os.File, h Header, head int64, err error) {
	if f, err = os.Open(path); err != nil {
		return nil, h, 0, err
	}
	line := make([]byte, maxHeaderLine)
	n, err := f.ReadAt(line, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		f.Close()
		return nil, h, 0, err
	}
	end := bytes.IndexByte(line[:n], '\n')
	if end < 0 { // torn, or no recording
		end = n - 1
	}
	if h, err = parseHeader(line[:end+1]); err != nil {
		f.Close()
		return nil, h, 0, fmt.Errorf("%s: %w", path, err)
	}
	return f, h, int64(end+1) + h.Carry, nil
}

// maxFrames bounds the frames of a recording: 4 TB at frameSize.
const maxFrames = 1 << 20

// scanFrames reads the descriptions of the frames in a .zst file from pos on. It
// finds its way again where one is broken. torn is the number of bytes at the
// end that are no whole frame.
func scanFrames(f io.ReaderAt, pos, size int64) (frames []frame, next, torn int64, err error) {
	var b [8 + infoSize]byte
	for pos < size {
		n, err := f.ReadAt(b[:], pos)
		if err != nil && !errors.Is(err, io.EOF) {
			return frames, pos, 0, err
		}
		i, err := parseInfo(b[:n])
		if errors.Is(err, errNewer) {
			return frames, pos, 0, err
		}
		if err != nil {
			found, err := findInfo(f, pos+1, size)
			if err != nil || found < 0 {
				return frames, pos, size - pos, err
			}
			pos = found
			continue
		}
		if len(frames) >= maxFrames {
			return frames, pos, 0, fmt.Errorf("record: more than %d compressed frames", maxFrames)
		}
		at := pos + int64(len(b))
		if at+int64(i.packed) > size {
			// The file ends in this frame, if its length is to be believed:
			// it has a checksum.
			return frames, pos, size - pos, nil
		}
		frames = append(frames, frame{i, at})
		pos = at + int64(i.packed)
	}
	return frames, pos, 0, nil
}

// findInfo searches for the next description of a frame; -1 = there is none.
func findInfo(f io.ReaderAt, pos, size int64) (int64, error) {
	magic := binary.LittleEndian.AppendUint32(nil, infoMagic)
	buf := make([]byte, 64<<10)
	for pos+8+infoSize <= size {
		n, err := f.ReadAt(buf[:min(int64(len(buf)), size-pos)], pos)
		if err != nil && !errors.Is(err, io.EOF) {
			return -1, err
		}
		b := buf[:n]
		for at := 0; ; at++ {
			m := bytes.Index(b[at:], magic)
			if m < 0 || at+m+8+infoSize > len(b) {
				break
			}
			at += m
			if _, err := parseInfo(b[at:]); err == nil {
				return pos + int64(at), nil
			}
		}
		if n <= 8+infoSize {
			break
		}
		pos += int64(n - (8 + infoSize) + 1)
	}
	return -1, nil
}

// group makes segments of frames, which are in the order of the file. What comes
// twice is left out.
func group(frames []frame, zst string) []*segment {
	var out []*segment
	var g *segment
	for _, f := range frames {
		if g == nil || f.segment > g.number {
			g = &segment{number: f.segment, at: f.offset, zst: zst}
			out = append(out, g)
		}
		if f.segment < g.number || f.offset < g.end() {
			continue
		}
		if f.flags&flagHead != 0 {
			g.heads = append(g.heads, f)
			continue
		}
		g.frames = append(g.frames, f)
		g.size = f.offset + int64(f.size) - g.at
	}
	return out
}

// complete reports whether the segment's last frame is there.
func (s *segment) complete() bool {
	for _, l := range [][]frame{s.heads, s.frames} {
		if n := len(l); n > 0 && l[n-1].flags&flagLast != 0 {
			return true
		}
	}
	return false
}

// headLines returns the header line and the carry lines of a segment.
func (s *segment) headLines() ([]byte, error) {
	if s.path != "" {
		f, _, head, err := openPlain(s.path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if head > maxHead {
			return nil, fmt.Errorf("record: %s: %d bytes of carry lines are too many", s.path, head)
		}
		b := make([]byte, head)
		n, err := f.ReadAt(b, 0)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		return b[:n], nil
	}
	f, err := os.Open(s.zst)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []byte
	for i := range s.heads {
		if len(out)+s.heads[i].size > maxHead {
			return nil, fmt.Errorf("record: %s: the carry lines are too long", s.zst)
		}
		b, err := s.heads[i].read(f)
		if err != nil {
			return nil, err
		}
		out = append(out, b...)
	}
	return out, nil
}

// header parses the first of the head lines.
func (s *segment) header() (Header, []byte, error) {
	lines, err := s.headLines()
	if err != nil {
		return Header{}, nil, err
	}
	line, _, _ := bytes.Cut(lines, []byte{'\n'})
	h, err := parseHeader(line)
	return h, lines, err
}

// maxScans bounds how often a directory is looked at that changes meanwhile.
const maxScans = 5

// scan finds the segments after a number. tail is what is wrong at the end.
func (n names) scan(after int) (segs []*segment, tail error, err error) {
	for range maxScans {
		var moved bool
		segs, tail, moved, err = n.scanOnce(after)
		if err != nil || !moved {
			break
		}
	}
	return segs, tail, err
}

// scanOnce does so once. moved tells that a segment may have been missed, because
// it got another name between two looks.
func (n names) scanOnce(after int) (segs []*segment, tail error, moved bool, err error) {
	// The plain files first: what is compressed meanwhile is then seen
	// twice, not missed.
	there, err := n.list(after)
	if err != nil {
		return nil, nil, false, fmt.Errorf("record: look for segments: %w", err)
	}
	by := make(map[int]*segment)
	carried := make(map[int]bool)
	for _, f := range there {
		if f.plain == "" {
			continue
		}
		file, h, _, err := openPlain(f.plain)
		if err != nil {
			moved = moved || errors.Is(err, os.ErrNotExist)
			continue // or something else of that name
		}
		file.Close()
		if h.Segment == 0 || f.number > 0 && h.Segment != f.number || h.Segment <= after {
			continue
		}
		carried[h.Segment] = h.Carry > 0
		by[h.Segment] = &segment{number: h.Segment, at: h.Offset, size: -1, path: f.plain}
	}
	var zsts []string
	for _, f := range there {
		if f.zst != "" {
			zsts = append(zsts, f.zst)
		}
	}
	if !n.set {
		zsts = []string{n.plain + zstSuffix}
	}
	torn := make(map[string]*TornError)
	for _, path := range zsts {
		packed, cut, err := scanFile(path)
		if errors.Is(err, os.ErrNotExist) {
			moved = moved || n.set
			continue
		}
		if err != nil {
			return nil, nil, false, fmt.Errorf("record: %s: %w", path, err)
		}
		torn[path] = cut
		for _, g := range packed {
			if g.number > after && by[g.number] == nil {
				by[g.number] = g
			}
		}
	}
	for _, g := range by {
		segs = append(segs, g)
	}
	slices.SortFunc(segs, func(a, b *segment) int { return a.number - b.number })
	// A torn end matters where no plain file stands in for it.
	if k := len(segs); k > 0 && segs[k-1].path == "" {
		last := segs[k-1]
		if cut := torn[last.zst]; cut != nil {
			tail = cut
		} else if !last.complete() {
			tail = &TornError{Offset: last.end(), File: last.zst}
		}
	}
	expected := after + 1
	for i, g := range segs {
		// Where the first are removed, the next has carry lines.
		if g.number != expected && !(i == 0 && carried[g.number]) {
			moved = true
		}
		expected = g.number + 1
	}
	return segs, tail, moved, nil
}

// scanFile reads the segments of one .zst file.
func scanFile(path string) (segs []*segment, torn *TornError, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	frames, next, left, err := scanFrames(f, 0, info.Size())
	if err != nil {
		return nil, nil, err
	}
	if left > 0 {
		torn = &TornError{Offset: next, Bytes: int(left), File: path}
	}
	return group(frames, path), torn, nil
}

// settle fixes the sizes of the segments that are followed by another one, and
// drops those that are of another recording.
func settle(segs []*segment) []*segment {
	for i, g := range segs {
		if i == 0 {
			continue
		}
		last := segs[i-1]
		if g.at < last.end() { // of another recording
			return segs[:i]
		}
		if g.number == last.number+1 {
			last.size = g.at - last.at
		} else if last.size < 0 {
			if f, _, head, err := openPlain(last.path); err == nil {
				if info, err := f.Stat(); err == nil {
					last.size = max(0, min(info.Size()-head, g.at-last.at))
				}
				f.Close()
			} else {
				last.size = g.at - last.at // gone: reading tells
			}
		}
	}
	return segs
}

// load fills a set that was just made with the segments after a number.
func (s *set) load(after int) error {
	segs, tail, err := s.names.scan(after)
	if err != nil {
		return err
	}
	if len(segs) == 0 {
		return os.ErrNotExist
	}
	s.tail = tail
	// Without the first header, that of a later segment has the time.
	var first error
	for i, g := range segs {
		h, lines, err := g.header()
		if err != nil {
			if i == 0 {
				first = err
			}
			continue
		}
		if i > 0 {
			h.Segment, h.Offset, h.Carry = segs[0].number, segs[0].at, 0
			lines = appendHeader(nil, h)
		}
		s.head, s.base, s.start = lines, segs[0].at, h.Time
		break
	}
	if s.head == nil {
		return first
	}
	own := segs[:0:0]
	for _, g := range segs {
		if h, _, err := g.header(); err == nil && !h.Time.Equal(s.start) {
			continue // of another recording
		}
		own = append(own, g)
	}
	s.segs = settle(own)
	return nil
}

// refresh looks for segments that came after the last one.
func (s *set) refresh() error {
	s.io.Lock()
	defer s.io.Unlock()
	s.mu.Lock()
	last := s.segs[len(s.segs)-1]
	s.mu.Unlock()
	if s.unchanged(last) {
		return nil
	}
	more, _, err := s.names.scan(last.number)
	if err != nil || len(more) == 0 {
		return err
	}
	own := []*segment{new(segment)}
	*own[0] = *last
	if f := s.plain[last.number]; f != nil && last.size < 0 {
		// It may be removed already.
		if info, err := f.Stat(); err == nil {
			own[0].size = info.Size() - f.head
		}
	}
	for _, g := range more {
		if h, _, err := g.header(); err == nil && !h.Time.Equal(s.start) {
			continue
		}
		own = append(own, g)
	}
	own = settle(own)
	s.mu.Lock()
	s.segs = append(s.segs[:len(s.segs)-1:len(s.segs)-1], own...)
	s.mu.Unlock()
	return nil
}

// unchanged tells cheaply that nothing can have come after the last segment.
func (s *set) unchanged(last *segment) bool {
	if last.path == "" {
		return false
	}
	if s.names.set {
		next := s.names.member(last.number + 1)
		for _, path := range []string{next, next + zstSuffix} {
			if _, err := os.Stat(path); err == nil {
				return false
			}
		}
		_, err := os.Stat(last.path)
		return err == nil
	}
	f, err := s.file(last)
	if err != nil {
		return false
	}
	held, err1 := f.Stat()
	now, err2 := os.Stat(s.names.plain)
	return err1 == nil && err2 == nil && os.SameFile(held, now)
}

// reload finds a segment again whose file is gone. The caller holds io.
func (s *set) reload(number int) error {
	if s.live {
		return nil // the keeper has said already where it is
	}
	segs, _, err := s.names.scan(number - 1)
	if err != nil {
		return err
	}
	s.forget(number, s.names.packed(number))
	for _, g := range segs {
		if g.number != number {
			continue
		}
		s.mu.Lock()
		for i, old := range s.segs {
			if old.number == number && old.at == g.at {
				if g.size < 0 {
					g.size = old.size
				}
				s.segs = slices.Clone(s.segs)
				s.segs[i] = g
			}
		}
		s.mu.Unlock()
		return nil
	}
	return s.remove(number)
}

// remove takes out a segment that is gone.
func (s *set) remove(number int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.segs) == 1 {
		return fmt.Errorf("record: the recording was removed: %s", s.names.plain)
	}
	s.segs = slices.DeleteFunc(slices.Clone(s.segs), func(g *segment) bool { return g.number == number })
	return nil
}

// foreign tells a .zst file that another program compressed.
func foreign(f io.ReaderAt) bool {
	var b [8 + infoSize]byte
	n, _ := f.ReadAt(b[:], 0)
	if n < 4 {
		return false
	}
	magic := binary.LittleEndian.Uint32(b[:])
	return magic != infoMagic && (magic == 0xFD2FB528 || magic&^0xF == 0x184D2A50)
}
