package track

import (
	"slices"
	"strings"
	"testing"
)

// Who is sent elsewhere is warned of, unless the proxy put its own address there.
func TestLeadsPast(t *testing.T) {
	const (
		see     = "SC <stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>b.example:5299</see-other-host></stream:error>"
		located = "SC <enabled " + sm + " id='x' resume='true' location='b.example:5299'/>"
		bound   = "SC <success " + sasl2 + "><bound xmlns='urn:xmpp:bind:0'><enabled " + sm + " location='b.example:5299'/></bound></success>"
	)
	for line, want := range map[string]string{
		see:     "RFC 6120 §4.9.3.19",
		located: "XEP-0198 §3",
		bound:   "XEP-0198 §3",
		see + " => <stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>127.0.0.1:1</see-other-host></stream:error>": "",
		strings.Replace(located, "SC", "CS", 1):                                            "",
		"SC <enabled " + sm + " id='x'/>":                                                  "",
		"SC <success " + sasl2 + "/>":                                                      "",
		"SC <stream:error><conflict xmlns='" + nsStreamErrors + "'/></stream:error>":       "",
		"SC <success " + sasl2 + "><bound xmlns='urn:xmpp:bind:0'/></success>":             "",
		"SC <stream:error><see-other-host xmlns='" + nsStreamErrors + "'/></stream:error>": "",
	} {
		s := newScript().play("open", "CS "+open, "SC "+answer, line)
		i := slices.IndexFunc(s.last().Findings, func(f Finding) bool { return f.Code == "leads-past" })
		switch {
		case i < 0 && want != "":
			t.Errorf("%s: no warning", line)
		case i >= 0 && (s.last().Findings[i].Ref != want || !strings.Contains(s.last().Findings[i].Text, "to b.example:5299")):
			t.Errorf("%s: %+v", line, s.last().Findings[i])
		}
	}
}
