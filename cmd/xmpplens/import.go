package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/xmpplens/xmpplens/proxy"
	"github.com/xmpplens/xmpplens/proxy/tap"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/export"
	"github.com/xmpplens/xmpplens/record/foreign"
)

type importCmd struct {
	File   string `arg:"" help:"What to import: a capture (pcap, pcapng), stream files, a debug log, or a recording of --tap whose keys came later. Compressed with gzip or zstd, too." type:"path"`
	Write  string `short:"w" required:"" placeholder:"FILE" type:"path" help:"The recording that is made."`
	Keylog string `placeholder:"FILE" type:"path" help:"The secrets of the TLS sessions (SSLKEYLOGFILE). A pcapng may hold them itself."`
	Format string `enum:"auto,pcap,streams,slixmpp,nbxmpp,prosody,smack,profanity,recording" default:"auto" help:"What the input is: ${enum}."`
	All    bool   `help:"Of a capture: also connections that do not look like XMPP."`
	Force  bool   `help:"Overwrite the file of --write."`
}

func (importCmd) Examples() string {
	return `  xmpplens import capture.pcapng --keylog=keys.log -w login.jsonl      what Wireshark or tcpdump captured
  xmpplens import prosody.log -w login.jsonl                           a debug log, of mod_stanza_debug
  xmpplens import --format=slixmpp client.log -w login.jsonl
  xmpplens import streams/ -w login.jsonl                              what export --to=streams wrote
  xmpplens import tapped.jsonl --keylog=keys.log -w readable.jsonl     a tap whose keys came later`
}

func (c *importCmd) Run(s *streams) error {
	if c.Keylog != "" {
		if _, err := os.Stat(c.Keylog); errors.Is(err, fs.ErrNotExist) {
			return usagef("give the file that SSLKEYLOGFILE named", "--keylog: %s does not exist", c.Keylog)
		}
	}
	if c.Format == "recording" || c.Format == "auto" && foreign.IsRecording(c.File) {
		if c.Keylog == "" {
			return usagef("give the file that SSLKEYLOGFILE named", "--keylog is missing: %s is a recording already, only its TLS can be read", c.File)
		}
		return c.recording(s)
	}
	if c.Format == "auto" || c.Format == "pcap" || c.Format == "streams" {
		if b, err := c.exported(); err != nil {
			return err
		} else if b != nil {
			return c.back(s, b)
		}
	}
	return c.foreign(s)
}

// foreign imports what another program recorded.
func (c *importCmd) foreign(s *streams) error {
	keys, err := newSecrets(c.Keylog)
	if err != nil {
		return err
	}
	var now time.Time
	var n int
	var out *record.Log
	add := func(t time.Time, ev record.Event) error {
		now = t
		n++
		if out == nil {
			if out, err = record.Create(c.Write, record.Options{Force: c.Force, Tool: version(), Now: func() time.Time { return now }}); err != nil {
				return err
			}
		}
		return out.Append(ev)
	}
	p := newProgress(s, "import", 0)
	o := foreign.Options{Format: c.Format, All: c.All, Secrets: keys.add}
	o.Decrypt = func(conn int, emit func(record.Event)) foreign.Decrypter {
		return &proxy.Reading{Conn: conn, Keys: keys.of, Emit: emit}
	}
	o.Progress = func(done, size int64) {
		p.total = size
		p.at(done, n)
	}
	sum, err := foreign.Read(context.Background(), c.File, o, add)
	p.clear()
	if out != nil {
		if cerr := out.Close(); err == nil {
			err = cerr
		}
		if sum.Conns == 0 {
			os.Remove(c.Write) // there is nothing in it
		} else {
			s.say("xmpplens: %s: %s", sum.Format, sum.Words())
			s.say("xmpplens: xmpplens show %s", c.Write)
		}
	}
	var bad *foreign.SyntaxError
	if errors.As(err, &bad) && (sum == nil || sum.Conns == 0) {
		return &usageError{err, bad.Fix}
	}
	return err
}

// secrets are those of a key log, and those that are in the capture itself.
type secrets struct {
	file *proxy.KeyLog // nil: none was given
	own  map[tap.Random][]tap.Key
	n    int
}

// maxSecrets bounds the secrets that are kept out of a capture.
const maxSecrets = 100_000

func newSecrets(file string) (*secrets, error) {
	k := &secrets{own: make(map[tap.Random][]tap.Key)}
	if file == "" {
		return k, nil
	}
	var err error
	k.file, err = proxy.NewKeyLog(file)
	return k, err
}

func (k *secrets) of(r tap.Random) []tap.Key {
	keys := k.own[r]
	if k.file != nil {
		keys = append(keys[:len(keys):len(keys)], k.file.Keys(r)...)
	}
	return keys
}

func (k *secrets) add(keylog []byte) {
	for line := range bytes.Lines(keylog) {
		key, ok, err := tap.ParseKey(line)
		if err != nil || !ok || k.n >= maxSecrets {
			continue // what it is about stays unread, which is said
		}
		k.n++
		k.own[key.Random] = append(k.own[key.Random], key)
	}
}

// exported opens what xmpplens exported itself, nil where it did not.
func (c *importCmd) exported() (*export.Back, error) {
	dir := c.File
	if filepath.Base(dir) == export.Manifest {
		dir = filepath.Dir(dir)
	}
	if info, err := os.Stat(filepath.Join(dir, export.Manifest)); err == nil && info.Mode().IsRegular() {
		return export.ReadStreams(dir)
	}
	if !foreign.IsPcapng(c.File) {
		return nil, nil
	}
	f, err := foreign.Unpacked(c.File)
	if err != nil {
		return nil, err
	}
	b, err := export.ReadCapture(f)
	if err != nil {
		f.Close()
		return nil, nil // of another program, or damaged: its packets are read
	}
	b.OnClose(f.Close)
	return b, nil
}

// back makes the recording again that was exported.
func (c *importCmd) back(s *streams, b *export.Back) error {
	defer b.Close()
	now := b.Header.Time
	out, err := record.Create(c.Write, record.Options{Force: c.Force, Tool: b.Header.Tool, Now: func() time.Time { return now }})
	if err != nil {
		return err
	}
	defer out.Close()
	p := newProgress(s, "import", 0)
	for n := 0; out.Err() == nil; n++ {
		ev, err := b.Next()
		if errors.Is(err, io.EOF) {
			p.clear()
			if b.Missing > 0 {
				s.say("xmpplens: %d bytes are missing in %s", b.Missing, c.File)
			}
			if err := out.Close(); err != nil {
				return err
			}
			s.say("xmpplens: the recording that was exported, %d events", n)
			s.say("xmpplens: xmpplens show %s", c.Write)
			return nil
		}
		if err != nil {
			p.clear()
			return fmt.Errorf("import: %s: %w", c.File, err)
		}
		now = b.Header.Time.Add(ev.T)
		out.Append(ev) // its error sticks
		p.at(out.Size(), n)
	}
	return out.Err()
}

// recording writes a recording again, with what its TLS records say.
func (c *importCmd) recording(s *streams) error {
	ctx := context.Background()
	d, err := decryption(ctx, c.File, c.Keylog)
	if err != nil {
		return err
	}
	if d.Conns == 0 {
		return usagef("only what xmpplens proxy --tap recorded has any", "import: there are no TLS records in %s", c.File)
	}
	r, err := record.Open(c.File)
	if err != nil {
		return err
	}
	defer r.Close()
	start := r.Header().Time
	now := start
	out, err := record.Create(c.Write, record.Options{Force: c.Force, Tool: version(), Now: func() time.Time { return now }})
	if err != nil {
		return err
	}
	defer out.Close()
	add := func(ev record.Event) {
		now = start.Add(ev.T)
		out.Append(ev) // its error sticks
	}
	for out.Err() == nil {
		ev, err := r.Next(ctx)
		switch {
		case err == nil:
			d.Before(ev, add)
			add(ev)
			d.Behind(ev, add)
		case record.IsDamage(err):
			s.say("xmpplens: %v", err)
		case errors.Is(err, io.EOF):
			d.Finish(add)
			if err := out.Close(); err != nil {
				return err
			}
			s.say("xmpplens: xmpplens show %s", c.Write)
			return nil
		default:
			return err
		}
	}
	return out.Err()
}
