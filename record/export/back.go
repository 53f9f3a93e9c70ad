package export

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/xmpplens/xmpplens/record"
)

// ErrNotOurs says that a capture was not made of a whole recording: its packets
// are all there is.
var ErrNotOurs = errors.New("export: the capture holds no events of a recording")

// A Back reads the events of a recording back from what was exported of it. What
// it keeps of a connection are the bytes of the frame that is under way.
type Back struct {
	Header  record.Header
	Missing int64 // bytes of events that Next returned without them: the recording was damaged, or the file is

	more  func() error // reads on; io.EOF at the end
	close func() error

	queue []record.Event // in their order; the first may wait for its bytes
	have  map[key][]byte // bytes that no event has taken yet
	ended bool
}

// maxQueue bounds the events that wait for bytes.
const maxQueue = 100_000

type key struct {
	conn int
	dir  record.Dir
}

// Next returns the next event, io.EOF at the end. Its Data is valid until the
// next call.
func (b *Back) Next() (record.Event, error) {
	for {
		if len(b.queue) > 0 {
			ev := b.queue[0]
			if ev.E != record.EventData || ev.HasData {
				b.queue = b.queue[1:]
				return ev, nil
			}
			k := key{ev.C, ev.D}
			if n := int64(len(b.have[k])); n >= ev.N || b.ended || len(b.queue) > maxQueue {
				take := max(min(ev.N, n), 0)
				b.Missing += ev.N - take
				ev.Data, ev.HasData, ev.N = b.have[k][:take:take], true, 0
				if take > 0 {
					b.have[k] = b.have[k][take:]
				}
				b.queue = b.queue[1:]
				return ev, nil
			}
		}
		if b.ended {
			return record.Event{}, io.EOF
		}
		if err := b.more(); errors.Is(err, io.EOF) {
			b.ended = true
		} else if err != nil {
			return record.Event{}, err
		}
	}
}

// Close releases the files that are read.
func (b *Back) Close() error {
	if b.close == nil {
		return nil
	}
	return b.close()
}

// OnClose lets Close release what the Back is read from.
func (b *Back) OnClose(f func() error) { b.close = f }

// gain keeps bytes for the events that are about them.
func (b *Back) gain(k key, p []byte) {
	if b.have == nil {
		b.have = make(map[key][]byte)
	}
	if len(b.have[k]) == 0 {
		b.have[k] = nil
	}
	b.have[k] = append(b.have[k], p...)
}

const (
	sectionBlock = 0x0a0d0d0a
	packetBlock  = 6
	// maxBlock bounds a block: a line of a recording, and what stands around it.
	maxBlock = record.MaxLine + 64
)

// ReadCapture reads a pcapng file that was exported with everything in it. It is
// ErrNotOurs for every other: the packets have to be read then.
func ReadCapture(r io.Reader) (*Back, error) {
	c := &captureReader{r: bufio.NewReaderSize(r, 64<<10)}
	for {
		kind, body, err := c.block()
		if errors.Is(err, io.EOF) || err == nil && (kind == packetBlock || kind == eventBlock && !bytes.HasPrefix(body, []byte("{"))) {
			return nil, ErrNotOurs
		}
		if err != nil {
			return nil, err
		}
		if kind != eventBlock {
			continue
		}
		h, err := record.ParseHeader(bytes.TrimRight(body, " "))
		if err != nil {
			return nil, fmt.Errorf("export: the capture's first event: %w", err)
		}
		c.b.Header, c.b.more = h, c.more
		return &c.b, nil
	}
}

// captureReader reads the blocks of a capture.
type captureReader struct {
	b     Back
	r     *bufio.Reader
	at    int64
	buf   []byte
	next  key   // whose bytes the next packets carry
	count int64 // how many
}

// block reads a block; body is valid until the next call.
func (c *captureReader) block() (kind uint32, body []byte, err error) {
	var head [8]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("export: the capture is cut short at byte %d", c.at)
		}
		return 0, nil, err
	}
	kind = binary.LittleEndian.Uint32(head[:])
	n := binary.LittleEndian.Uint32(head[4:])
	if c.at == 0 && kind != sectionBlock {
		return 0, nil, ErrNotOurs
	}
	if n < 12 || n%4 != 0 || n > maxBlock {
		if c.at == 0 { // of another byte order
			return 0, nil, ErrNotOurs
		}
		return 0, nil, fmt.Errorf("export: the block at byte %d of the capture has the length %d", c.at, n)
	}
	if int(n) > cap(c.buf) {
		c.buf = nil
		var b bytes.Buffer // it grows with what is there, not with what is promised
		if m, err := io.CopyN(&b, c.r, int64(n-8)); err != nil {
			return 0, nil, fmt.Errorf("export: the capture is cut short at byte %d", c.at+8+m)
		}
		c.buf = b.Bytes()
	} else {
		c.buf = c.buf[:n-8]
		if m, err := io.ReadFull(c.r, c.buf); err != nil {
			return 0, nil, fmt.Errorf("export: the capture is cut short at byte %d", c.at+8+int64(m))
		}
	}
	c.at += int64(n)
	return kind, c.buf[:n-12], nil
}

func (c *captureReader) more() error {
	at := c.at
	kind, body, err := c.block()
	switch {
	case err != nil:
		return err
	case kind == eventBlock:
		ev, err := record.ParseLine(bytes.Clone(bytes.TrimRight(body, " ")))
		if err != nil {
			return fmt.Errorf("export: the event at byte %d of the capture: %w", at, err)
		}
		if ev.E == eventPackets {
			c.next, c.count = key{ev.C, ev.D}, ev.N
			return nil
		}
		c.b.queue = append(c.b.queue, ev)
	case kind == packetBlock && c.count > 0:
		p := payload(body)
		p = p[:min(int64(len(p)), c.count)]
		c.count -= int64(len(p))
		c.b.gain(c.next, p)
	}
	return nil
}

// payload returns what an enhanced packet block of ours carries inside IP and
// TCP, nothing of one that is broken.
func payload(body []byte) []byte {
	if len(body) < 20 {
		return nil
	}
	n := int(binary.LittleEndian.Uint32(body[12:]))
	if body = body[20:]; n > len(body) || n < 40 {
		return nil
	}
	ip := body[:n]
	head := 40
	if ip[0]>>4 == 4 {
		head = int(ip[0]&15) * 4
	}
	if len(ip) < head+20 {
		return nil
	}
	tcp := ip[head:]
	if off := int(tcp[12]>>4) * 4; off <= len(tcp) {
		return tcp[off:]
	}
	return nil
}
