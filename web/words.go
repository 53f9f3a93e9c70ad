package web

import (
	"fmt"
	"strconv"
)

// Numbers and signs as people read them.

// signs are those of what is wrong; about is that of a finding that only tells.
var signs = map[string]string{"error": "✖", "warning": "▲"}

const about = "ℹ"

// thousands puts commas into a number.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// many is how many there are of something.
func many(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + more
}

// size is a number of bytes.
func size(n int64) string {
	switch {
	case n < 10_000:
		return fmt.Sprintf("%d\u00a0B", n)
	case n < 100_000:
		return fmt.Sprintf("%.1f\u00a0kB", float64(n)/1e3)
	case n < 10_000_000:
		return fmt.Sprintf("%.0f\u00a0kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f\u00a0MB", float64(n)/1e6)
}
