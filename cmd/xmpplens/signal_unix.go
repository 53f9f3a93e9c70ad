//go:build unix

package main

import (
	"os"
	"syscall"
)

// keepSignals make a proxy keep its ring.
var keepSignals = []os.Signal{syscall.SIGUSR1}

// resizeSignals tell that the terminal has another size.
var resizeSignals = []os.Signal{syscall.SIGWINCH}
