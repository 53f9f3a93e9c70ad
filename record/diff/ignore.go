package diff

import (
	"fmt"
	"slices"
	"strings"
)

// Ignore is what is no difference: classes (finding, slower), phases (tls),
// attributes (@ver), namespaces of payloads and everything in them.
type Ignore struct {
	classes    map[Class]bool
	phases     map[string]bool
	attrs      map[string]bool
	namespaces map[string]bool
}

// phaseNames are in the order in which a report has them.
var phaseNames = []string{"stream", "tls", "sasl", "dialback", "bind", "online", "closing"}

// An IgnoreError names a word that ParseIgnore does not know.
type IgnoreError struct{ Word string }

func (e *IgnoreError) Error() string { return fmt.Sprintf("diff: nothing is called %q", e.Word) }

// Hint says what may be ignored.
func (e *IgnoreError) Hint() string {
	var l []string
	for _, c := range classes {
		l = append(l, string(c))
	}
	return "ignore classes (" + strings.Join(l, ", ") + "), phases (" + strings.Join(phaseNames, ", ") + "), attributes as @NAME, or namespaces"
}

// ParseIgnore reads a list of words. A plural stands for its singular.
func ParseIgnore(words []string) (Ignore, error) {
	g := Ignore{make(map[Class]bool), make(map[string]bool), make(map[string]bool), make(map[string]bool)}
	for _, w := range words {
		w = strings.TrimSpace(w)
		c := Class(strings.TrimSuffix(w, "s"))
		switch {
		case w == "":
		case slices.Contains(classes, c):
			g.classes[c] = true
		case slices.Contains(phaseNames, w):
			g.phases[w] = true
		case len(w) > 1 && w[0] == '@':
			g.attrs[w[1:]] = true
		case strings.ContainsAny(w, ":/"), w == "vcard-temp":
			g.namespaces[w] = true
		default:
			return g, &IgnoreError{w}
		}
	}
	return g, nil
}
