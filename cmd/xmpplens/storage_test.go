package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

func TestByteSize(t *testing.T) {
	for text, want := range map[string]int64{
		"4096": 4096, "200MB": 200e6, "64MiB": 64 << 20, "1.5GB": 15e8, "10k": 10e3, " 2 gib ": 2 << 30, "7B": 7,
		"": 0, "MB": 0, "-1MB": 0, "0": 0, "1XB": 0, "0x10": 0, "1e3": 0, "inf": 0, "nan": 0, "9999999TB": 0, "1 2MB": 0,
	} {
		var b byteSize
		if err := b.UnmarshalText([]byte(text)); (err == nil) != (want > 0) || int64(b) != want {
			t.Errorf("%q is %d, %v; want %d", text, b, err, want)
		}
	}
}

// say writes numbered stanzas, about 700 bytes each.
func say(c *chat, from, to int) {
	for i := from; i < to; i++ {
		fmt.Fprintf(c.client, "<message id='%d'><body>%s</body></message>", i, strings.Repeat(fmt.Sprint(i), 180))
	}
}

// show -F follows over files that are closed, compressed and removed: byte for
// byte what arrived. What is left begins in the middle and is without faults.
func TestFollowRotation(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"s.jsonl", "s.jsonl.zst"} {
		dir := t.TempDir()
		file := filepath.Join(dir, name)
		ln := listenAny(t)
		p := startProxy(t, "--write="+file, "--rotate-size=100KB", "--keep=3", ln.Addr().String())
		c := talk(t, p.addr, ln)
		var followed buffer
		follow := xmpplens(t, "show", "-F", "--format=raw", "--dir=CS", file)
		follow.Stdout, follow.Stderr = &followed, os.Stderr
		if err := follow.Start(); err != nil {
			t.Fatal(err)
		}
		defer follow.Process.Kill()
		for i := 0; i < 2000; i += 100 {
			say(c, i, i+100)
			p.wait(fmt.Sprintf("<message id='%d'>", i+99), followed.String)
		}
		last := strings.Repeat("1999", 180) + "</body></message>"
		wait(t, &c.atServ, last)
		p.wait(last, followed.String)
		follow.Process.Signal(syscall.SIGINT)
		follow.Wait()
		arrived := c.atServ.String() // at its end the proxy says something of its own
		if got, want := followed.String(), arrived; got != want {
			t.Errorf("%s: %d bytes were followed, %d arrived", name, len(got), len(want))
		}
		if code := p.stop(); code != 0 {
			t.Errorf("%s: exit code %d", name, code)
		}
		if _, err := os.Stat(strings.Replace(file, "s.", "s.0001.", 1)); err == nil {
			t.Errorf("%s: the first file is still there", name)
		}
		raw := p.show("--format=raw", "--dir=CS")
		if len(raw) < 100_000 || !strings.HasSuffix(arrived, raw) {
			t.Errorf("%s: what is kept is not the end of what arrived: %d bytes, %.100q", name, len(raw), raw)
		}
		if out, err := xmpplens(t, "check", "--severity=warning", file).CombinedOutput(); err != nil && strings.Contains(string(out), "xml") {
			t.Errorf("%s: %v\n%.2000s", name, err, out)
		}
		if out := p.show("--format=json"); !strings.Contains(out, `"kind":"open"`) || strings.Contains(out, `"kind":"junk"`) {
			t.Errorf("%s: no connection is opened, or there is junk: %.500s", name, out)
		}
	}
}

// A ring is kept by a signal and by a finding, and what is kept is a recording.
func TestRingIsKept(t *testing.T) {
	dir := t.TempDir()
	ln := listenAny(t)
	p := startProxy(t, "--write="+filepath.Join(dir, "s.jsonl"), "--ring=1MiB", "--ring-on=error", ln.Addr().String())
	p.says("are held; kill -USR1")
	c := talk(t, p.addr, ln)
	p.says("kept (sasl-clear in entry ") // what follows is within the pause
	say(c, 0, 3000)
	wait(t, &c.atServ, strings.Repeat("2999", 180)+"</body></message>")
	p.cmd.Process.Signal(syscall.SIGUSR1)
	p.says("kept (asked by a signal): ")
	kept := regexp.MustCompile(`kept \([^)]*\): ([^ ]+\.jsonl),`).FindAllStringSubmatch(p.err.String(), -1)
	if len(kept) != 2 {
		t.Fatalf("kept: %q", kept)
	}
	arrived := c.atServ.String()
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for i, k := range kept {
		p.file = k[1]
		raw := p.show("--format=raw", "--dir=CS")
		if i == 0 { // before anything was removed
			if !strings.HasPrefix(arrived, raw) || !strings.Contains(raw, "<auth ") {
				t.Errorf("%s is not the beginning of what arrived: %.300q", k[1], raw)
			}
			continue
		}
		if len(raw) < 500_000 || !strings.HasSuffix(arrived, raw) {
			t.Errorf("%s is not the end of what arrived: %d bytes, %.100q", k[1], len(raw), raw)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 { // the further findings made one at the end
		t.Errorf("left: %v, %v", entries, err)
	}
}

// Two findings in a row make one file, and a free name is found.
func TestKeptName(t *testing.T) {
	dir := t.TempDir()
	at := time.Date(2026, 11, 25, 18, 54, 13, 0, time.UTC)
	s := storage{Write: filepath.Join(dir, "s.jsonl.zst")}
	want := filepath.Join(dir, "s-20261125-185413.jsonl.zst")
	if got := s.keptName(at); got != want {
		t.Error(got)
	}
	os.WriteFile(want, nil, 0o600)
	if got := s.keptName(at); got != filepath.Join(dir, "s-20261125-185413-2.jsonl.zst") {
		t.Error(got)
	}
}

// slixmpp with Prosody over files of a few kilobytes: with all files kept what
// is read is what Prosody sent, byte for byte; with the first ones gone it is the
// end of that, and the session, which began before, has no faults.
func TestRotationWithProsody(t *testing.T) {
	t.Parallel()
	ca, server := prosody(t)
	for _, flags := range [][]string{{"--rotate-size=2KB"}, {"--rotate-size=4KB", "--keep=2"}} {
		leaf, err := ca.Leaf(host)
		if err != nil {
			t.Fatal(err)
		}
		behind := proxytest.NewRelay(t, *leaf, server.Direct, ca.Pool(), host)
		file := filepath.Join(t.TempDir(), "s.jsonl.zst")
		p := startProxy(t, append(flags, "--write="+file, "--server-ca", ca.File, "tls://"+behind.Addr)...)
		heard := make(chan string, 1)
		online := filepath.Join(t.TempDir(), "online")
		go func() { // ends with the client, which has its own time limit
			out, err := proxytest.Slixmpp(t, p.ca, p.addr, "juliet@localhost/balcony", "capulet", "--expect=8", "--online="+online)
			heard <- fmt.Sprint(out, err)
		}()
		p.wait("online", func() string {
			if _, err := os.Stat(online); err != nil {
				return ""
			}
			return "online"
		})
		for i := range 8 {
			out, err := proxytest.Slixmpp(t, ca.File, server.Addr, "romeo@localhost/orchard", "montague", "--to=juliet@localhost/balcony",
				fmt.Sprintf("--say=%d %s", i, strings.Repeat("O Juliet ☃ <&> ", 60)))
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
		if out := <-heard; strings.Count(out, "got ") != 8 {
			t.Fatal(out)
		}
		if code := p.stop(); code != 0 {
			t.Errorf("%v: exit code %d", flags, code)
		}
		entries, _ := filepath.Glob(filepath.Join(filepath.Dir(file), "s.*.jsonl.zst"))
		raw, sent := p.show("--format=raw", "--dir=SC"), behind.SC()
		switch {
		case len(flags) == 1 && (raw != sent || len(entries) < 5):
			t.Errorf("%d files with %d bytes, Prosody sent %d", len(entries), len(raw), len(sent))
		case len(flags) == 2 && (!strings.HasSuffix(sent, raw) || len(raw) < 1000 || len(raw) > len(sent)*3/4 || len(entries) != 2):
			t.Errorf("%d files with %d bytes, Prosody sent %d: %.300q", len(entries), len(raw), len(sent), raw)
		}
		if out, err := xmpplens(t, "check", "--severity=warning", file).CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%.2000s", flags, err, out)
		}
		if shown := p.show("--format=line"); !strings.Contains(shown, "connection 1 (c2s)") || !strings.Contains(shown, "server leg secured with TLS 1.3") {
			t.Errorf("%v: the connection is not introduced:\n%.1000s", flags, shown)
		}
	}
}
