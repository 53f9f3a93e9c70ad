package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

// screen is a terminal that a person sits at.
type screen struct {
	t      *testing.T
	tmux   string
	socket string
}

func newScreen(t *testing.T, width int) *screen {
	t.Helper()
	s := &screen{t, proxytest.Need(t, "tmux", "tmux"), filepath.Join(t.TempDir(), "tmux")}
	s.do("-f", "/dev/null", "new-session", "-d", "-x", fmt.Sprint(width), "-y", "30", "env", "PS1=> ", "TERM=screen", "sh")
	t.Cleanup(func() { exec.Command(s.tmux, "-S", s.socket, "kill-server").Run() })
	return s
}

func (s *screen) do(args ...string) string {
	s.t.Helper()
	out, err := exec.Command(s.tmux, append([]string{"-S", s.socket}, args...)...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("tmux %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func (s *screen) types(keys ...string) { s.t.Helper(); s.do(append([]string{"send-keys"}, keys...)...) }

// shows waits until a text stands on the screen.
func (s *screen) shows(text string) {
	s.t.Helper()
	var got string
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if got = s.do("capture-pane", "-p", "-J"); strings.Contains(got, text) {
			return
		}
	}
	s.t.Fatalf("never shown: %q\n%s", text, got)
}

// A key marks the moment, and the terminal is given back as it was.
func TestMarkerKey(t *testing.T) {
	s := newScreen(t, 80)
	dir := t.TempDir()
	file := filepath.Join(dir, "s.jsonl")
	link := xmpplens(t).Path
	script := filepath.Join(dir, "go")
	if err := os.WriteFile(script, fmt.Appendf(nil, "trap : INT\nstty -a | grep -o -e '-*icanon' -e '-*echo ' | tr -d '\\n'\n%s proxy --no-web --ca-dir %s/ca -l 127.0.0.1:0 -w %s 127.0.0.1:1\necho; echo ended; stty -a | grep -o -e '-*icanon' -e '-*echo ' | tr -d '\\n'; echo; echo done\n", link, dir, file), 0o700); err != nil {
		t.Fatal(err)
	}
	s.types("sh "+script, "Enter")
	s.shows("nothing armed  p pause")
	s.types("F5", "?") // the first means nothing
	s.shows("end the proxy, as Ctrl-C does")
	s.types("m")
	s.shows("marker 1 is set; a word on it (Enter for none):")
	s.types("the roster", "Enter")
	s.shows("✎ marker 1: the roster")
	s.types("m")
	s.shows("marker 2 is set")
	s.types("Enter")
	s.shows("✎ marker 2")
	s.types("C-c")
	s.shows("done")
	if after := s.do("capture-pane", "-p", "-J"); strings.Contains(after, "-icanon") || strings.Contains(after, "-echo ") || strings.Count(after, "icanon") < 1 {
		t.Errorf("the terminal is not what it was:\n%s", after)
	}
	out, err := xmpplens(t, "note", file).CombinedOutput()
	if err != nil || string(out) != "1: marker 1\n2: marker 1: the roster\n3: marker 2\n" {
		t.Errorf("%v: %s", err, out)
	}
}

// A key keeps what a ring holds.
func TestKeepKey(t *testing.T) {
	s := newScreen(t, 200)
	dir := t.TempDir()
	s.types(fmt.Sprintf("cd %s; %s proxy --no-web --ca-dir ca -l 127.0.0.1:0 --ring=1MiB -w s.jsonl 127.0.0.1:1", dir, xmpplens(t).Path), "Enter")
	s.shows("nothing armed  p pause")
	s.types("m")
	s.shows("marker 1 is set")
	s.types("Enter", "k")
	s.shows("kept (asked by the key k): ")
	s.types("C-c")
	s.shows("0 connections")
	kept, err := filepath.Glob(filepath.Join(dir, "s-*.jsonl"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("%v: %q was kept", err, kept)
	}
	if out, err := xmpplens(t, "note", kept[0]).Output(); err != nil || string(out) != "1: marker 1\n" {
		t.Errorf("%v: %s", err, out)
	}
}
