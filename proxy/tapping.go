package proxy

import (
	"context"
	"sync"
	"time"

	"github.com/xmpplens/xmpplens/proxy/session"
	"github.com/xmpplens/xmpplens/record"
)

// tapping shows the TLS records of a connection to the tap, behind their sending, and
// records what it reads.
//
// Both directions come here, in the order in which the session decided: put is called
// under the connection's lock. Whoever has sent drains the queue, the other direction's
// pieces included, so that a question is read before its answer. A piece is the buffer of
// its direction, which waits for drain before it is used again.
type tapping struct {
	log  *record.Log
	keys *KeyLog

	qmu   sync.Mutex
	queue []tapPiece // guarded by qmu

	mu      sync.Mutex
	r       Reading // guarded by mu
	watch   *keyWatch
	counted int  // bytes of the backlog in KeyLog.waiting
	said    bool // that keys are missing
	stopped bool
}

type tapPiece struct {
	d record.Dir
	b []byte
}

// tapEndLimit is how long a connection that has ended waits for keys.
const tapEndLimit = 2 * time.Second

func newTapping(log *record.Log, keys *KeyLog, id int) *tapping {
	t := &tapping{log: log, keys: keys}
	t.r = Reading{Conn: id, Keys: keys.Keys, Emit: func(ev record.Event) { log.Append(ev) }}
	return t
}

func (t *tapping) put(e *session.Effect) {
	t.qmu.Lock()
	t.queue = append(t.queue, tapPiece{e.Leg.Receives(), e.Bytes})
	t.qmu.Unlock()
}

func (t *tapping) drain() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		t.qmu.Lock()
		if len(t.queue) == 0 {
			t.queue = nil
			t.qmu.Unlock()
			break
		}
		p := t.queue[0]
		t.queue = t.queue[1:]
		t.qmu.Unlock()
		t.r.Write(p.d, p.b)
	}
	t.follow()
}

// follow waits for keys as long as some are missing. The caller holds mu.
func (t *tapping) follow() {
	wants := !t.stopped && t.r.Update()
	n := t.r.Backlog()
	if all := t.keys.waiting.Add(int64(n - t.counted)); n > t.counted && all > maxWaiting {
		t.r.Forgo()
		t.keys.waiting.Add(-int64(n))
		n = 0
	}
	t.counted = n
	switch {
	case wants && t.watch == nil:
		t.watch = &keyWatch{keys: t.more, late: t.late}
		t.keys.watch(t.watch)
	case !wants && t.watch != nil:
		t.keys.unwatch(t.watch)
		t.watch = nil
	}
}

// more is called when the key log was read.
func (t *tapping) more() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.follow()
}

// late says that keys are missing, once a connection.
func (t *tapping) late() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.r.waits != nil && t.r.Backlog() > 0 {
		t.missing()
	}
}

func (t *tapping) missing() {
	if !t.said {
		t.said = true
		t.r.note("warning", t.r.waitText()+"; "+t.keys.trouble(), KeyHint(t.keys.Path()))
	}
}

// end reads what is left, and gives the keys a little time where none came. It returns
// how the sides ended TLS.
func (t *tapping) end(ctx context.Context) []string {
	tick := time.NewTicker(keyPoll)
	defer tick.Stop()
	for begin := time.Now(); ; {
		t.keys.Poll()
		t.drain()
		t.mu.Lock()
		done := t.watch == nil || t.r.Backlog() == 0 || time.Since(begin) > tapEndLimit
		t.mu.Unlock()
		if done {
			break
		}
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
		}
		break
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.r.waits != nil && t.r.Backlog() > 0 {
		t.missing()
	}
	manner := t.r.End()
	t.stopped = true
	t.follow()
	return manner
}
