// Package mitmca is the certificate authority with which the proxy ends TLS
// towards clients.
//
// An Authority is loaded from a directory, or made there the first time, and
// mints a leaf certificate for each domain that a client asks for:
//
//	ca, err := mitmca.Load(dir)
//	leaf, err := ca.Leaf("capulet.example")
//
// Keys are ECDSA P-256. The authority's key is written with mode 0600 and never
// leaves its directory; leaf keys live in memory only. Whoever has the
// authority's key can impersonate any server to a client that trusts it: each
// installation makes its own, none is shipped.
package mitmca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

const (
	caFile   = "ca.pem"
	keyFile  = "ca-key.pem"
	caYears  = 10
	leafDays = 397 // clients refuse leaves of 825 days and more
	maxNames = 10000
)

// An Authority signs leaf certificates. It is safe for concurrent use.
type Authority struct {
	path string // of the certificate; "" when it lives in memory only
	cert *x509.Certificate
	key  *ecdsa.PrivateKey

	mu     sync.Mutex
	leaves map[string]*tls.Certificate // guarded by mu; by lower-case domain, at most maxNames
}

// DefaultDir returns where this user's authority is kept, by the convention of
// the operating system.
func DefaultDir() (string, error) {
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" && filepath.IsAbs(dir) {
		return filepath.Join(dir, "xmpplens"), nil
	}
	switch runtime.GOOS {
	case "windows":
		if dir := os.Getenv("LocalAppData"); dir != "" {
			return filepath.Join(dir, "xmpplens"), nil
		}
	case "darwin":
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, "Library", "Application Support", "xmpplens"), nil
		}
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("mitmca: no home directory to keep the authority in: %w", err)
	}
	return filepath.Join(home, ".local", "share", "xmpplens"), nil
}

// Load returns the authority in dir, which it makes when there is none.
// Two processes that start at the same moment end up with the same one.
func Load(dir string) (*Authority, error) {
	a, err := read(dir)
	if !errors.Is(err, os.ErrNotExist) {
		return a, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("mitmca: make the authority's directory: %w", err)
	}
	a, err = New()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return nil, fmt.Errorf("mitmca: encode the key: %w", err)
	}
	// The key comes first and is created exclusively: who creates it owns
	// the authority, a second process reads what the first one wrote.
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := create(filepath.Join(dir, keyFile), key, 0o600); errors.Is(err, os.ErrExist) {
		return await(dir)
	} else if err != nil {
		return nil, fmt.Errorf("mitmca: keep the key: %w", err)
	}
	a.path = filepath.Join(dir, caFile)
	if err := create(a.path, a.PEM(), 0o644); err != nil {
		return nil, fmt.Errorf("mitmca: keep the certificate: %w", err)
	}
	return a, nil
}

// Existing returns the authority in dir without making one; the error is
// os.ErrNotExist when there is none.
func Existing(dir string) (*Authority, error) { return read(dir) }

// create writes a file that did not exist, whole or not at all.
func create(path string, data []byte, mode os.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Chmod(mode)
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Link(tmp.Name(), path) // fails when path exists
}

// await reads the authority that another process is just making.
func await(dir string) (*Authority, error) {
	var err error
	for range 50 {
		var a *Authority
		if a, err = read(dir); err == nil {
			return a, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil, fmt.Errorf("mitmca: %s has a key without a usable certificate: %w (remove both files to make a new authority)", dir, err)
}

func read(dir string) (*Authority, error) {
	path := filepath.Join(dir, caFile)
	pair, err := tls.LoadX509KeyPair(path, filepath.Join(dir, keyFile))
	if err != nil {
		return nil, fmt.Errorf("mitmca: read the authority: %w", err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("mitmca: the key in %s is no ECDSA key", dir)
	}
	cert := pair.Leaf
	if !cert.IsCA {
		return nil, fmt.Errorf("mitmca: the certificate in %s is no authority", dir)
	}
	if time.Now().After(cert.NotAfter) {
		return nil, fmt.Errorf("mitmca: the authority in %s expired on %s: remove %s and %s, the next start makes a new one",
			dir, cert.NotAfter.Format(time.DateOnly), caFile, keyFile)
	}
	return &Authority{path: path, cert: cert, key: key}, nil
}

// New makes an authority that lives in memory only.
func New() (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("mitmca: make a key: %w", err)
	}
	host, _ := os.Hostname()
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: "xmpplens debugging CA " + host, Organization: []string{"xmpplens"}},
		NotBefore:             now.Add(-24 * time.Hour), // clocks of test devices
		NotAfter:              now.AddDate(caYears, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		SubjectKeyId:          keyID(key),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("mitmca: sign the authority: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("mitmca: read back the authority: %w", err)
	}
	return &Authority{cert: cert, key: key}, nil
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		panic("mitmca: no randomness: " + err.Error()) // crypto/rand never fails
	}
	return n.Add(n, big.NewInt(1))
}

func keyID(key *ecdsa.PrivateKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil // x509 then computes none
	}
	sum := sha1.Sum(der)
	return sum[:]
}

// Path returns the file of the authority's certificate, to be trusted by
// clients; "" when it lives in memory only.
func (a *Authority) Path() string { return a.path }

// KeyPath returns the file of the authority's key; "" when it lives in memory
// only.
func (a *Authority) KeyPath() string {
	if a.path == "" {
		return ""
	}
	return filepath.Join(filepath.Dir(a.path), keyFile)
}

// Certificate returns the authority's own certificate.
func (a *Authority) Certificate() *x509.Certificate { return a.cert }

// PEM returns the authority's own certificate, PEM encoded.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}
