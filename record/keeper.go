package record

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// A keeper does in the background what a Log must not wait for: it compresses
// closed segments and removes those that are no longer kept.
//
// At any moment what is on disk is a whole recording. A compressed segment is
// synced before its plain file is removed, a segment has its carry lines before
// the one in front of it is removed, and where both of a pair are found, reading
// takes one.
type keeper struct {
	names  names
	set    *set
	log    *Log
	carry  func() Carrier
	keep   int
	ring   int64
	limit  int64
	tell   func(error)
	packed *os.File // of a single file
	length int64    // of it
	kept   []onDisk // closed segments, the oldest first
	wait   []closed // closed segments of a single file that could not be compressed
	failed error

	mu      sync.Mutex
	changed *sync.Cond
	queue   []closed // guarded by mu
	busy    bool     // guarded by mu
	total   int64    // bytes of closed segments on disk; guarded by mu
	ended   bool     // guarded by mu
	done    chan struct{}

	hold sync.Mutex // held while a segment is removed, and by Keep while it opens the files
}

// closed is a segment on its way from the Log to the keeper. Its file is open,
// which keeps other writers away from it.
type closed struct {
	*os.File
	number         int
	at, head, size int64 // see segment
	path           string
}

// onDisk is a closed segment.
type onDisk struct {
	number int
	bytes  int64
}

func newKeeper(n names, s *set, l *Log, o Options, packed *os.File) *keeper {
	k := &keeper{names: n, set: s, log: l, carry: o.Carry, keep: o.Keep, ring: o.Ring, limit: o.Ring / ringParts, tell: o.Warn, packed: packed, done: make(chan struct{})}
	k.changed = sync.NewCond(&k.mu)
	go k.run() // until close
	return k
}

func (k *keeper) warn(err error) {
	if k.tell != nil {
		k.tell(err)
	}
}

func (k *keeper) push(c closed) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.queue = append(k.queue, c)
	k.total += c.head + c.size
	k.changed.Broadcast()
}

// await holds a ring's writer back, which is about to close a segment of size
// bytes, as long as the bound would be passed and something is being removed.
func (k *keeper) await(size int64) {
	if k.ring == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for k.total+size+2*k.limit > k.ring && (k.busy || len(k.queue) > 0) {
		k.changed.Wait()
	}
}

// close waits until everything is done.
func (k *keeper) close() error {
	k.mu.Lock()
	k.ended = true
	k.changed.Broadcast()
	k.mu.Unlock()
	<-k.done
	return k.failed
}

func (k *keeper) run() {
	defer close(k.done)
	for {
		k.mu.Lock()
		for len(k.queue) == 0 && !k.ended {
			k.changed.Wait()
		}
		if len(k.queue) == 0 {
			k.mu.Unlock()
			k.end()
			return
		}
		c := k.queue[0]
		k.queue = k.queue[1:]
		k.busy = true
		k.mu.Unlock()

		k.take(c)
		k.retire()

		k.mu.Lock()
		k.busy = false
		k.changed.Broadcast()
		k.mu.Unlock()
	}
}

// take stores a closed segment for good.
func (k *keeper) take(c closed) {
	if k.ring == 0 {
		if err := c.Sync(); err != nil {
			k.warn(fmt.Errorf("record: %s: %w", c.path, err))
		}
	}
	size := c.head + c.size
	switch {
	case k.packed != nil:
		k.wait = append(k.wait, c)
		k.append()
		return
	case k.names.zst:
		n, err := k.compress(c)
		if err != nil {
			k.warn(fmt.Errorf("record: %s stays uncompressed: %w", c.path, err))
		} else {
			k.add(n - size)
			size = n
		}
	}
	c.Close()
	k.kept = append(k.kept, onDisk{c.number, size})
}

func (k *keeper) add(n int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.total += n
}

// append adds the segments that wait to the one compressed file, in their order.
// What cannot be appended waits for the next time; its plain file is read
// instead.
func (k *keeper) append() {
	for len(k.wait) > 0 {
		c := k.wait[0]
		p := &packer{to: io.NewOffsetWriter(k.packed, k.length), pos: k.length, segment: c.number}
		err := c.pack(p)
		if err == nil {
			err = k.packed.Sync()
		}
		if err != nil {
			// A torn frame in front of the next segment's would be reported.
			k.packed.Truncate(k.length)
			if k.failed == nil {
				k.warn(fmt.Errorf("record: %s stays uncompressed for now: %w", c.path, err))
			}
			k.failed = err
			return
		}
		k.length, k.failed = p.pos, nil
		k.replace(c, k.packed.Name(), p.frames)
		if err := os.Remove(c.path); err != nil {
			k.warn(fmt.Errorf("record: remove what is compressed: %w", err))
		}
		c.Close()
		k.wait = k.wait[1:]
	}
}

// pack writes the frames of the segment: its header is one of its own, so that
// carry lines can be put behind it later.
func (c *closed) pack(p *packer) error {
	var last uint8
	if c.size == 0 {
		last = flagLast
	}
	if err := p.addAll(c, 0, c.head, c.at, flagHead|last); err != nil {
		return err
	}
	return p.addAll(c, c.head, c.head+c.size, c.at, flagLast)
}

// compress makes the compressed file of a member of a set and removes the plain
// one.
func (k *keeper) compress(c closed) (int64, error) {
	path := k.names.packed(c.number)
	p := &packer{segment: c.number}
	err := replaceFile(path, func(f *os.File) error {
		p.to = f
		return c.pack(p)
	})
	if err != nil {
		return 0, err
	}
	k.replace(c, path, p.frames)
	if err := os.Remove(c.path); err != nil {
		k.warn(fmt.Errorf("record: remove what is compressed: %w", err))
	}
	return p.pos, nil
}

// replaceFile writes a file under another name, syncs it and gives it its name.
func replaceFile(path string, write func(*os.File) error) error {
	f, err := os.OpenFile(path+".tmp", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	// What it replaces is removed next: the name has to be on disk before.
	// Systems that cannot sync a directory need not.
	if dir, err := os.Open(filepath.Dir(path)); err == nil {
		dir.Sync()
		dir.Close()
	}
	return nil
}

// replace tells the set that a segment is in frames now.
func (k *keeper) replace(c closed, zst string, frames []frame) {
	k.set.io.Lock()
	defer k.set.io.Unlock()
	packed := group(frames, zst)[0]
	k.set.change(c.number, func(g *segment) {
		g.path, g.zst, g.heads, g.frames = "", zst, packed.heads, packed.frames
	})
	k.set.forget(c.number, "")
}

// end is when nothing more comes.
func (k *keeper) end() {
	if k.packed == nil {
		return
	}
	if len(k.wait) > 0 {
		k.append() // there may be room now
	}
	var left []string
	for _, c := range k.wait {
		left = append(left, c.path)
		c.Close()
	}
	k.packed.Close()
	if len(left) > 0 {
		k.failed = &hinted{fmt.Errorf("record: the recording is whole, but %s could not be compressed: %w", strings.Join(left, ", "), k.failed),
			"keep these files beside " + k.packed.Name() + ": they are read with it"}
	}
}

// retire removes the segments that are too many, the oldest first.
func (k *keeper) retire() {
	for len(k.kept) > 1 {
		k.mu.Lock()
		over := k.keep > 0 && len(k.kept) > k.keep || k.ring > 0 && k.total > k.ring-ringSpare*k.limit
		k.mu.Unlock()
		if !over {
			return
		}
		k.drop()
	}
}

// drop removes the oldest segment. The one behind it gets carry lines first, or,
// when there is no room for the copy that this takes, afterwards.
func (k *keeper) drop() {
	k.hold.Lock()
	defer k.hold.Unlock()
	old, next := k.kept[0], &k.kept[1]
	lines, err := k.carryBehind(old.number)
	var more int64
	if err == nil {
		more, err = k.hand(next.number, lines)
	}
	k.remove(old.number)
	if err != nil && lines != nil {
		more, err = k.hand(next.number, lines)
	}
	if err != nil {
		k.warn(fmt.Errorf("record: what was open is not known at the beginning of %s: %w", k.names.member(next.number), err))
	}
	next.bytes += more
	k.kept = k.kept[1:]
	k.mu.Lock()
	k.total += more - old.bytes
	k.changed.Broadcast()
	k.mu.Unlock()
}

// remove removes the files of a segment.
func (k *keeper) remove(number int) {
	k.set.io.Lock()
	defer k.set.io.Unlock()
	path := k.names.member(number)
	for _, p := range []string{path, path + zstSuffix} {
		if err := os.Remove(p); err != nil && !errors.Is(err, os.ErrNotExist) {
			k.warn(fmt.Errorf("record: remove the oldest file: %w", err))
		}
	}
	k.set.remove(number)
	k.set.forget(number, path+zstSuffix)
}

// carryBehind returns what is open at the end of a segment.
func (k *keeper) carryBehind(number int) ([]byte, error) {
	if k.carry == nil {
		return nil, nil
	}
	return k.set.carryBehind(number, k.carry())
}

// hand puts carry lines in front of a segment's events. It returns by how much
// the segment grew.
func (k *keeper) hand(to int, lines []byte) (int64, error) {
	if len(lines) == 0 {
		return 0, nil
	}
	var g segment
	k.set.change(to, func(s *segment) { g = *s })
	h := k.log.header(to, g.at)
	h.Carry = int64(len(lines))
	head := append(appendHeader(nil, h), lines...)
	if g.path != "" {
		return k.rehead(&g, head)
	}
	return k.reheadPacked(&g, head)
}

// rehead writes a plain segment anew with another head.
func (k *keeper) rehead(g *segment, head []byte) (int64, error) {
	f, _, before, err := openPlain(g.path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	err = replaceFile(g.path, func(to *os.File) error {
		if _, err := to.Write(head); err != nil {
			return err
		}
		if _, err := f.Seek(before, io.SeekStart); err != nil {
			return err
		}
		_, err := io.Copy(to, io.LimitReader(f, g.size))
		return err
	})
	if err != nil {
		return 0, err
	}
	k.set.io.Lock()
	defer k.set.io.Unlock()
	k.set.forget(g.number, "")
	return int64(len(head)) - before, nil
}

// reheadPacked does the same for a compressed one: only the frames of its head
// are made anew, the others are copied.
func (k *keeper) reheadPacked(g *segment, head []byte) (int64, error) {
	f, err := os.Open(g.zst)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	p := &packer{segment: g.number}
	err = replaceFile(g.zst, func(to *os.File) error {
		out := bufio.NewWriterSize(to, 256<<10)
		p.to = out
		flags := uint8(flagHead)
		if len(g.frames) == 0 {
			flags |= flagLast
		}
		if err := p.addAll(bytes.NewReader(head), 0, int64(len(head)), g.at, flags); err != nil {
			return err
		}
		for _, fr := range g.frames {
			at := fr.pos - (8 + infoSize)
			if _, err := io.Copy(out, io.NewSectionReader(f, at, int64(8+infoSize+fr.packed))); err != nil {
				return err
			}
			moved := fr
			moved.pos = p.pos + 8 + infoSize
			p.frames = append(p.frames, moved)
			p.pos += int64(8 + infoSize + fr.packed)
		}
		return out.Flush()
	})
	if err != nil {
		return 0, err
	}
	grown := p.pos
	for _, fr := range slices.Concat(g.heads, g.frames) {
		grown -= int64(8 + infoSize + fr.packed)
	}
	k.replace(closed{number: g.number}, g.zst, p.frames)
	k.set.io.Lock()
	defer k.set.io.Unlock()
	k.set.forget(g.number, g.zst)
	return grown, nil
}
