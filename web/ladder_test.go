package web

import (
	"fmt"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/decode/track"
)

// demoPage is a page that shows the demonstration.
func demoPage(t *testing.T) *page {
	t.Helper()
	r := demoReader(t)
	x := indexOf(t, r)
	return &page{server: &Server{Source: x}, source: x, chosen: newChoice()}
}

func TestLadder(t *testing.T) {
	p := demoPage(t)
	l := p.ladder(request{whole: []byte(`{"from":1,"count":300}`)}).(ladder)
	if len(l.Lanes) != 2 || !strings.HasPrefix(l.Lanes[0].Client, "romeo@montague.example/") || l.Lanes[1].Server != "capulet.example" {
		t.Errorf("lanes %+v", l.Lanes)
	}
	all, err := p.source.Entries(1, 300)
	if err != nil {
		t.Fatal(err)
	}
	answers, begins := 0, map[string]bool{}
	for _, e := range all {
		if e.Facts.HasLatency {
			answers++
		}
		if s := l.Steps[e.N]; e.Conn > 0 && s.Phase == "" {
			t.Errorf("entry %d, a %s, has no phase", e.N, e.Kind)
		} else if s.Begins {
			begins[fmt.Sprintf("%d %s", e.Conn, s.Phase)] = true
		}
	}
	if len(l.Pairs) != answers || answers < 20 {
		t.Errorf("%d pairs, %d answers", len(l.Pairs), answers)
	}
	for _, phase := range []string{"tcp", "tls", "sasl", "bind", "online"} {
		if !begins["1 "+phase] || !begins["2 "+phase] {
			t.Errorf("%s does not begin: %v", phase, begins)
		}
	}
	// A window has the pairs that reach into it, and no others.
	for _, q := range l.Pairs {
		w := p.ladder(request{whole: fmt.Appendf(nil, `{"from":%d,"count":1}`, q.To)}).(ladder)
		found := false
		for _, o := range w.Pairs {
			found = found || o == q
			if o.To < q.To {
				t.Errorf("the window of %d has %+v", q.To, o)
			}
		}
		if !found {
			t.Errorf("the window of %d lacks %+v: %+v", q.To, q, w.Pairs)
		}
	}
}

func TestFollow(t *testing.T) {
	p := demoPage(t)
	all, err := p.source.Entries(1, 300)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range all {
		if n == 0 && strings.Contains(e.Stanza.Summary, "wherefore") {
			n = e.N
		}
	}
	first := p.follow(request{N: n}).(followed)
	var kinds []string
	for _, s := range first.Stages {
		kinds = append(kinds, s.Is)
	}
	text := strings.Join(kinds, ", ")
	if !strings.HasPrefix(text, "sent, delivers, ") || !strings.Contains(text, "receipt for, delivers") || !strings.Contains(text, track.Archived) || len(first.Lanes) != 2 {
		t.Errorf("%d: %s", n, text)
	}
	// From each of its stages it is the same way.
	for _, s := range first.Stages {
		if s.Is == track.Acks {
			continue
		}
		if other := p.follow(request{N: s.N}).(followed); len(other.Stages) != len(first.Stages) {
			t.Errorf("from %d: %d stages, not %d", s.N, len(other.Stages), len(first.Stages))
		}
	}
	if out := p.follow(request{N: 99999}).(followed); len(out.Stages) != 0 {
		t.Errorf("%+v", out)
	}
}
