package web

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// tree is what was drawn, as the page gets it.
func tree(t testing.TB, of any) string {
	t.Helper()
	b, err := json.Marshal(of)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestChart(t *testing.T) {
	bins := make([]timeline.Bin, 10)
	bins[0] = timeline.Bin{CS: 4, SC: 1}
	bins[8] = timeline.Bin{SC: 2, Warnings: 1, Errors: 3}
	bins[9] = timeline.Bin{CS: 1, Warnings: 2}
	c := newChart(100, 40, 0, 20*time.Second, bins, 2*time.Second, []timeline.Mark{{N: 7, T: 5 * time.Second}, {N: 8, T: time.Hour}})
	c.even = true
	got := tree(t, c.draw(attrs{"role": "img"}))
	if want := `["svg.chart",{"preserveAspectRatio":"none","role":"img","viewBox":"0 0 100 64"},`; !strings.HasPrefix(got, want) {
		t.Errorf("drawn %s, want %s", got, want)
	}
	for class, d := range map[string]string{
		"gap":      `"d":"M10.0 35h70.0","stroke-width":40`,
		"cs":       `"d":"M4.5 35v-20.0M94.5 35v-5.0","stroke-width":9`,
		"sc":       `"d":"M4.5 36v5.0M84.5 36v10.0","stroke-width":9`,
		"warnings": `"d":"M89.5 59h10.0","stroke-width":6`, // where there are errors, too, they are what is seen
		"errors":   `"d":"M79.5 59h10.0","stroke-width":6`,
		"notes":    `"d":"M24.5 17l-4 -5l4 -5l4 5zM94.5 17l-4 -5l4 -5l4 5z","stroke-width":1`,
	} {
		if !strings.Contains(got, `["path.`+class+`",{`+d+`}]`) {
			t.Errorf("no %s %s in %s", class, d, got)
		}
	}
	tips := []string{"5 entries", "", "1 note", "", "", "", "", "", "2 entries · 3 errors · 1 warning", "1 entry · 2 warnings · 1 note"}
	if !slices.Equal(c.tips(), tips) {
		t.Errorf("tips %q", c.tips())
	}
	c.even = false // a few are seen beside many
	if got := tree(t, c.draw(attrs{})); !strings.Contains(got, "M4.5 35v-20.0M94.5 35v-8.6") {
		t.Errorf("drawn %s", got)
	}
}

// There is a chart of nothing, on nothing, and of more than fits.
func TestChartBounds(t *testing.T) {
	for _, wide := range []int{-1, 0, 1, 2, 1 << 40} {
		for _, bins := range [][]timeline.Bin{nil, make([]timeline.Bin, 5000)} {
			c := newChart(wide, 40, time.Hour, 0, bins, time.Nanosecond, []timeline.Mark{{T: -1}})
			if n := len(c.tips()); n < 1 || n > maxWide/columnWide {
				t.Errorf("%d wide: %d columns", wide, n)
			}
			if got := tree(t, c.draw(attrs{})); strings.Contains(got, "NaN") || strings.Contains(got, "Inf") || len(got) > 200_000 {
				t.Errorf("%d wide: drawn %.300s", wide, got)
			}
		}
	}
}

func TestTimes(t *testing.T) {
	for _, c := range []struct {
		from, long time.Duration
		want       string
	}{
		{0, 10 * time.Millisecond, "+2 ms +4 ms +6 ms +8 ms"},
		{0, 80 * time.Millisecond, "+0.02 s +0.04 s +0.06 s"},
		{2 * time.Second, time.Second, "+2.2 s +2.4 s +2.6 s +2.8 s"},
		{0, 30 * time.Second, "+10 s +20 s"},
		{0, 4 * time.Minute, "+1:00 +2:00 +3:00"},
		{90 * time.Minute, 40 * time.Minute, "+1:40:00 +1:50:00 +2:00:00"},
		{0, 0, ""},
		{0, 10 * 24 * time.Hour, "+48:00:00 +96:00:00 +144:00:00 +192:00:00"},
	} {
		var got []string
		for _, part := range newChart(380, 40, c.from, c.from+c.long, nil, 0, nil).times() {
			if d := part.(drawn); d[0] == "text" {
				got = append(got, fmt.Sprint(d[2]))
			}
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%v from %v on: %s, want %s", c.long, c.from, text, c.want)
		}
	}
}

func TestConnRow(t *testing.T) {
	c := timeline.Conn{ID: 7, Kind: "c2s", Transport: "websocket", Client: "<img onerror=x>", TLS: [2]string{"TLS 1.3", "TLS 1.2"}, Cipher: [2]string{"", "TLS_X"}, Since: 1300 * time.Millisecond,
		Stanzas: [2]int{3, 4}, Bytes: [2]int64{10, 20_000}, Findings: [3]int{1, 0, 2}, RTT: 2 * time.Millisecond,
		State: track.State{Phase: "online", Mechanism: "PLAIN", SM: "enabled", Resumable: true, Acked: [2]uint32{2, 1}, Unacked: [2]int{1, 0}, Unanswered: [2]int{1, 1}}}
	got := strings.ReplaceAll(tree(t, connRow(&c)), "\u00a0", " ")
	for _, want := range []string{
		`["button.link",{"data-key":"conn 7","data-term":"conn == 7"},"7"],["small",{"dir":"auto"},"c2s websocket"]`,
		`"online",["small",{"dir":"auto"},"+1.3 s"]`,
		`["bdi",{"title":"\u003cimg onerror=x\u003e"},"\u003cimg onerror=x\u003e"],["small",{"dir":"auto"},"PLAIN"]`,
		`"TLS 1.3 / TLS 1.2",["small",{"dir":"auto"},"TLS_",["wbr"],"X"]`,
		`"→ 3 ← 4",["small",{"dir":"auto"},"→ 10 B ← 20.0 kB"]`,
		`"→ 1 ← 0",["small",{"dir":"auto"},"h 2, 1, resumable"]`,
		`"~2.0 ms",["small",{"dir":"auto"},"2 unanswered"]`,
		`"✖ 2 ℹ 1"]`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	long := strings.Repeat("@/", 25_000)
	if got := tree(t, connRow(&timeline.Conn{Kind: long, Client: long, TLS: [2]string{long}, Cipher: [2]string{long}, State: track.State{Mechanism: long}})); len(got) > 20_000 {
		t.Errorf("names of 50 KB are drawn with %d", len(got))
	}
	if got := tree(t, connRow(&timeline.Conn{Closed: true})); !strings.HasPrefix(got, `["tr.closed"`) || strings.Contains(got, "h 0") || strings.Contains(got, "~") {
		t.Errorf("one of which nothing is known: %s", got)
	}
}
