package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/xmpplens/xmpplens/proxy/mitmca"
)

// lookAround looks at this machine. It changes nothing, not even the authority
// is made.
func lookAround(r *report, dir string) {
	examineAuthority(r.begin("Authority"), dir)
	ports := r.begin("Ports")
	for _, p := range []struct{ addr, what string }{
		{"127.0.0.1:5222", "clients (proxy -l)"}, {"127.0.0.1:5269", "servers (proxy --kind=s2s)"}, {"127.0.0.1:5299", "viewer (proxy --web)"},
	} {
		ln, err := net.Listen("tcp", p.addr)
		if err != nil {
			ports.add(statusWarning, p.addr, "taken, choose another for %s", p.what)
			continue
		}
		ln.Close()
		ports.add(statusOK, p.addr, "free for %s", p.what)
	}
	examineEnvironment(r.begin("Environment"))
	found := r.begin("Clients of this machine")
	for _, c := range clients {
		if c.Program == "" {
			continue
		}
		if path, err := exec.LookPath(c.Program); err == nil {
			found.add(statusOK, c.Name, "%s; xmpplens doctor %s", path, c.Name)
		}
	}
	if runtime.GOOS == "linux" {
		for _, tool := range []string{"nft", "iptables"} {
			if path, err := exec.LookPath(tool); err == nil {
				found.add(statusOK, tool, "%s, for a redirect", path)
			}
		}
	}
	r.Hint = "xmpplens doctor DOMAIN looks at a domain's records, TLS, certificate, logins and web endpoints, and tells which way of looking works. xmpplens doctor CLIENT prints what to set in a client: " + clientNames() + "."
}

func examineAuthority(s *section, dir string) {
	if dir == "" {
		var err error
		if dir, err = mitmca.DefaultDir(); err != nil {
			s.add(statusFailed, "directory", "%s", plainly(err))
			return
		}
	}
	ca, err := mitmca.Existing(dir)
	if errors.Is(err, os.ErrNotExist) {
		s.add(statusNone, "certificate", "none yet in %s: it is made by the first xmpplens proxy or xmpplens ca", dir)
		return
	}
	if err != nil {
		s.add(statusFailed, "certificate", "%s", plainly(err))
		return
	}
	s.add(statusOK, "certificate", "%s", ca.Path())
	cert := ca.Certificate()
	s.add(statusOK, "valid", "until %s", cert.NotAfter.Format(time.DateOnly))
	if _, err := cert.Verify(x509.VerifyOptions{}); err == nil {
		s.add(statusOK, "trusted", "by this system: remember to take it out (xmpplens ca trust says how)")
	} else {
		s.add(statusNone, "trusted", "not by this system: xmpplens ca trust says how, or give it to one client alone")
	}
	key := ca.KeyPath()
	if info, err := os.Stat(key); err != nil {
		s.add(statusFailed, "key", "%s", plainly(err))
	} else if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		s.add(statusFailed, "key", "%s can be read by others (mode %04o): chmod 600", key, mode)
	} else {
		s.add(statusOK, "key", "readable by you alone")
	}
}

// examineEnvironment tells what clients that are started from here inherit.
func examineEnvironment(s *section) {
	set := func(name string) (string, bool) {
		v := os.Getenv(name)
		if v == "" {
			s.add(statusNone, name, "not set")
		}
		return v, v != ""
	}
	if file, there := set("SSLKEYLOGFILE"); there {
		if info, err := os.Stat(file); err == nil {
			s.add(statusOK, "SSLKEYLOGFILE", "%s, %s: for --tap --keylog=%s", file, size(info.Size()), file)
		} else {
			s.add(statusWarning, "SSLKEYLOGFILE", "%s, which is not there yet: a client makes it with its first connection", file)
		}
	}
	if file, there := set("SSL_CERT_FILE"); there {
		s.add(statusOK, "SSL_CERT_FILE", "%s: what is started from here trusts that (OpenSSL, Go, Python)", file)
	}
	if dirs, there := set("SSL_CERT_DIR"); there {
		s.add(statusWarning, "SSL_CERT_DIR", "%s: is read beside SSL_CERT_FILE; unset it when a client shall trust one authority alone", dirs)
	}
	if file, there := set("NODE_EXTRA_CA_CERTS"); there {
		s.add(statusOK, "NODE_EXTRA_CA_CERTS", "%s, for Node.js", file)
	}
	for _, name := range []string{"ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"} {
		if v := os.Getenv(name); v != "" {
			s.add(statusWarning, name, "%s: some clients go there instead of to the proxy", redactURL(v))
		}
	}
}

// redactURL leaves the password of an address out.
func redactURL(s string) string {
	scheme, rest, found := strings.Cut(s, "://")
	if !found {
		scheme, rest = "", s
	} else {
		scheme += "://"
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = rest[i+1:]
	}
	return fmt.Sprint(scheme, rest)
}
