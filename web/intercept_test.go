package web

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/record"
)

// sessionsOf is an Interceptor that remembers what was asked of it.
type sessionsOf struct {
	changes chan struct{}

	mu       sync.Mutex
	list     []Session
	points   []string
	verdicts []Verdict
	injected []Injection
	on       bool
	fails    error
}

func (x *sessionsOf) Armed() (string, int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	n := 0
	for _, s := range x.list {
		n += len(s.Held)
	}
	return strings.Join(x.points, ", "), n
}

func (x *sessionsOf) Sessions() (list []Session) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, s := range x.list {
		s.Held = slices.Clone(s.Held)
		list = append(list, s)
	}
	return list
}

func (x *sessionsOf) Decide(v Verdict) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if v.Dry {
		return x.fails
	}
	x.verdicts = append(x.verdicts, v)
	for i := range x.list {
		s := &x.list[i]
		for j, h := range s.Held {
			if h.Dir == v.Dir && h.Offset == v.Offset && v.Verdict == "hold" {
				s.Held[j].Until = time.Now().Add(time.Duration(v.Seconds * float64(time.Second))).UnixMilli()
				return nil
			}
			if h.Dir == v.Dir && h.Offset == v.Offset {
				s.Held = slices.Delete(s.Held, j, j+1)
				x.poke()
				return nil
			}
		}
	}
	if v.Offset == 2210 {
		return nil // of the package doc
	}
	return &refusal{Text: "nothing is held there", Fix: "look again"}
}

// poke tells once that there is something new.
func (x *sessionsOf) poke() {
	select {
	case x.changes <- struct{}{}:
	default:
	}
}

func (x *sessionsOf) Inject(in Injection) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.injected = append(x.injected, in)
	return x.fails
}

func (x *sessionsOf) Arm(expr string) error {
	x.mu.Lock()
	x.points = append(x.points, expr)
	x.mu.Unlock()
	x.poke()
	return nil
}

func (x *sessionsOf) Disarm(string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.points = nil
	x.poke()
	return nil
}

func (x *sessionsOf) Breakpoints() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.points)
}

func (x *sessionsOf) Rules() []Rule {
	x.mu.Lock()
	defer x.mu.Unlock()
	return []Rule{{Name: "lose", When: `ns == "urn:xmpp:sm:3"`, Do: "drop", Source: "--rule", On: x.on}}
}

func (x *sessionsOf) Switch(rule string, on bool) error {
	if rule != "lose" {
		return errors.New("no such rule")
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.on = on
	return nil
}

func (x *sessionsOf) Watch() (<-chan struct{}, func()) { return x.changes, func() {} }

// intercepting shows a recording whose one session holds a message and a login.
func intercepting(t *testing.T) (*sessionsOf, *record.Log, string) {
	t.Helper()
	x := holding()
	log, _, url := show(t, func(s *Server) { s.Intercept = x })
	return x, log, url
}

func holding() *sessionsOf {
	x := &sessionsOf{changes: make(chan struct{}, 1)}
	x.list = []Session{{Conn: 1, Held: []HeldFrame{
		{Conn: 1, Dir: "CS", Offset: 10, XML: "<message><body>hello</body></message>"},
		{Conn: 1, Dir: "SC", Offset: 20, XML: "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvbWVvAHNlY3JldA==</auth>"},
	}}}
	return x
}

func TestInterceptAPI(t *testing.T) {
	x, _, url := intercepting(t)
	c := call(url)
	var held struct{ Held []HeldFrame }
	c.post(t, "api/held", "{}").ok(t, &held)
	if len(held.Held) != 2 || held.Held[0].Masked || held.Held[0].XML != x.list[0].Held[0].XML {
		t.Fatalf("%+v", held)
	}
	if h := held.Held[1]; !h.Masked || strings.Contains(h.XML, "AHJv") {
		t.Errorf("a password is shown: %+v", h)
	}
	x.list[0].Held[0].XML = strings.Repeat("x", maxHeld+1)
	if c.post(t, "api/held", "{}").ok(t, &held); held.Held[0].XML != "" || held.Held[0].Size != maxHeld+1 {
		t.Errorf("a long one has %d bytes of %d", len(held.Held[0].XML), held.Held[0].Size)
	}
	if strings.Contains(c.post(t, "api/sessions", "{}").body, "AHJv") {
		t.Error("a password is shown with the session")
	}
	for _, q := range []struct {
		op, body string
		status   int
		says     string
	}{
		{"decide", `{"conn":1,"dir":"CS","offset":10,"verdict":"drop"}`, 200, ""},
		{"decide", `{"conn":1,"dir":"CS","offset":11,"verdict":"drop"}`, 422, "look again"},
		{"decide", `{"conn":1,"dir":"up","offset":10,"verdict":"drop"}`, 422, "CS is from"},
		{"decide", `{"conn":"1","dir":"CS","offset":10,"verdict":"drop"}`, 422, "not understood"},
		{"inject", `{"conn":1,"dir":"SC","xml":"<presence/>","swallow":true}`, 200, ""},
		{"inject", `{"conn":1,"dir":"SC"}`, 422, "nothing to send"},
		{"arm", `{"expr":"message"}`, 422, "not said"},
		{"arm", `{"on":true}`, 422, "needs an expression"},
		{"rules", `{"name":"lose"}`, 422, "not said"},
		{"rules", `{"name":"lose","on":true}`, 200, `"on":true`},
		{"rules", `{"name":"other","on":true}`, 422, "no such rule"},
	} {
		if a := c.post(t, "api/"+q.op, q.body); a.status != q.status || !strings.Contains(a.body, q.says) {
			t.Errorf("%s %s: %d %s", q.op, q.body, a.status, a.body)
		}
	}
	if len(x.verdicts) != 2 || x.verdicts[0].Verdict != "drop" {
		t.Errorf("decided %+v", x.verdicts)
	}
	if len(x.injected) != 1 || !x.injected[0].Swallow {
		t.Errorf("injected %+v", x.injected)
	}
	if a := (&caller{base: c.base}).post(t, "api/inject", `{"conn":1,"dir":"SC","xml":"<presence/>"}`); a.status != 403 || len(x.injected) != 1 {
		t.Errorf("without the token: %d %s", a.status, a.body)
	}
}

// What is armed is pushed, although nothing was recorded.
func TestInterceptStatus(t *testing.T) {
	_, _, url := intercepting(t)
	c, ws := call(url), dialPath(t, url, "live")
	ws.SetReadDeadline(time.Now().Add(20 * time.Second))
	until := func(want string) {
		t.Helper()
		for {
			var m struct {
				Op, Armed string
				Held      int
				Live      bool
			}
			if err := ws.ReadJSON(&m); err != nil {
				t.Fatal(err)
			}
			if m.Op == "hello" && !m.Live {
				t.Fatal("hello does not tell that sessions go on")
			}
			if m.Op == "status" && m.Armed == want && m.Held == 2 {
				return
			}
		}
	}
	until("")
	c.post(t, "api/arm", `{"expr":"message","on":true}`).ok(t, nil)
	until("message")
}

func TestInterceptRecording(t *testing.T) {
	_, _, url := show(t)
	for _, op := range []string{"sessions", "held", "decide", "inject", "arm", "rules"} {
		if a := call(url).post(t, "api/"+op, "{}"); a.status != 422 || !strings.Contains(a.body, "recording") {
			t.Errorf("%s: %d %s", op, a.status, a.body)
		}
	}
}
