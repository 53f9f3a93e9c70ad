package export

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/decode/filter"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

var update = flag.Bool("update", false, "write the golden files")

var start = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// recording makes one of lines without their header.
func recording(t testing.TB, lines ...string) *record.Reader {
	t.Helper()
	text := string(record.AppendHeader(nil, record.Header{Version: 1, Time: start, Tool: "test"})) + strings.Join(lines, "\n") + "\n"
	r, err := record.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func open(t testing.TB, path string) *record.Reader {
	t.Helper()
	r, err := record.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func run(t testing.TB, r *record.Reader, f Form, c Choice) {
	t.Helper()
	if err := Run(context.Background(), r, f, c, Hooks{}); err != nil {
		t.Fatal(err)
	}
}

// entries are the entries of events, as JSON lines with everything in them.
func entries(t testing.TB, r *record.Reader) string {
	t.Helper()
	var b bytes.Buffer
	run(t, r, NewJSONL(&b, Options{Header: r.Header(), Secrets: true}), Choice{})
	return b.String()
}

// back makes a recording again of what was exported, and returns its entries.
func back(t testing.TB, b *Back) string {
	t.Helper()
	defer b.Close()
	text := record.AppendHeader(nil, b.Header)
	for {
		ev, err := b.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text = record.AppendLine(text, &ev)
	}
	r, err := record.Read(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return entries(t, r)
}

// diff says where two texts differ first.
func diff(t testing.TB, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		var a, b string
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			t.Fatalf("line %d of %d and %d:\n got %.1500s\nwant %.1500s", i+1, len(g), len(w), a, b)
		}
	}
}

// recordings are those that every form is tried with, by name.
func recordings(t testing.TB) map[string]func(testing.TB) *record.Reader {
	out := make(map[string]func(testing.TB) *record.Reader)
	for _, name := range []string{"v1", "demo", "bad"} {
		out[name] = func(t testing.TB) *record.Reader { return open(t, "../../testdata/recordings/"+name+".jsonl") }
	}
	for name, lines := range samples {
		out[name] = func(t testing.TB) *record.Reader { return recording(t, lines...) }
	}
	return out
}

const header = `<stream:stream to='capulet.example' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>`

// samples hold what the recordings in testdata do not.
var samples = map[string][]string{
	"edits": {
		`{"t":1,"c":1,"e":"open","kind":"c2s","client":"[::1]:40000","server":"192.0.2.7:5222"}`,
		`{"t":2,"c":1,"e":"data","d":"CS","s":"<?xml version='1.0'?>"}`,
		`{"t":2.5,"c":1,"e":"data","d":"CS","s":"` + header + `<message><bo"}`,
		`{"t":3,"c":1,"e":"data","d":"CS","s":"dy>one</body></message>  "}`,
		`{"t":3.1,"c":1,"e":"hold","d":"CS","o":178,"n":36,"by":"pause"}`,
		`{"t":3.2,"c":1,"e":"data","d":"CS","s":"<message><body>held</body></message><presence/>"}`,
		`{"t":3.3,"c":1,"e":"inject","d":"CS","o":178,"s":"<iq type='get' id='x'/>","by":"rule ping"}`,
		`{"t":4,"c":1,"e":"verdict","d":"CS","o":178,"verdict":"edited","s":"<message/>","by":"viewer"}`,
		`{"t":5,"c":1,"e":"edit","d":"SC","o":0,"n":8,"s":"","by":"proxy","why":"no reason"}`,
		`{"t":5,"c":1,"e":"data","d":"SC","s":"<first/>"}`,
		`{"t":6,"c":1,"e":"data","d":"SC","b":"MDEyMzQ1Njc4Of8AIGFuZCBtb3Jl"}`,
		`{"t":6.5,"e":"note","level":"warning","text":"here","hint":"look"}`,
		`{"t":7,"c":1,"e":"close","by":"server","error":"reset"}`,
	},
	"bosh": {
		`{"t":1,"c":1,"e":"open","kind":"c2s","transport":"bosh","client":"192.0.2.1:40000","server":"capulet.example"}`,
		`{"t":1.1,"c":1,"e":"data","d":"CS","rid":11,"s":"<body xmlns='http://jabber.org/protocol/httpbind' rid='11'><presence xmlns='jabber:client'/></body>"}`,
		`{"t":1.2,"c":1,"e":"data","d":"CS","rid":13,"s":"<body xmlns='http://jabber.org/protocol/httpbind' rid='13' sid='s'/>"}`,
		`{"t":1.3,"c":1,"e":"data","d":"CS","rid":12,"more":true,"s":"<body xmlns='http://jabber.org/protocol/httpbind' rid='12' sid='s'><message xmlns='jabber:cl"}`,
		`{"t":1.4,"c":1,"e":"data","d":"CS","rid":12,"s":"ient'/></body>"}`,
		`{"t":1.5,"c":1,"e":"data","d":"SC","rid":11,"s":"<body xmlns='http://jabber.org/protocol/httpbind'/>"}`,
		`{"t":1.6,"c":1,"e":"close","by":"client"}`,
	},
	"websocket": {
		`{"t":1,"c":1,"e":"open","kind":"c2s","transport":"websocket","client":"192.0.2.1:40000","server":"capulet.example:5280"}`,
		`{"t":2,"c":1,"e":"data","d":"CS","s":"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='capulet.example' version='1.0'/>"}`,
		`{"t":3,"c":1,"e":"control","d":"CS","op":"ping","s":"x"}`,
		`{"t":4,"c":2,"e":"open","kind":"s2s","client":"unix:/run/a b.sock","server":"[2001:db8::1]:5269"}`,
		`{"t":5,"c":2,"e":"tls","d":"CS","b":"FgMB"}`,
		`{"t":5,"c":2,"e":"data","d":"CS","s":"` + header + `"}`,
		`{"t":6,"c":1,"e":"http","op":"GET","text":"/index.html","code":200}`,
		`{"t":7,"c":3,"e":"data","d":"CS","s":"nobody opened this<"}`,
	},
	"empty data": {
		`{"t":1,"c":1,"e":"data","d":"CS","s":""}`,
		`{"t":2,"c":1,"e":"data","d":"CS","s":" "}`,
		`{"t":2,"c":1,"e":"data","d":"CS","s":""}`,
	},
	"two at once": {
		`{"t":1,"c":1,"e":"open","kind":"c2s","client":"192.0.2.1:40000","server":"192.0.2.2:5222"}`,
		`{"t":2,"c":2,"e":"open","kind":"c2s","client":"192.0.2.1:40000","server":"192.0.2.2:5223"}`,
		`{"t":3,"c":1,"e":"data","d":"CS","s":"<?xml version='1.0'?>"}`,
		`{"t":3,"c":2,"e":"data","d":"CS","s":"` + header + `<presence/>"}`,
		`{"t":3,"c":1,"e":"data","d":"SC","s":"` + header + `<presence/>"}`,
		`{"t":4,"c":2,"e":"close","by":"client"}`,
	},
	"newlines behind all, and TLS": {
		`{"t":1,"c":1,"e":"open","kind":"c2s","client":"192.0.2.1:40000","server":"192.0.2.2:5222"}`,
		`{"t":2,"c":1,"e":"data","d":"CS","s":"<?xml version='1.0'?>\n` + header + `\n"}`,
		`{"t":3,"c":1,"e":"data","d":"SC","s":"<?xml version='1.0'?>` + header + `\n"}`,
		`{"t":4,"c":1,"e":"data","d":"CS","s":"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>\n"}`,
		`{"t":5,"c":1,"e":"data","d":"SC","s":"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"}`,
		`{"t":6,"c":1,"e":"secure","leg":"client","version":"TLS 1.3"}`,
		`{"t":7,"c":1,"e":"data","d":"CS","s":"<?xml version='1.0'?>\n` + header + `\n"}`,
		`{"t":8,"c":1,"e":"data","d":"SC","s":"` + header + `\n"}`,
		`{"t":9,"c":1,"e":"data","d":"CS","s":"<iq id='a' type='set'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>\n<presence/>\n"}`,
		`{"t":10,"c":1,"e":"data","d":"SC","s":"<iq id='a' type='result'/>\n"}`,
		`{"t":11,"c":1,"e":"close","by":"client"}`,
	},
	"nothing": nil,
}

func TestStreamsComeBack(t *testing.T) {
	for name, read := range recordings(t) {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			r := read(t)
			s, err := NewStreams(dir, Options{Header: r.Header(), Secrets: true})
			if err != nil {
				t.Fatal(err)
			}
			run(t, r, s, Choice{})
			b, err := ReadStreams(dir)
			if err != nil {
				t.Fatal(err)
			}
			diff(t, back(t, b), entries(t, read(t)))
		})
	}
}

func TestCapturesComeBack(t *testing.T) {
	for name, read := range recordings(t) {
		t.Run(name, func(t *testing.T) {
			b, err := ReadCapture(bytes.NewReader(captured(t, read(t), Options{Secrets: true})))
			if err != nil {
				t.Fatal(err)
			}
			diff(t, back(t, b), entries(t, read(t)))
		})
	}
}

func captured(t testing.TB, r *record.Reader, o Options) []byte {
	t.Helper()
	var file bytes.Buffer
	o.Header, o.Tool = r.Header(), "test"
	c, err := NewCapture(&file, o)
	if err != nil {
		t.Fatal(err)
	}
	run(t, r, c, o.Choice)
	return file.Bytes()
}

func TestOtherCapturesAreNotOurs(t *testing.T) {
	r := recordings(t)["demo"]
	masked := captured(t, r(t), Options{})
	part := captured(t, r(t), Options{Secrets: true, Choice: Choice{Conn: 1}})
	for name, b := range map[string][]byte{"masked": masked, "a part": part, "empty": nil, "text": []byte("what is this, then?"), "big-endian": []byte("\n\r\r\n\x00\x00\x00\x1c\x1a\x2b\x3c\x4d\x00\x01\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x1c")} {
		if _, err := ReadCapture(bytes.NewReader(b)); !errors.Is(err, ErrNotOurs) {
			t.Errorf("%s: %v", name, err)
		}
	}
	whole := captured(t, r(t), Options{Secrets: true})
	b, err := ReadCapture(bytes.NewReader(whole[:len(whole)/2+1]))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = b.Next()
	}
	if !strings.Contains(err.Error(), "cut short at byte") {
		t.Error(err)
	}
}

// A filter keeps the header of the stream, the opening and the end.
func TestChoice(t *testing.T) {
	lines := []string{
		`{"t":1,"c":1,"e":"open","kind":"c2s","client":"192.0.2.1:40000","server":"capulet.example"}`,
		`{"t":2,"c":1,"e":"data","d":"CS","s":"<?xml version='1.0'?>` + header + `<presence/>"}`,
		`{"t":3,"c":1,"e":"secure","leg":"client","version":"TLS 1.3"}`,
		`{"t":4,"c":1,"e":"data","d":"CS","s":"` + header + `<presence/>"}`,
		`{"t":5,"c":1,"e":"data","d":"SC","s":"` + header + `<presence/>"}`,
		`{"t":6,"c":1,"e":"data","d":"CS","s":"<message/><iq type='get' id='1'><q xmlns='a'/></iq></stream:stream>"}`,
		`{"t":7,"c":2,"e":"open","kind":"c2s","client":"192.0.2.1:40001","server":"capulet.example"}`,
		`{"t":8,"c":2,"e":"close","by":"client"}`,
		`{"t":9,"c":1,"e":"close","by":"client"}`,
		`{"t":9,"e":"note","text":"the end"}`,
	}
	compile := func(s string) *filter.Filter {
		f, err := filter.Compile(s)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	for _, c := range []struct {
		choice Choice
		want   string // context in brackets
	}{
		{Choice{}, "open declaration header presence secure header presence header presence message iq end open close close note"},
		{Choice{Filter: compile("iq")}, "[open] [secure] [header] iq [end] [close]"},
		{Choice{Filter: compile("presence")}, "[open] [declaration] [header] presence [secure] [header] presence [header] presence [end] [close]"},
		{Choice{Filter: compile(`dir == "SC" and presence`)}, "[open] [secure] [header] presence [close]"},
		{Choice{Conn: 2}, "open close"},
		{Choice{After: 4500 * time.Millisecond, Before: 6 * time.Second}, "[open] [secure] header presence [close]"},
		{Choice{After: 7 * time.Second}, "open close [open] [secure] close note"},
		{Choice{Filter: compile("nonzas")}, ""},
	} {
		var got []string
		p := picker{Choice: c.choice}
		var fold timeline.Folder
		err := fold.Read(context.Background(), recording(t, lines...), timeline.Sink{Entry: func(e *timeline.Entry) {
			p.add(e, func(e *timeline.Entry, extra bool) {
				if extra {
					got = append(got, "["+e.Kind+"]")
				} else {
					got = append(got, e.Kind)
				}
			})
		}})
		if err != nil {
			t.Fatal(err)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%+v:\n got %s\nwant %s", c.choice, s, c.want)
		}
	}
}

func TestStreamFiles(t *testing.T) {
	for _, c := range []struct {
		name string
		o    Options
		cs   string
	}{
		{"received", Options{}, "<?xml version='1.0'?>" + header + "<message><body>one</body></message>  <message><body>held</body></message><presence/>"},
		{"sent", Options{Sent: true}, "<?xml version='1.0'?>" + header + "<message><body>one</body></message>  <iq type='get' id='x'/><message/><presence/>"},
		{"part", Options{Choice: Choice{After: 4 * time.Second}}, "<?xml version='1.0'?>" + header + "<message><body>held</body></message>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			r := recording(t, samples["edits"]...)
			c.o.Header = r.Header()
			s, err := NewStreams(dir, c.o)
			if err != nil {
				t.Fatal(err)
			}
			run(t, r, s, c.o.Choice)
			b, err := os.ReadFile(filepath.Join(dir, "1-cs.xml"))
			if err != nil {
				t.Fatal(err)
			}
			if string(b) != c.cs {
				t.Errorf("\n got %s\nwant %s", b, c.cs)
			}
			if back, err := ReadStreams(dir); err != nil {
				t.Error(err)
			} else {
				for err == nil {
					_, err = back.Next()
				}
				if !errors.Is(err, io.EOF) {
					t.Error(err)
				}
				back.Close()
			}
			golden(t, "streams-"+c.name+".json", filepath.Join(dir, Manifest))
		})
	}
}

func golden(t *testing.T, name, path string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	name = filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, string(got), string(want))
}

func TestBrokenManifests(t *testing.T) {
	for _, c := range []struct{ manifest, want string }{
		{"", "line 1"},
		{"{}\n", "version 0"},
		{`{"xmpplens-streams":2,` + "\n", "version 2"},
		{`{"xmpplens-streams":1,"start":"2026-11-23T10:00:00Z",` + "\n\"events\":[\nnonsense\n]", "line 3"},
		{`{"xmpplens-streams":1,"start":"2026-11-23T10:00:00Z",` + "\n\"events\":[\n" + `{"t":1,"c":1,"e":"data","d":"CS","n":5}` + "\n]", "1-cs.xml ends 2 bytes too early"},
		{`{"xmpplens-streams":1,"start":"2026-11-23T10:00:00Z",` + "\n\"events\":[\n" + `{"t":1,"c":1,"e":"data","d":"CS","n":-5}` + "\n]", "-5 bytes at once"},
		{`{"xmpplens-streams":1,"start":"2026-11-23T10:00:00Z",` + "\n\"events\":[\n" + `{"t":1,"c":2,"e":"data","d":"CS","n":5}` + "\n]", "2-cs.xml"},
	} {
		dir := t.TempDir()
		os.WriteFile(filepath.Join(dir, Manifest), []byte(c.manifest), 0o600)
		os.WriteFile(filepath.Join(dir, "1-cs.xml"), []byte("abc"), 0o600)
		b, err := ReadStreams(dir)
		for err == nil {
			_, err = b.Next()
		}
		if !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("%q: %v, want %s", c.manifest, err, c.want)
		}
	}
}

// A filter that may not look at secrets chooses nothing by them.
func TestMaskedChoice(t *testing.T) {
	for _, c := range []struct {
		masked bool
		text   string
		want   int
	}{{false, "c2VjcmV0", 1}, {true, "c2VjcmV0", 0}, {true, "SCRAM-SHA-1", 1}} {
		f, err := filter.Compile(`text("` + c.text + `")`)
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		p := picker{Choice: Choice{Filter: f, Masked: c.masked}}
		var fold timeline.Folder
		err = fold.Read(context.Background(), recording(t, `{"t":1,"c":1,"e":"data","d":"CS","s":"`+header+`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>c2VjcmV0</auth>"}`), timeline.Sink{Entry: func(e *timeline.Entry) {
			p.add(e, func(_ *timeline.Entry, extra bool) {
				if !extra {
					got++
				}
			})
		}})
		if err != nil || got != c.want {
			t.Errorf("%+v: %d entries, %v", c, got, err)
		}
	}
}
