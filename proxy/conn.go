package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/xmpplens/xmpplens/proxy/session"
	"github.com/xmpplens/xmpplens/record"
)

// conn is the shell of one session: it carries out what the session decides.
//
// Lock order: mu, then order, then a leg's write lock. prepare takes order before
// it lets mu go, and under it the write locks of the legs that it will send to, or
// a place in their queues: so bytes reach the log and a leg in the order in which
// the session decided them, while a blocked write holds up its own direction only.
type conn struct {
	p    *Proxy
	id   int
	door door // where the client came in, and where it goes

	mu       sync.Mutex
	sess     *session.Session // guarded by mu
	judges   judges           // guarded by mu; those who are asked about frames
	released sync.Cond        // on mu; the session may have stopped waiting
	order    sync.Mutex       // held while effects get their turn
	bg       background
	gone     chan struct{} // closed when slow legs are not waited for any more
	leave    sync.Once     // closes gone

	upgrade *upgrade // how a session over WebSocket begins; nil for others
	legs    [2]leg
	led     bool        // a firewall led the client here; used by clientToServer before its session begins, then constant
	socks   bool        // the client waits for an answer; used by clientToServer only
	tap     *tapping    // nil without --tap
	dialled dialled     // how the server leg was connected; written before its socket is
	cert    *tls.Config // answer to the client's hello; used by clientToServer only

	started bool           // serverToClient runs; used by clientToServer only
	wg      sync.WaitGroup // for serverToClient
}

func newConn(p *Proxy, id int, nc net.Conn, d door) *conn {
	c := &conn{p: p, id: id, door: d, sess: session.New(p.sessionConfig(id, d))}
	c.init()
	if p.KeyLog != nil {
		c.tap = newTapping(p.Log, p.KeyLog, id)
	}
	c.legs[session.Client].use(nc)
	return c
}

// init makes what every connection has.
func (c *conn) init() {
	c.released.L = &c.mu
	c.gone = make(chan struct{})
	for i := range c.legs {
		c.legs[i].gone = c.gone
	}
}

// hurry ends the waiting for slow legs.
func (c *conn) hurry() { c.leave.Do(func() { close(c.gone) }) }

// clientToServer reads the client leg until it ends, and owns the connection:
// when it returns both legs are closed and serverToClient has ended.
func (c *conn) clientToServer(ctx context.Context) {
	c.begin(ctx)
	c.relay(ctx)
}

// What a goroutine has on its stack while it waits for a peer decides what an idle
// connection costs: below 1,248 bytes the runtime shrinks the stack to 4 KiB,
// above it stays at 8 (BenchmarkIdleMemory: 28.1 KiB a connection, now 20.6). So
// what needs room, and is not there while a leg is read, is not inlined.

// begin tells the session of its client.
//
//go:noinline
func (c *conn) begin(ctx context.Context) {
	hint, err := c.arrive()
	server := ""
	if c.door.up != (Upstream{}) {
		server = c.door.up.String()
	}
	c.handle(ctx, session.Input{On: session.Accepted, Client: c.legs[session.Client].remote(), Server: server, Err: err, Hint: hint})
}

// relay reads both legs until they end.
func (c *conn) relay(ctx context.Context) {
	c.startServer(ctx)
	for c.wait(record.CS) && c.receive(ctx, session.Client) {
		c.startServer(ctx)
	}
	c.finish(ctx)
}

// finish waits until all is done.
//
//go:noinline
func (c *conn) finish(ctx context.Context) {
	c.wg.Wait()
	c.waitHeld()
	if server := c.legs[session.Server].socket.Load(); server != nil && c.p.Transparent {
		c.p.near.forget(server.conn.LocalAddr())
	}
	c.hurry()
	for i := range c.legs {
		c.legs[i].close()
	}
	c.bg.end()
	if c.tap != nil {
		c.handle(ctx, session.Input{On: session.Untapped, Manner: c.tap.end(ctx)})
	}
}

// arrive reads what comes in front of the session. hint is what it says, or what
// to do about the error.
func (c *conn) arrive() (hint string, err error) {
	switch {
	case c.door.socks:
		return c.arriveSocks()
	case c.p.Transparent && !c.door.named && c.door.ln != nil:
		return c.arriveTransparent()
	case !c.p.ProxyProtocol || c.door.ln == nil:
		return "", nil
	}
	client := &c.legs[session.Client]
	nc, note, err := takeProxyHeader(client.socket.Load().conn)
	if err != nil {
		return hintOf(err), err
	}
	client.use(nc)
	return note, nil
}

// goTo makes up the server of the client, which has said so before its session
// began.
func (c *conn) goTo(up Upstream) {
	c.door.up, c.door.named = up, true
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.sess.Closed() {
		cfg := c.p.sessionConfig(c.id, c.door)
		cfg.Judge = c.judges.as()
		c.sess = session.New(cfg)
	}
}

// startServer starts the other direction as soon as the server may speak.
func (c *conn) startServer(ctx context.Context) {
	if c.started {
		return
	}
	c.mu.Lock()
	ready := c.sess.ServerReady()
	c.mu.Unlock()
	if ready {
		c.started = true
		c.wg.Add(1)
		c.p.workers.run(func() {
			defer c.wg.Done()
			defer c.p.crashed()
			c.serverToClient(ctx)
		})
	}
}

// serverToClient reads the server leg until it ends.
func (c *conn) serverToClient(ctx context.Context) {
	for c.wait(record.SC) && c.receive(ctx, session.Server) {
	}
}

// wait blocks while the session wants nothing more from the direction. It
// reports false when the session is over and the leg is to be drained no
// further.
func (c *conn) wait(d record.Dir) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.sess.Waits(d) {
		c.released.Wait()
	}
	return true
}

// waitHeld blocks while legs that have ended have left frames behind that are held.
func (c *conn) waitHeld() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.sess.Lingers() {
		c.released.Wait()
	}
}

// receive hands one chunk of a leg to the session. It reports false at the
// leg's end.
func (c *conn) receive(ctx context.Context, which session.Leg) bool {
	l := &c.legs[which]
	buf, n, err := l.read()
	if n > 0 {
		c.received(ctx, which, buf.b[:n])
	}
	buf.release()
	if err == nil {
		return true
	}
	c.ended(ctx, which, err)
	return false
}

//go:noinline
func (c *conn) received(ctx context.Context, which session.Leg, b []byte) {
	c.handle(ctx, session.Input{On: session.Data, Dir: which.Receives(), Bytes: b})
}

//go:noinline
func (c *conn) ended(ctx context.Context, which session.Leg, err error) {
	c.handle(ctx, session.Input{On: session.EOF, Leg: which, Err: endError(err), CloseNotify: c.legs[which].closeNotified()})
}

// noLeg and everyLeg say which legs a goroutine writes to itself, beside one.
const (
	noLeg    = -1
	everyLeg = 2
)

// handle gives the session an input and carries out the answer.
func (c *conn) handle(ctx context.Context, in session.Input) {
	c.mu.Lock()
	own := everyLeg
	if in.On == session.Data && !c.sess.Armed() {
		own = int(session.Client)
		if in.Dir == record.CS {
			own = int(session.Server)
		}
	}
	c.carryOut(ctx, c.prepare(c.sess.Handle(in), own))
}

// elapsed hands in a time that is over.
func (c *conn) elapsed(timer int64) {
	defer c.p.crashed()
	c.mu.Lock()
	c.carryOut(context.Background(), c.prepare(c.sess.Handle(session.Input{On: session.Elapsed, Timer: timer}), noLeg))
	c.p.poke()
}

// A turn is what was decided and has its place in the order: carryOut does it.
type turn struct {
	effects []session.Effect
	own     int        // the leg that is written to at once
	locked  [2]bool    // legs whose wmu is held
	others  [2]bool    // legs in whose queues it stands
	before  [2][]piece // what was decided earlier, and waits for a leg that is held
}

// prepare records what was decided and takes its turn at the legs; the caller
// holds mu, which is given back. carryOut has to follow: it may wait for the peers.
func (c *conn) prepare(effects []session.Effect, own int) turn {
	t := turn{effects: effects, own: own}
	changed := false // what is held, mostly: each has its time, also where nothing is recorded any more
	for i := range effects {
		switch e := &effects[i]; e.Do {
		case session.Tap:
			c.tap.put(e)
		case session.Wait: // it begins now, however long the writes in front of it take
			id := e.Timer
			c.bg.wait(id, e.For, func() { c.elapsed(id) })
			changed = true
		case session.Unwait:
			c.bg.unwait(e.Timer)
			changed = true
		}
	}
	c.order.Lock()
	c.mu.Unlock()
	// The log leads the wire, in the order of the decisions.
	if len(effects) > 0 && effects[0].Do == session.Record {
		c.p.Log.Append(effects[0].Events...) // its error sticks in the log, which tells whoever watches it
		changed = changed || tells(effects[0].Events)
	}
	if changed {
		defer c.p.poke()
	}
	for i := range effects {
		e := &effects[i]
		if e.Do != session.Send && e.Do != session.Slow && e.Do != session.Compress || t.locked[e.Leg] {
			continue
		}
		l := &c.legs[e.Leg]
		switch {
		case e.Do == session.Compress:
			l.wmu.Lock()
			t.locked[e.Leg], t.before[e.Leg] = true, l.waiting()
			continue
		case !t.others[e.Leg] && (own == everyLeg || own == int(e.Leg)) && l.wmu.TryLock():
			t.locked[e.Leg], t.before[e.Leg] = true, l.waiting()
			continue
		}
		t.others[e.Leg] = true
		l.put(piece{b: e.Bytes, slow: e.Do == session.Slow, rate: e.Rate})
	}
	c.order.Unlock()
	return t
}

// carryOut does what prepare has left.
func (c *conn) carryOut(ctx context.Context, t turn) {
	var failed [2]error
	direct := t.locked
	fails := func(leg session.Leg, err error) {
		if failed[leg] == nil {
			failed[leg] = err
		}
	}
	settle := func() {
		for i := range c.legs { // before waiting for the other one
			if t.locked[i] {
				fails(session.Leg(i), c.legs[i].unlock())
				t.locked[i], t.others[i] = false, false
			}
		}
		for i := range c.legs {
			l := &c.legs[i]
			switch leg := session.Leg(i); {
			case t.others[i] && (t.own == everyLeg || t.own == i || t.own != noLeg && l.full()):
				fails(leg, l.flush())
			case t.others[i]:
				c.bg.run(func() {
					defer c.p.crashed()
					if err := l.flush(); err != nil {
						c.handle(context.Background(), session.Input{On: session.WriteFailed, Leg: leg, Err: endError(err)})
					}
				})
			}
			t.others[i] = false
		}
	}
	for i, list := range t.before { // and nothing that was queued since
		c.legs[i].carryAllLocked(list)
	}
	compressed := false
	for i := range t.effects {
		switch e := &t.effects[i]; e.Do {
		case session.Record, session.Wait, session.Unwait:
		case session.Send, session.Slow:
			if direct[e.Leg] && !t.locked[e.Leg] { // after something else
				c.legs[e.Leg].wmu.Lock()
				t.locked[e.Leg] = true
			}
			if t.locked[e.Leg] && failed[e.Leg] == nil {
				failed[e.Leg] = c.legs[e.Leg].carryOutLocked(piece{b: e.Bytes, slow: e.Do == session.Slow, rate: e.Rate})
			}
		case session.Compress:
			c.legs[e.Leg].compressLocked(e.Unread)
			compressed = true
		default:
			settle()
			c.do(ctx, e)
		}
	}
	settle()
	if compressed {
		c.handle(ctx, session.Input{On: session.Compressed})
	}
	for i, err := range failed {
		if err != nil {
			c.handle(ctx, session.Input{On: session.WriteFailed, Leg: session.Leg(i), Err: endError(err)})
		}
	}
	c.released.Broadcast()
}

// do carries out what is not a matter of bytes.
func (c *conn) do(ctx context.Context, e *session.Effect) {
	l := &c.legs[e.Leg]
	switch e.Do {
	case session.Upgrade:
		c.upgrade.open(ctx, c)
	case session.Dial:
		if c.upgrade != nil {
			c.dialEndpoint(ctx)
			return
		}
		d, err := c.dial(ctx, e)
		if err != nil {
			c.handle(ctx, session.Input{On: session.DialFailed, Err: err, Hint: hintOf(err)})
			return
		}
		c.dialled = d
		c.legs[session.Server].use(d.conn)
		c.handle(ctx, session.Input{On: session.Dialed, Server: d.conn.RemoteAddr().String(), Direct: d.direct, Hint: d.instead})
	case session.Redirect:
		addr, err := c.lead(e.Name)
		c.handle(ctx, session.Input{On: session.Redirected, Name: addr, Err: err, Hint: hintOf(err)})
	case session.Tap:
		c.tap.drain()
	case session.Secure:
		c.secure(ctx, e)
	case session.Certificate:
		c.cert = c.p.certificate(e)
	case session.CloseWrite:
		l.closeWrite()
	case session.Linger:
		l.deadline(lingerLimit)
	case session.Abort:
		c.hurry()
		for i := range c.legs {
			c.legs[i].abort()
		}
	case session.Alert:
		c.hurry()
		l.alert()
	case session.Sever:
		c.hurry()
		for i := range c.legs {
			c.legs[i].sever()
		}
	case session.Close:
		c.hurry()
		for i := range c.legs {
			c.legs[i].closeWrite()
			c.legs[i].deadline(drainLimit)
		}
	}
}

// dial connects the server leg: clients that a server sent here go where it
// said, others where their domain's server is.
func (c *conn) dial(ctx context.Context, e *session.Effect) (dialled, error) {
	u := c.door.up
	if !c.door.named {
		var err error
		if u, err = c.p.upstreamOf(e.Name); err != nil {
			return dialled{}, err
		}
	}
	var d dialled
	var err error
	if connect := func() (dialled, error) { return c.p.dial(ctx, u, e.Direct) }; c.p.Transparent {
		d, err = c.p.near.dial(net.JoinHostPort(u.Host, strconv.Itoa(u.Port)), connect)
	} else {
		d, err = connect()
	}
	if err == nil && c.p.SendProxyProtocol != 0 {
		if err = c.sendProxyHeader(d.conn); err != nil {
			d.conn.Close()
		}
	}
	if c.socks {
		c.socks = false
		if failed := c.answerSocks(d.conn, err); failed != nil && err == nil {
			d.conn.Close()
			err = fmt.Errorf("proxy: answer the client's SOCKS request: %w", failed)
		}
	}
	return d, err
}

// shutdown ends the session in an orderly way, because the proxy ends.
func (c *conn) shutdown() {
	defer c.p.crashed()
	c.hurry()
	c.deadlines(drainLimit) // frees writes that the peer does not take
	c.handle(context.Background(), session.Input{On: session.Shutdown})
}

func (c *conn) deadlines(d time.Duration) {
	for i := range c.legs {
		c.legs[i].deadline(d)
	}
}

// cut ends the session at once.
func (c *conn) cut() {
	c.hurry()
	for i := range c.legs {
		c.legs[i].close()
	}
}

// endError makes nil of the ends that are in order.
func endError(err error) error {
	switch {
	case isEOF(err):
		return nil
	case errors.Is(err, net.ErrClosed):
		return errors.New("closed by the proxy")
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return op.Err // without the addresses, which the open event has
	}
	return err
}
