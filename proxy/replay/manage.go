package replay

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/xmpplens/xmpplens/decode/stanza"
)

// Bounds of what is kept to be sent again; a session that exceeds one cannot be
// resumed any more.
const (
	maxQueue      = 10_000
	maxQueueBytes = 8 << 20
)

// A management is our end of stream management (XEP-0198): live counters, which
// have nothing to do with the recorded ones.
type management struct {
	on      bool
	ns      string
	id      string // "" = cannot be resumed
	in, out uint32 // stanzas handled and sent, modulo 2^32
	acked   uint32
	queue   [][]byte // sent and not acknowledged; kept while id is set
	bytes   int
}

// sent counts a stanza of our own.
func (m *management) sent(b []byte) {
	if !m.on {
		return
	}
	m.out++
	if m.id == "" {
		return
	}
	m.queue = append(m.queue, b)
	if m.bytes += len(b); m.bytes > maxQueueBytes || len(m.queue) > maxQueue {
		m.id, m.queue, m.bytes = "", nil, 0
	}
}

// ack takes what the peer says that it handled; false when that is more than
// there was.
func (m *management) ack(h uint32) bool {
	n := h - m.acked
	if n > m.out-m.acked {
		return false
	}
	m.acked = h
	k := min(int(n), len(m.queue))
	for _, b := range m.queue[:k] {
		m.bytes -= len(b)
	}
	m.queue = m.queue[k:]
	return true
}

func (m *management) answer() string { return fmt.Sprintf("<a xmlns='%s' h='%d'/>", m.ns, m.in) }

// counter reads an h attribute.
func counter(n *stanza.Node) (uint32, bool) {
	h, err := strconv.ParseUint(strings.TrimSpace(n.Attr("h")), 10, 32)
	return uint32(h), err == nil
}

func truth(s string) bool { return s == "true" || s == "1" }
