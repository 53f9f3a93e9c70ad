package record

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// counter is a Carrier that carries how many data events it has seen.
type counter struct{ n int64 }

func (c *counter) Add(ev Event) {
	switch ev.E {
	case EventData:
		c.n++
	case EventCarry:
		c.n = ev.O
	}
}

func (c *counter) Carry() []Event {
	return []Event{{C: 1, E: EventCarry, D: CS, O: c.n, N: 1, Data: []byte("h"), HasData: true}}
}

func newCounter() Carrier { return new(counter) }

// text is the data of event number i: 100 to 400 bytes that compress as stanzas
// do.
func text(i int) []byte {
	return fmt.Appendf(nil, "<message id='%d' to='juliet@capulet.example'><body>%s</body></message>", i, strings.Repeat(fmt.Sprint(i*7919), 3+i%30))
}

// fill appends the events from to to.
func fillLog(t testing.TB, l *Log, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := l.Append(Event{C: 1, E: EventData, D: CS, Data: text(i), HasData: true}); err != nil {
			t.Fatal(err)
		}
	}
}

// numbers reads a recording and demands that each data event follows the one
// before. It returns the first and the one behind the last, and the errors.
func numbers(t testing.TB, r *Reader) (first, next int, errs []error) {
	t.Helper()
	first = -1
	for {
		ev, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			if errs = append(errs, err); len(errs) > 100 {
				t.Fatalf("errors without end: %v", err)
			}
			continue
		}
		if ev.E == EventCarry {
			if first < 0 {
				first, next = int(ev.O), int(ev.O)
			} else if len(errs) == 0 {
				t.Fatalf("carry lines behind event %d", next)
			}
			continue
		}
		if first < 0 {
			first, next = 0, 0
		}
		if len(errs) > 0 && !bytes.Equal(ev.Data, text(next)) {
			fmt.Sscanf(string(ev.Data), "<message id='%d'", &next)
		}
		if !bytes.Equal(ev.Data, text(next)) {
			t.Fatalf("event %d is %.60q", next, ev.Data)
		}
		next++
	}
}

func open(t testing.TB, path string) *Reader {
	t.Helper()
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// whole demands that a recording has exactly the events from first to next.
func wantNumbers(t testing.TB, path string, first, next int) {
	t.Helper()
	r := open(t, path)
	f, n, errs := numbers(t, r)
	if f != first || n != next || len(errs) > 0 {
		t.Errorf("%s: events %d to %d, want %d to %d; %v", filepath.Base(path), f, n, first, next, errs)
	}
}

func files(t testing.TB, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue
		}
		if info.Mode().IsRegular() && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

func TestCompressed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s.jsonl.zst")
	l, err := Create(path, Options{Segment: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	fillLog(t, l, 0, 100)
	if got := files(t, dir); got != "s.jsonl s.jsonl.zst" {
		t.Errorf("while recording: %s", got)
	}
	for _, p := range []string{path, filepath.Join(dir, "s.jsonl")} {
		wantNumbers(t, p, 0, 100)
	}
	live := l.Reader()
	defer live.Close()
	fillLog(t, l, 100, 5000)
	wantNumbers(t, path, 0, 5000)
	size := l.Size()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := files(t, dir); got != "s.jsonl.zst" {
		t.Errorf("at the end: %s", got)
	}
	info, _ := os.Stat(path)
	if info.Size()*2 > size {
		t.Errorf("%d bytes became %d", size, info.Size())
	}
	wantNumbers(t, path, 0, 5000)
	wantNumbers(t, filepath.Join(dir, "s.jsonl"), 0, 5000)
	if f, n, errs := numbers(t, live); f != 0 || n != 5000 || len(errs) > 0 {
		t.Errorf("a live reader got %d to %d, %v", f, n, errs)
	}
	// Any other program sees lines.
	zstdcat, err := exec.LookPath("zstdcat")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("zstdcat is missing: apt-get install zstd")
	}
	out, err := exec.Command(zstdcat, path).Output()
	if err != nil || bytes.Count(out, []byte("\n")) < 5001 {
		t.Errorf("zstdcat: %v, %d lines", err, bytes.Count(out, []byte("\n")))
	}
	plain := filepath.Join(t.TempDir(), "all.jsonl")
	os.WriteFile(plain, out, 0o600)
	again := filepath.Join(t.TempDir(), "again.jsonl.zst")
	if err := exec.Command("zstd", "-q", plain, "-o", again).Run(); err != nil {
		t.Fatal(err)
	}
	wantNumbers(t, plain, 0, 5000)
	wantNumbers(t, again, 0, 5000)
}

// Positions hold over segments, compression and the removal of earlier files.
func TestSeekInSegments(t *testing.T) {
	for _, o := range []Options{{Segment: 50 << 10}, {RotateSize: 50 << 10}} {
		for _, name := range []string{"s.jsonl.zst", "s.jsonl"} {
			if o.Segment > 0 && name == "s.jsonl" {
				continue
			}
			path := filepath.Join(t.TempDir(), name)
			l, err := Create(path, o)
			if err != nil {
				t.Fatal(err)
			}
			fillLog(t, l, 0, 1000)
			live := l.Reader()
			defer live.Close()
			var pos []int64
			for range 1000 {
				if _, err := live.Next(context.Background()); err != nil {
					t.Fatal(err)
				}
				pos = append(pos, live.Pos())
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			again := open(t, path)
			clone, err := live.Clone()
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range []*Reader{live, again, clone} {
				for i := 999; i >= 0; i -= 37 {
					if err := r.SeekTo(pos[i]); err != nil {
						t.Fatal(err)
					}
					ev, err := r.Next(context.Background())
					if err != nil || !bytes.Equal(ev.Data, text(i)) || r.Pos() != pos[i] {
						t.Fatalf("%s: event %d: %v, %.60q", path, i, err, ev.Data)
					}
				}
			}
			clone.Close()
		}
	}
}

func TestRotate(t *testing.T) {
	for _, name := range []string{"s.jsonl", "s.jsonl.zst"} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		l, err := Create(path, Options{RotateSize: 100 << 10})
		if err != nil {
			t.Fatal(err)
		}
		follow := make(chan string, 1)
		go func() {
			r, err := Open(path)
			if err != nil {
				follow <- err.Error()
				return
			}
			defer r.Close()
			r.Follow()
			for i := range 2000 {
				ev, err := r.Next(context.Background())
				if err != nil || !bytes.Equal(ev.Data, text(i)) {
					follow <- fmt.Sprintf("event %d: %v, %.60q", i, err, ev.Data)
					return
				}
			}
			follow <- ""
		}()
		fillLog(t, l, 0, 2000)
		wantNumbers(t, path, 0, 2000)
		if err := <-follow; err != "" {
			t.Errorf("%s, following: %s", name, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		wantNumbers(t, path, 0, 2000)
		got := strings.Fields(files(t, dir))
		if len(got) < 3 || got[0] != strings.Replace(name, "s.", "s.0001.", 1) {
			t.Errorf("%s: %v", name, got)
		}
		// One member: it and what follows.
		r := open(t, filepath.Join(dir, got[1]))
		ev, err := r.Next(context.Background())
		if err != nil || r.Header().Segment != 2 || !r.Header().Time.Equal(l.Start().UTC().Round(0)) || ev.T == 0 {
			t.Errorf("%s: %+v, %v", got[1], r.Header(), err)
		}
		if _, n, errs := numbersFrom(t, r, ev); n != 2000 || len(errs) > 0 {
			t.Errorf("%s goes to %d, %v", got[1], n, errs)
		}
	}
}

// numbersFrom is numbers from an event on that was read already.
func numbersFrom(t testing.TB, r *Reader, ev Event) (int, int, []error) {
	t.Helper()
	var first int
	fmt.Sscanf(string(ev.Data), "<message id='%d'", &first)
	for i := first + 1; ; i++ {
		ev, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return first, i, nil
		}
		if err != nil || !bytes.Equal(ev.Data, text(i)) {
			return first, i, []error{fmt.Errorf("event %d: %v, %.60q", i, err, ev.Data)}
		}
	}
}

func TestRotateByAge(t *testing.T) {
	dir := t.TempDir()
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	l, err := Create(filepath.Join(dir, "s.jsonl"), Options{RotateEvery: time.Hour, Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		fillLog(t, l, i, i+1)
		at = at.Add(25 * time.Minute)
	}
	l.Close()
	if got := files(t, dir); got != "s.0001.jsonl s.0002.jsonl" {
		t.Error(got)
	}
	wantNumbers(t, filepath.Join(dir, "s.jsonl"), 0, 6)
}

// With --keep the oldest go, and what is left begins with carry lines. A reader
// that follows is not disturbed; one that is overtaken is told.
func TestKeep(t *testing.T) {
	for _, name := range []string{"s.jsonl", "s.jsonl.zst"} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		l, err := Create(path, Options{RotateSize: 50 << 10, Keep: 3, Carry: newCounter, Warn: func(err error) { t.Error(err) }})
		if err != nil {
			t.Fatal(err)
		}
		fillLog(t, l, 0, 10)
		late, slow := l.Reader(), open(t, path)
		slow.Follow()
		for _, r := range []*Reader{late, slow} {
			if ev, err := r.Next(context.Background()); err != nil || !bytes.Equal(ev.Data, text(0)) {
				t.Fatal(err)
			}
		}
		fillLog(t, l, 10, 3000)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if got := strings.Fields(files(t, dir)); len(got) != 3 {
			t.Errorf("%s: %v", name, got)
		}
		r := open(t, path)
		first, next, errs := numbers(t, r)
		if first < 1000 || next != 3000 || len(errs) > 0 {
			t.Errorf("%s: events %d to %d, %v", name, first, next, errs)
		}
		if r.Header().Carry == 0 || r.Header().Segment < 2 {
			t.Errorf("%s: header %+v", name, r.Header())
		}
		n := 1
		told := 0
		for n < 3000 {
			ev, err := late.Next(context.Background())
			var gone *GoneError
			switch {
			case errors.As(err, &gone):
				told++
			case err != nil:
				t.Fatalf("%s: after event %d: %v", name, n, err)
			case ev.E == EventCarry:
				n = int(ev.O)
			case !bytes.Equal(ev.Data, text(n)):
				t.Fatalf("%s: event %d is %.60q", name, n, ev.Data)
			default:
				n++
			}
		}
		if told != 1 {
			t.Errorf("%s: the late reader was told %d times", name, told)
		}
		late.Close()
		// The follower in another process holds its file open: it loses what
		// lies between that and the oldest that is kept.
		for n, told = 1, 0; n < 3000; {
			ev, err := slow.Next(context.Background())
			var gone *GoneError
			switch {
			case errors.As(err, &gone):
				told++
			case err != nil:
				t.Fatalf("%s: following, after event %d: %v", name, n, err)
			case ev.E == EventCarry:
				n = int(ev.O)
			case !bytes.Equal(ev.Data, text(n)):
				t.Fatalf("%s: following, event %d is %.60q", name, n, ev.Data)
			default:
				n++
			}
		}
		if told != 1 {
			t.Errorf("%s: the follower was told %d times", name, told)
		}
	}
}

func TestRing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s.jsonl")
	const ring = 2 << 20
	l, err := Create(path, Options{Ring: ring, Carry: newCounter, Warn: func(err error) { t.Error(err) }})
	if err != nil {
		t.Fatal(err)
	}
	live := l.Reader()
	defer live.Close()
	used := func() (total int64) {
		entries, _ := os.ReadDir(RingDir(path))
		for _, e := range entries {
			if info, err := e.Info(); err == nil {
				total += info.Size()
			}
		}
		return
	}
	for i := 0; i < 40000; i += 100 {
		fillLog(t, l, i, i+100)
		if n := used(); n > ring {
			t.Fatalf("after %d events the ring has %d bytes", i, n)
		}
	}
	if n := used(); n < ring*3/4 {
		t.Errorf("the ring holds %d bytes of %d", n, ring)
	}
	wantRing := func(path string) {
		t.Helper()
		r := open(t, path)
		first, next, errs := numbers(t, r)
		if first < 20000 || next != 40000 || len(errs) > 0 || next-first < 4000 {
			t.Errorf("%s: events %d to %d, %v", path, first, next, errs)
		}
	}
	for _, kept := range []string{filepath.Join(dir, "kept.jsonl"), filepath.Join(dir, "kept.jsonl.zst")} {
		if err := l.Keep(kept); err != nil {
			t.Fatal(err)
		}
		wantRing(kept)
		if err := l.Keep(kept); err == nil {
			t.Error("kept over the file")
		}
	}
	wantRing(filepath.Join(RingDir(path), "ring.jsonl"))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := files(t, dir); got != "kept.jsonl kept.jsonl.zst" {
		t.Errorf("left: %s", got)
	}
	// A reader that is open comes to the end all the same.
	var last Event
	for {
		ev, err := live.Next(context.Background())
		if errors.Is(err, io.EOF) {
			break
		}
		var gone *GoneError
		if err != nil && !errors.As(err, &gone) {
			t.Fatal(err)
		}
		if err == nil {
			last = ev
			last.Data = bytes.Clone(ev.Data)
		}
	}
	if !bytes.Equal(last.Data, text(39999)) {
		t.Errorf("the last event is %.60q", last.Data)
	}
}

func TestKeepOfOneFile(t *testing.T) {
	l, err := CreateTemp(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	fillLog(t, l, 0, 10)
	kept := filepath.Join(t.TempDir(), "k.jsonl")
	if err := l.Keep(kept); err != nil {
		t.Fatal(err)
	}
	fillLog(t, l, 10, 20)
	wantNumbers(t, kept, 0, 10)
}

// A ring is kept while it turns; nobody waits for ever.
func TestKeepWhileRingTurns(t *testing.T) {
	dir := t.TempDir()
	l, err := Create(filepath.Join(dir, "s.jsonl"), Options{Ring: MinRing, Carry: newCounter})
	if err != nil {
		t.Fatal(err)
	}
	kept := make(chan error)
	go func() {
		defer close(kept)
		for i := range 30 {
			path := filepath.Join(dir, fmt.Sprintf("kept%d.jsonl", i))
			if err := l.Keep(path); err != nil {
				kept <- err
				return
			}
		}
	}()
	n := 0
	for done := false; !done; n += 100 {
		fillLog(t, l, n, n+100)
		select {
		case err := <-kept:
			if err != nil {
				t.Fatal(err)
			}
			done = true
		default:
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		r := open(t, filepath.Join(dir, fmt.Sprintf("kept%d.jsonl", i)))
		first, next, errs := numbers(t, r)
		if len(errs) > 0 || next > n || first > next {
			t.Errorf("kept %d: events %d to %d of %d, %v", i, first, next, n, errs)
		}
		r.Close()
	}
}

// What is recorded so far can be kept from every form, while it goes on.
func TestKeepOfEveryForm(t *testing.T) {
	for form, f := range forms {
		dir := t.TempDir()
		l, err := Create(filepath.Join(dir, f.path), f.o)
		if err != nil {
			t.Fatal(err)
		}
		for n := 0; n < 5000; n += 1000 {
			fillLog(t, l, n, n+1000)
			for _, name := range []string{"kept.jsonl", "kept.jsonl.zst"} {
				kept := filepath.Join(t.TempDir(), name)
				if err := l.Keep(kept); err != nil {
					t.Fatal(err)
				}
				r := open(t, kept)
				first, next, errs := numbers(t, r)
				if next != n+1000 || len(errs) > 0 || f.o.Keep+int(f.o.Ring) == 0 && first != 0 {
					t.Errorf("%s, %s: events %d to %d of %d, %v", form, name, first, next, n+1000, errs)
				}
				r.Close()
			}
		}
		l.Close()
	}
}

// An event that is longer than a file, a frame, and what a ring is cut into.
func TestLongEvent(t *testing.T) {
	long := Event{C: 1, E: EventInject, D: SC, Data: bytes.Repeat([]byte("0123456789"), 500_000), HasData: true}
	for form, f := range forms {
		dir := t.TempDir()
		l, err := Create(filepath.Join(dir, f.path), f.o)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			fillLog(t, l, i*10, i*10+10)
			if err := l.Append(long); err != nil {
				t.Fatal(err)
			}
		}
		kept := filepath.Join(dir, f.read)
		if f.o.Ring > 0 {
			kept = filepath.Join(dir, "kept.jsonl")
			if err := l.Keep(kept); err != nil {
				t.Fatal(err)
			}
		}
		l.Close()
		r := open(t, kept)
		n := 0
		for {
			ev, err := r.Next(context.Background())
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", form, err)
			}
			if ev.E == EventInject {
				if n++; !bytes.Equal(ev.Data, long.Data) {
					t.Errorf("%s: the long event is not what it was", form)
				}
			}
		}
		if n == 0 || n != 3 && f.o.Ring == 0 {
			t.Errorf("%s: %d long events", form, n)
		}
	}
}
