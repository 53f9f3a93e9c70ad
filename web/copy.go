package web

import (
	"fmt"
	"strings"

	"github.com/xmpplens/xmpplens/decode/stanza"
)

// maxCopied bounds what goes to the clipboard, in bytes of the frame.
const maxCopied = 1 << 20

// copied is an entry as a text for the clipboard.
type copied struct {
	Op    string `json:"op"`
	N     int    `json:"n"`
	As    string `json:"as"`
	Text  string `json:"text"`
	Said  string `json:"said"` // what was done, for the person
	Error string `json:"error,omitempty"`
}

// copyNames says what a text is, by As.
var copyNames = map[string]string{"xml": "XML", "go": "a test in Go", "python": "a test in Python", "js": "a test in JavaScript"}

// copy makes of an entry what the page puts on the clipboard.
func (p *page) copy(q request) any {
	var want struct{ As string }
	q.into(&want)
	out := copied{Op: "copy", N: q.N, As: want.As}
	e, err := oneEntry(p.source, q.N)
	fail := func(format string, args ...any) any {
		out.Error = fmt.Sprintf(format, args...)
		return out
	}
	switch {
	case err != nil:
		return fail("%v", err)
	case copyNames[want.As] == "":
		return fail("there is no way %q to copy an entry", want.As)
	case e.Dir == "":
		return fail("The entry has no XML.")
	case len(e.Frame.Raw) > maxCopied:
		return fail("%d bytes are too many for the clipboard: xmpplens show --format=raw prints them.", len(e.Frame.Raw))
	}
	var spans []stanza.Span
	if !p.server.Secrets {
		spans = stanza.Secrets(e.Frame)
	}
	masked := ""
	if len(spans) > 0 {
		masked = "secrets are masked"
	}
	raw := stanza.Mask(e.Frame.Raw, spans)
	if want.As == "xml" {
		out.Text = strings.ToValidUTF8(string(raw), "\ufffd")
	} else {
		f := fixture{n: e.N, from: p.server.Title, masked: masked, xml: string(standalone(e.Frame, raw))}
		if root := e.Stanza.Root(); !f.of(root) {
			return fail("A test is made of a whole element, and this is none.")
		}
		out.Text = map[string]func() string{"go": f.golang, "python": f.python, "js": f.javascript}[want.As]()
	}
	out.Said = strings.TrimSuffix("Copied as "+copyNames[want.As]+"; "+masked, "; ")
	return out
}
