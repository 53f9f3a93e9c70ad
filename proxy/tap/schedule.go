package tap

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"hash"

	"golang.org/x/crypto/chacha20poly1305"
)

// This file makes keys out of secrets: RFC 8446 §7 and RFC 5246 §5, §6.3.

// A suite is a cipher suite that is read.
type suite struct {
	name   string
	keyLen int
	chacha bool
	sha384 bool
}

// suites are those of TLS 1.3 and the AEAD ones of TLS 1.2. How the master secret was
// agreed on is no matter: the key log has it.
var suites = map[uint16]*suite{
	0x1301: {"TLS_AES_128_GCM_SHA256", 16, false, false},
	0x1302: {"TLS_AES_256_GCM_SHA384", 32, false, true},
	0x1303: {"TLS_CHACHA20_POLY1305_SHA256", 32, true, false},

	0x009c: {"TLS_RSA_WITH_AES_128_GCM_SHA256", 16, false, false},
	0x009d: {"TLS_RSA_WITH_AES_256_GCM_SHA384", 32, false, true},
	0x009e: {"TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", 16, false, false},
	0x009f: {"TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", 32, false, true},
	0xc02b: {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", 16, false, false},
	0xc02c: {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", 32, false, true},
	0xc02f: {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", 16, false, false},
	0xc030: {"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", 32, false, true},
	0xcca8: {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", 32, true, false},
	0xcca9: {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", 32, true, false},
	0xccaa: {"TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256", 32, true, false},
}

func (s *suite) hash() func() hash.Hash {
	if s.sha384 {
		return sha512.New384
	}
	return sha256.New
}

func (s *suite) hashLen() int {
	if s.sha384 {
		return sha512.Size384
	}
	return sha256.Size
}

func (s *suite) cipher(k []byte) (cipher.AEAD, error) {
	if s.chacha {
		return chacha20poly1305.New(k)
	}
	block, err := aes.NewCipher(k)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// A key protects the records of one side.
type key struct {
	aead     cipher.AEAD // nil: not made yet
	iv       [12]byte
	seq      uint64
	explicit bool // AES-GCM of TLS 1.2: eight bytes of the nonce are in the record
	secret   []byte

	buf [12]byte // for a nonce
	ad  [13]byte // for the additional data of TLS 1.2
}

// nonce13 is the nonce of RFC 8446 §5.3, and of RFC 7905 §2.
func (k *key) nonce13() []byte {
	k.buf = k.iv
	for i := range 8 {
		k.buf[4+i] ^= byte(k.seq >> (56 - 8*i))
	}
	return k.buf[:]
}

// expand is HKDF-Expand-Label (RFC 8446 §7.1).
func (s *suite) expand(secret []byte, label string, context []byte, n int) ([]byte, error) {
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(info, byte(len("tls13 ")+len(label)))
	info = append(info, "tls13 "+label...)
	info = append(info, byte(len(context)))
	info = append(info, context...)
	return hkdf.Expand(s.hash(), secret, string(info), n)
}

// key13 makes the key of a traffic secret (RFC 8446 §7.3).
func (s *suite) key13(secret []byte) (key, error) {
	if len(secret) != s.hashLen() {
		return key{}, ErrDecrypt // of a session with another suite
	}
	k := key{secret: secret}
	b, err := s.expand(secret, "key", nil, s.keyLen)
	if err != nil {
		return key{}, err
	}
	if k.aead, err = s.cipher(b); err != nil {
		return key{}, err
	}
	b, err = s.expand(secret, "iv", nil, len(k.iv))
	copy(k.iv[:], b)
	return k, err
}

// update makes the next key of a side (RFC 8446 §7.2).
func (s *suite) update(k key) (key, error) {
	next, err := s.expand(k.secret, "traffic upd", nil, s.hashLen())
	if err != nil {
		return key{}, err
	}
	return s.key13(next)
}

// exporter13 is the exporter of RFC 8446 §7.5 without a context.
func (s *suite) exporter13(master []byte, label string, n int) ([]byte, error) {
	if len(master) != s.hashLen() {
		return nil, ErrDecrypt
	}
	empty := s.hash()().Sum(nil)
	secret, err := s.expand(master, label, empty, s.hashLen())
	if err != nil {
		return nil, err
	}
	return s.expand(secret, "exporter", empty, n)
}

// prf is that of TLS 1.2 (RFC 5246 §5).
func (s *suite) prf(secret []byte, label string, seed []byte, n int) []byte {
	seed = append([]byte(label), seed...)
	mac := hmac.New(s.hash(), secret)
	var out []byte
	for a := seed; len(out) < n; {
		mac.Reset()
		mac.Write(a)
		a = mac.Sum(nil)
		mac.Reset()
		mac.Write(a)
		mac.Write(seed)
		out = mac.Sum(out)
	}
	return out[:n]
}

// key12 makes the key of a side out of the master secret (RFC 5246 §6.3).
func (hs *handshake) key12(from Side, master []byte) (key, error) {
	s := hs.suite
	ivLen := 4 // RFC 5288 §3
	if s.chacha {
		ivLen = 12
	}
	block := s.prf(master, "key expansion", append(append([]byte(nil), hs.serverRandom[:]...), hs.random[:]...), 2*s.keyLen+2*ivLen)
	secret, iv := block[:s.keyLen], block[2*s.keyLen:2*s.keyLen+ivLen]
	if from == Server {
		secret, iv = block[s.keyLen:2*s.keyLen], block[2*s.keyLen+ivLen:]
	}
	aead, err := s.cipher(secret)
	k := key{aead: aead, explicit: !s.chacha}
	copy(k.iv[:], iv)
	return k, err
}

// exporter12 is the exporter of RFC 5705 without a context.
func (hs *handshake) exporter12(master []byte, label string, n int) []byte {
	return hs.suite.prf(master, label, append(append([]byte(nil), hs.random[:]...), hs.serverRandom[:]...), n)
}
