//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package main

import "errors"

// cbreak is not known here: there are no keys.
type cbreak struct{ away, back func() }

func newCbreak(int) (*cbreak, error)     { return nil, errors.ErrUnsupported }
func (*cbreak) foreground() bool         { return false }
func (*cbreak) on()                      {}
func (*cbreak) off()                     {}
func (*cbreak) read([]byte) (int, error) { return 0, errors.ErrUnsupported }
