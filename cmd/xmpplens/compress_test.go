package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

// A client that compresses and ejabberd: both directions are read, inside TLS
// and in the clear.
func TestCompression(t *testing.T) {
	t.Parallel()
	ca := proxytest.NewCA(t)
	server := proxytest.StartEjabberd(t, ca, host)
	server.Register(t, "juliet", host, "capulet")
	proxytest.WaitFor(t, server.Zip)
	for _, clear := range []bool{false, true} {
		t.Run(fmt.Sprintf("clear=%v", clear), func(t *testing.T) {
			p := startProxy(t, "--compression=inflate", "--server-ca", ca.File, server.Zip)
			c, err := proxytest.Connect(proxytest.Way{Addr: p.addr, JID: "juliet@localhost/balcony", Password: "capulet",
				Roots: proxytest.Pool(t, p.ca), Mechanism: "SCRAM-SHA-256", Clear: clear, Compress: true})
			if err != nil {
				t.Fatal(err)
			}
			long := strings.Repeat("a rose by any other name would smell as sweet ", 2000)
			for i, text := range []string{"wherefore", long} {
				e, err := c.IQ(fmt.Sprintf("<iq type='set' id='v%d'><query xmlns='jabber:iq:private'><rose xmlns='capulet:rose'>%s</rose></query></iq>", i, text))
				if err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(e.Inner, text) {
					t.Errorf("ejabberd has no private storage and gives back what it was sent, but: %.300s", e.Inner)
				}
			}
			c.Close()
			if code := p.stop(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			s := p.show("--format=line")
			for _, want := range []string{"client leg compressed with zlib", "server leg compressed with zlib", "iq set bind", "bind as juliet@localhost/balcony"} {
				if !strings.Contains(s, want) {
					t.Errorf("the recording lacks %q", want)
				}
			}
			for _, dir := range []string{"CS", "SC"} {
				if raw := p.show("--format=raw", "--dir="+dir); !strings.Contains(raw, long) {
					t.Errorf("%s: the long text is not recorded", dir)
				}
			}
			if found := p.check("error"); len(found) > 0 {
				t.Errorf("findings: %v", found)
			}
			if t.Failed() {
				t.Log(s)
			}
		})
	}
	t.Run("strip", func(t *testing.T) {
		p := startProxy(t, "--server-ca", ca.File, server.Zip)
		_, err := proxytest.Connect(proxytest.Way{Addr: p.addr, JID: "juliet@localhost/balcony", Password: "capulet",
			Roots: proxytest.Pool(t, p.ca), Mechanism: "SCRAM-SHA-256", Compress: true})
		var refused *proxytest.LoginError
		if !errors.As(err, &refused) || !refused.Own {
			t.Errorf("compression is offered: %v", err)
		}
		p.stop()
		if s := p.show(); !strings.Contains(s, "compression removed") {
			t.Errorf("nobody says so:\n%s", s)
		}
	})
}
