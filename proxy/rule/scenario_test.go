package rule

import (
	"slices"
	"strings"
	"testing"
)

// Each scenario can be read, says what it is about, and has rules that go by its
// name, so that who reads a recording finds it.
func TestScenarios(t *testing.T) {
	var names []string
	for _, s := range Scenarios() {
		names = append(names, s.Name)
		rules, err := s.Rules()
		if err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		if s.About == "" || s.Expect == "" || s.Ref == "" || len(rules) == 0 {
			t.Errorf("%s is not described", s.Name)
		}
		for _, r := range rules {
			if !strings.HasPrefix(r.Name, s.Name) || !r.On {
				t.Errorf("%s has a rule %q, on %v", s.Name, r.Name, r.On)
			}
		}
	}
	want := []string{"auth-temporary-failure", "duplicate-delivery", "flaky-mobile", "half-open", "huge-stanza", "lost-acks", "rate-limited", "reordered-carbons", "resume-refused", "server-restart", "slow-roster"}
	if !slices.Equal(names, want) {
		t.Errorf("%v", names)
	}
	if _, err := FindScenario("lost-ack"); err == nil || !strings.Contains(err.Error(), "did you mean lost-acks?") {
		t.Error(err)
	}
}
