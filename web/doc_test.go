package web

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
	"github.com/xmpplens/xmpplens/record"
)

// The commands in the package doc work as they stand there.
func TestDocumentedCommands(t *testing.T) {
	curl := proxytest.Need(t, "curl", "curl")
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	log, s, url := show(t, func(s *Server) { s.Intercept = &sessionsOf{changes: make(chan struct{}, 1)} })
	for range 132 {
		say(log, record.CS, "<message xmlns='jabber:client'><body>wherefore</body></message>")
	}
	content, err := os.ReadFile(demo)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/bug.jsonl", content, 0o600); err != nil {
		t.Fatal(err)
	}
	s.Files = plainFiler{demo, nil}
	s.Notes = noting{}
	s.Keep = func() (string, error) { return "kept.jsonl", nil }
	c := call(url)
	rec := ""
	lines := regexp.MustCompile(`(?m)^//\t\$ (curl .*)$`).FindAllStringSubmatch(string(doc), -1)
	if len(lines) < 10 {
		t.Fatalf("%d commands", len(lines))
	}
	for _, line := range lines {
		command := strings.Replace(line[1], `"ID"`, `"`+rec+`"`, 1)
		if strings.Contains(command, "/api/follow") {
			log.Close() // it ends with the recording
		}
		sh := exec.Command("sh", "-c", strings.Replace(command, "curl", curl+" -sS --fail-with-body", 1))
		sh.Dir = dir
		sh.Env = append(os.Environ(), "T="+c.token, "V="+strings.TrimSuffix(c.base, "/"))
		out, err := sh.CombinedOutput()
		if err != nil || strings.Contains("\n"+string(out), "\n{\"error\"") {
			t.Errorf("%s: %v\n%.500s", command, err, out)
		}
		if m := regexp.MustCompile(`"rec":"(\w+)"`).FindSubmatch(out); m != nil {
			rec = string(m[1])
		}
	}
}

// Every operation is described.
func TestDocumentedOperations(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for op := range operations {
		if !regexp.MustCompile(`(?m)^//\t` + op + ` `).Match(doc) {
			t.Errorf("doc.go says nothing of the operation %s", op)
		}
	}
}

type noting struct{}

func (noting) Note(int, string) error { return nil }
