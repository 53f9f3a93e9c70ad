package web

// A listColumn is one of the list. The page takes away those that are kept least where there
// is no room; the summary has no width, but what is left.
type listColumn struct {
	id, title   string
	words       string // for the title, where it is short
	width, keep int    // pixels; what is kept longer has more
}

var columns = []listColumn{
	{"n", "No.", "Number", 62, 5},
	{"time", "Time", "Time", 94, 9},
	{"conn", "Conn", "Connection", 40, 7},
	{"dir", "⇄", "Direction", 16, 10},
	{"kind", "Kind", "Kind", 76, 6},
	{"text", "Summary", "Summary", 0, 0},
	{"xep", "XEP", "XEP", 72, 1},
	{"codes", "Findings", "Findings", 130, 2},
	{"took", "Latency", "Latency", 66, 4},
	{"size", "Size", "Size", 62, 3},
}

// titles draws the titles, with grips to change the width: on the side of the
// summary, which gives way.
func titles() (out group) {
	for i, c := range columns {
		a := attrs{"role": "columnheader", "aria-colindex": i + 1, "aria-label": c.words, "title": c.words}
		var grip any
		if c.width > 0 {
			a["data-width"], a["data-keep"], grip = c.width, c.keep, el("i.grip")
		}
		out = append(out, el("span."+c.id, a, c.title, grip))
	}
	return out
}

// columnMenu draws what can be chosen of the columns; the page knows what is.
func columnMenu() group {
	lines := group{el("legend", "Columns and their widths")}
	for _, c := range columns {
		if c.width > 0 {
			lines = append(lines, el("div.wide", el("label", el("input", attrs{"type": "checkbox", "name": "col-" + c.id, "data-of": c.id}), c.words),
				el("input", attrs{"type": "range", "min": 16, "max": 240, "step": 2, "aria-label": "Width of " + c.words, "data-of": c.id})))
		}
	}
	choice := func(title, name string, all ...string) drawn {
		out := group{el("legend", title)}
		for i := 0; i < len(all); i += 2 {
			out = append(out, el("label", el("input", attrs{"type": "radio", "name": name, "value": all[i]}), all[i+1]))
		}
		return el("fieldset", out)
	}
	return group{el("fieldset", lines), choice("Time", "time", "clock", "Time of day", "start", "Since start", "before", "Since previous"),
		choice("Colour by", "hue", "kind", "Kind", "conn", "Connection", "none", "None")}
}
