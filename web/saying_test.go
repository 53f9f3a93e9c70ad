package web

import (
	"testing"

	"github.com/xmpplens/xmpplens/record/timeline"
)

func TestSay(t *testing.T) {
	some := timeline.Counts{3}
	for _, c := range []struct {
		st   timeline.Status
		list found
		want saying
	}{
		{timeline.Status{}, found{}, saying{"0 connections, 0 entries", "No entries yet. They appear here as soon as a client connects.", "live", "live", ""}},
		{timeline.Status{Len: 1, Known: 1, Conns: 1, Done: true}, found{length: 1, looked: 1}, saying{"1 connection, 1 entry", "", "done", "complete", ""}},
		{timeline.Status{Done: true}, found{}, saying{"0 connections, 0 entries", "The recording has no entries.", "done", "complete", ""}},
		{timeline.Status{Len: 1234567, Known: 617283, Conns: 2, Reading: true}, found{length: 12, looked: 2000, filtered: true}, saying{"2 connections, 12 of 2,000 entries", "", "reading", "reading", ""}},
		{timeline.Status{Len: 1000, Known: 250}, found{looked: 1000, filtered: true}, saying{"0 connections, 0 of 1,000 entries", "Nothing matches the filter.", "reading", "findings and latencies 25 %", ""}},
		{timeline.Status{Len: 3, Known: 3}, found{looked: 3, hides: true, counts: some}, saying{"0 connections, 0 of 3 entries", "All that is here is hidden: see above.", "live", "live", ""}},
		{timeline.Status{Len: 3, Known: 3}, found{looked: 3, cleared: true}, saying{"0 connections, 3 entries", "The list is cleared. What comes now is shown.", "live", "live", ""}},
	} {
		if got := inWords(c.st, c.list, "", 0); got != c.want {
			t.Errorf("%+v, want %+v", got, c.want)
		}
	}
	if got := inWords(timeline.Status{}, found{}, "breakpoint iq", 2).Armed; got != "◉ 2 held · breakpoint iq" {
		t.Error(got)
	}
}
