package proxy

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/proxy/tap"
)

func keyLine(n int, label string) string {
	return fmt.Sprintf("%s %064x %096x\n", label, n, n)
}

func randomOf(n int) (r tap.Random) {
	for i := range 8 {
		r[31-i] = byte(n >> (8 * i))
	}
	return r
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// TestKeyLog is a file's life: not there, growing, torn in a line, with rubbish in it, cut,
// replaced.
func TestKeyLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.log")
	k, err := NewKeyLog(path)
	if err != nil {
		t.Fatal(err)
	}
	has := func(n, keys int) {
		t.Helper()
		if err := k.Poll(); err != nil {
			t.Fatal(err)
		}
		if got := k.Keys(randomOf(n)); len(got) != keys {
			t.Fatalf("session %d has %d keys, want %d", n, len(got), keys)
		}
	}
	has(1, 0)
	if s := k.trouble(); !strings.Contains(s, "does not exist yet") {
		t.Error(s)
	}
	line := keyLine(1, "CLIENT_RANDOM")
	appendTo(t, path, "# a comment\n"+line[:50])
	has(1, 0)
	appendTo(t, path, line[50:])
	has(1, 1)
	appendTo(t, path, line) // the other end logs the same
	has(1, 1)
	appendTo(t, path, "CLIENT_RANDOM zz\n"+strings.Repeat("x", 100_000)+"\n"+keyLine(1, "EXPORTER_SECRET"))
	has(1, 2)
	if s := k.trouble(); !strings.Contains(s, "lines that cannot be read") {
		t.Error(s)
	}
	// Cut and written anew: what was known stays known.
	if err := os.WriteFile(path, []byte(keyLine(2, "CLIENT_RANDOM")), 0o600); err != nil {
		t.Fatal(err)
	}
	has(2, 1)
	has(1, 2)
	// Replaced by another file of the same size.
	other := path + ".new"
	appendTo(t, other, keyLine(3, "CLIENT_RANDOM"))
	if err := os.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	has(3, 1)
	if _, err := NewKeyLog(filepath.Dir(path)); err == nil || !strings.Contains(err.Error(), "no regular file") || hintOf(err) == "" {
		t.Errorf("a directory: %v", err)
	}
}

// TestKeyLogBounded reads more sessions than are kept.
func TestKeyLogBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.log")
	var s strings.Builder
	const more = 500
	for n := range maxSessions + more {
		s.WriteString(keyLine(n, "CLIENT_RANDOM"))
	}
	appendTo(t, path, s.String())
	k, err := NewKeyLog(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(k.sessions) != maxSessions || len(k.order) != maxSessions {
		t.Errorf("%d sessions, %d in order", len(k.sessions), len(k.order))
	}
	if len(k.Keys(randomOf(more-1))) != 0 || len(k.Keys(randomOf(more))) != 1 || len(k.Keys(randomOf(maxSessions+more-1))) != 1 {
		t.Error("not the newest are kept")
	}
}

// TestKeyLogFollow waits for keys, and for the time when they are late.
func TestKeyLogFollow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.log")
	k, err := NewKeyLog(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { k.Follow(ctx) })
	defer func() { cancel(); wg.Wait() }()
	came, late := make(chan bool, 1), make(chan bool, 1)
	w := &keyWatch{late: func() { late <- true }, keys: func() {
		if len(k.Keys(randomOf(1))) > 0 {
			select {
			case came <- true:
			default:
			}
		}
	}}
	k.watch(w)
	wait := func(c chan bool, what string) {
		t.Helper()
		select {
		case <-c:
		case <-time.After(30 * time.Second):
			t.Fatal(what)
		}
	}
	wait(late, "nobody says that keys are missing")
	appendTo(t, path, keyLine(1, "CLIENT_RANDOM"))
	wait(came, "the keys never came")
	k.unwatch(w)
}

// FillBacklog leaves little room for what waits for keys.
func FillBacklog(k *KeyLog) { k.waiting.Store(maxWaiting - 1000) }
