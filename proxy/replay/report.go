package replay

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// The kinds of differences.
const (
	Missing    = "missing"    // it was recorded, and never came
	Order      = "order"      // it came before something that it was recorded behind
	Extra      = "extra"      // it came, and is not in the recording
	Unanswered = "unanswered" // the recording has the question and no answer to it
	Answer     = "answer"     // another answer than the recorded one
	Broken     = "broken"     // the session ended for another reason than recorded
)

// A Difference between the recording and what happened.
type Difference struct {
	Kind  string
	N     int    // of the recorded entry; 0 = there is none
	Text  string // with the stanza in words
	Fails bool   // it counts against the expectation
}

// maxDifferences bounds what is listed of one session.
const maxDifferences = 1000

// A Result is how one session went.
type Result struct {
	Number   int    // of the recorded session, from 1; 0 = none was found for it
	Account  string // that was live
	Conns    []int  // of the recording
	Expected int    // how many stanzas of the peer were recorded
	Met      int    // and how many of them came
	Said     int    // stanzas that were played
	Took     time.Duration

	Differences []Difference
	More        int // differences beyond those
	fails       int
	met         []int // entries that came as recorded, for JUnit; at most maxCases
	latency     histogram
}

func (r *Result) differ(kind string, n int, fails bool, format string, args ...any) {
	if fails {
		r.fails++
	}
	if len(r.Differences) == maxDifferences {
		r.More++
		return
	}
	r.Differences = append(r.Differences, Difference{kind, n, fmt.Sprintf(format, args...), fails})
}

// maxCases bounds the test cases of one session in JUnit.
const maxCases = 10_000

func (r *Result) meet(n int) {
	r.Met++
	if len(r.met) < maxCases {
		r.met = append(r.met, n)
	}
}

// Failed reports whether something counts against the expectation.
func (r *Result) Failed() bool { return r.fails > 0 }

// maxResults bounds the sessions that are told one by one; the sums go on.
const maxResults = 1000

// A Report is what a replay found out. It is safe for concurrent use.
type Report struct {
	File  string
	Notes []string

	mu       sync.Mutex
	results  []*Result // guarded by mu, like the sums
	sessions int
	failed   int
	said     int
	met      int
	unplayed []string
	latency  histogram
	began    time.Time
	ended    time.Time
}

func (r *Report) add(s *Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sessions++
	r.said += s.Said
	r.met += s.Met
	r.latency.merge(&s.latency)
	if s.Failed() {
		r.failed++
	}
	if len(r.results) < maxResults {
		r.results = append(r.results, s)
	}
}

// unplay remembers a session that nobody came for.
func (r *Report) unplay(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unplayed = append(r.unplayed, fmt.Sprintf(format, args...))
}

// Failed reports whether something counts against the expectation.
func (r *Report) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed > 0 || len(r.unplayed) > 0
}

// Results returns the sessions so far, in the order in which they ended.
func (r *Report) Results() []*Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.results)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// WriteText prints the report for people.
func (r *Report) WriteText(w io.Writer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	for _, s := range r.results {
		if s.Number == 0 {
			fmt.Fprintf(&b, "%s: ", s.Account)
		} else {
			fmt.Fprintf(&b, "session %d (%s %s) as %s: %d of %s came, %s said, %s\n", s.Number, map[bool]string{true: "connection", false: "connections"}[len(s.Conns) == 1],
				strings.Trim(fmt.Sprint(s.Conns), "[]"), s.Account, s.Met, plural(s.Expected, "recorded stanza", "recorded stanzas"), plural(s.Said, "stanza", "stanzas"), s.Took.Round(time.Millisecond))
		}
		for _, d := range s.Differences {
			mark := " "
			if d.Fails {
				mark = "!"
			}
			where := ""
			if d.N > 0 {
				where = fmt.Sprintf("entry %d: ", d.N)
			}
			fmt.Fprintf(&b, "%s %-10s %s%s\n", mark, d.Kind, where, d.Text)
		}
		if s.More > 0 {
			fmt.Fprintf(&b, "  and %d more\n", s.More)
		}
	}
	if r.sessions > len(r.results) {
		fmt.Fprintf(&b, "and %s more\n", plural(r.sessions-len(r.results), "session", "sessions"))
	}
	for _, u := range r.unplayed {
		fmt.Fprintf(&b, "! %-10s %s\n", Missing, u)
	}
	if took := r.ended.Sub(r.began).Seconds(); r.sessions > 1 && took > 0 {
		fmt.Fprintf(&b, "%d sessions in %.1f s: %.1f stanzas/s said, %.1f/s came", r.sessions, took, float64(r.said)/took, float64(r.met)/took)
		if r.latency.n > 0 {
			fmt.Fprintf(&b, "; answers after %s (median), %s (95 %%), %s (longest)", r.latency.at(0.5), r.latency.at(0.95), r.latency.max.Round(10*time.Microsecond))
		}
		b.WriteString("\n")
	}
	switch {
	case r.failed > 0 || len(r.unplayed) > 0:
		fails := len(r.unplayed)
		for _, s := range r.results {
			fails += s.fails
		}
		fmt.Fprintf(&b, "replay: %s\n", plural(fails, "difference", "differences"))
	case r.sessions == 0:
		b.WriteString("replay: nobody came\n")
	default:
		b.WriteString("replay: as recorded\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Failure *junitFailure `xml:"failure,omitempty"`
	}
	junitFailure struct {
		Type    string `xml:"type,attr"`
		Message string `xml:"message,attr"`
	}
)

// WriteJUnit writes the report in the form that CI systems read: a suite a
// session, a case a recorded stanza.
func (r *Report) WriteJUnit(w io.Writer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var doc junitSuites
	for _, s := range r.results {
		suite := junitSuite{Name: fmt.Sprintf("%s: session %d as %s", r.File, s.Number, printable(s.Account)), Time: fmt.Sprintf("%.3f", s.Took.Seconds())}
		class := fmt.Sprintf("session%d", s.Number)
		failed := make(map[int]bool)
		for _, d := range s.Differences {
			if !d.Fails {
				continue
			}
			failed[d.N] = true
			name := d.Kind
			if d.N > 0 {
				name = fmt.Sprintf("entry %d", d.N)
			}
			suite.Cases = append(suite.Cases, junitCase{class, name, &junitFailure{d.Kind, printable(d.Text)}})
		}
		suite.Failures = len(suite.Cases)
		for _, n := range s.met {
			if !failed[n] {
				suite.Cases = append(suite.Cases, junitCase{class, fmt.Sprintf("entry %d", n), nil})
			}
		}
		suite.Tests = len(suite.Cases)
		doc.Suites = append(doc.Suites, suite)
	}
	if len(r.unplayed) > 0 {
		suite := junitSuite{Name: r.File, Tests: len(r.unplayed), Failures: len(r.unplayed), Time: "0"}
		for _, u := range r.unplayed {
			suite.Cases = append(suite.Cases, junitCase{"sessions", "unplayed", &junitFailure{Missing, printable(u)}})
		}
		doc.Suites = append(doc.Suites, suite)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// printable keeps what XML 1.0 allows; bytes that are no UTF-8 become �, too.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			return '�'
		}
		return r
	}, s)
}
