package web

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/record/timeline"
)

// Prometheus gets what stats prints, with the token, and nothing of the traffic
// that could be as much as anybody wants.
func TestMetrics(t *testing.T) {
	r := demoReader(t)
	x := indexOf(t, r)
	s := &Server{Source: x}
	base, _, _ := strings.Cut(served(t, s), "?")
	scrape := func(token string) (int, string) {
		t.Helper()
		q, err := http.NewRequest("GET", base+"metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			q.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	for _, token := range []string{"", "guess"} {
		if code, text := scrape(token); code < 400 || strings.Contains(text, "xmpplens_entries") {
			t.Errorf("with %q: %d", token, code)
		}
	}
	code, text := scrape(s.key())
	if code != 200 {
		t.Fatalf("%d: %s", code, text)
	}
	x.Sums(func(sums *timeline.Sums, _ int) {
		for _, want := range metricsOf(sums) {
			name := strings.SplitN(want.Desc().String(), `"`, 3)[1]
			if !strings.Contains(text, "\n"+name) {
				t.Errorf("no %s", name)
			}
		}
	})
	for _, want := range []string{`xmpplens_connections{kind="c2s",state="closed"} 2`, `xmpplens_entries_total{direction="CS"} `, "xmpplens_pages 0", "xmpplens_recording_errors 0", `xmpplens_iq_latency_seconds_bucket{xep="XEP-`, "go_goroutines ", "process_open_fds "} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	for _, private := range []string{"romeo", "juliet", "capulet", "jabber:", "urn:"} {
		if strings.Contains(text, private) {
			t.Errorf("%s is in it", private)
		}
	}
}
