package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/proxy/replay"
	"github.com/xmpplens/xmpplens/record"
)

type replayCmd struct {
	Server replayServerCmd `cmd:"" help:"Play the server's side of a recording to a client."`
	Client replayClientCmd `cmd:"" help:"Play the client's side of a recording to a server."`
}

func (replayCmd) Examples() string {
	return replayServerCmd{}.Examples() + "\n" + replayClientCmd{}.Examples()
}

// played are the flags that say what of a recording is played, and how.
type played struct {
	File     string        `arg:"" help:"The recording." type:"path"`
	Conn     int           `placeholder:"N" help:"Only the session of connection N."`
	From     string        `placeholder:"N|TIME" help:"From entry N on, or from a time: 1m30s after the beginning, or 2026-11-25T10:00:00Z."`
	To       string        `placeholder:"N|TIME" help:"Up to entry N, or up to a time."`
	Speed    float64       `default:"1" placeholder:"X" help:"X times as fast as recorded; 0 = without waiting (${default})."`
	Patience time.Duration `default:"10s" placeholder:"DURATION" help:"How much longer than recorded to wait for what does not come, before it counts as missing; 0 = for ever (${default})."`
	Map      []string      `sep:"none" placeholder:"OLD=NEW" help:"Another address or domain of the recording, and who it is now; may be given several times."`
	Junit    string        `name:"junit" placeholder:"FILE" type:"path" help:"Write the report as JUnit XML, too."`
	Timeout  time.Duration `placeholder:"DURATION" help:"End after that time, whatever happens."`
	Loop     bool          `help:"Play it again and again, until Ctrl-C or --timeout."`
	Force    bool          `help:"Overwrite the file of --junit."`
}

// load reads what is to be played and checks the flags.
func (c *played) load(ctx context.Context, s *streams, side record.Dir) (*replay.Script, map[string]string, error) {
	var errs []error
	if c.Speed < 0 {
		errs = append(errs, fmt.Errorf("--speed=%v is negative", c.Speed))
	}
	if c.Patience < 0 {
		errs = append(errs, errors.New("--patience is negative"))
	}
	others := make(map[string]string)
	for _, m := range c.Map {
		from, to, ok := strings.Cut(m, "=")
		if _, err := stanza.ParseJID(from); !ok || err != nil {
			errs = append(errs, fmt.Errorf("--map=%s is not OLD=NEW, two addresses or domains", m))
			continue
		}
		if j, err := stanza.ParseJID(to); err != nil || j.Resource != "" {
			errs = append(errs, fmt.Errorf("--map=%s: %q is no address without resource", m, to))
			continue
		}
		others[from] = to
	}
	if c.Junit != "" && !c.Force {
		if _, err := os.Stat(c.Junit); err == nil {
			errs = append(errs, fmt.Errorf("--junit: %s exists: overwrite it with --force", c.Junit))
		}
	}
	if len(errs) > 0 {
		return nil, nil, &usageError{errors.Join(errs...), "see xmpplens replay --help"}
	}
	r, err := record.Open(c.File)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	o := replay.Options{Side: side, Conn: c.Conn}
	if o.FromN, o.From, err = pointIn(c.From, r.Header().Time); err != nil {
		return nil, nil, usagef("see xmpplens replay --help", "--from=%s: %v", c.From, err)
	}
	if o.ToN, o.To, err = pointIn(c.To, r.Header().Time); err != nil {
		return nil, nil, usagef("see xmpplens replay --help", "--to=%s: %v", c.To, err)
	}
	told := newProgress(s, "read the recording", recordingSize(c.File))
	o.Progress = told.at
	script, err := replay.Load(ctx, r, o)
	told.clear()
	return script, others, err
}

// pointIn reads an entry's number or a time.
func pointIn(s string, start time.Time) (n int, at time.Duration, err error) {
	if s == "" {
		return 0, 0, nil
	}
	if n, err := strconv.Atoi(s); err == nil && n > 0 {
		return n, 0, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return 0, d, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		if !t.After(start) {
			return 0, 0, fmt.Errorf("the recording begins only at %s", start.Format(time.RFC3339))
		}
		return 0, t.Sub(start), nil
	}
	return 0, 0, errors.New("is no entry's number, no time since the beginning (1m30s) and no time of day (2026-11-25T10:00:00Z)")
}

// limited is ctx, but for at most --timeout.
func (c *played) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.Timeout > 0 {
		return context.WithTimeout(ctx, c.Timeout)
	}
	return context.WithCancel(ctx)
}

// tell writes the report; what fails is the exit code.
func (c *played) tell(s *streams, r *replay.Report) error {
	r.File = filepath.Base(c.File)
	if err := r.WriteText(s.stdout); err != nil {
		return err
	}
	if c.Junit != "" {
		flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
		if c.Force {
			flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
		}
		f, err := os.OpenFile(c.Junit, flags, 0o600)
		if err != nil {
			return fmt.Errorf("--junit: %w", err)
		}
		if err := errors.Join(r.WriteJUnit(f), f.Close()); err != nil {
			return fmt.Errorf("--junit: %w", err)
		}
	}
	if r.Failed() {
		return errFound
	}
	return nil
}

type replayServerCmd struct {
	played       `embed:""`
	Listen       string   `short:"l" default:"127.0.0.1:5222" placeholder:"ADDR" help:"Address for clients (${default})."`
	Expect       string   `enum:"subset,strict" default:"subset" help:"What the client must say: subset = everything recorded, in an order that means the same; strict = exactly that, in that order, and nothing else."`
	PasswordFile string   `placeholder:"FILE" type:"path" help:"The password that clients must know: one line for every account, or lines of address and password. Without it everybody is let in, with PLAIN or ANONYMOUS, on loopback only."`
	Mechanisms   []string `placeholder:"LIST" help:"SASL mechanisms that are offered, instead of the recorded ones."`
	SASL2        bool     `name:"sasl2" help:"Offer SASL2 with Bind2 (XEP-0388, XEP-0386), though the recording does not."`
	NoTLS        bool     `name:"no-tls" help:"Do not offer STARTTLS."`
	Count        int      `placeholder:"N" help:"Play N sessions, as many at once as clients come, and end then."`
	CADir        string   `name:"ca-dir" placeholder:"DIR" type:"path" help:"Directory of the certificate authority."`
}

func (replayServerCmd) Examples() string {
	return `  xmpplens replay server s.jsonl -l 127.0.0.1:15222          then point the client at 127.0.0.1:15222
  xmpplens replay server --expect=strict --junit=report.xml --timeout=2m s.jsonl
                                                           a regression test of a client: exit code 3 when it differs
  xmpplens replay server --speed=0 --loop s.jsonl          at once, again and again, for work without the server
  xmpplens replay server --password-file=pw --mechanisms=SCRAM-SHA-256-PLUS s.jsonl
  xmpplens replay server --conn=2 --from=40 --to=2m s.jsonl   a part of it`
}

func (c *replayServerCmd) Run(s *streams) error {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return usagef("use HOST:PORT", "--listen=%s: %v", c.Listen, err)
	}
	for _, m := range c.Mechanisms {
		if !slices.Contains(replay.Mechanisms(), m) {
			return usagef("there are "+strings.Join(replay.Mechanisms(), ", "), "--mechanisms: %s is not known", m)
		}
		if c.PasswordFile == "" && strings.HasPrefix(m, "SCRAM-") {
			return usagef("give the password with --password-file, which SCRAM has the server prove, too", "--mechanisms=%s needs a password", m)
		}
	}
	if c.Count < 0 {
		return usagef("leave it out to play every session once", "--count=%d is negative", c.Count)
	}
	passwords, err := readPasswords(c.PasswordFile)
	if err != nil {
		return &usageError{err, "see xmpplens replay server --help"}
	}
	if c.PasswordFile == "" && !loopback(host) {
		return usagef("give a password with --password-file, or listen on 127.0.0.1", "--listen=%s lets everybody in who can reach it", c.Listen)
	}
	ctx, stop := interruptible(s)
	defer stop()
	ctx, cancel := c.limited(ctx)
	defer cancel()
	script, others, err := c.load(ctx, s, record.SC)
	if err != nil {
		return err
	}
	defer script.Close()
	ca, err := authority(c.CADir)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return &usageError{fmt.Errorf("listen for clients: %w", err), "choose another address with --listen; ports below 1024 need privileges"}
	}
	for _, sess := range script.Sessions {
		if len(script.Sessions) > 20 {
			s.say("xmpplens: %d sessions", len(script.Sessions))
			break
		}
		s.say("xmpplens: session of %s, connection %s, %d stanzas", sess.Account, strings.Trim(fmt.Sprint(sess.Conns), "[]"), len(sess.Steps))
	}
	for _, n := range script.Notes {
		s.say("xmpplens: %s", n)
	}
	s.say("xmpplens: clients at %s must trust %s (xmpplens ca trust)", ln.Addr(), ca.Path())
	report, err := (&replay.Server{
		Script: script, Leaf: ca.Leaf, Passwords: passwords, Mechanisms: c.Mechanisms, SASL2: c.SASL2, NoTLS: c.NoTLS, Others: others,
		Expect: replay.Expect(c.Expect), Pace: replay.Pace{Speed: c.Speed, Patience: c.Patience}, Count: c.Count, Loop: c.Loop,
		Log: func(format string, args ...any) { s.say("xmpplens: "+format, args...) },
	}).Serve(ctx, ln)
	if err != nil {
		return err
	}
	return c.tell(s, report)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// readPasswords reads a file of --password-file: one password, or lines of
// address and password.
func readPasswords(file string) (replay.Passwords, error) {
	var p replay.Passwords
	if file == "" {
		return p, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return p, fmt.Errorf("--password-file: %w", err)
	}
	line, rest, _ := strings.Cut(strings.TrimRight(string(b), "\r\n"), "\n")
	line = strings.TrimRight(line, "\r")
	if first, _, lines := strings.Cut(line, " "); rest == "" && (!lines || !strings.Contains(first, "@")) {
		if p.Any = line; p.Any == "" {
			return p, fmt.Errorf("--password-file: %s is empty: the password belongs into its first line", file)
		}
		return p, nil
	}
	p.By = make(map[string]string)
	return p, readAccounts(p.By, file)
}
