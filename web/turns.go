package web

import "runtime"

// turns lets work for pages use half of the processors at most: while one is busy
// for a page, which may take some milliseconds, another is there at once for what
// comes from the network. With two processors and three pages this is what the
// slowest hundredth of the proxied stanzas waited for; see BenchmarkLiveLoad.
var turns = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))

// inTurn does a short piece of work when it is its turn.
func inTurn(work func()) {
	turns <- struct{}{}
	defer func() { <-turns }()
	work()
}
