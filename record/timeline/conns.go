package timeline

import (
	"time"

	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/record"
)

// A Conn is where a connection stands.
type Conn struct {
	ID               int
	Kind, Transport  string // of the event open
	Client, Server   string
	From, To         string    // of the first stream header from the client
	TLS, Cipher      [2]string // of the client leg, of the server leg
	Tapped           bool      // one session from client to server
	Since, Last      time.Duration
	Closed           bool
	By, Why          string // who closed it, and the error
	State            track.State
	Entries, Stanzas [2]int
	Bytes            [2]int64
	Findings         [3]int        // notes, warnings, errors
	RTT              time.Duration // smoothed; 0 = not known
	Pinged           bool          // it is of pings; else of whatever was answered
	Answered         int
	Opened           bool // its beginning is in the recording
}

// Bare reports whether elements stand alone, each with its namespace (RFC 7395 §3.3.3).
func (c *Conn) Bare() bool { return c.Transport == record.TransportWebSocket }

// maxConnections bounds the connections that are remembered one by one. Of more
// the oldest goes that is closed.
const maxConnections = 100_000

// conns are the connections of a recording. The zero value has none.
type conns struct {
	all       map[int]*Conn
	order     []int // as they came
	last      *Conn
	forgotten int
	closed    [2]map[string]int // by kind: those that are open, those that are closed
}

// maxTries bounds how many that are open are passed over for one that is closed.
const maxTries = 1000

const nsPing = "urn:xmpp:ping"

func (k *conns) of(id int, t time.Duration) *Conn {
	if k.last != nil && k.last.ID == id {
		return k.last
	}
	c := k.all[id]
	if c == nil {
		if k.all == nil {
			k.all = make(map[int]*Conn)
		}
		for tries := 0; len(k.all) >= maxConnections; tries++ {
			old := k.order[0]
			k.order = k.order[1:]
			if !k.all[old].Closed && tries < maxTries {
				k.order = append(k.order, old)
				continue
			}
			delete(k.all, old)
			k.forgotten++
		}
		c = &Conn{ID: id, Since: t}
		k.all[id] = c
		k.order = append(k.order, id)
		k.count("", false, 1)
	}
	k.last = c
	return c
}

// maxKindsOf bounds the kinds of connections that are told apart.
const maxKindsOf = 10

func (k *conns) count(kind string, closed bool, by int) {
	i := 0
	if closed {
		i = 1
	}
	m := k.closed[i]
	if m == nil {
		m = make(map[string]int)
		k.closed[i] = m
	}
	if _, ok := m[kind]; !ok && len(m) >= maxKindsOf {
		kind = Others
	}
	m[kind] += by
}

// add takes an entry.
func (k *conns) add(e *Entry) {
	if e.Conn == 0 {
		return
	}
	c := k.of(e.Conn, e.T)
	c.Last = max(c.Last, e.T)
	for i := range e.Facts.Findings {
		c.Findings[level(e.Facts.Findings[i].Severity)]++
	}
	switch e.Kind {
	case record.EventOpen:
		k.count(c.Kind, c.Closed, -1)
		c.Kind, c.Transport, c.Client, c.Server = e.Event.Kind, e.Event.Transport, e.Event.Client, e.Event.Server
		c.Since, c.Opened = e.T, e.Why != record.Carried
		k.count(c.Kind, c.Closed, 1)
	case "header":
		if s := &e.Stanza; e.Dir == record.CS && c.To == "" {
			c.From, c.To = s.From, s.To
		}
	case record.EventSecure:
		c.secured(&e.Event)
	case record.EventClose:
		k.count(c.Kind, c.Closed, -1)
		c.Closed, c.By, c.Why = true, e.Event.By, e.Event.Error
		c.State.Phase = track.PhaseClosed // the rest is as it was before
		k.count(c.Kind, c.Closed, 1)
		return
	}
	if e.Track != nil {
		e.Track.State(&c.State)
	}
	if e.Dir == "" {
		return
	}
	w := way(e.Dir)
	c.Entries[w]++
	c.Bytes[w] += int64(len(e.Frame.Raw))
	switch e.Kind {
	case "message", "presence", "iq":
		c.Stanzas[w]++
	}
	if e.Facts.HasLatency && e.Track != nil {
		c.answered(e.Facts.Latency, e.Track.Asked() == nsPing)
	}
}

func (c *Conn) secured(ev *record.Event) {
	switch ev.Leg {
	case record.BothLegs:
		c.Tapped = true
		c.TLS, c.Cipher = [2]string{ev.Version, ev.Version}, [2]string{ev.Cipher, ev.Cipher}
	case "server":
		c.TLS[1], c.Cipher[1] = ev.Version, ev.Cipher
	default:
		c.TLS[0], c.Cipher[0] = ev.Version, ev.Cipher
	}
}

// answered smooths the round trip as TCP does (RFC 6298 §2). Pings are answered at
// once: with the first of them all others stop to count.
func (c *Conn) answered(took time.Duration, ping bool) {
	c.Answered++
	switch {
	case c.Pinged && !ping:
	case c.RTT == 0, ping && !c.Pinged:
		c.RTT, c.Pinged = took, ping
	default:
		c.RTT += (took - c.RTT) / 8
	}
}
