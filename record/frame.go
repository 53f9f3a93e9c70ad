package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
)

// This file is the form of compressed segments. A segment is a run of
// independent zstd frames (RFC 8878), cut at line ends, with a checksum each. In
// front of each stands a skippable frame of 56 bytes that says what is in it:
// a reader finds its way without decompressing anything, and zstdcat, which
// passes over skippable frames, prints the lines.
//
//	 0  4  magic number 0x184D2A5C, little endian as everything
//	 4  4  56, the length of what follows
//	 0  2  "xl"
//	 2  1  version, 1
//	 3  1  flags: 1 = header and carry lines, no events of its own; 2 = the segment's last frame
//	 4  4  number of the segment, from 1
//	 8  4  length of the zstd frame that follows
//	12  4  length of the lines in it
//	16  8  offset: bytes of event lines that were recorded before
//	24  8  time of the first line, in nanoseconds since the recording's beginning
//	32  8  time of the last line
//	40  4  events
//	44  4  connections that are opened
//	48  4  connections that are closed
//	52  4  CRC-32C of the 52 bytes above

const (
	infoMagic   = 0x184D2A5C
	infoSize    = 56
	infoVersion = 1

	flagHead = 1
	flagLast = 2

	// frameSize is how many bytes of lines are compressed together. Any event
	// is reached by decompressing one frame; 64 MiB at once would be half a
	// percent smaller and take a hundred times as long to reach one event in
	// (BenchmarkFrameSize).
	frameSize = 1 << 20
	// maxFrame bounds what is decompressed at once, in bytes: a frame holds
	// whole lines, and one line may be MaxLine long.
	maxFrame = MaxLine + frameSize
)

// info is what a skippable frame says of the frame behind it.
type info struct {
	flags                  uint8
	segment                int
	packed, size           int   // bytes
	offset                 int64 // bytes of event lines before
	first, last            time.Duration
	events, opened, closed int
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (i *info) append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, infoMagic)
	dst = binary.LittleEndian.AppendUint32(dst, infoSize)
	at := len(dst)
	dst = append(dst, 'x', 'l', infoVersion, i.flags)
	for _, n := range []int{i.segment, i.packed, i.size} {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(n))
	}
	for _, n := range []int64{i.offset, int64(i.first), int64(i.last)} {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(n))
	}
	for _, n := range []int{i.events, i.opened, i.closed} {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(n))
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[at:], castagnoli))
}

var (
	errNoInfo = errors.New("no description of a frame")
	errNewer  = &hinted{errors.New("record: the compressed segment is of a later version"), "use a newer xmpplens, or zstdcat"}
)

// parseInfo reads a skippable frame of 8 + infoSize bytes.
func parseInfo(b []byte) (info, error) {
	if len(b) < 8+infoSize || binary.LittleEndian.Uint32(b) != infoMagic {
		return info{}, errNoInfo
	}
	b = b[8 : 8+infoSize]
	if string(b[:2]) != "xl" || crc32.Checksum(b[:52], castagnoli) != binary.LittleEndian.Uint32(b[52:]) {
		return info{}, errNoInfo
	}
	if b[2] != infoVersion {
		return info{}, errNewer
	}
	u32 := func(at int) int { return int(binary.LittleEndian.Uint32(b[at:])) }
	i64 := func(at int) int64 { return int64(binary.LittleEndian.Uint64(b[at:])) }
	i := info{flags: b[3], segment: u32(4), packed: u32(8), size: u32(12), offset: i64(16),
		first: time.Duration(i64(24)), last: time.Duration(i64(32)), events: u32(40), opened: u32(44), closed: u32(48)}
	// A block of zstd has up to 128 KiB and takes four bytes at least: what
	// promises more is made to exhaust the memory.
	if i.size > maxFrame || i.packed > maxFrame || i.size > (i.packed/4+1)*(128<<10) || i.offset < 0 || i.first < 0 || i.last < 0 || i.segment < 1 {
		return info{}, errNoInfo
	}
	return i, nil
}

// frame is a zstd frame in a file.
type frame struct {
	info
	pos int64 // of the zstd frame in the file
}

// coder compresses; it is made when first needed. One goroutine at a time and no
// further ones, at the level that takes half of the time of the default and
// makes files 2.5 % larger: sessions need the processors.
var coder = sync.OnceValue(func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(true), zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic(err) // the options are wrong
	}
	return e
})

var decoder = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(maxFrame), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic(err)
	}
	return d
})

// unpack decompresses a frame that was read from a file.
func (f *frame) unpack(packed []byte) ([]byte, error) {
	b, err := decoder().DecodeAll(packed, make([]byte, 0, f.size))
	if err != nil {
		return nil, err
	}
	if len(b) != f.size {
		return nil, fmt.Errorf("%d bytes where %d were written", len(b), f.size)
	}
	return b, nil
}

// packer writes the frames of a segment.
type packer struct {
	to      io.Writer
	pos     int64 // in the file that to is
	segment int
	frames  []frame

	buf []byte
}

// add writes one frame of whole lines.
func (p *packer) add(lines []byte, offset int64, flags uint8) error {
	i := info{flags: flags, segment: p.segment, size: len(lines), offset: offset}
	i.describe(lines)
	const room = 8 + infoSize
	p.buf = append(p.buf[:0], make([]byte, room)...)
	p.buf = coder().EncodeAll(lines, p.buf)
	i.packed = len(p.buf) - room
	i.append(p.buf[:0])
	if _, err := p.to.Write(p.buf); err != nil {
		return err
	}
	p.frames = append(p.frames, frame{i, p.pos + room})
	p.pos += int64(len(p.buf))
	return nil
}

// addAll writes the lines in [from,to) of src as frames; offset is that of the
// first, and the last is marked with flags.
func (p *packer) addAll(src io.ReaderAt, from, to, offset int64, flags uint8) error {
	buf := make([]byte, min(frameSize, to-from))
	for from < to {
		n := min(int64(len(buf)), to-from)
		if _, err := src.ReadAt(buf[:n], from); err != nil {
			return err
		}
		end := bytes.LastIndexByte(buf[:n], '\n') + 1
		switch {
		case from+n == to:
			end = int(n)
		case end == 0 && n >= maxFrame:
			return fmt.Errorf("a line is longer than %d bytes", MaxLine)
		case end == 0:
			buf = make([]byte, min(2*len(buf), maxFrame))
			continue
		}
		f := flags &^ flagLast
		if from+int64(end) == to {
			f = flags
		}
		if err := p.add(buf[:end], offset, f); err != nil {
			return err
		}
		from += int64(end)
		offset += int64(end)
	}
	return nil
}

// describe counts what is in lines.
func (i *info) describe(lines []byte) {
	i.events = bytes.Count(lines, []byte{'\n'})
	// Quotes in strings are escaped: the text stands nowhere else.
	i.opened = bytes.Count(lines, []byte(`,"e":"open"`))
	i.closed = bytes.Count(lines, []byte(`,"e":"close"`))
	if i.flags&flagHead != 0 {
		i.events, i.opened, i.closed = 0, 0, 0
		return
	}
	i.first = lineTime(lines)
	tail := bytes.TrimSuffix(lines, []byte{'\n'})
	i.last = max(i.first, lineTime(tail[bytes.LastIndexByte(tail, '\n')+1:]))
}

// lineTime returns the time of the line that b begins with, 0 when it has none
// in front.
func lineTime(b []byte) time.Duration {
	b, ok := bytes.CutPrefix(b, []byte(`{"t":`))
	if !ok {
		return 0
	}
	b = b[:min(len(b), 32)]
	n := bytes.IndexAny(b, ",}")
	if n < 0 {
		return 0
	}
	t, err := parseSeconds(string(b[:n]))
	if err != nil {
		return 0
	}
	return t
}
