package stanza

import "testing"

func TestDraft(t *testing.T) {
	for xml, want := range map[string]string{
		"<iq type='get' id='a&amp;b' to='x@y' from='me'><ping xmlns='urn:xmpp:ping'/></iq>": "<iq type='result' id='a&amp;b' from='x@y' to='me'/>",
		"<iq xmlns='jabber:client' type='set' id='1'><query/></iq>":                         "<iq xmlns='jabber:client' type='result' id='1'/>",
		"<iq type='result' id='1'/>":                                                        "",
		"<message to='x'/>":                                                                 "<message type='error' from='x'><error/></message>",
		"<a xmlns='urn:xmpp:sm:3' h='1'/>":                                                  "",
		"<c:iq xmlns:c='jabber:client' type='get' id='1'/>":                                 "<iq type='result' id='1'/>",
		"<message xmlns='urn:x'/>":                                                          "",
		"<message":                                                                          "",
	} {
		if got := Draft(xml, "<error/>"); got != want {
			t.Errorf("%s is answered by %s, want %s", xml, got, want)
		}
	}
}
