package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

// A desktop is a proxy that a person has in a terminal, in front of a real Prosody.
type desktop struct {
	*screen
	*program
	server *proxytest.Prosody
	ca     *proxytest.CA
	dir    string
}

// sits starts a proxy in a terminal of so many columns. Lines of editor are the script
// that EDITOR is.
func sits(t *testing.T, width int, editor string, flags ...string) *desktop {
	t.Helper()
	s := newScreen(t, width)
	ca, server := prosody(t)
	dir := t.TempDir()
	p := &program{t: t, addr: fmt.Sprintf("127.0.0.1:%d", proxytest.Port(t)), ca: filepath.Join(dir, "ca", "ca.pem"), file: filepath.Join(dir, "s.jsonl")}
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for i, f := range flags {
		flags[i] = "'" + f + "'"
	}
	ed := write("editor", "#!/bin/sh\n"+editor+"\n", 0o700)
	script := write("go", fmt.Sprintf("trap : INT\nstty -a > %[1]s/before\nVISUAL= EDITOR=%[2]s XDG_RUNTIME_DIR=%[1]s %[3]s proxy --web=127.0.0.1:0 --ca-dir %[1]s/ca -l %[4]s -w %[5]s --server-ca %[6]s %[7]s %[8]s\necho code $?\nstty -a > %[1]s/after\necho all done\n",
		dir, ed, xmpplens(t).Path, p.addr, p.file, ca.File, strings.Join(flags, " "), server.Addr), 0o700)
	s.types("sh "+script, "Enter")
	s.shows("clients must trust")
	s.shows("? keys")
	return &desktop{s, p, server, ca, dir}
}

// given reports whether the terminal is what it was before.
func (d *desktop) given(t *testing.T) {
	t.Helper()
	d.shows("all done")
	before, err := os.ReadFile(filepath.Join(d.dir, "before"))
	if err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(filepath.Join(d.dir, "after"))
	if err != nil {
		t.Fatal(err)
	}
	if len(before) < 100 || string(before) != string(after) {
		t.Errorf("the terminal was\n%sand is\n%s", before, after)
	}
}

// says has a slixmpp client log in through the proxy and send a message to romeo; what
// came of it is sent when it ends.
func (d *desktop) juliet(text string, flags ...string) <-chan string {
	ended := make(chan string, 1)
	go func() { // ends with the client, which has its own time limit
		out, err := proxytest.Slixmpp(d.program.t, d.program.ca, d.addr, "juliet@localhost/balcony", "capulet", append([]string{"--to=romeo@localhost/orchard", "--say=" + text}, flags...)...)
		ended <- fmt.Sprint(out, err)
	}()
	return ended
}

// romeo is a client at the server itself, which hears so many messages.
func (d *desktop) romeo(t *testing.T, messages int) <-chan string {
	t.Helper()
	online := filepath.Join(d.dir, "romeo")
	heard := make(chan string, 1)
	go func() { // ends with the client, which has its own time limit
		out, err := proxytest.Slixmpp(t, d.desktopCA(), d.server.Addr, "romeo@localhost/orchard", "montague", fmt.Sprintf("--expect=%d", messages), "--online="+online)
		heard <- fmt.Sprint(out, err)
	}()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(online); err == nil {
			return heard
		}
	}
	t.Fatal("romeo does not come online")
	return nil
}

func (d *desktop) desktopCA() string { return d.ca.File }

// The next message is held, edited in the editor, twice since the first time it is no
// XML, and arrives as it was edited.
func TestHoldAndEdit(t *testing.T) {
	const once = `if grep -q wherefore "$1"; then sed -i 's/wherefore art thou/out of the blue/; s/<.body>//' "$1"; else sed -i 's/blue/blue<\/body>/' "$1"; fi`
	d := sits(t, 80, once)
	heard := d.romeo(t, 1)
	d.types("f")
	d.shows("print only (empty: all):")
	d.types("-l", "message and")
	d.types("Enter")
	d.shows("              ^") // where it is wrong
	d.types("C-w", "Enter")
	d.shows("printed is what matches message")
	d.types("h")
	d.shows("armed: hold of the next: message")
	sent := d.juliet("wherefore art thou")
	d.shows("1 held, ")
	d.shows("<body>wherefore art thou</body>")
	d.types("e")
	d.shows("the XML cannot be sent: line 1, column")
	d.shows("edit again?  e edit")
	d.types("e")
	d.shows("[changed by console]")
	if s := <-heard; !strings.Contains(s, "got out of the blue") {
		t.Errorf("romeo: %s", s)
	}
	<-sent
	d.shows("nothing armed")
	d.types("q")
	d.given(t)
	d.shows("code 0")
	d.has(t, 1, `message and outcome == "edited"`)
	left, err := filepath.Glob(filepath.Join(os.TempDir(), "xmpplens-*", "stanza.xml"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}
