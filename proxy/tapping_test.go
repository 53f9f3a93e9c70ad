package proxy_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/proxy"
	"github.com/xmpplens/xmpplens/proxy/mitmca"
	"github.com/xmpplens/xmpplens/record"
)

// tapTest is a tap in front of a TLS server, with a client whose secrets are logged.
type tapTest struct {
	addr string
	log  *record.Log
	keys string
	file io.Writer
}

func newTapTest(t *testing.T, serve func(net.Conn), change func(*proxy.Proxy)) *tapTest {
	t.Helper()
	ca, err := mitmca.New()
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ca.Leaf("localhost")
	if err != nil {
		t.Fatal(err)
	}
	upstream := accept(t, func(c net.Conn) {
		serve(tls.Server(c, &tls.Config{Certificates: []tls.Certificate{*leaf}}))
	})
	x := &tapTest{keys: filepath.Join(t.TempDir(), "keys.log")}
	file, err := os.OpenFile(x.keys, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	x.file = file
	x.addr = serveProxy(t, upstream, func(p *proxy.Proxy) {
		if p.KeyLog, err = proxy.NewKeyLog(x.keys); err != nil {
			t.Fatal(err)
		}
		x.log = p.Log
		if change != nil {
			change(p)
		}
	})
	return x
}

func (x *tapTest) dial(t *testing.T, keys io.Writer) *tls.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", x.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(60 * time.Second))
	return tls.Client(nc, &tls.Config{InsecureSkipVerify: true, KeyLogWriter: keys})
}

// events waits for the end of the connection and returns what was recorded.
func (x *tapTest) events(t *testing.T) []record.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	r := x.log.Reader()
	defer r.Close()
	var out []record.Event
	for {
		ev, err := r.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		ev.Data = bytes.Clone(ev.Data)
		out = append(out, ev)
		if ev.E == record.EventClose {
			return out
		}
	}
}

// TestTapOrder asks and answers, fast, while the server chatters: each answer is recorded
// behind its question, and nothing is lost.
func TestTapOrder(t *testing.T) {
	const rounds = 300
	x := newTapTest(t, func(c net.Conn) {
		var mu sync.Mutex
		say := func(s string) {
			mu.Lock()
			defer mu.Unlock()
			io.WriteString(c, s)
		}
		chatter := make(chan bool, 1)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer close(chatter)
		wg.Go(func() {
			for range chatter {
				say("~" + strings.Repeat("c", 400) + "~")
			}
		})
		buf := make([]byte, 100)
		for range rounds {
			if _, err := io.ReadFull(c, buf[:6]); err != nil {
				return
			}
			select {
			case chatter <- true:
			default:
			}
			say("[a" + string(buf[2:5]) + "]")
		}
	}, nil)
	c := x.dial(t, x.file)
	var got bytes.Buffer
	buf := make([]byte, 4096)
	for i := range rounds {
		fmt.Fprintf(c, "[q%03d]", i)
		for want := fmt.Sprintf("[a%03d]", i); !strings.Contains(got.String(), want); {
			n, err := c.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			got.Write(buf[:n])
		}
	}
	io.Copy(&got, c)
	c.Close()

	var said [2]strings.Builder // by direction
	tlsBytes := 0
	for _, ev := range x.events(t) {
		switch {
		case ev.E == record.EventTLS:
			tlsBytes += len(ev.Data)
		case ev.E != record.EventData:
		case ev.D == record.CS:
			said[0].Write(ev.Data)
		default:
			said[1].Write(ev.Data)
			// The answers so far are to questions that stand above.
			if i := strings.Count(said[1].String(), "[a"); i > strings.Count(said[0].String(), "[q") {
				t.Fatalf("answer %d is recorded before its question", i-1)
			}
		}
	}
	if said[1].String() != got.String() {
		t.Errorf("%d bytes of the server are recorded, %d arrived", said[1].Len(), got.Len())
	}
	if n := strings.Count(said[0].String(), "[q"); n != rounds {
		t.Errorf("%d questions are recorded", n)
	}
	if tlsBytes < said[0].Len()+said[1].Len() {
		t.Errorf("%d bytes of TLS carry %d", tlsBytes, said[0].Len()+said[1].Len())
	}
}

// TestTapLateKeys says much before the keys are there, and goes on.
func TestTapLateKeys(t *testing.T) {
	x := newTapTest(t, echo, nil)
	var keys bytes.Buffer
	c := x.dial(t, &keys)
	text := strings.Repeat("wherefore art thou ", 10_000)
	go io.WriteString(c, text) // ends with the echo below
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal(err)
	}
	x.file.Write(keys.Bytes())
	io.WriteString(c, "Romeo")
	if _, err := io.ReadFull(c, got[:5]); err != nil {
		t.Fatal(err)
	}
	c.Close()
	var said [2]string
	secured := 0
	for _, ev := range x.events(t) {
		switch {
		case ev.E == record.EventSecure:
			secured++
		case ev.E == record.EventData && ev.D == record.CS:
			said[0] += string(ev.Data)
		case ev.E == record.EventData:
			said[1] += string(ev.Data)
		case ev.E == record.EventClose && !strings.Contains(ev.Why, "client sent close_notify"):
			t.Errorf("closed: %q", ev.Why)
		}
	}
	if said[0] != text+"Romeo" || said[1] != said[0] || secured != 1 {
		t.Errorf("%d and %d bytes are recorded of %d, secured %d times", len(said[0]), len(said[1]), len(text)+5, secured)
	}
}

// TestTapKeysAtEnd has keys that are written when the connection is over.
func TestTapKeysAtEnd(t *testing.T) {
	x := newTapTest(t, echo, nil)
	var keys bytes.Buffer
	c := x.dial(t, &keys)
	io.WriteString(c, "Romeo")
	got := make([]byte, 5)
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal(err)
	}
	c.Close()
	io.Copy(io.Discard, c.NetConn())                                            // to the end of the server's side
	time.AfterFunc(200*time.Millisecond, func() { x.file.Write(keys.Bytes()) }) // a slow program
	said := ""
	for _, ev := range x.events(t) {
		if ev.E == record.EventData {
			said += string(ev.D) + string(ev.Data)
		}
	}
	if said != "CSRomeoSCRomeo" {
		t.Errorf("recorded: %q", said)
	}
}

// TestTapBudget has more waiting for keys, on all connections together, than may.
func TestTapBudget(t *testing.T) {
	x := newTapTest(t, echo, func(p *proxy.Proxy) { proxy.FillBacklog(p.KeyLog) })
	c := x.dial(t, io.Discard)
	text := strings.Repeat("wherefore art thou ", 1000)
	go io.WriteString(c, text)
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal(err)
	}
	c.Close()
	said := false
	for _, ev := range x.events(t) {
		said = said || ev.E == record.EventNote && strings.Contains(ev.Text, "waited for the session's secrets")
	}
	if !said || string(got) != text {
		t.Errorf("said %v, %d bytes came back", said, len(got))
	}
}

// TestTapRecordsFirst has a log that cannot be written: the traffic goes on.
func TestTapRecordsFirst(t *testing.T) {
	x := newTapTest(t, echo, nil)
	x.log.Close()
	c := x.dial(t, x.file)
	io.WriteString(c, "Romeo")
	got := make([]byte, 5)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "Romeo" {
		t.Fatalf("%q, %v", got, err)
	}
	c.Close()
}
