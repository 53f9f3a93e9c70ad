// Package proxy stands between XMPP clients and a server, or between servers,
// passes every byte on and records it.
//
//	p := &proxy.Proxy{Upstream: up, Log: log, CA: ca}
//	err := p.Serve(ctx, listener) // returns when ctx is done and all sessions have ended
//
// It is the only package with sockets. What is to be done with them is decided
// by package session, a pure state machine; the shell here reads, dials, does
// the TLS handshakes and carries the session's effects out.
//
// Each connection has two goroutines, clientToServer and serverToClient, which
// read one leg each and do everything that follows from it. An idle connection
// holds no buffer. A blocked write is the backpressure: nothing is queued but what is
// put in by others, and that has a bound (see queue.go).
//
// Over BOSH a session is not tied to connections: each request of it is a handler
// of net/http, see bosh.go. Over WebSocket it begins as one, see upgrade.go.
// Everything else that is asked of a web upstream is passed on, see front.go.
package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xmpplens/xmpplens/proxy/mitmca"
	"github.com/xmpplens/xmpplens/proxy/session"
	"github.com/xmpplens/xmpplens/record"
)

const (
	handshakeLimit = 30 * time.Second // for a TLS handshake on one leg
	dialLimit      = 30 * time.Second // for all addresses of an upstream
	drainLimit     = time.Second      // for the last bytes of a leg that was closed
	lingerLimit    = 10 * time.Second // for a peer that still has something to say
)

// A Proxy accepts clients and connects each to the upstream. Its fields must
// not change while Serve runs.
type Proxy struct {
	Upstream Upstream
	// Domains says where the servers of domains are, by domain in lower
	// case (see ParseTarget); the others are where Upstream says.
	Domains  map[string]Upstream
	Log      *record.Log       // required: what is passed on is recorded first
	CA       *mitmca.Authority // nil: clients cannot use TLS
	ServerCA *x509.CertPool    // authorities for the server leg; nil = the system's
	Insecure bool              // accept any certificate of the server, and say so
	Resolver *net.Resolver     // nil = the system's
	// ServerTLSMax is the highest TLS version on the server leg (a
	// tls.VersionTLS… constant); 0 = the highest known.
	ServerTLSMax uint16
	ClientTLSMax uint16          // the same for the client leg
	ClientTLS    session.TLSMode // "" = mirror
	ServerTLS    session.TLSMode // "" = mirror
	// Certificate is shown to clients instead of one that CA makes: the
	// server's own, with its key. Between servers each leg shows it where
	// it is for the domain that the leg stands for.
	Certificate *tls.Certificate
	Kind        string            // "" = c2s, session.KindS2S or session.KindComponent
	Secret      string            // of a component, to check its handshake
	Accounts    map[string]string // passwords by bare address: logins are done on each leg by itself
	// KeyLog, when there is one, makes every session a tap: TLS passes
	// untouched and is read with the secrets of the log.
	KeyLog     *KeyLog
	Mechanisms []string // SASL mechanisms offered to clients; empty = all that work
	// Socks are listeners for clients that say with SOCKS5 (RFC 1928) which
	// server they want; Upstream does not count for them. Serve closes them.
	Socks []net.Listener
	// Transparent says that a firewall leads connections here, whatever server
	// they are for: the address that they were for counts before Upstream.
	// Linux only; see ListenTransparent.
	Transparent bool
	// ProxyProtocol says that clients come through a balancer that tells who
	// they are with the PROXY protocol, SendProxyProtocol (ProxyV1, ProxyV2)
	// that the server is told. A WebSocket or BOSH upstream is not told.
	ProxyProtocol     bool
	SendProxyProtocol int
	Compression       string // session.Inflate to pass stream compression on; "" takes it out of the offer
	MaxFrame          int    // bytes; 0 = decode.DefaultMaxFrame
	// HoldLimit is after how long a frame that is held passes; 0 =
	// session.DefaultHoldLimit.
	HoldLimit time.Duration
	// Grace is how long sessions may end by themselves when Serve is told
	// to stop, before they are told with a stream close.
	Grace time.Duration
	// Crashed, if not nil, is called before the program ends because a goroutine of
	// a connection panics: what was changed outside of it, a terminal, can be undone.
	Crashed func()

	last    atomic.Int64 // number of the newest connection
	own     []net.Addr   // what is listened on; set before the first client is accepted
	mu      sync.Mutex
	conns   map[*conn]struct{} // guarded by mu
	ending  bool               // guarded by mu: no session begins any more
	wg      sync.WaitGroup     // one for each connection
	workers workers            // its goroutines

	arms        arms
	watch       watchers
	resumptions session.Resumptions

	// boshDelay is for tests: 0 = the constant.
	boshDelay time.Duration

	doors     []door    // guarded by mu; of Serve's listeners
	near      nearEnds  // of Transparent
	redirects redirects // those that servers send clients to
}

// Serve accepts clients from the listeners until ctx is done. It then closes
// them, gives sessions their grace time, ends them and returns when all are
// gone. The error is nil after an orderly end.
func (p *Proxy) Serve(ctx context.Context, listeners ...net.Listener) error {
	if p.Log == nil {
		return errors.New("proxy: no log to record in")
	}
	var doors []door
	for _, ln := range listeners {
		doors = append(doors, door{ln: ln, up: p.Upstream})
		if p.Upstream.is(ln.Addr()) {
			return fmt.Errorf("proxy: the upstream %s is the proxy itself: listen on another port", p.Upstream)
		}
	}
	for _, ln := range p.Socks {
		doors = append(doors, door{ln: ln, socks: true})
	}
	for _, d := range doors {
		p.own = append(p.own, d.ln.Addr())
	}
	// Sessions outlive ctx by their grace time.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	if p.Upstream.Web != "" {
		f := newFront(work, p, p.Upstream)
		defer f.close()
		for i := range listeners {
			doors[i].front = f
		}
	}
	p.redirects.front = func(up Upstream) *front { return newFront(work, p, up) }
	defer p.redirects.closeFronts()
	p.mu.Lock()
	if p.conns == nil {
		p.conns = make(map[*conn]struct{})
	}
	p.ending = false
	p.doors = doors
	p.mu.Unlock()
	stopKeys := p.followKeys()
	ctx, end := context.WithCancel(ctx)
	defer end()
	errs := make([]error, len(doors))
	p.redirects.serve = func(d door) { p.serveRedirect(ctx, work, d) }
	var wg sync.WaitGroup
	for i, d := range doors {
		stop := context.AfterFunc(ctx, func() { d.ln.Close() })
		defer stop()
		wg.Go(func() { // ends with ctx, or with its listener and then all do
			errs[i] = p.acceptClients(ctx, work, d)
			end()
		})
	}
	wg.Wait()
	p.redirects.close()
	for _, d := range doors {
		d.ln.Close()
	}
	p.endSessions(cancel)
	p.workers.end()
	stopKeys()
	return errors.Join(errs...)
}

// followKeys reads the key log until stop is called, which waits for the end of that.
func (p *Proxy) followKeys() (stop func()) {
	if p.KeyLog == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { p.KeyLog.Follow(ctx) })
	return func() {
		cancel()
		wg.Wait()
	}
}

func (p *Proxy) acceptClients(ctx, work context.Context, d door) error {
	pause := time.Duration(0)
	for {
		nc, err := d.ln.Accept()
		if ctx.Err() != nil {
			if nc != nil {
				nc.Close()
			}
			return nil
		}
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("proxy: accept: %w", err)
			}
			// Out of descriptors, mostly: sessions that end give some back.
			if pause == 0 {
				p.Log.Append(record.Event{E: record.EventNote, Level: "error", By: "proxy", Text: "cannot accept a client: " + err.Error(),
					Hint: "raise the limit of open files (ulimit -n); the proxy goes on trying"})
			}
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
			continue
		}
		pause = 0
		if d.front != nil {
			d.front.accept(nc, d)
			continue
		}
		c := newConn(p, int(p.last.Add(1)), nc, d)
		if !p.begin(c) {
			nc.Close()
			return nil
		}
		p.workers.run(func() {
			defer p.ended(c)
			c.clientToServer(work)
		})
	}
}

// begin counts a session in; false: it must not begin. ended follows.
func (p *Proxy) begin(c *conn) bool {
	p.arms.mu.Lock()
	defer p.arms.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ending {
		return false
	}
	p.conns[c] = struct{}{}
	if len(p.arms.list) > 0 {
		c.judges = p.judgesOf(c.id)
		c.sess.Handle(session.Input{On: session.Arm, Judge: c.judges.as()})
	}
	p.wg.Add(1)
	return true
}

// crashed tells of a panic, which then goes on. It must be deferred itself.
func (p *Proxy) crashed() {
	if v := recover(); v != nil {
		p.crash(v)
	}
}

func (p *Proxy) crash(v any) {
	if p.Crashed != nil {
		p.Crashed()
	}
	panic(v)
}

// fatal is crashed for what runs in goroutines of others, who go on after a panic,
// though locks are held: net/http does in its handlers. It must be deferred itself.
func (p *Proxy) fatal() {
	if v := recover(); v != nil {
		text := fmt.Sprintf("%v\n\n%s", v, debug.Stack())
		go p.crash(text) // ends with the program
		select {}
	}
}

// ended counts a session out. It must be deferred itself: after a panic it tells of
// that, and waits for nothing, since locks are held.
func (p *Proxy) ended(c *conn) {
	if v := recover(); v != nil {
		p.crash(v)
	}
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
	c.mu.Lock()
	c.judges.close()
	c.mu.Unlock()
	p.wg.Done()
	p.poke()
}

// endSessions waits for the grace time, then tells the sessions that are left
// and cuts those that do not listen.
func (p *Proxy) endSessions(cancel context.CancelFunc) {
	p.mu.Lock()
	p.ending = true
	p.mu.Unlock()
	done := make(chan struct{})
	go func() { // ends with the last connection, which is cut below
		p.wg.Wait()
		close(done)
	}()
	left := func(wait time.Duration) bool {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-done:
			return false
		case <-timer.C:
			return true
		}
	}
	if !left(p.Grace) {
		return
	}
	cancel()
	p.each((*conn).shutdown)
	if left(2 * drainLimit) {
		p.each((*conn).cut)
		<-done
	}
}

// open are the connections that there are now.
func (p *Proxy) open() []*conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Keys(p.conns))
}

func (p *Proxy) each(f func(*conn)) {
	var wg sync.WaitGroup
	for _, c := range p.open() {
		wg.Go(func() { f(c) })
	}
	wg.Wait()
}

// sessionConfig is that of a connection through d. The name of the server stays
// that of the main upstream, wherever it sends its clients.
func (p *Proxy) sessionConfig(id int, d door) session.Config {
	cfg := session.Config{
		Conn: id, ClientTLS: p.ClientTLS, ServerTLS: p.ServerTLS, Mechanisms: p.Mechanisms, Accounts: p.Accounts, Kind: p.Kind, Secret: p.Secret, OwnCertificate: p.Certificate != nil, Insecure: p.Insecure,
		HoldLimit: p.HoldLimit, Resumptions: &p.resumptions,
		ByDomain: p.Upstream.Service, ByTo: p.Upstream.Any || len(p.Domains) > 0, Domain: p.Upstream.Host, Compression: p.Compression, MaxFrame: p.MaxFrame, Tap: p.KeyLog != nil,
	}
	if p.Upstream.Any && len(p.Domains) == 1 {
		// Clients of direct TLS do not always say a name (SNI), and then
		// there is but one that they can mean.
		for domain := range p.Domains {
			cfg.Domain = domain
		}
	}
	if d.named {
		cfg.ByDomain, cfg.ByTo = d.up.Service, false
		if _, err := netip.ParseAddr(d.up.Host); err != nil && d.socks {
			cfg.Domain = d.up.Host
		}
	}
	if p.CA != nil {
		cfg.CA = p.CA.Path()
	}
	return cfg
}
