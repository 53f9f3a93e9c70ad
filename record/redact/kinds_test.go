package redact

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record"
)

// document redacts one document, in pieces of a byte and as a whole, which must be the same.
func document(t *testing.T, doc string, keep ...string) string {
	t.Helper()
	var out [2]string
	for i := range out {
		r, err := newRedactor(Options{Seed: "1", Keep: keep})
		if err != nil {
			t.Fatal(err)
		}
		for _, r.collecting = range []bool{true, false} {
			b := []byte(doc)
			l := lexer{r: r}
			if i == 0 {
				l.feed(b)
			} else {
				for k := range b {
					l.feed(b[k : k+1])
				}
			}
			l.flush()
			if l.settled != int64(len(b)) {
				t.Errorf("%d of %d bytes were replaced", l.settled, len(b))
			}
			out[i] = string(b)
		}
	}
	if out[0] != out[1] {
		t.Errorf("at once\n%s\nin pieces\n%s", out[0], out[1])
	}
	if len(out[0]) != len(doc) {
		t.Errorf("%d bytes became %d", len(doc), len(out[0]))
	}
	return out[0]
}

func TestKinds(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"address", `<message from='juliet@capulet.example/balcony' to="juliet@capulet.example"/>`, `<message from='(\w{6})@(\w{7})\.example/\w{7}' to="$1@$2\.example"/>`},
		{"case", `<message from='Juliet@capulet.example' to='juliet@CAPULET.example'/>`, `<message from='(?i:(\w{6})@(\w{7})\.example' to='$1@$2\.example)'/>`},
		{"room and nick", `<presence from='garden@conference.capulet.example/juliet'><x><nick>juliet</nick></x></presence>`, `<presence from='\w{6}@conference\.\w{7}\.example/(\w{6})'><x><nick>$1</nick></x></presence>`},
		{"in an id", `<iq from='juliet@a.example' id='juliet-17:bind' type='get'/>`, `<iq from='(\w{6})@\w\.example' id='$1-17:bind' type='get'/>`},
		{"in base64", `<iq from='juliet@a.example' id='anVsaWV0QGE=' type='get'/>`, `<iq from='\w{6}@\w\.example' id='[^a]\w{10}=' type='get'/>`},
		{"in a body", `<m from='juliet@capulet.example'><body>ask Juliet, juliet@capulet.example</body></m>`, `<m from='(\w{6})@(\w{7}).example'><body>\w{3} (?i:$1), $1@$2.example</body></m>`},
		{"in a URI", `<x from='r@capulet.example'><uri>xmpp:garden@capulet.example?join;password=abc</uri></x>`, `<x from='\w@(\w{7}).example'><uri>xmpp:\w{6}@$1.example\?join;password=\w{3}</uri></x>`},
		{"address that is a word of the protocol", `<message from='message@a.example' type='chat'/>`, `<message from='[a-ln-z]\w{6}@\w\.example' type='chat'/>|<message from='m\w{6}@\w\.example' type='chat'/>`},
		{"body", `<body>Hello, Wörld! 42 🙂</body>`, `<body>[A-Z][a-z]{4}, [A-Z]\p{Ll}[a-z]{3}! \d\d \p{So}</body>`},
		{"scripts", `<body>Привет שלום 世界 مرحبا</body>`, `<body>\p{Cyrillic}{6} \p{Hebrew}{4} \p{Han}{2} \p{Arabic}{5}</body>`},
		{"references", `<body>a&amp;b &lt;c&gt; &#233;</body>`, `<body>\w&amp;\w &lt;\w&gt; &#2\d\d;</body>`},
		{"CDATA", `<body><![CDATA[ab<c>]]></body>`, `<body><!\[CDATA\[\w\w<\w>\]\]></body>`},
		{"comment", `<a><!-- romeo --></a>`, `<a><!-- \w{5} --></a>`},
		{"SASL PLAIN", `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGp1bGlldABzZWNyZXQ=</auth>`, `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>A\w{7}AHh4eHh4eA=</auth>|<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>A\w{9}B4eHh4eHg=</auth>`},
		{"handshake", `<handshake>00112233445566778899aabbccddeeff00112233</handshake>`, `<handshake>[0-9a-f]{40}</handshake>`},
		{"dialback", `<db:result xmlns:db='jabber:server:dialback' from='a.example' to='b.example'>b4835385f37fe2895af6c196b59097b16862406db80559900d96bf6fa7d23df3</db:result>`, `<db:result xmlns:db='jabber:server:dialback' from='\w\.example' to='\w\.example'>[0-9a-f]{64}</db:result>`},
		{"token", `<token xmlns='urn:xmpp:fast:0' expiry='2026-01-01T00:00:00Z' token='secret-token-here'/>`, `<token xmlns='urn:xmpp:fast:0' expiry='2026-01-01T00:00:00Z' token='x{17}'/>`},
		{"second factor", `<task-data xmlns='urn:xmpp:sasl:2'><totp xmlns='urn:totp:example'>94d27acffa2e</totp></task-data>`, `<task-data xmlns='urn:xmpp:sasl:2'><totp xmlns='urn:totp:example'>x{12}</totp></task-data>`},
		{"public server", `<message from='chat.jabber.org' to='a@jabber.org/x'><x node='http://jabber.org/protocol/muc'/></message>`, `<message from='chat\.(\w{6})\.org' to='\w@$1\.org/\w'><x node='http://jabber.org/protocol/muc'/></message>`},
		{"place", `<geoloc xmlns='http://jabber.org/protocol/geoloc'><lat>45.44</lat></geoloc>`, `<geoloc xmlns='http://jabber\.org/protocol/geoloc'><lat>\d\d\.\d\d</lat></geoloc>`},
		{"password", `<query xmlns='jabber:iq:register'><username>bill</username><password>Calliope1</password></query>`, `<query xmlns='jabber:iq:register'><username>\w{4}</username><password>x{9}</password></query>`},
		{"private field", `<x xmlns='jabber:x:data'><field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field><field var='muc#roomconfig_roomsecret' type='text-private'><value>caldron</value></field><field var='muc#roomconfig_publicroom'><value>0</value></field></x>`,
			`<x xmlns='jabber:x:data'><field var='FORM_TYPE'><value>http://jabber\.org/protocol/muc#roomconfig</value></field><field var='muc#roomconfig_roomsecret' type='text-private'><value>x{7}</value></field><field var='muc#roomconfig_publicroom'><value>0</value></field></x>`},
		{"upload", `<put url='https://upload.capulet.example/file/Tpo%20u/my%20photo.jpg?sig=abc'><header name='Authorization'>Basic Base64String==</header></put>`, `<put url='https://upload\.\w{7}\.example/file/\w{3}%20u/\w\w%20photo\.\w{3}\?\w{3}=\w{3}'><header name='Authorization'>\w{5} \w{12}==</header></put>`},
		{"OMEMO", `<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='27183'><key rid='31415'>MwohBXjDPM==</key><iv>bm90IHJlYWw=</iv></header><payload>c2VjcmV0dGV4dA==</payload></encrypted>`, `<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='27183'><key rid='31415'>\w{10}==</key><iv>\w{11}=</iv></header><payload>\w{14}==</payload></encrypted>`},
		{"candidate", `<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' pwd='asd88fgpdd777uzjYhagZg' ufrag='8hhy'><candidate component='1' foundation='1' ip='192.0.3.33' port='45664' rel-addr='10.0.1.1' type='srflx'/></transport>`, `<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' pwd='x{22}' ufrag='xxxx'><candidate component='1' foundation='1' ip='[12]\d\d\.\d\.\d\.\d\d' port='45664' rel-addr='10\.\d\.\d\.\d' type='srflx'/></transport>`},
		{"vCard", `<vCard xmlns='vcard-temp'><FN>Juliet Capulet</FN><JABBERID>juliet@capulet.example</JABBERID><PHOTO><TYPE>image/png</TYPE><BINVAL>iVBORw0KGgo=</BINVAL></PHOTO></vCard>`, `<vCard xmlns='vcard-temp'><FN>(?i:(\w{6}) (\w{7})</FN><JABBERID>$1@$2.example)</JABBERID><PHOTO><TYPE>image/png</TYPE><BINVAL>\w{11}=</BINVAL></PHOTO></vCard>`},
		{"XHTML", `<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'><p style='color:red'>secret <a href='http://intranet.capulet.example/plans'>plan</a></p></body></html>`, `<html xmlns='http://jabber\.org/protocol/xhtml-im'><body xmlns='http://www\.w3\.org/1999/xhtml'><p style='color:red'>\w{6} <a href='http://\w{8}\.\w{7}\.example/\w{5}'>\w{4}</a></p></body></html>`},
		{"not known", `<x xmlns='urn:example:own' who='Benvolio' n='17'><deep>Mercutio is here</deep></x>`, `<x xmlns='urn:example:own' who='\w{8}' n='17'><deep>\w{8} \w\w \w{4}</deep></x>`},
		{"junk", "Benvolio & <no way='x <b>", `\w{8} & <no way='\w <\w>`},
		{"software", `<query xmlns='jabber:iq:version'><name>Gajim</name><version>1.8.4</version><os>Debian of Benvolio</os></query>`, `<query xmlns='jabber:iq:version'><name>Gajim</name><version>1\.8\.4</version><os>\w{6} \w\w \w{8}</os></query>`},
		{"node", `<c node='https://gajim.org' ver='2JbtbBJfF9LPExTuei+Ukq97Bzs=' hash='sha-1'/><items node='princely_musings'/>`, `<c node='https://gajim\.org' ver='2JbtbBJfF9LPExTuei\+Ukq97Bzs=' hash='sha-1'/><items node='\w{16}'/>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := document(t, c.in)
			if got == c.in {
				t.Fatal("nothing was replaced: ", got)
			}
			fits(t, c.want, got)
			if utf8.ValidString(c.in) && !utf8.ValidString(got) {
				t.Errorf("not UTF-8: %q", got)
			}
		})
	}
}

// fits compares with a pattern in which $1 stands for what the first group matched.
func fits(t *testing.T, want, got string) {
	t.Helper()
	for _, p := range strings.Split(want, "|<") {
		if !strings.HasPrefix(p, "<") && strings.HasPrefix(want, "<") {
			p = "<" + p
		}
		first := regexp.MustCompile(`\$\d`).ReplaceAllString(p, `[^<>'"]+?`)
		m := regexp.MustCompile(`^` + first + `$`).FindStringSubmatch(got)
		if m == nil {
			continue
		}
		ok := true
		for i := 1; i < len(m); i++ {
			p = strings.ReplaceAll(p, "$"+string(rune('0'+i)), regexp.QuoteMeta(m[i]))
		}
		ok = regexp.MustCompile(`^` + p + `$`).MatchString(got)
		if ok {
			return
		}
	}
	t.Errorf("got\n%s\nwant\n%s", got, want)
}

func TestKeep(t *testing.T) {
	in := `<message from='juliet@capulet.example'><subject>Tonight</subject><body>Come, Juliet, now</body></message>`
	got := document(t, in, "body")
	fits(t, `<message from='(\w{6})@\w{7}\.example'><subject>\w{7}</subject><body>Come, (?i:$1), now</body></message>`, got)
	if strings.Contains(got, "<subject>Tonight") || strings.Contains(strings.ToLower(got), "juliet") {
		t.Error(got)
	}
	if _, err := newRedactor(Options{Keep: []string{"bodies"}}); err == nil || !strings.Contains(err.(*UnknownKind).Hint(), "subject") {
		t.Error(err)
	}
}

// SASL messages keep their form.
func TestSASL(t *testing.T) {
	r, _ := newRedactor(Options{Seed: "1"})
	for _, c := range []struct{ mechanism, in, want string }{
		{"PLAIN", "\x00juliet\x00r0m30myr0m30", "\x00\\w{6}\x00x{12}"},
		{"PLAIN", "romeo@a.example\x00juliet\x00r0m30myr0m30", "\\w{5}@\\w.example\x00\\w{6}\x00x{12}"},
		{"SCRAM-SHA-1", "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL", `n,,n=\w{4},r=\w{4}\+\w{19}`},
		{"SCRAM-SHA-1", "p=tls-exporter,a=romeo@a.example,n=user,r=fyko", `p=tls-exporter,a=\w{5}@\w\.example,n=\w{4},r=\w{4}`},
		{"SCRAM-SHA-1", "r=fyko3rfc,s=QSXCR+Q6sek8bf92,i=4096,d=dRc3RenuSY9ypgPpERowoaySQZY=", `r=\w{8},s=AAAAA\+A{10},i=4096,d=dRc3RenuSY9ypgPpERowoaySQZY=`},
		{"SCRAM-SHA-1", "c=biws,r=fyko3rfc,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", `c=biws,r=\w{8},p=A{21}\+A{5}=`},
		{"SCRAM-SHA-1", "c=cD10bHMtdW5pcXVlLCwAAQIDBAUGBwgJ,r=f,p=v0X8v3Bz", `c=cD10bHMtdW5pcXVlLCwAAAAAAAAAAAAA,r=\w,p=A{8}`},
		{"SCRAM-SHA-1", "e=invalid-proof", "e=invalid-proof"},
		{"HT-SHA-256-NONE", "juliet\x00\x01\x02ab", "\\w{6}\x00xxxx"},
		{"EXTERNAL", "montague.example", `\w{8}\.example`},
		{"X-OAUTH", "bearer abc", `x{6} xxx`},
	} {
		b := []byte(c.in)
		r.saslMessage(b, c.mechanism)
		if !regexp.MustCompile(`^(?s:` + c.want + `)$`).Match(b) {
			t.Errorf("%q became %q", c.in, b)
		}
	}
}

func TestIP(t *testing.T) {
	r, _ := newRedactor(Options{Seed: "1"})
	for _, c := range []struct{ in, want string }{
		{"127.0.0.1:5222", `127\.0\.0\.1:5222`}, {"[::1]:5222", `\[::1\]:5222`}, {"0.0.0.0", `0\.0\.0\.0`},
		{"203.0.113.7:40122", `\d{3}\.\d\.\d{3}\.\d:40122`}, {"10.20.3.4", `10\.\d\d\.\d\.\d`}, {"192.168.178.23", `192\.168\.\d{3}\.\d\d`},
		{"2001:db8::1", `\d{4}:[a-f]{2}\d::\d`}, {"[fe80::abc%eth0]:5222", `\[fe80::[a-f]{3}%eth0\]:5222`}, {"::ffff:203.0.113.7", `::[a-f]{4}:\d{3}\.\d\.\d{3}\.\d`},
	} {
		s := c.in
		r.str(&s, mixed, "address")
		if !regexp.MustCompile(`^`+c.want+`$`).MatchString(s) || len(s) != len(c.in) {
			t.Errorf("%s became %s", c.in, s)
		}
		if host := strings.Trim(s, "[]"); !strings.Contains(c.in, "]:") && !strings.Contains(c.in, ":40122") && !strings.Contains(c.in, ":5222") {
			if _, err := netip.ParseAddr(host); err != nil {
				t.Error(err)
			}
		}
	}
	// What has the same beginning keeps having it, what differs stays apart.
	seen := make(map[string]bool)
	prefix := ""
	for i := range 256 {
		s := netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}).String()
		was := s
		r.str(&s, mixed, "address")
		at := strings.LastIndexByte(s, '.')
		if s == was || seen[s] || prefix != "" && s[:at] != prefix {
			t.Fatalf("%s became %s", was, s)
		}
		seen[s], prefix = true, s[:at]
	}
}

// The cipher leaves nothing as it was, and keeps apart what differs.
func TestCipher(t *testing.T) {
	r, _ := newRedactor(Options{Seed: "1"})
	for n := 1; n <= 3; n++ {
		seen := make(map[string]bool)
		total := 1
		for range n {
			total *= 26
		}
		for i := range total {
			b := make([]byte, n)
			for k, x := 0, i; k < n; k, x = k+1, x/26 {
				b[k] = byte('a' + x%26)
			}
			was := string(b)
			r.units(r.value(b, false), "name")
			if string(b) == was || seen[string(b)] {
				t.Fatalf("%s became %s", was, b)
			}
			seen[string(b)] = true
		}
	}
}

// An address is as valid as it was.
func TestAddressesStayValid(t *testing.T) {
	r, _ := newRedactor(Options{Seed: "1"})
	for _, s := range []string{"juliet@capulet.example", "Ärger@bücher.example/Ωmega ½", "пользователь@пример.example/телефон", "משתמש@דוגמה.example", "用户@例子.example/手机",
		"a@xn--bcher-kva.example/x", "o'hara@a.example", "a b@c.example", "@a.example", "a@", "a@b.example/", "a@-b.example", "d\\27artagnan@musketeers.example", "a@[2001:db8::1]/x", "a@192.0.2.1",
		"fußball@straße.example", "ＡＢ@a.example", "ﬁ@a.example", "a@b_c.example", "Σίσυφος@a.example/Σίσυφος", "हिन्दी@उदाहरण.example/हिन्दी"} {
		b := []byte(s)
		r.jid(r.value(b, false))
		_, before := stanza.ParseJID(s)
		_, after := stanza.ParseJID(string(b))
		if (before == nil) != (after == nil) || len(b) != len(s) {
			t.Errorf("%s (%v) became %s (%v)", s, before, b, after)
		}
		if string(b) == s && strings.IndexFunc(s, unicode.IsLetter) >= 0 {
			t.Errorf("%s stayed", s)
		}
	}
}

func TestEvents(t *testing.T) {
	r, _ := newRedactor(Options{Seed: "1"})
	evs := []record.Event{
		{E: record.EventOpen, C: 1, Kind: "c2s", Client: "203.0.113.7:40122", Server: "chat.capulet.example:5222"},
		{E: record.EventSecure, C: 1, Leg: "server", Version: "TLS 1.3", Peer: "CN=capulet.example,O=House of Capulet", Why: `the certificate is for capulet.example, not for "garden.capulet.example"`},
		{E: record.EventNote, C: 1, By: "proxy", Text: "connected to 203.0.113.7:5222", Hint: "see --server-ca"},
		{E: record.EventNote, Text: "here Juliet disappears"},
		{E: record.EventNote, By: record.ByUser, Text: `expect answer within 2s: from.bare == "juliet@capulet.example"`},
		{E: record.EventTLS, C: 1, D: record.CS, Data: []byte{0x17, 3, 3, 0, 1, 9}, HasData: true},
		{E: record.EventHTTP, C: 1, Op: "GET", Text: "/http-bind?sid=abc", Code: 200},
		{E: record.EventControl, C: 1, D: record.CS, Op: "ping", Data: []byte("juliet"), HasData: true},
		{E: record.EventInject, C: 1, D: record.SC, Data: []byte("<message from='juliet@capulet.example'/>"), HasData: true, By: "rule capulet-drop", Why: "Juliet asked"},
		{E: "future", Extra: []record.Member{{Key: "who", Value: []byte(`{"a":["juliet@capulet.example",1,true]}`)}}},
		{E: record.EventClose, C: 1, By: "server", Error: "read tcp 203.0.113.7:40122: connection reset by peer"},
	}
	var out []record.Event
	for _, r.collecting = range []bool{true, false} {
		out = nil
		r.conns = make(map[int]*conn)
		for _, ev := range evs {
			if err := r.take(ev, func(ev record.Event) error { out = append(out, ev); return nil }); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(out) != len(evs) {
		t.Fatal(len(out))
	}
	for _, c := range []struct{ got, want string }{
		{out[0].Client, `\d{3}\.\d\.\d{3}\.\d:40122`}, {out[0].Server, `chat\.\w{7}\.example:5222`}, {out[0].Kind, "c2s"},
		{out[1].Peer, `CN=\w{7}\.example,O=\w{5} \w\w \w{7}`}, {out[1].Why, `the certificate is for \w{7}\.example, not for "\w{6}\.\w{7}\.example"`},
		{out[2].Text, `connected to \d{3}\.\d\.\d{3}\.\d:5222`}, {out[2].Hint, "see --server-ca"}, {out[3].Text, `\w{4} \w{6} \w{10}`},
		{out[4].Text, `expect answer within 2s: from.bare == "\w{6}@\w{7}\.example"`},
		{string(out[5].Data), "\x00{6}"}, {out[6].Text, `/http-bind\?\w{3}=\w{3}`}, {string(out[7].Data), `\w{6}`},
		{string(out[8].Data), `<message from='\w{6}@\w{7}\.example'/>`}, {out[8].By, `rule \w{7}-\w{4}`}, {out[8].Why, `\w{6} \w{5}`},
		{string(out[9].Extra[0].Value), `\{"a":\["\w{6}@\w{7}\.example",1,true\]\}`}, {out[10].Error, `read tcp \d{3}\.\d\.\d{3}\.\d:40122: connection reset by peer`},
	} {
		if !regexp.MustCompile(`^(?:`+c.want+`)$`).MatchString(c.got) || regexp.MustCompile(`(?i)juliet|capulet|203\.0\.113|garden`).MatchString(c.got) {
			t.Errorf("%q, want %s", c.got, c.want)
		}
	}
}
