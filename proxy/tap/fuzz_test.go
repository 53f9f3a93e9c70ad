package tap_test

import (
	"bytes"
	"crypto/tls"
	"slices"
	"testing"

	"github.com/xmpplens/xmpplens/proxy/tap"
)

// A script is what the fuzzer plays with: lines of the key log and what both
// sides sent, each piece with a byte for its kind and two for its length.
func script(w *wire, keysAt int) []byte {
	var out []byte
	add := func(kind byte, b []byte) {
		for len(b) > 0 {
			n := min(len(b), 0xffff)
			out = append(out, kind, byte(n>>8), byte(n))
			out = append(out, b[:n]...)
			b = b[n:]
		}
	}
	for i, p := range w.pieces {
		if i == keysAt {
			add(2, w.keys.Bytes())
		}
		add(byte(p.from), p.b)
	}
	if keysAt >= len(w.pieces) {
		add(2, w.keys.Bytes())
	}
	return out
}

// play lets a tap see a script, in pieces of at most chunk bytes.
func play(t *testing.T, b []byte, chunk int) *seen {
	d := tap.New()
	d.MaxBacklog = 64 << 10
	s := &seen{}
	given := 0
	for len(b) >= 3 {
		kind, n := b[0]%3, min(int(b[1])<<8|int(b[2]), len(b)-3)
		piece := b[3 : 3+n]
		b = b[3+n:]
		if kind == 2 {
			for line := range bytes.Lines(piece) {
				if k, ok, _ := tap.ParseKey(line); ok {
					d.AddKey(k, s.take)
				}
			}
			continue
		}
		given += n
		for len(piece) > 0 {
			n := min(len(piece), chunk)
			d.Write(tap.Side(kind), piece[:n], s.take)
			piece = piece[n:]
		}
		if d.Backlog() > d.MaxBacklog {
			t.Fatalf("%d bytes wait", d.Backlog())
		}
	}
	d.End(s.take)
	if d.Backlog() != 0 {
		t.Fatalf("%d bytes wait in the end", d.Backlog())
	}
	if out := s.plain[0].Len() + s.plain[1].Len(); out > given {
		t.Fatalf("%d bytes of plaintext out of %d", out, given)
	}
	if s.plainBare {
		t.Fatal("plaintext came before the session was told")
	}
	return s
}

// FuzzTap: whatever comes, nothing breaks, what waits is bounded, and how the
// bytes are cut does not matter.
func FuzzTap(f *testing.F) {
	turns := []said{{tap.Client, "<stream:stream>"}, {tap.Server, "<stream:features/>"}, {tap.Client, "</stream:stream>"}}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, retry := range []bool{false, true} {
			server := &tls.Config{Certificates: []tls.Certificate{certificate(f, ecKey())}, MaxVersion: version, NextProtos: []string{"xmpp-client"}}
			if retry {
				server.CurvePreferences = []tls.CurveID{tls.CurveP384}
			}
			w, _, _ := talk(f, &tls.Config{InsecureSkipVerify: true, ServerName: "capulet.example", NextProtos: []string{"xmpp-client"}}, server, turns)
			for _, at := range []int{0, len(w.pieces) / 2, len(w.pieces)} {
				f.Add(script(w, at))
			}
		}
	}
	f.Add([]byte("\x00\x00\x08<stream>\x01\x00\x01x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		whole := play(t, b, 1<<20)
		for _, chunk := range []int{1, 3, 1000} {
			s := play(t, b, chunk)
			for side := range s.plain {
				if !bytes.Equal(s.plain[side].Bytes(), whole.plain[side].Bytes()) {
					t.Fatalf("chunks of %d: the %s said something else", chunk, tap.Side(side))
				}
				if (s.errs[side] == nil) != (whole.errs[side] == nil) {
					t.Fatalf("chunks of %d: %v, else %v", chunk, s.errs[side], whole.errs[side])
				}
			}
			if !slices.Equal(s.alerts, whole.alerts) {
				t.Fatalf("chunks of %d: alerts %v, else %v", chunk, s.alerts, whole.alerts)
			}
		}
	})
}
