package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/xmpplens/xmpplens/decode/filter"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// This file is the control API; the package doc tells how it is used.

const (
	maxEntries  = 1000            // in one answer
	maxAnswer   = 32 << 20        // bytes of entries in one answer, and the entry that goes beyond
	longestLook = 2 * time.Second // for entries that match, in one request
)

func (s *Server) api(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/status", s.about(s.apiStatus))
	mux.HandleFunc("GET /api/entries", s.about(s.apiEntries))
	mux.HandleFunc("GET /api/search", s.about(s.apiSearch))
	mux.HandleFunc("GET /api/entry/{n}", s.about(s.apiEntry))
	mux.HandleFunc("GET /api/follow", s.about(s.apiFollow))
	mux.HandleFunc("GET /api/saved/{id}", s.saved)
	mux.HandleFunc("POST /api/save", s.save)
	mux.HandleFunc("POST /api/open", s.open)
	mux.HandleFunc("POST /api/compare", s.compare)
	mux.HandleFunc("POST /api/{op}", s.about(s.operate))
	mux.HandleFunc("GET /api/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, r, http.StatusNotFound, &refusal{0, "There is no " + r.Method + " " + r.URL.Path + ".", "go doc github.com/xmpplens/xmpplens/web lists what there is"})
	})
}

// about finds the recording that a request names.
func (s *Server) about(do func(http.ResponseWriter, *http.Request, *shown) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		of, done, err := s.recording(r)
		if err == nil {
			defer done()
			err = do(w, r, of)
		}
		if err != nil {
			fail(w, r, statusOf(err, http.StatusBadRequest), err)
		}
	}
}

func reply(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.Encode(v) // who is gone needs no answer
	return nil
}

// apiStatus is the answer to GET /api/status.
func (s *Server) apiStatus(w http.ResponseWriter, r *http.Request, of *shown) error {
	st := of.Status()
	s.mu.Lock()
	pages := len(s.pages)
	s.mu.Unlock()
	return reply(w, struct {
		Title   string   `json:"title"`
		Rec     string   `json:"rec,omitempty"`
		Start   string   `json:"start"`
		Total   int      `json:"total"`   // entries
		Known   int      `json:"known"`   // the first of them, whose facts are there
		Reading bool     `json:"reading"` // more of what is recorded already comes
		Conns   int      `json:"conns"`
		Done    bool     `json:"done"` // nothing more comes
		Secrets bool     `json:"secrets"`
		Pages   int      `json:"pages"` // that are open
		Trouble []string `json:"trouble"`
	}{of.title, of.rec, of.Start().Format(time.RFC3339Nano), st.Len, st.Known, st.Reading, st.Conns, st.Done, s.Secrets, pages, append([]string{}, st.Trouble...)})
}

// number reads a whole number of a query, or is what it is without.
func number(r *http.Request, name string, without int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return without, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, &refusal{http.StatusBadRequest, fmt.Sprintf("%s=%.40q is no number.", name, text), "write a whole number, from 1"}
	}
	return n, nil
}

// compiled reads a filter, nil = everything.
func compiled(source string) (*filter.Filter, error) {
	if strings.TrimSpace(source) == "" {
		return nil, nil
	}
	if len(source) > maxFilter {
		return nil, &refusal{http.StatusBadRequest, "The filter is too long.", "shorten it"}
	}
	f, err := filter.Compile(source)
	if e := (*filter.SyntaxError)(nil); errors.As(err, &e) {
		return nil, &refusal{http.StatusBadRequest, fmt.Sprintf("filter, at %d: %s", e.Column+1, e.Msg), e.Hint()}
	}
	return f, err
}

// apiEntries is the answer to GET /api/entries.
func (s *Server) apiEntries(w http.ResponseWriter, r *http.Request, of *shown) error {
	f, err := compiled(r.URL.Query().Get("filter"))
	if err != nil {
		return err
	}
	return s.window(w, r, of, f)
}

// apiSearch is the answer to GET /api/search.
func (s *Server) apiSearch(w http.ResponseWriter, r *http.Request, of *shown) error {
	q := r.URL.Query().Get("q")
	if q == "" {
		return &refusal{http.StatusBadRequest, "There is nothing to search for.", "give it with q=TEXT"}
	}
	f, err := searching(q, r.URL.Query().Get("filter"))
	if err != nil {
		return err
	}
	return s.window(w, r, of, f)
}

// window answers with up to count entries from entry number from on.
func (s *Server) window(w http.ResponseWriter, r *http.Request, of *shown, f *filter.Filter) error {
	from, err1 := number(r, "from", 1)
	count, err2 := number(r, "count", 100)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	write, err := s.format(r, of)
	if err != nil {
		return err
	}
	from, count = max(from, 1), min(count, maxEntries)
	if f == nil && (of.Status().Done || from+count-1 <= of.Status().Known) && s.same(w, r, of) {
		return nil
	}
	list, next, size := []json.RawMessage{}, from, 0
	began := time.Now()
	for len(list) < count && size < maxAnswer {
		end := of.Status().Len
		if f != nil && f.NeedsFacts() {
			end = of.Status().Known
		}
		var found int
		inTurn(func() {
			var es []*timeline.Entry
			es, err = of.Entries(next, min(atOnce, end-next+1, max(count-len(list), 1)))
			found = len(es)
			for _, e := range es {
				next = e.N + 1
				if f == nil || e.Shows(f, s.Secrets) {
					list = append(list, write(e))
					size += len(list[len(list)-1])
				}
				if size >= maxAnswer {
					break
				}
			}
		})
		if err != nil {
			return err
		}
		if found == 0 || next > end || time.Since(began) > longestLook || r.Context().Err() != nil {
			break
		}
	}
	st := of.Status()
	return reply(w, struct {
		Total   int               `json:"total"`
		Next    int               `json:"next"` // where to go on; behind Total when there is nothing more yet
		Done    bool              `json:"done"` // nothing more will come
		Entries []json.RawMessage `json:"entries"`
	}{st.Len, next, st.Done && next > st.Len, list})
}

// format is how entries are written.
func (s *Server) format(r *http.Request, of *shown) (func(*timeline.Entry) json.RawMessage, error) {
	switch f := r.URL.Query().Get("format"); f {
	case "", "json":
		o := timeline.JSONOptions{Start: of.Start(), Secrets: s.Secrets}
		return func(e *timeline.Entry) json.RawMessage { return e.JSON(nil, o) }, nil
	case "row":
		return func(e *timeline.Entry) json.RawMessage {
			b, err := json.Marshal(e.Row())
			if err != nil {
				panic(err) // strings and numbers only
			}
			return b
		}, nil
	default:
		return nil, &refusal{http.StatusBadRequest, fmt.Sprintf("There is no format %.40q.", f), "json is that of xmpplens show --format=json, row what the list shows"}
	}
}

// apiEntry is the answer to GET /api/entry/N.
func (s *Server) apiEntry(w http.ResponseWriter, r *http.Request, of *shown) error {
	n, err := strconv.Atoi(r.PathValue("n"))
	st := of.Status()
	if err != nil || n < 1 || n > st.Len {
		return &refusal{http.StatusNotFound, fmt.Sprintf("There is no entry %.40s.", r.PathValue("n")), fmt.Sprintf("there are %d, from 1", st.Len)}
	}
	write, err := s.format(r, of)
	if err != nil {
		return err
	}
	if (st.Done || n <= st.Known) && s.same(w, r, of) {
		return nil
	}
	es, err := of.Entries(n, 1)
	if err != nil {
		return err
	}
	if len(es) == 0 {
		return &refusal{http.StatusNotFound, fmt.Sprintf("Entry %d is gone.", n), "the ring holds only the last ones"}
	}
	return reply(w, write(es[0]))
}

// same says that an answer is the same whenever it is asked for, and reports
// whether the asker has it already: entries do not change once their facts are
// there. What is asked for, and of which recording, names the answer.
func (s *Server) same(w http.ResponseWriter, r *http.Request, of *shown) bool {
	st := of.Status()
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%d\n%d\n%v\n%s?%s", s.key(), of.Start(), st.Len*btoi(st.Done), len(st.Trouble), s.Secrets, r.URL.Path, r.URL.RawQuery))
	tag := `"` + hex.EncodeToString(sum[:12]) + `"`
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", "private, no-cache")
	for _, have := range strings.Split(r.Header.Get("If-None-Match"), ",") {
		if have = strings.TrimPrefix(strings.TrimSpace(have), "W/"); have == tag || have == "*" {
			w.WriteHeader(http.StatusNotModified)
			return true
		}
	}
	return false
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// apiFollow is the answer to GET /api/follow: entries as lines, those that are
// there and those that come, until the recording or the asker ends.
func (s *Server) apiFollow(w http.ResponseWriter, r *http.Request, of *shown) error {
	f, err1 := compiled(r.URL.Query().Get("filter"))
	next, err2 := number(r, "from", 0)
	write, err3 := s.format(r, of)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	if next == 0 {
		next = of.Status().Len + 1
	}
	w.Header().Set("Content-Type", "application/jsonl")
	out := newLines(w)
	if out.rc.Flush() != nil {
		return nil
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	for ctx.Err() == nil {
		// Latencies and findings come with the facts, so those are waited for.
		st := of.Wait(ctx, func(st timeline.Status) bool { return st.Known >= next })
		for next <= st.Known {
			es, err := of.Entries(next, min(atOnce, st.Known-next+1))
			if err != nil || len(es) == 0 {
				out.say(refusal{Text: fmt.Sprintf("entry %d cannot be read: %v", next, err)})
				return nil
			}
			for _, e := range es {
				next = e.N + 1
				if f != nil && !e.Shows(f, s.Secrets) {
					continue
				}
				if out.enc.Encode(write(e)) != nil {
					return nil
				}
			}
			if ctx.Err() != nil {
				return nil
			}
		}
		if out.rc.Flush() != nil || st.Done {
			return nil
		}
	}
	return nil
}

// operate answers POST /api/OP with what the page gets from the operation OP: the
// body is the request, and an answer with an error is one.
func (s *Server) operate(w http.ResponseWriter, r *http.Request, of *shown) error {
	op := r.PathValue("op")
	do := operations[op]
	if do == nil {
		return &refusal{http.StatusNotFound, fmt.Sprintf("There is no operation %.40q.", op), "go doc github.com/xmpplens/xmpplens/web lists them"}
	}
	q := request{whole: json.RawMessage("{}")}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&q)
	if big := (*http.MaxBytesError)(nil); errors.As(err, &big) {
		return &refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("The request has more than %d bytes.", big.Limit), "shorten it"}
	} else if err != nil && r.ContentLength != 0 {
		return &refusal{http.StatusBadRequest, "The request is no JSON: " + err.Error(), `send an object: {"n":12,"text":"…"}`}
	}
	b, err := json.Marshal(do(&page{server: s, source: of.Source, shown: of, chosen: s.choice()}, q))
	if err != nil {
		return err
	}
	var no refusal
	if json.Unmarshal(b, &no) == nil && no.Text != "" {
		no.status = http.StatusUnprocessableEntity
		return &no
	}
	return reply(w, json.RawMessage(b))
}
