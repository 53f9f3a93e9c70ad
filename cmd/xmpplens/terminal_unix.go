//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package main

import (
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// cbreak is a terminal that hands over each key at once and does not show it.
// Signals and what is printed stay as they are, in contrast to a raw terminal.
type cbreak struct {
	fd       int
	was, now unix.Termios

	mu     sync.Mutex
	active bool           // guarded by mu
	cont   chan os.Signal // the program goes on after it was suspended
}

func newCbreak(fd int) (*cbreak, error) {
	// A program in the background would be stopped by changing the terminal.
	if group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err != nil || group != unix.Getpgrp() {
		return nil, errors.New("the program runs in the background")
	}
	t, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return nil, err
	}
	m := &cbreak{fd: fd, was: *t, now: *t, cont: make(chan os.Signal, 1)}
	m.now.Lflag &^= unix.ICANON | unix.ECHO
	m.now.Cc[unix.VMIN], m.now.Cc[unix.VTIME] = 1, 0
	signal.Notify(m.cont, syscall.SIGCONT)
	go m.resume() // ends with the program
	return m, nil
}

// resume sets the mode again: the shell took the terminal back meanwhile.
func (m *cbreak) resume() {
	for range m.cont {
		m.mu.Lock()
		if m.active {
			m.set(&m.now)
		}
		m.mu.Unlock()
	}
}

func (m *cbreak) set(t *unix.Termios) { unix.IoctlSetTermios(m.fd, setTermios, t) }

func (m *cbreak) on() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.active = true
	m.set(&m.now)
}

func (m *cbreak) off() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.active = false
	m.set(&m.was)
}
