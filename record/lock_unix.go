//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package record

import (
	"errors"
	"os"
	"syscall"
)

// lock marks a file as being written, until it is closed. It reports false when
// another writer has it. Where files cannot be locked, nobody is kept out.
func lock(f *os.File) bool {
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return true // a device is everybody's
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return true
	}
	var taken bool
	conn.Control(func(fd uintptr) {
		taken = errors.Is(syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB), syscall.EWOULDBLOCK)
	})
	return !taken
}
