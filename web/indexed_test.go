package web

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// halted is an index that comes as far as it is let: what is being indexed looks
// so from outside.
type halted struct {
	*timeline.Index
	mu         sync.Mutex
	len, known int
	reading    bool
	changed    chan struct{}
}

func (h *halted) let(len, known int, reading bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.len, h.known, h.reading = len, known, reading
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *halted) Status() timeline.Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.Index.Status()
	s.Done = h.known == s.Len
	s.Len, s.Known, s.Reading = h.len, h.known, h.reading
	return s
}

func (h *halted) Wait(ctx context.Context, enough func(timeline.Status) bool) timeline.Status {
	for {
		h.mu.Lock()
		changed := h.changed
		h.mu.Unlock()
		if s := h.Status(); s.Done || enough(s) || ctx.Err() != nil {
			return s
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

func (h *halted) Entries(from, count int) ([]*timeline.Entry, error) {
	s := h.Status()
	es, err := h.Index.Entries(from, min(count, max(0, s.Len-from+1)))
	for _, e := range es {
		if e.N > s.Known {
			e.Facts, e.Later = track.Facts{}, nil
		}
	}
	return es, err
}

// While a recording is indexed the page shows what there is from its beginning,
// jumps to the end of it, and gets the facts when they come.
func TestWhileIndexed(t *testing.T) {
	ctx := browser(t)
	path := filepath.Join(t.TempDir(), "r.jsonl")
	log, err := record.Create(path, record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	say(log, record.CS, header)
	for i := range 1000 {
		say(log, record.CS, fmt.Sprintf("<iq type='get' id='%d'><query xmlns='jabber:iq:roster'/></iq>", i))
		say(log, record.CS, "<iq type='set'><no-id/></iq>")
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := record.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	x := indexOf(t, r)
	h := &halted{Index: x, len: 2001, changed: make(chan struct{})}
	shrinks(t, h)
	h.let(500, 0, true)
	url := served(t, &Server{Source: h, Title: "r.jsonl"})

	first := `document.querySelector(".row .n")?.textContent`
	state := `document.querySelector("#state").textContent`
	do(t, ctx, chromedp.Navigate(url), until(`document.querySelectorAll(".row:not(.loading)").length > 10`), until(first+` === "1" && `+state+` === "reading"`),
		until(`document.querySelector("#counts").textContent.includes("500 entries")`))
	h.let(900, 0, true) // the list stays where it is
	do(t, ctx, until(`document.querySelector("#counts").textContent.includes("900 entries")`), until(first+` === "1"`),
		chromedp.KeyEvent(kb.End), until(`[...document.querySelectorAll(".row .n")].some(e => e.textContent === "900")`))
	h.let(2001, 0, false)
	do(t, ctx, until(`[...document.querySelectorAll(".row .n")].some(e => e.textContent === "2001")`), until(state+`.includes("0 %")`),
		chromedp.KeyEvent(kb.Home), until(first+` === "1"`), until(`!document.querySelector(".row.loading")`))
	codes := `document.querySelectorAll(".row .code").length`
	if n := get(t, ctx, chromedp.Evaluate[int](codes)); n != 0 {
		t.Errorf("%d findings before they are found", n)
	}
	// The details of an entry whose facts come are completed, too.
	do(t, ctx, run(`document.querySelectorAll(".row")[2].click()`), until(`document.querySelector("#heading").textContent.startsWith("#3 ")`))
	body := `document.querySelector("#body").textContent`
	if text := get(t, ctx, chromedp.Evaluate[string](body)); strings.Contains(text, "iq-missing-id") {
		t.Errorf("too early:\n%s", text)
	}
	h.let(2001, 5, false)
	do(t, ctx, until(codes+` === 3`), until(body+`.includes("iq-missing-id")`))
	// A filter that asks for facts looks at what is known only, another one at all.
	filter := func(text string) action {
		return run(`document.querySelector("#filter").value = ` + fmt.Sprintf("%q", text) + `; document.querySelector("#filter").dispatchEvent(new Event("input")); 0`)
	}
	do(t, ctx, filter("no-id"), until(`document.querySelector("#counts").textContent.includes("1,000 of 2,001 entries")`),
		filter("findings"), until(`document.querySelector("#counts").textContent.includes("3 of 5 entries")`))
	h.let(2001, 21, false)
	do(t, ctx, until(`document.querySelector("#counts").textContent.match(/1[0-9] of 21 entries/)`),
		filter(""), until(codes+` > 5`), until(state+`.includes("1 %")`))
	h.let(2001, 2001, false)
	do(t, ctx, until(state+` === "complete"`), until(`document.querySelectorAll(".row")[12].querySelector(".code") || document.querySelectorAll(".row")[13].querySelector(".code")`))
}

// A list that a filter chooses gets shorter with the timeline, when some of it
// turns out to be gone.
func shrinks(t *testing.T, h *halted) {
	t.Helper()
	c := newChoice()
	c.set("no-id")
	all := func() (f found) {
		for f = c.look(h, h.Status()); f.more; f = c.look(h, h.Status()) {
		}
		return f
	}
	if f := all(); f.length != 1000 || f.looked != 2001 {
		t.Errorf("%+v", f)
	}
	h.let(501, 0, false)
	if f := all(); f.length != 250 || f.looked != 501 {
		t.Errorf("of less: %+v", f)
	}
	h.let(601, 0, false)
	if f := all(); f.length != 300 || f.looked != 601 {
		t.Errorf("of more again: %+v", f)
	}
	if es, _, err := c.entries(h, 300, 1); err != nil || len(es) != 1 || es[0].N != 601 {
		t.Errorf("the last one: %v, %v", es, err)
	}
}
