package main

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"unicode"

	"github.com/alecthomas/kong"
	"github.com/mattn/go-runewidth"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
)

const examined = "capulet.example"

// doctorSays runs xmpplens doctor.
func doctorSays(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := xmpplens(t, append([]string{"doctor", "--ca-dir", filepath.Join(t.TempDir(), "none")}, args...)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// flat is a report without its line breaks.
func flat(s string) string { return strings.Join(strings.Fields(s), " ") }

func wants(t *testing.T, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(flat(text), w) {
			t.Errorf("no %q in\n%s", w, text)
		}
	}
}

// website serves the domain's pages over HTTPS.
func website(t *testing.T, ca *proxytest.CA, pages map[string]http.HandlerFunc) string {
	t.Helper()
	leaf, err := ca.Leaf(examined)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for path, h := range pages {
		mux.HandleFunc("/.well-known/"+path, h)
	}
	s := httptest.NewUnstartedServer(mux)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{*leaf}}
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func page(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		fmt.Fprint(w, text)
	}
}

func xrd(links ...string) http.HandlerFunc {
	text := "<?xml version='1.0'?><XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>"
	for i := 0; i < len(links); i += 2 {
		text += fmt.Sprintf("<Link rel='urn:xmpp:alt-connections:%s' href='%s'/>", links[i], links[i+1])
	}
	return page(text + "</XRD>")
}

func TestDoctorDomain(t *testing.T) {
	ca := proxytest.NewCA(t)
	server := proxytest.StartProsody(t, ca, examined, weak)
	leaf, err := ca.Leaf(examined)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(leaf.Certificate[0])
	proxytest.WaitFor(t, "127.0.0.1:"+portOf(server.HTTPS))
	web := portOf(server.HTTPS)
	site := website(t, ca, map[string]http.HandlerFunc{
		"host-meta":             xrd("websocket", "wss://"+examined+":"+web+"/xmpp-websocket", "xbosh", "https://"+examined+":"+web+"/http-bind", "websocket", "ws://"+examined+":1/clear"),
		"host-meta.json":        page(`{"xmpp":{"ttl":60,"public-key-pins-sha-256":["4/mggdlVx8A3pvHAWW5sD+qJyMtUHgiRuPjVC48N0XQ="]},"links":[{"rel":"urn:xmpp:alt-connections:quic","port":443},{"rel":"urn:xmpp:alt-connections:tls","port":443}]}`),
		"posh/xmpp-client.json": page(`{"fingerprints":[{"sha-256":"` + base64.StdEncoding.EncodeToString(sum[:]) + `"}],"expires":60}`),
	})
	zone := []string{
		examined + ". A 127.0.0.1", "xmpp." + examined + ". A 127.0.0.1", "backup." + examined + ". A 127.0.0.1",
		"_xmpp-client._tcp." + examined + ". SRV 5 0 " + portOf(server.Addr) + " xmpp." + examined + ".",
		"_xmpp-client._tcp." + examined + ". SRV 10 0 5222 backup." + examined + ".",
		"_xmpps-client._tcp." + examined + ". SRV 5 0 " + portOf(server.Direct) + " xmpp." + examined + ".",
		"_xmpp-server._tcp." + examined + ". SRV 5 0 5269 xmpp." + examined + ".",
		"_xmppq-client._udp." + examined + ". SRV 5 0 443 xmpp." + examined + ".",
		`_xmppconnect.` + examined + `. TXT "_xmpp-client-xbosh=https://evil.example/bosh"`,
		"_" + portOf(server.Addr) + "._tcp.xmpp." + examined + ". TLSA 3 1 1 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	}
	out, err := doctorSays(t, "--resolver", serveZone(t, true, zone...), "--server-ca", ca.File, "--web-server", site, examined)
	if err != nil {
		t.Error(err)
	}
	wants(t, out,
		"✓ _xmpp-client._tcp xmpp.capulet.example:"+portOf(server.Addr)+" backup.capulet.example:5222",
		"✓ _xmpps-client._tcp xmpp.capulet.example:"+portOf(server.Direct),
		"✓ _xmpp-server._tcp xmpp.capulet.example:5269", "· _xmpps-server._tcp none: servers use STARTTLS",
		"! _xmppq-client._udp xmpp.capulet.example:443 (QUIC, XEP-0467)", "! _xmppconnect TXT was taken out of XEP-0156, since anybody can forge it: _xmpp-client-xbosh=",
		"! address xmpp.capulet.example is this machine (127.0.0.1)",
		"! STARTTLS at 127.0.0.1:"+portOf(server.Addr)+", not required", "✓ direct TLS at 127.0.0.1:"+portOf(server.Direct),
		"✓ TLS 1.3, TLS_", "✓ certificate capulet.example, valid until", "✓ login (SASL) ", "SCRAM-SHA-1",
		"✓ host-meta 3 ways to connect", "host-meta.json 2 ways to connect", "✓ WebSocket wss://capulet.example:"+web+"/xmpp-websocket answers and opens a stream", "✓ BOSH https://capulet.example:"+web+"/http-bind answers and begins a session", "For such a client: xmpplens proxy wss://capulet.example", "✗ WebSocket ws://capulet.example:1/clear clients may only use wss://",
		"! DANE xmpp.capulet.example:"+portOf(server.Addr)+": signed TLSA records", "3 1 1 e3b0c44298fc1c14…", "· DANE no TLSA record for backup.capulet.example:5222",
		"! POSH names the server's certificate (RFC 7711)", "! host-meta.json pins public keys (XEP-0487)",
		"1 more STARTTLS target in DNS beside xmpp.capulet.example:"+portOf(server.Addr), "QUIC (XEP-0467) is offered, over UDP",
		"! intercept nothing that is offered is bound to the TLS channel; a client that checks DANE or POSH or XEP-0487 refuses the certificate",
		"✓ own certificate with the server's certificate and key", "✓ tap nothing is altered", "xmpplens proxy capulet.example",
	)
	tidy(t, out)

	// What nobody signed counts for nobody, and a site may have nothing to say.
	out, err = doctorSays(t, "--resolver", serveZone(t, false, zone...), "--server-ca", ca.File, "--web-server", "127.0.0.1:"+web, examined)
	if err != nil {
		t.Error(err)
	}
	wants(t, out, "TLSA records, which the DNS server does not call signed", "· host-meta none", "✓ intercept nothing that is offered is bound")

	// As JSON, and a client's recipe with the domain's own hosts.
	out, err = doctorSays(t, "--format=json", "--client=dino", "--resolver", serveZone(t, false, zone...), "--server-ca", ca.File, "--web-server", site, examined)
	if err != nil {
		t.Error(err)
	}
	var r report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if len(r.Offers) != 2 || !r.Offers[1].Direct || r.Offers[0].TLS != "TLS 1.3" || !slices.Contains(r.Offers[0].Mechanisms, "PLAIN") || len(r.Ways) != 4 || len(r.Escapes) < 4 || r.Client != "dino" {
		t.Errorf("%+v", r)
	}
	all := fmt.Sprint(r.Recipe)
	for _, want := range []string{"127.0.0.1  xmpp.capulet.example", "127.0.0.1  backup.capulet.example", "-l 127.0.0.1:" + portOf(server.Direct) + " tls://", "_xmpp-client._tcp.capulet.example. 60 IN SRV"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in %s", want, all)
		}
	}
}

// tidy is how a report looks on paper: nothing is wider than 80 columns but
// what is to be copied.
func tidy(t *testing.T, out string) {
	t.Helper()
	for l := range strings.Lines(out) {
		l = strings.TrimRight(l, "\n")
		if strings.HasSuffix(l, " ") {
			t.Errorf("blanks at the end of %q", l)
		}
		if w := runewidth.StringWidth(l); w > paper && !regexp.MustCompile(`^ {6}\S`).MatchString(l) && strings.Contains(strings.TrimSpace(l), " ") {
			t.Errorf("%d columns: %s", w, l)
		}
	}
}

// Endpoints answer, and each that does not says why.
func TestDoctorEndpoints(t *testing.T) {
	ca := proxytest.NewCA(t)
	server := proxytest.StartProsody(t, ca, host)
	proxytest.WaitFor(t, server.HTTPS)
	web := "https://" + server.HTTPS
	d, err := (&doctorCmd{Server: server.Addr, ServerCA: ca.File}).doctor(host)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		kind, url, want string
		works           bool
	}{
		{"websocket", "wss" + strings.TrimPrefix(web, "https") + "/xmpp-websocket", "opens a stream for localhost", true},
		{"bosh", web + "/http-bind", "begins a session for localhost", true},
		{"websocket", "wss" + strings.TrimPrefix(web, "https") + "/nothing", "the web server answers 404", false},
		{"bosh", web + "/nothing", "the web server answers 404", false},
		{"bosh", "http://" + server.HTTP + "/http-bind", "clients may only use https://", false},
		{"websocket", "wss://localhost:" + fmt.Sprint(proxytest.Port(t)) + "/x", "connection refused", false},
		{"websocket", "://", "missing protocol scheme", false},
	} {
		e := endpoint{Kind: c.kind, URL: c.url}
		d.visit(t.Context(), &e)
		if e.Works != c.works || !strings.Contains(e.Answer, c.want) {
			t.Errorf("%s: %+v, want %s", c.url, e, c.want)
		}
	}
	stranger, err := (&doctorCmd{Server: server.Addr, ServerCA: ca.File}).doctor("verona.example")
	if err != nil {
		t.Fatal(err)
	}
	e := endpoint{Kind: "bosh", URL: web + "/http-bind"}
	if stranger.visit(t.Context(), &e); e.Works {
		t.Errorf("a session for a domain that is not there: %+v", e)
	}
}

// A web server may say what it wants: doctor tells, and goes on.
func TestDoctorBadPages(t *testing.T) {
	ca := proxytest.NewCA(t)
	d, err := (&doctorCmd{Server: "127.0.0.1:1", ServerCA: ca.File}).doctor(examined)
	if err != nil {
		t.Fatal(err)
	}
	var hops atomic.Int32
	for name, c := range map[string]struct {
		page http.HandlerFunc
		want string
	}{
		"huge": {page(strings.Repeat("<Link/>", maxPage)), "more than 262144 bytes"},
		"loop": {func(w http.ResponseWriter, r *http.Request) {
			hops.Add(1)
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		}, "more than 5 redirects"},
		"downgrade": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://user:secret@capulet.example/", http.StatusFound)
		}, "it redirects to http://user:xxxxx@capulet.example/, which is not HTTPS"},
		"broken": {page("<XRD><Link"), "cannot be read: XML syntax error"},
		"empty":  {page("<XRD/>"), "names no way to connect"},
		"busy":   {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, "the web server answers 503"},
		"no CORS": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "<XRD><Link rel='urn:xmpp:alt-connections:quic'/></XRD>")
		}, "without Access-Control-Allow-Origin"},
	} {
		t.Run(name, func(t *testing.T) {
			d.web = website(t, ca, map[string]http.HandlerFunc{"host-meta": c.page})
			var s section
			d.wellKnown(t.Context(), &s)
			if len(s.Checks) != 2 || !strings.Contains(s.Checks[0].Text, c.want) {
				t.Errorf("%+v, want %s", s.Checks, c.want)
			}
		})
	}
	if hops.Load() != maxRedirects+1 {
		t.Errorf("%d requests for a page that redirects to itself", hops.Load())
	}
	for text, want := range map[string]string{
		`{"url":"https://hosting.example/x.json","expires":60}`: "refers to https://hosting.example/x.json",
		`{"fingerprints":[{"sha-256":"AAAA"}]}`:                 "names no certificate that the server shows",
		`{}`:                                                    "names no certificate",
		`[`:                                                     "cannot be read",
	} {
		d.web = website(t, ca, map[string]http.HandlerFunc{"posh/xmpp-client.json": page(text)})
		var s section
		d.posh(t.Context(), &s, nil)
		if len(s.Checks) != 1 || !strings.Contains(s.Checks[0].Text, want) {
			t.Errorf("%s: %+v", text, s.Checks)
		}
	}
}

// Nothing answers: each step says so, and the last word is the server's.
func TestDoctorNothingThere(t *testing.T) {
	dead := "127.0.0.1:" + fmt.Sprint(proxytest.Port(t))
	out, err := doctorSays(t, "--resolver", dead, "--web-server", dead, examined)
	if err == nil {
		t.Error("exit code 0")
	}
	wants(t, out, "✗ _xmpp-client._tcp", "✗ _xmpps-server._tcp", "✗ host-meta", "✗ POSH", "✗ DANE", "✗ STARTTLS", "hint: ")
	out, err = doctorSays(t, "--server", dead, "--web-server", dead, examined)
	if err == nil {
		t.Error("exit code 0")
	}
	wants(t, out, "hint: nothing listens at "+dead)
	for _, args := range [][]string{{"--client=nobody", examined}, {"--listen=5222", examined}, {"--web-server=x", examined}, {"--server=wss://x/", examined}, {"--server-ca=missing.pem", examined}} {
		if out, err := doctorSays(t, args...); err == nil || !strings.Contains(out, "hint: ") {
			t.Errorf("%v: %v: %s", args, err, out)
		}
	}
}

func TestDoctorServers(t *testing.T) {
	t.Parallel()
	ca := proxytest.NewCA(t)
	server := proxytest.StartProsody(t, ca, examined, weak)
	dead := "127.0.0.1:" + fmt.Sprint(proxytest.Port(t))
	for _, c := range []struct {
		args, want []string
	}{
		{[]string{"--server", server.Addr, "--server-ca", ca.File, weak}, []string{"✓ TLS 1.2,", "SCRAM-SHA-1-PLUS", "! intercept a client that could bind", "✓ re-authenticate", "--mechanisms=PLAIN " + server.Addr, "! own certificate"}},
		{[]string{"--server", "tls://" + server.Direct, examined}, []string{"✓ direct TLS", "✗ certificate ", "--server-ca=FILE"}},
	} {
		out, err := doctorSays(t, append(c.args, "--web-server", dead)...)
		if err != nil {
			t.Errorf("%v: %v", c.args, err)
		}
		wants(t, out, c.want...)
		tidy(t, out)
	}
	e := proxytest.StartEjabberd(t, ca, host)
	out, err := doctorSays(t, "--server", e.Addr, "--server-ca", ca.File, "--web-server", dead, host)
	if err != nil {
		t.Error(err)
	}
	wants(t, out, "STARTTLS at "+e.Addr, "SCRAM-SHA-256-PLUS", "! intercept", "✓ re-authenticate", "✓ tap")
}

// What others say cannot drive the terminal, nor the shell that a line is
// copied to.
func TestDoctorHostile(t *testing.T) {
	r := report{Endpoints: []endpoint{{Kind: "websocket", URL: "wss://x/$(reboot)'", Works: true}}}
	r.begin("DNS").list(statusOK, "name\x1b[2J", "text\x07", []string{"value\u202e\x00", strings.Repeat("x", 200)})
	r.Escapes = escapes(zone{}, hostMeta{endpoints: r.Endpoints})
	r.Recipe = recipes(clientNamed("converse"), (&doctorCmd{Listen: "127.0.0.1:5222"}).placement(nil, &r))
	var b strings.Builder
	r.text(&b)
	if i := strings.IndexFunc(b.String(), func(r rune) bool { return r != '\n' && !unicode.IsGraphic(r) }); i >= 0 {
		t.Errorf("at %d: %q", i, b.String())
	}
	if n := strings.Count(b.String(), `'wss://x/$(reboot)'\'''`); n != 2 {
		t.Errorf("quoted %d times:\n%s", n, b.String())
	}
}

// A domain has another form in DNS than in addresses.
func TestDoctorForeignDomain(t *testing.T) {
	ca := proxytest.NewCA(t)
	server := proxytest.StartProsody(t, ca, host)
	resolver := serveZone(t, false, "_xmpp-client._tcp.xn--bcher-kva.example. SRV 5 0 "+portOf(server.Addr)+" xmpp.xn--bcher-kva.example.", "xmpp.xn--bcher-kva.example. A 127.0.0.1")
	out, err := doctorSays(t, "--resolver", resolver, "--web-server", "127.0.0.1:1", "--client=smack", "bücher.example")
	if err == nil {
		t.Error("Prosody does not have this domain")
	}
	wants(t, out, "✓ _xmpp-client._tcp xmpp.xn--bcher-kva.example:"+portOf(server.Addr), "host-unknown", `setXmppDomain("bücher.example")`, "_xmpp-client._tcp.xn--bcher-kva.example. 60 IN SRV")
}

// The lines of the redirect are understood by the kernel, in a network of their
// own.
func TestDoctorRedirect(t *testing.T) {
	if os.Geteuid() != 0 {
		proxytest.Missing(t, "needs root, to make a network namespace")
	}
	proxytest.Need(t, "nft", "nftables")
	proxytest.Need(t, "iptables", "iptables")
	r := redirectRecipe((&doctorCmd{Listen: "127.0.0.1:5222"}).placement(nil, &report{}))
	var script strings.Builder
	for _, l := range r.Lines {
		if strings.HasPrefix(l, "nft") || strings.HasPrefix(l, "iptables") {
			script.WriteString(strings.NewReplacer("skuid != lens", "skuid != nobody", "owner lens", "owner nobody").Replace(l) + "\n")
		}
	}
	if out, err := exec.Command("unshare", "-n", "sh", "-ec", script.String()).CombinedOutput(); err != nil {
		t.Errorf("%v: %s\n%s", err, out, script.String())
	}
}

func TestVerdicts(t *testing.T) {
	over := func(version uint16, cipher string, mechanisms ...string) *offering {
		return &offering{Mechanisms: mechanisms, Cipher: cipher, state: &tls.ConnectionState{Version: version}}
	}
	modern := func(mechanisms ...string) *offering {
		return over(tls.VersionTLS13, "TLS_AES_128_GCM_SHA256", mechanisms...)
	}
	exporter := modern("SCRAM-SHA-256-PLUS")
	exporter.Bindings = []string{"tls-exporter"}
	certificate := modern("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256")
	certificate.Bindings = []string{"tls-server-end-point", "tls-exporter"}
	sasl2 := modern()
	sasl2.SASL2 = []string{"SCRAM-SHA-1", "PLAIN"}
	for _, c := range []struct {
		name   string
		offer  *offering
		pinned []string
		want   string // intercept, re-authenticate, own certificate, tap
	}{
		{"nothing is bound", modern("SCRAM-SHA-1", "PLAIN"), nil, "yes yes yes yes"},
		{"bound, PLAIN is left", modern("SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "PLAIN"), nil, "partly yes partly yes"},
		{"all are bound", exporter, nil, "no yes partly yes"},
		{"bound to the certificate", certificate, nil, "partly yes yes yes"},
		{"SASL2 alone", sasl2, nil, "yes yes yes yes"},
		{"a certificate of the client", modern("EXTERNAL"), nil, "no no yes yes"},
		{"pinned", modern("SCRAM-SHA-1"), []string{"DANE"}, "partly partly yes yes"},
		{"in the clear", &offering{Mechanisms: []string{"PLAIN"}}, nil, "yes yes no no"},
		{"an old cipher", over(tls.VersionTLS12, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "PLAIN"), nil, "yes yes yes partly"},
	} {
		var got []string
		for _, w := range verdicts([]*offering{c.offer}, c.pinned, "x") {
			got = append(got, w.Works)
			if w.Why == "" || w.Works == "yes" && w.Command == "" {
				t.Errorf("%s: %+v", c.name, w)
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %s, want %s", c.name, s, c.want)
		}
	}
}

// Each client has all facts, and what they tell to type exists.
func TestClientFacts(t *testing.T) {
	var cli commandLine
	parser, err := kong.New(&cli, kong.Vars{"version": ""})
	if err != nil {
		t.Fatal(err)
	}
	flags := make(map[string]bool)
	for _, n := range parser.Model.Leaves(false) {
		if n.Name != "proxy" {
			continue
		}
		for _, group := range n.AllFlags(false) {
			for _, f := range group {
				flags[f.Name] = true
			}
		}
	}
	placeholder := regexp.MustCompile(`\{[a-z]+\}`)
	names := make(map[string]bool)
	for i, c := range clients {
		if i > 0 && clients[i-1].Name >= c.Name {
			t.Errorf("%s is not in order", c.Name)
		}
		for _, n := range append(c.Aliases, c.Name) {
			if names[n] || n != strings.ToLower(n) || clientNamed(strings.ToUpper(n)) != c {
				t.Errorf("%s: the name %s", c.Name, n)
			}
			names[n] = true
		}
		for field, text := range map[string]string{"Title": c.Title, "Finds": c.Finds, "Setting": c.Setting, "Trust": c.Trust, "Binding": c.Binding, "SOCKS": c.SOCKS, "Keys": c.Keys, "Seen": c.Seen} {
			if text == "" || strings.HasSuffix(text, ".") {
				t.Errorf("%s: %s is %q", c.Name, field, text)
			}
			for _, ph := range placeholder.FindAllString(text, -1) {
				if !slices.Contains([]string{"{addr}", "{host}", "{port}", "{domain}", "{ca}", "{keys}"}, ph) {
					t.Errorf("%s: %s has %s", c.Name, field, ph)
				}
			}
		}
		if !lacks(c.Setting) && !strings.Contains(c.Setting, "{port}") && !strings.Contains(c.Setting, "{addr}") {
			t.Errorf("%s: the setting does not say where the proxy is", c.Name)
		}
		if !lacks(c.Keys) && !strings.Contains(c.Keys, "{keys}") && !strings.Contains(c.Keys, "SSLKEYLOGFILE") {
			t.Errorf("%s: the keys go nowhere", c.Name)
		}
		out, err := doctorSays(t, "-l", "127.0.0.1:15222", c.Name)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
		wants(t, out, c.Title, "Trust", "SOCKS5", "Tap", "xmpplens proxy")
		if strings.Contains(strings.ReplaceAll(out, "converse.initialize({", ""), "{addr") || placeholder.MatchString(out) {
			t.Errorf("%s: left unfilled: %s", c.Name, out)
		}
		tidy(t, out)
		for _, l := range regexp.MustCompile(`xmpplens proxy.*`).FindAllString(out, -1) {
			for _, f := range regexp.MustCompile(`--([a-z-]+)`).FindAllStringSubmatch(l, -1) {
				if !flags[f[1]] {
					t.Errorf("%s: proxy has no flag --%s", c.Name, f[1])
				}
			}
		}
	}
	for _, want := range strings.Fields("gajim dino conversations profanity slixmpp xmpp.js smack converse.js go-sendxmpp mellium strophe.js") {
		if clientNamed(want) == nil {
			t.Errorf("%s is not known", want)
		}
	}
}

func TestDoctorHere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	say := func(env ...string) string {
		cmd := xmpplens(t, "doctor", "--ca-dir", dir)
		cmd.Env = append(os.Environ(), env...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v: %s", err, out)
		}
		tidy(t, string(out))
		return string(out)
	}
	wants(t, say("SSLKEYLOGFILE=", "HTTPS_PROXY=", "ALL_PROXY=socks5://juliet:capulet@127.0.0.1:1"), "· certificate none yet in "+dir, "· SSLKEYLOGFILE not set", "! ALL_PROXY socks5://127.0.0.1:1:")
	if _, err := os.Stat(dir); err == nil {
		t.Error("doctor made an authority")
	}
	if out, err := xmpplens(t, "ca", "show", "--ca-dir", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	ln := listenAny(t)
	defer ln.Close()
	wants(t, say("SSLKEYLOGFILE="+keys), "✓ certificate "+dir, "✓ valid until", "· trusted not by this system", "✓ key readable by you alone", "✓ SSLKEYLOGFILE "+keys)
	wants(t, say("SSL_CERT_FILE="+filepath.Join(dir, "ca.pem")), "✓ trusted by this system")
	if err := os.Chmod(filepath.Join(dir, "ca-key.pem"), 0o644); err != nil {
		t.Fatal(err)
	}
	wants(t, say(), "✗ key "+dir, "chmod 600")
}

// The pages are asked for side by side: each of these waits for the others.
func TestDoctorPagesTogether(t *testing.T) {
	ca := proxytest.NewCA(t)
	var asked atomic.Int32
	all := make(chan struct{})
	patient := func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 3 {
			close(all)
		}
		select {
		case <-all:
			w.WriteHeader(http.StatusNotFound)
		case <-r.Context().Done():
		}
	}
	d, err := (&doctorCmd{Server: "127.0.0.1:1", ServerCA: ca.File, WebServer: website(t, ca, map[string]http.HandlerFunc{pageHostMeta: patient, pageHostMetaJSON: patient, pagePOSH: patient})}).doctor(examined)
	if err != nil {
		t.Fatal(err)
	}
	r := new(report)
	d.examine(t.Context(), r)
	none := 0
	for _, s := range r.Sections {
		for _, c := range s.Checks {
			if c.Status == statusNone && (c.Name == "host-meta" || c.Name == "host-meta.json" || c.Name == "POSH") {
				none++
			}
		}
	}
	if none != 3 {
		t.Errorf("%+v", r.Sections)
	}
}
