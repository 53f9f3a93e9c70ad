package main

import (
	"testing"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

// A client that begins its login without saying who it is, in front of real
// servers. Prosody 0.12 and ejabberd 23.01 refuse that by themselves; through the
// proxy they get the login in one piece.
func TestLateLogin(t *testing.T) {
	t.Parallel()
	ca := proxytest.NewCA(t)
	prosody, ejabberd := proxytest.StartProsody(t, ca, host), proxytest.StartEjabberd(t, ca, host)
	prosody.Register(t, "juliet", host, "capulet")
	ejabberd.Register(t, "juliet", host, "capulet")
	for _, c := range []struct {
		addr string
		way  proxytest.Way
	}{
		{prosody.Addr, proxytest.Way{Mechanism: "SCRAM-SHA-1"}},
		{ejabberd.Addr, proxytest.Way{Mechanism: "SCRAM-SHA-256-PLUS", Binding: "tls-unique"}},
	} {
		p := startProxy(t, "--account=juliet@"+host, "--password-file", secret(t, "capulet"), "--server-ca", ca.File, "--client-tls-max=1.2", "--server-tls-max=1.2", c.addr)
		w := p.way(c.way)
		w.JID, w.Password, w.Late = "juliet@"+host+"/balcony", "capulet", true
		talks(t, w)
		p.stop()
		if found := p.check("warning"); found != nil {
			t.Errorf("%s: %+v", w.Mechanism, found)
		}
	}
}
