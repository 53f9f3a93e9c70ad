package replay

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
)

// MaxCount bounds the sessions that are played at once.
const MaxCount = 10_000

// A Client plays the client's side of a script to a real server. Script, Dial
// and TLS are needed.
type Client struct {
	Script *Script
	// Dial connects to the server of a domain, and says whether TLS comes
	// first there.
	Dial     func(ctx context.Context, domain string) (sock net.Conn, direct bool, err error)
	TLS      func(domain string) *tls.Config // a new one each time
	NoTLS    bool                            // no STARTTLS, and none is needed
	Account  stanza.JID                      // with %d in its user where Count is above 1; with a resource, or it gets the recorded one
	Password func(bare string) (string, error)
	Others   map[string]string
	Pace     Pace
	Count    int // sessions at once; 0 = 1
	Loop     bool
	Log      func(format string, args ...any) // if nil, nothing is told
}

// Run plays all sessions, one after another, Count times at once. Logins that
// fail are an error when none works, and count as differences else.
func (c *Client) Run(ctx context.Context) (*Report, error) {
	first := c.Script.Sessions[0].Account.Bare()
	for _, s := range c.Script.Sessions {
		if s.Account.Bare() != first {
			return nil, hintf("choose one with --conn", "replay: the recording has sessions of several accounts: %s (connection %d), %s (connection %d)", first, c.Script.Sessions[0].Conns[0], s.Account.Bare(), s.Conns[0])
		}
	}
	start := time.Now()
	r := &Report{Notes: c.Script.Notes, began: start}
	n := max(c.Count, 1)
	if n > MaxCount {
		return nil, fmt.Errorf("replay: %d sessions at once are too many: at most %d", n, MaxCount)
	}
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = c.play(ctx, i+1, r, start) })
	}
	wg.Wait()
	r.ended = time.Now()
	bad := 0
	for i, err := range errs {
		if err == nil {
			continue
		}
		if bad++; bad <= maxDifferences && n > 1 {
			r.unplay("%s: %v", c.account(i+1).Bare(), err)
		}
	}
	if bad == n && r.sessions == 0 {
		return nil, errs[0]
	}
	if bad > 0 && n == 1 {
		return r, errs[0]
	}
	return r, nil
}

func (c *Client) account(number int) stanza.JID {
	j := c.Account
	j.Local = strings.ReplaceAll(j.Local, "%d", fmt.Sprint(number))
	return j
}

// play plays the sessions with one account.
func (c *Client) play(ctx context.Context, number int, r *Report, start time.Time) error {
	account := c.account(number)
	password := ""
	if account.Local != "" {
		var err error
		if password, err = c.Password(account.Bare().String()); err != nil {
			return err
		}
	}
	for first := true; first || c.Loop; first = false {
		for _, s := range c.Script.Sessions {
			if ctx.Err() != nil {
				return nil
			}
			resource := account.Resource
			if resource == "" {
				resource = s.Account.Resource
			}
			w, live, err := c.signIn(ctx, account, password, resource)
			if err != nil {
				if over(ctx) && c.Loop {
					return nil
				}
				return err
			}
			if c.Log != nil {
				c.Log("%s is logged in and plays session %d: %d stanzas", live, s.number, len(s.Steps))
			}
			res := c.act(ctx, w, newActor(c.Script, s, live, c.Others, c.Pace, time.Since(start), time.Now()), start)
			if over(ctx) && c.Loop {
				return nil // it was cut short by the end of it all
			}
			r.add(res)
		}
	}
	return nil
}

// over reports whether the time is up: a dial that hits the deadline may say so
// before ctx does.
func over(ctx context.Context) bool {
	end, limited := ctx.Deadline()
	return ctx.Err() != nil || limited && !time.Now().Before(end)
}

// heardFrame is what the reader found: an element, or the end.
type heardFrame struct {
	f   decode.Frame
	err error
}

// act lets an actor play on a connection until its end.
func (c *Client) act(ctx context.Context, w *wire, a *actor, start time.Time) *Result {
	stop := context.AfterFunc(ctx, func() { w.sock.Close() })
	defer stop()
	heard := make(chan heardFrame)
	quit, done := make(chan struct{}), make(chan struct{})
	go w.listen(heard, quit, done) // ends with the connection
	defer func() {
		close(quit)
		w.sock.Close()
		<-done
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var failed error
	var late <-chan time.Time // when the server has had time enough to end the stream
	for {
		now := time.Since(start)
		a.tick(now)
		if out := a.take(); len(out) > 0 {
			w.sock.SetWriteDeadline(time.Now().Add(writeLimit))
			if _, err := w.sock.Write(out); err != nil {
				failed = fmt.Errorf("write: %w", err)
			}
		}
		if a.closing && late == nil {
			last := time.NewTimer(2 * time.Second)
			defer last.Stop()
			late = last.C
		}
		if failed != nil {
			break
		}
		timer.Stop()
		if due, ok := a.due(); ok {
			timer.Reset(max(due-time.Since(start), 0))
		}
		select {
		case h := <-heard:
			switch {
			case h.err != nil && a.closing:
				return a.finish(time.Since(start), nil)
			case errors.Is(h.err, io.EOF):
				failed = errors.New("the server ended it")
			case h.err != nil:
				failed = h.err
			default:
				a.hear(time.Since(start), h.f)
			}
		case <-timer.C:
		case <-late:
			return a.finish(time.Since(start), nil)
		}
		if ctx.Err() != nil {
			failed = errors.New("it was interrupted")
		}
		if failed != nil {
			break
		}
	}
	return a.finish(time.Since(start), failed)
}

// listen reads elements until the stream ends.
func (w *wire) listen(to chan<- heardFrame, quit <-chan struct{}, done chan<- struct{}) {
	defer close(done)
	for {
		f, err := w.next()
		if err == nil && f.Kind == decode.End {
			err = io.EOF
		}
		f.Raw, f.Prefix, f.Name, f.NS = bytes.Clone(f.Raw), bytes.Clone(f.Prefix), bytes.Clone(f.Name), bytes.Clone(f.NS)
		select {
		case to <- heardFrame{f, err}:
		case <-quit:
			return
		}
		if err != nil {
			return
		}
	}
}
