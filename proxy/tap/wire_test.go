package tap_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/proxy/tap"
)

// A wire is what went over a connection, in its order.
type wire struct {
	mu     sync.Mutex
	pieces []piece
	keys   bytes.Buffer
}

func (w *wire) len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.pieces)
}

type piece struct {
	from tap.Side
	b    []byte
}

// tapped is a connection whose writes are kept.
type tapped struct {
	net.Conn
	w    *wire
	from tap.Side
}

func (c *tapped) Write(b []byte) (int, error) {
	c.w.mu.Lock()
	c.w.pieces = append(c.w.pieces, piece{c.from, bytes.Clone(b)})
	c.w.mu.Unlock()
	return c.Conn.Write(b)
}

// certificate makes a self-signed certificate.
func certificate(t testing.TB, key crypto.Signer) tls.Certificate {
	t.Helper()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "capulet.example"}, DNSNames: []string{"capulet.example"},
		NotBefore: time.Unix(1e9, 0), NotAfter: time.Unix(4e9, 0)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

var ecKey = sync.OnceValue(func() crypto.Signer {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
})

var rsaKey = sync.OnceValue(func() crypto.Signer {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// said is a conversation: who says what. Each is read by the other side before
// the next.
type said struct {
	from tap.Side
	text string
}

var conversation = []said{
	{tap.Client, "<stream:stream to='capulet.example'>"},
	{tap.Server, "<stream:stream from='capulet.example'>" + strings.Repeat("<feature/>", 20)},
	{tap.Client, strings.Repeat("wherefore art thou ", 5000)},
	{tap.Server, strings.Repeat("a rose by any other name ", 4000)},
	{tap.Client, "</stream:stream>"},
}

// loopback returns the two ends of a TCP connection: those of net.Pipe block when
// both write at once, as TLS does.
func loopback(t testing.TB) (a, b net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if a, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{a, b} {
		c.SetDeadline(time.Now().Add(30 * time.Second))
		t.Cleanup(func() { c.Close() })
	}
	return a, b
}

// talk has a conversation between two ends of crypto/tls.
func talk(t testing.TB, client, server *tls.Config, turns []said) (*wire, tls.ConnectionState, tls.ConnectionState) {
	t.Helper()
	w := &wire{}
	a, b := loopback(t)
	client, server = client.Clone(), server.Clone()
	client.KeyLogWriter = &w.keys
	c := tls.Client(&tapped{a, w, tap.Client}, client)
	s := tls.Server(&tapped{b, w, tap.Server}, server)
	var wg sync.WaitGroup
	var serverErr, clientErr error
	end := func(mine tap.Side, conn *tls.Conn, err *error) {
		if *err = conn.Handshake(); *err != nil {
			conn.Close()
			return
		}
		for _, turn := range turns {
			if turn.from == mine {
				_, *err = io.WriteString(conn, turn.text)
			} else {
				got := make([]byte, len(turn.text))
				if _, *err = io.ReadFull(conn, got); *err == nil && string(got) != turn.text {
					*err = fmt.Errorf("%s got something else", mine)
				}
			}
			if *err != nil {
				conn.Close()
				return
			}
		}
		if mine == tap.Client {
			conn.Close()
		} else {
			io.Copy(io.Discard, conn) // to the client's close_notify
		}
	}
	wg.Go(func() { end(tap.Server, s, &serverErr) })
	wg.Go(func() { end(tap.Client, c, &clientErr) })
	wg.Wait()
	if clientErr != nil || serverErr != nil {
		t.Fatalf("client: %v, server: %v", clientErr, serverErr)
	}
	return w, c.ConnectionState(), s.ConnectionState()
}

// seen is what the tap made of a wire.
type seen struct {
	plain     [2]bytes.Buffer
	order     strings.Builder // of who spoke
	session   *tap.Session
	hello     *tap.Session
	chain     [][]byte
	waiting   int
	notices   []string
	alerts    []string
	closed    [2]bool
	errs      [2]error
	plainBare bool // plaintext came before Secure
}

func (s *seen) take(e tap.Event) {
	switch e.Kind {
	case tap.Plain:
		s.plain[e.From].Write(e.Data)
		who := "c"
		if e.From == tap.Server {
			who = "s"
		}
		if !strings.HasSuffix(s.order.String(), who) {
			s.order.WriteString(who)
		}
		s.plainBare = s.plainBare || s.session == nil
	case tap.Hello:
		s.hello = e.Session
	case tap.Secure:
		s.session = e.Session
	case tap.Certificate:
		s.chain = e.Chain
	case tap.Waiting:
		s.waiting++
	case tap.Notice:
		s.notices = append(s.notices, e.Text)
	case tap.Alert:
		s.alerts = append(s.alerts, e.From.String()+" "+e.Text)
	case tap.Closed:
		s.closed[e.From] = true
	case tap.Undecryptable:
		s.errs[e.From] = e.Err
	}
}

func (s *seen) noticed(word string) bool {
	return strings.Contains(strings.Join(s.notices, "\n"), word)
}

// addKeys reads a key log.
func addKeys(t testing.TB, d *tap.Decrypter, log []byte, s *seen) {
	t.Helper()
	for line := range bytes.Lines(log) {
		k, ok, err := tap.ParseKey(line)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			d.AddKey(k, s.take)
		}
	}
}

// look lets the tap read a wire, with the keys before, behind, or in the middle.
func look(t testing.TB, w *wire, when string, chunk int) *seen {
	t.Helper()
	d := tap.New()
	s := &seen{}
	log := w.keys.Bytes()
	if when == "before" {
		addKeys(t, d, log, s)
	}
	for i, p := range w.pieces {
		if when == "middle" && i == len(w.pieces)/2 {
			addKeys(t, d, log, s)
		}
		for b := p.b; len(b) > 0; {
			n := len(b)
			if chunk > 0 {
				n = min(n, chunk)
			}
			d.Write(p.from, b[:n], s.take)
			b = b[n:]
		}
	}
	if when == "after" {
		// One line after the other, as they trickle in.
		addKeys(t, d, log, s)
	}
	d.End(s.take)
	return s
}

func texts(turns []said) (out [2]string) {
	for _, turn := range turns {
		out[turn.from] += turn.text
	}
	return out
}

// checkTalk compares what the tap saw with what was said.
func checkTalk(t *testing.T, s *seen, turns []said) {
	t.Helper()
	want := texts(turns)
	for side := range want {
		if s.errs[side] != nil {
			t.Errorf("%s: %v", tap.Side(side), s.errs[side])
		}
		if got := s.plain[side].String(); got != want[side] {
			t.Errorf("%s: %d bytes (%.60q…), want %d", tap.Side(side), len(got), got, len(want[side]))
		}
	}
	order := ""
	for _, turn := range turns {
		order += string(turn.from.String()[0])
	}
	if got := s.order.String(); got != order {
		t.Errorf("they spoke in the order %s, want %s", got, order)
	}
	if s.plainBare {
		t.Error("plaintext came before the session was told")
	}
	if s.session == nil {
		t.Fatal("no session")
	}
}
