//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package main

import "errors"

// cbreak is not known here: there are no keys.
type cbreak struct{}

func newCbreak(int) (*cbreak, error) { return nil, errors.ErrUnsupported }
func (*cbreak) on()                  {}
func (*cbreak) off()                 {}
