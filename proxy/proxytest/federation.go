package proxytest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A Peer is a server that talks to other servers.
type Peer struct {
	Domain string
	Addr   string // clients, clear text and STARTTLS
	S2S    string // other servers, clear text and STARTTLS
	Direct string // other servers, direct TLS
	CA     string // for its clients to trust, from its start on

	register func(user, password string)
}

// A Federation is how peers find and believe each other.
type Federation struct {
	Resolver   string   // address of their DNS server
	Trust      []string // files of authorities, in PEM
	Secure     bool     // demand a good certificate of the other server; otherwise dialback is enough
	SelfSigned bool     // its certificate is of an authority that nobody knows
	Modules    []string // besides what is needed, such as s2s_bidi
}

// NewPeer reserves the addresses of a server, so that they can be told before
// it starts.
func NewPeer(t testing.TB, domain string) *Peer {
	t.Helper()
	addr := func() string { return fmt.Sprintf("127.0.0.1:%d", Port(t)) }
	return &Peer{Addr: addr(), Domain: domain, S2S: addr(), Direct: addr()}
}

// Register makes an account.
func (p *Peer) Register(t testing.TB, user, password string) {
	t.Helper()
	p.register(user, password)
}

// StartProsody starts the server as a Prosody, whose rooms are at "rooms." +
// Domain.
func (p *Peer) StartProsody(t testing.TB, ca *CA, f Federation) {
	t.Helper()
	prosody := Need(t, "prosody", "prosody prosody-modules lua-unbound")
	if out, err := exec.Command("lua5.4", "-e", "require 'lunbound'").CombinedOutput(); err != nil {
		Missing(t, "needs lua-unbound: apt-get install lua-unbound: "+string(out))
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "prosody.cfg.lua")
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	trust := f.bundle(t)
	signs := ca
	if f.SelfSigned {
		signs = NewCA(t)
	}
	p.CA = signs.File
	cert, key := signs.write(t, dir, p.Domain)
	roomsCert, roomsKey := signs.write(t, dir, "rooms."+p.Domain)
	host, dns, _ := net.SplitHostPort(f.Resolver)
	cfg := fmt.Sprintf(`run_as_root = true
pidfile = %[1]q  data_path = %[2]q  admin_socket = %[3]q
interfaces = { "127.0.0.1" }
c2s_ports = { %[4]s }  s2s_ports = { %[5]s }  s2s_direct_tls_ports = { %[6]s }
modules_enabled = { "roster", "saslauth", "tls", "dialback", "disco", "ping", "offline"%[7]s }
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
s2s_secure_auth = %[8]t
certificates = %[9]q
ssl = { certificate = %[10]q; key = %[11]q; cafile = %[12]q }
s2s_direct_tls_ssl = ssl
unbound = { resolvconf = false; hoststxt = false; forward = { "%[13]s@%[14]s" }; options = { ["do-not-query-localhost:"] = "no" } }
log = { { levels = { min = "debug" }, to = "file", filename = %[15]q } }
VirtualHost %[16]q
  ssl = { certificate = %[10]q; key = %[11]q; cafile = %[12]q }
Component "rooms.%[16]s" "muc"
  ssl = { certificate = %[17]q; key = %[18]q; cafile = %[12]q }
`, filepath.Join(dir, "pid"), filepath.Join(dir, "data"), filepath.Join(dir, "sock"), port(p.Addr), port(p.S2S), port(p.Direct),
		modules(f.Modules), f.Secure, dir, cert, key, trust, host, dns, filepath.Join(dir, "log"), p.Domain, roomsCert, roomsKey)
	if err := os.WriteFile(config, []byte(cfg), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, exec.Command(prosody, "-F", "--config", config), filepath.Join(dir, "log"))
	WaitFor(t, p.Addr)
	WaitFor(t, p.S2S)
	p.register = func(user, password string) { (&Prosody{config: config}).Register(t, user, p.Domain, password) }
}

// StartEjabberd starts the server as an ejabberd.
func (p *Peer) StartEjabberd(t testing.TB, ca *CA, f Federation) {
	t.Helper()
	trust := f.bundle(t)
	host, dns, _ := net.SplitHostPort(f.Resolver)
	inetrc := filepath.Join(t.TempDir(), "inetrc")
	if err := os.WriteFile(inetrc, fmt.Appendf(nil, "{resolv_conf, \"\"}.\n{lookup, [dns]}.\n{nameserver, {%s}, %s}.\n", strings.ReplaceAll(host, ".", ","), dns), 0o600); err != nil {
		t.Fatal(err)
	}
	tls := "required"
	if f.Secure {
		tls = "required_trusted"
	}
	api := fmt.Sprint(Port(t))
	runEjabberd(t, ca, p.Domain, func(pem string) string {
		return fmt.Sprintf(`hosts: [%q]
loglevel: debug
registration_timeout: infinity
certfiles: [%q]
ca_file: %q
s2s_cafile: %q
s2s_use_starttls: %s
s2s_dns_timeout: 5
listen:
  - {port: %s, ip: "127.0.0.1", module: ejabberd_c2s, starttls: true}
  - {port: %s, ip: "127.0.0.1", module: ejabberd_s2s_in}
  - {port: %s, ip: "127.0.0.1", module: ejabberd_s2s_in, tls: true}
  - {port: %s, ip: "127.0.0.1", module: ejabberd_http, request_handlers: {"/api": mod_http_api}}
acl: {loopback: {ip: [127.0.0.0/8]}}
api_permissions:
  "http": {from: [mod_http_api], who: [{access: {allow: [{acl: loopback}]}}], what: ["*"]}
modules: {mod_admin_extra: {}, mod_disco: {}, mod_http_api: {}, mod_ping: {}, mod_offline: {}, mod_roster: {}, mod_s2s_dialback: {}}
`, p.Domain, pem, trust, trust, tls, port(p.Addr), port(p.S2S), port(p.Direct), api)
	}, "ERL_INETRC="+inetrc)
	p.CA = ca.File
	for _, addr := range []string{p.Addr, p.S2S, "127.0.0.1:" + api} {
		WaitFor(t, addr)
	}
	p.register = func(user, password string) {
		(&Ejabberd{api: "http://127.0.0.1:" + api + "/api/"}).Register(t, user, p.Domain, password)
	}
}

// bundle writes the authorities into one file.
func (f *Federation) bundle(t testing.TB) string {
	t.Helper()
	var all bytes.Buffer
	for _, file := range f.Trust {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	name := filepath.Join(t.TempDir(), "trust.pem")
	if err := os.WriteFile(name, all.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func port(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

func modules(names []string) string {
	var b strings.Builder
	for _, n := range names {
		fmt.Fprintf(&b, ", %q", n)
	}
	return b.String()
}
