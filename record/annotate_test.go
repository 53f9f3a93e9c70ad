package record

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// notes reads the notes of a recording, in their order, and how many other
// events it has.
func notes(t *testing.T, path string) (texts []string, others int, damage []error) {
	t.Helper()
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	last := time.Duration(-1)
	for {
		ev, err := r.Next(context.Background())
		switch {
		case errors.Is(err, io.EOF):
			return texts, others, damage
		case err != nil:
			damage = append(damage, err)
			continue
		}
		if ev.T < last {
			t.Errorf("%s is before %s", ev.T, last)
		}
		if last = ev.T; ev.E == EventNote {
			texts = append(texts, ev.Text)
		} else {
			others++
		}
	}
}

func TestAnnotate(t *testing.T) {
	for name, o := range map[string]Options{
		"s.jsonl":     {},
		"s.jsonl.zst": {Segment: 4000},
		"r.jsonl":     {RotateSize: 4000},
		"r.jsonl.zst": {RotateSize: 4000},
	} {
		path := filepath.Join(t.TempDir(), name)
		l, err := Create(path, o)
		if err != nil {
			t.Fatal(err)
		}
		fillLog(t, l, 0, 300)
		at := time.Hour // later than anything
		if err := Annotate(path, Note("too early", at, 1, 1, CS, 0)); err == nil || !strings.Contains(err.Error(), "being written") && !strings.Contains(err.Error(), "segment") {
			t.Errorf("%s: a recording that is being written: %v", name, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		_, before, _ := notes(t, path)
		for _, text := range []string{"one", "two"} {
			if err := Annotate(path, Note(text, at, 7, 1, SC, 230)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		texts, after, damage := notes(t, path)
		if strings.Join(texts, " ") != "one two" || after != before || before < 300 || damage != nil {
			t.Errorf("%s: notes %q, %d events where %d were, %v", name, texts, after, before, damage)
		}
		if n := namesOf(path, true); o.RotateSize > 0 {
			member := n.member(2)
			if n.zst {
				member = n.packed(2)
			}
			if err := Annotate(member, Note("x", at, 1, 1, CS, 0)); err == nil || !strings.Contains(err.Error(), "one file of several") {
				t.Errorf("%s: %v", member, err)
			}
		}
	}
}

// The line that a killed writer began stays what it is, and costs the note
// nothing.
func TestAnnotateTorn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.jsonl")
	l, err := Create(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	fillLog(t, l, 0, 3)
	l.Close()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	torn := b[:len(b)-5]
	if err := os.WriteFile(path, torn, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Annotate(path, Note("here", time.Hour, 0, 0, "", 0)); err != nil {
		t.Fatal(err)
	}
	texts, others, damage := notes(t, path)
	if len(texts) != 1 || others != 2 || len(damage) != 1 {
		t.Errorf("%q, %d events, %v", texts, others, damage)
	}
	if b, _ = os.ReadFile(path); !bytes.HasPrefix(b, torn) {
		t.Error("what was recorded changed")
	}
}

func TestAnnotateNothing(t *testing.T) {
	for _, name := range []string{"s.0001.jsonl", "s.jsonl"} {
		if err := Annotate(filepath.Join(t.TempDir(), name), Note("x", 0, 0, 0, "", 0)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
