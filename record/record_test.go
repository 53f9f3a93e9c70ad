package record

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "write golden files anew")

const goldenPath = "../testdata/recordings/v1.jsonl"

// example has every event of the format, and what a later version may add.
var example = []Event{
	{C: 1, E: EventOpen, Kind: "c2s", Client: "127.0.0.1:40122", Server: "127.0.0.1:5222"},
	{C: 1, E: EventData, D: CS, Data: []byte("<?xml version='1.0'?><stream:stream to=\"capulet.example\">"), HasData: true},
	{C: 1, E: EventSecure, Leg: "server", Version: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256", Peer: "CN=capulet.example", Verified: true},
	{C: 1, E: EventEdit, D: SC, O: 0, N: 10, Data: []byte(""), HasData: true, By: "proxy", Why: "SCRAM-SHA-1-PLUS removed"},
	{C: 1, E: EventData, D: SC, Data: []byte("0123456789\xff\x00 and more"), HasData: true},
	{C: 1, E: EventHold, D: CS, O: 57, N: 118, By: "pause"},
	{C: 1, E: EventVerdict, D: CS, O: 57, Verdict: "edited", Data: []byte("<message>☃\u2028</message>\n"), HasData: true, By: "viewer"},
	{C: 1, E: EventInject, D: SC, O: 23, Data: []byte("<iq/>"), HasData: true, By: "rule lost-acks"},
	{E: EventNote, Level: "warning", Text: "here \\ the \"roster\"\tdisappears", Hint: "look"},
	{C: 1, E: "future", Extra: []Member{{"deep", json.RawMessage(`{"a":[1,"}",null]}`)}, {"x y", json.RawMessage(`1.5e3`)}}},
	{C: 1, E: EventClose, By: "client"},
}

// steady is a clock that ticks a millisecond a call.
func steady() func() time.Time {
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	return func() time.Time {
		at = at.Add(time.Millisecond)
		return at
	}
}

func writeExample(t *testing.T, path string) {
	t.Helper()
	l, err := Create(path, Options{Tool: "golden", Now: steady()})
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range example {
		if err := l.Append(ev); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func readAll(t *testing.T, r *Reader) ([]Event, []error) {
	t.Helper()
	var evs []Event
	var errs []error
	for {
		ev, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return evs, errs
		}
		if err != nil {
			errs = append(errs, err)
			if len(errs) > 100 {
				t.Fatal("errors without end")
			}
			continue
		}
		ev.Data = bytes.Clone(ev.Data)
		evs = append(evs, ev)
	}
}

// Every version of the format that was ever released stays readable, and the
// current one is written as it was.
func TestGoldenVersion1(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.jsonl")
	writeExample(t, path)
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(goldenPath, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(goldenPath)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("written:\n%s\ngolden:\n%s", got, want)
	}
	for _, line := range bytes.Split(bytes.TrimSpace(got), []byte("\n")) {
		if !json.Valid(line) {
			t.Errorf("no JSON: %s", line)
		}
	}
	r, err := Open(goldenPath)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	evs, errs := readAll(t, r)
	if len(errs) > 0 || len(evs) != len(example) {
		t.Fatalf("%d events, errors %v", len(evs), errs)
	}
	for i, ev := range evs {
		want := example[i]
		want.T = time.Duration(i+1) * time.Millisecond
		if want.HasData && len(want.Data) == 0 {
			want.Data, ev.Data = nil, nil
		}
		if !reflect.DeepEqual(ev, want) {
			t.Errorf("event %d:\n got %+v\nwant %+v", i, ev, want)
		}
	}
}

func TestFileModeAndForce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.jsonl")
	writeExample(t, path)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	_, err = Create(path, Options{})
	var hint interface{ Hint() string }
	if !errors.As(err, &hint) || !strings.Contains(hint.Hint(), "--force") {
		t.Errorf("overwriting: %v", err)
	}
	l, err := Create(path, Options{Force: true})
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if b, _ := os.ReadFile(path); bytes.Count(b, []byte("\n")) != 1 {
		t.Errorf("the old events are still there")
	}
	l, err = CreateTemp(Options{})
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := os.Stat(l.Name()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the temporary file stays: %v", err)
	}
}

// Whatever a crash leaves of the last line, everything before it is read.
func TestTornTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.jsonl")
	writeExample(t, path)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	header := bytes.IndexByte(whole, '\n') + 1
	for n := header; n <= len(whole); n++ {
		r, err := Read(bytes.NewReader(whole[:n]))
		if err != nil {
			t.Fatal(err)
		}
		evs, errs := readAll(t, r)
		if lines := bytes.Count(whole[header:n], []byte("\n")); len(evs) != lines {
			t.Errorf("cut at %d: %d events of %d", n, len(evs), lines)
		}
		torn := whole[n-1] != '\n'
		var te *TornError
		if torn != (len(errs) == 1 && errors.As(errs[0], &te)) || !torn && len(errs) > 0 {
			t.Errorf("cut at %d: %v", n, errs)
		}
	}
}

func TestBrokenLineInTheMiddle(t *testing.T) {
	text := `{"xmpplens":1,"time":"2026-11-23T10:00:00Z"}` + "\n" +
		`{"t":1,"c":1,"e":"open"}` + "\n" + `{"t":1.5,"c":1,"e":"da` + "\n\n" + `{"t":2e0,"c":1,"e":"close","s":"\ud83d\ude00\u0041\u00e9\/"}` + "\n"
	r, err := Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	evs, errs := readAll(t, r)
	var le *LineError
	if len(evs) != 2 || len(errs) != 1 || !errors.As(errs[0], &le) || le.Line != 3 {
		t.Fatalf("%v, %v", evs, errs)
	}
	if string(evs[1].Data) != "😀Aé/" || evs[1].T != 2*time.Second {
		t.Errorf("%q at %v", evs[1].Data, evs[1].T)
	}
}

func TestNotARecording(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "no recording",
		"hello\n":                           "no recording",
		`{"version":2,"width":80}` + "\n":   "no recording",
		`{"xmpplens":99,"time":"x"}` + "\n": "no recording",
		`{"xmpplens":99}` + "\n":            "format version 99",
	} {
		if _, err := Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Times never go backwards, lines never mix, one Append stays together.
func TestConcurrentAppend(t *testing.T) {
	l, err := CreateTemp(Options{})
	if err != nil {
		t.Fatal(err)
	}
	live := l.Reader()
	defer live.Close()
	const writers, each = 8, 200
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				text := fmt.Appendf(nil, "%d", i)
				l.Append(Event{C: w + 1, E: EventEdit, D: CS, Data: text, HasData: true}, Event{C: w + 1, E: EventData, D: CS, Data: text, HasData: true})
			}
		})
	}
	go func() {
		wg.Wait()
		l.Close()
	}()
	evs, errs := readAll(t, live)
	if len(errs) > 0 || len(evs) != 2*writers*each {
		t.Fatalf("%d events, %v", len(evs), errs)
	}
	next := make([]int, writers+1)
	var last time.Duration
	for i := 0; i < len(evs); i += 2 {
		a, b := evs[i], evs[i+1]
		if a.E != EventEdit || b.E != EventData || a.C != b.C || a.T < last || b.T != a.T {
			t.Fatalf("events %d: %+v %+v", i, a, b)
		}
		last = a.T
		if string(a.Data) != fmt.Sprint(next[a.C]) {
			t.Fatalf("connection %d: %s after %d", a.C, a.Data, next[a.C]-1)
		}
		next[a.C]++
	}
}

// full fails after some bytes, as a disk does.
func TestFullDisk(t *testing.T) {
	dir := tinyDisk(t)
	l, err := Create(filepath.Join(dir, "r.jsonl"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := l.Reader()
	defer r.Close()
	ev := Event{C: 1, E: EventData, D: CS, Data: bytes.Repeat([]byte("x"), 5000), HasData: true}
	n := 0
	for l.Append(ev) == nil {
		if n++; n > 1000 {
			t.Fatal("the disk never gets full")
		}
	}
	<-l.Stopped()
	var stopped *StoppedError
	if !errors.As(l.Err(), &stopped) || stopped.Events != int64(n) {
		t.Errorf("after %d events: %v", n, l.Err())
	}
	for range n {
		if _, err := r.Next(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Next(context.Background()); !errors.As(err, &stopped) {
		t.Errorf("a reader is told %v", err)
	}
	l.Close()
	if _, err := r.Next(context.Background()); err != io.EOF {
		t.Errorf("after Close: %v", err)
	}
	again, err := Open(l.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if evs, errs := readAll(t, again); len(evs) != n || len(errs) > 0 {
		t.Errorf("%d events of %d, %v", len(evs), n, errs)
	}
}

func TestSeekAndClone(t *testing.T) {
	r, err := Open(goldenPath)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var pos []int64
	for {
		if _, err := r.Next(context.Background()); err != nil {
			break
		}
		pos = append(pos, r.Pos())
	}
	c, err := r.Clone()
	if err != nil {
		t.Fatal(err)
	}
	for i := len(pos) - 1; i >= 0; i-- {
		if err := c.SeekTo(pos[i]); err != nil {
			t.Fatal(err)
		}
		ev, err := c.Next(context.Background())
		if err != nil || ev.E != example[i].E {
			t.Errorf("at %d: %v, %v", pos[i], ev.E, err)
		}
	}
}

func TestNextHeedsItsContext(t *testing.T) {
	l, err := CreateTemp(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := l.Reader()
	defer r.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// What flat takes for JSON, encoding/json must take, too.
func FuzzFlat(f *testing.F) {
	for _, s := range []string{`{"a":"b"}`, `{"t":0.5,"c":1,"e":"data","s":"\u00e9\n"}`, `{"a":01}`, `{"a":1.}`, `{"a":1..2}`, `{"a":true,}`, `{"a":"\x"}`, `{"a":"\u12g4"}`, `{}`, `{"a":1}}`, `{"a`, `{"a":`, `{"a":"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if flat(b) && !json.Valid(b) {
			t.Errorf("%q is no JSON", b)
		}
	})
}

func FuzzCodec(f *testing.F) {
	for _, ev := range example {
		f.Add(ev.Data, ev.Text, ev.O)
	}
	f.Add([]byte("\xed\xa0\x80"), "\xff", int64(-1))
	f.Fuzz(func(t *testing.T, data []byte, text string, o int64) {
		ev := Event{C: 7, E: EventEdit, D: SC, Data: data, HasData: true, O: o, Text: text}
		line := appendEvent(nil, &ev)
		free := putTime(line, 1234567890)
		line = line[free:]
		if !json.Valid(line) || bytes.IndexByte(line, '\n') != len(line)-1 {
			t.Fatalf("no JSON line: %q", line)
		}
		var got Event
		if err := parseEvent(line, &got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Data, data) || got.O != o || got.T != 1234567890 {
			t.Fatalf("%q came back as %+v", line, got)
		}
		if utf8.ValidString(text) && got.Text != text {
			t.Fatalf("text %q came back as %q", text, got.Text)
		}
		var std struct{ S *string }
		if err := json.Unmarshal(line, &std); err != nil || std.S != nil && *std.S != string(data) {
			t.Fatalf("encoding/json reads %q (%v)", line, err)
		}
	})
}

// BenchmarkEncode: a data event of 800 bytes, against encoding/json.
func BenchmarkEncode(b *testing.B) {
	data := []byte(strings.Repeat("<message to=\"juliet@capulet.example\"><body>Art thou not Romeo?</body></message>", 10))
	ev := Event{C: 1, E: EventData, D: CS, Data: data, HasData: true}
	b.Run("ours", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			buf = appendEvent(buf[:0], &ev)
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		var buf bytes.Buffer
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		for b.Loop() {
			buf.Reset()
			enc.Encode(struct {
				T float64 `json:"t"`
				C int     `json:"c"`
				E string  `json:"e"`
				D string  `json:"d"`
				S string  `json:"s"`
			}{1.5, 1, "data", "CS", string(data)})
		}
	})
}

// BenchmarkAppend: what recording costs a chunk, the write(2) included.
func BenchmarkAppend(b *testing.B) {
	l, err := CreateTemp(Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	ev := [1]Event{{C: 1, E: EventData, D: CS, Data: bytes.Repeat([]byte("x"), 800), HasData: true}}
	b.SetBytes(800)
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Append(ev[:]...); err != nil {
			b.Fatal(err)
		}
	}
}

// What the events of BOSH add is kept.
func TestBodies(t *testing.T) {
	for _, ev := range []Event{
		{C: 1, E: EventOpen, Kind: "c2s", Transport: TransportBOSH, Client: "127.0.0.1:1", Server: "http://b/"},
		{C: 1, E: EventData, D: CS, RID: 1<<53 - 1, More: true, Data: []byte("<body/>"), HasData: true},
		{C: 1, E: EventNote, RID: 7, Text: "given up"},
	} {
		line := appendEvent(nil, &ev)
		line = line[putTime(line, 0):]
		var got Event
		if err := parseEvent(line, &got); err != nil || got.RID != ev.RID || got.More != ev.More || got.Transport != ev.Transport {
			t.Errorf("%s came back as %+v (%v)", line, got, err)
		}
	}
}
