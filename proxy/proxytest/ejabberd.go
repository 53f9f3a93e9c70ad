package proxytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// An Ejabberd is a running server.
type Ejabberd struct {
	Addr   string // clients, clear text and STARTTLS
	Direct string // clients, direct TLS
	Zip    string // clients, as Addr, but with compression (XEP-0138)
	Behind string // clients, as Addr, but behind a balancer that speaks the PROXY protocol
	// Component is where the component "play." + host connects; its secret is
	// ComponentSecret.
	Component   string
	HTTP, HTTPS string // WebSocket at /ws, BOSH at /bosh
	api         string
}

// StartEjabberd starts a server for one host. Passwords are kept for
// SCRAM-SHA-256; it offers channel binding.
func StartEjabberd(t testing.TB, ca *CA, host string) *Ejabberd {
	t.Helper()
	port, direct, zip, behind, component, api, secure := Port(t), Port(t), Port(t), Port(t), Port(t), Port(t), Port(t)
	local := func(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
	e := &Ejabberd{Addr: local(port), Direct: local(direct), Zip: local(zip), Behind: local(behind), Component: local(component), api: "http://" + local(api) + "/api/", HTTP: local(api), HTTPS: local(secure)}
	runEjabberd(t, ca, host, func(pem string) string {
		return fmt.Sprintf(`hosts: [%q]
loglevel: info
registration_timeout: infinity
certfiles: [%q]
ca_file: %q
auth_password_format: scram
auth_scram_hash: sha256
listen:
  - {port: %d, ip: "127.0.0.1", module: ejabberd_c2s, starttls: true}
  - {port: %d, ip: "127.0.0.1", module: ejabberd_c2s, tls: true}
  - {port: %d, ip: "127.0.0.1", module: ejabberd_c2s, starttls: true, zlib: true}
  - {port: %d, ip: "127.0.0.1", module: ejabberd_c2s, starttls: true, use_proxy_protocol: true}
  - {port: %d, ip: "127.0.0.1", module: ejabberd_service, hosts: {"play.%s": {password: %q}}}
  - {port: %d, ip: "127.0.0.1", module: ejabberd_http, request_handlers: {"/api": mod_http_api, "/ws": ejabberd_http_ws, "/bosh": mod_bosh}}
  - {port: %d, ip: "127.0.0.1", module: ejabberd_http, tls: true, request_handlers: {"/ws": ejabberd_http_ws, "/bosh": mod_bosh}}
acl: {loopback: {ip: [127.0.0.0/8]}}
api_permissions:
  "http": {from: [mod_http_api], who: [{access: {allow: [{acl: loopback}]}}], what: ["*"]}
modules: {mod_admin_extra: {}, mod_bosh: {}, mod_disco: {}, mod_http_api: {}, mod_ping: {}, mod_roster: {versioning: true}, mod_stream_mgmt: {}, mod_offline: {}}
`, host, pem, ca.File, port, direct, zip, behind, component, host, ComponentSecret, api, secure)
	})
	for _, addr := range []string{e.Addr, e.Direct, e.Zip, e.Component, e.HTTP, e.HTTPS} {
		WaitFor(t, addr)
	}
	return e
}

// runEjabberd runs a server with a configuration of its own until the test ends,
// without epmd or distribution; pem is its certificate with key and authority.
func runEjabberd(t testing.TB, ca *CA, host string, yml func(pem string) string, env ...string) {
	t.Helper()
	erl := Need(t, "erl", "ejabberd")
	Need(t, "ejabberdctl", "ejabberd")
	dir := t.TempDir()
	for _, d := range []string{"db", "log", "home"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	cert, key := ca.write(t, dir, host)
	var both []byte
	for _, f := range []string{key, cert} {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, b...)
	}
	both = append(both, ca.PEM()...)
	pem := filepath.Join(dir, "server.pem")
	config := filepath.Join(dir, "ejabberd.yml")
	for path, b := range map[string][]byte{pem: both, config: []byte(yml(pem))} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	libs, err := filepath.Glob("/usr/lib/*/ejabberd-*")
	if err != nil || len(libs) == 0 {
		Missing(t, "needs ejabberd's libraries: apt-get install ejabberd")
	}
	cmd := exec.Command(erl, "+K", "true", "+SDio", "1", "-noinput", "-mnesia", "dir", fmt.Sprintf("%q", filepath.Join(dir, "db")), "-s", "ejabberd")
	cmd.Env = append(os.Environ(), "HOME="+filepath.Join(dir, "home"), "EJABBERD_CONFIG_PATH="+config, "EJABBERD_LOG_PATH="+filepath.Join(dir, "log", "ejabberd.log"), "ERL_LIBS="+filepath.Dir(libs[0]), "ERL_CRASH_DUMP_BYTES=0")
	cmd.Env = append(cmd.Env, env...)
	start(t, cmd, filepath.Join(dir, "log", "ejabberd.log"))
}

// Register makes an account.
func (e *Ejabberd) Register(t testing.TB, user, host, password string) {
	t.Helper()
	b, err := json.Marshal(map[string]string{"user": user, "host": host, "password": password})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(e.api+"register", "application/json", bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("ejabberd register: %s", resp.Status)
	}
}

// Clients returns the addresses of the clients that are logged in, as the
// server knows them.
func (e *Ejabberd) Clients(t testing.TB) []string {
	t.Helper()
	resp, err := http.Post(e.api+"connected_users_info", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var list []struct {
		IP   string
		Port int
	}
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, c := range list {
		out = append(out, net.JoinHostPort(strings.TrimPrefix(c.IP, "::ffff:"), strconv.Itoa(c.Port)))
	}
	return out
}
