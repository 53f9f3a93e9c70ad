package web

import (
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/xmpplens/xmpplens/record/timeline"
)

// This file counts for Prometheus. Labels are of a fixed vocabulary: kinds,
// directions, codes of findings and numbers of XEPs. No address and no namespace
// of the traffic becomes one.

// A Summer has sums of what is recorded; *timeline.Index is one.
type Summer interface {
	Sums(read func(s *timeline.Sums, known int))
	Connections(column string, down bool, count int) ([]timeline.Conn, timeline.ConnectionCount)
}

var (
	dirs = []string{"CS", "SC"}

	descConns    = prometheus.NewDesc("xmpplens_connections", "Connections, open and closed.", []string{"kind", "state"}, nil)
	descEntries  = prometheus.NewDesc("xmpplens_entries_total", "Entries whose facts are known.", []string{"direction"}, nil)
	descStanzas  = prometheus.NewDesc("xmpplens_stanzas_total", "Messages, presence and iq.", []string{"direction"}, nil)
	descBytes    = prometheus.NewDesc("xmpplens_received_bytes_total", "Bytes of entries.", []string{"direction"}, nil)
	descFindings = prometheus.NewDesc("xmpplens_findings_total", "Findings.", []string{"code", "severity"}, nil)
	descLatency  = prometheus.NewDesc("xmpplens_iq_latency_seconds", "How long answers to iq took, by the XEP of what was asked.", []string{"xep"}, nil)
	descListed   = prometheus.NewDesc("xmpplens_listed_entries", "Entries that are recorded and listed; facts come behind.", nil, nil)
	descTrouble  = prometheus.NewDesc("xmpplens_recording_errors", "Kinds of trouble with the recording: damage, or that it stopped.", nil, nil)
	descPages    = prometheus.NewDesc("xmpplens_pages", "Pages of the viewer that are open.", nil, nil)

	// within are the borders of the latency histogram, in seconds. They are right
	// within three hundredths.
	within = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
)

// metrics answers GET /metrics.
func (s *Server) metrics() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(counters{s}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: 2})
}

// counters makes metrics of the sums when it is asked for them.
type counters struct{ s *Server }

func (c counters) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descConns, descEntries, descStanzas, descBytes, descFindings, descLatency, descListed, descTrouble, descPages} {
		out <- d
	}
}

func (c counters) Collect(out chan<- prometheus.Metric) {
	add := func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, t, v, labels...)
	}
	st := c.s.Source.Status()
	add(descListed, prometheus.GaugeValue, float64(st.Len))
	add(descTrouble, prometheus.GaugeValue, float64(len(st.Trouble)))
	c.s.mu.Lock()
	pages := len(c.s.pages)
	c.s.mu.Unlock()
	add(descPages, prometheus.GaugeValue, float64(pages))
	from, ok := c.s.Source.(Summer)
	if !ok {
		return
	}
	_, conns := from.Connections("id", false, 0)
	for state, kinds := range map[string]map[string]int{"open": conns.Open, "closed": conns.Closed} {
		sum := make(map[string]int)
		for kind, n := range kinds {
			switch kind {
			case "c2s", "s2s", "component":
				sum[kind] += n
			default:
				sum["other"] += n
			}
		}
		for kind, n := range sum {
			add(descConns, prometheus.GaugeValue, float64(n), kind, state)
		}
	}
	var all []prometheus.Metric // none is handed out while the index waits
	from.Sums(func(s *timeline.Sums, _ int) { all = metricsOf(s) })
	for _, m := range all {
		out <- m
	}
}

func metricsOf(s *timeline.Sums) (out []prometheus.Metric) {
	add := func(d *prometheus.Desc, v float64, labels ...string) {
		out = append(out, prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...))
	}
	for i, d := range dirs {
		add(descEntries, float64(s.Entries[i]), d)
		add(descStanzas, float64(s.Stanzas[i]), d)
		add(descBytes, float64(s.Bytes[i]), d)
	}
	for code, f := range s.Codes {
		add(descFindings, float64(f.Count), code, f.Severity)
	}
	took := make(map[string]*timeline.Histogram)
	for ns, l := range s.Latencies {
		name := timeline.Spec(ns)
		if !strings.HasPrefix(name, "XEP-") {
			name = "other"
		}
		if took[name] == nil {
			took[name] = new(timeline.Histogram)
		}
		took[name].Plus(&l.Histogram)
	}
	for name, h := range took {
		buckets := make(map[float64]uint64)
		for _, le := range within {
			buckets[le] = h.Below(time.Duration(le * 1e9))
		}
		out = append(out, prometheus.MustNewConstHistogram(descLatency, uint64(h.Count), h.Sum.Seconds(), buckets, name))
	}
	return out
}
