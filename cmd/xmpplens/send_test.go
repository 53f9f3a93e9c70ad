package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
	"github.com/xmpplens/xmpplens/web"
)

// ran is what a command printed, and its exit code.
type ran struct {
	out, err string
	code     int
}

// send runs xmpplens send for the proxies that have their files in dir.
func send(t *testing.T, dir string, args ...string) ran {
	t.Helper()
	cmd := xmpplens(t, append([]string{"send"}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env = &out, &errs, append(os.Environ(), "XDG_RUNTIME_DIR="+dir)
	cmd.Run() // the code tells
	return ran{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// viewer is the URL that was printed.
func (p *program) viewer(t *testing.T) string {
	t.Helper()
	p.says("viewer http")
	m := viewerAddress.FindStringSubmatch(p.err.String())
	return m[1] + "/?token=" + m[2]
}

// operate does an operation of the control API as curl does.
func (p *program) operate(t *testing.T, op string, body, into any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	base, token, _ := strings.Cut(p.viewer(t), "/?token=")
	q, err := http.NewRequest("POST", base+"/api/"+op, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer bytes.Buffer
	answer.ReadFrom(resp.Body)
	if resp.StatusCode != 200 {
		t.Fatalf("%s %s: %d %s", op, text, resp.StatusCode, answer.String())
	}
	if err := json.Unmarshal(answer.Bytes(), into); err != nil {
		t.Fatal(err)
	}
}

// juliet is a client that is logged in through the proxy.
func (p *program) juliet(t *testing.T) *proxytest.Client {
	t.Helper()
	c, err := proxytest.Connect(proxytest.Way{Addr: p.addr, JID: "juliet@localhost/balcony", Password: "capulet", Roots: proxytest.Pool(t, p.ca), Mechanism: "PLAIN"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Cut)
	return c
}

// next is what the client gets next, in words.
func next(t *testing.T, c *proxytest.Client) string {
	t.Helper()
	e, err := c.Next()
	if err != nil {
		t.Fatal(err)
	}
	return e.XMLName.Local + " " + e.Attr("id") + " " + e.Inner
}

func TestSend(t *testing.T) {
	t.Parallel()
	_, _, p := play(t)
	dir := filepath.Dir(p.file)
	if r := send(t, dir, "1", "SC", "<message/>"); r.code != 1 || !strings.Contains(r.err, "there is no connection 1\nhint: no connection is open now") {
		t.Errorf("without a client: %+v", r)
	}
	juliet := p.juliet(t)
	if r := send(t, dir, "1", "SC", "<message id='m'><body>out of nowhere</body></message>"); r.code != 0 || !strings.Contains(r.err, "sent into connection 1") {
		t.Fatalf("%+v", r)
	}
	if s := next(t, juliet); !strings.HasPrefix(s, "message m ") {
		t.Errorf("the client got %s", s)
	}
	ping := `<iq type="get"><ping xmlns="urn:xmpp:ping"/></iq>`
	if r := send(t, dir, "1", "CS", "--wait", "--swallow", ping); r.code != 0 || !strings.Contains(r.out, "type='result'") || strings.Count(r.out, "\n") != 1 {
		t.Errorf("the server's answer: %+v", r)
	}
	// The client did not see the answer: the next that it gets is that to its own.
	if err := juliet.Send("<iq type='get' id='own'><ping xmlns='urn:xmpp:ping'/></iq>"); err != nil {
		t.Fatal(err)
	}
	if s := next(t, juliet); !strings.HasPrefix(s, "iq own") {
		t.Errorf("the client got %s", s)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"2", "SC", "<message/>"}, 1, "hint: open now: 1"},
		{[]string{"1", "SC", "<message><x:y/></message>"}, 1, "at byte"},
		{[]string{"1", "SC", "<message>"}, 1, "at byte"},
		{[]string{"1", "up", "<message/>"}, 2, "CS"},
		{[]string{"1", "SC", "--wait", "<message/>"}, 2, "only an iq"},
		{[]string{"1", "SC", "--port=1", "<message/>"}, 2, "hint: choose --port="},
		{[]string{"1", "SC", "--url=http://127.0.0.1:1/", "<message/>"}, 2, "token"},
		{[]string{"1", "SC", "--url=http://127.0.0.1:1/?token=x", "<message/>"}, 1, "does not answer"},
		{[]string{"1", "SC", "--wait", "--timeout=300ms", ping}, 1, "no answer within"},
	} {
		if r := send(t, dir, c.args...); r.code != c.code || !strings.Contains(r.err, c.says) {
			t.Errorf("send %q: %+v", c.args, r)
		}
	}
	if r := send(t, t.TempDir(), "--url="+p.viewer(t), "1", "SC", "<message id='u'/>"); r.code != 0 {
		t.Errorf("by its URL: %+v", r)
	}
}

// A proxy can be found while it runs, by nobody but its user.
func TestRunning(t *testing.T) {
	t.Parallel()
	_, server, p := play(t)
	p.viewer(t)
	dir := filepath.Dir(p.file)
	files, err := filepath.Glob(filepath.Join(dir, "xmpplens", "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	cmd := xmpplens(t, "proxy", "-l", "127.0.0.1:0", "--ca-dir", filepath.Dir(p.ca), "--web=127.0.0.1:0", "--format=none", server.Addr)
	var said buffer
	cmd.Stderr, cmd.Env = &said, append(os.Environ(), "XDG_RUNTIME_DIR="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.wait("viewer http", said.String)
	for end := time.Now().Add(20 * time.Second); len(files) < 2 && time.Now().Before(end); {
		files, _ = filepath.Glob(filepath.Join(dir, "xmpplens", "*.json"))
	}
	if r := send(t, dir, "1", "SC", "<message/>"); r.code != 2 || !strings.Contains(r.err, "2 proxies run\nhint: choose --port=") {
		t.Errorf("two proxies: %+v", r)
	}
	// One is killed, and leaves its file.
	cmd.Process.Kill()
	cmd.Wait()
	if r := send(t, dir, "1", "SC", "<message/>"); r.code != 1 || !strings.Contains(r.err, "there is no connection 1") {
		t.Errorf("one proxy was killed: %+v", r)
	}
	p.stop()
	if files, _ := filepath.Glob(filepath.Join(dir, "xmpplens", "*")); len(files) != 0 {
		t.Errorf("left: %q", files)
	}
	if r := send(t, dir, "1", "SC", "<message/>"); r.code != 1 || !strings.Contains(r.err, "no proxy of yours runs") {
		t.Errorf("no proxy: %+v", r)
	}
}

// A directory that others can look into is not trusted with a token.
func TestRunningDirectory(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", dir)
	if err := os.Mkdir(filepath.Join(dir, "xmpplens"), 0o755); err != nil {
		t.Fatal(err)
	}
	r := &running{URL: "http://127.0.0.1:5299/?token=x"}
	if _, err := r.announce(); err == nil {
		t.Error("a token lies open")
	}
	if err := os.Chmod(filepath.Join(dir, "xmpplens"), fs.FileMode(0o700)); err != nil {
		t.Fatal(err)
	}
	end, err := r.announce()
	if err != nil {
		t.Fatal(err)
	}
	end()
}

// A breakpoint holds, what is held is edited, and taking it away lets the rest pass
// although a rule stays armed.
func TestBreakpoints(t *testing.T) {
	t.Parallel()
	_, _, p := play(t, "--rule", `note "seen" if presence`)
	juliet := p.juliet(t)
	var armed struct {
		Armed string
		Held  int
	}
	p.operate(t, "arm", map[string]any{"expr": "message", "on": true}, &armed)
	if want := "1 rule of the command line, breakpoint message"; armed.Armed != want {
		t.Errorf("armed is %q", armed.Armed)
	}
	held := func() web.HeldFrame {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
			var list struct{ Held []web.HeldFrame }
			if p.operate(t, "held", struct{}{}, &list); len(list.Held) > 0 {
				return list.Held[0]
			}
		}
		t.Fatal("nothing is held")
		return web.HeldFrame{}
	}
	var done struct{}
	juliet.Send("<message to='juliet@localhost/balcony' id='a'><body>one</body></message>")
	h := held()
	p.operate(t, "decide", map[string]any{"conn": h.Conn, "dir": h.Dir, "offset": h.Offset, "verdict": "edit", "xml": "<message to='juliet@localhost/balcony' id='b'><body>two</body></message>"}, &done)
	h = held() // it comes back, and is held again
	if h.Dir != "SC" || !strings.Contains(h.XML, "two") {
		t.Errorf("held is %+v", h)
	}
	p.operate(t, "arm", map[string]any{"expr": "message", "on": false}, &armed)
	if s := next(t, juliet); !strings.HasPrefix(s, "message b") || !strings.Contains(s, "two") {
		t.Errorf("the client got %s", s)
	}
	if armed.Armed != "1 rule of the command line" {
		t.Errorf("armed is %q", armed.Armed)
	}
	var rules struct{ Rules []web.Rule }
	p.operate(t, "rules", struct{}{}, &rules)
	if len(rules.Rules) != 1 {
		t.Fatalf("%+v", rules)
	}
	p.operate(t, "rules", map[string]any{"name": rules.Rules[0].Name, "on": false}, &rules)
	if p.operate(t, "arm", struct{}{}, &armed); armed.Armed != "" || rules.Rules[0].On {
		t.Errorf("armed is %q, %+v", armed.Armed, rules)
	}
	p.stop()
	for _, want := range []string{"breakpoint set: message", "breakpoint taken away: message"} {
		if !strings.Contains(p.show("--format=line"), want) {
			t.Errorf("the recording does not say %q", want)
		}
	}
}
