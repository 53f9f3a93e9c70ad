package web

import "github.com/xmpplens/xmpplens/record/timeline"

// A kind is what the page shows of a class of entries: its name in requests, its
// title, and words that say what belongs to it.
type kind [3]string

// kinds are in the order in which status counts them.
var kinds = [timeline.NumClasses]kind{
	timeline.Message:    {"message", "Messages"},
	timeline.Presence:   {"presence", "Presence"},
	timeline.IQ:         {"iq", "IQ"},
	timeline.Typing:     {"typing", "Typing", "Chat states without a text. "},
	timeline.Stream:     {"stream", "Streams", "Stream headers, features, login, what is broken. "},
	timeline.Connection: {"connection", "Connections", "Opened, secured, closed. "},
	timeline.Ack:        {"ack", "Acks", "<r/> and <a/> of stream management. "},
	timeline.Keepalive:  {"keepalive", "Keepalives", "White space, ping and pong of WebSocket. "},
	timeline.Transport:  {"transport", "BOSH", "Bodies and requests. "},
	timeline.Note:       {"note", "Notes"},
}
