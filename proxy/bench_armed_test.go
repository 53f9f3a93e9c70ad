//go:build unix

package proxy_test

import (
	"syscall"
	"testing"

	"github.com/xmpplens/xmpplens/proxy"
	"github.com/xmpplens/xmpplens/proxy/rule"
	"github.com/xmpplens/xmpplens/proxy/session"
)

// cpu is what the process has used so far, in seconds.
func cpu(tb testing.TB) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

// BenchmarkArmed: rules that match nothing, against no rules: the processor time of
// 800-byte stanzas, one write each, sender and receiver in it.
func BenchmarkArmed(b *testing.B) {
	const total = 32 << 20
	piece := stanzaOf(800)
	n := total / len(piece)
	used := func(change func(*proxy.Proxy)) func() float64 {
		run := pump(b, piece, n*len(piece), func(up string) string { return serveProxy(b, up, change) })
		return func() float64 {
			began := cpu(b)
			run()
			return cpu(b) - began
		}
	}
	set := new(rule.Set)
	for _, line := range []string{`drop if ns == "urn:xmpp:sm:3" and name == "a"`, `delay 2s if iq and type == "result" and roster`, `answer item-not-found if dir == "CS" and iq and xep(313)`} {
		r, err := rule.ParseLine(line)
		if err != nil {
			b.Fatal(err)
		}
		if err := set.Add("bench", r); err != nil {
			b.Fatal(err)
		}
	}
	armed := used(func(p *proxy.Proxy) {
		p.Arm("rules", func(conn int) session.Judge { return set.Judge(conn, nil) })
	})
	rounds(b, used(nil), armed, func(base, ours, ratio float64) {
		b.ReportMetric(base/float64(n)*1e6, "µs-cpu-unarmed")
		b.ReportMetric(ours/float64(n)*1e6, "µs-cpu-armed")
		b.ReportMetric(1/ratio, "armed/unarmed")
	})
}
