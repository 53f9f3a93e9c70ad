package rule

import (
	"embed"
	"fmt"
	"path"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/xmpplens/xmpplens/decode/filter"
)

//go:embed scenarios/*.yaml
var scenarios embed.FS

// A Scenario is a file of rules that comes with the program: something that
// servers and networks do, and what a client should make of it.
type Scenario struct {
	Name   string
	About  string // what it does
	Expect string // what a good client does
	Ref    string // the sections that this rests on
	Source string // the file
}

// Scenarios lists them, sorted by name.
var Scenarios = sync.OnceValue(func() []Scenario {
	files, _ := scenarios.ReadDir("scenarios")
	var out []Scenario
	for _, f := range files {
		b, err := scenarios.ReadFile(path.Join("scenarios", f.Name()))
		if err != nil {
			panic(err) // it is embedded
		}
		s := Scenario{Name: strings.TrimSuffix(f.Name(), ".yaml"), Source: string(b)}
		var head struct{ About, Expect, Ref string }
		if err := yaml.Unmarshal(b, &head); err != nil {
			panic(err)
		}
		s.About, s.Expect, s.Ref = strings.TrimSpace(head.About), strings.TrimSpace(head.Expect), head.Ref
		out = append(out, s)
	}
	return out
})

// FindScenario returns the one with a name.
func FindScenario(name string) (Scenario, error) {
	var names []string
	for _, s := range Scenarios() {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	if near := filter.Nearest(name, names); near != "" {
		return Scenario{}, fmt.Errorf("rule: no scenario is called %q, did you mean %s?", name, near)
	}
	return Scenario{}, fmt.Errorf("rule: no scenario is called %q: there are %s", name, strings.Join(names, ", "))
}

// Rules are those of the scenario.
func (s Scenario) Rules() ([]*Rule, error) { return Parse(s.Name+".yaml", []byte(s.Source)) }
