package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/xmpplens/xmpplens/proxy/session"
	"github.com/xmpplens/xmpplens/proxy/websocket"
)

// An upgrade is a client's request for a WebSocket, which becomes a session: the
// request goes to the server as it is, but for the host and what would compress
// the messages, and the server's answer to the client.
type upgrade struct {
	f        *front
	w        http.ResponseWriter // until answered
	r        *http.Request       // until answered
	answered bool                // the client has the server's answer, or its connection is the session's
	early    [2][]byte           // by leg: what came behind the handshake, together with it
}

// subprotocol is that of XMPP (RFC 7395 §3.1).
const subprotocol = "xmpp"

// websocket serves a request that opens a WebSocket for XMPP. When it is open
// the session goes on by itself: net/http holds buffers as long as a handler runs.
func (f *front) websocket(w http.ResponseWriter, r *http.Request) {
	client := clientOf(r)
	c := &conn{p: f.p, id: int(f.p.last.Add(1)), door: door{up: f.up}, cert: client.cert, upgrade: &upgrade{f: f, w: w, r: r}}
	cfg := f.p.sessionConfig(c.id, c.door)
	cfg.Transport, cfg.ByTo, cfg.ByDomain, cfg.Domain = session.WebSocket, false, false, f.up.Host
	cfg.Mask = func() (key [4]byte) {
		rand.Read(key[:])
		return key
	}
	outside := (&http.Request{Host: r.Host}).WithContext(context.WithValue(f.ctx, clientKey{}, client))
	cfg.Lead = func(uri string) (string, error) { return f.lead(outside, uri) }
	c.sess = session.New(cfg)
	c.init()
	if !f.p.begin(c) {
		http.Error(w, errEnding.Error(), http.StatusServiceUnavailable)
		return
	}
	defer f.p.fatal()
	ctx := r.Context()
	in := session.Input{On: session.Accepted, Client: r.RemoteAddr, Server: f.up.String()}
	if client.tls != nil {
		state := client.tls.ConnectionState()
		in.TLS = describe(state, new(verdict))
		if len(f.p.Accounts) > 0 {
			in.TLS.Bindings = c.bindings(session.Client, state)
		}
	}
	c.handle(ctx, in)
	if !c.upgrade.answered {
		c.mu.Lock()
		cause := c.sess.Cause()
		c.mu.Unlock()
		http.Error(w, "xmpplens: "+cause, http.StatusBadGateway)
	}
	c.upgrade.w, c.upgrade.r = nil, nil
	go c.opened(f.ctx) // ends with the legs, or with the front; the proxy waits for it
}

// opened is the session from the open WebSocket on.
func (c *conn) opened(ctx context.Context) {
	defer c.p.ended(c)
	defer c.cut()
	for _, l := range []session.Leg{session.Server, session.Client} {
		if b := c.upgrade.early[l]; len(b) > 0 {
			c.handle(ctx, session.Input{On: session.Data, Dir: l.Receives(), Bytes: b})
		}
	}
	c.upgrade.early = [2][]byte{}
	c.relay(ctx)
}

// open does the handshake with the server and lets the client know.
func (u *upgrade) open(ctx context.Context, c *conn) {
	path := u.r.URL.RequestURI()
	refused := func(code int, err error, hint string) {
		c.handle(ctx, session.Input{On: session.Refused, Name: path, Code: code, Err: err, Hint: hint})
	}
	c.legs[session.Server].deadline(handshakeLimit)
	req, why := u.request(ctx)
	conn := c.legs[session.Server].plain()
	from := bufio.NewReader(conn)
	var resp *http.Response
	err := req.Write(conn)
	if err == nil {
		resp, err = http.ReadResponse(from, req)
	}
	if err != nil {
		if isEOF(err) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the server closed the connection")
		}
		refused(0, fmt.Errorf("no answer to the WebSocket handshake: %w", err), "is it an HTTP port?")
		return
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		hint := "see the server's log"
		if resp.StatusCode == http.StatusNotFound {
			hint = "check the path: Prosody has /xmpp-websocket, ejabberd /ws or /websocket"
		}
		refused(resp.StatusCode, fmt.Errorf("the server does not open a WebSocket: %s", resp.Status), hint)
		u.answered = true
		keepHere(resp.Header)
		copyHeader(u.w.Header(), resp.Header)
		u.w.WriteHeader(resp.StatusCode)
		io.Copy(u.w, resp.Body)
		return
	}
	if kept := keepHere(resp.Header); len(kept) > 0 {
		why = strings.TrimPrefix(why+"; "+strings.Join(kept, "; "), "; ")
	}
	c.legs[session.Server].undeadline()
	u.early[session.Server] = rest(from)
	c.handle(ctx, session.Input{On: session.Upgraded, Name: path, Code: resp.StatusCode, Hint: why, Err: u.check(resp)})
	u.answered = true
	nc, buf, err := http.NewResponseController(u.w).Hijack()
	if err != nil {
		c.handle(ctx, session.Input{On: session.EOF, Leg: session.Client, Err: err})
		return
	}
	client := nc.(*frontConn)
	c.legs[session.Client].take(client.sock, client.tls)
	u.early[session.Client] = rest(buf.Reader)
	var answer bytes.Buffer
	fmt.Fprintf(&answer, "HTTP/1.1 %s\r\n", resp.Status)
	resp.Header.Write(&answer)
	answer.WriteString("\r\n")
	if _, err := nc.Write(answer.Bytes()); err != nil {
		c.handle(ctx, session.Input{On: session.WriteFailed, Leg: session.Client, Err: endError(err)})
	}
}

// rest takes what a reader has read ahead.
func rest(r *bufio.Reader) []byte {
	b, _ := r.Peek(r.Buffered())
	return bytes.Clone(b)
}

// request is the client's, as it goes to the server, and what was changed that
// matters.
func (u *upgrade) request(ctx context.Context) (req *http.Request, why string) {
	req = u.r.Clone(ctx)
	req.URL.Scheme, req.URL.Host = "", ""
	req.Host = u.f.up.authority()
	req.Body, req.ContentLength = nil, 0
	u.f.comeFrom(req.Header, u.r)
	if _, ok := req.Header["User-Agent"]; !ok {
		req.Header.Set("User-Agent", "") // else net/http adds its own
	}
	if ext := strings.Join(req.Header.Values("Sec-WebSocket-Extensions"), ", "); ext != "" {
		req.Header.Del("Sec-WebSocket-Extensions")
		why = "Sec-WebSocket-Extensions: " + ext + " removed: messages that are compressed (RFC 7692) cannot be read"
	}
	return req, why
}

// check looks at what the server agreed to.
func (u *upgrade) check(resp *http.Response) error {
	switch h := resp.Header; {
	case h.Get("Sec-WebSocket-Accept") != websocket.Accept(u.r.Header.Get("Sec-WebSocket-Key")):
		return errors.New("the server's Sec-WebSocket-Accept does not fit the client's key (RFC 6455 §4.2.2): the client will not take it")
	case !websocket.HasToken(h, "Sec-WebSocket-Protocol", subprotocol):
		return errors.New("the server did not agree to the subprotocol xmpp (RFC 7395 §3.1): the client may go away")
	case h.Get("Sec-WebSocket-Extensions") != "":
		return errors.New("the server chose extensions that were not offered (RFC 6455 §9.1): " + h.Get("Sec-WebSocket-Extensions"))
	}
	return nil
}

func copyHeader(dst, src http.Header) {
	for k, v := range src {
		switch k {
		case "Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade": // of the server leg only
		default:
			dst[k] = v
		}
	}
}

// dialEndpoint connects the server leg of a session over HTTP.
func (c *conn) dialEndpoint(ctx context.Context) {
	nc, err := c.upgrade.f.dial(ctx)
	if err != nil {
		c.handle(ctx, session.Input{On: session.DialFailed, Err: err, Hint: hintOf(err)})
		return
	}
	c.legs[session.Server].use(nc)
	c.handle(ctx, session.Input{On: session.Dialed, Server: nc.RemoteAddr().String(), Direct: c.upgrade.f.up.Direct})
}
