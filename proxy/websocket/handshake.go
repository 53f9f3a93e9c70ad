package websocket

import (
	"crypto/sha1" // what RFC 6455 §4.2.2 is made of
	"encoding/base64"
	"net/http"
	"strings"
)

// Accept returns the value of Sec-WebSocket-Accept that answers a key (§4.2.2).
func Accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Opens reports whether a request asks for a WebSocket with the given
// subprotocol, among others or alone (§4.2.1).
func Opens(r *http.Request, subprotocol string) bool {
	return r.Method == http.MethodGet && HasToken(r.Header, "Connection", "upgrade") && HasToken(r.Header, "Upgrade", "websocket") &&
		HasToken(r.Header, "Sec-WebSocket-Protocol", subprotocol)
}

// HasToken reports whether a header that is a list has the token, in whatever
// case.
func HasToken(h http.Header, name, token string) bool {
	for _, v := range h.Values(name) {
		for t := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}
