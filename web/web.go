package web

import (
	"cmp"
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/xmpplens/xmpplens/record/timeline"
)

//go:embed ui
var files embed.FS

// A Source is the timeline that is shown; *timeline.Index is one.
type Source interface {
	// Status tells how far the timeline is, Wait the same when it is enough.
	Status() timeline.Status
	Wait(ctx context.Context, enough func(timeline.Status) bool) timeline.Status
	// Entries returns up to count entries from number from on, from 1.
	Entries(from, count int) ([]*timeline.Entry, error)
	// Start is the time that the entries' times count from.
	Start() time.Time
	Pacer
	Classifier
	Linker
}

// A Server shows one timeline. Set the fields before the first use.
type Server struct {
	Source  Source
	Title   string                           // what is watched, or the file's name
	Secrets bool                             // show them; they are masked otherwise
	Say     func(format string, args ...any) // told about viewers that were cut off; may be nil
	Diff    *SideBySide                      // show two recordings side by side, and Source on a page of its own; may be nil
	Notes   Noter                            // keeps the notes of viewers; nil = there can be none
	Keep    func() (string, error)           // keeps what a ring holds, and names the file; nil = there is no ring

	Files     Filer       // saves, opens and compares; nil = nothing of this
	Intercept Interceptor // holds and injects; nil = what is shown is no session that goes on

	shelf    shelf
	mu       sync.Mutex
	pages    map[*page]struct{} // guarded by mu
	once     sync.Once
	token    string
	patience time.Duration // for tests
	hurry    time.Duration // for tests; 0 = slowest
}

func (s *Server) key() string {
	s.once.Do(func() { s.token = rand.Text() })
	return s.token
}

// URL returns the address to open in the browser, which lets its reader in.
func (s *Server) URL(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return ""
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port) + "/?token=" + s.key()
}

// Serve answers on ln until ctx is done. Viewers are cut off then.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	h := &http.Server{
		Handler:           s.handler(ctx, ln.Addr()),
		ReadHeaderTimeout: cmp.Or(s.hurry, 10*time.Second),
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	end := context.AfterFunc(ctx, func() { h.Close() })
	defer end()
	defer s.shelf.end()
	if s.Intercept != nil {
		ctx, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		wg.Go(func() { s.tellArmed(ctx) })
		defer wg.Wait()
		defer cancel()
	}
	if err := h.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("web: %w", err)
	}
	return nil
}

// handler is everything that the viewer answers, behind the guard. What others add
// to it (metrics, say) is behind it, too.
func (s *Server) handler(ctx context.Context, addr net.Addr) http.Handler {
	ui, err := fs.Sub(files, "ui")
	if err != nil {
		panic(err) // the directory is embedded
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", static(ui))
	home := "/"
	if s.Diff != nil {
		home = "/diff.html"
	}
	s.sideBySide(mux)
	s.api(mux)
	mux.Handle("GET /metrics", s.metrics())
	mux.HandleFunc("GET /live", func(w http.ResponseWriter, r *http.Request) { s.live(ctx, w, r) })
	return s.authorized(addr, home, mux)
}
