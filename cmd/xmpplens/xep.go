package main

import (
	"fmt"
	"strings"

	"github.com/xmpplens/xmpplens/decode/xep"
)

type xepCmd struct {
	What string `arg:"" help:"A namespace, or the number of a XEP or RFC."`
}

func (xepCmd) Examples() string {
	return `  xmpplens xep urn:xmpp:sm:3
  xmpplens xep 313
  xmpplens xep RFC6121`
}

func (c *xepCmd) Run(s *streams) error {
	if spec, names, ok := xep.Namespaces(c.What); ok {
		fmt.Fprintf(s.stdout, "%s  %s (%s)\n", spec.ID, spec.Title, spec.Status)
		for _, ns := range names {
			fmt.Fprintf(s.stdout, "  %s\n", ns)
		}
		fmt.Fprintf(s.stdout, "  %s\n", specURL(spec.ID))
		return nil
	}
	spec, ok := xep.Lookup(c.What)
	if !ok {
		return usagef("give a namespace as it stands in the traffic, or a number as in 45, XEP-0045, RFC6120", "nothing is known of %q", c.What)
	}
	fmt.Fprintf(s.stdout, "%s  %s (%s)\n", spec.ID, spec.Title, spec.Status)
	if spec.Family {
		fmt.Fprintf(s.stdout, "  the namespace %s itself is not known: another version, or another part, of this specification\n", c.What)
	}
	fmt.Fprintf(s.stdout, "  %s\n", specURL(spec.ID))
	return nil
}

// titled is the number of a XEP with its title; what is no number stays.
func titled(id string) string {
	if spec, _, ok := xep.Namespaces(id); ok && strings.HasPrefix(id, "XEP-") {
		return id + " " + spec.Title
	}
	return id
}

// specURL is where a specification is published.
func specURL(id string) string {
	if n, ok := strings.CutPrefix(id, "RFC "); ok {
		return "https://www.rfc-editor.org/rfc/rfc" + n
	}
	return "https://xmpp.org/extensions/" + strings.ToLower(id) + ".html"
}
