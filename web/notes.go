package web

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// A Noter keeps what a person says about an entry, by its number, or at the end of
// the recording when that is 0. An error may have a Hint.
type Noter interface {
	Note(entry int, text string) error
}

// maxNote bounds a note, in bytes.
const maxNote = 4 << 10

// hello tells a page what it can do here.
type hello struct {
	Op      string `json:"op"`
	Notes   bool   `json:"notes"`
	Keep    bool   `json:"keep"`
	Files   bool   `json:"files"`   // it can save, open others, and compare
	Rec     string `json:"rec"`     // the id of what is shown; "" = what the viewer shows first
	Secrets bool   `json:"secrets"` // they are shown
	Live    bool   `json:"live"`    // sessions go on, in which frames can be held and injected

	// What the page shows of the kinds of entries, of the columns of the list, and of
	// the choice among them.
	Kinds   group `json:"kinds"`
	Columns group `json:"columns"`
	Menu    group `json:"menu"`

	Forms group `json:"forms"` // in which it saves a recording
}

func (s *Server) hello(of *shown) hello {
	first := of.rec == ""
	return hello{"hello", first && s.Notes != nil, first && s.Keep != nil, s.Files != nil, of.rec, s.Secrets, first && s.Intercept != nil, chips(), titles(), columnMenu(), saveForms()}
}

// noted answers a note.
type noted struct {
	Op    string `json:"op"`
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
}

// kept answers the wish to keep what a ring holds.
type kept struct {
	Op    string `json:"op"`
	File  string `json:"file,omitempty"`
	Error string `json:"error,omitempty"`
}

func (p *page) keep(request) any {
	if p.server.Keep == nil || p.shown.rec != "" {
		return kept{Op: "kept", Error: "there is no ring"}
	}
	file, err := p.server.Keep()
	if err != nil {
		return kept{Op: "kept", Error: err.Error()}
	}
	return kept{Op: "kept", File: file}
}

func (p *page) note(q request) any {
	var want struct{ Text string }
	q.into(&want)
	out := noted{Op: "noted"}
	if q.N == 0 && q.At > 0 {
		q.N = p.chosen.number(q.At)
	}
	var err error
	if p.shown.rec != "" {
		err = errors.New("nothing can be added to a recording that was opened here")
	} else {
		err = p.server.note(q.N, strings.TrimSpace(want.Text))
	}
	if err != nil {
		out.Error = err.Error()
		if h := (interface{ Hint() string })(nil); errors.As(err, &h) {
			out.Hint = h.Hint()
		}
	}
	return out
}

func (s *Server) note(n int, text string) error {
	switch {
	case s.Notes == nil:
		return errors.New("nothing can be added to this recording")
	case text == "":
		return errors.New("a note needs a text")
	case len(text) > maxNote:
		return fmt.Errorf("the note has %d bytes, more than %d", len(text), maxNote)
	case !utf8.ValidString(text):
		return errors.New("the note is not UTF-8")
	case n < 0 || n > s.Source.Status().Len:
		return fmt.Errorf("there is no entry %d", n)
	}
	if err := s.Notes.Note(n, text); err != nil {
		return err
	}
	s.pokeAll() // those who believe that nothing more comes
	return nil
}

// pokeAll has all pages look again.
func (s *Server) pokeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range s.pages {
		p.chosen.poke()
	}
}

// enter and leave keep the list of pages. There may be too many.
func (s *Server) enter(p *page) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pages) >= maxPages {
		return false
	}
	if s.pages == nil {
		s.pages = make(map[*page]struct{})
	}
	s.pages[p] = struct{}{}
	return true
}

func (s *Server) leave(p *page) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pages, p)
}

// changes is closed by the next poke.
func (c *choice) changes() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// poke makes wait return.
func (c *choice) poke() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.changed)
	c.changed = make(chan struct{})
}
