package rule

import (
	"os"
	"strings"
	"testing"
)

// What the README shows can be used.
func TestReadme(t *testing.T) {
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	blocks := strings.Split(text, "```yaml\n")[1:]
	if len(blocks) < 2 {
		t.Fatal("too little YAML in the README")
	}
	for _, b := range blocks {
		block, _, _ := strings.Cut(b, "```")
		if _, err := Parse("README", []byte(block)); err != nil {
			t.Error(err)
		}
	}
	_, rest, _ := strings.Cut(text, "**Rules of one line**")
	_, rest, _ = strings.Cut(rest, "```\n")
	block, _, _ := strings.Cut(rest, "```")
	lines := strings.Split(strings.TrimSpace(block), "\n")
	if len(lines) < 5 {
		t.Fatalf("rules of one line: %q", lines)
	}
	for _, l := range lines {
		if _, err := ParseLine(l); err != nil {
			t.Errorf("%s: %v", l, err)
		}
	}
	for _, l := range strings.Split(LineForm, "\n")[1:7] {
		if !strings.Contains(text, strings.TrimSpace(l)) {
			t.Errorf("the README has another grammar than the program: %s", l)
		}
	}
	for _, s := range Scenarios() {
		if !strings.Contains(text, "| `"+s.Name+"` |") {
			t.Errorf("the README lacks %s", s.Name)
		}
	}
}
