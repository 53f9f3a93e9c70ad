package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

// The tests in this file put the program between two real servers.

// A union is two servers whose way to each other is the proxy: DNS names it for
// both.
type union struct {
	ca       *proxytest.CA // of their certificates
	a, b     *proxytest.Peer
	ejabberd bool // b is one
	lookUp   bool // the proxy finds them in a DNS of its own
	p        *program
	service  string // xmpp-server, or xmpps-server for direct TLS
	trust    bool   // they trust the proxy's authority, too
	how      proxytest.Federation
}

func (u *union) start(t *testing.T, flags ...string) {
	t.Helper()
	front := proxytest.Port(t)
	// ejabberd asks the system for addresses, whatever its DNS server is.
	zone := []string{"localhost. A 127.0.0.1"}
	u.ca = proxytest.NewCA(t)
	u.a, u.b = proxytest.NewPeer(t, "a.example"), proxytest.NewPeer(t, "b.example")
	args := []string{"--kind=s2s", "--listen", fmt.Sprintf("127.0.0.1:%d", front), "--server-ca", u.ca.File}
	var inside []string
	for domain, s := range map[string]*proxytest.Peer{u.a.Domain: u.a, u.b.Domain: u.b, "rooms." + u.b.Domain: u.b} {
		zone = append(zone, fmt.Sprintf("_%s._tcp.%s. SRV 5 0 %d localhost.", u.service, domain, front))
		to := s.S2S
		if u.service == "xmpps-server" {
			to = "tls://" + s.Direct
		}
		if !u.lookUp {
			args = append(args, "--target", domain+"="+to)
		}
		inside = append(inside, fmt.Sprintf("_%s._tcp.%s. SRV 5 0 %s localhost.", u.service, domain, to[strings.LastIndexByte(to, ':')+1:]))
	}
	if u.lookUp {
		args = append(args, "--resolver", records(t, append(inside, zone[0])...))
	}
	u.p = startProxy(t, append(args, flags...)...)
	u.how.Resolver = records(t, zone...)
	u.how.Trust = []string{u.ca.File}
	if u.trust {
		u.how.Trust = append(u.how.Trust, u.p.ca)
	}
	u.a.StartProsody(t, u.ca, u.how)
	if u.ejabberd {
		u.b.StartEjabberd(t, u.ca, u.how)
	} else {
		u.b.StartProsody(t, u.ca, u.how)
	}
	for _, s := range []*proxytest.Peer{u.a, u.b} {
		s.Register(t, "user", "secret")
	}
}

// converse sends a message each way.
func (u *union) converse(t *testing.T) {
	t.Helper()
	for _, way := range [][2]*proxytest.Peer{{u.a, u.b}, {u.b, u.a}} {
		from, to := way[0], way[1]
		text := "from " + from.Domain + " ☃ <&>"
		got, online := make(chan string, 1), filepath.Join(t.TempDir(), "online")
		go func() { // ends with the client, which has its own time limit
			out, err := proxytest.Slixmpp(t, to.CA, to.Addr, "user@"+to.Domain+"/orchard", "secret", "--expect=1", "--online="+online)
			got <- fmt.Sprint(out, err)
		}()
		for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if _, err := os.Stat(online); err == nil {
				break
			}
		}
		out, err := proxytest.Slixmpp(t, from.CA, from.Addr, "user@"+from.Domain+"/balcony", "secret", "--to=user@"+to.Domain, "--say="+text)
		if s := <-got; err != nil || !strings.Contains(s, "got "+text) {
			t.Errorf("%s: the message did not arrive: %v %s; %s", text, err, out, s)
		}
	}
}

// said is an entry of show --format=json, as far as it matters here.
type said struct {
	N, Conn                 int
	Dir, Kind, Summary, Raw string
	Phase                   string
	Related                 []struct {
		Kind string
		N    int
	}
}

func (p *program) said() []said {
	p.t.Helper()
	var list []said
	for line := range strings.Lines(p.show("--format=json", "--all")) {
		var e said
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			p.t.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

func TestFederation(t *testing.T) {
	t.Parallel()
	const shown = "the server asked for a certificate and was shown a.example"
	for _, c := range []struct {
		name  string
		u     union
		flags []string
		conns int
		want  []string // in the recording
		never []string
		found string // by check
	}{
		{"dialback", union{service: "xmpp-server"}, nil, 2,
			[]string{"dialback key a.example → b.example", "dialback: is this key right?", "dialback verify valid", "dialback result valid b.example → a.example", shown, "server leg secured with TLS 1.3", "CN=a.example for a.example"},
			[]string{"SASL", "EXTERNAL"}, ""},
		{"certificates", union{service: "xmpp-server", trust: true, how: proxytest.Federation{Secure: true}}, nil, 2,
			[]string{"SASL login with EXTERNAL", "SASL success", shown, "CN=a.example for a.example", "CN=b.example for b.example"},
			[]string{"dialback key", "not verified"}, ""},
		{"stripped", union{service: "xmpp-server", trust: true}, []string{"--mechanisms=PLAIN"}, 2,
			[]string{"EXTERNAL removed: not in --mechanisms=PLAIN", "dialback key a.example → b.example", "dialback result valid b.example → a.example"},
			[]string{"SASL login"}, ""},
		{"self-signed", union{service: "xmpp-server", how: proxytest.Federation{SelfSigned: true}}, []string{"--insecure"}, 2,
			[]string{"dialback result valid b.example → a.example", "(not verified)", "the certificate of the connecting server is not trusted"},
			[]string{"SASL login"}, ""},
		{"direct", union{service: "xmpps-server", trust: true, how: proxytest.Federation{Secure: true}}, nil, 2,
			[]string{"ALPN xmpp-server", "SASL login with EXTERNAL", "SASL success", shown},
			[]string{"STARTTLS", "not verified"}, ""},
		{"looked up", union{service: "xmpp-server", trust: true, lookUp: true}, nil, 2, []string{"SASL success"}, nil, ""},
		{"looked up, direct", union{service: "xmpps-server", trust: true, lookUp: true}, nil, 2, []string{"ALPN xmpp-server", "SASL success"}, []string{"STARTTLS"}, ""},
		{"bidi", union{service: "xmpp-server", trust: true, how: proxytest.Federation{Secure: true, Modules: []string{"s2s_bidi"}}}, nil, 1,
			[]string{"bidi: the stream is to be used both ways", "SASL success"},
			nil, ""},
		{"bidi with dialback", union{service: "xmpp-server", how: proxytest.Federation{Modules: []string{"s2s_bidi"}}}, nil, 2,
			[]string{"bidi: the stream is to be used both ways", "dialback result valid b.example → a.example"},
			nil, ""},
		{"ejabberd, dialback", union{service: "xmpp-server", ejabberd: true}, nil, 3,
			[]string{"dialback result valid b.example → a.example", "dialback result valid a.example → b.example"},
			[]string{"SASL success"}, "external-refused"},
		{"ejabberd, certificates", union{service: "xmpp-server", ejabberd: true, trust: true, how: proxytest.Federation{Secure: true}}, nil, 2,
			[]string{"SASL login with EXTERNAL", "SASL success"},
			[]string{"dialback key"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.u.start(t, c.flags...)
			c.u.converse(t)
			if code := c.u.p.stop(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			c.u.judge(t, c.conns, c.want, c.never, c.found)
		})
	}
}

// judge looks at the recording of a conversation.
func (u *union) judge(t *testing.T, conns int, want, never []string, found string) {
	t.Helper()
	text := u.p.show()
	for _, w := range append(want, `chat user@a.example → user@b.example: "from a.example ☃ <&>"`, `chat user@b.example → user@a.example: "from b.example ☃ <&>"`) {
		if !strings.Contains(text, w) {
			t.Errorf("the recording lacks %q", w)
		}
	}
	for _, n := range never {
		if strings.Contains(text, n) {
			t.Errorf("the recording has %q", n)
		}
	}
	var codes []string
	for _, f := range u.p.check("warning") {
		codes = append(codes, f.Code)
	}
	if got := strings.Join(codes, " "); got != found {
		t.Errorf("check finds %q, want %q", got, found)
	}
	list := u.p.said()
	seen := make(map[int]bool)
	for _, e := range list {
		seen[e.Conn] = true
		if e.Kind == "message" && e.Phase != "online" {
			t.Errorf("entry %d, a message, in phase %s", e.N, e.Phase)
		}
		relates := func(kind, to string) {
			t.Helper()
			i := slices.IndexFunc(e.Related, func(r struct {
				Kind string
				N    int
			}) bool {
				return r.Kind == kind
			})
			if i < 0 || !strings.Contains(list[e.Related[i].N-1].Summary, to) || list[e.Related[i].N-1].Conn == e.Conn && kind != "answers" {
				t.Errorf("entry %d (%s) relates to %v, not with %q to an entry %q", e.N, e.Summary, e.Related, kind, to)
			}
		}
		switch {
		case strings.HasPrefix(e.Summary, "dialback: is this key right?"):
			relates("verifies", "dialback key")
		case strings.HasPrefix(e.Summary, "dialback verify valid"):
			relates("answers", "is this key right?")
		case strings.HasPrefix(e.Summary, "dialback result valid"):
			relates("answers", "dialback key")
			relates("rests on", "dialback verify valid")
		}
	}
	if delete(seen, 0); len(seen) != conns {
		t.Errorf("%d connections, want %d", len(seen), conns)
	}
	if t.Failed() {
		t.Logf("recording\n%s", text)
	}
}

// One listener has a stream for each pair of domains, to the server of each.
func TestFederatedRooms(t *testing.T) {
	t.Parallel()
	u := union{service: "xmpp-server", trust: true, how: proxytest.Federation{Secure: true}}
	u.start(t)
	if out, err := proxytest.Slixmpp(t, u.a.CA, u.a.Addr, "user@a.example/balcony", "secret", "--to=lobby@rooms.b.example", "--say=anybody?"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	u.p.wait("for a message lobby@rooms.b.example → user@a.example", u.p.out.String)
	u.p.stop()
	text := u.p.show()
	for _, want := range []string{"stream a.example → rooms.b.example", "CN=rooms.b.example for rooms.b.example", "shown rooms.b.example, made by the proxy's authority", "stream rooms.b.example → a.example", "chat user@a.example → lobby@rooms.b.example"} {
		if !strings.Contains(text, want) {
			t.Errorf("the recording lacks %q:\n%s", want, text)
		}
	}
	if found := u.p.check("warning"); len(found) > 0 {
		t.Errorf("check finds %+v", found)
	}
}
