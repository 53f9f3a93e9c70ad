package timeline

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/xmpplens/xmpplens/record"
)

// classified checks what an index says of classes and connections against all its
// entries.
func classified(t testing.TB, x *Index, all []*Entry) {
	t.Helper()
	var counts Counts
	var want []Class
	for _, e := range all {
		counts[e.Class()]++
		want = append(want, e.Class())
	}
	if got := x.Counts(); got != counts {
		t.Fatalf("counts %v, want %v", got, counts)
	}
	if got := x.Classes(nil, 1, len(all)+9); !slices.Equal(got, want) {
		t.Fatalf("%d classes, want %d: %v", len(got), len(want), got)
	}
	if n := len(all) / 2; n > 0 {
		if got := x.Classes(nil, n, 300); !slices.Equal(got, want[n-1:min(n+299, len(want))]) {
			t.Fatalf("classes from %d on: %v", n, got)
		}
	}
	for n := 1; n <= len(all); n += 1 + len(all)/50 {
		for _, by := range []int{1, -1} {
			to := 0
			for k := n + by; k >= 1 && k <= len(all) && to == 0; k += by {
				if all[k-1].Conn == all[n-1].Conn {
					to = k
				}
			}
			if got := x.Along(n, by); got != to {
				t.Fatalf("from %d of %d by %d: entry %d, want %d", n, len(all), by, got, to)
			}
		}
	}
	if x.Along(0, 1) != 0 || x.Along(len(all)+1, -1) != 0 {
		t.Fatal("entries that are none have neighbours")
	}
}

func TestClasses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.jsonl")
	log, err := record.Create(path, record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	say := func(text string) {
		log.Append(record.Event{C: 1, E: record.EventData, D: record.SC, Data: []byte(text), HasData: true})
	}
	log.Append(record.Event{C: 1, E: record.EventOpen, Kind: "c2s"})
	say("<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")
	say("<stream:features/>")
	say("<message><body>http://jabber.org/protocol/chatstates</body></message><message><composing xmlns='http://jabber.org/protocol/chatstates'/></message>")
	say("<presence/><iq type='get' id='1'/><r xmlns='urn:xmpp:sm:3'/><a xmlns='urn:xmpp:sm:3' h='1'/><enabled xmlns='urn:xmpp:sm:3'/><r xmlns='else'/>")
	say(" ")
	say("<message>&")
	log.Append(record.Event{C: 1, E: record.EventControl, D: record.SC, Op: "ping"})
	log.Append(record.Event{C: 1, E: record.EventControl, D: record.SC, Op: "close"})
	log.Append(record.Note("here", 0, 3, 0, "", 0))
	log.Append(record.Event{C: 1, E: record.EventClose, By: "client"})
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	want := []string{"connection", "stream", "stream", "stream", "message", "typing", "presence", "iq", "ack", "ack", "stream", "stream", "keepalive"}
	all := fold(t, path)
	var got []string
	for _, e := range all {
		got = append(got, e.Class().String())
	}
	if !slices.Equal(got[:len(want)], want) || !slices.Equal(got[len(got)-5:], []string{"keepalive", "connection", "note", "stream", "connection"}) {
		t.Errorf("%v", got)
	}
	if s := ClassesOf([]string{"ack", "nonsense", "note"}); !s.Has(Ack) || !s.Has(Note) || s.Has(Message) || s != 1<<Ack|1<<Note {
		t.Errorf("%b", s)
	}
	if row := all[len(all)-3].Row(); row.On != 3 || row.Class != "note" || row.Sign != "◆" || all[2].Row().Sign != "←" {
		t.Errorf("%+v", row)
	}
}
