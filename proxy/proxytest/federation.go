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

// A Peer is a Prosody that talks to other servers.
type Peer struct {
	Prosody
	Domain string
	S2S    string // other servers, clear text and STARTTLS
	Direct string // other servers, direct TLS
	CA     string // for its clients to trust, from Start on
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
	return &Peer{Prosody: Prosody{Addr: addr()}, Domain: domain, S2S: addr(), Direct: addr()}
}

// Start starts the server.
func (p *Peer) Start(t testing.TB, ca *CA, f Federation) {
	t.Helper()
	prosody := Need(t, "prosody", "prosody prosody-modules lua-unbound")
	if out, err := exec.Command("lua5.4", "-e", "require 'lunbound'").CombinedOutput(); err != nil {
		Missing(t, "needs lua-unbound: apt-get install lua-unbound: "+string(out))
	}
	dir := t.TempDir()
	p.config = filepath.Join(dir, "prosody.cfg.lua")
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	var bundle bytes.Buffer
	for _, file := range f.Trust {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		bundle.Write(b)
	}
	trust := filepath.Join(dir, "trust.pem")
	if err := os.WriteFile(trust, bundle.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	signs := ca
	if f.SelfSigned {
		signs = NewCA(t)
	}
	p.CA = signs.File
	cert, key := signs.write(t, dir, p.Domain)
	port := func(addr string) string {
		_, port, _ := net.SplitHostPort(addr)
		return port
	}
	host, dns, _ := net.SplitHostPort(f.Resolver)
	cfg := fmt.Sprintf(`run_as_root = true
pidfile = %[1]q  data_path = %[2]q  admin_socket = %[3]q
interfaces = { "127.0.0.1" }
c2s_ports = { %[4]s }  s2s_ports = { %[5]s }  s2s_direct_tls_ports = { %[6]s }
modules_enabled = { "roster", "saslauth", "tls", "dialback", "disco", "ping"%[7]s }
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
`, filepath.Join(dir, "pid"), filepath.Join(dir, "data"), filepath.Join(dir, "sock"), port(p.Addr), port(p.S2S), port(p.Direct),
		modules(f.Modules), f.Secure, dir, cert, key, trust, host, dns, filepath.Join(dir, "log"), p.Domain)
	if err := os.WriteFile(p.config, []byte(cfg), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, exec.Command(prosody, "-F", "--config", p.config), filepath.Join(dir, "log"))
	WaitFor(t, p.Addr)
	WaitFor(t, p.S2S)
}

func modules(names []string) string {
	var b strings.Builder
	for _, n := range names {
		fmt.Fprintf(&b, ", %q", n)
	}
	return b.String()
}
