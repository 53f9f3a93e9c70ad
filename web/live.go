package web

import (
	"compress/flate"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/xmpplens/xmpplens/record/timeline"
)

const (
	maxWindow    = 500                   // rows in one answer
	maxRequest   = 1 << 20               // bytes of a request: a frame of maxHeld, with all of its letters escaped
	maxFilter    = 32 << 10              // bytes of a filter
	pace         = 50 * time.Millisecond // between two status messages,
	slowPace     = 8 * pace              // and when there are more entries than anybody can read:
	readable     = 40                    // in one pace
	patience     = 30 * time.Second      // with a viewer that does not answer a ping
	writeTimeout = 10 * time.Second
	beat         = 5 * time.Second // between two signs of life to the page
	compressed   = 1 << 10         // bytes of a message from which on it is compressed; see BenchmarkCompression
)

// request is what the page asks for. An operation that needs more than the
// place or the number of an entry reads it by itself, with into.
type request struct {
	Op    string
	At, N int // a place of the list, the number of an entry
	whole json.RawMessage
}

func (q *request) UnmarshalJSON(b []byte) error {
	type plain request
	q.whole = slices.Clone(b)
	return json.Unmarshal(b, (*plain)(q))
}

// into reads all that was asked into v. What does not fit is as if it was not
// there: the answer to nothing is empty.
func (q *request) into(v any) { _ = json.Unmarshal(q.whole, v) }

// operations answers what the page asks, by Op. The answer has the field "op".
var operations = map[string]func(*page, request) any{
	"rows":      (*page).rows,
	"entry":     (*page).entry,
	"filter":    (*page).filter,
	"head":      (*page).head,
	"density":   (*page).density,
	"keep":      (*page).keep,
	"note":      (*page).note,
	"hide":      (*page).hide,
	"place":     (*page).place,
	"ladder":    (*page).ladder,
	"follow":    (*page).follow,
	"clear":     (*page).clear,
	"beat":      (*page).beat,
	"piece":     (*page).piece,
	"copy":      (*page).copy,
	"overview":  (*page).overview,
	"complete":  (*page).complete,
	"values":    (*page).values,
	"refine":    (*page).refine,
	"search":    (*page).search,
	"sessions":  (*page).sessions,
	"held":      (*page).held,
	"decide":    (*page).decide,
	"inject":    (*page).inject,
	"arm":       (*page).arm,
	"rules":     (*page).rules,
	"desk":      (*page).desk,
	"check":     (*page).check,
	"templates": (*page).templates,
}

// patient are the operations that wait for something else than the processor.
// The others are short, see inTurn.
var patient = map[string]bool{"keep": true, "note": true}

// status tells the page how far the timeline is. It is pushed, the rest is
// pulled: a page that lost its connection asks for the numbers that it lacks.
type status struct {
	Op      string   `json:"op"`
	Title   string   `json:"title"`
	Start   string   `json:"start"`
	Len     int      `json:"len"`   // of the list
	Total   int      `json:"total"` // of the timeline
	Known   int      `json:"known"` // the first of them, whose facts are there
	Reading bool     `json:"reading"`
	Conns   int      `json:"conns"`
	Done    bool     `json:"done"`
	Trouble []string `json:"trouble"`
	Filter  int      `json:"filter"` // which filter the list is of; rows and entries tell, too
	Looked  int      `json:"looked"` // entries that the filter has looked at

	Classes timeline.Counts `json:"classes"` // entries that match, of each class, hidden or not

	Says  saying `json:"says"`
	Armed string `json:"armed"` // what may change or hold frames, in words; "" = nothing does
	Held  int    `json:"held"`  // frames that wait for somebody to decide
}

type rows struct {
	Op     string         `json:"op"`
	Filter int            `json:"filter"`
	Known  int            `json:"known"` // entries behind that one may get facts
	From   int            `json:"from"`
	Rows   []timeline.Row `json:"rows"`
	Error  string         `json:"error,omitempty"`
}

// upgrader checks no origin: the handler in front has done it.
var upgrader = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }, EnableCompression: true}

// live serves one page. Two goroutines end with it: one pushes the status and
// pings, this one answers.
func (s *Server) live(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	of, done, err := s.recording(r)
	if err != nil {
		fail(w, r, statusOf(err, http.StatusNotFound), err)
		return
	}
	defer done()
	p := &page{server: s, source: of.Source, shown: of, chosen: s.choice()}
	if !s.enter(p) {
		fail(w, r, http.StatusServiceUnavailable, &refusal{0, "Too many pages are open.", "close some"})
		return
	}
	defer s.leave(p)
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	p.ws = ws
	ws.SetCompressionLevel(flate.BestSpeed)
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { ws.Close() })
	p.send(s.hello(of)) // a failure is seen by those who follow
	var wg sync.WaitGroup
	wg.Go(func() { p.push(ctx); cancel() })
	wg.Go(func() { p.ping(ctx); cancel() })
	p.answer()
	cancel()
	stop()
	ws.Close()
	wg.Wait()
}

func (s *Server) wait() time.Duration {
	if s.patience > 0 {
		return s.patience
	}
	return patience
}

// page is one viewer's connection. Nothing waits in a queue for it: what is pushed
// are counts, the newest when the last ones have gone out, and the next request is
// read when the last one is answered. Who is slow gets less.
type page struct {
	server *Server
	source Source     // what it shows
	shown  *shown     // the same, with its name
	mu     sync.Mutex // guards writing
	ws     *websocket.Conn
	chosen *choice
	words  vocabulary // of answer
}

func (p *page) send(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ws.SetWriteDeadline(time.Now().Add(writeTimeout))
	p.ws.EnableWriteCompression(len(b) >= compressed)
	return p.ws.WriteMessage(websocket.TextMessage, b)
}

// push tells the page how far the timeline is, and what of it matches.
func (p *page) push(ctx context.Context) {
	before := p.source.Status().Len
	for ctx.Err() == nil {
		changed := p.chosen.changes() // from here on: a poke while the page rests is not lost
		st := p.source.Status()
		found := p.chosen.look(p.source, st)
		armed, held := p.armed()
		if p.send(status{"status", p.shown.title, p.source.Start().Format(time.RFC3339Nano), found.length, st.Len, st.Known, st.Reading, st.Conns, st.Done, st.Trouble, found.generation, found.looked, found.counts, inWords(st, found, armed, held), armed, held}) != nil {
			return
		}
		if found.more {
			continue
		}
		rest := pace
		if st.Len-before > readable {
			rest = slowPace
		}
		before = st.Len
		wait := time.NewTimer(rest)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
		}
		p.chosen.wait(ctx, p.source, st, found.generation, changed)
	}
}

// ping asks for signs of life, and gives them: a page cannot see pings.
func (p *page) ping(ctx context.Context) {
	tick, alive := time.NewTicker(p.server.wait()/3), time.NewTicker(beat)
	defer tick.Stop()
	defer alive.Stop()
	for {
		select {
		case <-tick.C:
			if p.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeTimeout)) != nil {
				return
			}
		case <-alive.C:
			if p.send(struct {
				Op string `json:"op"`
			}{"beat"}) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// answer reads requests until the page goes, or shows no sign of life.
func (p *page) answer() {
	alive := func(string) error { return p.ws.SetReadDeadline(time.Now().Add(p.server.wait())) }
	p.ws.SetReadLimit(maxRequest)
	p.ws.SetPongHandler(alive)
	alive("")
	for {
		var q request
		if err := p.ws.ReadJSON(&q); err != nil {
			if t, ok := err.(interface{ Timeout() bool }); ok && t.Timeout() && p.server.Say != nil {
				p.server.Say("xmpplens: the viewer at %s reads nothing and was cut off; the proxied sessions are not touched", p.ws.RemoteAddr())
			}
			return
		}
		alive("")
		do := operations[q.Op]
		if do == nil {
			continue
		}
		var v any
		if patient[q.Op] {
			v = do(p, q)
		} else {
			inTurn(func() { v = do(p, q) })
		}
		if p.send(v) != nil {
			return
		}
	}
}

// rows answers with Count rows from place From of the list on.
func (p *page) rows(q request) any {
	var want struct {
		From, Count int
		Draw        bool
	}
	q.into(&want)
	from, count := max(want.From, 1), min(want.Count, maxWindow)
	known := p.source.Status().Known
	if want.Draw {
		return p.drawRows(from, count)
	}
	entries, generation, err := p.chosen.entries(p.source, from, count)
	out := rows{Op: "rows", Filter: generation, Known: known, From: from, Rows: []timeline.Row{}}
	for _, e := range entries {
		out.Rows = append(out.Rows, e.Row())
	}
	if err != nil {
		out.Error = err.Error()
	}
	return out
}

// filter makes the list that of Expr.
func (p *page) filter(q request) any {
	var want struct{ Expr string }
	q.into(&want)
	return p.chosen.set(want.Expr)
}
