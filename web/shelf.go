package web

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/xmpplens/xmpplens/decode/filter"
)

// A Filer makes recordings of files, and files of recordings. The recording with
// the path "" is the one that the Server shows first, as it is at that moment.
type Filer interface {
	// Open makes a recording of files that are in dir, which it may use for more.
	Open(ctx context.Context, dir string, names []string) (*Opened, error)
	// Save writes the recording of to the file to; pass and bytes tell how far.
	Save(ctx context.Context, of, to string, form Form, progress func(pass int, bytes int64)) error
	// Compare compares two recordings; dir is for what it needs meanwhile.
	Compare(ctx context.Context, dir string, a, b Named) (*SideBySide, func(), error)
}

// Named is the path of a recording with the name that people know it by.
type Named struct{ Path, Name string }

// Form is how a recording is saved. Exact keeps every byte, and all secrets with
// them; Page makes one HTML page of what the filter chooses, with secrets masked
// unless they are shown; otherwise names, texts and secrets are replaced.
type Form struct {
	Exact, Page bool
	Filter      *filter.Filter // of Page; nil = everything
	Title       string         // of Page
	Secrets     bool
}

// Opened is a recording that came out of files.
type Opened struct {
	Source Source
	Path   string // the recording
	Said   string // about an import
	Close  func() // ends what fills Source
}

const (
	maxShelved = 16               // recordings, comparisons and files that are there for pages
	untouched  = 10 * time.Minute // after which one is removed that no page shows
)

// A shelf holds what pages brought, and what was made for them. Nothing stays on
// it: what no page shows is removed after some time, and all of it at the end.
type shelf struct {
	mu    sync.Mutex
	items map[string]*shelved
	soon  time.Duration // for tests; 0 = untouched
	ended bool
}

// shelved is one thing on the shelf: a recording, a comparison, or a file.
type shelved struct {
	id, title string
	dir       string // its files; removed with it
	opened    *Opened
	diff      *SideBySide
	file      string
	close     func()

	users int // pages, and what was made of it; guarded by shelf.mu
	timer *time.Timer
}

// room makes a directory for a new thing.
func (s *shelf) room() (string, error) {
	s.mu.Lock()
	full, ended := len(s.items) >= maxShelved, s.ended
	s.mu.Unlock()
	if ended {
		return "", errors.New("the viewer is about to end")
	}
	if full {
		return "", &refusal{http.StatusServiceUnavailable, fmt.Sprintf("%d recordings are open besides this one", maxShelved), "close the pages of some; they are removed soon after"}
	}
	return os.MkdirTemp("", "xmpplens-web-*") // 0700
}

// put keeps a thing until nobody has used it for some time.
func (s *shelf) put(x *shelved) *shelved {
	x.id = strings.ToLower(rand.Text()[:12])
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		x.end()
		return x
	}
	defer s.mu.Unlock()
	if s.items == nil {
		s.items = make(map[string]*shelved)
	}
	s.items[x.id] = x
	x.timer = time.AfterFunc(s.patience(), func() { s.remove(x) })
	return x
}

func (s *shelf) patience() time.Duration {
	if s.soon > 0 {
		return s.soon
	}
	return untouched
}

// use returns a thing and keeps it until done is called; nil when it is not there.
func (s *shelf) use(id string) (x *shelved, done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x = s.items[id]
	if x == nil {
		return nil, nil
	}
	x.users++
	x.timer.Stop()
	return x, sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if x.users--; x.users == 0 && !s.ended {
			x.timer.Reset(s.patience())
		}
	})
}

func (s *shelf) remove(x *shelved) {
	s.mu.Lock()
	if x.users > 0 || s.items[x.id] != x {
		s.mu.Unlock()
		return
	}
	delete(s.items, x.id)
	s.mu.Unlock()
	x.end()
}

// end removes everything.
func (s *shelf) end() {
	s.mu.Lock()
	items := s.items
	s.items, s.ended = nil, true
	s.mu.Unlock()
	for _, x := range items {
		x.timer.Stop()
		x.end()
	}
}

func (x *shelved) end() {
	if x.close != nil {
		x.close()
	}
	if x.opened != nil {
		x.opened.Close()
	}
	os.RemoveAll(x.dir)
}

// shown is a recording as a page or a request sees it.
type shown struct {
	Source
	title string
	rec   string // its id; "" = that which the Server shows first
	path  string
}

// recording returns what a request is about, and what to call when it is done.
func (s *Server) recording(r *http.Request) (*shown, func(), error) {
	return s.recordingOf(r.URL.Query().Get("rec"))
}

func (s *Server) recordingOf(rec string) (*shown, func(), error) {
	if rec == "" {
		return &shown{Source: s.Source, title: s.Title}, func() {}, nil
	}
	x, done := s.shelf.use(rec)
	if x == nil || x.opened == nil {
		if x != nil {
			done()
		}
		return nil, nil, &refusal{http.StatusNotFound, "That recording is not open any more.", "open its file again"}
	}
	return &shown{x.opened.Source, x.title, rec, x.opened.Path}, done, nil
}

// comparison returns what two recordings a request is about.
func (s *Server) comparison(r *http.Request) (*SideBySide, func(), error) {
	id := r.URL.Query().Get("cmp")
	if id == "" && s.Diff != nil {
		return s.Diff, func() {}, nil
	}
	x, done := s.shelf.use(id)
	if x == nil || x.diff == nil {
		if x != nil {
			done()
		}
		return nil, nil, &refusal{http.StatusNotFound, "That comparison is not open any more.", "compare the recordings again"}
	}
	return x.diff, done, nil
}

// statusOf is the status of HTTP that fits an error.
func statusOf(err error, or int) int {
	if r := (*refusal)(nil); errors.As(err, &r) {
		return r.status
	}
	return or
}
