package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// saving is a line of the answer to a request to save: how far it is, and at the
// end where the file can be had, or why not.
type saving struct {
	Pass  int    `json:"pass,omitempty"`
	Bytes int64  `json:"bytes,omitempty"` // that were read in this pass
	URL   string `json:"url,omitempty"`
	Name  string `json:"name,omitempty"`
	Size  int64  `json:"size,omitempty"`
	Said  string `json:"said,omitempty"` // the same in words
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
}

// save writes a recording, as it is now, to a file that can be had then. What
// comes meanwhile are lines that tell how far it is; redacting reads three times.
func (s *Server) save(w http.ResponseWriter, r *http.Request) {
	var want struct {
		Rec         string
		Exact, Page bool
		Filter      string
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&want); err != nil {
		fail(w, r, http.StatusBadRequest, &refusal{0, "The request is no JSON: " + err.Error(), `send {"exact":false}`})
		return
	}
	if s.Files == nil {
		fail(w, r, http.StatusNotImplemented, errors.New("this viewer saves nothing"))
		return
	}
	of, done, err := s.recordingOf(want.Rec)
	if err != nil {
		fail(w, r, statusOf(err, http.StatusNotFound), err)
		return
	}
	defer done()
	form := Form{Exact: want.Exact, Page: want.Page, Title: of.title, Secrets: s.Secrets}
	if form.Filter, err = compiled(want.Filter); err != nil {
		fail(w, r, statusOf(err, http.StatusBadRequest), err)
		return
	}
	dir, err := s.shelf.room()
	if err != nil {
		fail(w, r, statusOf(err, http.StatusInternalServerError), err)
		return
	}
	w.Header().Set("Content-Type", "application/jsonl")
	lines := newLines(w)
	name := savedName(of.title, of.Start(), form)
	file := filepath.Join(dir, name)
	var mu sync.Mutex
	last := time.Now()
	err = s.Files.Save(r.Context(), of.path, file, form, func(pass int, bytes int64) {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); now.Sub(last) > 200*time.Millisecond {
			last = now
			said := size(bytes) + " read"
			if !form.Exact && !form.Page {
				said = fmt.Sprintf("Step %d of 3: %s", pass, said)
			}
			lines.say(saving{Pass: pass, Bytes: bytes, Said: said})
		}
	})
	var info os.FileInfo
	if err == nil {
		info, err = os.Stat(file)
	}
	if err != nil {
		os.RemoveAll(dir)
		out := saving{Error: err.Error()}
		if h := (interface{ Hint() string })(nil); errors.As(err, &h) {
			out.Hint = h.Hint()
		}
		lines.say(out)
		return
	}
	x := s.shelf.put(&shelved{title: name, dir: dir, file: file})
	lines.say(saving{URL: "/api/saved/" + x.id, Name: name, Size: info.Size(), Said: fmt.Sprintf("Saved: %s, %s.", name, size(info.Size()))})
}

// saveForms draws the choice of what a recording is saved as. The first is chosen: it
// gives nothing away.
func saveForms() group {
	form := func(value, name string, about drawn) drawn {
		a := attrs{"type": "radio", "name": "form", "value": value}
		if value == "share" {
			a["checked"] = ""
		}
		return el("label", el("input", a), el("b", name), about)
	}
	return group{
		form("share", "To share", el("small", "Names, addresses, texts and secrets are replaced; forms, sizes and times stay.")),
		form("page", "Page of what the filter shows", el("small", "One HTML page to read; secrets are masked as here, names and texts stay.")),
		form("exact", "Exact bytes", el("small.warn", "⚠ With passwords, tokens and all that was said: keep it to yourself.")),
	}
}

// saved hands a file out.
func (s *Server) saved(w http.ResponseWriter, r *http.Request) {
	x, done := s.shelf.use(r.PathValue("id"))
	if x == nil || x.file == "" {
		if x != nil {
			done()
		}
		fail(w, r, http.StatusNotFound, &refusal{0, "That file is not there any more.", "save it again"})
		return
	}
	defer done()
	f, err := os.Open(x.file)
	if err != nil {
		fail(w, r, http.StatusInternalServerError, err)
		return
	}
	defer f.Close()
	w.Header().Set("Content-Type", "application/octet-stream") // to be kept, never to be shown here
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": x.title}))
	http.ServeContent(moving{w, http.NewResponseController(w)}, r, x.title, time.Time{}, f)
}

// savedName names a file after what is in it and when that began.
func savedName(title string, start time.Time, form Form) string {
	title = strings.TrimSuffix(strings.TrimSuffix(title, ".zst"), ".jsonl")
	title = strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '-', c == '_':
			return c
		}
		return '-'
	}, title)
	title = strings.Trim(title[:min(len(title), 60)], ".-")
	if title == "" {
		title = "xmpplens"
	}
	at := start.Format("-20060102-150405")
	switch {
	case form.Exact:
		return title + at + ".jsonl"
	case form.Page:
		return title + at + ".html"
	}
	return "xmpplens" + at + "-redacted.jsonl" // the title may be a host's name
}

// moving lets an answer take as long as it moves.
type moving struct {
	http.ResponseWriter
	rc *http.ResponseController
}

func (m moving) Write(b []byte) (int, error) {
	m.rc.SetWriteDeadline(time.Now().Add(slowest))
	return m.ResponseWriter.Write(b)
}

// lines are an answer that comes line by line, each at once.
type lines struct {
	moving
	enc *json.Encoder
}

func newLines(w http.ResponseWriter) *lines {
	l := &lines{moving: moving{w, http.NewResponseController(w)}}
	l.rc.SetReadDeadline(time.Time{}) // there is nothing more to read
	l.enc = json.NewEncoder(l.moving)
	l.enc.SetEscapeHTML(false)
	return l
}

func (l *lines) say(v any) error {
	if err := l.enc.Encode(v); err != nil {
		return err
	}
	return l.rc.Flush()
}
