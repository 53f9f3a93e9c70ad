package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	gorilla "github.com/gorilla/websocket"

	"github.com/xmpplens/xmpplens/proxy/websocket"
	"github.com/xmpplens/xmpplens/record"
)

// endpoint is a server that answers one WebSocket handshake, with greeting right
// behind it, and then returns what it got once the client has ended.
func endpoint(t *testing.T, greeting []byte) (addr string, got chan []byte, asked chan *http.Request) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	got, asked = make(chan []byte, 1), make(chan *http.Request, 1)
	go func() { // ends with the connection
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		r := bufio.NewReader(c)
		req, err := http.ReadRequest(r)
		if err != nil {
			t.Error(err)
			return
		}
		asked <- req
		answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: xmpp\r\nX-Own: kept\r\nSec-WebSocket-Accept: " +
			websocket.Accept(req.Header.Get("Sec-WebSocket-Key")) + "\r\n\r\n"
		c.Write(append([]byte(answer), greeting...))
		b, err := io.ReadAll(r)
		if err != nil {
			t.Error(err)
		}
		got <- b
		c.Write(websocket.AppendFrame(nil, websocket.Text, true, nil, []byte("<late xmlns='x'/>")))
	}()
	return ln.Addr().String(), got, asked
}

// Frames pass as they are, both ways, also those that come together with the
// handshake, and so does the end of one side.
func TestUpgradeBytes(t *testing.T) {
	greeting := append(websocket.AppendFrame(nil, websocket.Text, false, nil, []byte("<early")), websocket.AppendFrame(nil, websocket.Continuation, true, nil, []byte(" xmlns='x'/>"))...)
	server, got, asked := endpoint(t, greeting)
	addr, _, end := startFront(t, "ws://"+server+"/ws", nil)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	key := &[4]byte{9, 8, 7, 6}
	first := websocket.AppendFrame(nil, websocket.Text, true, key, []byte("<first xmlns='x'/>"))
	fmt.Fprintf(c, "GET /ws?a=b HTTP/1.1\r\nHost: %s\r\nOrigin: http://%s\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: xmpp\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n%s", addr, addr, first)
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != 101 || resp.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" || resp.Header.Get("X-Own") != "kept" {
		t.Fatalf("%v %+v", err, resp)
	}
	req := <-asked
	if req.Host != server || req.RequestURI != "/ws?a=b" || req.Header.Get("Origin") != "http://"+server || req.Header.Get("Sec-WebSocket-Extensions") != "" || req.Header.Get("User-Agent") != "" {
		t.Errorf("the server was asked %+v", req)
	}
	rest := append(websocket.AppendFrame(nil, websocket.Ping, true, key, []byte("p")), websocket.AppendFrame(nil, websocket.Text, false, key, []byte("<never ends"))...)
	c.Write(rest)
	c.(*net.TCPConn).CloseWrite()
	if b, want := <-got, append(first, rest...); !bytes.Equal(b, want) {
		t.Errorf("the server got %q, want %q", b, want)
	}
	late := websocket.AppendFrame(nil, websocket.Text, true, nil, []byte("<late xmlns='x'/>"))
	if b, err := io.ReadAll(r); err != nil || !bytes.Equal(b, append(greeting, late...)) {
		t.Errorf("%v: the client got %q", err, b)
	}
	var said []string
	for _, ev := range end() {
		switch ev.E {
		case record.EventData, record.EventControl:
			said = append(said, fmt.Sprintf("%s %s%s", ev.D, ev.Op, ev.Data))
		case record.EventHTTP:
			if ev.Code != 101 || ev.C != 1 || !strings.Contains(ev.Why, "permessage-deflate removed") {
				t.Errorf("%+v", ev)
			}
		case record.EventClose:
			if ev.By != "client" || ev.Error != "" {
				t.Errorf("%+v", ev)
			}
		}
	}
	if s := strings.Join(said, "\n"); s != "SC <early xmlns='x'/>\nCS <first xmlns='x'/>\nCS pingp\nCS <never ends\nSC <late xmlns='x'/>" {
		t.Errorf("recorded\n%s", s)
	}
}

// What is no XMPP passes unparsed, and a refusal as it is.
func TestUpgradeOthers(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/chat", func(w http.ResponseWriter, r *http.Request) {
		c, err := (&gorilla.Upgrader{Subprotocols: []string{"chat"}, EnableCompression: true}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		for {
			kind, b, err := c.ReadMessage()
			if err != nil {
				return
			}
			c.WriteMessage(kind, b)
		}
	})
	mux.HandleFunc("/closed", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Why", "closed")
		http.Error(w, "not today", http.StatusForbidden)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	addr, _, end := startFront(t, "ws://"+strings.TrimPrefix(server.URL, "http://")+"/closed", nil)
	d := gorilla.Dialer{Subprotocols: []string{"chat"}, EnableCompression: true}
	c, _, err := d.Dial("ws://"+addr+"/chat", nil)
	if err != nil || c.Subprotocol() != "chat" {
		t.Fatal(err)
	}
	defer c.Close()
	text := strings.Repeat("not XMPP ", 1000)
	c.WriteMessage(gorilla.TextMessage, []byte(text))
	if _, b, err := c.ReadMessage(); err != nil || string(b) != text {
		t.Errorf("%v: %q", err, b)
	}
	d.Subprotocols = []string{"xmpp"}
	_, resp, err := d.Dial("ws://"+addr+"/closed", nil)
	if err == nil || resp == nil || resp.StatusCode != http.StatusForbidden || resp.Header.Get("X-Why") != "closed" {
		t.Fatalf("%v, %+v", err, resp)
	}
	if b, _ := io.ReadAll(resp.Body); string(b) != "not today\n" {
		t.Errorf("refused with %q", b)
	}
	var said []string
	for _, ev := range end() {
		switch ev.E {
		case record.EventOpen, record.EventData, record.EventClose:
			said = append(said, fmt.Sprint(ev.E, " ", ev.C))
		case record.EventHTTP:
			said = append(said, fmt.Sprint(ev.Text, " ", ev.Code))
		}
	}
	if s := strings.Join(said, "; "); s != "/chat 101; open 1; /closed 403; close 1" {
		t.Errorf("recorded %s", s)
	}
}

// There is no server, or one that is not trusted: the client hears why.
func TestUpgradeNoServer(t *testing.T) {
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	for upstream, want := range map[string]string{
		"ws://" + closedPort(t) + "/ws":                                    "connect to the server",
		"wss" + strings.TrimPrefix(secure.URL, "https") + "/ws":            "the certificate is not trusted",
		"ws" + strings.TrimPrefix(secure.URL, "https") + "/xmpp-websocket": "no XMPP here",
	} {
		addr, _, end := startFront(t, upstream, nil)
		_, resp, err := (&gorilla.Dialer{Subprotocols: []string{"xmpp"}}).Dial("ws://"+addr+"/ws", nil)
		if err == nil || resp == nil {
			t.Fatalf("%s: %v", upstream, err)
		}
		b, _ := io.ReadAll(resp.Body)
		var note record.Event
		for _, ev := range end() {
			if ev.Level == "error" {
				note = ev
			}
		}
		if want == "no XMPP here" { // a plain request at a TLS port: the server says so itself
			if resp.StatusCode != http.StatusBadRequest || !strings.Contains(note.Text, "400 Bad Request") {
				t.Errorf("%s: %d %s, %+v", upstream, resp.StatusCode, b, note)
			}
			continue
		}
		if resp.StatusCode != http.StatusBadGateway || !strings.Contains(string(b), want) || !strings.Contains(note.Text, want) || note.Hint == "" {
			t.Errorf("%s: %d %s, %+v", upstream, resp.StatusCode, b, note)
		}
	}
}
