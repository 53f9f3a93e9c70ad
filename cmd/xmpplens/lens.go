package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/xmpplens/xmpplens/proxy"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
	"github.com/xmpplens/xmpplens/web"
)

// A lens is a proxy with everything that looks on: the log, the console, the
// viewer.
type lens struct {
	title   string // of the viewer; "" = the upstream
	storage storage
	web     string // address of the viewer, "" = none
	display display
	proxy   *proxy.Proxy
	streams *streams
	ctx     context.Context     // ends when the proxy is told to
	greet   func(viewer string) // when everything listens
	serve   func() error        // runs the proxy until it ends
	quiet   bool                // no closing line about keeping a recording
	armed   *armed              // what the viewer can switch; nil = nothing can be done to sessions there
	tap     bool                // nothing is altered
}

func (l *lens) run() error {
	chosen, err := l.display.check()
	if err != nil {
		return err
	}
	log, err := l.storage.open(func(err error) { l.streams.say("xmpplens: %v", err) })
	if err != nil {
		return err
	}
	defer log.Close()
	l.proxy.Log = log
	var printed livePrint
	printed.p.Store(chosen)
	con := newConsole(l.streams.stdout, l.display, nil, log.Start())
	var hands *interceptor
	unwatch := func() {}
	if l.armed != nil {
		hands, unwatch = newInterceptor(l.proxy, l.armed, l.tap)
	}
	defer unwatch()
	var keys *keyboard
	if hands != nil {
		if keys = newKeyboard(l.streams, l.display); keys != nil {
			con.out.Reset(l.streams.stdout)
		}
	}

	var wg sync.WaitGroup
	ring := newRingKeeper(log, &l.storage, l.streams.say)
	viewer, closeViewer, err := l.startViewer(log, ring, hands, &wg)
	if err != nil {
		return err
	}
	var count tally
	done := make(chan struct{})
	wg.Go(func() {
		defer close(done)
		defer keys.crashed()
		l.printEntries(log, con, &printed, &count, ring)
	})
	wg.Go(func() { l.watchLog(log) })
	l.greet(viewer)
	endRing := ring.start()
	endKeys := keys.start(l.ctx, keyed{hands, log, ring, &printed, l.display.Filter})
	defer endKeys()

	err = l.serve()
	endKeys() // who edits must not be waited for
	stopped := log.Err()
	if ring != nil {
		// What the last entries say may ask for it.
		log.Finish()
		<-done
		endRing()
	}
	patience := time.AfterFunc(time.Second, func() { l.streams.say("xmpplens: storing the rest of the recording") })
	closed := log.Close() // readers come to their end
	patience.Stop()
	closeViewer()
	wg.Wait()
	l.sum(&count)
	if err != nil {
		return err
	}
	if stopped != nil {
		return fmt.Errorf("the recording is not complete: %w", stopped)
	}
	return closed
}

// startViewer serves the live viewer.
func (l *lens) startViewer(log *record.Log, ring *ringKeeper, hands *interceptor, wg *sync.WaitGroup) (url string, end func(), err error) {
	if l.web == "" {
		return "", func() {}, nil
	}
	ln, err := net.Listen("tcp", l.web)
	if err != nil {
		return "", nil, &usageError{fmt.Errorf("listen for the viewer: %w", err), "choose another address with --web=ADDR (port 0 takes a free one), or leave the viewer out with --no-web"}
	}
	index, err := timeline.NewIndex(log.Reader())
	if err != nil {
		ln.Close()
		return "", nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	title := l.title
	if title == "" {
		title = l.proxy.Upstream.String()
	}
	srv := &web.Server{Source: index, Title: title, Secrets: l.display.ShowSecrets, Say: l.streams.say, Notes: &noter{index: index, log: log}, Files: &filer{log: log}}
	if hands != nil {
		srv.Intercept = hands
	}
	if ring != nil {
		srv.Keep = func() (string, error) { return ring.keep("asked by the viewer") }
	}
	wg.Go(func() { index.Run(ctx) })
	wg.Go(func() {
		if err := srv.Serve(ctx, ln); err != nil {
			l.streams.say("xmpplens: viewer: %v", err)
		}
	})
	return srv.URL(ln.Addr()), cancel, nil
}

// watchLog says at once when recording stops.
func (l *lens) watchLog(log *record.Log) {
	<-log.Stopped()
	if err := log.Err(); err != nil {
		l.streams.say("xmpplens: %v\nhint: make room; the traffic goes on, but it is neither recorded nor shown", err)
	}
}

// tally counts what the closing line tells.
type tally struct {
	conns, stanzas int
	bytes          int64
}

func (t *tally) add(e *timeline.Entry) {
	switch e.Kind {
	case "open":
		t.conns++
	case "message", "presence", "iq":
		t.stanzas++
	}
	if e.Dir != "" && !e.Injected {
		t.bytes += int64(len(e.Frame.Raw))
	}
}

// printEntries pulls from the log until it is closed.
func (l *lens) printEntries(log *record.Log, con *console, printed *livePrint, count *tally, ring *ringKeeper) {
	r := log.Reader()
	defer r.Close()
	raw := l.display.Format == "raw"
	var fold timeline.Folder
	emit := func(e *timeline.Entry) {
		count.add(e)
		ring.look(e)
		con.filter = printed.p.Load()
		if !raw {
			con.print(e)
		} else if e.Dir != "" && con.err == nil && (con.filter == nil || e.Matches(con.filter)) {
			con.raw(e)
		}
	}
	err := fold.Read(context.Background(), r, timeline.Sink{
		Entry: emit,
		Before: func() error {
			if con.err == nil && con.flush() != nil {
				l.streams.say("xmpplens: printing stopped: %v; the proxy goes on", con.err)
			}
			return nil
		},
		// watchLog says why recording stopped; nothing more comes until the end.
		Trouble: func(err error) {
			if stopped := (*record.StoppedError)(nil); !errors.As(err, &stopped) {
				l.streams.say("xmpplens: reading the recording back: %v", err)
			}
		},
	})
	if err != nil {
		l.streams.say("xmpplens: reading the recording back: %v", err)
		fold.Finish(emit)
	}
	con.flush()
}

// sum prints the closing line.
func (l *lens) sum(t *tally) {
	where := "keep the next one with -w FILE"
	switch {
	case l.storage.Ring > 0:
		where = "the ring is gone"
	case l.storage.Write != "":
		where = fmt.Sprintf("recording: xmpplens show %s", l.storage.Write)
	}
	if l.quiet {
		where = ""
	}
	line := []string{plural(t.conns, "connection"), plural(t.stanzas, "stanza"), size(t.bytes)}
	if where != "" {
		line = append(line, where)
	}
	l.streams.say("xmpplens: %s", strings.Join(line, ", "))
}

func plural(n int, word string) string {
	if n != 1 {
		word += "s"
	}
	return fmt.Sprintf("%d %s", n, word)
}

// size prints bytes in the unit that leaves up to four digits.
func size(n int64) string {
	switch {
	case n < 10_000:
		return fmt.Sprintf("%d bytes", n)
	case n < 10_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
