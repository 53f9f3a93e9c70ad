package redact

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// lookAt returns the findings of a recording, without their words.
func lookAt(t testing.TB, path string) (found []string, entries int) {
	t.Helper()
	r, err := timeline.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var fold timeline.Folder
	err = fold.Read(context.Background(), r, timeline.Sink{Entry: func(e *timeline.Entry) {
		entries++
		for _, f := range e.Facts.Findings {
			found = append(found, f.Severity+" "+f.Code+" "+f.Ref)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	return found, entries
}

func redacted(t testing.TB, in string, o Options) (string, *Report) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out.jsonl")
	rep, err := Run(context.Background(), in, out, o)
	if err != nil {
		t.Fatalf("%s: %v", in, err)
	}
	return out, rep
}

func TestRecordings(t *testing.T) {
	var files []string
	err := filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(path, "testdata") && strings.Contains(path, ".jsonl") {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			if r, err := timeline.Open(f); err != nil {
				t.Skip("no recording: " + err.Error())
			} else {
				r.Close()
			}
			out, rep := redacted(t, f, Options{Seed: "1"})
			if len(rep.Changed) > 0 {
				t.Errorf("%q", rep.Changed)
			}
			a, n := lookAt(t, f)
			b, m := lookAt(t, out)
			if !slices.Equal(a, b) || n != m {
				t.Errorf("%d entries with\n%q\nbecame %d with\n%q", n, a, m, b)
			}
			t.Logf("%+v", *rep)
		})
	}
}

// events reads all events of a recording.
func events(t testing.TB, path string) (evs []record.Event) {
	t.Helper()
	r, err := record.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		ev, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return evs
		}
		if err != nil {
			continue
		}
		ev.Data = slices.Clone(ev.Data)
		evs = append(evs, ev)
	}
}
