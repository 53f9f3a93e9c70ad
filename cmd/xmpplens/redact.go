package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/xmpplens/xmpplens/record/redact"
)

type redactCmd struct {
	File      string   `arg:"" help:"The recording." type:"path"`
	Output    string   `short:"o" required:"" placeholder:"FILE" type:"path" help:"The recording that can be shared."`
	Keep      []string `placeholder:"KIND" help:"Leave this as it is, but for names that occur in it: body, error, file, form, name, nick, note, status, subject, text, url, vcard. Addresses and secrets never."`
	Seed      string   `placeholder:"TEXT" help:"Make the same pseudonyms each time. Who knows it can undo them; without, nobody can."`
	Report    string   `placeholder:"FILE" type:"path" help:"Write what was replaced, as JSON, without the originals; - is stdout."`
	ReportMap string   `placeholder:"FILE" type:"path" help:"Write which pseudonym stands for what, readable by you alone: keep it to yourself."`
	Force     bool     `help:"Overwrite the files if they exist."`
}

func (redactCmd) Examples() string {
	return `  xmpplens redact bug.jsonl -o share.jsonl                  names, texts and secrets replaced; proved by reading it again
  xmpplens redact --keep=body,subject bug.jsonl -o share.jsonl
  xmpplens redact --seed=2026 --report=- bug.jsonl -o share.jsonl | jq .replaced`
}

func (c *redactCmd) Run(s *streams) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	o := redact.Options{Keep: c.Keep, Seed: c.Seed, Force: c.Force, Trouble: func(err error) { s.say("xmpplens: %v", err) }, Progress: s.passes()}
	if c.ReportMap != "" {
		f, err := private(c.ReportMap, c.Force)
		if err != nil {
			return err
		}
		out := bufio.NewWriter(f)
		o.Map = mapping(out)
		defer func() {
			if e := errors.Join(out.Flush(), f.Close()); err == nil && e != nil {
				err = fmt.Errorf("write the mapping: %w", e)
			}
		}()
	}
	rep, err := redact.Run(ctx, c.File, c.Output, o)
	var unknown *redact.UnknownKind
	if errors.As(err, &unknown) {
		return &usageError{err, unknown.Hint()}
	}
	if err != nil {
		return err
	}
	if err := c.report(s, rep); err != nil {
		return err
	}
	c.tell(s, rep)
	return nil
}

// private makes a file for the user alone.
func private(path string, force bool) (*os.File, error) {
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, usagef("choose another name, or overwrite it with --force", "%s exists already", path)
	}
	if err == nil && force {
		f.Chmod(0o600)
	}
	return f, err
}

// maxMapped bounds the pseudonyms of which is remembered that they were written.
const maxMapped = 1 << 20

// mapping writes each pseudonym once.
func mapping(w io.Writer) func(kind, original, replacement string) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	seen := make(map[string]bool)
	return func(kind, original, replacement string) {
		if seen[original] {
			return
		}
		if len(seen) >= maxMapped {
			clear(seen)
		}
		seen[strings.Clone(original)] = true
		enc.Encode(struct {
			Kind        string `json:"kind"`
			Original    string `json:"original"`
			Replacement string `json:"replacement"`
		}{kind, original, replacement})
	}
}

func (c *redactCmd) report(s *streams, rep *redact.Report) error {
	if c.Report == "" {
		return nil
	}
	b, err := json.MarshalIndent(rep, "", "  ")
	if err != nil {
		return err
	}
	b = append(b, '\n')
	if c.Report == "-" {
		_, err = s.stdout.Write(b)
		return err
	}
	f, err := private(c.Report, c.Force)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// tell says what was done.
func (c *redactCmd) tell(s *streams, rep *redact.Report) {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(rep.Replaced)) {
		parts = append(parts, fmt.Sprintf("%s %d", kind, rep.Replaced[kind]))
	}
	s.say("xmpplens: %s: %d entries; replaced: %s", c.Output, rep.Entries, strings.Join(parts, ", "))
	s.say("xmpplens: none of %d names, %d IP addresses and %d phrases is left", rep.Identifiers, rep.Addresses, rep.Phrases)
	if rep.TLS > 0 {
		s.say("xmpplens: %d bytes of TLS that were not read are zeros now: with a key log they would tell everything; xmpplens import --keylog makes a recording of them first", rep.TLS)
	}
	if len(rep.Kept) > 0 {
		s.say("xmpplens: kept: %s: look at it before you share it", strings.Join(rep.Kept, ", "))
	}
	if rep.Unsearched > 0 {
		s.say("xmpplens: %d texts were replaced and not looked for afterwards: there are too many", rep.Unsearched)
	}
	for _, what := range rep.Changed {
		s.say("xmpplens: what it means changed: %s", what)
	}
}

// passes says how far long work is, after some seconds.
func (s *streams) passes() func(pass int, bytes int64) {
	next, calls := time.Now().Add(5*time.Second), 0
	return func(pass int, bytes int64) {
		if calls++; calls%256 != 0 || time.Now().Before(next) {
			return
		}
		next = time.Now().Add(5 * time.Second)
		s.say("xmpplens: pass %d of 3, %d MB", pass, bytes>>20)
	}
}
