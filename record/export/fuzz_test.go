package export

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/record"
)

// FuzzCapture checks that reading back neither breaks nor takes for ours what is
// not, and that every recording comes back as it was. script is read as a
// recording: each line is an event whose kind and direction are its first bytes.
func FuzzCapture(f *testing.F) {
	for _, name := range []string{"edits", "bosh", "websocket", "newlines behind all, and TLS"} {
		f.Add(captured(f, recording(f, samples[name]...), Options{Secrets: true}), []byte(""))
	}
	f.Add([]byte("\n\r\r\n"), []byte("o\nd<?xml version='1.0'?>\nd"+header+" <presence/>\nD<a>\xff\nh\nd<message/>\nv\nx\nD</a>\ns\nc\n"))
	f.Add([]byte{}, []byte("O\nb<body xmlns='http://jabber.org/protocol/httpbind'/>\nB<body/>\ni<iq/>\ne\nd<a/><b/>\nr\nd<a"))
	f.Add([]byte{}, []byte("d<?xml version='1.0'?>\nd<a/>\nd<?xml version='1.0'?>\noagain\nd<b/>"))
	f.Fuzz(func(t *testing.T, file, script []byte) {
		if b, err := ReadCapture(bytes.NewReader(file)); err == nil {
			for err == nil {
				_, err = b.Next()
			}
		} else if b != nil {
			t.Error("both a reader and an error")
		}
		text := events(script)
		read := func() *record.Reader {
			r, err := record.Read(bytes.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		b, err := ReadCapture(bytes.NewReader(captured(t, read(), Options{Secrets: true})))
		if err != nil {
			t.Fatal(err)
		}
		got := record.AppendHeader(nil, b.Header)
		for {
			ev, err := b.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got = record.AppendLine(got, &ev)
		}
		if b.Missing > 0 {
			t.Fatalf("%d bytes are missing", b.Missing)
		}
		if !bytes.Equal(got, text) {
			diff(t, string(got), string(text))
		}
	})
}

// events makes a recording of a script.
func events(script []byte) []byte {
	out := record.AppendHeader(nil, record.Header{Version: 1, Time: start})
	var off [2]int64
	for i, line := range bytes.Split(script, []byte("\n")) {
		if len(line) == 0 || i > 200 {
			continue
		}
		ev := record.Event{T: time.Duration(i) * time.Millisecond, C: 1, D: record.CS}
		rest := line[1:]
		if line[0]&0x20 == 0 {
			ev.D = record.SC
		}
		d := side(ev.D)
		switch line[0] | 0x20 {
		case 'o':
			ev.E, ev.Kind, ev.Client, ev.Server = record.EventOpen, "c2s", string(bytes.ToValidUTF8(rest, nil)), "capulet.example"
			ev.D = ""
		case 'b':
			ev.C, ev.E, ev.Kind, ev.Transport, ev.D = 2, record.EventOpen, "c2s", record.TransportBOSH, ""
		case 's':
			ev.E, ev.Leg, ev.D = record.EventSecure, "client", ""
		case 'c':
			ev.E, ev.By, ev.D = record.EventClose, "client", ""
		case 'h':
			ev.E, ev.O = record.EventHold, off[d]
		case 'v':
			ev.E, ev.O, ev.Verdict = record.EventVerdict, off[d], "passed"
		case 'e':
			ev.E, ev.O, ev.N, ev.Data, ev.HasData = record.EventEdit, off[d], int64(len(rest)), rest, true
		case 'i':
			ev.E, ev.O, ev.Data, ev.HasData = record.EventInject, off[d], rest, true
		case 'r':
			ev.C, ev.E, ev.RID, ev.Data, ev.HasData = 2, record.EventData, int64(len(rest)+1), rest, true
		default:
			ev.E, ev.Data, ev.HasData = record.EventData, rest, true
			off[d] += int64(len(rest))
		}
		out = record.AppendLine(out, &ev)
	}
	return out
}
