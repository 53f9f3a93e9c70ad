package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode"
)

const (
	maxUpload = 16 << 30 // bytes of the files of one recording
	maxFiles  = 2000     // of one recording
	maxName   = 120      // bytes of a file's name
)

// opening answers a recording that was opened.
type opening struct {
	Rec   string `json:"rec"`
	URL   string `json:"url"`
	Title string `json:"title"`
	Said  string `json:"said,omitempty"`
}

// open takes the files of a recording, multipart/form-data, and opens it. They are
// written to a directory of their own while they come.
func (s *Server) open(w http.ResponseWriter, r *http.Request) {
	if s.Files == nil {
		fail(w, r, http.StatusNotImplemented, errors.New("this viewer opens no other recording"))
		return
	}
	dir, err := s.shelf.room()
	if err != nil {
		fail(w, r, statusOf(err, http.StatusInternalServerError), err)
		return
	}
	x, err := s.opened(w, r, dir)
	if err != nil {
		os.RemoveAll(dir)
		fail(w, r, statusOf(err, http.StatusUnprocessableEntity), err)
		return
	}
	s.shelf.put(x)
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(opening{x.id, "/?rec=" + x.id, x.title, x.opened.Said})
}

func (s *Server) opened(w http.ResponseWriter, r *http.Request, dir string) (*shelved, error) {
	rc := http.NewResponseController(w)
	names, err := receive(rc, r, dir, maxUpload)
	if err != nil {
		// A browser reads why only when it has sent all; there are limits to that.
		rc.SetReadDeadline(time.Now().Add(slowest))
		rc.SetWriteDeadline(time.Now().Add(2 * slowest))
		io.CopyN(io.Discard, r.Body, maxUpload)
		return nil, err
	}
	rc.SetReadDeadline(time.Time{}) // reading and importing takes its time
	rc.SetWriteDeadline(time.Time{})
	o, err := s.Files.Open(r.Context(), dir, names)
	if err != nil {
		return nil, err
	}
	title := names[0]
	if len(names) > 1 {
		title = fmt.Sprintf("%s and %d more", title, len(names)-1)
	}
	return &shelved{title: title, dir: dir, opened: o}, nil
}

// receive writes the files of a form to dir and returns their names.
func receive(rc *http.ResponseController, r *http.Request, dir string, most int64) ([]string, error) {
	form, err := r.MultipartReader()
	if err != nil {
		return nil, &refusal{http.StatusUnsupportedMediaType, "The files do not come as a form.", "send them as multipart/form-data: curl -F file=@bug.jsonl"}
	}
	var names []string
	for {
		part, err := form.NextPart()
		switch {
		case errors.Is(err, io.EOF) && len(names) == 0:
			return nil, &refusal{http.StatusBadRequest, "No file came.", "send one: curl -F file=@bug.jsonl"}
		case errors.Is(err, io.EOF):
			return names, nil
		case err != nil:
			return nil, &refusal{http.StatusBadRequest, "The upload broke off: " + err.Error(), "send it again"}
		case part.FileName() == "":
			continue
		case len(names) == maxFiles:
			return nil, &refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("There are more than %d files.", maxFiles), "open those of one recording"}
		}
		name, err := plainName(part)
		if err != nil {
			return nil, err
		}
		n, err := write(rc, filepath.Join(dir, name), part, most)
		most -= n
		if err != nil {
			return nil, told(name, err)
		}
		names = append(names, name)
	}
}

// told says why a file did not arrive.
func told(name string, err error) error {
	switch {
	case errors.Is(err, fs.ErrExist):
		return &refusal{http.StatusBadRequest, "Two files have the name " + name + ".", "open those of one recording"}
	case errors.Is(err, errTooLarge):
		return &refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("%s: more than %d GB were sent.", name, maxUpload>>30), "look at it with xmpplens web FILE, which copies nothing"}
	case errors.Is(err, syscall.ENOSPC):
		return &refusal{http.StatusInsufficientStorage, name + ": the disk is full where temporary files are.", "make room, or set TMPDIR; xmpplens web FILE copies nothing"}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &refusal{http.StatusRequestTimeout, name + ": nothing more came.", "send it again"}
	}
	return &refusal{http.StatusBadRequest, name + ": " + err.Error(), "send it again"}
}

var errTooLarge = errors.New("too large")

// write writes a part to a file of its own. Who sends nothing for a while is cut
// off.
func write(rc *http.ResponseController, path string, part io.Reader, most int64) (n int64, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	for err == nil {
		rc.SetReadDeadline(time.Now().Add(slowest))
		var m int64
		m, err = io.CopyN(f, part, min(1<<20, most-n+1))
		if n += m; n > most {
			err = errTooLarge
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, errors.Join(err, f.Close())
}

// plainName is the name of a file without any path. The set that a file belongs
// to shows in its name, so it is kept as it is, or refused.
func plainName(part *multipart.Part) (string, error) {
	name := part.FileName() // without directories, for the system that this runs on
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.TrimSpace(name)
	odd := func(c rune) bool { return !unicode.IsPrint(c) || strings.ContainsRune(`:*?"<>|`, c) }
	if name == "" || len(name) > maxName || strings.HasPrefix(name, ".") || strings.ContainsFunc(name, odd) {
		return "", &refusal{http.StatusBadRequest, fmt.Sprintf("%.150q is no name for a file.", name), "give it a plain one"}
	}
	return name, nil
}

// compare compares two recordings that are open: A and B are their ids, "" that
// which the Server shows first.
func (s *Server) compare(w http.ResponseWriter, r *http.Request) {
	var want struct{ A, B string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&want); err != nil {
		fail(w, r, http.StatusBadRequest, &refusal{0, "The request is no JSON: " + err.Error(), `send {"a":"","b":"ID"}`})
		return
	}
	rc := http.NewResponseController(w)
	rc.SetReadDeadline(time.Time{})
	rc.SetWriteDeadline(time.Time{})
	x, err := s.compared(r.Context(), want.A, want.B)
	if err != nil {
		fail(w, r, statusOf(err, http.StatusUnprocessableEntity), err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(opening{x.id, "/diff.html?cmp=" + x.id, x.title, x.diff.Report.Verdict})
}

func (s *Server) compared(ctx context.Context, a, b string) (*shelved, error) {
	if s.Files == nil {
		return nil, &refusal{http.StatusNotImplemented, "This viewer compares nothing.", "xmpplens diff A B --web=127.0.0.1:5299 does"}
	}
	ra, doneA, err := s.recordingOf(a)
	if err != nil {
		return nil, err
	}
	rb, doneB, err := s.recordingOf(b)
	if err != nil {
		doneA()
		return nil, err
	}
	done := func() { doneA(); doneB() }
	dir, err := s.shelf.room()
	if err != nil {
		done()
		return nil, err
	}
	d, end, err := s.Files.Compare(ctx, dir, Named{ra.path, ra.title}, Named{rb.path, rb.title})
	if err != nil {
		done()
		os.RemoveAll(dir)
		return nil, err
	}
	return s.shelf.put(&shelved{title: ra.title + " and " + rb.title, dir: dir, diff: d, close: func() { end(); done() }}), nil
}
