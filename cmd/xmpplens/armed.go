package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/xmpplens/xmpplens/proxy"
	"github.com/xmpplens/xmpplens/proxy/rule"
	"github.com/xmpplens/xmpplens/proxy/rule/script"
	"github.com/xmpplens/xmpplens/proxy/session"
	"github.com/xmpplens/xmpplens/record"
)

// armed are the flags that change what passes. Nothing is armed unless one of them
// is given, or somebody asks for it while the proxy runs.
type armed struct {
	Rules     []string      `sep:"none" placeholder:"FILE" type:"path" help:"Rules (YAML) of what to hold, change, delay, drop, answer, cut; read again when the file changes; may be given several times."`
	Rule      []string      `sep:"none" placeholder:"RULE" help:"A rule in one line: 'drop if EXPR', 'delay 2s if EXPR', 'answer service-unavailable if EXPR'; may be given several times."`
	Scenario  []string      `placeholder:"NAME" help:"Something that servers and networks do, ready made: lost-acks, server-restart, half-open, …; help lists them."`
	Script    []string      `sep:"none" placeholder:"FILE" type:"path" help:"A script (Starlark) with on_stanza(s), for what rules cannot say; read again when the file changes; may be given several times."`
	Pause     string        `placeholder:"EXPR" help:"Hold what matches until somebody decides, or its time is over."`
	HoldLimit time.Duration `default:"1m" placeholder:"TIME" help:"After how long a frame that is held passes (${default})."`
	Seed      uint64        `placeholder:"N" help:"Where chance begins: with the same number the same traffic has the same fate; without it a file of rules can say one."`

	set     *rule.Set
	scripts []*script.Script
	files   []*watched
	proxy   *proxy.Proxy
	log     *record.Log
	say     func(format string, args ...any)
}

// watched is a file that is read again when it changes.
type watched struct {
	path string
	seen []byte // what it held
	read func(text []byte) error
}

// maxWatched bounds what is read of a file, in bytes.
const maxWatched = 8 << 20

// any reports whether something is to be armed.
func (a *armed) any() bool {
	return len(a.Rules)+len(a.Rule)+len(a.Scenario)+len(a.Script) > 0 || a.Pause != ""
}

// compile reads everything, and returns all that is wrong with it.
func (a *armed) compile() (errs []error) {
	a.set = &rule.Set{Seed: a.Seed}
	if a.Pause != "" {
		if r, err := rule.Pause("pause", a.Pause); err != nil {
			errs = append(errs, fmt.Errorf("--pause: %w", err))
		} else {
			errs = append(errs, a.set.Add("--pause", r))
		}
	}
	wrong := false
	for _, line := range a.Rule {
		r, err := rule.ParseLine(line)
		if err == nil {
			err = a.set.Add("--rule", r)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("--rule %q: %w", line, err))
			wrong = true
		}
	}
	if wrong {
		errs = append(errs, fmt.Errorf("a rule of --rule is written like this:\n%s", rule.LineForm))
	}
	for _, name := range a.Scenario {
		s, err := rule.FindScenario(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("--scenario: %w", err))
			continue
		}
		rules, err := s.Rules()
		if err == nil {
			err = a.set.Replace("scenario "+name, rules)
		}
		errs = append(errs, err)
	}
	for _, path := range a.Rules {
		errs = append(errs, a.watch(path, func(text []byte) error {
			rules, err := rule.Parse(path, text)
			if err != nil {
				return err
			}
			return a.set.Replace(path, rules)
		}))
	}
	for i, path := range a.Script {
		a.scripts = append(a.scripts, nil)
		errs = append(errs, a.watch(path, func(text []byte) error {
			s, err := script.Compile(filepath.Base(path), text, script.Options{Seed: a.Seed, Say: a.note})
			if err == nil {
				a.scripts[i] = s
				a.armScript(i)
			}
			return err
		}))
	}
	return errs
}

// watch reads a file for the first time.
func (a *armed) watch(path string, read func([]byte) error) error {
	w := &watched{path: path, read: read}
	a.files = append(a.files, w)
	text, err := readWatched(path)
	if err != nil {
		return err
	}
	w.seen = text
	return read(text)
}

func readWatched(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxWatched {
		return nil, fmt.Errorf("%s has more than %d bytes", path, maxWatched)
	}
	return os.ReadFile(path)
}

// note is what a script says where there is no stanza.
func (a *armed) note(conn int, level, text string) {
	if a.log != nil {
		a.log.Append(record.Event{C: conn, E: record.EventNote, Level: level, Text: text, By: "script"})
	}
}

// what says what is armed, in words; "" when nothing is.
func (a *armed) what() string {
	var out []string
	on := make(map[string]int) // rules, by where they come from
	for _, st := range a.set.List() {
		if st.On {
			on[st.Source]++
		}
	}
	if n := on["--rule"]; n > 0 {
		out = append(out, plural(n, "rule")+" of the command line")
	}
	for _, s := range a.Scenario {
		if on["scenario "+s] > 0 {
			out = append(out, "scenario "+s)
		}
	}
	for _, path := range a.Rules {
		if n := on[path]; n > 0 {
			out = append(out, fmt.Sprintf("%s in %s", plural(n, "rule"), filepath.Base(path)))
		}
	}
	for _, path := range a.Script {
		out = append(out, "script "+filepath.Base(path))
	}
	if on["--pause"] > 0 {
		out = append(out, "pause "+a.Pause)
	}
	return strings.Join(out, ", ")
}

// start arms the proxy, whose log is open now, and looks after the files until stop
// is called.
func (a *armed) start(p *proxy.Proxy, say func(string, ...any)) (stop func()) {
	a.proxy, a.log, a.say = p, p.Log, say
	a.set.Changed = a.armRules
	a.armRules(a.set.On())
	for i := range a.scripts {
		a.armScript(i)
	}
	if !a.any() {
		return func() {}
	}
	say("xmpplens: armed: %s", a.what())
	a.log.Append(record.Event{E: record.EventNote, Text: "armed: " + a.what(), By: "proxy"})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	if len(a.files) > 0 {
		wg.Go(func() { a.follow(ctx) })
	}
	return func() {
		cancel()
		wg.Wait()
		a.sum()
	}
}

// armRules has the proxy ask the rules as long as one of them is on.
func (a *armed) armRules(on int) {
	switch {
	case a.proxy == nil:
	case on == 0:
		a.proxy.Arm("rules", nil)
	default:
		a.proxy.Arm("rules", func(conn int) session.Judge { return a.set.Judge(conn, nil) })
	}
}

func (a *armed) armScript(i int) {
	if s := a.scripts[i]; s != nil && a.proxy != nil {
		a.proxy.Arm("script "+a.Script[i], func(conn int) session.Judge { return s.Judge(conn, nil) })
	}
}

// lookAgain is how often files are looked at.
const lookAgain = 300 * time.Millisecond

// follow reads files again that have changed. One with mistakes leaves in force
// what it said before.
func (a *armed) follow(ctx context.Context) {
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, w := range a.files {
			text, err := readWatched(w.path)
			if err != nil || bytes.Equal(text, w.seen) {
				continue // an editor that writes anew takes it away for a moment
			}
			w.seen = text
			level, line := "", "read again: "+w.path
			if err := w.read(text); err != nil {
				level, line = "warning", w.path+" has mistakes, what it said before stays in force:\n"+err.Error()
			}
			a.say("xmpplens: %s", line)
			a.log.Append(record.Event{E: record.EventNote, Level: level, Text: line, By: "proxy"})
		}
	}
}

// sum says what the rules did.
func (a *armed) sum() {
	for _, st := range a.set.List() {
		if st.Matched == 0 {
			a.say("xmpplens: rule %s: nothing matched", st.Name)
			continue
		}
		a.say("xmpplens: rule %s: fired %d of %d times", st.Name, st.Fired, st.Matched)
	}
}

// check reports all that is wrong with the flags.
func (a *armed) check(tap bool) []error {
	errs := slices.DeleteFunc(a.compile(), func(err error) bool { return err == nil })
	if a.HoldLimit < 0 {
		errs = append(errs, fmt.Errorf("--hold-limit=%v: a time has no sign, like 30s or 10m", a.HoldLimit))
	}
	if tap && a.any() {
		errs = append(errs, errors.New("--tap and --rules, --rule, --scenario, --script, --pause do not go together: nothing is altered"))
	}
	return errs
}

// asksHelp reports whether the scenarios are to be listed.
func (a *armed) asksHelp() bool {
	for _, s := range a.Scenario {
		if s == "help" || s == "list" {
			return true
		}
	}
	return false
}

// scenarioCmd lists what --scenario knows, or prints one of them.
type scenarioCmd struct {
	Name string `arg:"" optional:"" help:"Print the rules of this one, to change them."`
}

func (scenarioCmd) Examples() string {
	return `  xmpplens scenario                                what there is
  xmpplens scenario lost-acks > mine.yaml          its rules, to make your own of them
  xmpplens proxy --scenario=lost-acks example.org  play it`
}

func (c *scenarioCmd) Run(s *streams) error {
	if c.Name == "" {
		return listScenarios(s)
	}
	sc, err := rule.FindScenario(c.Name)
	if err != nil {
		return &usageError{err, "xmpplens scenario lists them"}
	}
	_, err = fmt.Fprint(s.stdout, sc.Source)
	return err
}

func listScenarios(s *streams) error {
	for _, sc := range rule.Scenarios() {
		if _, err := fmt.Fprintf(s.stdout, "%s (%s)\n%s%s\n", sc.Name, sc.Ref, paragraph("    ", sc.About), paragraph("    what should come: ", sc.Expect)); err != nil {
			return err
		}
	}
	return nil
}

// paragraph breaks text into lines behind what it begins with.
func paragraph(first, text string) string {
	const width = 96
	var b strings.Builder
	line := first
	for _, w := range strings.Fields(text) {
		if len([]rune(line))+len([]rune(w)) > width {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = "    "
		}
		line += w + " "
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
	return b.String()
}
