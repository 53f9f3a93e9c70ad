//go:build unix

package main

import (
	"os"
	"syscall"
)

// keepSignals make a proxy keep its ring.
var keepSignals = []os.Signal{syscall.SIGUSR1}
