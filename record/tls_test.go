package record

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// TestTLSIsBase64: bytes of TLS that happen to be text are written as the others are.
func TestTLSIsBase64(t *testing.T) {
	line := string(appendEvent(nil, &Event{C: 1, E: EventTLS, D: CS, Data: []byte("text"), HasData: true}))
	if !strings.HasSuffix(line, `,"e":"tls","d":"CS","b":"dGV4dA=="}`+"\n") {
		t.Fatalf("%q", line)
	}
	r, err := Read(strings.NewReader(`{"xmpplens":1,"time":"2026-11-25T10:00:00Z"}` + "\n" + `{"t":0` + strings.TrimLeft(line, " ")))
	if err != nil {
		t.Fatal(err)
	}
	if ev, err := r.Next(context.Background()); err != nil || ev.E != EventTLS || !bytes.Equal(ev.Data, []byte("text")) {
		t.Errorf("%+v %v", ev, err)
	}
}
