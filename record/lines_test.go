package record

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
)

// agree checks that parseData reads a line as parseEvent does, or leaves it.
func agree(t testing.TB, line []byte) (took bool) {
	t.Helper()
	var want, got Event
	before := bytes.Clone(line)
	out, ok := parseData(line, &got, []byte("before"))
	if !bytes.Equal(line, before) {
		t.Fatalf("%q was changed to %q", before, line)
	}
	if !ok {
		return false
	}
	if err := parseEvent(line, &want); err != nil {
		t.Fatalf("%q is no event: %v", line, err)
	}
	if string(out) != "before"+string(want.Data) {
		t.Fatalf("%q yields %q", line, out)
	}
	want.Data, got.Data = append([]byte{}, want.Data...), append([]byte{}, got.Data...)
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q\n got %+v\nwant %+v", line, got, want)
	}
	return true
}

func TestDataLines(t *testing.T) {
	for _, s := range []string{"", "a", "<presence/>", "1234567", "12345678", "123456789", `quotes "and" \slashes\`, "\n\r\t", "Ünïcode ☃ 🧦", "\x01\x7f", "not \xff UTF-8", strings.Repeat("long \"", 5000)} {
		for _, ev := range []Event{{T: 1, C: 1, D: CS}, {T: 123456789 * time.Second, C: 99999, D: SC}, {C: 7, D: SC, RID: 1 << 40, More: true}} {
			ev.E, ev.Data, ev.HasData = EventData, []byte(s), true
			line := bytes.TrimSuffix(appendLine(nil, &ev), []byte("\n"))
			// Control characters and the longest times are left to parseEvent.
			if took := agree(t, line); !took && !strings.ContainsAny(s, "\x01") {
				t.Errorf("%s is not known", line)
			}
			for n := range min(len(line), 300) {
				if agree(t, line[:n]) {
					t.Errorf("%s is taken for whole", line[:n])
				}
			}
		}
	}
	for _, line := range []string{
		`{"t":01.000000000,"c":1,"e":"data","d":"CS","s":"x"}`, `{"t":1.0,"c":1,"e":"data","d":"CS","s":"x"}`, `{"t":1.000000000,"c":01,"e":"data","d":"CS","s":"x"}`,
		`{"t":1.000000000,"c":1,"e":"data","d":"XX","s":"x"}`, `{"t":1.000000000,"c":1,"e":"data","d":"CS","s":"x"} `, `{"t":1.000000000,"c":1,"e":"data","d":"CS","s":"x","y":1}`,
		"{\"t\":1.000000000,\"c\":1,\"e\":\"data\",\"d\":\"CS\",\"s\":\"\t\"}", `{"t":1.000000000,"c":1,"e":"data","d":"CS","s":"\u00e9"}`, `{"t":1.000000000,"c":1,"e":"data","d":"CS","b":"!!"}`,
		"{\"t\":1.000000000,\"c\":1,\"e\":\"data\",\"d\":\"CS\",\"b\":\"QU\nFB\"}", `{"t":1.000000000,"c":1,"e":"data","d":"CS","rid":,"s":"x"}`,
	} {
		agree(t, []byte(line))
	}
}

func FuzzDataLines(f *testing.F) {
	for _, s := range []string{"", `a "b"\`, "é☃", "\xff", "12345678"} {
		ev := Event{T: 12345, C: 3, E: EventData, D: SC, Data: []byte(s), HasData: true, RID: 4, More: true}
		f.Add(bytes.TrimSuffix(appendLine(nil, &ev), []byte("\n")))
	}
	f.Fuzz(func(t *testing.T, line []byte) { agree(t, line) })
}

// NextInto keeps what was read before, whoever wrote the line.
func TestNextInto(t *testing.T) {
	b := appendHeader(nil, Header{Version: 1})
	var want []string
	for i := range 2000 {
		s := fmt.Sprintf("data %d \"%s\"", i, strings.Repeat("é", i%50))
		want = append(want, s)
		ev := Event{T: time.Duration(i), C: 1, E: EventData, D: CS, Data: []byte(s), HasData: true}
		line := string(appendLine(nil, &ev))
		if i%3 == 0 {
			line = strings.Replace(line, ",", " , ", 3)
		}
		b = append(b, line...)
	}
	r, err := Read(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	var buf []byte
	evs := make([]Event, len(want))
	for i := range evs {
		if buf, err = r.NextInto(context.Background(), &evs[i], buf); err != nil {
			t.Fatal(err)
		}
	}
	for i, ev := range evs {
		if string(ev.Data) != want[i] {
			t.Fatalf("event %d: %q, want %q", i, ev.Data, want[i])
		}
	}
}

// A reader that is still comes to an end where another one would wait.
func TestStill(t *testing.T) {
	for _, follows := range []bool{false, true} {
		log, err := CreateTemp(Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		say := func(s string) {
			log.Append(Event{C: 1, E: EventData, D: CS, Data: []byte(s), HasData: true})
		}
		say("one")
		r := log.Reader()
		if follows {
			r.Close()
			if r, err = Open(log.Name()); err != nil {
				t.Fatal(err)
			}
			r.Follow()
		}
		defer r.Close()
		r.Still(true)
		if ev, err := r.Next(t.Context()); err != nil || string(ev.Data) != "one" {
			t.Errorf("%q, %v", ev.Data, err)
		}
		for range 2 {
			if _, err := r.Next(t.Context()); !errors.Is(err, io.EOF) {
				t.Errorf("follows %v: %v", follows, err)
			}
		}
		r.Still(false)
		done := make(chan string)
		go func() {
			ev, err := r.Next(t.Context())
			done <- fmt.Sprint(string(ev.Data), err)
		}()
		say("two")
		if got := <-done; got != "two<nil>" {
			t.Errorf("follows %v: %s", follows, got)
		}
	}
}
