package proxytest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Over HTTP servers speak XMPP as WebSocket and as BOSH.

// installHTTP gives Prosody's configuration HTTP: WebSocket at /xmpp-websocket,
// BOSH at /http-bind, and files.
func (p *Prosody) installHTTP(t testing.TB, ca *CA, dir, host string) string {
	t.Helper()
	port, secure := Port(t), Port(t)
	p.HTTP, p.HTTPS = fmt.Sprintf("%s:%d", host, port), fmt.Sprintf("%s:%d", host, secure)
	p.Files = filepath.Join(dir, "www")
	if err := os.Mkdir(p.Files, 0o700); err != nil {
		t.Fatal(err)
	}
	cert, key := ca.write(t, dir, host)
	return fmt.Sprintf(`http_ports = { %d }  http_interfaces = { "127.0.0.1" }
https_ports = { %d }  https_interfaces = { "127.0.0.1" }
https_ssl = { certificate = %q; key = %q }
http_default_host = %q
http_files_dir = %q
http_paths = { files = "/" }
consider_bosh_secure = true
consider_websocket_secure = true
`, port, secure, cert, key, host, p.Files)
}
