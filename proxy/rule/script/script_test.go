package script

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/proxy/rule"
	"github.com/xmpplens/xmpplens/proxy/session"
	"github.com/xmpplens/xmpplens/record"
)

const header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"

func seen(t testing.TB, d record.Dir, xml string) session.Seen {
	t.Helper()
	var dec decode.Decoder
	dec.Write([]byte(header + xml))
	dec.Next()
	f, ok := dec.Next()
	if !ok {
		t.Fatalf("no frame: %s", xml)
	}
	f.Raw = []byte(string(f.Raw))
	return session.Seen{Dir: d, Frame: f, Authenticated: true}
}

func script(t testing.TB, source string, said *[]string) *Script {
	t.Helper()
	s, err := Compile("s.star", []byte(source), Options{Seed: 1, Say: func(conn int, level, text string) {
		if said != nil {
			*said = append(*said, fmt.Sprintf("%d %s %s", conn, level, text))
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func words(p session.Plan) string {
	var out []string
	for _, step := range p {
		switch s := step.(type) {
		case session.Drop:
			out = append(out, "drop")
		case session.Hold:
			out = append(out, fmt.Sprint("hold ", s.Limit))
		case session.Delay:
			out = append(out, fmt.Sprint("delay ", s.For))
		case session.Edit:
			out = append(out, "edit "+string(s.Bytes))
		case session.Answer:
			out = append(out, "answer "+string(s.Bytes))
		case session.Inject:
			out = append(out, fmt.Sprintf("inject %s %s %v", s.Dir, s.Bytes, s.After))
		case session.Cut:
			out = append(out, fmt.Sprint("cut ", s.Manner, " ", s.Condition))
		case session.Note:
			out = append(out, strings.TrimSpace("note "+s.Level)+" "+s.Text)
		default:
			out = append(out, fmt.Sprintf("%T", step))
		}
	}
	return strings.Join(out, "; ")
}

const message = `<message type='chat' id='m1' from='a@b/c' to="d@e"><body>hi &amp; you</body></message>`

func TestStanza(t *testing.T) {
	for body, want := range map[string]string{
		"pass":   "",
		"drop()": "drop",
		"if s.kind == 'message' and s.dir == 'CS': drop()":                                                                          "drop",
		"log(s.kind, s.name, s.ns, s.type, s.id, s.sender, s.to, s.size, s.conn, s.time)":                                           "note message message jabber:client chat m1 a@b/c d@e 86 1 1.5",
		"log(s.get('//body'), s.get('/message/@id'), s.get('//none'), s.get('//none', 'x'), s.all('//@*'), s.get('count(//body)'))": `note hi & you m1 None x ["chat", "m1", "a@b/c", "d@e"] 1`,
		"s.set('/message/@to', 'x<y')":                                     `edit <message type='chat' id='m1' from='a@b/c' to="x&lt;y"><body>hi &amp; you</body></message>`,
		"s.remove('//body'); s.insert('/message', '<a/>', at='first')":     `edit <message type='chat' id='m1' from='a@b/c' to="d@e"><a/></message>`,
		"log(s.set('//none', 'x'), s.remove('//none'))":                    "note False False",
		"s.set('//body', 'x'); log(s.get('//body'), s.raw)":                `note x <message type='chat' id='m1' from='a@b/c' to="d@e"><body>x</body></message>; edit <message type='chat' id='m1' from='a@b/c' to="d@e"><body>x</body></message>`,
		"s.set('//body', 'x'); drop()":                                     "drop",
		"s.replace('<presence/>')":                                         "edit <presence/>",
		"delay(1.5); hold()":                                               "delay 1.5s; hold 0s",
		"send('client', '<presence/>', after=2); send('CS', '<r/>')":       "inject SC <presence/> 2s; inject CS <r/> 0s",
		"s.refuse('forbidden', text='no')":                                 `answer <message type='error' id='m1' from='d@e' to='a@b/c'><error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>no</text></error></message>`,
		"s.answer('<x/>')":                                                 "answer <x/>",
		"cut('stream-error', condition='reset')":                           "cut stream-error reset",
		"log(s.match('message and from.local == \"a\"'), s.match('iq'))":   "note True False",
		"log(len(s.summary) > 5, s.authenticated, level='warning')":        "note warning True True",
		"drop(); s.answer('<x/>')":                                         "drop",
		"s.result()":                                                       "note error s.star:2:10: only an iq of type get or set has a result (RFC 6120 §8.2.3)",
		"s.nothing":                                                        "note error s.star:2:3: stanza has no .nothing field or method",
		"log('before'); fail('oh')":                                        "note error s.star:2:21: fail: oh",
		"s.match('slow > 2s')":                                             "note error s.star:2:9: match: a script does not know what entries mean together: slow > 2s",
		"s.insert('/message', '<a>')":                                      "note error s.star:2:10: insert /message: the stanza would not be well-formed: decode: end tag </message> where </a> is due at byte 164",
		"for i in range(1000000): pass":                                    "note error s.star:2:2: Starlark computation cancelled: too many steps",
		"x = 'x' * 100000000":                                              "note error s.star:2:10: too much memory",
		"x = 'x'\n for i in range(60): x = x + x":                          "too much memory",
		"x = 'x'\n for i in range(60): x += x":                             "too much memory",
		"x = [1]\n for i in range(60): x = x + x":                          "too much memory",
		"x = [1]\n for i in range(60): x.extend(x)":                        "too much memory",
		"x = 'xx'\n for i in range(60): x = x.replace('x', x)":             "too much memory",
		"x = 'xx'\n for i in range(60): x = ','.join([x, x])":              "too much memory",
		"x = 'xx'\n for i in range(60): x = '%s%s' % (x, x)":               "too much memory",
		"x = 'xx'\n for i in range(60): x = '{0}{0}'.format(x)":            "too much memory",
		"x = 'xx'\n for i in range(60): x = getattr(x, 'replace')('x', x)": "too much memory",
		"x = ['x']\n for i in range(60): x = [x, x]\n str(x)":              "too much memory",
		"x = ['x']\n for i in range(60): x = [x, x]\n y = ['x']\n for i in range(60): y = [y, y]\n log(x == y)": "too much memory",
		"x = ['x']\n x.append(x)\n log(x)":                                         "too much memory",
		"x = 3\n for i in range(60): x = x * x":                                    "too much memory",
		"x = list(range(1000000000))":                                              "too much memory",
		"x = sorted(range(1000000000))":                                            "too much memory",
		"x = [range(100000)[:] for i in range(100000)]":                            "too much memory",
		"x = list(range(10000))\n y = []\n for i in range(100000): y.append(x[:])": "too much memory",
		"x = list(range(10000))\n for i in range(100000): any(x)":                  "too much memory",
		"for i in range(1000): log(i)":                                             "a call may do 100 things at most",
		"def f(): return f()\n f()":                                                "function f called recursively",
		"s.state['n'] = 'x' * 2000000":                                             "state has more than 1048576 bytes: it was emptied",
		"s.state['n'] = s.state.get('n', 0) + 1\n s.state['n'] += 1\n log(s.state['n'], 'n' in s.state)":                                                               "note 2 True",
		"a, b = [1, 2][::-1]\n log([x * 2 for x in [a, b] if x > 1], {'k': 1}['k'], -a, (lambda q, r=1: q + r)(1), 'a' if a else 'b', 7 // 2, 7 % 4, '%s' % a, not a)": "note [4] 1 -2 2 a 3 3 2 False",
	} {
		j := script(t, "def on_stanza(s):\n "+body+"\n", nil).Judge(1, func() time.Duration { return 1500 * time.Millisecond })
		var got string
		if n := allocated(func() { got = words(j.Judge(seen(t, record.CS, message))) }); n > maxAllocated {
			t.Errorf("%s: %d bytes were allocated", body, n)
		}
		if got != want && !(strings.Contains(got, want) && strings.HasPrefix(got, "note error") && want != "") {
			t.Errorf("%s\n got %.300s\nwant %s", body, got, want)
		}
	}
}

// maxAllocated is what a call may allocate, whatever it does: what it may make, in
// the interpreter's own representation, and some of it twice.
const maxAllocated = 8 * maxWork

// allocated returns how many bytes were allocated meanwhile.
func allocated(run func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	run()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestConnections(t *testing.T) {
	var said []string
	s := script(t, `
count = {"all": 0}  # of each connection by itself

def on_open(c):
    c.state["n"] = 0
    c.state["kept"] = []
    log("open", c.id)

def on_stanza(s):
    s.state["n"] += 1
    if s.state["kept"]:
        s.state["kept"][0].get("//body")
    s.state["kept"].append(s)

def on_close(c):
    log("close", c.id, c.state["n"])
    send("client", "<presence/>")
`, &said)
	a, b := s.Judge(1, nil), s.Judge(2, nil)
	a.Judge(seen(t, record.CS, message))
	if got := words(a.Judge(seen(t, record.CS, message))); !strings.Contains(got, "this stanza has passed") {
		t.Errorf("a stanza of an earlier call: %q", got)
	}
	for _, j := range []session.Judge{a, b} {
		j.(interface{ Close() }).Close()
	}
	if got := strings.Join(said, "; "); got != "1  open 1; 2  open 2; 1  close 1 2; 2  close 2 0" {
		t.Errorf("%s", got)
	}
	if got := words(a.Judge(seen(t, record.CS, message))); got != "" {
		t.Errorf("after the end: %s", got)
	}
}

// What on_open sends goes with the first frame; of frames that cannot be touched
// a script is not told.
func TestOpen(t *testing.T) {
	s := script(t, "def on_open(c):\n  send('client', '<a/>')\ndef on_stanza(s):\n  drop()\n", nil)
	j := s.Judge(1, nil)
	fixed := seen(t, record.SC, message)
	fixed.Fixed = true
	if got := words(j.Judge(fixed)); got != "inject SC <a/> 0s" {
		t.Errorf("%s", got)
	}
	if got := words(j.Judge(seen(t, record.SC, message))); got != "drop" {
		t.Errorf("%s", got)
	}
}

// The same seed, the same traffic, the same fate.
func TestRandom(t *testing.T) {
	source := "def on_stanza(s):\n  if random() < 0.5: drop()\n"
	fate := func(conn int) string {
		j := script(t, source, nil).Judge(conn, nil)
		out := ""
		for range 40 {
			out += fmt.Sprint(len(j.Judge(seen(t, record.CS, message))))
		}
		return out
	}
	if a := fate(1); a != fate(1) || a == fate(2) {
		t.Error(a)
	}
}

func TestMistakes(t *testing.T) {
	for source, want := range map[string]string{
		"def on_stanza(s):\n  dorp()\n":                            "s.star:2:3: undefined: dorp",
		"def on_stanza(s):\n  drop(\n":                             "s.star:3:1: got outdent, want primary expression (is a bracket not closed?)",
		"x = 1\n":                                                  "s.star:1: the script defines none of on_stanza",
		"def on_stanza(): pass\n":                                  "on_stanza is not a function of 1 argument",
		"on_stanza = 3\n":                                          "on_stanza is not a function",
		"x = 1 // 0\ndef on_stanza(s): pass\n":                     "s.star:1:7: ",
		"load('x.star', 'y')\ndef on_stanza(s): pass\n":            "a script is one file",
		"def f(): return {}\ndef on_stanza(s):\n  f()['x'] += 1\n": "s.star:3:12: the left side of += must not call anything",
		"x = 'x' * (1 << 40)\ndef on_stanza(s): pass\n":            "too much memory",
		"drop()\ndef on_stanza(s): pass\n":                         "that goes in on_stanza only",
		"def on_stanza(s):\n  a()\n  b()\n":                        "s.star:2:3: undefined: a",
	} {
		_, err := Compile("s.star", []byte(source), Options{})
		var bad rule.Mistakes
		if err == nil || !strings.Contains(err.Error(), want) || !errors.As(err, &bad) {
			t.Errorf("%s\n got %v\nwant %s", source, err, want)
		}
	}
	_, err := Compile("s.star", []byte("def on_stanza(s):\n  a()\n  b()\n"), Options{})
	if n := strings.Count(fmt.Sprint(err), "undefined"); n != 2 {
		t.Errorf("not all at once: %v", err)
	}
}

// Whatever is written as a script is told or runs, in bounded time, and does not
// bring the proxy down.
func FuzzScript(f *testing.F) {
	for _, body := range []string{"drop()", "s.set('//body', 'x' * 30)", "s.state['n'] = s.state.get('n', 0) + 1", "a, b = [1, 2][::-1]; log([x * 2 for x in [a, b] if x > 1], {'k': 1}['k'], (lambda q, r=1: q + r)(1), '%s' % a)",
		"for i in range(9):\n  if i % 2: s.state[i] = [i] * i\n  else: s.state.update({str(i): (i, i)})", "send('client', s.raw.replace('a', 'b'), after=1)", "x = [1]\n x += x\n x[0] -= 1\n log(x == [x], 1 in x, x[0:1], -x[0], not x)"} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		s, err := Compile("s.star", []byte("def on_stanza(s):\n "+body+"\n"), Options{Seed: 1})
		if err != nil {
			var bad rule.Mistakes
			if !errors.As(err, &bad) {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		j := s.Judge(1, nil)
		for range 2 {
			if n := allocated(func() { j.Judge(seen(t, record.CS, message)) }); n > maxAllocated {
				t.Fatalf("%d bytes were allocated", n)
			}
		}
		j.(interface{ Close() }).Close()
	})
}
