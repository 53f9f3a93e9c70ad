package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/proxy/mitmca"
	"github.com/xmpplens/xmpplens/proxy/session"
)

func authority(t *testing.T) (*mitmca.Authority, *x509.CertPool) {
	t.Helper()
	a, err := mitmca.New()
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.Certificate())
	return a, pool
}

func leafOf(t *testing.T, a *mitmca.Authority, domain string) *tls.Certificate {
	t.Helper()
	leaf, err := a.Leaf(domain)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// shows is the state of a connection whose peer shows a certificate.
func shows(leaf *tls.Certificate) tls.ConnectionState {
	return tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf.Leaf}}
}

func TestCheckPeer(t *testing.T) {
	good, pool := authority(t)
	bad, _ := authority(t)
	p := &Proxy{Kind: session.KindS2S, ServerCA: pool}
	if got := p.checkPeer(shows(leafOf(t, good, "a.example"))); got != "" {
		t.Errorf("a good one: %s", got)
	}
	if got := p.checkPeer(shows(leafOf(t, bad, "a.example"))); !strings.Contains(got, "unknown authority") {
		t.Errorf("of another authority: %q", got)
	}
	if got := p.checkPeer(tls.ConnectionState{}); got != "" {
		t.Errorf("none: %q", got)
	}
	var info session.TLS
	introduce(&info, shows(leafOf(t, good, "a.example")), &verdict{shown: "b.example"})
	if len(info.Names) != 1 || info.Names[0] != "a.example" || info.Shown != "b.example" || !strings.HasSuffix(info.Peer, " for a.example") {
		t.Errorf("%+v", info)
	}
}

// Each leg shows the user's own certificate where it is for the leg's domain.
func TestOwnCertificateBetweenServers(t *testing.T) {
	ca, _ := authority(t)
	other, _ := authority(t)
	own := leafOf(t, other, "a.example")
	p := &Proxy{Kind: session.KindS2S, CA: ca, Certificate: own}
	v := new(verdict)
	if p.leaf("A.example") != own || p.show("a.example", v) != own || !strings.Contains(v.shown, "--cert") {
		t.Errorf("not the own one: %+v", v)
	}
	if leaf := p.show("b.example", v); leaf == own || leaf.Leaf == nil || leaf.Leaf.DNSNames[0] != "b.example" || !strings.Contains(v.shown, "authority") {
		t.Errorf("another domain: %+v", v)
	}
	v = new(verdict)
	if leaf := p.show("", v); len(leaf.Certificate) != 0 || v.shown != "" {
		t.Error("nobody's certificate is shown")
	}
	p.Kind = ""
	if leaf := p.show("a.example", v); len(leaf.Certificate) != 0 || v.shown != "" {
		t.Error("a client shows the certificate of a server")
	}
	if p.leaf("b.example") != own {
		t.Error("clients do not see the own certificate")
	}
}
