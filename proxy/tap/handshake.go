package tap

import (
	"crypto"
	"crypto/x509"
	"encoding/binary"
	"slices"

	_ "crypto/sha256" // for the hashes of certificates
	_ "crypto/sha512"
)

// Handshake messages (RFC 8446 §4).
const (
	msgHelloRequest = 0
	msgClientHello  = 1
	msgServerHello  = 2
	msgEndOfEarly   = 5
	msgEncrypted    = 8 // EncryptedExtensions
	msgCertificate  = 11
	msgFinished     = 20
	msgKeyUpdate    = 24
)

// Extensions.
const (
	extName       = 0
	extALPN       = 16
	extMaster     = 23 // extended master secret (RFC 7627)
	extPSK        = 41
	extEarly      = 42
	extVersions   = 43
	certificates  = 10 // in a chain that are kept
	maxProtocols  = 32
	exporterLabel = "EXPORTER-Channel-Binding" // RFC 9266 §2
)

// handshake is what is known of one handshake.
type handshake struct {
	random, serverRandom Random
	name                 string
	offered              []string
	early                bool // the client offers early data …
	earlyOK              bool // … and the server takes it
	retry                bool // HelloRetryRequest was said: a second ClientHello follows
	again                bool // it is a renegotiation

	version  uint16 // 0 = the server has not answered
	suite    *suite
	alpn     string
	psk      bool // the server chose a pre-shared key
	extended bool // extended master secret
	chain    [][]byte
	finished [2]bool // by side
	unique   []byte  // the first Finished, of TLS 1.2

	asked    bool // that secrets are missing was told
	told     bool // Secure was told
	bindings map[string][]byte
}

// session says what is known.
func (hs *handshake) session() *Session {
	s := &Session{Name: hs.name, Offered: hs.offered, ALPN: hs.alpn, Chain: hs.chain, Bindings: hs.bindings, Resumed: hs.psk}
	if hs.version != 0 {
		s.Version = versionName(hs.version)
	}
	if hs.suite != nil {
		s.Cipher = hs.suite.name
	}
	if hs.version == version12 && hs.finished[Server] && hs.chain == nil {
		s.Resumed = true
	}
	return s
}

// complete reports whether no secret is missing.
func (hs *handshake) complete(s *secrets) bool {
	switch {
	case s == nil:
		return false
	case hs.version == version12:
		return s[Master] != nil
	}
	return s[ClientHandshake] != nil && s[ServerHandshake] != nil && s[ClientTraffic] != nil && s[ServerTraffic] != nil
}

// messages cuts handshake messages out of records.
func (d *Decrypter) messages(from Side, b []byte) error {
	h := &d.half[from]
	h.hand = append(h.hand, b...)
	for len(h.hand) >= 4 {
		n := int(h.hand[1])<<16 | int(h.hand[2])<<8 | int(h.hand[3])
		if n > maxHandsize {
			return ErrHandshake
		}
		if len(h.hand) < 4+n {
			return nil
		}
		msg := h.hand[:4+n]
		h.hand = h.hand[4+n:]
		if err := d.message(from, msg[0], msg[4:]); err != nil {
			return err
		}
	}
	if len(h.hand) == 0 {
		h.hand = nil
	}
	return nil
}

func (d *Decrypter) message(from Side, typ byte, b []byte) error {
	h, hs := &d.half[from], d.hs
	if h.stage != clear && h.stage != traffic12 {
		hs = h.hs
	}
	switch {
	case typ == msgClientHello && from == Client && (h.stage == clear || h.stage == traffic12):
		return d.clientHello(b, h.stage != clear)
	case hs == nil:
		return ErrHandshake
	case typ == msgHelloRequest && from == Server && h.stage == traffic12:
		d.notice("the server asks for renegotiation (RFC 5246 §7.4.1.1)")
	case typ == msgServerHello && from == Server && (h.stage == clear || h.stage == traffic12) && hs.version == 0:
		return d.serverHello(hs, b)
	case typ == msgEncrypted && from == Server && h.stage == hands:
		return hs.encrypted(b)
	case typ == msgCertificate:
		return d.certificate(from, hs, b)
	case typ == msgEndOfEarly && h.stage == early:
		h.stage, h.key = hands, key{}
		h.skips = false
	case typ == msgFinished:
		return d.finishes(from, b)
	case typ == msgKeyUpdate && h.stage == traffic:
		next, err := hs.suite.update(h.key)
		if err != nil {
			return err
		}
		h.key = next
		d.notice("the %s changes its keys (KeyUpdate, RFC 8446 §4.6.3)", from)
	}
	return nil
}

// finishes is Finished: the side's own keys change behind it, or are in use.
func (d *Decrypter) finishes(from Side, b []byte) error {
	h := &d.half[from]
	hs := h.hs
	if hs == nil || h.stage == clear || h.stage == traffic {
		return ErrHandshake
	}
	hs.finished[from] = true
	d.gates++
	if h.stage == traffic12 {
		if hs.unique == nil {
			hs.unique = append([]byte(nil), b...)
		}
		if hs.finished[from.other()] {
			d.secure(hs)
		}
		return nil
	}
	h.stage, h.key, h.skips = traffic, key{}, false
	return nil
}

func (s Side) other() Side { return 1 - s }

// secure tells that the session is established, once.
func (d *Decrypter) secure(hs *handshake) {
	if hs.told {
		return
	}
	hs.told = true
	hs.bindings = hs.bind(d.keys[hs.random])
	d.tell(Event{Kind: Secure, Random: hs.random, Session: hs.session()})
}

// bind computes the channel bindings that can be known.
func (hs *handshake) bind(s *secrets) map[string][]byte {
	m := make(map[string][]byte)
	switch {
	case hs.version == version13 && s != nil && s[Exporter] != nil:
		if b, err := hs.suite.exporter13(s[Exporter], exporterLabel, 32); err == nil {
			m["tls-exporter"] = b
		}
	case hs.version == version12 && s != nil && s[Master] != nil && hs.extended:
		m["tls-exporter"] = hs.exporter12(s[Master], exporterLabel, 32)
	}
	if hs.version == version12 && hs.unique != nil {
		m["tls-unique"] = hs.unique
	}
	if len(hs.chain) > 0 {
		if b := endPoint(hs.chain[0]); b != nil {
			m["tls-server-end-point"] = b
		}
	}
	return m
}

// endPoint is the hash of a certificate (RFC 5929 §4.1); nil where the RFC
// defines none.
func endPoint(der []byte) []byte {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil
	}
	var h crypto.Hash
	switch cert.SignatureAlgorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.SHA256WithRSA, x509.SHA256WithRSAPSS, x509.ECDSAWithSHA256:
		h = crypto.SHA256
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		h = crypto.SHA384
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		h = crypto.SHA512
	default:
		return nil
	}
	sum := h.New()
	sum.Write(der)
	return sum.Sum(nil)
}

// certificate is Certificate (RFC 8446 §4.4.2, RFC 5246 §7.4.2).
func (d *Decrypter) certificate(from Side, hs *handshake, b []byte) error {
	r := reader{b: b}
	if d.half[from].stage == hands || d.half[from].stage == traffic {
		r.vector(1) // the context of the request
	}
	list := reader{b: r.vector(3)}
	var chain [][]byte
	for len(list.b) > 0 && !list.bad && len(chain) < certificates {
		der := list.vector(3)
		if d.half[from].stage == hands || d.half[from].stage == traffic {
			list.vector(2) // extensions
		}
		chain = append(chain, append([]byte(nil), der...))
	}
	if r.bad || list.bad {
		return ErrHandshake
	}
	if from == Server {
		hs.chain = chain
	} else if len(chain) > 0 {
		d.tell(Event{Kind: Certificate, From: Client, Chain: chain})
	}
	return nil
}

func (d *Decrypter) clientHello(b []byte, again bool) error {
	hs := &handshake{again: again}
	r := reader{b: b}
	r.bytes(2)
	copy(hs.random[:], r.bytes(32))
	r.vector(1) // session id
	r.vector(2) // cipher suites
	r.vector(1) // compression methods
	if r.bad {
		return ErrHandshake
	}
	r.extensions(func(typ uint16, e reader) {
		switch typ {
		case extName:
			list := reader{b: e.vector(2)}
			if t := list.bytes(1); len(t) == 1 && t[0] == 0 {
				hs.name = string(list.vector(2))
			}
		case extALPN:
			list := reader{b: e.vector(2)}
			for len(list.b) > 0 && !list.bad && len(hs.offered) < maxProtocols {
				hs.offered = append(hs.offered, string(list.vector(1)))
			}
		case extEarly:
			hs.early = true
		}
	})
	if d.hs != nil && d.hs.retry && d.hs.random == hs.random {
		hs.asked = d.hs.asked
	}
	d.hs = hs
	d.gates++
	if again {
		d.notice("renegotiation: a new handshake inside the TLS session (RFC 5746)")
	}
	if len(d.keys) >= maxRandoms {
		// Make room for those of this handshake.
		for r := range d.keys {
			if r != hs.random && !d.uses(r) {
				delete(d.keys, r)
			}
		}
	}
	d.tell(Event{Kind: Hello, Random: hs.random, Session: hs.session()})
	return nil
}

func (d *Decrypter) uses(r Random) bool {
	for i := range d.half {
		if d.half[i].hs != nil && d.half[i].hs.random == r {
			return true
		}
	}
	return false
}

// retryRandom marks a HelloRetryRequest (RFC 8446 §4.1.3).
var retryRandom = Random{0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
	0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c}

func (d *Decrypter) serverHello(hs *handshake, b []byte) error {
	r := reader{b: b}
	version := r.uint16()
	copy(hs.serverRandom[:], r.bytes(32))
	r.vector(1) // session id
	id := r.uint16()
	r.bytes(1) // compression method
	if r.bad {
		return ErrHandshake
	}
	r.extensions(func(typ uint16, e reader) {
		switch typ {
		case extVersions:
			version = e.uint16()
		case extALPN:
			hs.alpn = firstProtocol(e)
		case extMaster:
			hs.extended = true
		case extPSK:
			hs.psk = true
		}
	})
	d.gates++
	if hs.serverRandom == retryRandom {
		if hs.retry {
			return ErrHandshake
		}
		hs.retry = true
		d.notice("the server wants another ClientHello (HelloRetryRequest, RFC 8446 §4.1.4): the client offered no key share of its liking")
		return nil
	}
	if version != version12 && version != version13 {
		return d.give(&VersionError{version})
	}
	hs.suite = suites[id]
	if hs.suite == nil || (id>>8 == 0x13) != (version == version13) {
		hs.suite = nil
		return d.give(&SuiteError{id})
	}
	hs.version = version
	return nil
}

// give gives the whole session up.
func (d *Decrypter) give(err error) error {
	d.fail(Client, err)
	return err
}

// firstProtocol reads the one protocol that a server chose.
func firstProtocol(e reader) string {
	list := reader{b: e.vector(2)}
	return string(list.vector(1))
}

// encrypted is EncryptedExtensions (RFC 8446 §4.3.1).
func (hs *handshake) encrypted(b []byte) error {
	r := reader{b: b}
	r.extensions(func(typ uint16, e reader) {
		switch typ {
		case extALPN:
			hs.alpn = firstProtocol(e)
		case extEarly:
			hs.earlyOK = true
		}
	})
	if r.bad {
		return ErrHandshake
	}
	return nil
}

// reader reads the presentation language of TLS. After a mistake it yields
// nothing more.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) bytes(n int) []byte {
	if n > len(r.b) {
		r.b, r.bad = nil, true
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) uint16() uint16 {
	if b := r.bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// vector reads bytes behind their length, which has size bytes.
func (r *reader) vector(size int) []byte {
	n := 0
	for _, c := range r.bytes(size) {
		n = n<<8 | int(c)
	}
	return slices.Clip(r.bytes(n))
}

func (r *reader) extensions(each func(typ uint16, e reader)) {
	if len(r.b) == 0 {
		return // TLS 1.2 may leave them out
	}
	list := reader{b: r.vector(2)}
	for len(list.b) > 0 {
		typ := list.uint16()
		each(typ, reader{b: list.vector(2)})
	}
	r.bad = r.bad || list.bad
}
