package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

// The matrix: real clients log in through the proxy to real servers, say
// something and are told something. Each has a proxy and a recording of its own;
// the servers are shared. Who answers is connected to the server directly.

const (
	fromJuliet = "O Romeo, Romeo! ☃ <&>" // through the proxy
	fromRomeo  = "O speak again, bright angel! ☃ <&>"
)

// A place is a server, as the clients of the matrix find it.
type place struct {
	name                    string
	ca                      *proxytest.CA
	addr, direct, component string
	register                func(t testing.TB, user, host, password string)
}

// A visit is one client's turn: it logs in as juliet at addr, sends fromJuliet
// to romeo and receives fromRomeo. Both accounts are there for this visit only,
// since many go on at once.
type visit struct {
	*program
	juliet, romeo string // addresses of accounts; the password is capulet
	direct        bool   // TLS from the first byte
}

// A visitor is a client of the matrix.
type visitor struct {
	name string
	run  func(*testing.T, visit)
	mech map[string]string // what it logs in with, by server
}

func both(mechanism string) map[string]string {
	return map[string]string{"Prosody": mechanism, "ejabberd": mechanism}
}

var visitors = []visitor{
	{"go-sendxmpp", visitGoSendxmpp, both("PLAIN")},
	{"slixmpp", visitSlixmpp, map[string]string{"Prosody": "SCRAM-SHA-1", "ejabberd": "SCRAM-SHA-256"}},
	{"profanity", visitProfanity, map[string]string{"Prosody": "SCRAM-SHA-1", "ejabberd": "SCRAM-SHA-256"}},
	{"@xmpp/client", visitXMPPJS, map[string]string{"Prosody": "SCRAM-SHA-1", "ejabberd": "PLAIN"}}, // knows no other hash
	{"nbxmpp (Gajim)", visitNbxmpp, map[string]string{"Prosody": "SCRAM-SHA-1", "ejabberd": "SCRAM-SHA-256"}},
	{"mellium", visitMellium, map[string]string{"Prosody": "SCRAM-SHA-1", "ejabberd": "SCRAM-SHA-256"}},
}

func TestClients(t *testing.T) {
	t.Parallel()
	places := startPlaces(t)
	var rows matrix
	t.Run("all", func(t *testing.T) {
		last := 0 // number of the newest pair of accounts
		for _, at := range places {
			for _, v := range visitors {
				for _, direct := range []bool{false, true} {
					last++
					n := last
					t.Run(fmt.Sprintf("%s/%s/%s", at.name, v.name, transport(direct)), func(t *testing.T) {
						t.Parallel()
						used := at.receive(t, v.run, n, direct, v.mech[at.name])
						rows.add(t, v.name, at.name, transport(direct), used, "intercept")
					})
				}
			}
			last++
			n := last
			t.Run(at.name+"/account", func(t *testing.T) {
				t.Parallel()
				password := filepath.Join(t.TempDir(), "password")
				if err := os.WriteFile(password, []byte("capulet\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				mech := map[string]string{"Prosody": "SCRAM-SHA-1", "ejabberd": "SCRAM-SHA-256-PLUS"}[at.name]
				used := at.receive(t, visitSlixmpp, n, false, mech, fmt.Sprintf("--account=juliet%d@%s", n, host), "--password-file="+password, "--client-tls-max=1.2")
				rows.add(t, "slixmpp", at.name, transport(false), used, "re-authenticate")
			})
			t.Run(at.name+"/component", func(t *testing.T) {
				t.Parallel()
				at.receiveComponent(t)
				rows.add(t, "slixmpp component", at.name, "TCP", "handshake", "intercept")
			})
		}
	})
	t.Logf("what ran:\n%s", rows.String())
}

// receive lets a client visit through a proxy and returns the mechanism with
// which it logged in.
func (at place) receive(t *testing.T, run func(*testing.T, visit), n int, direct bool, mechanism string, flags ...string) string {
	t.Helper()
	juliet, romeo := fmt.Sprintf("juliet%d", n), fmt.Sprintf("romeo%d", n)
	at.register(t, juliet, host, "capulet")
	at.register(t, romeo, host, "capulet")
	addr := at.addr
	if direct {
		// By name, since not every client says in the handshake what it looks for.
		addr = "tls://" + strings.Replace(at.direct, "127.0.0.1", host, 1)
	}
	p := startProxy(t, append(flags, "--server-ca", at.ca.File, addr)...)
	answered := p.meet(at.addr, romeo, juliet+"@"+host)
	run(t, visit{p, juliet + "@" + host, romeo + "@" + host, direct})
	answered()
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	return p.whole(juliet, mechanism, direct)
}

// startPlaces starts one Prosody and one ejabberd for all.
func startPlaces(t *testing.T) []place {
	t.Helper()
	proxytest.Need(t, "prosody", "prosody prosody-modules lua-unbound")
	proxytest.Need(t, "erl", "ejabberd")
	ca := proxytest.NewCA(t)
	e := proxytest.StartEjabberd(t, ca, host)
	p := proxytest.StartProsody(t, ca, host, "play."+host)
	return []place{{"Prosody", ca, p.Addr, p.Direct, p.Component, p.Register}, {"ejabberd", ca, e.Addr, e.Direct, e.Component, e.Register}}
}

func transport(direct bool) string {
	if direct {
		return "TCP, direct TLS"
	}
	return "TCP, STARTTLS"
}

// matrix collects what ran.
type matrix struct {
	mu   sync.Mutex
	rows []string // guarded by mu
}

func (m *matrix) add(t *testing.T, cells ...string) {
	if t.Failed() {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows = append(m.rows, strings.Join(cells, "\t"))
}

func (m *matrix) String() string {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "client\tserver\ttransport\tmechanism\tway of looking")
	slices.Sort(m.rows)
	for _, r := range m.rows {
		fmt.Fprintln(w, r)
	}
	w.Flush()
	return b.String()
}

// whole looks at the recording: every login phase, the message both ways, no
// findings. It returns the mechanism.
func (p *program) whole(user, mechanism string, direct bool) string {
	t := p.t
	t.Helper()
	if found := p.check("error"); found != nil {
		t.Errorf("findings: %+v", found)
	}
	entries, fold := p.entries()
	said := make(map[string]bool)
	conns := make(map[int]bool)
	for _, e := range entries {
		conns[e.Conn] = true
		for dir, text := range map[string]string{"CS": fromJuliet, "SC": fromRomeo} {
			if string(e.Dir) == dir && e.Kind == "message" && strings.Contains(e.Stanza.Summary, text) {
				said[dir] = true
			}
		}
	}
	delete(conns, 0)
	for _, leg := range []string{"client", "server"} {
		if lines := strings.Count(p.show("--format=line"), leg+" leg secured with TLS 1."); lines != len(conns) {
			t.Errorf("%d connections, %s leg secured %d times", len(conns), leg, lines)
		}
	}
	if !said["CS"] || !said["SC"] {
		t.Errorf("the recording lacks a message: %v\n%s", said, p.show("--format=line"))
	}
	var got string
	for id := range conns {
		c := fold.Conn(id)
		var phases []string
		for _, s := range c.Phases {
			phases = append(phases, s.Phase)
		}
		for _, want := range []string{"tcp", "stream", "tls", "sasl", "bind", "online"} {
			if direct && want == "tls" {
				continue // is over before anything is said
			}
			if !slices.Contains(phases, want) {
				t.Errorf("connection %d: no phase %s in %v", id, want, phases)
			}
		}
		got = c.Login.Mechanism
		if got != mechanism || c.Login.Result != "success" || c.Login.User != user {
			t.Errorf("connection %d: login %+v, want %s", id, c.Login, mechanism)
		}
	}
	if got == "" {
		t.Error("no connection")
	}
	return got
}

// signIn logs an account in at the server itself, without TLS.
func signIn(t *testing.T, addr, user string) *peer {
	t.Helper()
	r := &peer{conn: dialed(t, addr), end: time.Now().Add(20 * time.Second)}
	r.conn.SetDeadline(r.end)
	open := "<stream:stream to='" + host + "' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
	r.say(open, "</stream:features>")
	r.say("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>"+base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00capulet"))+"</auth>", "<success")
	r.say(open, "</stream:features>")
	r.say("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", "</jid>")
	r.say("<presence/>", "")
	if r.err != nil {
		t.Fatalf("%s: %v: %.2000s", user, r.err, r.heard)
	}
	return r
}

// meet lets an account say something to juliet, who comes through the proxy,
// once she is there, and wait for her word. What it returns waits for that.
func (p *program) meet(addr, user, juliet string) func() {
	t := p.t
	t.Helper()
	r := signIn(t, addr, user)
	done := make(chan error, 1)
	go func() { // ends with the connection, which has a deadline
		echo := regexp.MustCompile("← presence available (from )?" + juliet)
		for !echo.MatchString(p.out.String()) {
			if time.Now().After(r.end) {
				done <- errors.New("never saw her")
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		r.say(fmt.Sprintf("<message type='chat' to='%s'><body>%s</body></message>", juliet, escaped(fromRomeo)), escaped(fromJuliet))
		done <- r.err
	}()
	return func() {
		t.Helper()
		if err := <-done; err != nil {
			t.Errorf("%s did not hear %s: %v\n%.2000s", user, fromJuliet, err, r.heard)
		}
	}
}

// peer is a client in the raw.
type peer struct {
	conn  net.Conn
	end   time.Time
	heard []byte
	err   error
}

// say writes and waits for what is to come back.
func (r *peer) say(text, until string) {
	if r.err != nil {
		return
	}
	if _, r.err = r.conn.Write([]byte(text)); r.err == nil && until != "" {
		r.err = r.await(until)
	}
}

// await reads until text came, which is then forgotten with all before it.
func (r *peer) await(text string) error {
	buf := make([]byte, 4096)
	for {
		if i := bytes.Index(r.heard, []byte(text)); i >= 0 {
			r.heard = r.heard[i+len(text):]
			return nil
		}
		n, err := r.conn.Read(buf)
		if err != nil {
			return err
		}
		r.heard = append(r.heard, buf[:n]...)
	}
}

// escaped is text as the servers write it.
func escaped(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
