package record

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// DefaultSegment is the size at which a segment is closed to be compressed, in
// bytes.
const DefaultSegment = 64 << 20

// MinRing is the smallest ring, in bytes.
const MinRing = 1 << 20

// ringParts is how many segments a ring has: so much finer than the whole is
// what goes at once. Three of them are room for the one that is written, the
// copy with carry lines, and a late deletion, so that the bound always holds.
const (
	ringParts = 32
	ringSpare = 3
)

// rolling is a Log's state when it is kept in segments. It is guarded by Log.mu.
type rolling struct {
	names  names
	limit  int64 // bytes of a file; 0 = any
	every  time.Duration
	set    *set
	keeper *keeper

	number int           // of the open segment
	head   int64         // bytes of its header line
	offset int64         // bytes of event lines before it
	since  time.Duration // when it was begun
	later  int64         // after a failure: the size at which beginning the next is tried again
}

// segments reports whether a recording is kept in segments.
func (o *Options) segments(path string) bool {
	return namesOf(path, false).zst || o.RotateSize > 0 || o.RotateEvery > 0 || o.Keep > 0 || o.Ring > 0
}

// Check says what does not go together.
func (o *Options) Check() error {
	rotates := o.RotateSize > 0 || o.RotateEvery > 0
	var errs []error
	if o.Keep > 0 && !rotates {
		errs = append(errs, &hinted{errors.New("record: how many files are kept matters only when there are several"), "add --rotate-size or --rotate-every"})
	}
	if o.Ring > 0 && rotates {
		errs = append(errs, &hinted{errors.New("record: a ring has no files to rotate"), "use --keep with --rotate-size, or --ring alone"})
	}
	if o.Ring > 0 && o.Ring < MinRing {
		errs = append(errs, &hinted{fmt.Errorf("record: a ring of %d bytes is too small", o.Ring), "give it 1MB at least"})
	}
	if o.RotateSize < 0 || o.RotateEvery < 0 || o.Keep < 0 || o.Ring < 0 || o.Segment < 0 {
		errs = append(errs, errors.New("record: a size, a time and a number of files are not negative"))
	}
	return errors.Join(errs...)
}

func createSegments(path string, o Options) (*Log, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if o.Ring > 0 {
		return createRing(path, o)
	}
	n := namesOf(path, o.RotateSize > 0 || o.RotateEvery > 0)
	r := &rolling{names: n, limit: o.RotateSize, every: o.RotateEvery}
	if !n.set {
		r.limit = o.Segment
		if r.limit == 0 {
			r.limit = DefaultSegment
		}
	}
	return r.begin(path, o)
}

// createRing makes a ring in a directory beside path, or a temporary one.
func createRing(path string, o Options) (*Log, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	var dir string
	var err error
	if path == "" {
		dir, err = os.MkdirTemp("", "xmpplens-ring-*")
	} else {
		dir = RingDir(path)
		err = os.Mkdir(dir, 0o700)
		if errors.Is(err, os.ErrExist) {
			err = nil
			if left, _ := (names{plain: filepath.Join(dir, ringName), set: true}).all(); len(left) > 0 && !o.Force {
				return nil, &hinted{fmt.Errorf("record: %s holds what an xmpplens left behind that was killed, or that is running", dir),
					fmt.Sprintf("look at it with xmpplens show %s, then remove it, or overwrite it with --force", filepath.Join(dir, ringName))}
			}
		}
	}
	if err != nil {
		return nil, &hinted{fmt.Errorf("record: create the ring: %w", err), "make room, or name a file in another directory with -w"}
	}
	r := &rolling{names: names{plain: filepath.Join(dir, ringName), set: true}, limit: o.Ring / ringParts}
	l, err := r.begin(filepath.Join(dir, ringName), o)
	if err != nil {
		os.Remove(dir) // when it is empty
		return nil, err
	}
	l.temp = true
	return l, nil
}

const ringName = "ring.jsonl"

// RingDir is the directory of the ring of a recording that is kept at path.
func RingDir(path string) string { return strings.TrimSuffix(path, zstSuffix) + ".ring" }

// begin creates the first segment.
func (r *rolling) begin(path string, o Options) (*Log, error) {
	if err := r.clear(o.Force); err != nil {
		return nil, err
	}
	r.number = 1
	first := r.names.plain
	if r.names.set {
		first = r.names.member(1)
	}
	var packed *os.File
	if r.names.zst && !r.names.set {
		// It is there from the beginning: its name is what Open is given.
		var err error
		if packed, err = create(r.names.packed(0), false); err != nil {
			return nil, err
		}
	}
	f, err := create(first, false)
	if err != nil {
		if packed != nil {
			packed.Close()
			os.Remove(packed.Name())
		}
		return nil, err
	}
	l := newLog(f, o, false)
	l.name, l.roll = path, r
	line := appendHeader(nil, l.header(1, 0))
	if _, err := f.Write(line); err != nil {
		f.Close()
		os.Remove(first)
		if packed != nil {
			packed.Close()
			os.Remove(packed.Name())
		}
		return nil, fmt.Errorf("record: write the header: %w", err)
	}
	r.head = int64(len(line))
	l.size = r.head
	l.committed.Store(l.size)
	r.set = newSet(r.names)
	r.set.live, r.set.head, r.set.start = true, line, l.start
	r.set.segs = []*segment{{number: 1, size: -1, path: first}}
	r.keeper = newKeeper(r.names, r.set, l, o, packed)
	return l, nil
}

// clear removes what an earlier recording of that name left, when it is allowed
// to and nobody writes it.
func (r *rolling) clear(force bool) error {
	paths, err := r.names.all()
	if err != nil {
		return fmt.Errorf("record: look for an earlier recording: %w", err)
	}
	var held []*os.File
	defer func() {
		for _, f := range held {
			f.Close()
		}
	}()
	for _, path := range paths {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return exists(path)
		}
		held = append(held, f)
		if !lock(f) {
			return taken(path)
		}
		if !force {
			return exists(path)
		}
	}
	for _, path := range paths {
		os.Remove(path + ".tmp") // what a killed keeper was writing
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("record: overwrite the recording: %w", err)
		}
		os.Remove(path + zstSuffix + ".tmp")
	}
	return nil
}

// due reports whether n more bytes belong into the next segment. size is that of
// the open file.
func (r *rolling) due(size int64, n int, now time.Duration) bool {
	if size <= r.head || size < r.later {
		return false
	}
	return r.limit > 0 && size+int64(n) > r.limit || r.every > 0 && now-r.since >= r.every
}

// rotate begins the next segment; the closed one is the keeper's. When that
// fails the open segment goes on. The caller holds mu.
func (l *Log) rotate(now time.Duration) {
	r := l.roll
	bytes := l.size - r.head
	r.keeper.await(l.size)
	next := r.names.plain
	closed := l.closedSegment()
	if r.names.set {
		next = r.names.member(r.number + 1)
	} else {
		closed.path = r.names.waiting(r.number)
		if err := r.set.rename(r.number, r.names.plain, closed.path); err != nil {
			l.late(err)
			return
		}
	}
	f, line, err := l.nextFile(next, r.number+1, r.offset+bytes)
	if err != nil {
		if !r.names.set {
			r.set.rename(r.number, closed.path, r.names.plain)
		}
		l.late(err)
		return
	}
	r.set.rotated(closed, &segment{number: r.number + 1, at: r.offset + bytes, size: -1, path: next})
	r.keeper.push(closed)
	r.number++
	r.offset += bytes
	r.head, r.since, r.later = int64(len(line)), now, 0
	l.file, l.size = f, r.head
}

func (l *Log) closedSegment() closed {
	r := l.roll
	c := closed{File: l.file, number: r.number, at: r.offset, head: r.head, size: l.size - r.head, path: r.names.plain}
	if r.names.set {
		c.path = r.names.member(r.number)
	}
	return c
}

func (l *Log) nextFile(path string, number int, offset int64) (*os.File, []byte, error) {
	f, err := create(path, false)
	if err != nil {
		return nil, nil, err
	}
	line := appendHeader(nil, l.header(number, offset))
	if _, err := f.Write(line); err != nil {
		f.Close()
		os.Remove(path)
		return nil, nil, err
	}
	return f, line, nil
}

// late says that the next segment could not be begun, and when it is tried again.
func (l *Log) late(err error) {
	l.roll.later = l.size + max(l.roll.limit/8, 64<<10)
	l.roll.keeper.warn(fmt.Errorf("record: the next file cannot be begun, the recording goes on in %s: %w", l.file.Name(), err))
}

// closeSegments hands the last segment over and waits for the keeper.
func (l *Log) closeSegments() error {
	r := l.roll
	l.mu.Lock()
	c := l.closedSegment()
	r.set.rotated(c, nil)
	l.mu.Unlock()
	r.keeper.push(c)
	err := r.keeper.close()
	if l.temp {
		// Readers that are open read on.
		if err := r.set.pin(); err != nil {
			r.keeper.warn(err)
		}
		err = errors.Join(err, os.RemoveAll(filepath.Dir(r.names.plain)))
	}
	return errors.Join(err, r.set.release())
}

// rotated tells the set that a segment is closed and which one follows.
func (s *set) rotated(c closed, next *segment) {
	s.change(c.number, func(g *segment) { g.size = c.size })
	if next != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.segs = append(s.segs[:len(s.segs):len(s.segs)], next)
	}
}

// rename moves the plain file of a segment.
func (s *set) rename(number int, from, to string) error {
	var err error
	s.change(number, func(g *segment) {
		if err = os.Rename(from, to); err == nil {
			g.path = to
		}
	})
	return err
}

// change replaces a segment: readers may hold what the set hands out.
func (s *set) change(number int, f func(*segment)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	segs := append([]*segment(nil), s.segs...)
	for i, g := range segs {
		if g.number == number {
			changed := *g
			f(&changed)
			segs[i] = &changed
		}
	}
	s.segs = segs
}
