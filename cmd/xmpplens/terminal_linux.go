package main

import "golang.org/x/sys/unix"

const getTermios, setTermios = unix.TCGETS, unix.TCSETS

// noKey is what a key of the terminal is set to that does nothing.
const noKey = 0
