package proxy_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/proxy"
	"github.com/xmpplens/xmpplens/proxy/mitmca"
	"github.com/xmpplens/xmpplens/record"
)

// The rows of the design's cost table, each against a bare io.Copy relay in
// the same run. A benchmark alternates between the two in short rounds, so that
// a machine whose speed drifts slows both, and reports the median of the
// ratios of neighbouring rounds as "ratio".

// relayTo is the baseline: a relay of two io.Copy, which Linux turns into
// splice(2).
func relayTo(tb testing.TB, upstream string) string {
	return accept(tb, func(c net.Conn) {
		s, err := net.Dial("tcp", upstream)
		if err != nil {
			return
		}
		defer s.Close()
		done := make(chan struct{})
		go func() {
			io.Copy(s, c)
			s.(*net.TCPConn).CloseWrite()
			close(done)
		}()
		io.Copy(c, s)
		c.(*net.TCPConn).CloseWrite()
		<-done
	})
}

// accept handles connections, each in a goroutine that closes it at its end, and
// returns the address.
func accept(tb testing.TB, handle func(net.Conn)) string {
	ln := listen(tb)
	go func() { // ends when the listener is closed
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				handle(c)
			}()
		}
	}()
	return ln.Addr().String()
}

func listen(tb testing.TB) net.Listener {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { ln.Close() })
	return ln
}

// serveProxy runs a proxy in front of upstream and returns its address. The
// recording is on.
func serveProxy(tb testing.TB, upstream string, change func(*proxy.Proxy)) string {
	up, err := proxy.ParseUpstream(upstream)
	if err != nil {
		tb.Fatal(err)
	}
	log, err := record.CreateTemp(record.Options{Tool: "bench"})
	if err != nil {
		tb.Fatal(err)
	}
	p := &proxy.Proxy{Upstream: up, Log: log}
	if change != nil {
		change(p)
	}
	ln := listen(tb)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Serve(ctx, ln) }() // ends with ctx
	tb.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Error(err)
		}
		log.Close()
	})
	return ln.Addr().String()
}

const (
	openStream = "<?xml version='1.0'?><stream:stream to='localhost' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
	answer     = "<stream:stream id='1' from='localhost' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
	mechanisms = "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>"
	auth       = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>"
	success    = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
	bind       = "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>"
)

// loginServer answers a login with fixed text, then hands the connection over.
func loginServer(tb testing.TB, then func(net.Conn)) string {
	return accept(tb, func(c net.Conn) {
		for _, turn := range [][2]string{{openStream, answer + mechanisms}, {auth, success}, {openStream, answer + bind}} {
			if _, err := io.ReadFull(c, make([]byte, len(turn[0]))); err != nil {
				return
			}
			io.WriteString(c, turn[1])
		}
		then(c)
	})
}

// login connects and logs in, so that the session is where it spends its life.
func login(tb testing.TB, addr string) net.Conn {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	for _, turn := range [][2]string{{openStream, answer + mechanisms}, {auth, success}, {openStream, answer + bind}} {
		io.WriteString(c, turn[0])
		if _, err := io.ReadFull(c, make([]byte, len(turn[1]))); err != nil {
			tb.Fatal(err)
		}
	}
	return c
}

func stanzaOf(size int) []byte {
	head := "<message to='juliet@capulet.example' type='chat' id='m1'><body>"
	tail := "</body></message>"
	return []byte(head + strings.Repeat("x", size-len(head)-len(tail)) + tail)
}

func echo(c net.Conn) { io.Copy(c, c) }

// rounds alternates two measurements and reports the median ratio of b to a
// among other things. measure returns seconds.
func rounds(b *testing.B, baseline, ours func() float64, report func(base, ours, ratio float64)) {
	baseline()
	ours()
	var ratios, as, bs []float64
	for b.Loop() {
		x, y := baseline(), ours()
		as, bs = append(as, x), append(bs, y)
		ratios = append(ratios, x/y)
	}
	median := func(v []float64) float64 {
		slices.Sort(v)
		return v[len(v)/2]
	}
	report(median(as), median(bs), median(ratios))
}

// BenchmarkRoundTrip: a 220-byte stanza there and back, median latency.
func BenchmarkRoundTrip(b *testing.B) {
	server := loginServer(b, echo)
	p50 := func(c net.Conn) func() float64 {
		stanza := stanzaOf(220)
		back := make([]byte, len(stanza))
		return func() float64 {
			times := make([]float64, 300)
			for i := range times {
				began := time.Now()
				c.Write(stanza)
				io.ReadFull(c, back)
				times[i] = time.Since(began).Seconds()
			}
			slices.Sort(times)
			return times[len(times)/2]
		}
	}
	rounds(b, p50(login(b, relayTo(b, server))), p50(login(b, serveProxy(b, server, nil))), func(base, ours, _ float64) {
		b.ReportMetric(base*1e6, "µs-relay")
		b.ReportMetric(ours*1e6, "µs-proxy")
		b.ReportMetric((ours-base)*1e6/2, "µs-added-one-way")
		b.ReportMetric((ours-base)*1e6, "µs-added")
	})
}

// pump returns a measurement: the time in which total bytes reach the server
// in writes of one piece each.
func pump(b *testing.B, piece []byte, total int, via func(upstream string) string) func() float64 {
	arrived := make(chan struct{})
	server := loginServer(b, func(c net.Conn) {
		buf := make([]byte, 256<<10)
		left := total
		for {
			n, err := c.Read(buf)
			for left -= n; left <= 0; left += total {
				arrived <- struct{}{}
			}
			if err != nil {
				return
			}
		}
	})
	c := login(b, via(server))
	return func() float64 {
		began := time.Now()
		for range total / len(piece) {
			c.Write(piece)
		}
		<-arrived
		return time.Since(began).Seconds()
	}
}

func benchmarkThroughput(b *testing.B, piece []byte, total int) {
	total = total / len(piece) * len(piece)
	base := pump(b, piece, total, func(up string) string { return relayTo(b, up) })
	ours := pump(b, piece, total, func(up string) string { return serveProxy(b, up, nil) })
	rounds(b, base, ours, func(base, ours, ratio float64) {
		b.ReportMetric(float64(total)/base/1e6, "MB/s-relay")
		b.ReportMetric(float64(total)/ours/1e6, "MB/s-proxy")
		b.ReportMetric(ratio, "ratio")
	})
}

// BenchmarkStanzas: 800-byte stanzas, one write each, as fast as they go.
func BenchmarkStanzas(b *testing.B) { benchmarkThroughput(b, stanzaOf(800), 16<<20) }

// BenchmarkBulk: one connection, writes of 64 KiB.
func BenchmarkBulk(b *testing.B) {
	benchmarkThroughput(b, bytes.Repeat(stanzaOf(1024), 64), 64<<20)
}

// BenchmarkConnections: connect, echo a byte, close.
func BenchmarkConnections(b *testing.B) {
	server := accept(b, func(c net.Conn) { io.Copy(c, c) })
	run := func(addr string) func() float64 {
		return func() float64 {
			const each, workers = 100, 4
			began := time.Now()
			var wg sync.WaitGroup
			for range workers {
				wg.Go(func() {
					buf := []byte(openStream)
					for range each {
						c, err := net.Dial("tcp", addr)
						if err != nil {
							b.Error(err)
							return
						}
						io.WriteString(c, openStream)
						if _, err := io.ReadFull(c, buf); err != nil {
							b.Error(err)
						}
						c.(*net.TCPConn).SetLinger(0) // no TIME_WAIT: ports would run out
						c.Close()
					}
				})
			}
			wg.Wait()
			return time.Since(began).Seconds() / (each * workers)
		}
	}
	rounds(b, run(relayTo(b, server)), run(serveProxy(b, server, nil)), func(base, ours, ratio float64) {
		b.ReportMetric(1/base, "conn/s-relay")
		b.ReportMetric(1/ours, "conn/s-proxy")
		b.ReportMetric(ratio, "ratio")
	})
}

// inUse is the memory of this process that connections could account for.
func inUse() float64 {
	runtime.GC()
	runtime.GC() // the second one empties the pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapInuse + m.StackInuse)
}

// benchmarkIdle measures memory per connection that is idle after traffic.
// The far ends live in the same process: what they take is measured with a
// bare pair of connections and taken off.
func benchmarkIdle(b *testing.B, n int, ends func() func(), through func() func()) {
	for b.Loop() {
		measure := func(open func() func()) float64 {
			before := inUse()
			shut := open()
			time.Sleep(200 * time.Millisecond) // goroutines park
			after := inUse()
			shut()
			time.Sleep(200 * time.Millisecond)
			return (after - before) / float64(n)
		}
		bare := measure(ends)
		with := measure(through)
		b.ReportMetric((with-bare)/1024, "KiB/conn")
		b.ReportMetric(bare/1024, "KiB/ends")
	}
}

// BenchmarkIdleMemory: connections that have had traffic and wait.
func BenchmarkIdleMemory(b *testing.B) {
	const n = 400
	talk := func(c net.Conn) {
		stanza := stanzaOf(800)
		for range 5 {
			c.Write(stanza)
			io.ReadFull(c, make([]byte, len(stanza)))
		}
	}
	b.Run("plain", func(b *testing.B) {
		server := loginServer(b, echo)
		open := func(addr string) func() func() {
			return func() func() {
				conns := make([]net.Conn, n)
				for i := range conns {
					conns[i] = login(b, addr)
					talk(conns[i])
				}
				return func() {
					for _, c := range conns {
						c.Close()
					}
				}
			}
		}
		benchmarkIdle(b, n, open(server), open(serveProxy(b, server, nil)))
	})
	b.Run("tls", func(b *testing.B) {
		ca, err := mitmca.New()
		if err != nil {
			b.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AddCert(ca.Certificate())
		ln := tls.NewListener(listen(b), &tls.Config{SessionTicketsDisabled: true, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return ca.Leaf("localhost") }})
		go func() { // ends when the listener is closed
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				go echo(c)
			}
		}()
		open := func(addr string) func() func() {
			return func() func() {
				conns := make([]net.Conn, n)
				for i := range conns {
					c, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: pool, ServerName: "localhost"})
					if err != nil {
						b.Fatal(err)
					}
					conns[i] = c
					for _, text := range []string{openStream} {
						io.WriteString(c, text)
						io.ReadFull(c, make([]byte, len(text)))
					}
					talk(c)
				}
				return func() {
					for _, c := range conns {
						c.Close()
					}
				}
			}
		}
		server := ln.Addr().String()
		via := serveProxy(b, "tls://"+server, func(p *proxy.Proxy) { p.CA, p.ServerCA = ca, pool })
		benchmarkIdle(b, n, open(server), open(via))
	})
}
