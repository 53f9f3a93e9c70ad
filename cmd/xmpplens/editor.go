package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// An editor lets a person write text in the editor of their choice.
type editor struct {
	in, out *os.File // the terminal
}

const (
	maxEdited = 4 << 20         // bytes
	editorEnd = 2 * time.Second // for an editor that is told to end
)

// editing says that an editor has the terminal: Ctrl-C is for it.
var editing atomic.Bool

// command is what the person wants, as git and others find it.
func (editor) command() string {
	return cmp.Or(os.Getenv("VISUAL"), os.Getenv("EDITOR"), "vi")
}

// edit returns what becomes of text. It ends the editor with ctx.
func (e editor) edit(ctx context.Context, text string) (string, error) {
	dir, err := os.MkdirTemp("", "xmpplens-*") // for its owner alone
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "stanza.xml")
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", err
	}
	name := e.command()
	line := name + ` "$@"`
	if !strings.ContainsAny(name, "=;|&<>()") {
		line = "exec " + line // a signal is for the editor, not for a shell in front of it
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", line, name, path)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = e.in, e.out, e.out
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = editorEnd
	editing.Store(true)
	err = cmd.Run()
	editing.Store(false)
	switch exit := (*exec.ExitError)(nil); {
	case ctx.Err() != nil:
		return "", errors.New("the proxy ends; the editor was ended, and what was written is gone")
	case errors.As(err, &exit) && exit.ExitCode() == 127:
		return "", usagef("set VISUAL or EDITOR to the one that you have: export EDITOR=nano", "there is no editor %s", name)
	case err != nil:
		return "", usagef("nothing was changed", "the editor %s: %w", name, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("what the editor wrote: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxEdited+1))
	if err != nil {
		return "", fmt.Errorf("what the editor wrote: %w", err)
	}
	if len(b) > maxEdited {
		return "", usagef("rules and scripts can send more, see --rules", "what the editor wrote has more than %d bytes", maxEdited)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}
