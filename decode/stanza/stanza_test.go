package stanza

import (
	"bufio"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/decode"
)

const header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"

// frames cuts text inside a client's stream.
func frames(text string) []decode.Frame {
	var d decode.Decoder
	d.Write([]byte(header + text))
	var out []decode.Frame
	add := func(f decode.Frame) {
		f.Raw, f.Name, f.NS = bytes.Clone(f.Raw), bytes.Clone(f.Name), bytes.Clone(f.NS)
		out = append(out, f)
	}
	for f, ok := d.Next(); ok; f, ok = d.Next() {
		add(f)
	}
	for f, ok := d.Close(); ok; f, ok = d.Close() {
		add(f)
	}
	return out[1:]
}

func frame(t testing.TB, text string) decode.Frame {
	t.Helper()
	f := frames(text)
	if len(f) != 1 {
		t.Fatalf("%q: %d frames", text, len(f))
	}
	return f[0]
}

func TestSummary(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`<message type='chat' from='juliet@capulet.example/balcony' to='romeo@montague.example'><body>Art thou not Romeo,
			and a Montague?</body></message>`, `chat juliet@capulet.example → romeo@montague.example: "Art thou not Romeo, and a Montague?"`},
		{`<message to='a@b'><body>&lt;b&gt;&#x1b;[31m</body></message>`, `message → a@b: "<b>` + "\ufffd" + `[31m"`},
		{`<message type='chat' to='a@b'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>`, `chat → a@b: composing`},
		{`<message type='groupchat' from='r@rooms.e/nurse' to='a@b/c'><body>hi</body></message>`, `groupchat nurse in r@rooms.e: "hi"`},
		{`<message type='error' from='x@y'><body>q</body><error type='cancel'><not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>`, `error not-allowed for a message from x@y`},
		{`<message from='a@b'><received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' type='chat' from='c@d/e' to='a@b'><body>yo</body></message></forwarded></received></message>`,
			`message from a@b: carbon of what was received, chat c@d → a@b: "yo"`},
		{`<message from='a@b'><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='urn:xmpp:avatar:metadata'><item/></items></event></message>`, `message from a@b: 1 item published to urn:xmpp:avatar:metadata`},
		{`<presence><show>away</show><status>stepped away</status></presence>`, `presence away "stepped away"`},
		{`<presence type='subscribe' to='r@m'/>`, `presence subscribe → r@m`},
		{`<presence/>`, `presence available`},
		{`<presence from='a@b/c'><show/></presence>`, `presence available from a@b`},
		{`<presence to='r@rooms/romeo'><x xmlns='http://jabber.org/protocol/muc'/></presence>`, `presence joins r@rooms as romeo`},
		{`<presence from='r@rooms/romeo'><x xmlns='http://jabber.org/protocol/muc#user'><item role='participant' affiliation='member'/><status code='110'/></x></presence>`, `presence romeo is in r@rooms, participant and member, status 110 (self)`},
		{`<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>`, `iq get roster`},
		{`<iq type='result' id='1'><query xmlns='jabber:iq:roster'><item jid='a@b'/></query></iq>`, `iq result roster, 1 contact`},
		{`<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>orchard</resource></bind></iq>`, `iq set bind resource orchard`},
		{`<iq type='error' id='1' from='e'><query xmlns='http://jabber.org/protocol/disco#info'/><error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>no</text></error></iq>`, `iq error forbidden "no" to disco#info from e`},
		{`<iq type='get' to='upload.e'><request xmlns='urn:xmpp:http:upload:0' filename='balcony.jpg' size='12345'/></iq>`, `iq get upload slot for "balcony.jpg" of 12345 bytes → upload.e`},
		{`<iq type='set'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:xmpp:avatar:data'><item/></publish></pubsub></iq>`, `iq set publish to urn:xmpp:avatar:data`},
		{`<iq type='get'><x xmlns='http://jabber.org/protocol/poke'/></iq>`, `iq get x (Presence Obtained via Kinesthetic Excitation (POKE), XEP-0132)`},
		{`<iq type='get'><x xmlns='http://jabber.org/protocol/poke' id='7'><a/><b/><a/></x></iq>`, `iq get x (Presence Obtained via Kinesthetic Excitation (POKE), XEP-0132): id 7, 2 × a, b`},
		{`<iq type='get'><x xmlns='urn:nobody'/></iq>`, `iq get x urn:nobody`},
		{`<iq type='result' id='2'/>`, `iq result`},
		{`<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>`, `features: STARTTLS required, SASL PLAIN`},
		{`<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>`, `stream error host-unknown`},
		{`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHJvbWVvAHNlY3JldA==</auth>`, `SASL login with PLAIN as romeo`},
		{`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>biwsbj1yb21lbyxyPWFiYw==</auth>`, `SASL login with SCRAM-SHA-1 as romeo`},
		{`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>Y2FwdWxldC5leGFtcGxl</auth>`, `SASL login with EXTERNAL as capulet.example`},
		{`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>`, `SASL login with EXTERNAL`},
		{`<db:result xmlns:db='jabber:server:dialback' from='a.e' to='b.e'>b4835385</db:result>`, `dialback key a.e → b.e`},
		{`<db:verify xmlns:db='jabber:server:dialback' from='b.e' to='a.e' id='1'>b4835385</db:verify>`, `dialback: is this key right? b.e → a.e`},
		{`<db:verify xmlns:db='jabber:server:dialback' from='a.e' to='b.e' id='1' type='valid'/>`, `dialback verify valid a.e → b.e`},
		{`<db:result xmlns:db='jabber:server:dialback' from='b.e' to='a.e' type='error'><error type='cancel'><remote-server-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>`, `dialback result error b.e → a.e: remote-server-not-found`},
		{`<bidi xmlns='urn:xmpp:bidi'/>`, `bidi: the stream is to be used both ways`},
		{`<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/><text>wrong</text></failure>`, `SASL failure not-authorized "wrong"`},
		{`<message type='chat' to='a@b'><encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='27183'><key rid='1'>x</key><key prekey='true' rid='2'>x</key></header><payload>QUJD</payload></encrypted><body>no</body></message>`,
			`chat → a@b: "no", encrypted with OMEMO by device 27183 for 2 devices, 1 with key exchange, 3 bytes`},
		{`<message to='a@b'><encrypted xmlns='urn:xmpp:omemo:2'><header sid='1'><keys jid='a@b'><key rid='2' kex='true'>x</key></keys></header></encrypted></message>`,
			`message → a@b: encrypted with OMEMO by device 1 for 1 device of 1 account, 1 with key exchange, keys only`},
		{`<message from='a@b'><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='urn:xmpp:avatar:metadata'><item id='1'><metadata xmlns='urn:xmpp:avatar:metadata'><info bytes='70' type='image/png' id='abc'/></metadata></item></items></event></message>`,
			`message from a@b: 1 item published to urn:xmpp:avatar:metadata, avatar image/png 70 bytes abc`},
		{`<message type='chat' to='a@b'><reactions xmlns='urn:xmpp:reactions:0' id='7'><reaction>👋</reaction></reactions></message>`, `chat → a@b: reacts 👋 to 7`},
		{`<message type='chat' to='a@b'><displayed xmlns='urn:xmpp:chat-markers:0' id='7'/></message>`, `chat → a@b: displayed 7`},
		{`<message type='chat' to='a@b'><body>now</body><replace xmlns='urn:xmpp:message-correct:0' id='7'/></message>`, `chat → a@b: "now", corrects 7`},
		{`<message type='groupchat' from='r@rooms.e'><subject>Feuds</subject></message>`, `groupchat from r@rooms.e: subject "Feuds"`},
		{`<message from='r@rooms.e'><x xmlns='http://jabber.org/protocol/muc#user'><status code='104'/></x></message>`, `message from r@rooms.e: status 104 (configuration changed)`},
		{`<presence><priority>5</priority></presence>`, `presence available, priority 5`},
		{`<iq type='set'><query xmlns='urn:xmpp:mam:2'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field><field var='with'><value>a@b</value></field></x><set xmlns='http://jabber.org/protocol/rsm'><max>10</max><before/></set></query></iq>`,
			`iq set archive, with a@b, at most 10 the last ones`},
		{`<iq type='result'><fin xmlns='urn:xmpp:mam:2' complete='true'><set xmlns='http://jabber.org/protocol/rsm'><count>3</count></set></fin></iq>`, `iq result archive, complete, 3 in all`},
		{`<iq type='result'><slot xmlns='urn:xmpp:http:upload:0'><put url='https://u/p'/><get url='https://u/g'/></slot></iq>`, `iq result upload slot https://u/g`},
		{`<iq type='set'><jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='s1'><content name='voice'><description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'><payload-type id='96'/></description><transport xmlns='urn:xmpp:jingle:transports:ice-udp:1'><candidate/><candidate/></transport></content></jingle></iq>`,
			`iq set jingle session-initiate session s1, content voice rtp:1 audio 1 codecs over ice-udp:1 2 candidates`},
		{`<iq type='result'><query xmlns='jabber:iq:last' seconds='903'/></iq>`, `iq result last activity, 903 s ago`},
		{`<iq type='set'><command xmlns='http://jabber.org/protocol/commands' node='list' action='execute'/></iq>`, `iq set command list`},
		{`<iq type='result'><vCard xmlns='vcard-temp'><FN>Juliet</FN><PHOTO><BINVAL/></PHOTO></vCard></iq>`, `iq result vcard of Juliet, with a picture`},
		{`<iq type='set'><block xmlns='urn:xmpp:blocking'><item jid='t@c'/></block></iq>`, `iq set block item jid t@c`},
		{`<iq type='set'><enable xmlns='urn:xmpp:push:0' jid='push.e' node='n'/></iq>`, `iq set push enable push.e n`},
		{`<authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-1'><initial-response>biwsbj1yb21lbyxyPWFiYw==</initial-response><bind xmlns='urn:xmpp:bind:0'><tag>Lens</tag><enable xmlns='urn:xmpp:sm:3'/></bind><request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/></authenticate>`,
			`SASL2 login with SCRAM-SHA-1 as romeo, bind Lens with enable, asks for a FAST token for HT-SHA-256-NONE`},
		{`<success xmlns='urn:xmpp:sasl:2'><authorization-identifier>a@b/c</authorization-identifier><bound xmlns='urn:xmpp:bind:0'/></success>`, `SASL2 success, logged in as a@b/c, bound`},
		{`<active xmlns='urn:xmpp:csi:0'/>`, `client is active`},
		{`<a xmlns='urn:xmpp:sm:3' h='5'/>`, `sm acknowledges 5`},
		{`<enabled xmlns='urn:xmpp:sm:3' resume='1' max='60' id='x'/>`, `sm enabled, can be resumed within 60 s`},
		{`<enabled xmlns='urn:xmpp:sm:3' resume='1' id='x'/>`, `sm enabled, can be resumed`},
		{" \n", "white space keepalive"},
		{`</stream:stream>`, "stream end"},
	} {
		if got := Parse(frames(c.in)[0]).Summary; got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.in, got, c.want)
		}
	}
}

func TestParse(t *testing.T) {
	s := Parse(frame(t, `<iq xml:lang='en' type='error' id='i&amp;1' from='a@b' to='c@d'><ping xmlns='urn:xmpp:ping'/><x xmlns='urn:nobody'/><error type='wait'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`))
	if s.Kind != "iq" || s.Name != "iq" || s.NS != "jabber:client" || s.Type != "error" || s.ID != "i&1" || s.From != "a@b" || s.To != "c@d" || s.Lang != "en" {
		t.Errorf("%+v", s)
	}
	if len(s.Payloads) != 3 || s.Payloads[0] != (Payload{"urn:xmpp:ping", "ping", "XEP-0199"}) || s.Payloads[1].XEP != "" {
		t.Errorf("payloads %v", s.Payloads)
	}
	if *s.Error != (Error{"gone", "wait", ""}) {
		t.Errorf("error %v", *s.Error)
	}
	for in, want := range map[string]string{
		`<iq xmlns='urn:other'/>`: "nonza", `<r xmlns='urn:xmpp:sm:3'/>`: "nonza", ` `: "whitespace", `</stream:stream>`: "end",
		`<!-- -->`: "comment", `<?pi?>`: "instruction", `<message></iq>`: "junk", `<presence/>`: "presence",
	} {
		if got := Parse(frames(in)[0]).Kind; got != want {
			t.Errorf("%s: kind %s, want %s", in, got, want)
		}
	}
}

func TestSummaryHasNoSecrets(t *testing.T) {
	for _, in := range []string{
		`<iq type='set'><query xmlns='urn:example:login'><password>geheim</password></query></iq>`,
		`<password>geheim</password>`,
		`<iq type='set'><login xmlns='urn:example:login'><x xmlns='jabber:x:data'><field var='a' type='text-private'><value>geheim</value></field></x></login></iq>`,
		`<task-data xmlns='urn:xmpp:sasl:2'><otp xmlns='urn:x'>geheim</otp></task-data>`,
		`<handshake xmlns='jabber:component:accept'>geheim</handshake>`,
		`<password>geheim</`,
	} {
		f := frame(t, in)
		if got := Parse(f).Summary; strings.Contains(got, "geheim") {
			t.Errorf("of %s is said: %s", in, got)
		}
	}
}

func TestSecretsOfUnknownPrefix(t *testing.T) {
	for in, want := range map[string]string{
		`<s:auth mechanism='PLAIN'>AHJvbWVvAHNlY3JldA==</s:auth>`:               `<s:auth mechanism='PLAIN'>[user romeo, password hidden, 6 bytes]</s:auth>`,
		`<s:task-data><s:otp>secret</s:otp></s:task-data>`:                      `<s:task-data>[task data hidden, 21 bytes]</s:task-data>`,
		`<s:success><f:token token='secret'/></s:success>`:                      `<s:success><f:token token='[token hidden, 6 bytes]'/></s:success>`,
		`<iq><u:header name='Cookie'>secret</u:header></iq>`:                    `<iq><u:header name='Cookie'>[cookie hidden, 6 bytes]</u:header></iq>`,
		`<iq><d:field type='text-private'><value>secret</value></d:field></iq>`: `<iq><d:field type='text-private'><value>[private hidden, 6 bytes]</value></d:field></iq>`,
	} {
		dec := decode.Decoder{Bare: true}
		dec.Write([]byte(in))
		f, _ := dec.Close()
		if got := string(Mask(f.Raw, Secrets(f))); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
}

func TestSecrets(t *testing.T) {
	const sasl, sasl2 = "urn:ietf:params:xml:ns:xmpp-sasl", "urn:xmpp:sasl:2"
	for _, c := range []struct{ in, want string }{
		{`<auth xmlns='` + sasl + `' mechanism='PLAIN'>AHJvbWVvAHNlY3JldA==</auth>`, `<auth xmlns='` + sasl + `' mechanism='PLAIN'>[user romeo, password hidden, 6 bytes]</auth>`},
		{`<response xmlns='` + sasl + `'>Yz1iaXdzLHI9YWJjLHA9c2VjcmV0</response>`, `<response xmlns='` + sasl + `'>[c=biws,r=abc,p=hidden]</response>`},
		{`<success xmlns='` + sasl + `'>dj1zZWNyZXQ=</success>`, `<success xmlns='` + sasl + `'>[v=hidden]</success>`},
		{`<auth xmlns='` + sasl + `' mechanism='X-OAUTH2'>c2VjcmV0</auth>`, `<auth xmlns='` + sasl + `' mechanism='X-OAUTH2'>[SASL data hidden, 6 bytes]</auth>`},
		{`<auth xmlns='` + sasl + `' mechanism='PLAIN'>secret!</auth>`, `<auth xmlns='` + sasl + `' mechanism='PLAIN'>[SASL data hidden, 7 characters]</auth>`},
		{`<auth xmlns='` + sasl + `' mechanism='PLAIN'>=</auth>`, `<auth xmlns='` + sasl + `' mechanism='PLAIN'>=</auth>`},
		{`<authenticate xmlns='` + sasl2 + `' mechanism='PLAIN'><initial-response>AHJvbWVvAHNlY3JldA==</initial-response></authenticate>`, `<authenticate xmlns='` + sasl2 + `' mechanism='PLAIN'><initial-response>[user romeo, password hidden, 6 bytes]</initial-response></authenticate>`},
		{`<success xmlns='` + sasl2 + `'><token xmlns='urn:xmpp:fast:0' expiry='x' token='secret'/></success>`, `<success xmlns='` + sasl2 + `'><token xmlns='urn:xmpp:fast:0' expiry='x' token='[token hidden, 6 bytes]'/></success>`},
		{`<next xmlns='` + sasl2 + `' task='TOTP'><totp xmlns='urn:totp:example'>secret</totp></next>`, `<next xmlns='` + sasl2 + `' task='TOTP'>[task data hidden, 44 bytes]</next>`},
		{`<task-data xmlns='` + sasl2 + `'><password>secret</password></task-data>`, `<task-data xmlns='` + sasl2 + `'>[task data hidden, 27 bytes]</task-data>`},
		{`<password><password>secret</password>x</password>`, `<password>[password hidden, 1 bytes]</password>`},
		{`<handshake>secret</handshake>`, `<handshake>secret</handshake>`},
		{`<handshake xmlns='jabber:component:accept'>secret</handshake>`, `<handshake xmlns='jabber:component:accept'>[handshake hidden, 6 bytes]</handshake>`},
		{`<iq type='set'><query xmlns='jabber:iq:register'><username>u</username><password>secret</password></query></iq>`, `<iq type='set'><query xmlns='jabber:iq:register'><username>u</username><password>[password hidden, 6 bytes]</password></query></iq>`},
		{`<iq><slot xmlns='urn:xmpp:http:upload:0'><put url='u'><header name='Authorization'>secret</header><header name='Expires'>x</header></put></slot></iq>`, `<iq><slot xmlns='urn:xmpp:http:upload:0'><put url='u'><header name='Authorization'>[authorization hidden, 6 bytes]</header><header name='Expires'>x</header></put></slot></iq>`},
		{`<iq><x xmlns='jabber:x:data'><field var='p' type='text-private'><value>secret</value></field></x></iq>`, `<iq><x xmlns='jabber:x:data'><field var='p' type='text-private'><value>[private hidden, 6 bytes]</value></field></x></iq>`},
		{`<message><body>secret</body></message>`, `<message><body>secret</body></message>`},
		{`<presence to='a@b/c'><x xmlns='http://jabber.org/protocol/muc'><password>secret</password></x></presence>`, `<presence to='a@b/c'><x xmlns='http://jabber.org/protocol/muc'><password>[password hidden, 6 bytes]</password></x></presence>`},
		{`<auth xmlns='` + sasl + `' mechanism='PLAIN'>c2VjcmV0<x/></auth>`, `<auth xmlns='` + sasl + `' mechanism='PLAIN'>[SASL data hidden, 6 bytes]</auth>`},
		{`<message><x xmlns='jabber:x:conference' jid='a@b' password='secret'/></message>`, `<message><x xmlns='jabber:x:conference' jid='a@b' password='[password hidden, 6 bytes]'/></message>`},
		{`<iq type='result'><services xmlns='urn:xmpp:extdisco:2'><service type='turn' username='u' password='secret'><x xmlns='jabber:x:data'><field type='text-private'><value>secret</value></field></x></service></services></iq>`, `<iq type='result'><services xmlns='urn:xmpp:extdisco:2'><service type='turn' username='u' password='[password hidden, 6 bytes]'><x xmlns='jabber:x:data'><field type='text-private'><value>[private hidden, 6 bytes]</value></field></x></service></services></iq>`},
		// Broken and cut short: still masked.
		{`<auth xmlns='` + sasl + `' mechanism='PLAIN'>AHJvbWVvAHNlY3JldA==`, `<auth xmlns='` + sasl + `' mechanism='PLAIN'>[user romeo, password hidden, 6 bytes]`},
	} {
		f := frame(t, c.in)
		if got := string(Mask(f.Raw, Secrets(f))); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.in, got, c.want)
		}
		var shown strings.Builder
		Pretty(f, PrettyOptions{Secrets: Secrets(f), Width: 20}, func(_ Class, b []byte) { shown.Write(b) })
		if c.in != c.want && (strings.Contains(shown.String(), "secret") || strings.Contains(shown.String(), "AHJv") || !strings.Contains(shown.String(), "hidden")) && !strings.Contains(c.want, ">=<") {
			t.Errorf("pretty shows %s", shown.String())
		}
	}
}

func pretty(f decode.Frame, width int) string {
	var b strings.Builder
	Pretty(f, PrettyOptions{Width: width}, func(_ Class, t []byte) { b.Write(t) })
	return b.String()
}

func TestPretty(t *testing.T) {
	for _, c := range []struct {
		in, want string
		width    int
	}{
		{`<message to='a@b'><body>hi</body><x xmlns='y'/></message>`, "<message to='a@b'>\n  <body>hi</body>\n  <x xmlns='y'/>\n</message>", 80},
		{`<message  to='a@b'   from="c@d/e"><body>hi</body></message>`, "<message to='a@b'\n    from=\"c@d/e\">\n  <body>hi</body>\n</message>", 20},
		{`<a>text <b/> mixed</a>`, `<a>text <b/> mixed</a>`, 80},
		{`<a><!-- kept --><b/></a>`, `<a><!-- kept --><b/></a>`, 80},
		{`<a><b><c/></b></a>`, "<a>\n  <b>\n    <c/>\n  </b>\n</a>", 80},
		{"<a>\u202e\x07\n</a>", "<a>\\u{202e}\\u{7}\n</a>", 80},
		{`<a></b>`, `<a></b>`, 80},
		{header, strings.Replace(strings.ReplaceAll(header, " ", "\n    "), "\n    ", " ", 1), 40},
	} {
		if got := pretty(frames(c.in)[0], c.width); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.in, got, c.want)
		}
	}
}

func TestJID(t *testing.T) {
	for _, c := range []struct {
		in   string
		want JID
		ok   bool
	}{
		{"Juliet@Capulet.example/Balcony", JID{"juliet", "capulet.example", "Balcony"}, true},
		{"capulet.example", JID{"", "capulet.example", ""}, true},
		{"a@b/c@d/e", JID{"a", "b", "c@d/e"}, true},
		{"b/c@d", JID{"", "b", "c@d"}, true},
		{"fußball@example.com", JID{"fußball", "example.com", ""}, true},
		{"π@xn--bcher-kva.example", JID{"π", "bücher.example", ""}, true},
		{"a@192.0.2.1", JID{"a", "192.0.2.1", ""}, true},
		{"a@[2001:DB8::1]/x", JID{"a", "[2001:db8::1]", "x"}, true},
		{"a@b./r", JID{"a", "b", "r"}, true},
		{"", JID{}, false}, {"@b", JID{}, false}, {"a@", JID{}, false}, {"a@b/", JID{}, false},
		{"a b@c", JID{}, false}, {"a'b@c", JID{}, false}, {"a@b c", JID{}, false}, {"henryⅣ@e", JID{}, false},
		{strings.Repeat("x", 1024) + "@b", JID{}, false}, {"a@b/\x00", JID{}, false}, {"\xff@b", JID{}, false}, {"a@[1.2.3.4]", JID{}, false},
	} {
		got, err := ParseJID(c.in)
		if got != c.want || (err == nil) != c.ok {
			t.Errorf("%.40q: %+v, %v", c.in, got, err)
		}
		if err == nil {
			if again, err := ParseJID(got.String()); err != nil || again != got {
				t.Errorf("%q again: %+v, %v", got, again, err)
			}
		}
	}
}

// infoset is what may not change when a frame is printed indented. White space
// between elements is left out.
func infoset(b []byte) (string, error) {
	d := xml.NewDecoder(bytes.NewReader(b))
	var out strings.Builder
	text := ""
	for {
		tok, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			return out.String(), nil
		} else if err != nil {
			return "", err
		}
		if c, ok := tok.(xml.CharData); ok {
			text += string(c)
			continue
		}
		if strings.TrimSpace(text) != "" {
			out.WriteString(text)
		}
		text = ""
		j, _ := json.Marshal(tok)
		out.Write(j)
	}
}

func check(t *testing.T, f decode.Frame) {
	s := Parse(f)
	if strings.IndexFunc(s.Summary, dangerous) >= 0 {
		t.Errorf("summary %q of %q could drive a terminal", s.Summary, f.Raw)
	}
	spans := Secrets(f)
	at := 0
	for _, p := range spans {
		if p.Start < at || p.End <= p.Start || p.End > len(f.Raw) {
			t.Fatalf("spans %v of %d bytes %q", spans, len(f.Raw), f.Raw)
		}
		at = p.End
	}
	var shown bytes.Buffer
	Tokens(f.Raw, nil, func(k Class, b []byte) {
		if bytes.ContainsFunc(b, func(r rune) bool { return dangerous(r) && r != '\n' && r != '\t' }) {
			t.Errorf("%q could drive a terminal", b)
		}
		shown.Write(b)
	})
	if !bytes.ContainsFunc(f.Raw, dangerous) && f.Err == nil && !bytes.Equal(shown.Bytes(), f.Raw) {
		t.Errorf("tokens\n got %q\nwant %q", shown.Bytes(), f.Raw)
	}
	if f.Kind == decode.Element && f.Part == decode.Whole && f.Err == nil && !bytes.ContainsFunc(f.Raw, dangerous) {
		want, err := infoset(f.Raw)
		if err != nil {
			return
		}
		for _, width := range []int{1, 80} {
			if got, err := infoset([]byte(pretty(f, width))); err != nil || got != want {
				t.Errorf("pretty changes %q:\n got %s, %v\nwant %s", f.Raw, got, err, want)
			}
		}
	}
}

func FuzzStanza(f *testing.F) {
	for _, s := range []string{`<iq type='set'><query xmlns='jabber:iq:register'><password>x</password></query></iq>`, `<a b = 'c'  d="e">x<![CDATA[y]]>&lt;</a>`,
		`<message><!-- x --><a:b xmlns:a='c'/></message>`, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>AAA=</auth>", "<a></b>", "<a \xff='\x1b'>"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, f := range frames(string(b)) {
			check(t, f)
		}
	})
}

// The corpus has the examples of the XEPs; it is not part of the project.
func TestCorpus(t *testing.T) {
	f, err := os.Open("../../../shared/corpus/xep-examples.jsonl")
	if err != nil {
		return // only where the corpus lies beside the checkout
	}
	defer f.Close()
	n, known, generic := 0, 0, 0
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 16<<20)
	for sc.Scan() {
		var v struct{ XML, XEP string }
		if err := json.Unmarshal(sc.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		for _, f := range frames(v.XML) {
			check(t, f)
			n++
			s := Parse(f)
			if s.Summary == "" {
				t.Errorf("no summary for %q", f.Raw)
			}
			if v.XEP == "0239" { // a joke of 5,000 elements
				continue
			}
			if slices.ContainsFunc(s.Payloads, func(p Payload) bool { return p.XEP != "" && p.NS != nsClient }) {
				if known++; s.Generic {
					generic++
				}
			}
		}
	}
	if n == 0 {
		t.Error("no frames in the corpus")
	}
	t.Logf("%d frames; of %d with a known namespace %d have only the generic summary", n, known, generic)
	if generic*10 >= known {
		t.Errorf("%d of %d summaries are generic", generic, known)
	}
}

// BenchmarkHostile prints stanzas that are made to be slow: what is given is the
// time for twice the input, relative to that for the input; 2 is linear.
func BenchmarkHostile(b *testing.B) {
	for name, text := range map[string]string{"secrets": "<password>x</password>", "deep": strings.Repeat("<a>", 900) + strings.Repeat("</a>", 900), "blanks": "<b  a='1'  />", "entities": "&lt;&#1"} {
		b.Run(name, func(b *testing.B) {
			var took [2]time.Duration
			for i := range took {
				f := frames("<iq>" + strings.Repeat(text, (i+1)*200_000/len(text)) + "</iq>")[0]
				start := time.Now()
				for range b.N {
					Parse(f)
					Pretty(f, PrettyOptions{Secrets: Secrets(f), Width: 20}, func(Class, []byte) {})
				}
				took[i] = time.Since(start)
			}
			b.ReportMetric(float64(took[1])/float64(took[0]), "x-for-twice")
		})
	}
}

func BenchmarkParse(b *testing.B) {
	f := frames(`<message type='chat' from='juliet@capulet.example/balcony' to='romeo@montague.example'><body>Art thou not Romeo?</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>`)[0]
	b.ReportAllocs()
	for b.Loop() {
		Parse(f)
	}
}
