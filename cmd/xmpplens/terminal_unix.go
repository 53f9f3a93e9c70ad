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
// Signals that stop or end the program find the terminal as it was: Ctrl-Z, Ctrl-\ and
// the end of the terminal's own. After fg the keys are taken again.
type cbreak struct {
	fd       int
	was, now unix.Termios
	back     func() // if not nil, called when the program has the terminal again

	mu      sync.Mutex
	active  bool // guarded by mu
	signals chan os.Signal
}

// stops are the signals that the terminal is given back for.
var stops = []os.Signal{syscall.SIGTSTP, syscall.SIGQUIT, syscall.SIGHUP}

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
	signal.Notify(m.signals, append(stops, syscall.SIGCONT)...)
	go m.watch() // ends with the program
	return m, nil
}

func (m *cbreak) foreground() bool {
	group, err := unix.IoctlGetInt(m.fd, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// watch gives the terminal back before the program is stopped or ended, and takes it
// again: the shell had it meanwhile.
func (m *cbreak) watch() {
	for sig := range m.signals {
		if sig != syscall.SIGCONT {
			m.mu.Lock()
			if m.active && m.foreground() {
				m.set(&m.was)
			}
			m.mu.Unlock()
			signal.Reset(sig)
			syscall.Kill(os.Getpid(), sig.(syscall.Signal))
			m.stopped()
			signal.Notify(m.signals, sig)
		}
		m.again()
	}
}

// stopped waits until the program goes on after it was stopped. It is not stopped
// where no shell could make it go on.
func (m *cbreak) stopped() {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	for {
		select {
		case sig := <-m.signals:
			if sig == syscall.SIGCONT {
				return
			}
		case <-timer.C:
			return
		}
	}
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
		return n, err
	}
}
