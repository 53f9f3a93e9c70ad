package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/xmpplens/xmpplens/record"
)

// An act is one recorded connection, to be played by two actors: the client
// and the server. Both follow the same steps; what one writes the other reads,
// so they need no other understanding.
type act struct {
	steps []step
	open  time.Duration // when the client connects
}

// A step is something that one side says, or the start of TLS.
type step struct {
	at   time.Duration // since the beginning of the play
	dir  record.Dir    // who says it; "" = both start TLS
	said []byte
}

// readActs turns a recording into acts. Silences over pause are shortened,
// then everything goes speed times as fast.
func readActs(recording []byte, speed float64, pause time.Duration) ([]*act, error) {
	r, err := record.Read(bytes.NewReader(recording))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	byConn := make(map[int]*act)
	var acts []*act
	var last, now time.Duration
	for {
		ev, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return acts, nil
		}
		if err != nil {
			return nil, err
		}
		now += min(ev.T-last, pause)
		last = ev.T
		at := time.Duration(float64(now) / speed)
		if ev.E == record.EventOpen {
			a := &act{open: at}
			byConn[ev.C] = a
			acts = append(acts, a)
			continue
		}
		a := byConn[ev.C]
		if a == nil {
			continue
		}
		switch {
		case ev.E == record.EventData:
			a.steps = append(a.steps, step{at: at, dir: ev.D, said: bytes.Clone(ev.Data)})
		case ev.E == record.EventSecure && ev.Leg == "server":
			a.steps = append(a.steps, step{at: at})
		}
	}
}

// play performs all acts at once and returns when the curtain falls.
func (st *stage) play(ctx context.Context) error {
	began := time.Now()
	errs := make(chan error, 2*len(st.acts))
	stop := context.AfterFunc(ctx, func() { st.back.Close() })
	defer stop()
	var wg sync.WaitGroup
	for _, a := range st.acts {
		if !sleepUntil(ctx, began.Add(a.open)) {
			break
		}
		client, err := net.Dial("tcp", st.front.Addr().String())
		if err != nil {
			errs <- err
			break
		}
		server, err := st.back.Accept()
		if err != nil {
			client.Close()
			errs <- err
			break
		}
		cut := context.AfterFunc(ctx, func() { client.Close(); server.Close() })
		defer cut()
		wg.Go(func() { errs <- st.actClient(ctx, began, client, a.steps) })
		wg.Go(func() { errs <- st.actServer(ctx, began, server, a.steps) })
	}
	wg.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (st *stage) actClient(ctx context.Context, began time.Time, c net.Conn, steps []step) error {
	pool := x509.NewCertPool()
	pool.AddCert(st.proxy.CA.Certificate())
	return perform(ctx, began, c, record.CS, steps, func(c net.Conn) net.Conn {
		return tls.Client(c, &tls.Config{RootCAs: pool, ServerName: domainOf(steps)})
	})
}

func (st *stage) actServer(ctx context.Context, began time.Time, c net.Conn, steps []step) error {
	return perform(ctx, began, c, record.SC, steps, func(c net.Conn) net.Conn {
		return tls.Server(c, &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return st.serverCA.Leaf(h.ServerName)
		}})
	})
}

// domainOf finds the name that the client opened its stream to.
func domainOf(steps []step) string {
	for _, s := range steps {
		for _, quote := range []string{"'", `"`} {
			if _, rest, ok := bytes.Cut(s.said, []byte(" to="+quote)); ok && s.dir == record.CS {
				name, _, _ := bytes.Cut(rest, []byte(quote))
				return string(name)
			}
		}
	}
	return "localhost"
}

// perform plays the part of the side that says the steps of dir.
func perform(ctx context.Context, began time.Time, c net.Conn, dir record.Dir, steps []step, secure func(net.Conn) net.Conn) error {
	defer func() { c.Close() }()
	heard := make([]byte, 0, 4096)
	for _, s := range steps {
		switch s.dir {
		case "":
			c = secure(c)
		case dir:
			if !sleepUntil(ctx, began.Add(s.at)) {
				return ctx.Err()
			}
			if _, err := c.Write(s.said); err != nil {
				return fmt.Errorf("%s: %w", dir, err)
			}
		default:
			heard = append(heard[:0], make([]byte, len(s.said))...)
			if _, err := io.ReadFull(c, heard); err != nil {
				return fmt.Errorf("%s: %w", s.dir, err)
			}
			if !bytes.Equal(heard, s.said) {
				return fmt.Errorf("%s: %q arrived as %q", s.dir, s.said, heard)
			}
		}
	}
	return nil
}

func sleepUntil(ctx context.Context, t time.Time) bool {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
