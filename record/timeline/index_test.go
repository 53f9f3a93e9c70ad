package timeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/recordtest"
)

// fold reads a recording from its beginning to its end, damage included.
func fold(t testing.TB, path string) []*Entry {
	t.Helper()
	r, err := record.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var f Folder
	var out []*Entry
	if err := f.Read(t.Context(), r, Sink{Entry: func(e *Entry) { out = append(out, e.Clone()) }}); err != nil {
		t.Fatal(err)
	}
	return out
}

// bare is an entry without what only its maker needs, and the facts on demand.
func bare(e *Entry, facts bool) Entry {
	c := *e
	c.pos, c.skip, c.pieces, c.header, c.Later, c.Track = 0, 0, nil, nil, nil, nil
	for _, b := range []*[]byte{&c.Frame.Raw, &c.Frame.Prefix, &c.Frame.Name, &c.Frame.NS, &c.Sent, &c.Event.Data} {
		*b = append([]byte{}, *b...)
	}
	if s := c.Frame.Stream; s != nil {
		c.Frame.Stream = nil
		if e.Frame.Kind.String() == "header" {
			c.Why += fmt.Sprint(" in ", s.Prefix, s.Name, s.Bindings, s.Attr("id"), s.Attr("rid"))
		}
	}
	if !facts {
		c.Facts = track.Facts{}
	}
	return c
}

// same compares a window of the index with the entries of a full fold.
func same(t testing.TB, x *Index, want []*Entry, from, count, known int) {
	t.Helper()
	got, err := x.Entries(from, count)
	if err != nil {
		t.Fatal(err)
	}
	if n := max(0, min(count, len(want)-from+1)); len(got) != n {
		t.Fatalf("%d entries from %d on, want %d", len(got), from, n)
	}
	for i, g := range got {
		n := from + i
		g, w := bare(g, true), bare(want[n-1], n <= known)
		if !reflect.DeepEqual(g, w) {
			t.Fatalf("entry %d of %d, %d known:\n got %+v\nwant %+v", n, len(want), known, g, w)
		}
	}
}

// lawful checks that an index of a recording has exactly the entries of a full
// fold: in any window, while the facts are missing, while they come, and
// afterwards.
func lawful(t testing.TB, path string, rnd *rand.Rand) {
	t.Helper()
	want := fold(t, path)
	x := index(t, path)
	if err := x.survey(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := x.Status()
	if s.Len > len(want) || s.Known != 0 || s.Done {
		t.Fatalf("%+v of %d entries", s, len(want))
	}
	windows := func(of []*Entry, known int) {
		t.Helper()
		same(t, x, of, 1, len(of)+5, known)
		for range 10 {
			same(t, x, of, 1+rnd.IntN(len(of)+2), rnd.IntN(300), known)
		}
	}
	windows(want[:s.Len], 0)
	timely(t, x, want[:s.Len], 0)
	if s.Len > 0 {
		half := rnd.IntN(s.Len)
		for _, e := range want[:half] {
			x.fact(e)
		}
		windows(want[:s.Len], half)
		timely(t, x, want[:s.Len], half)
	}

	x = index(t, path)
	if err := x.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := x.Status(); s.Len != len(want) || s.Known != len(want) || !s.Done {
		t.Fatalf("%+v of %d entries", s, len(want))
	}
	windows(want, len(want))
	timely(t, x, want, len(want))
	later(t, x, want)
}

// later checks that entries know what points to them.
func later(t testing.TB, x *Index, want []*Entry) {
	t.Helper()
	points := map[int][]track.Relation{}
	for _, w := range want {
		for _, r := range w.Facts.Related {
			if r.N >= 1 && r.N < w.N && len(points[r.N]) < maxLater {
				points[r.N] = append(points[r.N], track.Relation{Kind: r.Kind, N: w.N})
			}
		}
	}
	got, err := x.Entries(1, len(want))
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range got {
		if !reflect.DeepEqual(e.Later, points[i+1]) {
			t.Fatalf("what points to entry %d: %v, want %v", i+1, e.Later, points[i+1])
		}
	}
}

func TestIndexIsLawful(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	var paths []string
	for _, p := range []string{"*.jsonl", "segments/*.jsonl", "segments/*.zst"} {
		found, err := filepath.Glob("../../testdata/recordings/" + p)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	if len(paths) < 5 {
		t.Fatalf("only %d recordings", len(paths))
	}
	for _, p := range paths {
		lawful(t, p, rnd)
	}
	lawful(t, write(t, conversation()...), rnd)
	for _, chunk := range []int{0, 100, 1448, 20_000} {
		lawful(t, generated(t, recordtest.Options{Size: 1 << 18, Conns: 3 + chunk%40, Chunk: chunk, Seed: uint64(chunk)}), rnd)
	}
}

func TestIndexOfAnythingIsLawful(t *testing.T) {
	seeds := uint64(40)
	if testing.Short() {
		seeds = 15
	}
	for seed := range seeds {
		rnd := rand.New(rand.NewPCG(seed, 2))
		path := write(t, anything(rnd, 50+rnd.IntN(400))...)
		if seed%3 == 0 {
			spoil(t, path, rnd)
		}
		lawful(t, path, rnd)
	}
}

// spoil breaks lines of a recording.
func spoil(t testing.TB, path string, rnd *rand.Rand) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(b, []byte("\n"))
	for range 3 {
		k := 1 + rnd.IntN(len(lines)-1)
		if n := len(lines[k]); n > 2 {
			lines[k] = append(append([]byte{}, lines[k][:rnd.IntN(n-1)]...), "\n"...)
		}
	}
	b = bytes.Join(lines, nil)
	if err := os.WriteFile(path, b[:len(b)-rnd.IntN(20)], 0o600); err != nil {
		t.Fatal(err)
	}
}

// anything makes events of all kinds in an order that nobody planned.
func anything(rnd *rand.Rand, n int) (evs []record.Event) {
	words := []string{"<?xml version='1.0'?>", header, "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' from='a' id='1'>",
		"</stream:stream>", " ", "\n \n", "<presence/>", "<message to='a@b' id='%d'><body>Ünïcode &amp; \"quotes\"</body></message>", "<iq type='get' id='%d'><query xmlns='jabber:iq:roster'/></iq>",
		"<iq type='result' id='%d'/>", "<r xmlns='urn:xmpp:sm:3'/>", "<a></b>", "<!-- no -->", "\xff\xfe", "text", "<x:y/>", "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
		"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='a'/>", "<message><body>" + strings.Repeat("long ", 300) + "</body></message>"}
	type half struct {
		off  int64
		rest string
		held []int64
	}
	halves := map[string]*half{}
	kinds := map[int]string{}
	rid := map[int]int64{}
	say := func() string { return strings.ReplaceAll(words[rnd.IntN(len(words))], "%d", fmt.Sprint(rnd.IntN(9))) }
	for len(evs) < n {
		c := 1 + rnd.IntN(4)
		d := []record.Dir{record.CS, record.SC}[rnd.IntN(2)]
		h := halves[fmt.Sprint(c, d)]
		if h == nil {
			h = new(half)
			halves[fmt.Sprint(c, d)] = h
		}
		switch k := rnd.IntN(100); {
		case k < 5:
			kinds[c] = []string{"", "", record.TransportWebSocket, record.TransportBOSH}[rnd.IntN(4)]
			evs = append(evs, record.Event{C: c, E: record.EventOpen, Kind: "c2s", Client: "a", Server: "b", Transport: kinds[c]})
		case k < 70 && kinds[c] == record.TransportBOSH:
			if rid[c] == 0 {
				rid[c] = 1000
			}
			r := rid[c]
			if d == record.CS {
				r += int64(rnd.IntN(3))
				rid[c] = max(rid[c], r)
			}
			ev := record.Event{C: c, E: record.EventData, D: d, RID: r, HasData: true, More: rnd.IntN(6) == 0, Data: []byte(wrap(fmt.Sprintf("rid='%d'", r), say()+say()))}
			h.off += int64(len(ev.Data))
			evs = append(evs, ev)
		case k < 70:
			if h.rest == "" {
				for range 1 + rnd.IntN(4) {
					h.rest += say()
				}
			}
			b := h.rest[:1+rnd.IntN(len(h.rest))]
			h.rest = h.rest[len(b):]
			h.off += int64(len(b))
			evs = append(evs, record.Event{C: c, E: record.EventData, D: d, Data: []byte(b), HasData: true})
		case k < 75:
			evs = append(evs, record.Event{C: c, E: record.EventEdit, D: d, O: max(0, h.off-int64(rnd.IntN(30))), N: int64(rnd.IntN(20)), Data: []byte("<edited/>"), HasData: true, By: "proxy", Why: "so"})
		case k < 79:
			h.held = append(h.held, h.off)
			evs = append(evs, record.Event{C: c, E: record.EventHold, D: d, O: h.off, N: 10, By: "pause"})
		case k < 84 && len(h.held) > 0:
			evs = append(evs, record.Event{C: c, E: record.EventVerdict, D: d, O: h.held[0], Verdict: []string{"passed", "edited", "dropped"}[rnd.IntN(3)], Data: []byte("<verdict/>"), HasData: true, By: "viewer"})
			h.held = h.held[1:]
		case k < 88:
			evs = append(evs, record.Event{C: c, E: record.EventInject, D: d, O: h.off, Data: []byte(say() + say()), HasData: true, By: "rule x", Why: "because"})
		case k < 90:
			evs = append(evs, record.Event{C: c, E: record.EventSecure, Leg: []string{"client", "server", record.BothLegs}[rnd.IntN(3)], Version: "TLS 1.3"})
		case k < 91:
			evs = append(evs, record.Event{C: c, E: record.EventCompress, Leg: "client", Method: "zlib"})
		case k < 93:
			evs = append(evs, record.Event{C: c, E: record.EventControl, D: d, Op: []string{"ping", "cut", "broken"}[rnd.IntN(3)], Text: "odd", Level: "warning"})
		case k < 95:
			evs = append(evs, record.Event{C: c, E: record.EventHTTP, Op: "GET", Text: "/", Code: 404})
		case k < 97:
			evs = append(evs, record.Event{C: rnd.IntN(3), E: record.EventNote, Text: "look here", RID: rid[c]})
		case k < 99:
			evs = append(evs, record.Event{C: c, E: record.EventClose, By: "client"})
			delete(halves, fmt.Sprint(c, record.CS))
			delete(halves, fmt.Sprint(c, record.SC))
			delete(kinds, c)
		default:
			evs = append(evs, record.Event{C: c, E: record.EventTLS, D: d, Data: []byte{22, 3, 3}, HasData: true})
		}
	}
	return evs
}

// A frame whose pieces are far apart is found without reading what is between.
func TestIndexOfFarPieces(t *testing.T) {
	evs := []record.Event{data(record.CS, header), data(record.SC, header)}
	other := func(s string) record.Event {
		ev := data(record.SC, s)
		ev.C = 2
		return ev
	}
	for i := range 20 {
		evs = append(evs, data(record.CS, fmt.Sprintf("<message id='%d'><body>", i)))
		for range 3 {
			evs = append(evs, other("<presence>"+strings.Repeat("x", 60_000)+"</presence>"), data(record.CS, "piece "))
		}
		evs = append(evs, other("<presence>"+strings.Repeat("y", 300_000)+"</presence>"), data(record.CS, "</body></message>"))
	}
	path := write(t, evs...)
	x := index(t, path)
	if err := x.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	far := 0
	for _, o := range x.odd {
		if o.pieces != nil {
			far++
		}
	}
	if far != 20 {
		t.Errorf("%d frames with the places of their pieces", far)
	}
	lawful(t, path, rand.New(rand.NewPCG(3, 3)))
}

// What the survey has seen and is gone when the facts are found out is forgotten,
// and the list is that of what is there.
func TestIndexForgets(t *testing.T) {
	want := fold(t, write(t, conversation()...))
	for gone := 0; gone < len(want); gone++ {
		x := index(t, write(t, conversation()...))
		if err := x.survey(t.Context()); err != nil {
			t.Fatal(err)
		}
		if gone >= x.Status().Len-1 {
			break
		}
		n := 0
		for i, e := range want {
			if i != gone {
				x.fact(e)
				n++
			}
		}
		if s := x.Status(); s.Len != n || s.Known != n {
			t.Fatalf("without entry %d: %+v, want %d", gone+1, s, n)
		}
		timely(t, x, slices.Delete(slices.Clone(want), gone, gone+1), n)
	}
}

// An index of a recording that somebody still writes has what was there at once,
// and what comes with its facts.
func TestIndexOfWhatGrows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.jsonl")
	log, err := record.Create(path, record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	evs := conversation()
	if err := log.Append(evs[:9]...); err != nil {
		t.Fatal(err)
	}
	r, err := record.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	r.Follow()
	x, err := NewIndex(r)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- x.Run(ctx) }()
	x.Wait(ctx, func(s Status) bool { return s.Known == s.Len && s.Len > 5 })
	if err := log.Append(evs[9:19]...); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range fold(t, path) {
		if e.Kind == record.EventClose {
			n = e.N
		}
	}
	if s := x.Wait(ctx, func(s Status) bool { return s.Known >= n }); s.Len < n {
		t.Errorf("%+v, want %d entries", s, n)
	}
	same(t, x, fold(t, path)[:n], 1, n, n)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestReadAhead(t *testing.T) {
	path := generated(t, recordtest.Options{Size: 3 << 20})
	var want, got []string
	r, err := record.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c, err := r.Clone()
	if err != nil {
		t.Fatal(err)
	}
	for {
		ev, err := c.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		want = append(want, fmt.Sprint(c.Pos(), ev))
	}
	if err := readAhead(t.Context(), r, func(evs []placed) {
		for _, p := range evs {
			got = append(got, fmt.Sprint(p.pos, p.ev))
		}
	}); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Error("other events")
	}
	// It ends with its context.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := readAhead(ctx, r, func([]placed) {}); err != nil {
		t.Error(err)
	}
}

func TestVocabulary(t *testing.T) {
	var v vocabulary
	for i, w := range []string{"", "a", "b", "a", "c", ""} {
		if got, want := v.number(w, 3), []uint8{0, 1, 2, 1, 0, 0}[i]; got != want || w != "c" && v[got] != w {
			t.Errorf("%q is number %d of %q, want %d", w, got, v, want)
		}
	}
}
