package websocket

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
)

// read tells what a decoder makes of b, cut after every step bytes.
func read(client bool, b []byte, step int) (out []string, data []byte) {
	d := Decoder{Client: client}
	var payload []byte
	for len(b) > 0 {
		chunk := b[:min(step, len(b))]
		b = b[len(chunk):]
		for len(chunk) > 0 {
			p, n := d.Next(chunk)
			if n == 0 {
				panic("no step")
			}
			if p.Err != nil {
				out = append(out, p.Err.Error())
			}
			payload = p.AppendTo(payload)
			if p.Ends {
				end := ""
				if p.EndsMessage {
					end = " end"
				}
				out = append(out, fmt.Sprintf("%s %q%s", p.Op, payload, end))
				if !p.Op.IsControl() {
					data = append(data, payload...)
				}
				payload = nil
			}
			chunk = chunk[n:]
		}
	}
	return out, data
}

func TestDecoder(t *testing.T) {
	key := [4]byte{1, 2, 3, 4}
	frame := func(op Op, fin bool, text string) []byte { return AppendFrame(nil, op, fin, &key, []byte(text)) }
	long := strings.Repeat("0123456789", 7000)
	for _, c := range []struct {
		name   string
		b      []byte
		server bool
		want   []string
	}{
		// The examples of RFC 6455 §5.7.
		{"unmasked", []byte("\x81\x05Hello"), true, []string{`text "Hello" end`}},
		{"masked", []byte("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), false, []string{`text "Hello" end`}},
		{"fragments", []byte("\x01\x03Hel\x80\x02lo"), true, []string{`text "Hel"`, `text "lo" end`}},
		{"ping between fragments", bytes.Join([][]byte{frame(Text, false, "<a"), frame(Ping, true, "x"), frame(Continuation, true, "/>")}, nil), false, []string{`text "<a"`, `ping "x"`, `text "/>" end`}},
		{"empty", frame(Text, true, ""), false, []string{`text "" end`}},
		{"two bytes of length", frame(Binary, true, long[:200]), false, []string{fmt.Sprintf("binary %q end", long[:200])}},
		{"eight bytes of length", frame(Text, true, long), false, []string{fmt.Sprintf("text %q end", long)}},
		{"close", frame(Close, true, "\x03\xe8bye"), false, []string{`close "\x03\xe8bye"`}},
		{"unmasked client", []byte("\x81\x01x"), false, []string{"websocket: frame at offset 0: the client's frame is not masked", `text "x" end`}},
		{"masked server", frame(Text, true, "x"), true, []string{"websocket: frame at offset 0: the server's frame is masked", `text "x" end`}},
		{"reserved bit", []byte("\x81\x00\xc1\x01x"), true, []string{`text "" end`, "websocket: frame at offset 2: reserved bits 100 are set without an extension", `text "x" end`}},
		{"opcode", []byte("\x83\x00"), true, []string{"websocket: frame at offset 0: opcode 3 is not defined", `opcode 3 "" end`}},
		{"continuation of nothing", []byte("\x80\x01x"), true, []string{"websocket: frame at offset 0: a continuation of no message", `text "x" end`}},
		{"message in message", []byte("\x01\x01x\x81\x01y"), true, []string{`text "x"`, "websocket: frame at offset 3: a message begins inside of another one", `text "y" end`}},
		{"long length", []byte("\x81\x7e\x00\x01x"), true, []string{"websocket: frame at offset 0: a length of 1 in two bytes more than it needs", `text "x" end`}},
		{"fragmented ping", []byte("\x09\x00"), true, []string{"websocket: frame at offset 0: a ping in fragments", `ping ""`}},
		{"long ping", []byte("\x89\x7e\x00\x7ex"), true, []string{"websocket: frame at offset 0: a ping of 126 bytes, at most 125 are allowed"}},
		{"overflow", []byte("\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xffx"), true, []string{"websocket: frame at offset 0: a length of more than 2^63"}},
	} {
		for _, step := range []int{1, 2, 3, 7, 1 << 20} {
			got, _ := read(!c.server, c.b, step)
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%s in steps of %d:\n got %.300q\nwant %.300q", c.name, step, got, c.want)
			}
		}
	}
}

func TestClose(t *testing.T) {
	if code, reason := ReadClose(ClosePayload(1001, "going away")); code != 1001 || reason != "going away" {
		t.Error(code, reason)
	}
	if code, reason := ReadClose([]byte{1}); code != 0 || reason != "" {
		t.Error(code, reason)
	}
}

func TestHandshake(t *testing.T) {
	if got := Accept("dGhlIHNhbXBsZSBub25jZQ=="); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" { // RFC 6455 §1.3
		t.Error(got)
	}
	r := httptest.NewRequest("GET", "/ws", nil)
	r.Header.Set("Connection", "keep-alive, Upgrade")
	r.Header.Set("Upgrade", "WebSocket")
	r.Header.Set("Sec-WebSocket-Protocol", "chat, xmpp")
	if !Opens(r, "xmpp") || Opens(r, "xmp") {
		t.Error("not told")
	}
	r.Method = "POST"
	if Opens(r, "xmpp") {
		t.Error("a POST opens a WebSocket")
	}
}

// Any split gives the same, and what is built is read back.
func FuzzDecoder(f *testing.F) {
	f.Add([]byte("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x89\x80abcd"), true, uint8(3))
	f.Add([]byte("\x01\x03Hel\x89\x01x\x80\x02lo\x88\x02\x03\xe8"), false, uint8(1))
	f.Add([]byte("\x81\x7e\x00\x7f"), false, uint8(2))
	f.Add([]byte("\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff"), false, uint8(4))
	f.Fuzz(func(t *testing.T, b []byte, client bool, step uint8) {
		whole, data := read(client, b, len(b)+1)
		cut, same := read(client, b, int(step)+1)
		if fmt.Sprint(whole) != fmt.Sprint(cut) || !bytes.Equal(data, same) {
			t.Errorf("whole %q\ncut %q", whole, cut)
		}
		var key *[4]byte
		if client {
			key = &[4]byte{b0(b, 0), b0(b, 1), b0(b, 2), b0(b, 3)}
		}
		half := len(b) / 2
		built := AppendFrame(AppendFrame(nil, Text, false, key, b[:half]), Continuation, true, key, b[half:])
		out, data := read(client, built, int(step)+1)
		if len(out) != 2 || !bytes.Equal(data, b) {
			t.Errorf("%q became %q: %q", b, built, out)
		}
	})
}

func b0(b []byte, i int) byte {
	if i < len(b) {
		return b[i]
	}
	return 0
}
