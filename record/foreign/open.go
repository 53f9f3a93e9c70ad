package foreign

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// sniffed is how much of an input is looked at to tell what it is, in bytes.
const sniffed = 256 << 10

// maxWindow bounds the memory that unpacking zstd may take, in bytes.
const maxWindow = 128 << 20

// input is a file, unpacked while it is read.
type input struct {
	path   string
	format string
	*bufio.Reader
	head     []byte // its beginning, which is still to be read
	modified time.Time
	whole    bool // head is all of it
	close    []func()
}

func (in *input) Close() error {
	for i := len(in.close) - 1; i >= 0; i-- {
		in.close[i]()
	}
	return nil
}

// counting tells how much of a file was read.
type counting struct {
	r          io.Reader
	done, size int64
	progress   func(done, size int64)
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.done += int64(n)
	c.progress(c.done, c.size)
	return n, err
}

func open(path string, o Options) (*input, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &SyntaxError{"", path + " does not exist", "give a capture, a stream file or a log"}
	}
	if err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	in := &input{path: path, close: []func(){func() { f.Close() }}}
	info, err := f.Stat()
	if err == nil {
		in.modified = info.ModTime()
		if info.IsDir() {
			in.format = "streams"
			return in, nil
		}
	}
	var src io.Reader = f
	if o.Progress != nil && info != nil {
		src = &counting{r: f, size: info.Size(), progress: o.Progress}
	}
	if err := in.unpack(src); err != nil {
		in.Close()
		return nil, err
	}
	if err := in.sniff(o); err != nil {
		in.Close()
		return nil, err
	}
	return in, nil
}

// unpack takes off gzip and zstd.
func (in *input) unpack(src io.Reader) error {
	b := bufio.NewReaderSize(src, sniffed)
	head, _ := b.Peek(4)
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		z, err := gzip.NewReader(b)
		if err != nil {
			return &SyntaxError{"", in.path + " begins like gzip and cannot be unpacked: " + err.Error(), "look whether it was copied whole"}
		}
		b = bufio.NewReaderSize(z, sniffed)
	case bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")):
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return &SyntaxError{"", in.path + " begins like zstd and cannot be unpacked: " + err.Error(), "look whether it was copied whole"}
		}
		in.close = append(in.close, z.Close)
		b = bufio.NewReaderSize(z, sniffed)
	}
	in.Reader = b
	head, err := b.Peek(sniffed)
	in.head, in.whole = head, err != nil
	if len(head) == 0 && err != nil && !errors.Is(err, io.EOF) {
		return &SyntaxError{"", in.path + " cannot be read: " + err.Error(), "look whether it was copied whole"}
	}
	return nil
}

const known = "a capture (pcap, pcapng), stream files or a log of slixmpp, Gajim (nbxmpp), Prosody, Smack or Profanity; --format names the kind where it is not found out"

// sniff tells what the input is.
func (in *input) sniff(o Options) error {
	capture := isCapture(in.head)
	switch {
	case len(in.head) == 0:
		return &SyntaxError{"", in.path + " is empty", "what can be imported is " + known}
	case o.Format != "" && o.Format != "auto":
		if !slices.Contains(Formats, o.Format) {
			return &SyntaxError{"", "there is no format " + o.Format, "the formats are " + strings.Join(Formats, ", ")}
		}
		if capture != (o.Format == "pcap") {
			is := map[bool]string{true: "a capture", false: "no capture: it begins with none of the marks of pcap and pcapng"}[capture]
			return &SyntaxError{"", in.path + " is " + is, "leave --format=" + o.Format + " out"}
		}
		in.format = o.Format
	case capture:
		in.format = "pcap"
	case filepath.Base(in.path) == manifestName || isStream(in.head):
		in.format = "streams"
	default:
		if in.format = guessLog(in.head); in.format == "" {
			return &SyntaxError{"", in.path + " is neither a recording nor anything else that is known", "what can be imported is " + known}
		}
	}
	return nil
}

// isStream reports whether the bytes are those of one direction: they begin with
// an XML declaration or a tag.
func isStream(head []byte) bool {
	head = bytes.TrimLeft(head, "\ufeff \t\r\n")
	if bytes.HasPrefix(head, []byte("<?xml")) || bytes.HasPrefix(head, []byte("<stream:stream")) || bytes.HasPrefix(head, []byte("<open")) {
		return guessLog(head) == ""
	}
	for _, tag := range []string{"<iq", "<message", "<presence", "<body"} {
		if bytes.HasPrefix(head, []byte(tag)) {
			return guessLog(head) == ""
		}
	}
	return false
}
