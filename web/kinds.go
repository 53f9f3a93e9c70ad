package web

import "github.com/xmpplens/xmpplens/record/timeline"

// A kind is what the page shows of a class of entries: its name in requests, its
// title, and words that say what belongs to it and what a click does.
type kind [3]string

// byClick is said of each.
const byClick = "Click hides and shows, Shift and click shows nothing else"

// kinds are in the order in which status counts them.
var kinds = [timeline.NumClasses]kind{
	timeline.Message:    {"message", "Messages", byClick},
	timeline.Presence:   {"presence", "Presence", byClick},
	timeline.IQ:         {"iq", "IQ", byClick},
	timeline.Typing:     {"typing", "Typing", "Chat states without a text. " + byClick},
	timeline.Stream:     {"stream", "Streams", "Stream headers, features, login, what is broken. " + byClick},
	timeline.Connection: {"connection", "Connections", "Opened, secured, closed. " + byClick},
	timeline.Ack:        {"ack", "Acks", "<r/> and <a/> of stream management. " + byClick},
	timeline.Keepalive:  {"keepalive", "Keepalives", "White space, ping and pong of WebSocket. " + byClick},
	timeline.Transport:  {"transport", "BOSH", "Bodies and requests. " + byClick},
	timeline.Note:       {"note", "Notes", byClick},
}

// chips draws a button for each kind, with how many there are of it.
func chips() (out group) {
	for _, k := range kinds {
		out = append(out, el("button."+k[0], attrs{"data-kind": k[0], "title": k[2]}, el("span", k[1]), el("b", "0")))
	}
	return out
}
