package web

import (
	"bytes"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

// program finds a program that the tests need.
func program(t testing.TB, hint string, names ...string) string {
	t.Helper()
	for _, name := range names {
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
	}
	proxytest.Missing(t, "needs "+hint)
	return ""
}

// fixtureOf makes the fixture of the last frame of what a client says.
func fixtureOf(t *testing.T, text string) fixture {
	t.Helper()
	var d decode.Decoder
	d.Write([]byte(header + text))
	d.Next()
	f, ok := d.Next()
	root, err := stanza.Tree(f)
	x := fixture{n: 7, from: "a \"*/\n recording\u202e.jsonl", masked: "secrets are masked", xml: string(standalone(f, f.Raw))}
	if !ok || err != nil || !x.of(root) {
		t.Fatalf("%q: %v", text, err)
	}
	return x
}

// awkward are stanzas with everything that a literal could end with.
var awkward = map[string]string{
	"plain":       `<presence/>`,
	"quotes":      `<message id='"'><body>` + "it's `code` and ``` and \"\"\" ''' " + `</body></message>`,
	"backslashes": `<message id='\'><body>\n \\ \" \` + "`" + ` ${id} $ { \u0041 %s %d \</body></message>`,
	"lines":       "<message id='1'>\n  <body>one\r\ntwo\ttab</body>\n</message>",
	"emoji":       "<message id='\U0001F469\u200D\U0001F4BB'><body>\u05e9\u05dc\u05d5\u05dd \u202eevil\u2066 \u2028 \ufeff</body></message>",
	"stream":      `<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>`,
	"namespaces":  `<x:y xmlns:x='urn:a"b&amp;c' type='*/ // #'><z xmlns=''/></x:y>`,
	"comment end": `<message type='*/ panic(1) /*' id='"); panic(1)'><body>*/</body></message>`,
}

func TestGoFixture(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module stanzas\n\ngo 1.24\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, text := range awkward {
		x := fixtureOf(t, text)
		src := x.golang()
		if _, err := parser.ParseFile(token.NewFileSet(), name, src, parser.AllErrors); err != nil {
			t.Errorf("%s: %v\n%s", name, err, src)
		}
		// Together in one package, the names differ.
		src = strings.Replace(src, "func Test", "func Test"+identifier(name, "")+"X", 1)
		if err := os.WriteFile(filepath.Join(dir, strings.ReplaceAll(name, " ", "")+"_test.go"), []byte(src), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run := exec.Command("go", "test", "./...")
	run.Dir = dir
	if out, err := run.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestPythonFixture(t *testing.T) {
	python := program(t, "Python: apt-get install python3", "python3")
	for name, text := range awkward {
		x := fixtureOf(t, text)
		path := filepath.Join(t.TempDir(), "stanza_test.py")
		if err := os.WriteFile(path, []byte(x.python()), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(python, "-m", "py_compile", path).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s\n%s", name, err, out, x.python())
			continue
		}
		if out, err := exec.Command(python, path).CombinedOutput(); err != nil || !bytes.Contains(out, []byte("OK")) {
			t.Errorf("%s: %v\n%s\n%s", name, err, out, x.python())
		}
	}
	// What is no text stands as bytes.
	x := fixture{name: "a", xml: "<a>\xff\"\\</a>"}
	if got := x.python(); !strings.Contains(got, `b"<a>\xff\x22\x5c</a>"`) {
		t.Error(got)
	}
}

func TestJavaScriptFixture(t *testing.T) {
	node := program(t, "Node.js: apt-get install nodejs", "node", "nodejs")
	for name, text := range awkward {
		x := fixtureOf(t, text)
		dir := t.TempDir()
		path := filepath.Join(dir, "stanza.test.mjs")
		if err := os.WriteFile(path, []byte(x.javascript()), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(node, "--check", path).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s\n%s", name, err, out, x.javascript())
		}
		// The literal is the stanza.
		if err := os.WriteFile(path, []byte("process.stdout.write("+jsString(x.xml)+")"), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(node, path).Output(); err != nil || string(out) != x.xml {
			t.Errorf("%s: %v\n%q\nwant\n%q", name, err, out, x.xml)
		}
	}
}

func TestStandalone(t *testing.T) {
	for text, want := range map[string]string{
		`<presence/>`:                       `<presence xmlns='jabber:client'/>`,
		`<message xmlns='jabber:server'/>`:  `<message xmlns='jabber:server'/>`,
		`<stream:error><a/></stream:error>`: `<stream:error xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'><a/></stream:error>`,
	} {
		var d decode.Decoder
		d.Write([]byte(header + text))
		d.Next()
		f, _ := d.Next()
		if got := string(standalone(f, f.Raw)); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
}
