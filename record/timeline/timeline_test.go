package timeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/record"
)

const header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"

func data(d record.Dir, s string) record.Event {
	return record.Event{C: 1, E: record.EventData, D: d, Data: []byte(s), HasData: true}
}

func write(t testing.TB, evs ...record.Event) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "r.jsonl")
	log, err := record.Create(path, record.Options{Tool: "test"})
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range evs {
		if err := log.Append(ev); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t testing.TB, path string) []*Entry {
	t.Helper()
	r, err := record.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var fold Folder
	var out []*Entry
	emit := func(e *Entry) { out = append(out, e.Clone()) }
	for {
		ev, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			fold.Finish(emit)
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		fold.Add(ev, r.Pos(), emit)
	}
}

// conversation has one of everything.
func conversation() []record.Event {
	big := "<message><body>" + strings.Repeat("x", 3<<20) + "</body></message>"
	return []record.Event{
		{C: 1, E: record.EventOpen, Kind: "c2s", Client: "127.0.0.1:1", Server: "127.0.0.1:2"},
		data(record.CS, "<?xml version='1.0'?>"+header),
		data(record.SC, header+"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
		data(record.SC, "</stream:features>"),
		data(record.CS, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
		{C: 1, E: record.EventHold, D: record.SC, O: int64(len(header)) + 18 + 50 + 18, N: 50, By: "proxy"},
		data(record.SC, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
		{C: 1, E: record.EventSecure, Leg: "server", Version: "TLS 1.3", Peer: "CN=x", Verified: true},
		{C: 1, E: record.EventVerdict, D: record.SC, O: int64(len(header)) + 18 + 50 + 18, Verdict: "passed", By: "proxy"},
		{C: 1, E: record.EventSecure, Leg: "client", Version: "TLS 1.3"},
		data(record.CS, header+"<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>  \n <presence/>"),
		{C: 1, E: record.EventInject, D: record.SC, O: int64(len(header)) + 136, Data: []byte("<message/><presence/>"), HasData: true, By: "rule x"},
		data(record.SC, header+"<iq type='result' id='1'><query xmlns='jabber:iq:roster'/></iq>"),
		data(record.CS, big[:100]), data(record.CS, big[100:]),
		data(record.CS, "<a></b>\xff"),
		{C: 0, E: record.EventNote, Level: "warning", Text: "odd", Hint: "look"},
		data(record.CS, header+"</stream:stream>"),
		data(record.SC, "<unfini"),
		{C: 1, E: record.EventClose, By: "client"},
		{C: 2, E: record.EventData, D: record.CS, Data: []byte("<junk"), HasData: true},
	}
}

func TestTiling(t *testing.T) {
	evs := conversation()
	want, got := map[string]string{}, map[string]string{}
	for _, ev := range evs {
		if ev.E == record.EventData {
			want[string(ev.D)+string(rune('0'+ev.C))] += string(ev.Data)
		}
	}
	for i, e := range read(t, write(t, evs...)) {
		if e.N != i+1 {
			t.Fatalf("entry %d has number %d", i+1, e.N)
		}
		if e.Dir != "" && !e.Injected {
			k := string(e.Dir) + string(rune('0'+e.Conn))
			if int(e.Offset) != len(got[k]) {
				t.Errorf("entry %d: offset %d, want %d", e.N, e.Offset, len(got[k]))
			}
			got[k] += string(e.Frame.Raw)
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Error("the entries do not tile what was received")
	}
}

func TestFold(t *testing.T) {
	var got []string
	for _, e := range read(t, write(t, conversation()...)) {
		s := string(e.Dir) + " " + e.Kind + " " + e.Stanza.Summary
		if len(s) > 70 {
			s = s[:70]
		}
		if e.Dir != "" && e.Outcome() != "passed" {
			s += " [" + e.Outcome() + "]"
		}
		if e.Facts.HasLatency {
			s += " latency"
		}
		got = append(got, strings.TrimSpace(s))
	}
	want := []string{
		"open connection 1 (c2s) from 127.0.0.1:1 to 127.0.0.1:2",
		"CS declaration XML declaration",
		"CS header stream, version 1.0",
		"SC header stream, version 1.0",
		"SC nonza features: STARTTLS",
		"CS nonza STARTTLS asked",
		"secure server leg secured with TLS 1.3, CN=x",
		"SC nonza STARTTLS proceeds",
		"secure client leg secured with TLS 1.3",
		"CS header stream, version 1.0",
		"CS iq iq get roster",
		"CS whitespace white space keepalive, 4 bytes",
		"CS presence presence available",
		"SC message message [injected]",
		"SC presence presence available [injected]",
		"SC header stream, version 1.0",
		"SC iq iq result roster latency",
	}
	if len(got) < len(want) || !reflect.DeepEqual(got[:len(want)], want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	tail := strings.Join(got[len(want):], "\n")
	for _, s := range []string{"CS junk ", "note odd", "CS end stream end", "SC junk ", "close connection 1 closed by the client"} {
		if !strings.Contains(tail, s) {
			t.Errorf("no %q in\n%s", s, tail)
		}
	}
}

func TestEdits(t *testing.T) {
	text := header + "<a/><b/><c/>"
	o := int64(len(header))
	for _, c := range []struct {
		name  string
		edits []record.Event
		want  string
	}{
		{"a whole frame", []record.Event{{O: o, N: 4, Data: []byte("<x/>")}}, "<x/><b/><c/>"},
		{"a part", []record.Event{{O: o + 1, N: 1, Data: []byte("xyz")}}, "<xyz/><b/><c/>"},
		{"two in one", []record.Event{{O: o + 1, N: 1, Data: []byte("x")}, {O: o + 2, N: 2, Data: []byte("></x>")}}, "<x></x><b/><c/>"},
		{"over frames", []record.Event{{O: o + 4, N: 8, Data: []byte("<y/>")}}, "<a/><y/>"},
		{"away", []record.Event{{O: o + 4, N: 4}}, "<a/><c/>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var evs []record.Event
			for _, e := range c.edits {
				e.C, e.E, e.D, e.HasData, e.By, e.Why = 1, record.EventEdit, record.SC, true, "proxy", "because"
				evs = append(evs, e)
			}
			var sent bytes.Buffer
			for _, e := range read(t, write(t, append(evs, data(record.SC, text))...)) {
				if e.Edited {
					sent.Write(e.Sent)
					if e.By != "proxy" || e.Why != "because" {
						t.Errorf("by %q, why %q", e.By, e.Why)
					}
				} else {
					sent.Write(e.Frame.Raw)
				}
			}
			if got := sent.String(); got != header+c.want {
				t.Errorf("sent %s, want %s", got, c.want)
			}
		})
	}
}

func TestVerdicts(t *testing.T) {
	for verdict, want := range map[string]string{"passed": "<a/>", "edited": "<x/>", "dropped": ""} {
		ev := record.Event{C: 1, E: record.EventVerdict, D: record.CS, O: int64(len(header)), Verdict: verdict}
		if verdict == "edited" {
			ev.Data, ev.HasData = []byte("<x/>"), true
		}
		got := read(t, write(t, record.Event{C: 1, E: record.EventHold, D: record.CS, O: int64(len(header)), N: 4},
			data(record.CS, header+"<a/><b/>"), data(record.SC, header), ev))
		var order []string
		for _, e := range got {
			order = append(order, string(e.Dir)+string(e.Frame.Name))
		}
		if strings.Join(order, " ") != "CSstream SCstream CSa CSb" {
			t.Errorf("order %v", order)
			continue
		}
		sent := string(got[2].Frame.Raw)
		if got[2].Edited {
			sent = string(got[2].Sent)
		}
		if sent != want || got[2].Outcome() != verdict {
			t.Errorf("%s: sent %q, want %q; outcome %s", verdict, sent, want, got[2].Outcome())
		}
	}
}

// What is injected before bytes that are held goes before them, though they came
// first.
func TestInjectedBeforeHeld(t *testing.T) {
	o := int64(len(header))
	var got []string
	for _, e := range read(t, write(t, data(record.CS, header), record.Event{C: 1, E: record.EventHold, D: record.CS, O: o, N: 4}, data(record.CS, "<a/><b/>"),
		record.Event{C: 1, E: record.EventInject, D: record.CS, O: o + 4, Data: []byte("<y/>"), HasData: true},
		record.Event{C: 1, E: record.EventInject, D: record.CS, O: o, Data: []byte("<x/>"), HasData: true},
		record.Event{C: 1, E: record.EventVerdict, D: record.CS, O: o, Verdict: "passed"})) {
		got = append(got, string(e.Frame.Name))
	}
	if s := strings.Join(got, " "); s != "stream x a y b" {
		t.Errorf("order %s", s)
	}
}

func index(t testing.TB, path string) *Index {
	t.Helper()
	r, err := record.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	x, err := NewIndex(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

func TestIndex(t *testing.T) {
	path := write(t, conversation()...)
	want := read(t, path)
	x := index(t, path)
	if err := x.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := x.Status(); s.Len != len(want) || !s.Done || s.Conns != 1 || s.Trouble != nil {
		t.Errorf("status %+v, want %d entries", s, len(want))
	}
	o := JSONOptions{Start: x.Start(), Secrets: true}
	for n := 1; n <= len(want); n++ {
		got, err := x.Entries(n, 1)
		if err != nil || len(got) != 1 {
			t.Fatalf("entry %d: %v", n, err)
		}
		w := want[n-1]
		if g, w := string(got[0].JSON(nil, o)), string(w.JSON(nil, o)); g != w {
			t.Errorf("entry %d\n got %.400s\nwant %.400s", n, g, w)
		}
	}
	for _, w := range want {
		for _, r := range w.Facts.Related {
			got, err := x.Entries(r.N, 1)
			if err != nil || !slices.Contains(got[0].Later, track.Relation{Kind: r.Kind, N: w.N}) {
				t.Errorf("entry %d %s %d, which does not know", w.N, r.Kind, r.N)
			}
		}
	}
	if got, err := x.Entries(len(want), 10); err != nil || len(got) != 1 {
		t.Errorf("at the end: %d entries, %v", len(got), err)
	}
}

func TestIndexFollows(t *testing.T) {
	log, err := record.CreateTemp(record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	x, err := NewIndex(log.Reader())
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- x.Run(t.Context()) }()
	n := 0
	for _, text := range []string{header, "<presence/>", "<message/>"} {
		log.Append(data(record.CS, text))
		if s := x.Wait(t.Context(), func(s Status) bool { return s.Known > n }); s.Len != n+1 || s.Done {
			t.Fatalf("after %s: %+v", text, s)
		}
		n++
	}
	got, err := x.Entries(2, 2)
	if err != nil || len(got) != 2 || got[0].Kind != "presence" || got[1].Kind != "message" {
		t.Errorf("%v, %v", got, err)
	}
	log.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if s := x.Wait(ctx, func(Status) bool { return false }); !s.Done {
		t.Errorf("%+v after the end", s)
	}
}

func TestJSON(t *testing.T) {
	auth := "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvbWVvAHNlY3JldA==</auth>"
	es := read(t, write(t, record.Event{C: 1, E: record.EventEdit, D: record.CS, O: int64(len(header)), N: int64(len(auth)), Data: []byte(auth), HasData: true}, data(record.CS, header+auth+"<a></b>\xff")))
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(es[1].JSON(nil, JSONOptions{}), &keys); err != nil {
		t.Fatal(err)
	}
	for _, k := range strings.Fields("n time conn dir kind name ns type id from to payloads summary size findings verdict raw") {
		if _, ok := keys[k]; !ok {
			t.Errorf("no key %s", k)
		}
	}
	for _, e := range es {
		b := e.JSON(nil, JSONOptions{})
		if bytes.Contains(b, []byte("AHJv")) || !json.Valid(b) || bytes.Contains(b, []byte("\n")) {
			t.Errorf("%s", b)
		}
	}
	if b := es[1].JSON(nil, JSONOptions{Secrets: true}); !bytes.Contains(b, []byte("AHJv")) {
		t.Errorf("%s", b)
	}
	if last := string(es[2].JSON(nil, JSONOptions{})); !strings.Contains(last, `"severity":"error"`) {
		t.Errorf("no finding in %s", last)
	}
}

func TestGolden(t *testing.T) {
	paths, err := filepath.Glob("../../testdata/recordings/*.jsonl")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%v, %v", paths, err)
	}
	for _, p := range paths {
		if len(read(t, p)) == 0 {
			t.Errorf("%s has no entries", p)
		}
	}
}

// recording writes about n stanzas of two connections.
func recording(b *testing.B, n int) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "big.jsonl")
	log, err := record.Create(path, record.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	one := "<message type='chat' from='juliet@capulet.example/balcony' to='romeo@montague.example/orchard' id='abcdef'><body>" + strings.Repeat("Art thou not Romeo? ", 30) + "</body></message>"
	for c := 1; c <= 2; c++ {
		log.Append(record.Event{C: c, E: record.EventData, D: record.SC, Data: []byte(header), HasData: true})
	}
	for i := range n {
		log.Append(record.Event{C: i%2 + 1, E: record.EventData, D: record.SC, Data: []byte(one), HasData: true})
	}
	return path
}

func BenchmarkFold(b *testing.B) {
	path := recording(b, 10_000)
	st, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(st.Size())
	for b.Loop() {
		r, err := record.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		var fold Folder
		for {
			ev, err := r.Next(b.Context())
			if err != nil {
				break
			}
			fold.Add(ev, r.Pos(), func(*Entry) {})
		}
		r.Close()
	}
}

// BenchmarkWindow is what a viewer asks for when it is scrolled.
func BenchmarkWindow(b *testing.B) {
	x := index(b, recording(b, 100_000))
	if err := x.Run(b.Context()); err != nil {
		b.Fatal(err)
	}
	at := 0
	for b.Loop() {
		at = (at + 7919) % 99_000
		if es, err := x.Entries(at+1, 100); err != nil || len(es) != 100 {
			b.Fatal(len(es), err)
		}
	}
}

// A frame that was held and passed was judged by the proxy: no warning that it
// leads the client past it.
func TestJudged(t *testing.T) {
	const enabled = "<enabled xmlns='urn:xmpp:sm:3' location='b.example'/>"
	count := func(evs ...record.Event) (n int) {
		for _, e := range read(t, write(t, evs...)) {
			for _, f := range e.Facts.Findings {
				if f.Code == "leads-past" {
					n++
				}
			}
		}
		return n
	}
	open, at := record.Event{C: 1, E: record.EventOpen}, int64(len(header))
	hold := record.Event{C: 1, E: record.EventHold, D: record.SC, O: at, N: int64(len(enabled)), By: "proxy"}
	passed := record.Event{C: 1, E: record.EventVerdict, D: record.SC, O: at, Verdict: "passed", By: "proxy"}
	if n := count(open, hold, data(record.SC, header+enabled), passed); n != 0 {
		t.Errorf("%d warnings of what was judged", n)
	}
	if n := count(open, data(record.SC, header+enabled)); n != 1 {
		t.Errorf("%d warnings of what was not", n)
	}
}
