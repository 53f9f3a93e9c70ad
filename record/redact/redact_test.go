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
				t.Fatal(err)
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

// A text that is longer than what is looked at as one, an element that never ends, and more that waits than may wait.
func TestLong(t *testing.T) {
	text := strings.Repeat("Wherefore art thou, Роmeо? &amp; 🙂 ", 10_000)
	doc := `<message from='juliet@capulet.example'><body>` + text + `</body></message><presence from='juliet@capulet.example' to='` + strings.Repeat("x y ", maxPiece/4+10) + `'/>`
	var out [2]string
	for i, size := range []int{len(doc), 1447} {
		r, err := newRedactor(Options{Seed: "1"})
		if err != nil {
			t.Fatal(err)
		}
		for _, r.collecting = range []bool{true, false} {
			b := []byte(doc)
			l := lexer{r: r}
			for at := 0; at < len(b); at += size {
				l.feed(b[at:min(len(b), at+size)])
				if len(l.tok) > maxPiece+size {
					t.Fatalf("%d bytes wait", len(l.tok))
				}
			}
			l.flush()
			out[i] = string(b)
		}
	}
	body := func(s string) string { return s[:strings.Index(s, "</body>")] }
	if body(out[0]) != body(out[1]) {
		t.Error("the chunks make a difference")
	}
	if strings.Contains(out[1], "herefore") || strings.Contains(out[1], "juliet") || strings.Count(out[1], "&amp;") != 10_000 {
		t.Error("not all was replaced")
	}

	r, _ := newRedactor(Options{Seed: "1"})
	r.conns = make(map[int]*conn)
	got := 0
	emit := func(record.Event) error { got++; return nil }
	r.take(record.Event{C: 1, E: record.EventData, D: record.CS, Data: []byte("<message><body>Where"), HasData: true}, emit)
	big := []byte("<a>" + strings.Repeat(" ", 1<<20) + "</a>")
	for range 70 {
		r.take(record.Event{C: 2, E: record.EventData, D: record.CS, Data: big, HasData: true}, emit)
		if r.queued > maxHeld {
			t.Fatal("too much waits")
		}
	}
	if got == 0 || r.report.Early == 0 {
		t.Errorf("%d events came, %d early", got, r.report.Early)
	}
}
