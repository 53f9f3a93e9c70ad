package tap_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/proxy/tap"
)

// replayed is a connection whose incoming bytes come from memory.
type replayed struct {
	net.Conn
	r io.Reader
}

func (c *replayed) Read(b []byte) (int, error) { return c.r.Read(b) }

// feed is what a reader returns first from the network and then, for the benchmark, from memory.
type feed struct {
	mu   sync.Mutex
	live io.Reader
	mem  *bytes.Reader
}

func (f *feed) Read(b []byte) (int, error) {
	f.mu.Lock()
	mem := f.mem
	f.mu.Unlock()
	if mem != nil {
		return mem.Read(b)
	}
	return f.live.Read(b)
}

// bulk prepares a session whose server has said much: the wire up to there, the bytes that
// carry it, and the client that has not read them yet.
func bulk(b *testing.B, version uint16, size int) (*wire, []byte, *tls.Conn, *feed) {
	w := &wire{}
	near, far := loopback(b)
	in := &feed{live: near}
	client := tls.Client(&tapped{&replayed{near, in}, w, tap.Client}, &tls.Config{InsecureSkipVerify: true, KeyLogWriter: &w.keys, MinVersion: version, MaxVersion: version})
	server := tls.Server(&tapped{far, w, tap.Server}, &tls.Config{Certificates: []tls.Certificate{certificate(b, ecKey())}, DynamicRecordSizingDisabled: true})
	var wg sync.WaitGroup
	var first [1]byte
	wg.Go(func() { server.Handshake(); server.Write([]byte("x")) })
	if _, err := io.ReadFull(client, first[:]); err != nil { // and the tickets
		b.Fatal(err)
	}
	wg.Wait()
	before := len(w.pieces)
	drained := make(chan struct{})
	go func() { // ends with the deadline below, or with the bytes
		io.CopyN(io.Discard, near, int64(size))
		close(drained)
	}()
	text := bytes.Repeat([]byte("<message><body>wherefore</body></message>"), size/41+1)[:size]
	if _, err := server.Write(text); err != nil {
		b.Fatal(err)
	}
	<-drained
	var wireBytes []byte
	for _, p := range w.pieces[before:] {
		wireBytes = append(wireBytes, p.b...)
	}
	w.pieces = w.pieces[:before]
	near.SetDeadline(time.Time{})
	return w, wireBytes, client, in
}

const bulkSize = 8 << 20

// BenchmarkDecrypt compares the tap with crypto/tls reading the same records.
func BenchmarkDecrypt(b *testing.B) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		b.Run(tls.VersionName(version)+"/crypto-tls", func(b *testing.B) {
			b.SetBytes(bulkSize)
			buf := make([]byte, 64<<10)
			for b.Loop() {
				b.StopTimer()
				_, records, client, in := bulk(b, version, bulkSize)
				in.mu.Lock()
				in.mem = bytes.NewReader(records)
				in.mu.Unlock()
				b.StartTimer()
				for n := 0; n < bulkSize; {
					k, err := client.Read(buf)
					if err != nil {
						b.Fatal(err)
					}
					n += k
				}
			}
		})
		b.Run(tls.VersionName(version)+"/tap", func(b *testing.B) {
			b.SetBytes(bulkSize)
			w, records, _, _ := bulk(b, version, bulkSize)
			for b.Loop() {
				b.StopTimer()
				d, s := tap.New(), &seen{}
				addKeys(b, d, w.keys.Bytes(), s)
				for _, p := range w.pieces {
					d.Write(p.from, p.b, s.take)
				}
				n := 0
				b.StartTimer()
				for r := records; len(r) > 0; {
					k := min(len(r), 64<<10)
					d.Write(tap.Server, r[:k], func(e tap.Event) { n += len(e.Data) })
					r = r[k:]
				}
				if n != bulkSize {
					b.Fatalf("%d bytes of %d", n, bulkSize)
				}
			}
		})
	}
}
