package foreign

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/xmpplens/xmpplens/proxy/websocket"
	"github.com/xmpplens/xmpplens/record"
)

// maxHead bounds the head of an HTTP request or answer, in bytes.
const maxHead = 64 << 10

// webDialog is a connection that begins with HTTP, and becomes a WebSocket
// (RFC 7395), or is left out.
type webDialog struct {
	head    [2][]byte
	request *http.Request
	path    string
	open    bool // frames come
	lost    bool // and the framing of one side is lost
	dec     [2]websocket.Decoder
	control [2][]byte
}

// http takes bytes of HTTP.
func (d *dialog) http(dir record.Dir, b []byte) {
	if d.web == nil {
		d.web = new(webDialog)
		d.web.dec[0].Client = true
	}
	w, i := d.web, dirIndex(dir)
	if w.open {
		d.frame(dir, b)
		return
	}
	w.head[i] = append(w.head[i], b...)
	d.hold(len(b))
	if d.refused {
		return
	}
	if dir == record.CS && w.request == nil {
		d.requested()
	}
	if w.request == nil || d.refused {
		return
	}
	d.answered()
}

// headEnds returns the end of a head, 0 where it goes on.
func headEnds(b []byte) int { return bytes.Index(b, []byte("\r\n\r\n")) + 4 }

// requested reads the request.
func (d *dialog) requested() {
	w := d.web
	_, server := d.k.ends()
	b := w.head[0]
	if bytes.HasPrefix(b, []byte("PRI ")) {
		d.refuse(fmt.Sprintf("HTTP/2 to port %d", server.Port()))
		return
	}
	n := headEnds(b)
	if n < 4 {
		if len(b) > maxHead || d.middle && !bytes.Contains(b, []byte("HTTP/1.")) {
			d.refuse(d.what())
		}
		return
	}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b[:n])))
	switch {
	case err != nil:
		d.refuse(d.what())
	case websocket.Opens(r, "xmpp"):
		w.request, w.path, w.head[0] = r, r.URL.RequestURI(), b[n:]
	case strings.Contains(r.URL.Path, "bind") || bytes.Contains(b[n:], []byte("http://jabber.org/protocol/httpbind")):
		d.refuse(fmt.Sprintf("BOSH over HTTP to port %d, which is not read from a capture (xmpplens proxy records it)", server.Port()))
	default:
		d.refuse(d.what())
	}
}

// answered reads the answer to a request for a WebSocket.
func (d *dialog) answered() {
	w := d.web
	n := headEnds(w.head[1])
	if n < 4 {
		if len(w.head[1]) > maxHead {
			d.refuse(d.what())
		}
		return
	}
	_, server := d.k.ends()
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(w.head[1][:n])), w.request)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		d.refuse(fmt.Sprintf("HTTP to port %d: a WebSocket that was refused", server.Port()))
		return
	}
	if websocket.HasToken(resp.Header, "Sec-WebSocket-Extensions", "permessage-deflate") || strings.Contains(strings.Join(resp.Header.Values("Sec-WebSocket-Extensions"), ","), "permessage-deflate") {
		d.refuse(fmt.Sprintf("WebSocket to port %d compressed with permessage-deflate, which is not read from a capture", server.Port()))
		return
	}
	d.kind = "c2s"
	rest := [2][]byte{w.head[0], slices.Clone(w.head[1][n:])}
	d.accept(record.TransportWebSocket)
	d.say(record.Event{E: record.EventHTTP, Op: http.MethodGet, Text: w.path, Code: resp.StatusCode})
	w.open, w.head = true, [2][]byte{}
	for i, dir := range []record.Dir{record.CS, record.SC} {
		if len(rest[i]) > 0 {
			d.frame(dir, rest[i])
		}
	}
}

// frame takes bytes of WebSocket frames.
func (d *dialog) frame(dir record.Dir, b []byte) {
	w, i := d.web, dirIndex(dir)
	for len(b) > 0 {
		if w.lost {
			return
		}
		p, n := w.dec[i].Next(b)
		b = b[n:]
		if p.Err != nil {
			d.say(record.Event{E: record.EventControl, D: dir, O: d.stream[i].off, Op: "broken", Level: "warning", Text: p.Err.Msg, Why: p.Err.Ref()})
		}
		switch {
		case p.Lost:
			w.lost = true
			d.say(record.Event{E: record.EventNote, Level: "warning", By: "import", Text: "the framing of the WebSocket is lost: nothing more of this connection can be read"})
		case p.Partial:
		case p.Op.IsControl():
			if p.Begins {
				w.control[i] = w.control[i][:0]
			}
			if len(w.control[i])+p.Len() <= websocket.MaxControl {
				w.control[i] = p.AppendTo(w.control[i])
			}
			if p.Ends {
				d.controlled(dir, p.Op, w.control[i])
			}
		case p.Len() > 0:
			d.data(dir, &d.stream[i], p.AppendTo(nil))
		}
	}
}

// controlled records a control frame.
func (d *dialog) controlled(dir record.Dir, op websocket.Op, payload []byte) {
	ev := record.Event{E: record.EventControl, D: dir, Op: op.String(), Data: payload, HasData: len(payload) > 0}
	if op == websocket.Close && len(ev.Data) >= 2 {
		ev.Code = int(ev.Data[0])<<8 | int(ev.Data[1])
		ev.Text = strings.ToValidUTF8(string(ev.Data[2:]), "\ufffd")
		ev.Data, ev.HasData = nil, false
	}
	d.say(ev)
}
