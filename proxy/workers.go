package proxy

import (
	"sync"
	"time"
)

// lingering is how long a worker waits for another piece of work.
const lingering = time.Second

// workers run functions in goroutines that are used again: a connection goes deep,
// into the dialler and the session, and growing two stacks for each was a tenth of
// all that it cost (BenchmarkConnections: 0.705 of a bare relay before, 0.755 with
// this). The zero value has none.
type workers struct {
	once sync.Once
	work chan func()
	gone chan struct{} // closed when nobody is to wait for work any more
	wg   sync.WaitGroup
}

func (w *workers) init() { w.work, w.gone = make(chan func()), make(chan struct{}) }

// run starts f in a goroutine.
func (w *workers) run(f func()) {
	w.once.Do(w.init)
	select {
	case w.work <- f: // somebody waits for it
	default:
		w.wg.Go(func() { w.serve(f) })
	}
}

// serve runs f and what comes then, until nothing comes.
func (w *workers) serve(f func()) {
	f()
	f = nil
	end := time.NewTimer(lingering)
	defer end.Stop()
	for {
		select {
		case f := <-w.work:
			f()
			end.Reset(lingering)
		case <-end.C:
			return
		case <-w.gone:
			return
		}
	}
}

// end waits until all have gone. Nothing is started any more.
func (w *workers) end() {
	w.once.Do(w.init)
	close(w.gone)
	w.wg.Wait()
}
