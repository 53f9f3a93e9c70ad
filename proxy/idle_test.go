package proxy_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// The far ends of thousands of connections run in a process of their own, so
// that the descriptors and the memory of this one are the proxy's.

const endsEnv = "XMPPLENS_TEST_ENDS"

func TestMain(m *testing.M) {
	if os.Getenv(endsEnv) != "" {
		if err := farEnds(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getenv(crashEnv) != "" {
		crash()
	}
	os.Exit(m.Run())
}

// farEnds is both a server that echoes and a lot of clients. It prints its
// address, reads the proxy's, opens connections until one fails or the number
// asked for is reached, prints how many, and waits for the end of in.
func farEnds(in io.Reader, out io.Writer) error {
	var number int
	if _, err := fmt.Sscan(os.Getenv(endsEnv), &number); err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { // ends with the process
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the process; io.Copy would take a pipe's two descriptors
				b := make([]byte, 512)
				for {
					n, err := c.Read(b)
					if err != nil {
						return
					}
					c.Write(b[:n])
				}
			}()
		}
	}()
	fmt.Fprintln(out, ln.Addr())
	lines := bufio.NewScanner(in)
	lines.Scan()
	addr := lines.Text()
	conns := make([]net.Conn, 0, number)
	back := make([]byte, len(openStream))
	for len(conns) < number {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			break
		}
		conns = append(conns, c)
		io.WriteString(c, openStream)
		if _, err := io.ReadFull(c, back); err != nil {
			conns = conns[:len(conns)-1]
			break
		}
	}
	fmt.Fprintln(out, len(conns))
	lines.Scan()
	return nil
}

// BenchmarkIdleConnections: how many connections the proxy holds with 20,000
// descriptors, and the resident memory of each.
func BenchmarkIdleConnections(b *testing.B) {
	const limit, want = 20000, 9000
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		b.Fatal(err)
	}
	if old.Max < limit {
		if os.Getenv("CI") == "true" {
			b.Fatalf("only %d descriptors are allowed: ulimit -n %d", old.Max, limit)
		}
		b.Skipf("only %d descriptors are allowed: ulimit -n %d", old.Max, limit)
	}
	now := syscall.Rlimit{Cur: limit, Max: old.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &now); err != nil {
		b.Fatal(err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old)
	for b.Loop() {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", endsEnv, want))
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			b.Fatal(err)
		}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			b.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		out := bufio.NewReader(stdout)
		line := func() string {
			s, err := out.ReadString('\n')
			if err != nil && !errors.Is(err, io.EOF) {
				b.Fatal(err)
			}
			return strings.TrimSpace(s)
		}
		addr := serveProxy(b, line(), nil)
		before := inUse()
		fmt.Fprintln(in, addr)
		var n int
		fmt.Sscan(line(), &n)
		after := inUse()
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
		b.ReportMetric(float64(n), "connections")
		if n > 0 {
			b.ReportMetric((after-before)/float64(n)/1024, "KiB/conn")
		}
		if n < want {
			b.Errorf("only %d connections, want %d", n, want)
		}
	}
}
