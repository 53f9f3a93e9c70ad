//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package main

import "errors"

// cbreak is not known here: there are no keys.
type cbreak struct{ back func() }

func newCbreak(int) (*cbreak, error)     { return nil, errors.ErrUnsupported }
func (*cbreak) on()                      {}
func (*cbreak) off()                     {}
func (*cbreak) read([]byte) (int, error) { return 0, errors.ErrUnsupported }
