package redact

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/record"
)

// write makes a recording of events.
func write(t *testing.T, evs []record.Event) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "made.jsonl")
	start := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	now := start
	log, err := record.Create(path, record.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range evs {
		now = start.Add(ev.T)
		log.Append(ev)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// Each event that was changed is put back as it was, as if it had been forgotten: the proof finds every one.
func TestProofFindsWhatWasForgotten(t *testing.T) {
	tried := 0
	for i, s := range seeds {
		in := build(t, s[0], s[1], "\xff\xfe", "Juliet said: 203.0.113.7 juliet@capulet.example", uint8(4*i))
		r, err := newRedactor(Options{Seed: "1"})
		if err != nil {
			t.Fatal(err)
		}
		r.collecting = true
		if _, err := r.pass(context.Background(), 1, in, func(record.Event) error { return nil }); err != nil {
			t.Fatal(err)
		}
		r.collecting = false
		out := in + ".out"
		if err := r.write(context.Background(), in, out); err != nil {
			t.Fatal(err)
		}
		if err := r.prove(context.Background(), in, out); err != nil {
			t.Fatal(err)
		}
		a, b := events(t, in), events(t, out)
		for k := range a {
			if differ(a[k].Data, b[k].Data) < window && a[k].Text == b[k].Text && a[k].Client == b[k].Client && a[k].Why == b[k].Why && a[k].Error == b[k].Error {
				continue // single letters tell nothing
			}
			tried++
			was := b[k]
			b[k] = a[k]
			err := r.prove(context.Background(), in, write(t, b))
			var leak *LeakError
			if !errors.As(err, &leak) || leak.Event == 0 || strings.Contains(strings.ToLower(err.Error()), "juliet") {
				t.Errorf("%d: %q is as it was: %v", i, a[k].Data, err)
			}
			b[k] = was
		}
	}
	if tried < 20 {
		t.Errorf("only %d events were changed", tried)
	}
}

func differ(a, b []byte) (n int) {
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

// Names are found in every form that they can have.
func TestProofFindsForms(t *testing.T) {
	original := record.Event{C: 1, E: record.EventData, D: record.CS, Data: []byte(`<message from='juliet@capulet.example' to='r@[2001:db8::7]'><body>Parting is such sweet sorrow</body></message>`), HasData: true}
	for _, c := range []struct{ form, kind string }{
		{"juliet", "name or secret"}, {"x-JULIET-x", "name or secret"}, {"&#106;uliet", "name or secret"}, {"juliet%40capulet", "name or secret"}, {"a=juliet&amp;b", "name or secret"},
		{base64.StdEncoding.EncodeToString([]byte("\x00juliet\x00")), "base64"}, {base64.RawURLEncoding.EncodeToString([]byte("??juliet>>")), "base64"},
		{"2001:db8::7", "IP address"}, {"[2001:DB8:0:0::7]", "IP address"}, {"is such sweet sorrow", "phrase"}, {"such sweet, sorrow", "phrase"},
	} {
		// The same bytes stand in both: as a kept value would that was overlooked.
		kept := record.Event{C: 1, E: record.EventData, D: record.CS, Data: []byte(`<iq type='get' id="` + c.form + `"><q xmlns='urn:x'/></iq>`), HasData: true}
		in := write(t, []record.Event{original, kept})
		r, _ := newRedactor(Options{Seed: "1"})
		r.collecting = true
		if _, err := r.pass(context.Background(), 1, in, func(record.Event) error { return nil }); err != nil {
			t.Fatal(err)
		}
		r.collecting = false
		out := in + ".out"
		if err := r.write(context.Background(), in, out); err != nil {
			t.Fatal(err)
		}
		evs := events(t, out)
		if c.kind != "phrase" && string(evs[1].Data) == string(kept.Data) {
			t.Errorf("%s stayed", c.form)
		}
		evs[1] = kept
		err := r.prove(context.Background(), in, write(t, evs))
		var leak *LeakError
		if !errors.As(err, &leak) || !strings.Contains(leak.Kind, c.kind) || leak.Event != 2 {
			t.Errorf("%s: %v", c.form, err)
		}
	}
}

// A result that holds an original is removed.
func TestLeakRemovesTheResult(t *testing.T) {
	in := build(t, seeds[0][0], seeds[0][1], "", "", 0)
	r, _ := newRedactor(Options{})
	r.collecting = true
	r.pass(context.Background(), 1, in, func(record.Event) error { return nil })
	out := in + ".out"
	err := r.finish(context.Background(), in, out, func() error { return os.WriteFile(out, read(t, in), 0o600) })
	var leak *LeakError
	if !errors.As(err, &leak) || leak.Hint() == "" {
		t.Error(err)
	}
	if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
		t.Error("the result is still there")
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
