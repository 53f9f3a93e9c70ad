package decode

import (
	"fmt"
	"strings"
	"testing"
)

// A decoder that is told what Resume says goes on as the old one does: with the
// same frames, or, inside a frame that was handed out in parts, with the same
// frames behind it.
func TestResume(t *testing.T) {
	const header = `<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='x'>`
	const body = "<iq id='1'/> \n<message xmlns:p='urn:\"p' xmlns='jabber:client'><p:a x=\"1\"><b xmlns:q=\"urn:q\"><q:c>text &amp; more ]] of it</q:c><![CDATA[a<b]] >c]]></b></p:a></message><presence/><x/>"
	for _, limit := range []int{0, 16, 40} {
		for at := range len(body) + 1 {
			old := Decoder{MaxFrame: limit}
			old.Write([]byte(header))
			drain(&old)
			old.Write([]byte(body[:at]))
			drain(&old)
			cut := old.cut
			rest, offset := old.Resume(nil)
			fresh := Decoder{MaxFrame: limit}
			fresh.Reset(offset - int64(len(header)))
			fresh.Write([]byte(header))
			drain(&fresh)
			fresh.Write(rest)
			before := drain(&fresh)
			if len(before) > 0 && !cut {
				t.Errorf("limit %d, at %d: %q is a frame too many", limit, at, before)
			}
			for _, d := range []*Decoder{&old, &fresh} {
				d.Write([]byte(body[at:]))
			}
			a, b := drain(&old), drain(&fresh)
			if cut {
				a, b = behind(a), behind(b)
			}
			if strings.Join(a, "\n") != strings.Join(b, "\n") {
				t.Errorf("limit %d, at %d (%q):\n old %q\nnew %q", limit, at, body[max(at-20, 0):at], a, b)
			}
		}
	}
}

func drain(d *Decoder) []string {
	var out []string
	for f, ok := d.Next(); ok; f, ok = d.Next() {
		out = append(out, fmt.Sprintf("%v %v %d %v %s|%s|%s", f.Kind, f.Part, f.Offset, f.Err, f.NS, f.Name, f.Raw))
	}
	return out
}

// behind leaves out the rest of a frame in parts.
func behind(frames []string) []string {
	for i, f := range frames {
		if strings.Contains(f, " last ") || strings.Contains(f, "element whole") {
			return frames[i+1:]
		}
	}
	return nil
}
