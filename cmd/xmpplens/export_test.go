package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

// A real session, exported for Wireshark: tshark shows every stanza with its
// attributes, in its direction, and the file makes the same recording again.
func TestExportOfARealSession(t *testing.T) {
	t.Parallel()
	tshark := proxytest.Need(t, "tshark", "tshark")
	ca, server := prosody(t)
	p := startProxy(t, "--server-ca", ca.File, server.Addr)
	got := make(chan string, 1)
	online := filepath.Join(t.TempDir(), "online")
	go func() { // ends with the client, which has its own time limit
		out, err := proxytest.Slixmpp(t, p.ca, p.addr, "romeo@localhost/orchard", "montague", "--expect=1", "--online="+online)
		got <- fmt.Sprint(out, err)
	}()
	p.wait("presence available", p.out.String)
	proxytest.GoSendxmpp(t, p.ca, p.addr, "juliet@localhost", "capulet", "romeo@localhost", "Wherefore art thou <&> Romeo? ☃")
	if s := <-got; !strings.Contains(s, "got Wherefore art thou <&> Romeo? ☃") {
		t.Fatal(s)
	}
	p.stop()
	file := filepath.Join(t.TempDir(), "s.pcapng")
	if out, err := xmpplens(t, "export", p.file, "--to=pcapng", "--show-secrets", "-o", file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	var want []string
	show := p.show("--format=json", "--show-secrets")
	for line := range strings.Lines(show) {
		var e struct{ Dir, Kind, ID, Type, From, To string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.Kind == "message" || e.Kind == "presence" || e.Kind == "iq" {
			want = append(want, strings.Join([]string{e.Dir, strings.ToUpper(e.Kind), e.ID, e.Type, e.From, e.To}, "|"))
		}
	}
	args := []string{"-n", "-r", file, "-Y", "xmpp", "-T", "fields", "-E", "separator=|", "-E", "occurrence=f"}
	for _, f := range []string{"tcp.dstport", "_ws.col.Info", "xmpp.id", "xmpp.type", "xmpp.from", "xmpp.to"} {
		args = append(args, "-e", f)
	}
	out, err := exec.Command(tshark, args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "|")
		kind, _, _ := strings.Cut(strings.Fields(f[1])[0], "(")
		if !slices.Contains([]string{"MESSAGE", "PRESENCE", "IQ"}, kind) {
			continue
		}
		dir := "SC"
		if f[0] == "5222" {
			dir = "CS"
		}
		seen = append(seen, strings.Join(append([]string{dir, kind}, f[2:]...), "|"))
	}
	if !slices.Equal(seen, want) || len(want) < 12 {
		t.Errorf("tshark shows\n%s\nand the recording has\n%s", strings.Join(seen, "\n"), strings.Join(want, "\n"))
	}

	again := filepath.Join(t.TempDir(), "again.jsonl")
	if out, err := xmpplens(t, "import", file, "-w", again).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p.file = again
	if s := p.show("--format=json", "--show-secrets"); s != show {
		t.Errorf("the recording that was made of it shows\n%.5000s\nand not\n%.5000s", s, show)
	}
}
