package proxy

import (
	"bytes"
	"compress/zlib"
	"errors"
	"io"
	"strings"
	"testing"
)

// Whatever the deflater writes, the standard library reads, and so does the
// inflater; each write is there at once.
func TestDeflate(t *testing.T) {
	var z deflater
	var sent, wire bytes.Buffer
	in := newInflater(nil, &wire)
	pieces := []string{"<iq/>", strings.Repeat("<message/>", 1000), "", "x", strings.Repeat("<presence from='a@b/c'/>", 20000), "</stream:stream>"}
	for _, p := range pieces {
		out, err := z.deflate([]byte(p))
		if err != nil {
			t.Fatal(err)
		}
		sent.WriteString(p)
		if !bytes.HasSuffix(out, []byte{0, 0, 0xff, 0xff}) {
			t.Errorf("%d bytes are not flushed: …%x", len(p), out[max(len(out)-6, 0):])
		}
		wire.Write(out)
		b := make([]byte, len(p))
		if _, err := io.ReadFull(in, b); err != nil || string(b) != p {
			t.Errorf("%d bytes came out as %d: %v", len(p), len(b), err)
		}
		if len(z.window) > deflateWindow || cap(z.out) > deflateWindow {
			t.Errorf("it keeps %d and %d bytes", len(z.window), cap(z.out))
		}
	}
	if len(z.window) != deflateWindow || !strings.HasSuffix(string(z.window), "</stream:stream>") {
		t.Errorf("the window has %d bytes", len(z.window))
	}
	// The second text of the same kind is much shorter: it refers to the first.
	a, _ := z.deflate([]byte("<message to='juliet@capulet.example' type='chat'><body>hi</body></message>"))
	first := len(a)
	if a, _ = z.deflate([]byte("<message to='juliet@capulet.example' type='chat'><body>ho</body></message>")); len(a) > first/2 {
		t.Errorf("%d bytes, then %d", first, len(a))
	}
}

// A peer that flushes each stanza, and one whose stream is cut anywhere.
func TestInflate(t *testing.T) {
	var wire bytes.Buffer
	w := zlib.NewWriter(&wire)
	text := ""
	for range 300 {
		io.WriteString(w, "<message><body>wherefore</body></message>")
		text += "<message><body>wherefore</body></message>"
		w.Flush()
	}
	all := wire.Bytes()
	for cut := range len(all) {
		if cut > 40 && cut < len(all)-40 && cut%97 != 0 {
			continue
		}
		in := newInflater(all[:cut], bytes.NewReader(all[cut:]))
		got, err := io.ReadAll(in)
		if err != nil || string(got) != text {
			t.Fatalf("cut at %d: %d bytes, %v", cut, len(got), err)
		}
	}
}

// What zlib's Z_PARTIAL_FLUSH gives is delivered at once, although no stored
// block follows: the text "<iq id='1'/>", flushed, by Python's zlib.
func TestPartialFlush(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	go w.Write(partial) // ends when it is read
	b := make([]byte, 12)
	if _, err := io.ReadFull(newInflater(nil, r), b); err != nil || string(b) != "<iq id='1'/>" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestInflateErrors(t *testing.T) {
	bomb := func() []byte {
		var b bytes.Buffer
		w, _ := zlib.NewWriterLevel(&b, 9)
		zeros := make([]byte, 1<<20)
		for range 64 {
			w.Write(zeros)
		}
		w.Close()
		return b.Bytes()
	}()
	var bombed *BombError
	in := newInflater(nil, bytes.NewReader(bomb))
	n, err := io.Copy(io.Discard, in)
	if !errors.As(err, &bombed) || n > inflateBurst+inflateRatio*int64(len(bomb)) {
		t.Errorf("a bomb of %d bytes gave %d: %v", len(bomb), n, err)
	}
	if _, again := in.Read(make([]byte, 1)); again != err {
		t.Errorf("the error does not stick: %v", again)
	}
	for text, wire := range map[string]string{
		"does not begin as zlib": "<stream:stream",
		"preset dictionary":      "\x78\x20\x00\x00",
		"is broken":              "\x78\x9c\xff\xff\xff\xff\xff",
	} {
		var broken *ZlibError
		if _, err := io.ReadAll(newInflater(nil, strings.NewReader(wire))); !errors.As(err, &broken) || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", wire, err)
		}
	}
	// The connection's own end is no error of the data.
	gone := errors.New("reset")
	if _, err := io.ReadAll(newInflater([]byte("\x78\x9c\x00"), io.MultiReader(errReader{gone}))); err != gone {
		t.Errorf("%v", err)
	}
}

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }

// FuzzInflate: any bytes, cut anywhere, give the same text and never more than
// is allowed.
func FuzzInflate(f *testing.F) {
	var wire bytes.Buffer
	w := zlib.NewWriter(&wire)
	io.WriteString(w, strings.Repeat("<message/>", 50))
	w.Flush()
	f.Add(wire.Bytes(), 7)
	f.Add(partial, 3)
	f.Add([]byte("<stream"), 0)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		whole, err := io.ReadAll(newInflater(nil, bytes.NewReader(b)))
		if int64(len(whole)) > inflateBurst+inflateRatio*int64(len(b)) {
			t.Errorf("%d bytes became %d", len(b), len(whole))
		}
		if cut < 0 || cut > len(b) {
			return
		}
		parts, err2 := io.ReadAll(newInflater(b[:cut:cut], bytes.NewReader(b[cut:])))
		if !bytes.Equal(whole, parts) || (err == nil) != (err2 == nil) {
			t.Errorf("whole: %d bytes, %v; cut: %d bytes, %v", len(whole), err, len(parts), err2)
		}
	})
}

var partial = []byte("\x78\x9c\xb2\xc9\x2c\x54\xc8\x4c\xb1\x55\x37\x54\xd7\xb7\x03\x08")
