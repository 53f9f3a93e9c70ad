package stanza

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// unfolded is what Unfold makes of an element, as text.
func unfolded(t *testing.T, text string, secrets bool) string {
	t.Helper()
	f := frame(t, text)
	root, err := Tree(f)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, u := range Unfold(f, root, secrets) {
		fmt.Fprintf(&b, "%s [%s]\n", u.What, u.Ref)
		for _, r := range u.Rows {
			b.WriteString(strings.Join(r, " | ") + "\n")
		}
		if u.Text != "" {
			b.WriteString(u.Text + "\n")
		}
	}
	return b.String()
}

func TestUnfold(t *testing.T) {
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	const sasl = " xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
	png := "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x60\x00\x00\x00\x40\x08\x02"
	for _, c := range []struct {
		name, text string
		secrets    bool
		want       []string
		not        string
	}{
		{"PLAIN", "<auth" + sasl + " mechanism='PLAIN'>" + b64("\x00romeo\x00secret") + "</auth>", false, []string{"mechanism | PLAIN", "user | romeo", "password | hidden, 6 bytes", "RFC 4616 §2"}, "secret"},
		{"PLAIN shown", "<auth" + sasl + " mechanism='PLAIN'>" + b64("\x00romeo\x00secret") + "</auth>", true, []string{"password | secret"}, "hidden"},
		{"SCRAM first", "<auth" + sasl + " mechanism='SCRAM-SHA-1'>" + b64("p=tls-exporter,,n=ro=2Cmeo,r=abc") + "</auth>", false, []string{"channel binding | tls-exporter", "user (n) | ro,meo", "nonce (r) | abc"}, ""},
		{"SCRAM last", "<response" + sasl + ">" + b64("c=biws,r=abcdef,p=cHJvb2Y=") + "</response>", false, []string{"channel binding (c) | biws  = n,,", "client proof (p) | hidden"}, "cHJvb2Y"},
		{"SCRAM last shown", "<response" + sasl + ">" + b64("c=biws,r=abcdef,p=cHJvb2Y=") + "</response>", true, []string{"client proof (p) | cHJvb2Y="}, "hidden"},
		{"other mechanism", "<auth" + sasl + " mechanism='EXTERNAL'>" + b64("romeo@x") + "</auth>", false, []string{"data | [SASL data hidden, 7 bytes]"}, "romeo"},
		{"no base64", "<response" + sasl + ">?secret?</response>", false, []string{"8 characters that are not base64"}, "secret"},
		{"empty", "<auth" + sasl + " mechanism='EXTERNAL'>=</auth>", false, []string{"empty, which is written ="}, ""},
		{"SASL failure", "<failure" + sasl + "><not-authorized/><text>no</text></failure>", false, []string{"error: not-authorized [RFC 6120 §6.5.10]", "text | no"}, ""},
		{"stanza error", "<iq type='error'><error type='wait' by='x' code='500'><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><too-many xmlns='urn:app'/></error></iq>", false,
			[]string{"error: resource-constraint [RFC 6120 §8.3.3.18]", "type | wait: retry later", "found by | x", "legacy code | 500", "and | too-many urn:app"}, ""},
		{"stream error", "<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>b.example</see-other-host></stream:error>", false, []string{"[RFC 6120 §4.9.3.19]", "says | b.example"}, ""},
		{"form", "<iq><x xmlns='jabber:x:data' type='submit'><field var='p' type='text-private'><value>pw1</value></field><field var='l' label='List' type='list-multi'><value>a</value><value>b</value><option><value>c</value></option><required/></field><item><field var='k'><value>v</value></field></item></x></iq>", false,
			[]string{"form submit [XEP-0004]", "p | text-private | [private hidden, 3 bytes]", "l (List) | list-multi, required | a, b [of c]", "item |  | k: v"}, "pw1"},
		{"form shown", "<iq><x xmlns='jabber:x:data' type='submit'><field var='p' type='text-private'><value>pw1</value></field></x></iq>", true, []string{"| pw1"}, ""},
		{"result pages", "<iq><fin xmlns='urn:xmpp:mam:2' complete='true'><set xmlns='http://jabber.org/protocol/rsm'><first index='3'>a</first><last>b</last><count>8</count></set></fin></iq>", false,
			[]string{"first | a, index 3", "in all | 8", "complete | true"}, ""},
		{"last page", "<iq><query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><max>10</max><before/></set></query></iq>", false, []string{"at most | 10", "before | the end: the last page"}, ""},
		{"JSON", `<message><json xmlns='urn:xmpp:json:0'>{"a":[1]}</json></message>`, false, []string{"JSON in <json/>", "{\n  \"a\": [\n    1\n  ]\n}"}, ""},
		{"no JSON", `<message><body>[hello] there</body></message>`, false, nil, "JSON"},
		{"picture", "<message><data xmlns='urn:xmpp:bob'>" + b64(png) + "</data></message>", false, []string{"base64 in <data/>: PNG image, 96 × 64 pixels", "size | 26 bytes, 36 as base64", "89504e47"}, ""},
		{"text in base64", "<message><x xmlns='urn:x'>" + b64("But soft, what light through yonder") + "</x></message>", false, []string{"base64 in <x/>: text", "But soft, what light"}, ""},
		{"JSON in base64", "<message><data xmlns='urn:x'>" + b64(`{"a":1}`) + "</data></message>", false, []string{"base64 in <data/>: JSON", "\"a\": 1"}, ""},
		{"a form in a password", "<iq><password><x xmlns='jabber:x:data'><field var='SECRET'><value>1</value></field></x></password></iq>", false, nil, "SECRET"},
		{"a long word", "<message><body>Donaudampfschifffahrtsgesellschaften</body></message>", false, nil, "base64"},
		{"a hash", "<message><x xmlns='urn:x'>da39a3ee5e6b4b0d3255bfef95601890afd80709</x></message>", false, nil, "base64"},
		{"direction", "<message><json xmlns='urn:xmpp:json:0'>{\"a\":\"\u202e\"}</json></message>", false, []string{`\u{202e}`}, "\u202e"},
	} {
		got := unfolded(t, c.text, c.secrets)
		for _, w := range c.want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: no %q in\n%s", c.name, w, got)
			}
		}
		if c.not != "" && strings.Contains(got, c.not) {
			t.Errorf("%s: %q in\n%s", c.name, c.not, got)
		}
	}
}

// Nothing that Secrets masks comes out of Unfold, and its size is bounded.
func TestUnfoldIsBounded(t *testing.T) {
	text := "<message>" + strings.Repeat("<x xmlns='jabber:x:data'>"+strings.Repeat("<field var='a'><value>b</value></field>", 200)+"</x>", 200) + "</message>"
	f := frame(t, text)
	root, err := Tree(f)
	if err != nil {
		t.Fatal(err)
	}
	out := Unfold(f, root, false)
	if len(out) != maxUnfolded {
		t.Errorf("%d", len(out))
	}
	for _, u := range out {
		if len(u.Rows) > maxRows+1 {
			t.Errorf("%d rows", len(u.Rows))
		}
	}
}

func TestMeanings(t *testing.T) {
	f := frame(t, "<iq type='get' xml:lang='en' constructor='1'><query xmlns='jabber:iq:roster' ver='1'/><x xmlns='urn:nobody:knows'/><sm xmlns='urn:xmpp:sm:9'/></iq>")
	root, err := Tree(f)
	if err != nil {
		t.Fatal(err)
	}
	m := Meanings(root)
	for key, want := range map[string]string{"iq type": "RFC 6120 §8.2.3", "iq xml:lang": "RFC 6120 §8.1.5", "query ver": "RFC 6121 §2.6", "query xmlns": "RFC 6120 §4.8", "jabber:iq:roster": "RFC 6121", "urn:nobody:knows": "", "urn:xmpp:sm:9": "XEP-0198"} {
		if got, ok := m[key]; !ok || got.Ref != want || got.Text == "" {
			t.Errorf("%s: %+v", key, got)
		}
	}
	if _, ok := m["iq constructor"]; ok || !strings.Contains(m["urn:xmpp:sm:9"].Text, "not known") {
		t.Errorf("%+v", m)
	}
}

func TestRaw(t *testing.T) {
	raw := []byte("a\tb\r\nc\x00\xff\u202eSECRETd")
	at := strings.Index(string(raw), "SECRET")
	spans := []Span{{at, at + 6, "[hidden]", "password"}}
	text := func(start, end int) string {
		var b strings.Builder
		Raw(raw, start, end, spans, func(c Class, p []byte) { b.Write(p) })
		return b.String()
	}
	for _, c := range []struct {
		start, end int
		want       string
	}{
		{0, len(raw), "a␉\tb␍␊\nc\\u{0}\\xff\\u{202e}[hidden]d"},
		{0, 2, "a␉\t"},
		{at + 3, len(raw), "[hidden]d"},
		{at, at + 2, "[hidden]"},
		{len(raw), len(raw), ""},
	} {
		if got := text(c.start, c.end); got != c.want {
			t.Errorf("%d to %d: %q, want %q", c.start, c.end, got, c.want)
		}
	}
}
