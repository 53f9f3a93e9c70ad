package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/xmpplens/xmpplens/proxy"
	"github.com/xmpplens/xmpplens/record"
)

// decryption prepares reading the TLS records of a recording with a key log that is
// complete.
func decryption(ctx context.Context, recording, keylog string) (*proxy.Decryption, error) {
	if _, err := os.Stat(keylog); errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("give the file that SSLKEYLOGFILE named", "--keylog: %s does not exist", keylog)
	}
	keys, err := proxy.NewKeyLog(keylog)
	if err != nil {
		return nil, err
	}
	r, err := record.Open(recording)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	d := new(proxy.Decryption)
	return d, d.Scan(ctx, r, keys.Keys)
}

type importCmd struct {
	File   string `arg:"" help:"What to import: a recording of --tap whose keys came later." type:"path"`
	Keylog string `placeholder:"FILE" type:"path" help:"The secrets of the TLS sessions (SSLKEYLOGFILE)."`
	Write  string `short:"w" required:"" placeholder:"FILE" type:"path" help:"The recording that is made."`
	Force  bool   `help:"Overwrite the file of --write."`
}

func (importCmd) Examples() string {
	return `  xmpplens import tapped.jsonl --keylog=keys.log -w readable.jsonl`
}

func (c *importCmd) Run(s *streams) error {
	if err := c.sniff(); err != nil {
		return err
	}
	if c.Keylog == "" {
		return usagef("give the file that SSLKEYLOGFILE named", "--keylog is missing: %s is a recording already, only its TLS can be read", c.File)
	}
	return c.recording(s)
}

// sniff tells by its first bytes what the file is.
func (c *importCmd) sniff() error {
	f, err := os.Open(c.File)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	defer f.Close()
	var b [4]byte
	n, err := io.ReadFull(f, b[:])
	if n == 0 && err != nil {
		return usagef("give a recording of xmpplens", "import: %s cannot be read: %v", c.File, err)
	}
	const hint = "what can be imported is a recording of xmpplens proxy --tap (JSON Lines)"
	switch string(b[:n]) {
	case "\xd4\xc3\xb2\xa1", "\xa1\xb2\xc3\xd4", "\x4d\x3c\xb2\xa1", "\xa1\xb2\x3c\x4d":
		return usagef(hint, "import: %s is a pcap capture, which cannot be imported", c.File)
	case "\x0a\x0d\x0d\x0a":
		return usagef(hint, "import: %s is a pcapng capture, which cannot be imported", c.File)
	case "\x28\xb5\x2f\xfd":
		return usagef("unpack it with zstd -d first", "import: %s is compressed with zstd", c.File)
	}
	if b[0] != '{' {
		return usagef(hint, "import: %s is neither a recording nor a capture", c.File)
	}
	return nil
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
