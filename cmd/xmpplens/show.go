package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	"golang.org/x/term"

	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

type showCmd struct {
	File    string        `arg:"" help:"The recording." type:"path"`
	Follow  bool          `short:"F" help:"Wait for more, until interrupted."`
	Speed   float64       `placeholder:"X" help:"Print in recorded time, X times as fast."`
	MaxGap  time.Duration `placeholder:"DURATION" help:"With --speed: no time without anything counts for longer than this, such as 5s."`
	Step    bool          `help:"Print one entry at each press of a key; in a terminal."`
	Conn    int           `placeholder:"N" help:"Only connection N."`
	Dir     string        `enum:"CS,SC,both" default:"both" help:"Only this direction: ${enum}."`
	Sent    bool          `help:"With --format=raw: what was sent on, not what was received."`
	Keylog  string        `placeholder:"FILE" type:"path" help:"Read the TLS records of proxy --tap with these secrets, where that was not done at the time."`
	display `embed:""`
}

func (showCmd) Examples() string {
	return `  xmpplens show login.jsonl
  xmpplens show --format=line login.jsonl | less -R
  xmpplens show --format=json login.jsonl | jq -r 'select(.kind=="iq") | .summary'
  xmpplens show --format=raw --dir=SC --conn=1 login.jsonl > sc.xml    the exact bytes
  xmpplens show --speed=1 --max-gap=5s login.jsonl                     in its own time, without the long pauses
  xmpplens show --step login.jsonl                                     one entry at each press of a key
  xmpplens show -F login.jsonl                                         while it is being written`
}

func (c *showCmd) Run(s *streams) error {
	if c.Sent && c.Format != "raw" {
		return usagef("add --format=raw", "--sent goes with --format=raw only")
	}
	if c.Speed < 0 {
		return usagef("use a number above 0, 1 is the recorded time", "--speed=%v is negative", c.Speed)
	}
	switch {
	case c.MaxGap < 0:
		return usagef("for example --max-gap=5s", "--max-gap=%v is negative", c.MaxGap)
	case c.MaxGap > 0 && c.Speed == 0:
		return usagef("add --speed=1: without it nothing is waited for", "--max-gap goes with --speed only")
	case c.Step && c.Speed > 0:
		return usagef("leave one of them out", "--step and --speed do not go together")
	case c.Step && (c.Format == "raw" || c.Format == "none"):
		return usagef("use --format=pretty, line or json", "--step does not go with --format=%s", c.Format)
	}
	chosen, err := c.display.check()
	if err != nil {
		return err
	}
	p := &printer{speed: c.Speed, maxGap: c.MaxGap, follow: c.Follow, began: time.Now()}
	if c.Keylog != "" {
		if c.Follow {
			return usagef("give the key log to xmpplens proxy --tap while it records", "--follow and --keylog do not go together")
		}
		later, err := decryption(context.Background(), c.File, c.Keylog)
		if err != nil {
			return err
		}
		p.derive = later
		if later.Conns == 0 {
			s.say("xmpplens: there are no TLS records in %s: only xmpplens proxy --tap makes them", c.File)
		}
	}
	r, err := timeline.Open(c.File)
	if err != nil {
		return err
	}
	defer r.Close()
	if c.Follow {
		r.Follow()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	p.ctx = ctx
	if c.Format == "raw" {
		p.print = c.rawPrinter(s)
	} else {
		con := newConsole(s.stdout, c.display, chosen, r.Header().Time)
		p.print = func(e *timeline.Entry) error {
			con.print(e)
			return con.err
		}
		p.flush = con.flush
		if c.Step {
			st, end, err := newStepper(s)
			if err != nil {
				return err
			}
			defer end()
			p.print = func(e *timeline.Entry) error {
				before := con.printed
				con.print(e)
				if con.printed == before || con.flush() != nil {
					return con.err
				}
				return st.wait(ctx, e)
			}
		}
	}
	keep := p.print
	p.print = func(e *timeline.Entry) error {
		if c.Conn != 0 && e.Conn != c.Conn || c.Dir != "both" && string(e.Way()) != c.Dir {
			return nil
		}
		if c.Format == "raw" && chosen != nil && !e.Matches(chosen) {
			return nil
		}
		return keep(e)
	}
	return p.run(r, s)
}

// rawPrinter writes bytes as they were: exactly, unless they go to a screen,
// where secrets are masked.
func (c *showCmd) rawPrinter(s *streams) func(*timeline.Entry) error {
	out := bufio.NewWriterSize(s.stdout, 64<<10)
	f, ok := s.stdout.(*os.File)
	mask := ok && term.IsTerminal(int(f.Fd())) && !c.ShowSecrets
	return func(e *timeline.Entry) error {
		if e.Dir == "" {
			return nil
		}
		frame := e.Frame
		switch {
		case c.Sent && e.Edited:
			frame.Raw = e.Sent
		case !c.Sent && e.Injected:
			return nil
		}
		b := frame.Raw
		if mask {
			b = stanza.Mask(b, stanza.Secrets(frame))
		}
		out.Write(b)
		return out.Flush()
	}
}

// printer pulls events from a recording and prints the entries they make.
type printer struct {
	ctx    context.Context
	speed  float64       // 0 = at once
	maxGap time.Duration // 0 = every time without anything is waited for
	follow bool
	began  time.Time
	last   time.Duration    // of the event before
	left   time.Duration    // out, in all, of gaps that were too long
	derive timeline.Deriver // nil: nothing is added
	print  func(*timeline.Entry) error
	flush  func() error
}

// errInterrupted ends the reading while it waits for recorded time, or for a key.
var errInterrupted = errors.New("interrupted")

func (p *printer) run(r *record.Reader, s *streams) error {
	var fold timeline.Folder
	var failed, damage error
	err := fold.Read(p.ctx, r, timeline.Sink{
		Derive: p.derive,
		Entry: func(e *timeline.Entry) {
			if failed == nil {
				failed = p.print(e)
			}
		},
		Before: func() error {
			// Before it waits for more it shows what there is.
			if p.flush != nil && (p.follow || p.speed > 0) {
				p.flush()
			}
			return failed
		},
		Event: func(ev record.Event) error {
			if p.speed > 0 && !p.sleep(ev.T) {
				return errInterrupted
			}
			return nil
		},
		Trouble: func(err error) {
			if p.flush != nil {
				p.flush()
			}
			s.say("xmpplens: %v", err)
			if torn := (*record.TornError)(nil); damage == nil || !errors.As(err, &torn) {
				damage = err
			}
		},
	})
	if errors.Is(err, errInterrupted) {
		return nil
	}
	if p.flush != nil {
		if err := p.flush(); failed == nil {
			failed = err
		}
	}
	var torn *record.TornError
	switch {
	case errors.Is(failed, errInterrupted):
		return nil
	case failed != nil:
		return fmt.Errorf("print: %w", failed)
	case err != nil:
		return err
	case errors.As(damage, &torn):
		return nil // said; the rest was read
	case record.IsDamage(damage):
		return errors.New("the recording is damaged: what is named above is missing")
	}
	return damage
}

// sleep waits until t of the recording has come.
func (p *printer) sleep(t time.Duration) bool {
	if gap := t - p.last; p.maxGap > 0 && gap > p.maxGap {
		p.left += gap - p.maxGap
	}
	p.last = max(t, p.last)
	wait := time.Until(p.began.Add(time.Duration(float64(t-p.left) / p.speed)))
	if wait <= 0 {
		return true
	}
	if p.flush != nil {
		p.flush()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.ctx.Done():
		return false
	}
}
