package web

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestArrange(t *testing.T) {
	romeo := lane{1, "c2s", "romeo@montague.example/orchard", "montague.example"}
	juliet := lane{2, "c2s", "juliet@capulet.example/balcony", "capulet.example"}
	servers := lane{3, "s2s", "montague.example", "capulet.example"}
	back := lane{4, "s2s", "capulet.example", "montague.example"}
	muc := lane{5, "component", "rooms.capulet.example", "capulet.example"}
	far := lane{6, "s2s", "verona.example", "montague.example"}
	key := arrange([]lane{romeo}, nil).all[0].key
	for _, c := range []struct {
		conns  []lane
		hidden []string
		want   string // names, and where the ends of connections are
	}{
		{nil, nil, "proxy, map[]"},
		{[]lane{romeo}, nil, "romeo/orchard, proxy, montague.example, map[1:[0 2]]"},
		{[]lane{juliet, romeo}, nil, "romeo/orchard, juliet/balcony, proxy, montague.example, capulet.example, map[1:[0 3] 2:[1 4]]"},
		{[]lane{romeo, {2, "c2s", romeo.Client, romeo.Server}}, nil, "romeo/orchard, proxy, montague.example, map[1:[0 2] 2:[0 2]]"},
		// Servers that talk with each other have the proxy between them, unless clients talk with both.
		{[]lane{servers}, nil, "montague.example, proxy, capulet.example, map[3:[0 2]]"},
		{[]lane{servers, back}, nil, "montague.example, proxy, capulet.example, map[3:[0 2] 4:[2 0]]"},
		{[]lane{servers, back, far, {7, "s2s", "montague.example", "verona.example"}}, nil, "montague.example, proxy, capulet.example, verona.example, map[3:[0 2] 4:[2 0] 6:[3 0] 7:[0 3]]"},
		{[]lane{juliet, servers, back}, nil, "juliet/balcony, montague.example, proxy, capulet.example, map[2:[0 3] 3:[1 3] 4:[3 1]]"},
		{[]lane{back, {7, "s2s", "capulet.example", "verona.example"}}, nil, "capulet.example, proxy, montague.example, verona.example, map[4:[0 2] 7:[0 3]]"},
		{[]lane{{1, "component", "capulet.example", "capulet.example"}, {2, "s2s", "capulet.example", "capulet.example"}, {3, "s2s", "", ""}}, nil, "proxy, capulet.example, ?, map[1:[1 1] 2:[1 1] 3:[2 2]]"},
		{[]lane{romeo, juliet, servers}, nil, "romeo/orchard, juliet/balcony, proxy, montague.example, capulet.example, map[1:[0 3] 2:[1 4] 3:[3 4]]"},
		{[]lane{juliet, muc, far}, nil, "juliet/balcony, rooms.capulet.example, verona.example, proxy, capulet.example, montague.example, map[2:[0 4] 5:[1 4] 6:[2 5]]"},
		{[]lane{romeo, juliet}, []string{key}, "juliet/balcony, proxy, montague.example, capulet.example, map[1:[1 2] 2:[0 3]]"},
		{[]lane{{1, "c2s", strings.Repeat("ö", 50_000), "montague.example"}}, nil, strings.Repeat("ö", maxLetters) + "…, proxy, montague.example, map[1:[0 2]]"},
	} {
		o := arrange(c.conns, c.hidden)
		var names []string
		for _, head := range o.heads(nil, c.hidden)[1:] {
			name := head.(drawn)[1].(drawn)
			names = append(names, name[len(name)-1].(string))
		}
		if got := strings.Join(names, ", ") + ", " + fmt.Sprint(o.ends); got != c.want || o.all[o.proxy].side != "proxy" {
			t.Errorf("%+v stand so:\n%s, want\n%s", c.conns, got, c.want)
		}
		for _, s := range o.all {
			if len(s.key) > 20 {
				t.Errorf("the key of %.30s has %d letters", s.name, len(s.key))
			}
		}
	}
	b, err := json.Marshal(arrange([]lane{romeo, {2, "c2s", romeo.Client, "<img onerror>"}}, []string{key}).heads([]string{"2"}, []string{key}))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer("<", `\u003c`, ">", `\u003e`).Replace(`[["span.corner",["button",{"data-all":"","title":"Show all lanes"},"1 hidden"]],["span.lanename.proxy",["span","proxy"]],` +
		`["span.lanename",["button",{"aria-label":"Keep the lane of montague.example","aria-pressed":"false","data-keep":"1","data-key":"keep ` + arrange([]lane{romeo}, nil).all[2].key + `","title":"montague.example, connection #1"},"montague.example"],["small","#1 "],["button.hide",{"aria-label":"Hide the lane of montague.example","data-hide":"` + arrange([]lane{romeo}, nil).all[2].key + `"},"✕"]],` +
		`["span.lanename",["button",{"aria-label":"Keep the lane of <img onerror>","aria-pressed":"true","data-keep":"2","data-key":"keep ` + arrange([]lane{{2, "c2s", "", "<img onerror>"}}, nil).all[2].key + `","title":"<img onerror>, connection #2"},"<img onerror>"],["small","#2 "],["button.hide",{"aria-label":"Hide the lane of <img onerror>","data-hide":"` + arrange([]lane{{2, "c2s", "", "<img onerror>"}}, nil).all[2].key + `"},"✕"]]]`)
	if string(b) != want {
		t.Errorf("heads\n%s, want\n%s", b, want)
	}
}
