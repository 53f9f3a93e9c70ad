package mitmca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"slices"
	"testing"
)

func TestDomains(t *testing.T) {
	ca, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for domain, want := range map[string][]string{
		"capulet.example": {"capulet.example"},
		"bücher.example":  {"xn--bcher-kva.example", "bücher.example"},
	} {
		leaf, err := ca.Leaf(domain)
		if err != nil {
			t.Fatal(err)
		}
		if got := Domains(leaf.Leaf); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", domain, got, want)
		}
	}
	leaf, err := ca.PeerLeaf("capulet.example")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range leaf.Leaf.Extensions {
		if e.Id.Equal(oidSubjectAltName) && bytes.Contains(e.Value, []byte{0x2b, 6, 1, 5, 5, 7, 8, 5}) {
			t.Error("the certificate for servers has an XmppAddr")
		}
	}
	if got := Domains(leaf.Leaf); !slices.Equal(got, []string{"capulet.example"}) {
		t.Errorf("%q", got)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	// What is no name, and what is broken, is no domain.
	for _, value := range [][]byte{{}, {0x30, 0x80}, {0x30, 2, 0xa0, 0}, {0x30, 6, 0xa0, 4, 6, 2, 0x2b, 6}, {0x30, 4, 0x82, 2, 'a', '.'}} {
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: serial(), Extensions: nil,
			ExtraExtensions: []pkix.Extension{{Id: []int{2, 5, 29, 17}, Value: value}}}, ca.cert, key.Public(), ca.key)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			cert = &x509.Certificate{Extensions: []pkix.Extension{{Id: []int{2, 5, 29, 17}, Value: value}}}
		}
		if got := Domains(cert); len(got) > 1 {
			t.Errorf("% x: %q", value, got)
		}
	}
}
