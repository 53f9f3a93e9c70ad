package main

import (
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync"
	"time"

	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// ringPause is the shortest time between two files that findings cause: what
// follows a finding is often more of them, and is in the next file.
const ringPause = time.Minute

// A ringKeeper keeps what a ring holds when it is asked to.
type ringKeeper struct {
	log     *record.Log
	storage *storage
	say     func(format string, args ...any)
	found   chan string // what a finding is; capacity 1: what comes meanwhile is in the same file
	asked   chan string // by whom; capacity 1: one more would keep the same
	mu      sync.Mutex  // one file at a time
}

// newRingKeeper returns nil when there is no ring.
func newRingKeeper(log *record.Log, s *storage, say func(string, ...any)) *ringKeeper {
	if s.Ring == 0 {
		return nil
	}
	return &ringKeeper{log: log, storage: s, say: say, found: make(chan string, 1), asked: make(chan string, 1)}
}

// start begins to keep; end waits for what was asked for.
func (k *ringKeeper) start() (end func()) {
	if k == nil {
		return func() {}
	}
	how := fmt.Sprintf("kill -USR1 %d", os.Getpid())
	if len(keepSignals) == 0 {
		how = "a finding (--ring-on)"
	} else if k.storage.RingOn != "" {
		how += ", or a finding of severity " + k.storage.RingOn + ","
	}
	k.say("xmpplens: the last %s are held; %s keeps them", size(int64(k.storage.Ring)), how)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() { // until end
		defer close(ended)
		k.run(done)
	}()
	return func() {
		close(done)
		<-ended
	}
}

// run keeps until done is closed, and then what was asked for and is not kept
// yet.
func (k *ringKeeper) run(done <-chan struct{}) {
	signals := make(chan os.Signal, 1)
	if len(keepSignals) > 0 {
		signal.Notify(signals, keepSignals...)
		defer signal.Stop(signals)
	}
	var pause <-chan time.Time
	found := k.found
	for {
		select {
		case <-signals:
			k.keep("asked by a signal")
		case who := <-k.asked:
			k.keep("asked by " + who)
		case why := <-found:
			k.keep(why)
			found, pause = nil, time.After(ringPause)
		case <-pause:
			found, pause = k.found, nil
		case <-done:
			for {
				select {
				case why := <-k.found:
					k.keep(why)
				case who := <-k.asked:
					k.keep("asked by " + who)
				default:
					return
				}
			}
		}
	}
}

// ask keeps what the ring holds, soon; k says how it went.
func (k *ringKeeper) ask(who string) {
	select {
	case k.asked <- who:
	default:
	}
}

// keep writes what the ring holds to a file of its own, and says so.
func (k *ringKeeper) keep(why string) (name string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	name = k.storage.keptName(time.Now())
	began := time.Now()
	var info os.FileInfo
	if err = k.log.Keep(name); err == nil {
		info, err = os.Stat(name)
	}
	if err != nil {
		k.say("xmpplens: %v", err)
		if hint := hintOf(err); hint != "" {
			k.say("hint: %s", hint)
		}
		return "", err
	}
	k.say("xmpplens: kept (%s): %s, %s, in %.1f s", why, name, size(info.Size()), time.Since(began).Seconds())
	return name, nil
}

// look asks for the ring when an entry has a finding that is bad enough.
func (k *ringKeeper) look(e *timeline.Entry) {
	if k == nil || k.storage.RingOn == "" {
		return
	}
	rank := []string{track.Note, track.Warning, track.Error}
	for _, f := range e.Facts.Findings {
		if slices.Index(rank, f.Severity) < slices.Index(rank, k.storage.RingOn) {
			continue
		}
		select {
		case k.found <- fmt.Sprintf("%s in entry %d", f.Code, e.N):
		default:
		}
		return
	}
}
