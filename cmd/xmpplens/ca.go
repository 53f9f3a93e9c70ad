package main

import (
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/xmpplens/xmpplens/proxy/mitmca"
)

type caCmd struct {
	Path  caPathCmd  `cmd:"" help:"Print the path of the authority's certificate."`
	Show  caShowCmd  `cmd:"" default:"1" help:"Tell about the authority (default)."`
	Trust caTrustCmd `cmd:"" help:"Tell how to make systems and clients trust it."`
}

func (caCmd) Examples() string {
	return `  xmpplens ca                       what it is and where
  SSL_CERT_FILE=$(xmpplens ca path) go-sendxmpp …
  xmpplens ca trust                 the commands for each system and client`
}

// authority loads the user's own, or makes it the first time.
func authority(dir string) (*mitmca.Authority, error) {
	if dir == "" {
		var err error
		if dir, err = mitmca.DefaultDir(); err != nil {
			return nil, err
		}
	}
	return mitmca.Load(dir)
}

type caPathCmd struct {
	CADir string `name:"ca-dir" placeholder:"DIR" help:"Directory of the authority." type:"path"`
}

func (c *caPathCmd) Run(s *streams) error {
	ca, err := authority(c.CADir)
	if err != nil {
		return err
	}
	fmt.Fprintln(s.stdout, ca.Path())
	return nil
}

type caShowCmd struct {
	CADir string `name:"ca-dir" placeholder:"DIR" help:"Directory of the authority." type:"path"`
}

func (c *caShowCmd) Run(s *streams) error {
	ca, err := authority(c.CADir)
	if err != nil {
		return err
	}
	cert := ca.Certificate()
	sum := sha256.Sum256(cert.Raw)
	fmt.Fprintf(s.stdout, "file         %s\nname         %s\nvalid until  %s\nSHA-256      %X\n",
		ca.Path(), cert.Subject.CommonName, cert.NotAfter.Format(time.DateOnly), sum)
	s.say("hint: xmpplens ca trust tells how to make a client trust it; the key beside it must stay with you")
	return nil
}

type caTrustCmd struct {
	CADir string `name:"ca-dir" placeholder:"DIR" help:"Directory of the authority." type:"path"`
}

func (c *caTrustCmd) Run(s *streams) error {
	ca, err := authority(c.CADir)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.stdout, trustText, ca.Path())
	return nil
}

// trustText has the path of the certificate as %[1]s. The ways for one process
// come first: they leave nothing behind.
const trustText = `The certificate authority of this xmpplens is
  %[1]s
Whoever has its key can stand in front of every server that a trusting client
talks to. Trust it on machines for testing only, for as long as you need it.

One process, nothing is left behind
  Go, OpenSSL, most C clients   SSL_CERT_FILE=%[1]s CLIENT
                                (Go also reads SSL_CERT_DIR: unset it)
  Python, slixmpp               client.ca_certs = "%[1]s"
                                or SSL_CERT_FILE=%[1]s for the ssl module's default context
  Python, requests              REQUESTS_CA_BUNDLE=%[1]s
  Node.js                       NODE_EXTRA_CA_CERTS=%[1]s node …
  Java (Smack)                  keytool -importcert -noprompt -alias xmpplens -file %[1]s -keystore lens.p12 -storepass lens-lens
                                java -Djavax.net.ssl.trustStore=lens.p12 -Djavax.net.ssl.trustStorePassword=lens-lens …

The system's store
  Debian, Ubuntu                sudo cp %[1]s /usr/local/share/ca-certificates/xmpplens.crt && sudo update-ca-certificates
                                undo: sudo rm /usr/local/share/ca-certificates/xmpplens.crt && sudo update-ca-certificates --fresh
  Fedora, Arch                  sudo trust anchor %[1]s
                                undo: sudo trust anchor --remove %[1]s
  macOS                         sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain %[1]s
  Windows                       certutil -addstore -user Root %[1]s
                                undo: certutil -delstore -user Root "xmpplens"
  Android                       copy the file to the device, Settings > Security > Install a certificate > CA certificate;
                                apps take it only when their network security configuration allows user authorities

Stores of their own
  Firefox, Chromium, NSS        certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n xmpplens -i %[1]s
                                (Firefox: -d sql:PROFILE; or Settings > Certificates > Authorities > Import)
                                undo: certutil -d sql:$HOME/.pki/nssdb -D -n xmpplens
  Java, whole installation      sudo keytool -importcert -cacerts -alias xmpplens -file %[1]s
                                undo: sudo keytool -delete -cacerts -alias xmpplens

A client that pins its server's certificate (DANE, POSH, a fingerprint) accepts no
authority but its own.
`
