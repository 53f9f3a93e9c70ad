package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

// lockedBuffer is written by a process while a test reads it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// captureLoopback captures what goes to and from a port of this machine. The
// function that it returns waits until the capture, imported with flags, shows text,
// and ends it.
func captureLoopback(t *testing.T, addr string) (file string, until func(text string, flags ...string)) {
	t.Helper()
	dumpcap := proxytest.Need(t, "dumpcap", "tshark")
	file = filepath.Join(t.TempDir(), "capture.pcapng")
	_, port, _ := strings.Cut(addr, ":")
	cmd := exec.Command(dumpcap, "-i", "lo", "-q", "-f", "tcp port "+port, "-w", file)
	var said lockedBuffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }() // ends with the process
	t.Cleanup(func() { cmd.Process.Kill(); <-ended })
	for end := time.Now().Add(20 * time.Second); !strings.Contains(said.String(), "File: "); time.Sleep(10 * time.Millisecond) {
		select {
		case <-ended:
			proxytest.Missing(t, "dumpcap may not capture here: "+said.String())
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("dumpcap does not begin: %s", said.String())
		}
	}
	return file, func(text string, flags ...string) {
		t.Helper()
		out := filepath.Join(t.TempDir(), "now.jsonl")
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
			xmpplens(t, append([]string{"import", file, "-w", out, "--force"}, flags...)...).Run() // it may end inside a packet
			shown, _ := xmpplens(t, "show", "--format=line", out).Output()
			if strings.Contains(string(shown), text) {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("the capture never shows %q:\n%s", text, shown)
			}
		}
		cmd.Process.Signal(syscall.SIGINT)
		<-ended
	}
}

// imports runs import and returns the recording.
func imports(t *testing.T, args ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "imported.jsonl")
	if out, err := xmpplens(t, append([]string{"import", "-w", file}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("import %q: %v\n%s", args, err, out)
	}
	return file
}

// shown are the lines of show in a format.
func shown(t *testing.T, args ...string) string {
	t.Helper()
	out, err := xmpplens(t, append([]string{"show"}, args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// meaning lists what was said in a direction: kinds and summaries.
func meaning(t *testing.T, file, dir string, kinds ...string) []string {
	t.Helper()
	var out []string
	for line := range strings.Lines(shown(t, "--format=json", "--dir="+dir, file)) {
		var e struct{ Kind, Summary string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.Kind != "whitespace" && e.Kind != "declaration" && (len(kinds) == 0 || slices.Contains(kinds, e.Kind)) {
			out = append(out, e.Kind+": "+e.Summary)
		}
	}
	return out
}

// TestImportLive has one session of slixmpp with Prosody recorded by a tap, captured
// on the loopback interface, and logged by both: all of them say the same.
func TestImportLive(t *testing.T) {
	for _, direct := range []bool{false, true} {
		name := map[bool]string{false: "STARTTLS", true: "direct TLS"}[direct]
		t.Run(name, func(t *testing.T) {
			ca := proxytest.NewCA(t)
			server := proxytest.StartProsody(t, ca, host)
			server.Register(t, "juliet", host, "capulet")
			jid := "juliet@" + host
			addr, flags := server.Addr, []string{"--debug", "--to", jid, "--say", "one\ntwo & three", "--expect", "1"}
			if direct {
				addr, flags = server.Direct, append(flags, "--direct")
			}
			p := startTap(t, addr)
			capture, until := captureLoopback(t, p.addr)
			t.Setenv("SSLKEYLOGFILE", p.keys)
			log, err := proxytest.Slixmpp(t, ca.File, p.near.Addr, jid, "capulet", flags...)
			if err != nil {
				t.Fatalf("%v: %s", err, log)
			}
			p.wait("closed by the", p.out.String)
			until("connection 1 closed by the", "--keylog", p.keys)
			p.same(t)

			imported := imports(t, capture, "--keylog", p.keys)
			for _, dir := range []string{"CS", "SC"} {
				if a, b := shown(t, "--format=raw", "--dir="+dir, imported), p.show("--format=raw", "--dir="+dir); a != b || len(a) < 500 {
					t.Errorf("%s: the capture has\n%s\nthe tap\n%s", dir, a, b)
				}
				if a, b := meaning(t, imported, dir), meaning(t, p.file, dir); !slices.Equal(a, b) || len(a) < 10 {
					t.Errorf("%s: the capture says\n%q\nthe tap\n%q", dir, a, b)
				}
			}
			if s := shown(t, "--format=line", imported); !strings.Contains(s, "TLS 1.3") || !strings.Contains(s, "client sent close_notify") || strings.Contains(s, "lost") {
				t.Error(s)
			}

			// With the secrets in the capture itself.
			editcap := proxytest.Need(t, "editcap", "tshark")
			whole := filepath.Join(t.TempDir(), "whole.pcapng")
			if out, err := exec.Command(editcap, "--inject-secrets", "tls,"+p.keys, capture, whole).CombinedOutput(); err != nil {
				t.Fatalf("editcap: %v: %s", err, out)
			}
			if a, b := shown(t, "--format=json", imports(t, whole)), shown(t, "--format=json", imported); strings.ReplaceAll(a, "whole.pcapng", "capture.pcapng") != b {
				t.Errorf("with secrets inside:\n%s\nbeside:\n%s", a, b)
			}
			// Without, they can come later. slixmpp offers no ALPN: on a port
			// like this nothing tells that it is XMPP, but the secrets.
			if a, b := meaning(t, imports(t, imports(t, capture, "--all"), "--keylog", p.keys), "SC"), meaning(t, imported, "SC"); !slices.Equal(a, b) {
				t.Errorf("with secrets later:\n%q", a)
			}

			stanzas := []string{"iq", "message", "presence"}
			client := filepath.Join(t.TempDir(), "client.log")
			if err := os.WriteFile(client, []byte(log), 0o600); err != nil {
				t.Fatal(err)
			}
			for who, file := range map[string]string{"slixmpp": imports(t, client), "Prosody": imports(t, server.Debug)} {
				for _, dir := range []string{"CS", "SC"} {
					if a, b := meaning(t, file, dir, stanzas...), meaning(t, imported, dir, stanzas...); !slices.Equal(a, b) || len(a) < 4 {
						t.Errorf("%s: the log of %s says\n%q\nthe capture\n%q", dir, who, a, b)
					}
				}
			}
		})
	}
}

// TestImportExported takes the recordings of testdata out as captures and stream files
// and in again: nothing differs.
func TestImportExported(t *testing.T) {
	recordings, err := filepath.Glob("../../testdata/recordings/*.jsonl")
	if err != nil || len(recordings) < 3 {
		t.Fatalf("%v: %q", err, recordings)
	}
	for _, file := range recordings {
		want := shown(t, "--format=json", "--show-secrets", file)
		dir := t.TempDir()
		capture, streams := filepath.Join(dir, "s.pcapng"), filepath.Join(dir, "s")
		for _, args := range [][]string{{"--to=pcapng", "--show-secrets", "-o", capture}, {"--to=streams", "-o", streams}} {
			if out, err := xmpplens(t, append([]string{"export", file}, args...)...).CombinedOutput(); err != nil {
				t.Fatalf("export %s: %v\n%s", file, err, out)
			}
		}
		if got := shown(t, "--format=json", "--show-secrets", imports(t, capture)); got != want {
			t.Errorf("%s differs after pcapng", file)
		}
		if got := shown(t, "--format=json", "--show-secrets", imports(t, streams)); got != want {
			t.Errorf("%s differs after streams", file)
		}
		// Its packets alone, as other programs' are read.
		editcap := proxytest.Need(t, "editcap", "tshark")
		packets := filepath.Join(dir, "packets.pcap")
		if out, err := exec.Command(editcap, "-F", "pcap", capture, packets).CombinedOutput(); err != nil {
			t.Fatalf("editcap: %v: %s", err, out)
		}
		alone := imports(t, packets)
		for _, d := range []string{"CS", "SC"} {
			if a, b := meaning(t, alone, d, "iq", "message", "presence"), meaning(t, file, d, "iq", "message", "presence"); !slices.Equal(a, b) {
				t.Errorf("%s: %s: the packets say\n%q\nthe recording\n%q", file, d, a, b)
			}
		}
	}
}
