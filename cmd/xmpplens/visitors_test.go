package main

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mellium.im/sasl"
	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

// One function a client of the matrix.

// go-sendxmpp does one thing at a time: it listens with one connection and
// sends with another.
func visitGoSendxmpp(t *testing.T, v visit) {
	var flags []string
	if v.direct {
		flags = []string{"-t"}
	}
	if proxytest.GoSendxmppHears(t, v.ca, v.addr, v.juliet, "capulet", fromRomeo, flags...) == "" {
		t.Error("nothing was heard")
	}
	proxytest.GoSendxmpp(t, v.ca, v.addr, v.juliet, "capulet", v.romeo, fromJuliet, flags...)
}

func visitSlixmpp(t *testing.T, v visit) {
	flags := []string{"--to=" + v.romeo, "--say=" + fromJuliet, "--expect=1"}
	if v.direct {
		flags = append(flags, "--direct")
	}
	out, err := proxytest.Slixmpp(t, v.ca, v.addr, v.juliet, "capulet", flags...)
	if err != nil || !strings.Contains(out, "got "+fromRomeo) {
		t.Errorf("%v: %s", err, out)
	}
}

// @xmpp/client asks for a certificate of the domain with STARTTLS, of the
// service's host with direct TLS.
func visitXMPPJS(t *testing.T, v visit) {
	service := "xmpp://" + v.addr
	if v.direct {
		service = "xmpps://" + strings.Replace(v.addr, "127.0.0.1", host, 1)
	}
	out, err := proxytest.XMPPJS(t, v.ca, service, v.juliet, "capulet", v.romeo, fromJuliet)
	if err != nil || !strings.Contains(out, "got "+fromRomeo) {
		t.Errorf("%v: %s", err, out)
	}
}

// nbxmpp is what Gajim is made of.
func visitNbxmpp(t *testing.T, v visit) {
	flags := []string{"--to=" + v.romeo, "--say=" + fromJuliet}
	if v.direct {
		flags = append(flags, "--direct")
	}
	out, err := proxytest.Nbxmpp(t, v.juliet+"/balcony", "capulet", v.addr, "", flags...)
	if err != nil || !strings.Contains(out, "got "+fromRomeo) {
		t.Errorf("%v: %s", err, out)
	}
}

func visitProfanity(t *testing.T, v visit) {
	policy := "force"
	if v.direct {
		policy = "direct"
	}
	run := startProfanity(t, v.juliet, v.addr, v.ca, policy, "/msg "+v.romeo+" "+fromJuliet)
	v.wait(fromRomeo, func() string { return run("capture-pane", "-p") })
	run("send-keys", "/quit", "Enter")
	v.wait("closed", v.out.String)
}

// startProfanity starts Profanity, a terminal program, and returns what controls
// its terminal, by commands of tmux. start is a command for when it is online.
func startProfanity(t *testing.T, jid, addr, ca, policy, start string) (run func(args ...string) string) {
	t.Helper()
	profanity := proxytest.Need(t, "profanity", "profanity")
	tmux := proxytest.Need(t, "tmux", "tmux")
	dir := t.TempDir()
	server, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"data/profanity/accounts":      fmt.Sprintf("[%[1]s]\nenabled=true\njid=%[1]s\npassword=capulet\nserver=%[2]s\nport=%[3]s\nresource=balcony\ntls.policy=%[4]s\nscript.start=start\n", jid, server, port, policy),
		"data/profanity/scripts/start": start + "\n",
		"config/profanity/profrc":      "[notifications]\nmessage=false\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	socket := filepath.Join(dir, "tmux")
	run = func(args ...string) string {
		out, err := exec.Command(tmux, append([]string{"-S", socket, "-f", "/dev/null"}, args...)...).CombinedOutput()
		if err != nil {
			t.Errorf("tmux %v: %v: %s", args, err, out)
		}
		return string(out)
	}
	run("new-session", "-d", "-x", "160", "-y", "40", "env", "-u", "SSL_CERT_DIR", "LC_ALL=C.UTF-8", "HOME="+dir, "XDG_DATA_HOME="+dir+"/data", "XDG_CONFIG_HOME="+dir+"/config", "SSL_CERT_FILE="+ca, profanity, "-a", jid)
	t.Cleanup(func() { exec.Command(tmux, "-S", socket, "kill-server").Run() }) // if it did not quit
	return run
}

// mellium.im/xmpp is a library; this is a client made with it.
func visitMellium(t *testing.T, v visit) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	me, to := jid.MustParse(v.juliet+"/balcony"), jid.MustParse(v.romeo)
	config := &tls.Config{RootCAs: proxytest.Pool(t, v.ca), ServerName: me.Domainpart(), NextProtos: []string{"xmpp-client"}}
	conn := dialed(t, v.addr)
	features := []xmpp.StreamFeature{
		xmpp.SASL("", "capulet", sasl.ScramSha256Plus, sasl.ScramSha1Plus, sasl.ScramSha256, sasl.ScramSha1, sasl.Plain),
		xmpp.BindResource(),
	}
	if v.direct {
		conn = tls.Client(conn, config)
	} else {
		features = append(features, xmpp.StartTLS(config))
	}
	state := xmpp.SessionState(0)
	if v.direct {
		state = xmpp.Secure
	}
	s, err := xmpp.NewSession(ctx, me.Domain(), me, conn, state, xmpp.NewNegotiator(func(*xmpp.Session, *xmpp.StreamConfig) xmpp.StreamConfig {
		return xmpp.StreamConfig{Features: features}
	}))
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan string, 1)
	served := make(chan error, 1)
	go func() { // ends with the session
		served <- s.Serve(xmpp.HandlerFunc(func(r xmlstream.TokenReadEncoder, start *xml.StartElement) error {
			var m struct {
				Body string `xml:"body"`
			}
			if start.Name.Local == "message" && xml.NewTokenDecoder(xmlstream.MultiReader(xmlstream.Token(*start), r)).Decode(&m) == nil && m.Body != "" {
				select {
				case heard <- m.Body:
				default:
				}
			}
			return nil
		}))
	}()
	if err := s.Send(ctx, stanza.Presence{Type: stanza.AvailablePresence}.Wrap(nil)); err != nil {
		t.Fatal(err)
	}
	body := xmlstream.Wrap(xmlstream.Token(xml.CharData(fromJuliet)), xml.StartElement{Name: xml.Name{Local: "body"}})
	if err := s.Send(ctx, stanza.Message{To: to, Type: stanza.ChatMessage}.Wrap(body)); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-heard:
		if got != fromRomeo {
			t.Errorf("heard %q", got)
		}
	case <-ctx.Done():
		t.Error("nothing was heard")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil && err != io.EOF {
		t.Error(err)
	}
	s.Conn().Close()
}

// receiveComponent lets a component stand behind the proxy.
func (at place) receiveComponent(t *testing.T) {
	at.register(t, "nurse", host, "capulet")
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(proxytest.ComponentSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startProxy(t, "--kind=component", "--secret-file", secret, at.component)
	done := make(chan string, 1)
	go func() { // ends with the component, which has its own time limit
		out, err := proxytest.SlixmppComponent(t, p.addr, "play."+host)
		done <- fmt.Sprint(out, err)
	}()
	p.wait("component handshake accepted", p.out.String)
	r := signIn(t, at.addr, "nurse")
	r.say("<message type='chat' to='play.localhost'><body>what light</body></message>", "you said: what light")
	if r.err != nil {
		t.Errorf("%v: %s", r.err, r.heard)
	}
	if s := <-done; !strings.Contains(s, "online") || !strings.HasSuffix(s, "<nil>") {
		t.Errorf("the component: %s", s)
	}
	p.stop()
	s := p.show()
	for _, want := range []string{"the handshake is right", "handshake hidden", "what light", "you said: what light"} {
		if !strings.Contains(s, want) {
			t.Errorf("no %q in\n%s", want, s)
		}
	}
	if found := p.check("error"); found != nil {
		t.Errorf("%+v", found)
	}
}
