package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xmpplens/xmpplens/proxy/tap"
)

const (
	keyPoll     = 25 * time.Millisecond // while somebody waits for keys
	maxSessions = 20_000                // whose secrets are kept, the newest
	maxWaiting  = 128 << 20             // bytes that wait for keys, of all connections together; one has tap.DefaultBacklog
)

// A KeyLog reads the secrets of TLS sessions out of a file that programs write
// them to (SSLKEYLOGFILE), also while it grows. The file need not be there yet; one
// that was cut or replaced is read again from its beginning. It is safe for
// concurrent use.
type KeyLog struct {
	path string
	poke chan struct{} // capacity 1: somebody waits

	mu       sync.Mutex
	file     os.FileInfo // as it was read last; guarded by mu, as all that follows
	off      int64       // bytes read
	line     []byte      // the beginning of a line
	skip     bool        // it is too long, the rest is left out
	sessions map[tap.Random][]tap.Key
	order    []tap.Random // the oldest first
	bad      error        // the first line that could not be read
	version  int          // counts keys that came
	watchers map[*keyWatch]struct{}

	waiting atomic.Int64 // bytes that wait for keys, of all connections
}

// keyWatch is somebody who waits for keys.
type keyWatch struct {
	since time.Time
	keys  func() // there may be more keys
	late  func() // none came within keyPatience; once
	seen  int    // KeyLog.version; of Follow
}

// keyPatience is how long keys may take before it is said that they are missing: programs
// write them during the handshake.
const keyPatience = time.Second

// NewKeyLog returns the key log at path. A file that is not there is no error, one
// that cannot be read is.
func NewKeyLog(path string) (*KeyLog, error) {
	k := &KeyLog{path: path, poke: make(chan struct{}, 1), sessions: make(map[tap.Random][]tap.Key), watchers: make(map[*keyWatch]struct{})}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, &hinted{fmt.Errorf("proxy: the key log %s is no regular file", path), "give the file that SSLKEYLOGFILE names"}
	}
	return k, k.Poll()
}

// Keys returns what is known of a session.
func (k *KeyLog) Keys(r tap.Random) []tap.Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sessions[r]
}

// Path returns the file's name.
func (k *KeyLog) Path() string { return k.path }

// trouble says what is wrong with the file, for those who wait for it.
func (k *KeyLog) trouble() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.file == nil:
		return k.path + " does not exist yet"
	case k.off == 0:
		return k.path + " is empty"
	case k.bad != nil:
		return k.path + " has lines that cannot be read: " + k.bad.Error()
	}
	return fmt.Sprintf("%s has %d other sessions", k.path, len(k.sessions))
}

// Poll reads what is new.
func (k *KeyLog) Poll() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	info, err := os.Stat(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("proxy: the key log: %w", err)
	}
	if k.file != nil && (info.Size() < k.off || !os.SameFile(info, k.file)) {
		k.off, k.line, k.skip = 0, nil, false
	}
	k.file = info
	if info.Size() == k.off {
		return nil
	}
	f, err := os.Open(k.path)
	if err != nil {
		return &hinted{fmt.Errorf("proxy: the key log: %w", err), "make it readable for this user"}
	}
	defer f.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := f.ReadAt(buf, k.off)
		k.off += int64(n)
		k.take(buf[:n])
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("proxy: read the key log: %w", err)
		}
	}
}

// take cuts lines. The caller holds mu.
func (k *KeyLog) take(b []byte) {
	for len(b) > 0 {
		line, rest, whole := bytes.Cut(b, []byte("\n"))
		b = rest
		if !k.skip {
			if len(k.line)+len(line) > tap.MaxLine {
				k.line, k.skip = nil, true
			} else {
				k.line = append(k.line, line...)
			}
		}
		if !whole {
			return
		}
		if !k.skip {
			k.add(k.line)
		}
		k.line, k.skip = k.line[:0], false
	}
}

// add keeps the key of a line. The caller holds mu.
func (k *KeyLog) add(line []byte) {
	key, ok, err := tap.ParseKey(line)
	if err != nil && k.bad == nil {
		k.bad = err
	}
	if !ok {
		return
	}
	old, known := k.sessions[key.Random]
	for _, o := range old {
		if o.Label == key.Label {
			return // written by both ends into one file, or read twice
		}
	}
	if !known {
		if len(k.order) >= maxSessions {
			delete(k.sessions, k.order[0])
			k.order = k.order[1:]
		}
		k.order = append(k.order, key.Random)
	}
	k.version++
	// A new array: the old one may have been handed out.
	k.sessions[key.Random] = append(old[:len(old):len(old)], key)
}

// watch calls keys whenever the file was read, until unwatch.
func (k *KeyLog) watch(w *keyWatch) {
	w.since, w.seen = time.Now(), -1
	k.mu.Lock()
	k.watchers[w] = struct{}{}
	k.mu.Unlock()
	select {
	case k.poke <- struct{}{}:
	default:
	}
}

func (k *KeyLog) unwatch(w *keyWatch) {
	k.mu.Lock()
	delete(k.watchers, w)
	k.mu.Unlock()
}

// Follow reads the file while somebody waits for keys, until ctx is done.
func (k *KeyLog) Follow(ctx context.Context) {
	tick := time.NewTicker(keyPoll)
	defer tick.Stop()
	for {
		k.mu.Lock()
		watchers := make([]*keyWatch, 0, len(k.watchers))
		for w := range k.watchers {
			watchers = append(watchers, w)
		}
		k.mu.Unlock()
		if len(watchers) == 0 {
			select {
			case <-k.poke:
				continue
			case <-ctx.Done():
				return
			}
		}
		k.Poll() // what is wrong with it is said to those who wait
		k.mu.Lock()
		version := k.version
		k.mu.Unlock()
		now := time.Now()
		for _, w := range watchers {
			if w.seen != version {
				w.seen = version
				w.keys()
			}
			if w.late != nil && now.Sub(w.since) > keyPatience {
				w.late()
				w.late = nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
