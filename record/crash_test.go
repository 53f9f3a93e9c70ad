package record

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The tests in this file are about bad days: the program is killed, the disk is
// full, bytes flip.

// forms are the ways to keep a recording; each is Create's name and options.
var forms = map[string]struct {
	path string
	o    Options
	read string // what Open is given
}{
	"one file":            {"s.jsonl", Options{}, "s.jsonl"},
	"compressed":          {"s.jsonl.zst", Options{Segment: 100 << 10}, "s.jsonl.zst"},
	"rotated":             {"s.jsonl", Options{RotateSize: 100 << 10}, "s.jsonl"},
	"rotated, kept":       {"s.jsonl", Options{RotateSize: 100 << 10, Keep: 5, Carry: newCounter}, "s.jsonl"},
	"rotated, compressed": {"s.jsonl.zst", Options{RotateSize: 100 << 10, Keep: 5, Carry: newCounter}, "s.jsonl.zst"},
	"ring":                {"s.jsonl", Options{Ring: 2 << 20, Carry: newCounter}, "s.jsonl.ring/ring.jsonl"},
}

// The test binary is the writer that is killed.
func init() {
	form, dir := os.Getenv("RECORD_TEST_FORM"), os.Getenv("RECORD_TEST_DIR")
	if form == "" {
		return
	}
	f := forms[form]
	l, err := Create(filepath.Join(dir, f.path), f.o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for i := 0; ; i++ {
		if err := l.Append(Event{C: 1, E: EventData, D: CS, Data: text(i), HasData: true}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if i%100 == 99 {
			fmt.Println(i + 1) // these are recorded, whatever comes
		}
	}
}

// Whatever the form, kill -9 under load loses nothing that Append returned from,
// and nothing is there twice.
func TestKilledWriter(t *testing.T) {
	for form, f := range forms {
		for round := range 4 {
			t.Run(fmt.Sprintf("%s %d", form, round), func(t *testing.T) {
				dir := t.TempDir()
				cmd := exec.Command(os.Args[0])
				cmd.Env = append(os.Environ(), "RECORD_TEST_FORM="+form, "RECORD_TEST_DIR="+dir)
				cmd.Stderr = os.Stderr
				out, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				known := 0
				lines := bufio.NewScanner(out)
				for stop := 3000 + round*3777; known < stop && lines.Scan(); {
					known, _ = strconv.Atoi(lines.Text())
				}
				cmd.Process.Signal(syscall.SIGKILL)
				for lines.Scan() {
					known, _ = strconv.Atoi(lines.Text())
				}
				cmd.Wait()
				r := open(t, filepath.Join(dir, f.read))
				first, next, errs := numbers(t, r)
				// The event that was being written may be torn.
				var torn *TornError
				if next < known || len(errs) > 1 || len(errs) == 1 && !errors.As(errs[0], &torn) {
					t.Errorf("%d of %d events, %v; files: %s", next, known, errs, files(t, dir))
				}
				if f.o.Keep == 0 && f.o.Ring == 0 && first != 0 {
					t.Errorf("begins at event %d", first)
				}
				if lock := open(t, filepath.Join(dir, f.read)); lock != nil {
					lock.Close()
				}
				// Nobody holds the files any more.
				o := f.o
				if _, err := Create(filepath.Join(dir, f.path), o); err == nil || strings.Contains(err.Error(), "being written") {
					t.Errorf("created over what is left: %v", err)
				}
				o.Force = true
				l, err := Create(filepath.Join(dir, f.path), o)
				if err != nil {
					t.Fatal(err)
				}
				if err := l.Close(); err != nil {
					t.Error(err)
				}
				for _, name := range strings.Fields(files(t, dir)) {
					if strings.HasSuffix(name, ".tmp") {
						t.Errorf("%s is left", name)
					}
				}
			})
		}
	}
}

// A second writer is kept out of every form, with --force, too.
func TestTwoWriters(t *testing.T) {
	for form, f := range forms {
		path := filepath.Join(t.TempDir(), f.path)
		l, err := Create(path, f.o)
		if err != nil {
			t.Fatal(err)
		}
		fillLog(t, l, 0, 1000)
		for _, force := range []bool{false, true} {
			o := f.o
			o.Force = force
			second, err := Create(path, o)
			var hint interface{ Hint() string }
			if err == nil || !errors.As(err, &hint) || force && !strings.Contains(err.Error(), "is being written by another xmpplens") {
				t.Errorf("%s, force %v: %v", form, force, err)
			}
			if second != nil {
				second.Close()
			}
		}
		fillLog(t, l, 1000, 1100)
		if r := open(t, filepath.Join(filepath.Dir(path), f.read)); true {
			if _, next, errs := numbers(t, r); next != 1100 || len(errs) > 0 {
				t.Errorf("%s: %d events, %v", form, next, errs)
			}
		}
		l.Close()
	}
}

// fillDisk leaves so many bytes of a file system.
func fillDisk(t *testing.T, dir string, left int64) *os.File {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, "ballast"), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	block := make([]byte, 4096)
	for {
		if _, err := f.Write(block); err != nil {
			break
		}
	}
	info, _ := f.Stat()
	f.Truncate(max(0, info.Size()-left))
	return f
}

// The disk is full: while appending, while compressing, while rotating, while
// carry lines are written. What was appended before is read, and the recording
// goes on when only the background has no room.
func TestFullDiskInSegments(t *testing.T) {
	for form, f := range forms {
		if f.o.Ring > 0 {
			f.o.Ring = 4 << 20 // more than there is
		}
		dir := diskOf(t, 1<<20)
		var warned []error
		f.o.Warn = func(err error) { warned = append(warned, err) }
		l, err := Create(filepath.Join(dir, f.path), f.o)
		if err != nil {
			t.Fatal(err)
		}
		ballast := fillDisk(t, dir, 500<<10)
		n := 0
		for ; n < 100_000; n++ {
			if f.o.Keep > 0 && n == 6000 { // these never need more
				ballast.Truncate(0)
			}
			if l.Append(Event{C: 1, E: EventData, D: CS, Data: text(n), HasData: true}) != nil {
				break
			}
			if n > 20_000 && (f.o.Keep > 0 || f.path == "s.jsonl.zst") {
				break
			}
		}
		stopped := l.Err()
		closing := l.Close()
		var full *StoppedError
		if stopped != nil && (!errors.As(stopped, &full) || full.Events != int64(n) || !errors.Is(stopped, syscall.ENOSPC)) {
			t.Errorf("%s: stopped after %d events with %v", form, n, stopped)
		}
		t.Logf("%s: %d events, stopped: %v, closing: %v, warned %d times: %v", form, n, stopped, closing, len(warned), first(warned))
		if f.o.Ring > 0 {
			continue // it is gone
		}
		r := open(t, filepath.Join(dir, f.read))
		ev, err := r.Next(context.Background())
		begin := 0
		if f.o.Keep > 0 && ev.E != EventCarry {
			// There was no room for carry lines, which was said.
			fmt.Sscanf(string(ev.Data), "<message id='%d'", &begin)
			if begin > 0 && !strings.Contains(errors.Join(warned...).Error(), "what was open is not known") {
				t.Errorf("%s: begins with event %d, warned of %v", form, begin, warned)
			}
		} else if ev.E == EventCarry {
			begin = int(ev.O)
			ev, err = r.Next(context.Background())
		}
		if err != nil {
			t.Fatal(err)
		}
		_, next, errs := numbersFrom(t, r, ev)
		want := n
		if stopped == nil {
			want = n + 1
		}
		if next != want || len(errs) > 0 || f.o.Keep == 0 && begin != 0 {
			t.Errorf("%s: events %d to %d of %d, %v; %s", form, begin, next, want, errs, files(t, dir))
		}
		r.Close()
	}
}

func first(errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	return errs[0]
}

// No room to compress: the plain files stay, are read, and are compressed when
// there is room again.
func TestFullDiskWhileCompressing(t *testing.T) {
	dir := diskOf(t, 4<<20)
	path := filepath.Join(dir, "s.jsonl.zst")
	warned := make(chan error, 100)
	l, err := Create(path, Options{Segment: 1 << 20, Warn: func(err error) { warned <- err }})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; l.Size() < 1<<20-1000; n++ {
		fillLog(t, l, n, n+1)
	}
	ballast := fillDisk(t, dir, 8<<10)
	for i := 0; i < 20; i++ { // into the next segment
		if l.Append(Event{C: 1, E: EventData, D: CS, Data: text(n), HasData: true}) != nil {
			t.Fatal(l.Err())
		}
		n++
	}
	select {
	case err := <-warned:
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "stays uncompressed") {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nobody says that the disk is full")
	}
	wantNumbers(t, path, 0, n)
	if info, err := os.Stat(path); err != nil || info.Size() != 0 {
		t.Errorf("what was begun is still there: %v, %v", info.Size(), err)
	}
	ballast.Truncate(0)
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	wantNumbers(t, path, 0, n)
	os.Remove(filepath.Join(dir, "ballast"))
	if got := files(t, dir); got != "s.jsonl.zst" {
		t.Errorf("at the end: %s", got)
	}
}

// A compressed file that ends in the middle, at any byte, with the plain file
// still there: nothing lost, nothing doubled. Without it: what is whole is read,
// and the end is reported.
func TestTornFrame(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s.jsonl.zst")
	l, err := Create(path, Options{Segment: 30 << 10})
	if err != nil {
		t.Fatal(err)
	}
	fillLog(t, l, 0, 300)
	l.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	segs, _, err := scanFile(path)
	if err != nil || len(segs) < 3 {
		t.Fatalf("%d segments, %v", len(segs), err)
	}
	last := segs[len(segs)-1]
	from := last.heads[0].pos - (8 + infoSize)
	data := last.frames[0]
	lines, err := data.unpack(whole[data.pos : data.pos+int64(data.packed)])
	if err != nil {
		t.Fatal(err)
	}
	head, err := last.headLines()
	if err != nil {
		t.Fatal(err)
	}
	for cut := from; cut <= int64(len(whole)); cut += 7 {
		os.WriteFile(path, whole[:cut], 0o600)
		os.WriteFile(filepath.Join(dir, "s.jsonl"), append(bytes.Clone(head), lines...), 0o600)
		wantNumbers(t, path, 0, 300)
		os.Remove(filepath.Join(dir, "s.jsonl"))
		r := open(t, path)
		_, next, errs := numbers(t, r)
		r.Close()
		var torn *TornError
		complete := cut == int64(len(whole)) || cut == from
		if !complete && (next == 300 || next < 200 || len(errs) != 1 || !errors.As(errs[0], &torn) || torn.File != path) {
			t.Errorf("cut at %d of %d: %d events, %v", cut, len(whole), next, errs)
		}
	}
}

// A flipped byte in a compressed file costs one frame, and the time that is lost
// is said. All else is read.
func TestFlippedByte(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s.jsonl.zst")
	l, err := Create(path, Options{Segment: 30 << 10, Now: steady()})
	if err != nil {
		t.Fatal(err)
	}
	fillLog(t, l, 0, 500)
	l.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	segs, _, _ := scanFile(path)
	most := 0
	for _, g := range segs {
		for _, f := range g.frames {
			most = max(most, f.events)
		}
	}
	for at := 0; at < len(whole); at += 11 {
		b := bytes.Clone(whole)
		b[at] ^= 0x10
		os.WriteFile(path, b, 0o600)
		r, err := Open(path)
		if err != nil {
			t.Errorf("byte %d: %v", at, err)
			continue
		}
		seen := make(map[string]int)
		var errs []error
		for {
			ev, err := r.Next(context.Background())
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				if errs = append(errs, err); len(errs) > 10 {
					t.Fatal(errs)
				}
				continue
			}
			seen[string(ev.Data)]++
		}
		r.Close()
		lost := 0
		for i := range 500 {
			if n := seen[string(text(i))]; n == 0 {
				lost++
			} else if n > 1 {
				t.Errorf("byte %d: event %d comes %d times", at, i, n)
			}
		}
		if lost > most || lost > 0 && len(errs) == 0 {
			t.Errorf("byte %d: %d events are lost, %v", at, lost, errs)
		}
		for _, err := range errs {
			var damage *DamageError
			var torn *TornError
			if !errors.As(err, &damage) && !errors.As(err, &torn) {
				t.Errorf("byte %d: %v", at, err)
			}
			if damage != nil && lost > 0 && damage.To == 0 && damage.Bytes == 0 {
				t.Errorf("byte %d: it is not said what is lost: %v", at, err)
			}
		}
	}
}

// A flipped byte in a plain file costs no more than the lines it touches, and is
// said where it breaks one. Where it does not, nothing tells: there is no
// checksum.
func TestFlippedByteInPlain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.jsonl")
	l, err := Create(path, Options{Now: steady()})
	if err != nil {
		t.Fatal(err)
	}
	fillLog(t, l, 0, 30)
	l.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	said := 0
	for at := bytes.IndexByte(whole, '\n') + 1; at < len(whole); at++ {
		b := bytes.Clone(whole)
		b[at] ^= 0x08
		r, err := Read(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		evs, errs := readAll(t, r)
		if len(evs) < 28 || len(evs)+len(errs) > 31 || len(evs) < 29 && len(errs) == 0 {
			t.Errorf("byte %d: %d events, %v", at, len(evs), errs)
		}
		for _, err := range errs {
			var line *LineError
			var torn *TornError
			if !errors.As(err, &line) && !errors.As(err, &torn) {
				t.Errorf("byte %d: %v", at, err)
			}
			if line != nil && line.Line > 2 && !strings.Contains(err.Error(), ", recorded after 0.0") {
				t.Errorf("byte %d: it is not said when: %v", at, err)
			}
			said++
		}
	}
	if said == 0 {
		t.Error("nothing was broken")
	}
}

// The next file cannot be begun: the recording goes on in the open one, says so,
// and tries again.
func TestRotationFails(t *testing.T) {
	for _, c := range []struct {
		path, obstacle string
		o              Options
	}{
		{"s.jsonl", "s.0002.jsonl", Options{RotateSize: 100 << 10}},
		{"s.jsonl.zst", "s.jsonl.1", Options{Segment: 100 << 10}},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, c.path)
		var warned []error
		c.o.Warn = func(err error) { warned = append(warned, err) }
		l, err := Create(path, c.o)
		if err != nil {
			t.Fatal(err)
		}
		obstacle := filepath.Join(dir, c.obstacle, "x")
		if err := os.MkdirAll(obstacle, 0o700); err != nil {
			t.Fatal(err)
		}
		fillLog(t, l, 0, 1000)
		if len(warned) == 0 || len(warned) > 10 || !strings.Contains(warned[0].Error(), "the recording goes on in") {
			t.Errorf("%s: warned of %v", c.path, warned)
		}
		if c.path == "s.jsonl" {
			wantNumbers(t, filepath.Join(dir, "s.0001.jsonl"), 0, 1000)
		}
		os.RemoveAll(filepath.Dir(obstacle))
		fillLog(t, l, 1000, 3000)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		wantNumbers(t, path, 0, 3000)
		if got := files(t, dir); c.path == "s.jsonl" && !strings.Contains(got, "s.0002.jsonl") || c.path != "s.jsonl" && got != "s.jsonl.zst" {
			t.Errorf("files: %s", got)
		}
	}
}
