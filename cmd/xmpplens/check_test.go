package main

import (
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/record/timeline"
)

// testdata/recordings/bad.jsonl shows every finding that there is, once.
func TestEveryFindingOnce(t *testing.T) {
	got := make(map[string]int)
	_, _, err := walk(&streams{io.Discard, io.Discard}, "../../testdata/recordings/bad.jsonl", func(e *timeline.Entry) {
		for _, f := range e.Facts.Findings {
			got[f.Code]++
			if f.Text == "" || f.Ref == "" || rank[f.Severity] == 0 {
				t.Errorf("entry %d: %+v", e.N, f)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for code, n := range got {
		if n != 1 {
			t.Errorf("%s: %d times", code, n)
		}
	}
	// The codes are those in the source of the package that finds them.
	finds := regexp.MustCompile(`(?:find\([^,]*, |code, ref(?:, severity)? :?= |code, severity = )"([a-z]+(?:-[a-z0-9]+)+)"`)
	want := make(map[string]int)
	for _, name := range []string{"track", "login", "sm", "ledger", "rules", "correlate", "bosh", "federation"} {
		b, err := os.ReadFile("../../decode/track/" + name + ".go")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range finds.FindAllStringSubmatch(string(b), -1) {
			want[m[1]] = 1
		}
	}
	if len(want) < 40 || !maps.Equal(got, want) {
		t.Errorf("found    %s\ncan find %s", strings.Join(slices.Sorted(maps.Keys(got)), " "), strings.Join(slices.Sorted(maps.Keys(want)), " "))
	}
}
