package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/export"
	"github.com/xmpplens/xmpplens/record/timeline"
)

type exportCmd struct {
	File        string `arg:"" help:"The recording." type:"path"`
	To          string `required:"" enum:"streams,jsonl,text,html,pcapng" placeholder:"FORM" help:"streams: a directory with the bytes of each direction; jsonl: entries as show --format=json prints them; text: as on the console; html: one page that needs nothing else; pcapng: for Wireshark."`
	Output      string `short:"o" default:"-" placeholder:"PATH" help:"Where it goes; - is standard output. streams makes a directory."`
	Filter      string `short:"f" placeholder:"EXPR" help:"Only entries that match, with what they cannot be understood without."`
	Conn        int    `placeholder:"N" help:"Only connection N."`
	After       string `placeholder:"TIME" help:"Only from then on: 90s (since the start), 14:05:10.5 (local time of its first day), or RFC 3339."`
	Before      string `placeholder:"TIME" help:"Only until then."`
	Sent        bool   `help:"With streams and pcapng: what was sent on, not what was received."`
	ShowSecrets bool   `help:"Show passwords, tokens and SASL payloads instead of masking them. streams holds exact bytes and masks nothing."`
	All         bool   `help:"With text: show what is hidden by default, too."`
	Force       bool   `help:"Overwrite what is there."`
}

func (exportCmd) Examples() string {
	return `  xmpplens export s.jsonl --to=html -o s.html                  to look at in any browser, without network
  xmpplens export s.jsonl --to=pcapng -o s.pcapng && wireshark s.pcapng
  xmpplens export s.jsonl --to=pcapng --show-secrets -o s.pcapng     xmpplens import makes the same recording of it again
  xmpplens export s.jsonl --to=streams -o s/                   s/1-cs.xml, s/1-sc.xml, … and s/streams.json
  xmpplens export s.jsonl --to=text -f 'iq or errors' --after=30s --before=1m30s
  xmpplens export s.jsonl --to=jsonl | jq -r .summary`
}

func (c *exportCmd) Run(s *streams) (err error) {
	chosen, err := display{Filter: c.Filter}.check()
	if err != nil {
		return err
	}
	if c.Sent && c.To != "streams" && c.To != "pcapng" {
		return usagef("leave it out: the other forms show both", "--sent goes with --to=streams and --to=pcapng only")
	}
	if c.All && c.To != "text" {
		return usagef("leave it out: the other forms hold everything", "--all goes with --to=text only")
	}
	if c.To == "streams" && c.Output == "-" {
		return usagef("add -o DIRECTORY", "--to=streams makes several files")
	}
	r, err := record.Open(c.File)
	if err != nil {
		return err
	}
	defer r.Close()
	start := r.Header().Time
	choice := export.Choice{Filter: chosen, Conn: c.Conn}
	if choice.After, err = timeOf(c.After, start); err != nil {
		return &usageError{fmt.Errorf("--after: %w", err), timeHint}
	}
	if choice.Before, err = timeOf(c.Before, start); err != nil {
		return &usageError{fmt.Errorf("--before: %w", err), timeHint}
	}
	if c.Before != "" && choice.Before <= choice.After {
		return usagef("the recording begins at "+start.Local().Format("2006-01-02 15:04:05.000"), "nothing lies between --after=%s and --before=%s", c.After, c.Before)
	}
	opt := export.Options{Header: r.Header(), Tool: version(), Title: filepath.Base(c.File), Secrets: c.ShowSecrets, Sent: c.Sent, Choice: choice}
	if c.To == "streams" {
		dir, undo, err := c.directory()
		if err != nil {
			return err
		}
		form, err := export.NewStreams(dir, opt)
		if err == nil {
			err = c.write(s, r, form, choice)
		}
		if err != nil {
			undo()
		}
		return err
	}
	if c.Output != "-" {
		f, err := createFile(c.Output, c.Force)
		if err != nil {
			return err
		}
		defer func() {
			if cerr := f.Close(); err == nil {
				err = cerr
			}
			if err != nil {
				removeFile(c.Output) // half of a file helps nobody
			}
		}()
		return c.file(s, r, f, opt)
	}
	if f, ok := s.stdout.(*os.File); ok && c.To == "pcapng" && term.IsTerminal(int(f.Fd())) {
		return usagef("add -o FILE, or send it on: | tshark -r -", "a capture is nothing to read on a terminal")
	}
	return c.file(s, r, s.stdout, opt)
}

// file writes a form that is one file.
func (c *exportCmd) file(s *streams, r *record.Reader, w io.Writer, opt export.Options) error {
	var form export.Form
	var err error
	switch c.To {
	case "jsonl":
		form = export.NewJSONL(w, opt)
	case "text":
		form = &printed{newConsole(w, display{Format: "pretty", Color: "never", ShowSecrets: c.ShowSecrets, All: c.All || opt.Choice.Filter != nil}, nil, opt.Header.Time)}
	case "html":
		form, err = export.NewPage(w, opt)
	case "pcapng":
		if opt.Notes, err = c.notes(); err != nil {
			return err
		}
		form, err = export.NewCapture(w, opt)
	}
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return c.write(s, r, form, opt.Choice)
}

// notes are what people said about entries. They stand behind them, often at the
// end.
func (c *exportCmd) notes() (map[int][]string, error) {
	r, err := record.Open(c.File)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return export.ReadNotes(ctx, r)
}

// printed is the form of the console.
type printed struct{ *console }

func (p *printed) Event(record.Event) error { return p.err }

func (p *printed) Entry(e *timeline.Entry, extra bool) error {
	if !extra {
		p.print(e)
	} else if e.Kind == record.EventOpen {
		p.conns++ // as if it were shown: the second one brings labels
	}
	return p.err
}

func (p *printed) Finish() error { return p.flush() }

// write reads the recording into a form.
func (c *exportCmd) write(s *streams, r *record.Reader, form export.Form, choice export.Choice) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	told := newProgress(s, "export", recordingSize(c.File))
	var damage error
	err := export.Run(ctx, r, form, choice, export.Hooks{
		Progress: told.at,
		Trouble: func(err error) {
			told.clear()
			s.say("xmpplens: %v", err)
			damage = err
		},
	})
	told.clear()
	var torn *record.TornError
	switch {
	case errors.Is(err, context.Canceled):
		return errors.New("export: interrupted")
	case err != nil:
		return fmt.Errorf("export: %w", err)
	case errors.As(damage, &torn):
		return nil // said; the rest was read
	case damage != nil && c.Output != "-":
		s.say("xmpplens: %s holds what could be read", c.Output)
	}
	return nil
}

// directory makes the directory of stream files. undo removes what was made.
func (c *exportCmd) directory() (dir string, undo func(), err error) {
	dir = filepath.Clean(c.Output)
	err = os.Mkdir(dir, 0o700)
	if err == nil {
		return dir, func() { os.RemoveAll(dir) }, nil
	}
	if !errors.Is(err, os.ErrExist) {
		return "", nil, fmt.Errorf("export: %w", err)
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return "", nil, fmt.Errorf("export: %s is there and no directory: %w", dir, err)
	}
	for _, e := range list {
		own := e.Name() == export.Manifest || export.IsStreamFile(e.Name())
		if !own {
			return "", nil, usagef("choose another directory, or empty it", "export: %s holds other files, %s for one", dir, e.Name())
		}
		if !c.Force {
			return "", nil, usagef("choose another directory, or overwrite it with --force", "export: there are stream files in %s already", dir)
		}
	}
	for _, e := range list {
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return "", nil, fmt.Errorf("export: %w", err)
		}
	}
	return dir, func() {}, nil
}

// createFile makes a file that only its owner can read.
func createFile(path string, force bool) (*os.File, error) {
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, usagef("choose another name, or overwrite it with --force", "export: %s exists already", path)
	}
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	if force {
		f.Chmod(0o600) // an older file may have been open to others; a device cannot be changed
	}
	return f, nil
}

// removeFile removes a file, and leaves devices and pipes alone.
func removeFile(path string) {
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		os.Remove(path)
	}
}

const timeHint = "a time is 90s or 1m30s since the start, 14:05:10.5 (local time, on the day on which the recording begins), or RFC 3339"

// timeOf reads a time and tells how long after the start it is. It is 0 where
// nothing is given.
func timeOf(s string, start time.Time) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	if d, err := time.ParseDuration(s); err == nil {
		if d < 0 {
			return 0, fmt.Errorf("%s is before the start", s)
		}
		return d, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return max(t.Sub(start), 0), nil
	}
	for _, layout := range []string{"15:04:05", "15:04"} {
		if t, err := time.Parse(layout, s); err == nil {
			d := start.Local()
			t = time.Date(d.Year(), d.Month(), d.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.Local)
			return max(t.Sub(start), 0), nil
		}
	}
	return 0, fmt.Errorf("%q is no time", s)
}

// recordingSize is how many bytes there are to read, 0 where that does not show.
func recordingSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil || strings.HasSuffix(path, ".zst") || !info.Mode().IsRegular() {
		return 0
	}
	return info.Size()
}
