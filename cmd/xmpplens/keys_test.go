package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
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

// sits starts a proxy in a terminal of so many columns, in front of a Prosody. Lines of
// editor are the script that EDITOR is.
func sits(t *testing.T, width int, editor string, flags ...string) *desktop {
	t.Helper()
	ca, server := prosody(t)
	d := sitsAt(t, width, editor, ca, server.Addr, flags...)
	d.server = server
	return d
}

// sitsAt does it in front of another server.
func sitsAt(t *testing.T, width int, editor string, ca *proxytest.CA, upstream string, flags ...string) *desktop {
	t.Helper()
	s := newScreen(t, width)
	dir := t.TempDir()
	p := &program{t: t, addr: fmt.Sprintf("127.0.0.1:%d", proxytest.Port(t)), ca: filepath.Join(dir, "ca", "ca.pem"), file: filepath.Join(dir, "s.jsonl")}
	for i, f := range flags {
		flags[i] = "'" + f + "'"
	}
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ed := write("editor", "#!/bin/sh\n"+editor+"\n", 0o700)
	script := write("go", fmt.Sprintf("trap : INT\nstty -a > %[1]s/before\nVISUAL= EDITOR=%[2]s XDG_RUNTIME_DIR=%[1]s %[3]s proxy --web=127.0.0.1:0 --ca-dir %[1]s/ca -l %[4]s -w %[5]s --server-ca %[6]s %[7]s %[8]s\necho code $?\nstty -a > %[1]s/after\necho all done\n",
		dir, ed, xmpplens(t).Path, p.addr, p.file, ca.File, strings.Join(flags, " "), upstream), 0o700)
	s.types("sh "+script, "Enter")
	s.shows("clients must trust")
	s.shows("? keys")
	return &desktop{screen: s, program: p, ca: ca, dir: dir}
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

// juliet has a slixmpp client log in through the proxy and send a message to romeo; what
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
		out, err := proxytest.Slixmpp(t, d.ca.File, d.server.Addr, "romeo@localhost/orchard", "montague", fmt.Sprintf("--expect=%d", messages), "--online="+online)
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

// The next message is held, edited in the editor, twice since the first time it is no
// XML, and arrives as it was edited.
func TestHoldAndEdit(t *testing.T) {
	t.Parallel()
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
	if n, err := filepath.Glob(filepath.Join(d.dir, "xmpplens-*")); err != nil || len(n) > 0 {
		t.Errorf("left: %q", n)
	}
}

// All that follows is held and decided about with keys: one is dropped, one is passed
// later, the rest with r.
func TestPauseKey(t *testing.T) {
	t.Parallel()
	d := sits(t, 200, "exit 1")
	juliet := d.client(t)
	d.types("p")
	d.shows("armed: pause stanzas")
	for i := range 4 {
		if err := juliet.Send(fmt.Sprintf("<message to='juliet@localhost/balcony' id='m%d'><body>message %d 你好</body></message>", i, i)); err != nil {
			t.Fatal(err)
		}
	}
	d.shows(`"message 0 你好"; by pause of the console`)
	d.types("e") // this editor fails
	d.shows("exit status 1")
	d.types("d")
	d.shows(`"message 1 你好"; by pause of the console`)
	d.types("l", "C-u", "0.1", "Enter")
	d.shows(`"message 2 你好"; by pause of the console`)
	d.types("Escape")
	d.shows(" left (h)")
	d.types("r")
	d.shows("the pause of the console ended")
	d.shows("nothing armed")
	for i := 1; i < 4; i++ {
		if got := next(t, juliet); !strings.HasPrefix(got, fmt.Sprintf("message m%d ", i)) {
			t.Errorf("the client got %s", got)
		}
	}
	d.types("q")
	d.given(t)
	d.has(t, 1, `message and outcome == "dropped"`)
	d.has(t, 1, `message and outcome == "delayed"`)
}

// The same with other clients and servers: what juliet says to herself is edited on its
// way to the server.
func TestEditElsewhere(t *testing.T) {
	t.Parallel()
	ca := proxytest.NewCA(t)
	prosody := proxytest.StartProsody(t, ca, host)
	prosody.Register(t, "juliet", host, "capulet")
	ejabberd := proxytest.StartEjabberd(t, ca, host)
	ejabberd.Register(t, "juliet", host, "capulet")
	const jid, balcony, text = "juliet@localhost", "juliet@localhost/balcony", "wherefore art thou ☃ 你好"
	overTCP := func(t *testing.T, d *desktop) (string, error) {
		return proxytest.Slixmpp(t, d.program.ca, d.addr, balcony, "capulet", "--to="+balcony, "--say="+text, "--expect=1")
	}
	overWebSocket := func(path string) func(*testing.T, *desktop) (string, error) {
		return func(t *testing.T, d *desktop) (string, error) {
			return proxytest.XMPPJS(t, d.program.ca, "wss://localhost:"+portOf(d.addr)+path, jid, "capulet", balcony, text)
		}
	}
	for name, c := range map[string]struct {
		upstream string
		talk     func(*testing.T, *desktop) (string, error)
	}{
		"slixmpp and ejabberd":                     {ejabberd.Addr, overTCP},
		"@xmpp/client and Prosody over WebSocket":  {"wss://" + prosody.HTTPS + "/xmpp-websocket", overWebSocket("/xmpp-websocket")},
		"@xmpp/client and ejabberd over WebSocket": {"ws://" + ejabberd.HTTP + "/ws", overWebSocket("/ws")},
	} {
		t.Run(name, func(t *testing.T) {
			d := sitsAt(t, 80, `sed -i 's/wherefore art thou/out of the blue/' "$1"`, ca, c.upstream, "--format=line", "--filter=message")
			d.shows("filter: message")
			d.types("h")
			d.shows("the next of message is held")
			heard := make(chan string, 1)
			go func() { // ends with the client, which has its own time limit
				out, err := c.talk(t, d)
				heard <- fmt.Sprint(out, err)
			}()
			d.shows("1 held, ")
			d.types("e")
			d.shows("[changed by console]")
			if s := <-heard; !strings.Contains(s, "got out of the blue ☃ 你好") {
				t.Errorf("juliet: %s", s)
			}
			d.types("q")
			d.given(t)
		})
	}
}

// client is one that is logged in as juliet.
func (d *desktop) client(t *testing.T) *proxytest.Client {
	t.Helper()
	return d.program.juliet(t)
}

// A stanza is typed, with a mistake first, and answered in the place of the server.
func TestInjectKey(t *testing.T) {
	t.Parallel()
	d := sits(t, 80, `sed -i 's/x/<message id="written"><body>from the editor<\/body><\/message>/' "$1"`)
	d.types("i")
	d.shows("there is no connection to inject into")
	juliet := d.client(t)
	d.types("i")
	d.shows("connection 1: to whom?")
	d.types("c")
	d.types("-l", "<message id='typed'><body>out of nowhere</body>")
	d.types("Enter")
	d.shows("the XML cannot be sent: line 1, column")
	d.types("End")
	d.types("-l", "</message>")
	d.types("Enter")
	if got := next(t, juliet); !strings.HasPrefix(got, "message typed ") || !strings.Contains(got, "out of nowhere") {
		t.Errorf("the client got %s", got)
	}
	d.types("i", "c", "x", "C-o")
	if got := next(t, juliet); !strings.HasPrefix(got, "message written ") {
		t.Errorf("the client got %s", got)
	}
	d.types("h")
	d.shows("the next of stanzas is held")
	if err := juliet.Send("<iq type='get' id='ping' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>"); err != nil {
		t.Fatal(err)
	}
	d.shows("held: #1 →")
	d.types("a")
	d.shows("answer, to the client: ")
	d.types("Left", "Left")
	d.types("-l", " xml:lang='x'")
	d.types("Enter")
	if got := next(t, juliet); !strings.HasPrefix(got, "iq ping ") {
		t.Errorf("the client got %s", got)
	}
	d.types("q")
	d.given(t)
	d.has(t, 1, `iq and outcome == "injected" and dir == "SC"`)
	d.has(t, 2, `message and outcome == "injected" and dir == "SC"`)
}

// Who ends the proxy ends the editor, too, and has the terminal back; Ctrl-C in the
// editor is not for the proxy.
func TestEditorEnds(t *testing.T) {
	t.Parallel()
	pid := filepath.Join(t.TempDir(), "pid")
	d := sits(t, 80, `echo $$ > `+pid+`; trap 'echo interrupted' INT; echo here it is; while :; do sleep 0.1; done`)
	juliet := d.client(t)
	d.types("i", "c", "C-o")
	d.shows("here it is")
	d.types("C-c")
	d.shows("interrupted")
	// The traffic does not wait for the editor.
	if err := juliet.Ping(); err != nil {
		t.Error(err)
	}
	r := send(t, d.dir, "1", "SC", "<message id='m'/>")
	if got := next(t, juliet); !strings.HasPrefix(got, "message m ") {
		t.Errorf("the client got %s, %+v", got, r)
	}
	if got := d.do("capture-pane", "-p", "-J"); strings.Contains(got, "injected by send") || strings.Contains(got, "armed") {
		t.Errorf("the editor has not the terminal for itself:\n%s", got)
	}
	d.signal(t, syscall.SIGTERM)
	d.given(t)
	d.shows("injected by send")
	d.shows("code 0")
	b, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	id, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); syscall.Kill(id, 0) == nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			syscall.Kill(id, syscall.SIGKILL)
			t.Fatal("the editor goes on")
		}
	}
}

// signal sends a signal to the proxy.
func (d *desktop) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(d.dir, "xmpplens", "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	var r running
	b, err := os.ReadFile(files[0])
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err == nil {
		var p *os.Process
		if p, err = os.FindProcess(r.PID); err == nil {
			err = p.Signal(sig)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// However it ends, the terminal is what it was.
func TestTerminalGivenBack(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testing.T, *desktop){
		"by Ctrl-C":      func(_ *testing.T, d *desktop) { d.types("C-c") },
		"by SIGTERM":     func(t *testing.T, d *desktop) { d.signal(t, syscall.SIGTERM) },
		"by SIGQUIT":     func(t *testing.T, d *desktop) { d.signal(t, syscall.SIGQUIT) },
		"while it types": func(t *testing.T, d *desktop) { d.types("f", "abc"); d.signal(t, syscall.SIGTERM) },
		"at once": func(t *testing.T, d *desktop) {
			d.types("q")
			d.shows("ending; q or Ctrl-C ends it at once")
			d.types("q")
			d.shows("code 1")
		},
	} {
		t.Run(name, func(t *testing.T) {
			flags := []string{}
			if name == "at once" {
				flags = append(flags, "--grace=10m")
			}
			d := sits(t, 80, "true", flags...)
			juliet := d.client(t)
			d.shows("iq result bind as")
			end(t, d)
			d.given(t)
			juliet.Cut()
		})
	}
}

// After Ctrl-Z the shell has the terminal, after fg the keys are taken again.
func TestSuspendKey(t *testing.T) {
	t.Parallel()
	s := newScreen(t, 80)
	dir := t.TempDir()
	s.types(fmt.Sprintf("set -m; cd %s; %s proxy --no-web --ca-dir ca -l 127.0.0.1:0 127.0.0.1:1", dir, xmpplens(t).Path), "Enter")
	s.shows("nothing armed  p pause")
	s.types("f", "half")
	s.shows("print only (empty: all): half")
	s.types("C-z")
	s.shows("Stopped")
	s.types("stty -a | grep -o -e '-*icanon' -e '-*echo '", "Enter")
	s.shows("icanon\necho")
	s.types("clear; fg", "Enter")
	s.shows("print only (empty: all): half")
	s.types("!", "Enter")
	s.shows("printed is what matches half!")
	s.types("C-z")
	s.shows("Stopped")
	if got := s.do("capture-pane", "-p", "-J"); strings.Contains(got, "nothing armed") {
		t.Errorf("the bottom is still there:\n%s", got)
	}
	// In the background it keeps quiet, and takes no keys from the shell.
	s.types("clear; bg", "Enter")
	s.types("echo it $((1+1)) lives", "Enter")
	s.shows("it 2 lives")
	s.types("jobs", "Enter")
	s.shows("Running")
	s.types("clear; fg", "Enter")
	s.shows("nothing armed  filter: half!")
	s.types("q")
	s.shows("0 connections")
}

// Where stdin is no terminal nothing reads it, and where stdout is none nothing but data
// goes there.
func TestKeysWithoutTerminal(t *testing.T) {
	t.Parallel()
	s := newScreen(t, 80)
	dir := t.TempDir()
	path := xmpplens(t).Path
	s.types(fmt.Sprintf("cd %s; (echo q; echo q; exec sleep 600) | %s proxy --no-web --ca-dir ca -l 127.0.0.1:0 127.0.0.1:1; echo ended $?", dir, path), "Enter")
	s.shows("clients must trust")
	s.types("q", "C-c")
	s.shows("ended 0")
	if got := s.do("capture-pane", "-p", "-J"); strings.Contains(got, "armed") || strings.Contains(got, "keys") {
		t.Errorf("it takes keys:\n%s", got)
	}
	s = newScreen(t, 80)
	s.types(fmt.Sprintf("cd %s; %s proxy --no-web --ca-dir ca -l 127.0.0.1:0 --format=json 127.0.0.1:1 | cat > out; echo ended $?", dir, path), "Enter")
	s.shows("xmpplens: keys: p pause")
	s.types("m")
	s.shows("marker 1 is set")
	s.types("said", "Enter")
	s.types("q")
	s.shows("ended 0")
	out, err := os.ReadFile(filepath.Join(dir, "out"))
	if err != nil || strings.Count(string(out), "\n") != 2 || strings.Contains(string(out), "\x1b") || !strings.Contains(string(out), "marker 1: said") {
		t.Errorf("%v: %q", err, out)
	}
	s = newScreen(t, 80)
	s.types(fmt.Sprintf("cd %s; TERM=dumb %s proxy --no-web --ca-dir ca -l 127.0.0.1:0 127.0.0.1:1", dir, path), "Enter")
	s.shows("clients must trust")
	if got := s.do("capture-pane", "-p", "-J"); strings.Contains(got, "keys") {
		t.Errorf("it takes keys:\n%s", got)
	}
	s.types("C-c")
	s.shows("0 connections")
}
