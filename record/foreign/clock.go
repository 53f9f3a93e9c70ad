package foreign

import (
	"bytes"
	"regexp"
	"strings"
	"time"
)

// A clock reads the times of a log. Where a line has no date, or no year, the
// file's is taken, which is that of its last line.
type clock struct {
	modified time.Time
	zone     *time.Location
	last     time.Time
	days     int // midnights that have passed, of a log without dates
	guessed  string
}

func newClock(modified time.Time, zone *time.Location) clock {
	if zone == nil {
		zone = time.Local
	}
	return clock{modified: modified.In(zone), zone: zone}
}

// stamps are the forms of time that are read, with what is missing in them.
var stamps = []struct {
	form    *regexp.Regexp
	layouts []string
	lacks   string
}{
	{regexp.MustCompile(`^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d([.,]\d+)?(Z|[+-]\d\d:?\d\d)?`), []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05"}, ""},
	{regexp.MustCompile(`^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d`), []string{"Jan _2 15:04:05"}, "year"},
	{regexp.MustCompile(`^[A-Z][a-z]{2} \d{1,2}, \d{4},? \d{1,2}:\d\d:\d\d [AP]M`), []string{"Jan 2, 2006 3:04:05 PM", "Jan 2, 2006, 3:04:05 PM"}, ""},
	{regexp.MustCompile(`^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}`), []string{"Mon Jan _2 15:04:05 2006"}, ""},
	{regexp.MustCompile(`^[A-Z][a-z]{2} \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d( [AP]M)?`), []string{"Mon 02 Jan 2006 15:04:05", "Mon 02 Jan 2006 03:04:05 PM"}, ""},
	{regexp.MustCompile(`^\d\d-\d\d \d\d:\d\d:\d\d([.,]\d+)?`), []string{"01-02 15:04:05"}, "year"},
	{regexp.MustCompile(`^\d\d:\d\d:\d\d([.,]\d+)?`), []string{"15:04:05"}, "date"},
}

// begin reads the time that a line begins with, zero if it begins with none, and
// returns the rest of the line.
func (c *clock) begin(line []byte) (time.Time, []byte) {
	b := bytes.TrimLeft(line, "[(")
	if len(b) < 8 || !(b[0] >= '0' && b[0] <= '9' || b[0] >= 'A' && b[0] <= 'Z') {
		return time.Time{}, line
	}
	for _, s := range stamps {
		m := s.form.Find(b[:min(len(b), 48)])
		if m == nil {
			continue
		}
		text, fraction := splitFraction(string(m))
		if len(text) > 10 && text[4] == '-' {
			text = text[:10] + "T" + text[11:]
		}
		for _, layout := range s.layouts {
			if t, err := time.ParseInLocation(layout, text, c.location()); err == nil {
				t = c.complete(t, s.lacks).Add(fraction)
				c.last = t
				return t, bytes.TrimLeft(b[len(m):], "])")
			}
		}
	}
	return time.Time{}, line
}

func (c *clock) location() *time.Location {
	if c.zone == nil {
		return time.UTC
	}
	return c.zone
}

// splitFraction takes the parts of a second out of a time: some write a comma, and
// any number of digits.
func splitFraction(s string) (string, time.Duration) {
	at := strings.IndexAny(s, ".,")
	if at < 8 || at+1 >= len(s) || s[at+1] == ' ' || s[at-3] != ':' {
		return s, 0
	}
	end := at + 1
	var ns, unit time.Duration = 0, time.Second
	for ; end < len(s) && s[end] >= '0' && s[end] <= '9'; end++ {
		if unit /= 10; unit > 0 {
			ns += unit * time.Duration(s[end]-'0')
		}
	}
	return s[:at] + s[end:], ns
}

// complete adds what is missing.
func (c *clock) complete(t time.Time, lacks string) time.Time {
	switch lacks {
	case "year":
		c.guessed = "the log has no years: that of the file is taken"
		t = t.AddDate(c.modified.Year()-t.Year(), 0, 0)
		if t.After(c.modified.AddDate(0, 0, 1)) {
			t = t.AddDate(-1, 0, 0)
		}
	case "date":
		c.guessed = "the log has no dates: that of the file is taken for its first line"
		y, m, d := c.modified.Date()
		t = time.Date(y, m, d+c.days, t.Hour(), t.Minute(), t.Second(), 0, c.location())
		if !c.last.IsZero() && c.last.Sub(t) > 12*time.Hour {
			c.days++
			t = t.AddDate(0, 0, 1)
		}
	}
	return t
}
