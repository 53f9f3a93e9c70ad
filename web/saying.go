package web

import (
	"fmt"

	"github.com/xmpplens/xmpplens/record/timeline"
)

// saying is a status in words, for the head of the page.
type saying struct {
	Counts string `json:"counts"`
	Empty  string `json:"empty"` // why the list has no rows; "" = it has some
	State  string `json:"state"` // reading, live or done
	Word   string `json:"word"`  // the same for people
	Armed  string `json:"armed"`
}

func inWords(st timeline.Status, list found, armed string, held int) saying {
	out := saying{Counts: many(st.Len, "entry", "entries"), Armed: armed}
	if list.filtered || list.hides {
		out.Counts = thousands(list.length) + " of " + many(min(list.looked, st.Len), "entry", "entries")
	}
	out.Counts = many(st.Conns, "connection", "connections") + ", " + out.Counts
	if held > 0 {
		out.Armed = fmt.Sprintf("%s held · %s", thousands(held), armed)
	}
	if out.Armed != "" {
		out.Armed = "◉ " + out.Armed
	}
	switch {
	case list.length > 0:
	case list.hides && list.counts != timeline.Counts{}:
		out.Empty = "All that is here is hidden: see above."
	case list.cleared:
		out.Empty = "The list is cleared. What comes now is shown."
	case list.filtered && st.Len > 0:
		out.Empty = "Nothing matches the filter."
	case st.Done:
		out.Empty = "The recording has no entries."
	default:
		out.Empty = "No entries yet. They appear here as soon as a client connects."
	}
	switch {
	case st.Reading:
		out.State, out.Word = "reading", "reading"
	case st.Known < st.Len:
		out.State, out.Word = "reading", fmt.Sprintf("findings and latencies %d %%", 100*st.Known/st.Len)
	case st.Done:
		out.State, out.Word = "done", "complete"
	default:
		out.State, out.Word = "live", "live"
	}
	return out
}
