//go:build !unix

package main

import "os"

// keepSignals make a proxy keep its ring; there are none on this system.
var keepSignals []os.Signal

// resizeSignals tell that the terminal has another size.
var resizeSignals []os.Signal
