package proxy_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/proxy"
	"github.com/xmpplens/xmpplens/proxy/session"
	"github.com/xmpplens/xmpplens/record"
)

const crashEnv = "XMPPLENS_TEST_CRASH"

// crash is a proxy that panics with the lock of a connection held, in a process of its
// own: with the frame of a client, of a server, or one behind what was held.
func crash() {
	must := func(err error) {
		if err != nil {
			fmt.Println(err)
			os.Exit(9)
		}
	}
	server, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	front, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	dir, err := os.MkdirTemp("", "")
	must(err)
	log, err := record.Create(filepath.Join(dir, "s.jsonl"), record.Options{})
	must(err)
	up, err := proxy.ParseUpstream(server.Addr().String())
	must(err)
	p := &proxy.Proxy{Upstream: up, Log: log, Crashed: func() {
		fmt.Println("the terminal is given back")
		os.RemoveAll(dir)
	}}
	p.Arm("test", func(int) session.Judge {
		return session.JudgeFunc(func(seen session.Seen) session.Plan {
			switch about := os.Getenv(crashEnv); {
			case about == string(seen.Dir) || about == "API" && string(seen.Frame.Name) == "message":
				panic("a mistake in the program")
			case about == "API" && string(seen.Frame.Name) == "features":
				return session.Plan{session.Hold{}}
			}
			return nil
		})
	})
	go p.Serve(context.Background(), front) // ends with the process
	const header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
	go func() { // ends with the process
		c, err := server.Accept()
		must(err)
		io.WriteString(c, header+"<stream:features/><message/>")
	}()
	if os.Getenv(crashEnv) == "API" {
		go func() { // ends with the process
			defer func() { recover() }() // as net/http does
			changes, _ := p.Watch()
			for range changes {
				for _, s := range p.Sessions() {
					for _, h := range s.Held {
						p.Decide(s.Conn, session.Verdict{Dir: h.Dir, Offset: h.Offset, Decision: session.Pass})
					}
				}
			}
		}()
	}
	c, err := net.Dial("tcp", front.Addr().String())
	must(err)
	io.WriteString(c, header)
	io.Copy(io.Discard, c) // it does not live that long
	fmt.Println("the connection ended, and the program did not")
	os.Exit(9)
}

// A panic is told, and ends the program, whatever is locked; before that, who changed
// something outside of it can undo that.
func TestCrashed(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"CS", "SC", "API"} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, self)
		cmd.Env = append(os.Environ(), crashEnv+"="+dir)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		cmd.Run()
		if cmd.ProcessState.ExitCode() != 2 || out.String() != "the terminal is given back\n" || !strings.Contains(errs.String(), "panic: a mistake in the program") || !strings.Contains(errs.String(), "crash_test.go:") {
			t.Errorf("%s: %v, %s%s", dir, cmd.ProcessState, out.String(), errs.String())
		}
	}
}
