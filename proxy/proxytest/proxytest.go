// Package proxytest starts the real partners of tests: Prosody, go-sendxmpp,
// slixmpp, a small server and client of our own for what no packaged one has (see
// Server and Connect), and what stands between them.
//
// Everything is on loopback and ends with the test. A partner that is not
// installed skips the test with the line that installs it; with CI=true it
// fails.
package proxytest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/proxy/mitmca"
)

// limit is how long anything may take here.
const limit = 60 * time.Second

// Need returns the path of a program, or skips the test.
func Need(t testing.TB, program, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		Missing(t, "needs "+program+": apt-get install "+pkg)
	}
	return path
}

// Missing skips the test, except where nothing may be missing.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// Port returns a free port. It is below those that the kernel gives out, so
// that nobody else gets it meanwhile; and no other test does until this one ends.
func Port(t testing.TB) int {
	t.Helper()
	portMu.Lock()
	defer portMu.Unlock()
	for range 5000 {
		nextPort++
		release, ok := reserve(nextPort)
		if !ok {
			continue
		}
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", nextPort))
		if err == nil {
			ln.Close()
			t.Cleanup(release)
			return nextPort
		}
		release()
	}
	t.Fatal("no free port")
	return 0
}

// reserve keeps a port from the tests of other packages, which run in processes
// of their own: between the look at a port and the server's own listening it is
// free. The name of a socket, which goes with its process, stands for it.
func reserve(port int) (release func(), ok bool) {
	if runtime.GOOS != "linux" { // only there sockets have names that are no files
		return func() {}, true
	}
	ln, err := net.Listen("unix", fmt.Sprintf("@xmpplens-test-port-%d", port))
	if err != nil {
		return nil, false
	}
	return func() { ln.Close() }, true
}

var (
	portMu   sync.Mutex
	nextPort = 20000 + os.Getpid()%8000 // packages are tested at the same time
)

// A CA signs for the test servers.
type CA struct {
	*mitmca.Authority
	File string // the authority as PEM
}

// NewCA makes an authority.
func NewCA(t testing.TB) *CA {
	t.Helper()
	a, err := mitmca.New()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, a.PEM(), 0o644); err != nil {
		t.Fatal(err)
	}
	return &CA{a, file}
}

// Pool returns the authority for a TLS configuration.
func (ca *CA) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(ca.Certificate())
	return p
}

// write puts a certificate for domain and its key into dir.
func (ca *CA) write(t testing.TB, dir, domain string) (cert, key string) {
	t.Helper()
	leaf, err := ca.Leaf(domain)
	if err != nil {
		t.Fatal(err)
	}
	var chain bytes.Buffer
	for _, der := range leaf.Certificate {
		pem.Encode(&chain, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	der, err := x509.MarshalPKCS8PrivateKey(leaf.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, domain+".crt"), filepath.Join(dir, domain+".key")
	for path, b := range map[string][]byte{cert: chain.Bytes(), key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// A Prosody is a running server.
type Prosody struct {
	Addr   string // clients, clear text and STARTTLS
	Direct string // clients, direct TLS
	// Component is where components connect; their secret is ComponentSecret.
	Component string
	HTTP      string // host:port of WebSocket and BOSH: see installHTTP
	HTTPS     string // the same over TLS
	Files     string // a directory that it serves at /
	Debug     string // its log at level debug, with whole stanzas
	config    string
	elsewhere string // see SendElsewhere
}

// StartProsody starts a server for the given hosts, which log in over TLS or in
// the clear. Those that begin with "tls12." speak TLS 1.2 only, so that Prosody
// offers them SCRAM with channel binding; those that begin with "sha256." keep
// passwords for SCRAM-SHA-256; those that begin with "play." are components.
func StartProsody(t testing.TB, ca *CA, hosts ...string) *Prosody {
	t.Helper()
	prosody := Need(t, "prosody", "prosody prosody-modules lua-unbound")
	dir := t.TempDir()
	port, direct, component := Port(t), Port(t), Port(t)
	p := &Prosody{Addr: fmt.Sprintf("127.0.0.1:%d", port), Direct: fmt.Sprintf("127.0.0.1:%d", direct), Component: fmt.Sprintf("127.0.0.1:%d", component), config: filepath.Join(dir, "prosody.cfg.lua"), Debug: filepath.Join(dir, "debug.log")}
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	var cfg strings.Builder
	cert, key := ca.write(t, dir, hosts[0])
	fmt.Fprintf(&cfg, `run_as_root = true
pidfile = %[1]q  data_path = %[2]q  admin_socket = %[3]q
interfaces = { "127.0.0.1" }
component_ports = { %[10]d }  component_interfaces = { "127.0.0.1" }
c2s_ports = { %[4]d }  c2s_direct_tls_ports = { %[5]d }  s2s_ports = {}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
modules_enabled = { "roster", "saslauth", "tls", "disco", "ping", "version", "carbons", "smacks", "offline", "elsewhere", "websocket", "bosh", "http_files", "stanza_debug" }
modules_disabled = { "s2s" }
certificates = %[6]q
ssl = { certificate = %[7]q; key = %[8]q }
c2s_direct_tls_ssl = ssl
log = { { levels = { min = "info" }, to = "file", filename = %[9]q }; { levels = { min = "debug" }, to = "file", filename = %[11]q } }
`, filepath.Join(dir, "pid"), filepath.Join(dir, "data"), filepath.Join(dir, "sock"), port, direct, dir, cert, key, filepath.Join(dir, "log"), component, p.Debug)
	cfg.WriteString(p.installElsewhere(t, dir))
	cfg.WriteString(p.installHTTP(t, ca, dir, hosts[0]))
	for _, h := range hosts {
		if strings.HasPrefix(h, "play.") {
			fmt.Fprintf(&cfg, "Component %q\n  component_secret = %q\n", h, ComponentSecret)
			continue
		}
		cert, key := ca.write(t, dir, h)
		tls := ""
		if strings.HasPrefix(h, "tls12.") {
			tls = `; protocol = "tlsv1_2"`
		}
		fmt.Fprintf(&cfg, "VirtualHost %q\n  ssl = { certificate = %q; key = %q%s }\n", h, cert, key, tls)
		if strings.HasPrefix(h, "sha256.") {
			fmt.Fprintln(&cfg, `  password_hash = "SHA-256"`)
		}
	}
	if err := os.WriteFile(p.config, []byte(cfg.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(prosody, "-F", "--config", p.config)
	start(t, cmd, filepath.Join(dir, "log"))
	for _, addr := range []string{p.Addr, p.Direct, p.HTTP, p.HTTPS} {
		WaitFor(t, "127.0.0.1"+addr[strings.LastIndexByte(addr, ':'):])
	}
	if slices.ContainsFunc(hosts, func(h string) bool { return strings.HasPrefix(h, "play.") }) {
		WaitFor(t, p.Component)
	}
	return p
}

// start runs a server until the test ends, and shows its log if that failed.
func start(t testing.TB, cmd *exec.Cmd, log string) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if t.Failed() {
			b, _ := os.ReadFile(log)
			t.Logf("%s said\n%s%.20000s", filepath.Base(cmd.Path), out.String(), b)
		}
	})
}

// ComponentSecret is the secret of the components of StartProsody.
const ComponentSecret = "sekrit"

//go:embed component.py
var component []byte

// SlixmppComponent runs a component that answers one message.
func SlixmppComponent(t testing.TB, addr, jid string) (string, error) {
	t.Helper()
	return python(t, "", component, jid, ComponentSecret, addr)
}

// WaitFor waits until something listens.
func WaitFor(t testing.TB, addr string) {
	t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return
		}
	}
	t.Fatalf("nothing listens at %s", addr)
}

// Register makes an account.
func (p *Prosody) Register(t testing.TB, user, host, password string) {
	t.Helper()
	if out, err := exec.Command(Need(t, "prosodyctl", "prosody"), "--config", p.config, "register", user, host, password).CombinedOutput(); err != nil {
		t.Fatalf("prosodyctl register: %v\n%s", err, out)
	}
}

// run runs a client to its end with ca as the only authority that it knows.
func run(t testing.TB, ca string, stdin string, name string, args ...string) (string, error) {
	t.Helper()
	return runFor(t, limit, ca, stdin, name, args...)
}

func runFor(t testing.TB, limit time.Duration, ca, stdin, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = environ(t, ca)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// environ is the environment of a client that knows no authority but ca.
func environ(t testing.TB, ca string) []string {
	env := slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "SSL_CERT_") })
	return append(env, "SSL_CERT_FILE="+ca, "HOME="+t.TempDir())
}

// GoSendxmpp sends one message with go-sendxmpp: from and password log in at
// addr, flags come before the receiver.
func GoSendxmpp(t testing.TB, ca, addr, from, password, to, text string, flags ...string) {
	t.Helper()
	args := append([]string{"-u", from, "-p", password, "-j", addr}, flags...)
	out, err := run(t, ca, text+"\n", Need(t, "go-sendxmpp", "go-sendxmpp"), append(args, to)...)
	if err != nil {
		t.Fatalf("go-sendxmpp: %v\n%s", err, out)
	}
}

//go:embed slix.py
var slix []byte

// Slixmpp runs a slixmpp client: it logs in at addr, sends text to a receiver
// if there is one, waits for as many messages as wanted and logs out. It
// returns what it printed: a line "mechanism …" and one "got …" a message.
func Slixmpp(t testing.TB, ca, addr, jid, password string, flags ...string) (string, error) {
	t.Helper()
	return python(t, ca, slix, append([]string{jid, password, addr, ca}, flags...)...)
}

//go:embed resume.py
var resume []byte

// SlixmppResumes runs a slixmpp client that sends five messages, loses its
// connection before they are acknowledged, and resumes its session. slixmpp 1.8
// then loses them; with the flag --resend it sends them again.
func SlixmppResumes(t testing.TB, ca, addr, jid, password, to string, flags ...string) (string, error) {
	t.Helper()
	return python(t, ca, resume, append([]string{jid, password, addr, ca, to}, flags...)...)
}

func python(t testing.TB, ca string, code []byte, args ...string) (string, error) {
	t.Helper()
	return pythonFor(t, limit, ca, code, args...)
}

func pythonFor(t testing.TB, limit time.Duration, ca string, code []byte, args ...string) (string, error) {
	t.Helper()
	const python = "/usr/bin/python3"
	if exec.Command(python, "-c", "import slixmpp").Run() != nil {
		Missing(t, "needs slixmpp: apt-get install python3-slixmpp")
	}
	script := filepath.Join(t.TempDir(), "client.py")
	if err := os.WriteFile(script, code, 0o600); err != nil {
		t.Fatal(err)
	}
	return runFor(t, limit, ca, "", python, append([]string{script}, args...)...)
}

// A Relay stands in front of a server, ends TLS on both sides and remembers
// what it passed on.
type Relay struct {
	Addr string
	mu   sync.Mutex
	said [2]bytes.Buffer
}

// NewRelay passes connections on to addr, from TLS to TLS.
func NewRelay(t testing.TB, cert tls.Certificate, addr string, roots *x509.CertPool, name string) *Relay {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"xmpp-client"}})
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{Addr: ln.Addr().String()}
	serve(t, ln, func(c net.Conn) {
		defer c.Close()
		s, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: roots, ServerName: name, NextProtos: []string{"xmpp-client"}})
		if err != nil {
			t.Errorf("relay: %v", err)
			return
		}
		defer s.Close()
		done := make(chan struct{})
		go func() { // ends with the server's connection
			r.pass(1, c, s)
			c.(*tls.Conn).CloseWrite()
			close(done)
		}()
		r.pass(0, s, c)
		s.CloseWrite()
		select {
		case <-done:
		case <-time.After(5 * time.Second):
		}
	})
	return r
}

// serve handles the connections that ln accepts, until the test ends.
func serve(t testing.TB, ln net.Listener, handle func(net.Conn)) {
	var wg sync.WaitGroup
	t.Cleanup(func() {
		ln.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { handle(c) })
		}
	})
}

func (r *Relay) pass(way int, dst, src net.Conn) {
	b := make([]byte, 4096)
	for {
		n, err := src.Read(b)
		if n > 0 {
			r.mu.Lock()
			r.said[way].Write(b[:n])
			r.mu.Unlock()
			if _, err := dst.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// CS returns what went to the server so far, SC what came from it.
func (r *Relay) CS() string { return r.get(0) }
func (r *Relay) SC() string { return r.get(1) }

func (r *Relay) get(way int) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.said[way].String()
}

// Pool reads authorities from a PEM file.
func Pool(t testing.TB, file string) *x509.CertPool {
	t.Helper()
	b, err := os.ReadFile(file)
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(b) {
		t.Fatalf("%s: no certificates: %v", file, err)
	}
	return pool
}
