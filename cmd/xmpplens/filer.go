package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/xmpplens/xmpplens/proxy/tap"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/diff"
	"github.com/xmpplens/xmpplens/record/export"
	"github.com/xmpplens/xmpplens/record/foreign"
	"github.com/xmpplens/xmpplens/record/redact"
	"github.com/xmpplens/xmpplens/record/timeline"
	"github.com/xmpplens/xmpplens/web"
)

// A filer opens, saves and compares recordings for the viewer.
type filer struct {
	log   *record.Log // what the viewer shows first, while it is recorded
	path  string      // the same where it is a file
	grows bool        // the file does
}

// Open implements web.Filer. What is no recording is imported, with the keys of
// a key log that came along.
func (f *filer) Open(ctx context.Context, dir string, names []string) (*web.Opened, error) {
	o, err := f.open(ctx, dir, names)
	if err != nil {
		return nil, withoutDir(err, dir)
	}
	return o, nil
}

func (f *filer) open(ctx context.Context, dir string, names []string) (*web.Opened, error) {
	var rest, recordings []string
	keys := ""
	for _, name := range slices.Sorted(slices.Values(names)) {
		path := filepath.Join(dir, name)
		switch {
		case isRecording(path):
			recordings = append(recordings, path)
		case isKeyLog(path):
			keys = path
		default:
			rest = append(rest, path)
		}
	}
	said, path := "", ""
	switch {
	case len(recordings) > 0 && len(rest) > 0:
		return nil, usagef("drop the files of one recording", "%s is a recording, and %s is none", filepath.Base(recordings[0]), filepath.Base(rest[0]))
	case len(recordings) > 0 && keys == "":
		path = recordings[0] // of a set the first: those that follow are found by their names
	default:
		var err error
		if path, said, err = imported(dir, slices.Concat(recordings, rest), keys); err != nil {
			return nil, err
		}
	}
	r, err := timeline.Open(path)
	if err != nil {
		return nil, err
	}
	index, err := timeline.NewIndex(r)
	if err != nil {
		r.Close()
		return nil, err
	}
	// A file that is damaged at once is told here, not in an empty list.
	run, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { index.Run(run) })
	end := sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		index.Close()
		r.Close()
	})
	st := index.Wait(ctx, func(st timeline.Status) bool { return st.Len > 0 })
	if st.Len == 0 && st.Done {
		end()
		if len(st.Trouble) > 0 {
			return nil, usagef("look whether it was copied whole", "%s: %s", filepath.Base(path), st.Trouble[0])
		}
		return nil, usagef("record something first", "%s has no entries", filepath.Base(path))
	}
	return &web.Opened{Source: index, Path: path, Said: said, Close: end}, nil
}

// isRecording reports whether a file is a recording, also one of a compressed set.
func isRecording(path string) bool {
	if foreign.IsRecording(path) {
		return true
	}
	if !strings.HasSuffix(path, ".zst") {
		return false
	}
	r, err := record.Open(path)
	if err == nil {
		r.Close()
	}
	return err == nil
}

// imported makes a recording of what other programs wrote.
func imported(dir string, paths []string, keys string) (path, said string, err error) {
	if len(paths) == 0 {
		return "", "", usagef("drop the capture as well", "a key log alone shows nothing")
	}
	c := importCmd{File: paths[0], Keylog: keys, Write: filepath.Join(dir, ".imported.jsonl"), Format: "auto"}
	if len(paths) > 1 {
		c.File = dir // stream files, with their manifest
		if !slices.ContainsFunc(paths, func(p string) bool { return filepath.Base(p) == export.Manifest }) {
			return "", "", usagef("drop one, or the files of one recording", "%d files that are no recordings", len(paths))
		}
	}
	var talk bytes.Buffer
	if err := c.Run(&streams{stdout: io.Discard, stderr: &talk}); err != nil {
		return "", "", err
	}
	if _, err := os.Stat(c.Write); err != nil {
		return "", "", usagef("xmpplens import --all takes other connections as well", "%s: there is no XMPP in it that can be read", filepath.Base(paths[0]))
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(talk.String(), "xmpplens: "), "\n")
	return c.Write, first, nil
}

// isKeyLog reports whether a file begins as an SSLKEYLOGFILE does.
func isKeyLog(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 4<<10)
	n, _ := io.ReadFull(f, head)
	for line := range bytes.Lines(head[:n]) {
		if line = bytes.TrimSpace(line); len(line) == 0 || line[0] == '#' {
			continue
		}
		_, ok, err := tap.ParseKey(line)
		return ok && err == nil
	}
	return false
}

// plainError is an error without the names of temporary files.
type plainError struct {
	error
	text, hint string
}

func (e *plainError) Error() string { return e.text }
func (e *plainError) Hint() string  { return e.hint }
func (e *plainError) Unwrap() error { return e.error }

func withoutDir(err error, dir string) error {
	plain := strings.NewReplacer(dir+string(filepath.Separator), "", dir, "the files")
	return &plainError{err, plain.Replace(err.Error()), plain.Replace(hintOf(err))}
}

// Save implements web.Filer.
func (f *filer) Save(ctx context.Context, of, to string, form web.Form, progress func(pass int, bytes int64)) error {
	dir := filepath.Dir(to)
	if err := f.save(ctx, of, to, form, progress); err != nil {
		return withoutDir(err, dir)
	}
	return nil
}

func (f *filer) save(ctx context.Context, of, to string, form web.Form, progress func(pass int, bytes int64)) error {
	if form.Exact {
		return f.copy(ctx, of, to, progress)
	}
	// Three passes read the same only of what does not grow.
	src, err := f.still(ctx, of, filepath.Join(filepath.Dir(to), ".whole.jsonl"))
	if err != nil {
		return err
	}
	if form.Page {
		err = savePage(ctx, src, to, form, progress)
	} else {
		_, err = redact.Run(ctx, src, to, redact.Options{Progress: progress})
	}
	if src != f.path && src != of {
		os.Remove(src)
	}
	return err
}

// savePage writes what a filter chooses of a recording as one HTML page.
func savePage(ctx context.Context, src, to string, form web.Form, progress func(pass int, bytes int64)) error {
	r, err := timeline.Open(src)
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := private(to, false)
	if err != nil {
		return err
	}
	choice := export.Choice{Filter: form.Filter, Masked: !form.Secrets}
	p, err := export.NewPage(f, export.Options{Header: r.Header(), Tool: version(), Title: form.Title, Secrets: form.Secrets, Choice: choice})
	if err == nil {
		err = export.Run(ctx, r, p, choice, export.Hooks{Progress: func(pos int64, _ int) {
			if progress != nil {
				progress(1, pos)
			}
		}})
	}
	return errors.Join(err, f.Close())
}

// still returns the path of a recording that does not grow: of one that does, a
// copy is made.
func (f *filer) still(ctx context.Context, of, to string) (string, error) {
	if of == "" && f.log == nil && !f.grows {
		return f.path, nil
	}
	if of != "" {
		return of, nil
	}
	return to, f.copy(ctx, of, to, nil)
}

// copy writes a recording as it is now to a file.
func (f *filer) copy(ctx context.Context, of, to string, progress func(pass int, bytes int64)) error {
	if of == "" && f.log != nil {
		return f.log.Keep(to)
	}
	if of == "" {
		of = f.path
	}
	r, err := timeline.Open(of)
	if err != nil {
		return err
	}
	defer r.Close()
	if r.Header().Segment == 0 && !f.grows && !strings.HasSuffix(of, ".zst") {
		return copyFile(ctx, of, to, progress) // with what no reader understands
	}
	start := r.Header().Time
	now := start
	out, err := record.Create(to, record.Options{Tool: r.Header().Tool, Now: func() time.Time { return now }})
	if err != nil {
		return err
	}
	defer out.Close()
	for n := 0; out.Err() == nil; n++ {
		ev, err := r.Next(ctx)
		switch {
		case err == nil:
			now = start.Add(ev.T)
			out.Append(ev) // its error sticks
		case record.IsDamage(err):
		case errors.Is(err, io.EOF):
			return out.Close()
		default:
			return err
		}
		if progress != nil && n%1024 == 0 {
			progress(1, r.Pos())
		}
	}
	return out.Err()
}

// copyFile copies a file byte by byte.
func copyFile(ctx context.Context, from, to string, progress func(pass int, bytes int64)) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	out, err := private(to, false)
	if err != nil {
		return err
	}
	var done int64
	for err == nil && ctx.Err() == nil {
		var n int64
		n, err = io.CopyN(out, src, 4<<20)
		if done += n; progress != nil {
			progress(1, done)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, ctx.Err(), out.Close())
}

// Compare implements web.Filer.
func (f *filer) Compare(ctx context.Context, dir string, a, b web.Named) (*web.SideBySide, func(), error) {
	d, end, err := f.compare(ctx, dir, a, b)
	if err != nil {
		end()
		return nil, nil, withoutDir(err, dir)
	}
	return d, end, nil
}

func (f *filer) compare(ctx context.Context, dir string, a, b web.Named) (*web.SideBySide, func(), error) {
	var ends []func()
	end := func() {
		for _, fn := range slices.Backward(ends) {
			fn()
		}
	}
	var readers [2]*record.Reader
	var indexes [2]*timeline.Index
	for i, n := range []web.Named{a, b} {
		path, err := f.still(ctx, n.Path, filepath.Join(dir, fmt.Sprintf("%d.jsonl", i)))
		if err != nil {
			return nil, end, err
		}
		r, err := timeline.Open(path)
		if err != nil {
			return nil, end, err
		}
		ends = append(ends, func() { r.Close() })
		from, err := r.Clone()
		if err != nil {
			return nil, end, err
		}
		if indexes[i], err = timeline.NewIndex(from); err != nil {
			from.Close()
			return nil, end, err
		}
		ends = append(ends, func() { indexes[i].Close() })
		readers[i] = r
	}
	rep, err := compare(ctx, readers[0], readers[1], a.Name, b.Name, diff.Options{Slower: 3, Rows: true})
	for _, x := range indexes {
		if err == nil {
			err = x.Run(ctx)
		}
	}
	if err != nil {
		return nil, end, err
	}
	rep.A.Name, rep.B.Name = a.Name, b.Name
	return &web.SideBySide{Report: rep, A: indexes[0], B: indexes[1]}, end, nil
}
