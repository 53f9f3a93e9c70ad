//go:build !unix

package proxy

import "errors"

// pollable is false where a descriptor cannot be read without blocking: each
// reading goroutine then holds its buffer while it waits.
const pollable = false

func readFD(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }
