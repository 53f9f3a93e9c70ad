package stanza

import (
	"reflect"
	"testing"

	"github.com/xmpplens/xmpplens/decode"
)

const offered = `<stream:features xmlns:stream='http://etherx.jabber.org/streams'>
<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>
<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms>
<authentication xmlns='urn:xmpp:sasl:2'><mechanism>SCRAM-SHA-1</mechanism><mechanism> SCRAM-SHA-1-PLUS </mechanism>
<inline><sm xmlns='urn:xmpp:sm:3'/><fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-NONE</mechanism></fast></inline></authentication>
<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'><channel-binding type='tls-server-end-point'/><channel-binding type='tls-exporter'/></sasl-channel-binding>
</stream:features>`

// The lists and hashes are those of XEP-0474 §3.3, in its versions 0.5 and 0.3.
func TestOffer(t *testing.T) {
	root, err := Tree(decode.Frame{Kind: decode.Element, Raw: []byte(offered)})
	if err != nil {
		t.Fatal(err)
	}
	o := ReadOffer(root)
	want := Offer{StartTLS: true, SASL: true, SASL1: []string{"PLAIN"}, SASL2: []string{"SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"},
		FAST: []string{"HT-SHA-256-NONE"}, Bindings: []string{"tls-server-end-point", "tls-exporter"}}
	if !reflect.DeepEqual(o, want) {
		t.Errorf("%+v", o)
	}
	for _, c := range []struct {
		attribute byte
		want      string
	}{{'h', "G6k/rBLDqgOhRRaCuuatSDFkJ08="}, {'d', "dRc3RenuSY9ypgPpERowoaySQZY="}} {
		if got := o.Hash(c.attribute, "SCRAM-SHA-1-PLUS", nsSASL2); got != c.want {
			t.Errorf("%c: %s", c.attribute, got)
		}
	}
	if got := o.Hash('h', "PLAIN", nsSASL); got != "" {
		t.Error(got)
	}
	if a, v := OfferHash("r=d=x,s=QSXCR+Q6sek8bf92,i=4096,x=1,h=G6k/rBLDqgOhRRaCuuatSDFkJ08="); a != 'h' || v != "G6k/rBLDqgOhRRaCuuatSDFkJ08=" {
		t.Errorf("%c %s", a, v)
	}
	if a, _ := OfferHash("r=x,s=h=,i=4096"); a != 0 {
		t.Errorf("%c", a)
	}
}
