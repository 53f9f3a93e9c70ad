package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A running is a proxy that runs, as the file tells that it writes when it starts
// and removes when it ends: who may read it may do what its viewer does.
type running struct {
	URL    string   `json:"url"` // of the viewer, with its token
	Listen []string `json:"listen"`
	PID    int      `json:"pid"`
}

// Bounds on what is read of such files.
const (
	maxRunning     = 1000
	maxRunningFile = 64 << 10 // bytes
)

// runtimeDir is the user's own directory for such files. In a directory that all
// share somebody else may have made it, who then would learn the tokens.
func runtimeDir() (string, error) {
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		dir = filepath.Join(os.TempDir(), fmt.Sprintf("xmpplens-%d", os.Getuid()))
	} else {
		dir = filepath.Join(dir, "xmpplens")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", err
	}
	if !info.IsDir() || !ownOnly(info) {
		return "", fmt.Errorf("%s is not a directory that only you can read", dir)
	}
	return dir, nil
}

// announce writes the file, named for the viewer's port.
func (r *running) announce() (end func(), err error) {
	dir, err := runtimeDir()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, portIn(r.URL)+".json")
	f, err := os.CreateTemp(dir, ".new-*") // 0600
	if err != nil {
		return nil, err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path) // never seen half written
	}
	if err != nil {
		os.Remove(f.Name())
		return nil, err
	}
	return func() { os.Remove(path) }, nil
}

// portIn is the port of an address, or of a URL.
func portIn(where string) string {
	if u, err := url.Parse(where); err == nil && u.Port() != "" {
		return u.Port()
	}
	_, port, _ := net.SplitHostPort(where)
	return port
}

// findRunning finds the proxy that runs, or that one which has the port, of its
// viewer or for its clients. Files of proxies that were killed are removed.
func findRunning(port int) (*running, error) {
	const start = "start one with xmpplens proxy (with its viewer, not --no-web), or say where it is with --url, the URL that it printed"
	dir, err := runtimeDir()
	if err != nil {
		return nil, usagef("give --url, the URL that the proxy printed", "proxies that run cannot be found: %w", err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all, found []*running
	for _, f := range files[:min(len(files), maxRunning)] {
		if r := readRunning(filepath.Join(dir, f.Name())); r != nil {
			all = append(all, r)
			if port == 0 || slices.ContainsFunc(append([]string{r.URL}, r.Listen...), func(s string) bool { return portIn(s) == strconv.Itoa(port) }) {
				found = append(found, r)
			}
		}
	}
	var each []string
	for _, r := range all {
		each = append(each, fmt.Sprintf("--port=%s (clients at %s)", portIn(r.URL), strings.Join(r.Listen, ", ")))
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(all) == 0:
		return nil, &hinted{errors.New("no proxy of yours runs on this machine"), start}
	case len(found) == 0:
		return nil, usagef("choose "+strings.Join(each, " or "), "no proxy that runs has the port %d", port)
	}
	return nil, usagef("choose "+strings.Join(each, " or "), "%d proxies run", len(found))
}

// readRunning reads a file; nil when its proxy has gone.
func readRunning(path string) *running {
	if filepath.Ext(path) != ".json" {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() > maxRunningFile {
		return nil
	}
	text, err := os.ReadFile(path)
	r := new(running)
	if err != nil || json.Unmarshal(text, r) != nil {
		return nil
	}
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil
	}
	conn, err := net.DialTimeout("tcp", u.Host, 2*time.Second)
	if errors.Is(err, syscall.ECONNREFUSED) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	if err != nil {
		return nil
	}
	conn.Close()
	return r
}

// hinted is an error of what is, not of how it was asked.
type hinted struct {
	error
	hint string
}

func (e *hinted) Hint() string  { return e.hint }
func (e *hinted) Unwrap() error { return e.error }
