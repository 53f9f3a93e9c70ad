package timeline

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/record"
)

// wrap is a body of BOSH.
func wrap(attrs, content string) string {
	if content == "" {
		return "<body xmlns='http://jabber.org/protocol/httpbind' " + attrs + "/>"
	}
	return "<body xmlns='http://jabber.org/protocol/httpbind' " + attrs + ">" + content + "</body>"
}

func request(rid int64, content string) record.Event {
	ev := data(record.CS, wrap(fmt.Sprintf("sid='s' rid='%d'", rid), content))
	ev.RID = rid
	return ev
}

func response(rid int64, content string) record.Event {
	ev := data(record.SC, wrap("", content))
	ev.RID = rid
	return ev
}

var openBOSH = record.Event{C: 1, E: record.EventOpen, Kind: "c2s", Client: "127.0.0.1:1", Server: "http://b/", Transport: record.TransportBOSH}

// short renders entries by direction and name, without ends.
func shortly(es []*Entry) string {
	var out []string
	for _, e := range es {
		switch {
		case e.Dir == "":
			out = append(out, e.Kind)
		case e.Kind == "body" && e.Frame.Name == nil, e.Frame.Kind.String() == "end":
		case e.Frame.Kind.String() == "header":
			out = append(out, strings.TrimSuffix(string(e.Dir)+" "+e.Frame.Stream.Attr("rid"), " "))
		default:
			out = append(out, string(e.Frame.Name))
		}
	}
	return strings.Join(out, ", ")
}

// Entries are in the order of the requests, whichever came first.
func TestOrder(t *testing.T) {
	gone := func(rid int64) record.Event {
		return record.Event{C: 1, E: record.EventNote, RID: rid, Text: "gone"}
	}
	end := record.Event{C: 1, E: record.EventClose}
	first := request(10, "")
	for _, c := range []struct {
		name string
		evs  []record.Event
		want string
	}{
		{"in order", []record.Event{first, response(10, "<a/>"), request(11, "<b/>"), response(11, "")}, "CS 10, SC, a, CS 11, b, SC"},
		{"requests", []record.Event{first, response(10, ""), request(12, "<c/>"), request(11, "<b/>"), response(11, "<x/>"), response(12, "<y/>")}, "CS 10, SC, CS 11, b, CS 12, c, SC, x, SC, y"},
		{"answers", []record.Event{first, response(10, ""), request(11, ""), request(12, ""), response(12, "<y/>"), response(11, "<x/>")}, "CS 10, SC, CS 11, CS 12, SC, x, SC, y"},
		{"missing, and answered behind", []record.Event{first, response(10, ""), request(13, "<d/>"), request(12, "<c/>"), response(12, "<y/>")}, "CS 10, SC, CS 12, c, SC, y, CS 13, d"},
		{"missing for ever", []record.Event{first, response(10, ""), request(12, "<c/>"), end}, "CS 10, SC, CS 12, c, close"},
		{"given up", []record.Event{first, response(10, ""), request(11, ""), request(12, ""), response(12, "<y/>"), gone(11)}, "CS 10, SC, CS 11, CS 12, SC, y, note"},
		{"given up before its turn", []record.Event{first, response(10, ""), request(12, ""), gone(12)}, "CS 10, SC, CS 12, note"},
		{"repeated", []record.Event{first, response(10, ""), request(11, "<b/>"), gone(11), request(11, "<b/>"), response(11, "")}, "CS 10, SC, CS 11, b, note, CS 11, b, SC"},
		{"answer never seen", []record.Event{request(7, ""), request(8, ""), response(8, "<y/>"), end}, "CS 7, CS 8, SC, y, close"},
		{"without a number", []record.Event{first, request(0, "<b/>"), response(0, "<x/>")}, "CS 10, CS 0, b, SC, x"},
	} {
		if got := shortly(read(t, write(t, append([]record.Event{openBOSH}, c.evs...)...))); got != "open, "+c.want {
			t.Errorf("%s:\n got %s\nwant open, %s", c.name, got, c.want)
		}
	}
}

// What is missing is waited for in a window only.
func TestOrderIsBounded(t *testing.T) {
	evs := []record.Event{openBOSH, request(10, "")}
	for rid := int64(12); rid <= 12+defaultWindow; rid++ {
		evs = append(evs, request(rid, ""))
	}
	r, n := write(t, evs...), 0
	for _, e := range read(t, r)[:2+defaultWindow] {
		if e.Dir != "" {
			n++
		}
	}
	if n != 1+defaultWindow {
		t.Errorf("%d of them", n)
	}
	var fold Folder
	seen := 0
	for i, ev := range evs {
		fold.Add(ev, int64(i), func(*Entry) { seen++ })
	}
	if seen < 12 {
		t.Errorf("%d entries while one request is missing", seen)
	}
	// A server that takes two at a time never has more to wait for than three.
	grant := response(10, "")
	grant.Data = []byte(wrap("sid='s' requests='2'", ""))
	fold, seen = Folder{}, 0
	for i, ev := range []record.Event{openBOSH, request(10, ""), grant, request(12, ""), request(13, ""), request(14, ""), request(15, "")} {
		fold.Add(ev, int64(i), func(*Entry) { seen++ })
	}
	if seen != 7 {
		t.Errorf("%d entries, want all 7", seen)
	}
}

// The entries are the same, and in the same order, in whatever order the bodies
// come that are on their way at the same time; and the index finds them.
func TestOrderOfAny(t *testing.T) {
	pieces := func(ev record.Event) []record.Event {
		a, b := ev, ev
		n := len(ev.Data) / 2
		a.Data, a.More, b.Data = ev.Data[:n], true, ev.Data[n:]
		return []record.Event{a, b}
	}
	var want string
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		evs := []record.Event{openBOSH, request(10, ""), response(10, "")}
		for rid := int64(11); rid < 40; rid += 3 {
			var cs, sc [][]record.Event
			for k := range int64(3) {
				cs = append(cs, []record.Event{request(rid+k, fmt.Sprintf("<a%d/>", rid+k))})
				sc = append(sc, pieces(response(rid+k, fmt.Sprintf("<b%d/>", rid+k))))
			}
			if seed > 0 {
				rnd.Shuffle(len(cs), func(i, j int) { cs[i], cs[j] = cs[j], cs[i] })
				rnd.Shuffle(len(sc), func(i, j int) { sc[i], sc[j] = sc[j], sc[i] })
			}
			for _, list := range [][][]record.Event{cs, sc} {
				for len(list) > 0 { // pieces of different bodies in between each other
					i := 0
					if seed > 0 {
						i = rnd.IntN(len(list))
					}
					evs = append(evs, list[i][0])
					if list[i] = list[i][1:]; len(list[i]) == 0 {
						list = append(list[:i:i], list[i+1:]...)
					}
				}
			}
		}
		path := write(t, evs...)
		es := read(t, path)
		if got := shortly(es); seed == 0 {
			want = got
		} else if got != want {
			t.Fatalf("seed %d:\n got %s\nwant %s", seed, got, want)
		}
		indexed(t, path, es)
	}
}

// indexed compares entries with those of the index.
func indexed(t testing.TB, path string, want []*Entry) {
	t.Helper()
	x := index(t, path)
	if err := x.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := x.Entries(1, len(want))
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d entries of %d, %v", len(got), len(want), err)
	}
	o := JSONOptions{Start: x.Start(), Secrets: true}
	last := time.Duration(0)
	for i, w := range want {
		w.Facts.Latency, got[i].Facts.Latency = 0, 0 // kept with less precision
		if g, w := string(got[i].JSON(nil, o)), string(w.JSON(nil, o)); g != w {
			t.Fatalf("entry %d\n got %.400s\nwant %.400s", i+1, g, w)
		}
		if w.T < last {
			t.Fatalf("entry %d goes back in time", i+1)
		}
		last = w.T
	}
}

// An edit is of the body that it was made in, also when that waits.
func TestOrderOfEdits(t *testing.T) {
	late, early := response(12, "<y/>"), response(11, "<x/>")
	at := int64(len(response(10, "").Data)) // where late begins
	edit := record.Event{C: 1, E: record.EventEdit, D: record.SC, O: at + int64(strings.Index(string(late.Data), "<y/>")), N: 4, Data: []byte("<z/>"), HasData: true, By: "proxy"}
	es := read(t, write(t, openBOSH, request(10, ""), response(10, ""), request(11, ""), request(12, ""), edit, late, early))
	var got []string
	for _, e := range es {
		if e.Edited {
			got = append(got, string(e.Frame.Raw)+" "+string(e.Sent))
		}
	}
	if !reflect.DeepEqual(got, []string{"<y/> <z/>"}) {
		t.Errorf("%q", got)
	}
	// What the proxy says itself is a body of its own.
	es = read(t, write(t, openBOSH, request(10, "<a/>"), record.Event{C: 1, E: record.EventInject, D: record.SC, Data: []byte(wrap("type='terminate'", "")), HasData: true}))
	if last := es[len(es)-1]; !last.Injected || last.Stanza.Type != "terminate" || last.Frame.Err != nil {
		t.Errorf("%+v", last)
	}
}

// FuzzBOSH: bodies with any content, in any order and in pieces: nothing is lost,
// nothing is doubled, and the index agrees.
func FuzzBOSH(f *testing.F) {
	f.Add([]byte{10, 0, 11, 4, 12, 1, 11, 5, 2, 7}, wrap("rid='1'", "<a/>"), "<body")
	f.Add([]byte{2, 0, 2, 1, 1, 2, 3, 9}, wrap("sid='s' requests='2'", "<message xmlns='jabber:client'><body>x</body></message>"), "</body>\n")
	f.Add([]byte("B010a7"), "<body xmlns='http://jabber.org/protocol/httpbind' sid='0' requests='0'><message xmlns='u'/></body>", "\\!0004>\n") // white space at the end of a piece
	f.Fuzz(func(t *testing.T, plan []byte, one, two string) {
		if len(plan) > 200 || len(one)+len(two) > 4096 {
			return
		}
		evs := []record.Event{openBOSH}
		want := map[record.Dir]int{}
		for i := 0; i+1 < len(plan); i += 2 {
			rid, how := int64(plan[i]%32), plan[i+1]
			ev := record.Event{C: 1, E: record.EventData, D: record.CS, HasData: true, RID: rid, Data: []byte(one)}
			if how&1 != 0 {
				ev.D = record.SC
			}
			if how&2 != 0 {
				ev.Data = []byte(two)
			}
			ev.More = how&4 != 0
			if how&24 == 24 {
				ev = record.Event{C: 1, E: record.EventNote, RID: rid, Text: "x"}
			}
			want[ev.D] += len(ev.Data)
			evs = append(evs, ev)
		}
		path := write(t, append(evs, record.Event{C: 1, E: record.EventClose})...)
		es := read(t, path)
		got := map[record.Dir]int{}
		for i, e := range es {
			if e.N != i+1 {
				t.Fatalf("entry %d has number %d", i+1, e.N)
			}
			got[e.Dir] += len(e.Frame.Raw)
		}
		delete(got, "")
		delete(want, "")
		for _, d := range []record.Dir{record.CS, record.SC} {
			if got[d] != want[d] {
				t.Fatalf("%s: %d bytes in entries, %d received", d, got[d], want[d])
			}
		}
		indexed(t, path, es)
	})
}
