package replay

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/xmpplens/xmpplens/decode"
)

const (
	maxConns   = 10_000           // connections at a time
	loginLimit = 60 * time.Second // from the connection to the binding
	writeLimit = 60 * time.Second // for one write
	resumeWait = 10 * time.Second // how long a session that was cut waits to be resumed
	lastWords  = time.Second      // how long the client may still speak after the end
	readChunk  = 16 << 10
)

// A Server plays the server's side of a script to clients. Script and Leaf are
// needed.
type Server struct {
	Script     *Script
	Leaf       func(domain string) (*tls.Certificate, error)
	Passwords  Passwords
	Mechanisms []string // that are offered; nil = those that were recorded, as far as they can be
	SASL2      bool     // XEP-0388 is offered though it was not recorded
	NoTLS      bool     // STARTTLS is not offered
	Others     map[string]string
	Expect     Expect // "" = Subset
	Pace       Pace
	Count      int                              // how many sessions are played; 0 = each one once
	Loop       bool                             // for ever: until the context ends
	Log        func(format string, args ...any) // if nil, nothing is told

	mu     sync.Mutex // guards everything below, and all visits and players
	report *Report
	played []int         // by session, how often it was claimed
	claims int           // in sum
	seats  map[*seat]int // sessions that go on, with the index of the recorded one
	over   func()        // ends Serve
	start  time.Time
}

// A seat is a live session, from its binding to its end.
type seat struct {
	player *Player
	conn   *visitor // nil while it waits to be resumed
	timer  *time.Timer
}

// A visitor is a connection of a client.
type visitor struct {
	srv   *Server
	sock  net.Conn
	wmu   sync.Mutex // held while writing; taken before Server.mu
	visit visit
	seat  *seat       // guarded by Server.mu
	timer *time.Timer // for the player's next word; guarded by Server.mu
	clean bool        // the client closed its stream; guarded by Server.mu
}

func (s *Server) log(format string, args ...any) {
	if s.Log != nil {
		s.Log(format, args...)
	}
}

// Serve plays until everything was played, or ctx is done. It closes ln.
func (s *Server) Serve(ctx context.Context, ln net.Listener) (*Report, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.mu.Lock()
	s.start = time.Now()
	s.report = &Report{Notes: s.Script.Notes, began: s.start}
	s.played = make([]int, len(s.Script.Sessions))
	s.seats = make(map[*seat]int)
	s.over = cancel
	if s.Expect == "" {
		s.Expect = Subset
	}
	s.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	var wg sync.WaitGroup
	room := make(chan struct{}, maxConns)
	var failed error
	for {
		sock, err := ln.Accept()
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, net.ErrClosed) {
				failed = fmt.Errorf("replay: accept: %w", err)
			}
			break
		}
		select {
		case room <- struct{}{}:
		default:
			sock.Close()
			continue
		}
		wg.Go(func() {
			s.serve(ctx, sock)
			<-room
		})
	}
	cancel()
	ln.Close()
	wg.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for st := range s.seats {
		s.finish(st)
	}
	for i, n := range s.played {
		if n == 0 && !s.Loop && s.Count == 0 {
			sess := s.Script.Sessions[i]
			s.report.unplay("nobody came for session %d, %s (connection %s)", sess.number, sess.Account, strings.Trim(fmt.Sprint(sess.Conns), "[]"))
		}
	}
	if s.Count > 0 && s.claims < s.Count && !s.Loop {
		s.report.unplay("%d of %d sessions were played", s.claims, s.Count)
	}
	s.report.ended = time.Now()
	return s.report, failed
}

func (s *Server) now() time.Duration { return time.Since(s.start) }

// serve is one connection to its end.
func (s *Server) serve(ctx context.Context, sock net.Conn) {
	v := &visitor{srv: s, sock: sock, visit: visit{host: s, script: s.Script, guard: &s.Passwords, wanted: s.Mechanisms, sasl2: s.SASL2, noTLS: s.NoTLS,
		expect: s.Expect, pace: s.Pace, others: s.Others}}
	stop := context.AfterFunc(ctx, func() { sock.Close() })
	defer stop()
	defer sock.Close()
	sock.SetReadDeadline(time.Now().Add(loginLimit))
	v.read(ctx)
	// Bytes that nobody read would reset the connection, and take away what
	// was said last.
	v.sock.SetReadDeadline(time.Now().Add(lastWords))
	io.CopyN(io.Discard, v.sock, readChunk)
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.timer != nil {
		v.timer.Stop()
	}
	st := v.seat
	if st == nil || st.conn != v {
		return // it never got online, or was resumed elsewhere
	}
	st.conn = nil
	if p := st.player; v.clean || p.closing || p.man.id == "" || p.Complete() || ctx.Err() != nil {
		s.finish(st)
		return
	}
	s.log("%s is gone; its session can be resumed for %s", st.player.live, resumeWait)
	st.timer = time.AfterFunc(resumeWait, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if st.conn == nil {
			s.finish(st)
		}
	})
}

// finish takes a session's result. The caller holds mu.
func (s *Server) finish(st *seat) {
	if _, open := s.seats[st]; !open {
		return
	}
	delete(s.seats, st)
	if st.timer != nil {
		st.timer.Stop()
	}
	r := st.player.Finish(s.now())
	s.report.add(r)
	s.log("%s: the session is over, %d of %d recorded stanzas came", r.Account, r.Met, r.Expected)
	if !s.Loop && len(s.seats) == 0 && !s.left() {
		s.over()
	}
}

// left reports whether there is a session that nobody came for.
func (s *Server) left() bool {
	switch {
	case s.Loop:
		return true
	case s.Count > 0:
		return s.claims < s.Count
	}
	for _, n := range s.played {
		if n == 0 {
			return true
		}
	}
	return false
}

// best finds the session for a client: its account's, else one of a user of
// that name, else one of the domain, else any; of these the one that was played
// least.
func (s *Server) best(domain, user string) int {
	found, rank := -1, -1
	if !s.left() {
		return -1
	}
	for i, sess := range s.Script.Sessions {
		if !s.Loop && s.Count == 0 && s.played[i] > 0 {
			continue
		}
		r := 0
		if strings.EqualFold(sess.Account.Domain, domain) {
			r++
		}
		if user != "" && strings.EqualFold(sess.Account.Local, user) {
			r += 2
		}
		if r > rank || r == rank && s.played[i] < s.played[found] {
			found, rank = i, r
		}
	}
	return found
}

func (s *Server) preview(domain string) *Session { return s.match(domain, "") }

func (s *Server) match(domain, user string) *Session {
	if i := s.best(domain, user); i >= 0 {
		return s.Script.Sessions[i]
	}
	for st := range s.seats {
		if st.player.man.id != "" && strings.EqualFold(st.player.live.Domain, domain) && (user == "" || st.player.live.Local == user) {
			return st.player.s
		}
	}
	return nil
}

func (s *Server) claim(domain, user string) *Session {
	i := s.best(domain, user)
	if i < 0 {
		return nil
	}
	s.played[i]++
	s.claims++
	return s.Script.Sessions[i]
}

func (s *Server) begin(p *Player) {
	s.seats[&seat{player: p}] = p.s.number - 1
	s.log("%s plays session %d, %s: %d stanzas", p.live, p.s.number, p.s.Account, len(p.s.Steps))
}

func (s *Server) resume(id, user string) *Player {
	for st := range s.seats {
		if p := st.player; id != "" && p.man.id == id && p.live.Bare().String() == user {
			if st.conn != nil {
				st.conn.sock.Close()
				st.conn = nil
			}
			if st.timer != nil {
				st.timer.Stop()
			}
			s.log("%s goes on with its session", p.live)
			return p
		}
	}
	return nil
}

// read hears what the client says until one of the two ends the connection.
func (v *visitor) read(ctx context.Context) {
	buf := make([]byte, readChunk)
	n, err := v.sock.Read(buf)
	if err != nil {
		return
	}
	if buf[0] == 0x16 { // TLS from the first byte: XEP-0368
		if !v.secure(ctx, &prefixed{Conn: v.sock, pre: buf[:n:n]}) {
			return
		}
		buf, n = make([]byte, readChunk), 0
	}
	if b := bytes.TrimLeft(buf[:n], " \t\r\n"); len(b) > 0 && b[0] != '<' {
		v.do(func(time.Duration) { v.visit.fail("not-well-formed", "what came is no XMPP") })
		return
	}
	var dec decode.Decoder
	for {
		dec.Write(buf[:n])
		for {
			f, ok := dec.Next()
			if !ok {
				break
			}
			if !v.do(func(now time.Duration) { v.visit.hear(now, time.Now(), f) }) {
				return
			}
			if v.visit.startTLS {
				// What came in the clear behind it is not the
				// client's word: RFC 6120 §5.3.3.
				dec.Reset(0)
				v.visit.startTLS = false
				if !v.secure(ctx, v.sock) {
					return
				}
				break
			}
			if v.visit.restart { // a new stream begins: RFC 6120 §6.4.6
				rest := bytes.Clone(dec.Unread())
				dec.Reset(0)
				dec.Write(rest)
				v.visit.restart = false
			}
		}
		if n, err = v.sock.Read(buf); n == 0 && err != nil {
			return
		}
	}
}

// do hears or ticks, and sends what comes of it. It reports whether the
// connection goes on.
func (v *visitor) do(act func(now time.Duration)) bool {
	v.wmu.Lock()
	defer v.wmu.Unlock()
	s := v.srv
	s.mu.Lock()
	if v.seat != nil && v.seat.conn != v {
		s.mu.Unlock()
		return false // the session goes on elsewhere
	}
	now := s.now()
	act(now)
	if v.seat == nil && v.visit.player != nil {
		v.sit()
	}
	if v.visit.player != nil {
		v.visit.player.Tick(now)
	}
	out := v.visit.take()
	closing := v.visit.closing
	if closing && (v.visit.player == nil || !v.visit.player.closing) {
		v.clean = true
	}
	v.wind(now)
	s.mu.Unlock()
	if len(out) > 0 {
		v.sock.SetWriteDeadline(time.Now().Add(writeLimit))
		if _, err := v.sock.Write(out); err != nil {
			v.sock.Close()
			return false
		}
	}
	if closing {
		v.hangUp()
	}
	return !closing
}

// sit takes the seat of the session that has just begun, or goes on. The caller
// holds Server.mu.
func (v *visitor) sit() {
	for st := range v.srv.seats {
		if st.player == v.visit.player {
			st.conn, v.seat = v, st
			v.sock.SetReadDeadline(time.Time{})
			return
		}
	}
}

// wind sets the clock for what the player says next. The caller holds
// Server.mu.
func (v *visitor) wind(now time.Duration) {
	if v.visit.player == nil || v.visit.closing {
		return
	}
	at, ok := v.visit.player.Next()
	if !ok {
		if v.timer != nil {
			v.timer.Stop()
		}
		return
	}
	wait := max(at-now, 0)
	if v.timer == nil {
		v.timer = time.AfterFunc(wait, func() { v.do(func(time.Duration) {}) })
		return
	}
	v.timer.Reset(wait)
}

// hangUp ends the connection after the stream: first our half, so that nothing
// that was said is lost.
func (v *visitor) hangUp() {
	v.sock.SetReadDeadline(time.Now().Add(lastWords))
	switch c := v.sock.(type) {
	case *tls.Conn:
		c.CloseWrite()
		if tcp, ok := c.NetConn().(interface{ CloseWrite() error }); ok {
			tcp.CloseWrite()
		}
	case interface{ CloseWrite() error }:
		c.CloseWrite()
	}
}

// secure does the TLS handshake.
func (v *visitor) secure(ctx context.Context, sock net.Conn) bool {
	var own *x509.Certificate
	asked := v.visit.domain
	if s := v.srv.Script.Sessions; asked == "" && len(s) > 0 {
		asked = s[0].Account.Domain
	}
	tc := tls.Server(sock, &tls.Config{
		NextProtos:             []string{"xmpp-client"},
		SessionTicketsDisabled: true,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			name := hello.ServerName
			if name == "" {
				name = asked
			}
			leaf, err := v.srv.Leaf(name)
			if err == nil {
				own, err = x509.ParseCertificate(leaf.Certificate[0])
			}
			return leaf, err
		},
	})
	if err := tc.HandshakeContext(ctx); err != nil {
		v.srv.log("no TLS with a client: %v (does it trust the authority? xmpplens ca trust)", err)
		return false
	}
	v.sock = tc
	v.visit.secured = true
	v.visit.cbs = bindings(tc.ConnectionState(), own)
	return true
}

// prefixed reads first what was read already.
type prefixed struct {
	net.Conn
	pre []byte
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.pre) > 0 {
		n := copy(b, p.pre)
		p.pre = p.pre[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

func (p *prefixed) CloseWrite() error {
	if c, ok := p.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}
