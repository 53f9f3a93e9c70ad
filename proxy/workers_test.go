package proxy

import (
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A goroutine is used again while it lingers, and goes when nothing comes.
func TestWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w workers
		who := func() (id string) {
			w.run(func() {
				b := make([]byte, 64)
				id, _, _ = strings.Cut(string(b[:runtime.Stack(b, false)]), "[")
			})
			synctest.Wait()
			return id
		}
		first := who()
		time.Sleep(lingering - 1)
		if second := who(); first == "" || second != first {
			t.Errorf("%s and then %s", first, second)
		}
		time.Sleep(lingering)
		if third := who(); third == first || third == "" {
			t.Errorf("%s has not gone", first)
		}
		// Two at a time need two.
		a, b := make(chan bool), make(chan bool)
		w.run(func() { <-a })
		w.run(func() { close(b) })
		<-b
		close(a)
		w.end() // and waits for no time
	})
}
