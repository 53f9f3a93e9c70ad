//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package main

import (
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// cbreak is a terminal that hands over each key at once and does not show it.
// Signals and what is printed stay as they are, in contrast to a raw terminal.
//
// Who stops the program (Ctrl-Z) or ends it (Ctrl-\, the end of the terminal's own)
// finds the terminal as it was. After fg the keys are taken again.
type cbreak struct {
	fd       int
	was, now unix.Termios
	away     func() // if not nil, called before the terminal is given back to be stopped
	back     func() // if not nil, called when the program has the terminal again

	mu      sync.Mutex
	active  bool // guarded by mu
	signals chan os.Signal
}

// suspendKey is Ctrl-Z. It comes as a key, since a Go program that was told of SIGTSTP
// once cannot be stopped by it any more.
const suspendKey = 26

func newCbreak(fd int) (*cbreak, error) {
	m := &cbreak{fd: fd, signals: make(chan os.Signal, 4)}
	// A program in the background would be stopped by changing the terminal.
	if !m.foreground() {
		return nil, errors.New("the program runs in the background")
	}
	t, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return nil, err
	}
	m.was, m.now = *t, *t
	m.now.Lflag &^= unix.ICANON | unix.ECHO
	m.now.Cc[unix.VMIN], m.now.Cc[unix.VTIME] = 1, 0
	m.now.Cc[unix.VSUSP] = noKey
	signal.Notify(m.signals, syscall.SIGCONT, syscall.SIGQUIT, syscall.SIGHUP)
	go m.watch() // ends with the program
	return m, nil
}

func (m *cbreak) foreground() bool {
	group, err := unix.IoctlGetInt(m.fd, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// watch gives the terminal back before the program ends, and takes it when the program
// goes on: the shell had it meanwhile.
func (m *cbreak) watch() {
	for sig := range m.signals {
		if sig == syscall.SIGCONT {
			m.again()
			continue
		}
		m.leave()
		signal.Reset(sig)
		syscall.Kill(os.Getpid(), sig.(syscall.Signal))
	}
}

// leave gives the terminal back for a while.
func (m *cbreak) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.active || !m.foreground() {
		return
	}
	if m.away != nil {
		m.away()
	}
	m.set(&m.was)
}

// suspend stops the program and all that belong to it, as Ctrl-Z does. It goes on at
// once where no shell could make it go on.
func (m *cbreak) suspend() {
	on := make(chan os.Signal, 1)
	signal.Notify(on, syscall.SIGCONT)
	defer signal.Stop(on)
	m.leave()
	syscall.Kill(0, syscall.SIGTSTP)
	timer := time.NewTimer(time.Second) // to be stopped in
	defer timer.Stop()
	select {
	case <-on:
	case <-timer.C:
	}
	m.again()
}

// again takes the terminal, if it is there to be taken.
func (m *cbreak) again() {
	m.mu.Lock()
	active := m.active && m.foreground()
	if active {
		m.set(&m.now)
	}
	m.mu.Unlock()
	if active && m.back != nil {
		m.back()
	}
}

func (m *cbreak) set(t *unix.Termios) { unix.IoctlSetTermios(m.fd, setTermios, t) }

func (m *cbreak) on() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.active = true
	if m.foreground() {
		m.set(&m.now)
	}
}

func (m *cbreak) off() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.active && m.foreground() {
		m.set(&m.was)
	}
	m.active = false
}

// askAgain is how often a program in the background looks whether it is not any more.
const askAgain = 300 * time.Millisecond

// read waits for keys. It reads nothing while the program is in the background, which
// would stop it.
func (m *cbreak) read(b []byte) (int, error) {
	away := false
	for {
		fds := []unix.PollFd{{Fd: int32(m.fd), Events: unix.POLLIN}}
		if !away {
			if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
				return 0, err
			} else if err == unix.EINTR {
				continue
			}
		}
		if !m.foreground() {
			away = true
			time.Sleep(askAgain)
			continue
		}
		if away {
			away = false
			m.again()
			continue
		}
		n, err := unix.Read(m.fd, b)
		if err == unix.EINTR || err == unix.EAGAIN {
			continue
		}
		if n > 0 && b[n-1] == suspendKey {
			m.suspend()
			if n--; n == 0 {
				continue
			}
		}
		return n, err
	}
}
