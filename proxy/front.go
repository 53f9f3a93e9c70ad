package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/xmpplens/xmpplens/proxy/session"
	"github.com/xmpplens/xmpplens/proxy/websocket"
	"github.com/xmpplens/xmpplens/record"
)

// A front serves HTTP/1.1 to the clients of a WebSocket or BOSH endpoint: the
// proxy's upstream, or one that a server sends its clients to. A request that
// opens a WebSocket for XMPP becomes a session; a BOSH request goes to its
// handler; everything else is passed to the same origin, so that a web client
// works that the same host serves.
type front struct {
	p        *Proxy
	up       Upstream               // the endpoint
	upstream *http.Transport        // to the upstream, verified as every server leg
	pass     *httputil.ReverseProxy // everything that is not XMPP
	// bosh takes requests whose body is a <body/> of BOSH (XEP-0124), and
	// ends its sessions when ctx is done.
	bosh *boshFront

	server  http.Server
	clients chan net.Conn   // from greet to net/http
	ctx     context.Context // done when close is called, or the sessions are to end
	cancel  context.CancelFunc
	wg      sync.WaitGroup

	mu     sync.Mutex
	closed bool            // guarded by mu: no handler begins any more
	warned bool            // guarded by mu: the certificate of the upstream was complained about
	past   map[string]bool // guarded by mu: ways past the proxy that were warned of
	idle   chan struct{}   // closed when closed and no handler runs
	active int             // guarded by mu: handlers that run
}

// A frontConn is a client's connection with what is known of it, for handlers:
// see clientOf.
type frontConn struct {
	net.Conn      // tls, or sock
	door     door // where it came in
	f        *front
	sock     *socket
	tls      *tls.Conn   // nil for clear text
	cert     *tls.Config // what was shown
}

const (
	frontHeader  = 64 << 10         // bytes of a request's header
	frontPatient = 30 * time.Second // for it to arrive
	frontIdle    = 2 * time.Minute  // between two requests
)

// newFront makes a front that serves until close is called.
func newFront(work context.Context, p *Proxy, up Upstream) *front {
	f := &front{p: p, up: up, clients: make(chan net.Conn), idle: make(chan struct{})}
	f.ctx, f.cancel = context.WithCancel(work)
	f.upstream = &http.Transport{
		DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return f.dial(ctx) },
		DialTLSContext:      func(ctx context.Context, _, _ string) (net.Conn, error) { return f.dialTLS(ctx) },
		DisableCompression:  true, // what the client did not ask for it does not get
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     frontIdle,
	}
	f.bosh = newBOSH(f)
	context.AfterFunc(f.ctx, f.bosh.shutdown)
	quiet := log.New(io.Discard, "", 0) // what matters is noted in the recording
	f.pass = &httputil.ReverseProxy{Rewrite: f.request, Transport: f.upstream, ModifyResponse: f.response, ErrorHandler: f.failed, FlushInterval: -1, ErrorLog: quiet}
	f.server = http.Server{
		Handler: f, MaxHeaderBytes: frontHeader, ReadHeaderTimeout: frontPatient, IdleTimeout: frontIdle, ErrorLog: quiet,
		BaseContext: func(net.Listener) context.Context { return f.ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, clientKey{}, c)
		},
	}
	f.wg.Go(func() { f.server.Serve((*frontListener)(f)) }) // ends with close
	return f
}

type clientKey struct{}

// clientOf returns the connection on which a request came.
func clientOf(r *http.Request) *frontConn { return r.Context().Value(clientKey{}).(*frontConn) }

// frontListener hands the connections that greet has looked at to net/http.
type frontListener front

func (l *frontListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.clients:
		return c, nil
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	}
}
func (l *frontListener) Close() error   { return nil }
func (l *frontListener) Addr() net.Addr { return &net.TCPAddr{} }

// accept takes a client that has just connected.
func (f *front) accept(nc net.Conn, d door) { f.wg.Go(func() { f.greet(nc, d) }) }

// close ends everything but the sessions, which are the proxy's.
func (f *front) close() {
	f.mu.Lock()
	f.closed = true
	if f.active == 0 {
		close(f.idle)
	}
	f.mu.Unlock()
	f.cancel()
	f.server.Close()
	f.upstream.CloseIdleConnections()
	<-f.idle
	f.wg.Wait()
}

// enter counts a handler in; false: it must not begin.
func (f *front) enter() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return false
	}
	f.active++
	return true
}

func (f *front) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.active--; f.active == 0 && f.closed {
		close(f.idle)
	}
}

func (f *front) note(level, text, hint string) {
	f.p.Log.Append(record.Event{E: record.EventNote, Level: level, By: "proxy", Text: text, Hint: hint})
}

// greet looks at the client's first byte, does the TLS handshake if it begins
// one, and hands the connection on.
func (f *front) greet(nc net.Conn, d door) {
	stop := context.AfterFunc(f.ctx, func() { nc.Close() })
	defer stop()
	if f.p.ProxyProtocol {
		client, _, err := takeProxyHeader(nc)
		if err != nil {
			f.note("error", "the client at "+nc.RemoteAddr().String()+": "+err.Error(), hintOf(err))
			nc.Close()
			return
		}
		nc = client
	}
	nc.SetDeadline(time.Now().Add(handshakeLimit))
	first := make([]byte, 1)
	if _, err := io.ReadFull(nc, first); err != nil {
		nc.Close()
		return
	}
	sock := newSocket(nc)
	sock.pre = first
	c := &frontConn{Conn: sock, f: f, door: d, sock: sock}
	from := nc.RemoteAddr().String()
	switch isTLS := first[0] == 0x16; { // a handshake record
	case isTLS && f.p.ClientTLS == session.Off:
		f.note("error", "the client at "+from+" began with TLS, which --client-tls=off does not allow", "use --client-tls=mirror, or give the client an address with ws:// or http://")
		nc.Close()
		return
	case !isTLS && f.p.ClientTLS == session.Direct:
		f.note("error", "the client at "+from+" did not begin with TLS, which --client-tls=direct demands", "use --client-tls=mirror, or give the client an address with wss:// or https://")
		nc.Close()
		return
	case isTLS:
		tc := tls.Server(sock, &tls.Config{GetConfigForClient: c.answerHello})
		if err := tc.Handshake(); err != nil {
			if f.ctx.Err() == nil {
				c.refused(err)
			}
			nc.Close()
			return
		}
		c.Conn, c.tls = tc, tc
	}
	nc.SetDeadline(time.Time{})
	select {
	case f.clients <- c:
	case <-f.ctx.Done():
		nc.Close()
	}
}

// answerHello chooses the certificate: for the name that the client asks for,
// or for the address that it connected to.
func (c *frontConn) answerHello(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	e := &session.Effect{Name: hello.ServerName}
	if tcp, ok := c.sock.LocalAddr().(*net.TCPAddr); ok && e.Name == "" {
		e.Name = tcp.IP.String()
	}
	if slices.Contains(hello.SupportedProtos, "http/1.1") {
		e.ALPN = []string{"http/1.1"}
	}
	if c.cert = c.f.p.certificate(e); c.cert == nil {
		return nil, errNoCertificate
	}
	return c.cert, nil
}

// Read implements net.Conn. A client that does not like the certificate says so
// after the handshake.
func (c *frontConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil && isAlert(err) {
		c.refused(err)
	}
	return n, err
}

func isAlert(err error) bool { return strings.Contains(err.Error(), "remote error: tls: ") }

// refused notes that there is no TLS with the client.
func (c *frontConn) refused(err error) {
	hint := "look into the client's own log"
	if isAlert(err) && c.f.p.CA != nil {
		hint = "make the client trust " + c.f.p.CA.Path() + " (xmpplens ca tells how)"
	}
	c.f.note("error", "TLS with the client at "+c.RemoteAddr().String()+": "+err.Error(), hint)
}

func (f *front) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	u := f.up
	return f.p.dialHost(ctx, net.JoinHostPort(u.Host, strconv.Itoa(u.Port)))
}

// dialTLS connects to an upstream of wss or https.
func (f *front) dialTLS(ctx context.Context) (net.Conn, error) {
	c, err := f.dial(ctx)
	if err != nil {
		return nil, err
	}
	check := new(verdict)
	tc := tls.Client(c, f.p.serverTLS(f.up.Host, []string{"http/1.1"}, check))
	limit, cancel := context.WithTimeout(ctx, handshakeLimit)
	defer cancel()
	if err := tc.HandshakeContext(limit); err != nil {
		c.Close()
		hint, err := explainTLS(err, session.Server, check)
		return nil, &hinted{fmt.Errorf("TLS with the server: %w", err), hint}
	}
	f.mu.Lock()
	first := check.problem != "" && !f.warned
	f.warned = f.warned || first
	f.mu.Unlock()
	if first {
		f.note("warning", "the server's certificate is not trusted: "+check.problem, "leave --insecure out, and give its authority with --server-ca=FILE")
	}
	return tc, nil
}

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !f.enter() {
		http.Error(w, "the proxy ends", http.StatusServiceUnavailable)
		return
	}
	defer f.leave()
	r = r.WithContext(context.WithValue(r.Context(), cameKey{}, came{r.Host, r.Header.Get("Origin")}))
	if websocket.Opens(r, subprotocol) {
		f.websocket(w, r)
		return
	}
	if isBOSH(r) || f.isPacked(r) {
		f.bosh.ServeHTTP(w, r)
		return
	}
	f.pass.ServeHTTP(w, r)
}

// isPacked tells a request to the BOSH endpoint whose body is compressed.
func (f *front) isPacked(r *http.Request) bool {
	up := f.up
	return r.Method == http.MethodPost && r.Header.Get("Content-Encoding") != "" && (up.Web == "http" || up.Web == "https") && r.URL.RequestURI() == up.Path
}

const nsHTTPBind = "http://jabber.org/protocol/httpbind"

// boshPeek is how much of a body is looked at to tell whether it is one of
// BOSH: room for an XML declaration and a start tag.
const boshPeek = 4 << 10

// isBOSH tells a request of BOSH by its body, which is still whole afterwards.
func isBOSH(r *http.Request) bool {
	if r.Method != http.MethodPost || r.Body == nil {
		return false
	}
	b := bufio.NewReaderSize(r.Body, boshPeek)
	r.Body = struct {
		io.Reader
		io.Closer
	}{b, r.Body}
	// As much as the first read yields, or up to the end of the tag.
	for n := 1; n <= boshPeek; n = b.Buffered() + 1 {
		_, err := b.Peek(n)
		head, _ := b.Peek(b.Buffered())
		tag := bytes.TrimLeft(head, "\ufeff \t\r\n")
		if bytes.HasPrefix(tag, []byte("<?xml")) {
			_, tag, _ = bytes.Cut(tag, []byte("?>"))
			tag = bytes.TrimLeft(tag, " \t\r\n")
		}
		start, _, whole := bytes.Cut(tag, []byte(">"))
		if whole || err != nil {
			return bytes.HasPrefix(start, []byte("<")) && bytes.Contains(start, []byte("body")) && bytes.Contains(start, []byte(nsHTTPBind))
		}
	}
	return false
}
