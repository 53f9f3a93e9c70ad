package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fatih/color"
	"golang.org/x/term"

	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/diff"
	"github.com/xmpplens/xmpplens/record/timeline"
)

type diffCmd struct {
	A      string   `arg:"" help:"The recording to compare with: the one that works." type:"path"`
	B      string   `arg:"" help:"The other recording." type:"path"`
	ConnA  int      `name:"conn-a" placeholder:"N" help:"Only this connection of A."`
	ConnB  int      `name:"conn-b" placeholder:"N" help:"Only this connection of B."`
	Format string   `enum:"text,json" default:"text" help:"How differences are printed: ${enum}."`
	Color  string   `enum:"auto,always,never" default:"auto" help:"Colours: ${enum}. NO_COLOR is honoured."`
	Filter string   `short:"f" placeholder:"EXPR" help:"Only entries that match."`
	Slower float64  `default:"3" placeholder:"FACTOR" help:"An answer that takes this many times longer (${default}), and 200 ms more, is a difference; 0 compares no times."`
	Ignore []string `placeholder:"LIST" help:"What is no difference: classes (login, connection, error, finding, feature, missing, extra, different, order, slower), phases (tls, sasl, …), attributes (@ver), namespaces of payloads."`
	Web    string   `placeholder:"ADDR" help:"Show both side by side in the viewer at this address (127.0.0.1:5299; port 0 takes a free one) instead of printing."`
	Quiet  bool     `short:"q" help:"Print nothing; the exit code says it."`
}

func (diffCmd) Examples() string {
	return `  xmpplens diff works.jsonl fails.jsonl                 exit code 3 when something differs
  xmpplens diff --conn-a=2 --conn-b=1 a.jsonl b.jsonl   one connection of each
  xmpplens diff --ignore=features,slower,@ver,jabber:iq:version a.jsonl b.jsonl
  xmpplens diff --web=127.0.0.1:5299 a.jsonl b.jsonl    side by side in the browser
  xmpplens diff --format=json a.jsonl b.jsonl | jq -r '.differences[] | [.sign, .class, .what] | @tsv'`
}

// options are those of the comparison.
func (c *diffCmd) options(s *streams) (diff.Options, error) {
	o := diff.Options{ConnA: c.ConnA, ConnB: c.ConnB, Slower: c.Slower}
	var err error
	if o.Filter, err = (display{Filter: c.Filter}).check(); err != nil {
		return o, err
	}
	if o.Ignore, err = diff.ParseIgnore(c.Ignore); err != nil {
		return o, &usageError{err, hintOf(err)}
	}
	if c.Slower != 0 && c.Slower <= 1 {
		return o, usagef("3 is three times; 0 compares no times", "--slower=%v is no factor above 1", c.Slower)
	}
	o.Trouble = func(err error) { s.say("xmpplens: %v", err) }
	o.Progress = comparing(s)
	return o, nil
}

func (c *diffCmd) Run(s *streams) error {
	o, err := c.options(s)
	if err != nil {
		return err
	}
	if c.Web != "" {
		return sideBySide(s, c.A, c.B, c.Web, false, o)
	}
	a, err := timeline.Open(c.A)
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := timeline.Open(c.B)
	if err != nil {
		return err
	}
	defer b.Close()
	ctx, stop := interruptible(s)
	defer stop()
	rep, err := compare(ctx, a, b, c.A, c.B, o)
	if err != nil {
		return err
	}
	switch {
	case c.Quiet:
	case c.Format == "json":
		enc := json.NewEncoder(s.stdout)
		enc.SetEscapeHTML(false)
		err = enc.Encode(rep)
	default:
		err = rep.Text(s.stdout, c.look(s))
	}
	if err == nil && !rep.Empty() {
		err = errFound
	}
	return err
}

// compare compares two recordings and names them in the report.
func compare(ctx context.Context, a, b *record.Reader, nameA, nameB string, o diff.Options) (*diff.Report, error) {
	rep, err := diff.Compare(ctx, a, b, o)
	if err != nil {
		return nil, err
	}
	for _, n := range []struct {
		conn, has int
		flag      string
		file      string
	}{{o.ConnA, rep.A.Connections, "--conn-a", nameA}, {o.ConnB, rep.B.Connections, "--conn-b", nameB}} {
		if n.conn != 0 && n.has == 0 {
			return nil, usagef("xmpplens stats "+n.file+" lists them", "%s=%d: there is no such connection in %s", n.flag, n.conn, n.file)
		}
	}
	rep.A.Name, rep.B.Name = apart(nameA, nameB)
	return rep, nil
}

// apart are two paths without the directories that they have in common.
func apart(a, b string) (string, string) {
	if a == b {
		return filepath.Base(a), filepath.Base(b)
	}
	for {
		i, j := strings.IndexByte(a, filepath.Separator), strings.IndexByte(b, filepath.Separator)
		if i < 0 || j < 0 || a[:i] != b[:j] {
			return a, b
		}
		a, b = a[i+1:], b[j+1:]
	}
}

// look is how a report is printed where stdout leads to.
func (c *diffCmd) look(s *streams) diff.TextOptions {
	var o diff.TextOptions
	f, isFile := s.stdout.(*os.File)
	terminal := isFile && term.IsTerminal(int(f.Fd()))
	if terminal {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n >= 40 {
			o.Width = n
		}
	}
	if c.Color == "always" || c.Color == "auto" && terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" {
		p := newPalette(true)
		tint := map[string]*color.Color{diff.OnlyA: p.bad, diff.OnlyB: p.good, diff.Changed: p.sc}
		o.Paint = func(sign, line string) string {
			if t := tint[sign]; t != nil {
				return t.Sprint(line)
			}
			return line
		}
	}
	return o
}

// comparing tells on a terminal, after some seconds, how many entries were read.
func comparing(s *streams) func(entries int) {
	f, ok := s.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	total, next := 0, time.Now().Add(3*time.Second)
	return func(n int) {
		total += n
		if now := time.Now(); now.After(next) {
			next = now.Add(time.Second / 2)
			fmt.Fprintf(f, "\rxmpplens: %d entries read\x1b[K\r", total)
		}
	}
}
