package web

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// Whatever numbers a request has, it is answered, and not at length.
func TestExtremes(t *testing.T) {
	x := holding()
	x.list[0].Held = x.list[0].Held[:1]
	for n := range 200 {
		x.list = append(x.list, Session{Conn: n + 2})
	}
	log, s, _ := show(t, func(s *Server) { s.Intercept = x })
	long := strings.Repeat("x", 200_000)
	say(log, record.CS, `<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='`+long+`' from='`+long+`' version='1.0'><iq type='get' id='1' to='a@e'><ping xmlns='urn:xmpp:ping'/></iq><message id='`+long+`' to='`+long+`' type='`+long+`'/><`+strings.Repeat("n", 50_000)+`/>`)
	s.Source.Wait(t.Context(), func(s timeline.Status) bool { return s.Known == 4 })
	p := &page{server: s, source: s.Source, shown: &shown{Source: s.Source}, chosen: s.choice()}
	for op, do := range operations {
		for _, n := range []string{"0", "1", "-1", "4", "9223372036854775807", "-9223372036854775808"} {
			for _, more := range []string{`"draw":true`, `"draw":false`, `"draw":` + n, `"draw":{"screen":` + n + `,"keep":["` + n + `","1"],"hide":["` + n + `"]}`} {
				for _, as := range []string{"pretty", "raw", "hex", "tree"} {
					ask := `{"op":"` + op + `","at":` + n + `,"n":` + n + `,"from":` + n + `,"to":` + n + `,"count":` + n + `,"by":` + n + `,"off":` + n + `,"node":` + n + `,"seq":` + n + `,"most":` + n + `,"parts":` + n + `,"offset":` + n + `,"conn":1,"dir":"CS","text":"x","as":"` + as + `","wide":` + n + `,` + more + `}`
					var q request
					if err := json.Unmarshal([]byte(ask), &q); err != nil {
						t.Fatal(err)
					}
					b, err := json.Marshal(do(p, q))
					if err != nil {
						t.Errorf("%s: %v", ask, err)
					}
					most := 2 << 20 // of one that is asked for there may be all
					if op == "desk" || op == "templates" {
						most = 100 << 10
					}
					if len(b) > most {
						t.Errorf("%s is answered with %d bytes", ask, len(b))
					}
				}
			}
		}
	}
}
