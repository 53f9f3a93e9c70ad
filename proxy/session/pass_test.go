package session

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/record"
)

// loggedIn returns a session on its fast path.
func loggedIn(tb testing.TB) *Session {
	s := New(Config{Conn: 1})
	s.Handle(Input{On: Accepted})
	s.Handle(Input{On: Dialed, Server: "server:5222"})
	for _, turn := range []struct {
		d    record.Dir
		text string
	}{
		{record.CS, "<stream:stream to='a.example' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"},
		{record.SC, "<stream:stream id='1' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'><stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>"},
		{record.CS, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYQ==</auth>"},
		{record.SC, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/><stream:stream id='2' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'><stream:features/>"},
	} {
		s.Handle(Input{On: Data, Dir: turn.d, Bytes: []byte(turn.text)})
	}
	if s.Armed() {
		tb.Fatal("the login is not over")
	}
	return s
}

// chunksOf is what the server says, cut in pieces of n bytes.
func chunksOf(n int) (chunks [][]byte) {
	stanza := "<message to='juliet@capulet.example' from='romeo@montague.example/orchard' type='chat' id='m1'><body>" + strings.Repeat("wherefore ", 66) + "</body></message>"
	all := strings.Repeat(stanza, 200)
	for len(all) > 0 {
		n := min(n, len(all))
		chunks = append(chunks, []byte(all[:n]))
		all = all[n:]
	}
	return chunks
}

// BenchmarkPass is the fast path: whole stanzas, what a segment carries, what a
// read carries.
func BenchmarkPass(b *testing.B) {
	for _, c := range []struct {
		name string
		size int
	}{{"stanza", 779}, {"segment", 1448}, {"read", 64 << 10}} {
		b.Run(c.name, func(b *testing.B) {
			s := loggedIn(b)
			chunks := chunksOf(c.size)
			total := 0
			for _, chunk := range chunks {
				total += len(chunk)
			}
			b.SetBytes(int64(total))
			b.ReportAllocs()
			for b.Loop() {
				for _, chunk := range chunks {
					s.Handle(Input{On: Data, Dir: record.SC, Bytes: chunk})
				}
			}
		})
	}
}

// While the legs change over to compression nobody reads from the client.
func TestCompressionWaits(t *testing.T) {
	s := New(Config{Conn: 1, Compression: Inflate})
	s.Handle(Input{On: Accepted})
	s.Handle(Input{On: Dialed, Server: "server:5222"})
	for i, step := range []struct {
		in    Input
		waits bool
	}{
		{Input{On: Data, Dir: record.CS, Bytes: []byte("<stream:stream to='a.example' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>")}, false},
		{Input{On: Data, Dir: record.SC, Bytes: []byte("<stream:stream id='1' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'><stream:features><compression xmlns='" + nsCompression + "'><method>zlib</method></compression></stream:features>")}, false},
		{Input{On: Data, Dir: record.CS, Bytes: []byte("<compress xmlns='" + nsCompress + "'><method>zlib</method></compress>")}, true},
		{Input{On: Data, Dir: record.SC, Bytes: []byte("<compressed xmlns='" + nsCompress + "'/>")}, true},
		{Input{On: Compressed}, false},
	} {
		s.Handle(step.in)
		if got := s.Waits(record.CS); got != step.waits {
			t.Errorf("step %d: waits %v", i, got)
		}
	}
}

func TestPassAllocatesNothing(t *testing.T) {
	s := loggedIn(t)
	chunks := chunksOf(1448)
	i := 0
	if n := testing.AllocsPerRun(1000, func() {
		s.Handle(Input{On: Data, Dir: record.SC, Bytes: chunks[i%len(chunks)]})
		i++
	}); n > 0 {
		t.Errorf("%v allocations a chunk", n)
	}
}

// BenchmarkArmed is what it costs that somebody is asked about every frame and
// wants nothing: "ratio" is the time with him to the time without.
func BenchmarkArmed(b *testing.B) {
	for _, c := range []struct {
		name string
		size int
	}{{"stanza", 779}, {"segment", 1448}, {"read", 64 << 10}} {
		b.Run(c.name, func(b *testing.B) {
			chunks := chunksOf(c.size)
			measure := func(s *Session) float64 {
				began := time.Now()
				for range 5 {
					for _, chunk := range chunks {
						s.Handle(Input{On: Data, Dir: record.SC, Bytes: chunk})
					}
				}
				return time.Since(began).Seconds()
			}
			off, on := loggedIn(b), loggedIn(b)
			on.Handle(Input{On: Arm, Judge: JudgeFunc(func(seen Seen) Plan {
				if string(seen.Frame.Name) == "presence" {
					return Plan{Drop{}}
				}
				return nil
			})})
			var ratios []float64
			for b.Loop() {
				without := measure(off)
				ratios = append(ratios, measure(on)/without)
			}
			slices.Sort(ratios)
			b.ReportMetric(ratios[len(ratios)/2], "ratio")
		})
	}
}

func TestArmedAllocatesNothing(t *testing.T) {
	s := loggedIn(t)
	s.Handle(Input{On: Arm, Judge: JudgeFunc(func(Seen) Plan { return nil })})
	chunks := chunksOf(1448)
	for _, chunk := range chunks { // buffers grow
		s.Handle(Input{On: Data, Dir: record.SC, Bytes: chunk})
	}
	i := 0
	if n := testing.AllocsPerRun(1000, func() {
		if e := s.Handle(Input{On: Data, Dir: record.SC, Bytes: chunks[i%len(chunks)]}); len(e) > 2 {
			t.Fatalf("%d effects", len(e))
		}
		i++
	}); n > 0 {
		t.Errorf("%v allocations a chunk", n)
	}
}
