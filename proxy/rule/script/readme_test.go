package script

import (
	"os"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/record"
)

// The script that the README shows does what it says.
func TestReadme(t *testing.T) {
	b, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "```python\n")
	block, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("no script in the README")
	}
	var said []string
	j := script(t, block, &said).Judge(1, nil)
	got := ""
	for range 5 {
		got += words(j.Judge(seen(t, record.CS, "<message to='a@b'><body>ping</body></message>"))) + "\n"
	}
	if strings.Count(got, "pong") != 4 || strings.Count(got, "I changed that") != 4 || strings.Count(got, "resource-constraint") != 1 {
		t.Error(got)
	}
	j.(interface{ Close() }).Close()
	if len(said) != 1 || !strings.Contains(said[0], "messages: 5") {
		t.Errorf("%q", said)
	}
	for name := range fields {
		if !strings.Contains(string(b), name) {
			t.Errorf("the README lacks s.%s", name)
		}
	}
}
