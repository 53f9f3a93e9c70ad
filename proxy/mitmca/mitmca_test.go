package mitmca

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestLeafIsTrustedForItsDomain(t *testing.T) {
	ca, err := New()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.Certificate())
	for _, domain := range []string{"capulet.example", "Bücher.example", "127.0.0.1", "::1", "with_underscore.test", "localhost"} {
		leaf, err := ca.Leaf(domain)
		if err != nil {
			t.Errorf("%s: %v", domain, err)
			continue
		}
		name := domain
		if domain == "Bücher.example" {
			name = "xn--bcher-kva.example"
		}
		opts := x509.VerifyOptions{Roots: roots}
		if net.ParseIP(name) == nil && !strings.Contains(name, "_") {
			opts.DNSName = name
		}
		if _, err := leaf.Leaf.Verify(opts); err != nil {
			t.Errorf("%s: %v", domain, err)
		}
		if err := leaf.Leaf.VerifyHostname(name); err != nil && !strings.Contains(name, "_") {
			t.Errorf("%s: %v", domain, err)
		}
		if days := time.Until(leaf.Leaf.NotAfter).Hours() / 24; days > 825 || days < 300 {
			t.Errorf("%s: valid for %.0f days", domain, days)
		}
		if again, _ := ca.Leaf(strings.ToUpper(domain)); strings.ToLower(domain) == domain && again != leaf {
			t.Errorf("%s: minted twice", domain)
		}
	}
	if _, err := ca.Leaf("a b\nc"); err == nil {
		t.Error("a name with blanks got a certificate")
	}
}

// OpenSSL reads the other names, which Go does not.
func TestLeafCarriesXMPPNames(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is missing: apt-get install openssl")
		}
		t.Skip("openssl is missing: apt-get install openssl")
	}
	dir := t.TempDir()
	ca, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ca.Leaf("capulet.example")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(openssl, "x509", "-inform", "DER", "-noout", "-text")
	cmd.Stdin = bytes.NewReader(leaf.Certificate[0])
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"DNS:capulet.example", "_xmpp-client.capulet.example", "XmppAddr", "Digital Signature", "prime256v1"} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("certificate lacks %q:\n%s", want, out)
		}
	}
}

func TestLoadKeepsTheAuthority(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	var wg sync.WaitGroup
	found := make([]*Authority, 8)
	errs := make([]error, len(found))
	for i := range found {
		wg.Go(func() { found[i], errs[i] = Load(dir) })
	}
	wg.Wait()
	for i, a := range found {
		if errs[i] != nil {
			t.Fatal(errs[i])
		}
		if !a.Certificate().Equal(found[0].Certificate()) {
			t.Error("two authorities in one directory")
		}
	}
	info, err := os.Stat(filepath.Join(dir, keyFile))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("key has mode %v", info.Mode())
	}
	names, _ := filepath.Glob(filepath.Join(dir, ".new-*"))
	if len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
}

func TestLoadSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, caFile), []byte("no PEM"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil {
		t.Error("a broken certificate was accepted")
	}
}

// A client that asks for ever new names must not fill the memory.
func TestLeavesAreBounded(t *testing.T) {
	ca, err := New()
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ca.Leaf("a.example")
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxNames + 10 {
		ca.mu.Lock()
		ca.leaves[fmt.Sprint(i)] = leaf
		ca.mu.Unlock()
		if i == maxNames {
			if _, err := ca.Leaf("b.example"); err != nil {
				t.Fatal(err)
			}
		}
	}
	ca.mu.Lock()
	defer ca.mu.Unlock()
	if len(ca.leaves) > maxNames {
		t.Errorf("%d leaves are kept", len(ca.leaves))
	}
}
