package export

import (
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/filter"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// A Choice says which entries are exported. The zero value chooses all.
type Choice struct {
	Filter *filter.Filter // nil = whatever they are
	Conn   int            // of this connection; 0 = of any
	After  time.Duration  // since the recording's start
	Before time.Duration  // 0 = to the end
	Masked bool           // the filter does not look at secrets: the choice would tell of them
}

// All reports whether nothing is left out.
func (c *Choice) All() bool { return *c == Choice{Masked: c.Masked} }

func (c *Choice) takes(e *timeline.Entry) bool {
	return (c.Conn == 0 || e.Conn == c.Conn) && e.T >= c.After && (c.Before == 0 || e.T < c.Before) &&
		(c.Filter == nil || e.Shows(c.Filter, !c.Masked))
}

// A picker hands out what is chosen, each with the context without which it
// means nothing: the opening of its connection, the TLS that it is inside of,
// the header of its stream, and at the end the stream's end and the
// connection's close. It keeps these of every open connection, and no more.
type picker struct {
	Choice
	conns map[int]*surroundings
}

// surroundings are what was left out of a connection so far.
type surroundings struct {
	open   *timeline.Entry
	secure []*timeline.Entry
	dirs   [2]opening
	given  bool // something of it was handed out
}

// opening is what a direction's stream began with.
type opening struct {
	header []*timeline.Entry // with an XML declaration in front
	given  bool              // it was handed out
}

func (h *opening) give(emit func(*timeline.Entry, bool)) {
	if h.given {
		return
	}
	for _, e := range h.header {
		emit(e, true)
	}
	h.header, h.given = nil, true
}

// maxSecure bounds the secure entries of a connection: one a leg, and one more
// where the legs change once.
const maxSecure = 4

func (p *picker) conn(id int) *surroundings {
	c := p.conns[id]
	if c == nil {
		if p.conns == nil {
			p.conns = make(map[int]*surroundings)
		}
		c = new(surroundings)
		p.conns[id] = c
	}
	return c
}

func side(d record.Dir) int {
	if d == record.SC {
		return 1
	}
	return 0
}

// add takes the next entry. extra says that one that is handed out is context.
func (p *picker) add(e *timeline.Entry, emit func(e *timeline.Entry, extra bool)) {
	chosen := p.takes(e)
	if p.All() || e.Conn == 0 {
		if chosen {
			emit(e, false)
		}
		return
	}
	c := p.conn(e.Conn)
	if e.Kind == record.EventClose {
		delete(p.conns, e.Conn)
	}
	if chosen {
		c.complete(e, emit)
		emit(e, false)
		return
	}
	switch e.Kind {
	case record.EventOpen:
		c.open = e.Clone()
	case record.EventSecure:
		if c.given {
			emit(e, true)
		} else if len(c.secure) < maxSecure {
			c.secure = append(c.secure, e.Clone())
		}
	case record.EventClose:
		if c.given {
			emit(e, true)
		}
	}
	if e.Dir == "" {
		return
	}
	switch h := &c.dirs[side(e.Dir)]; e.Frame.Kind {
	case decode.Declaration:
		h.header, h.given = []*timeline.Entry{e.Clone()}, false
	case decode.Header:
		if n := len(h.header); n > 0 && h.header[n-1].Frame.Kind == decode.Header {
			h.header = nil
		}
		h.header, h.given = append(h.header, e.Clone()), false
	case decode.End:
		if h.given {
			emit(e, true)
		}
		h.header, h.given = nil, false
	}
}

// complete hands out the context of a chosen entry.
func (c *surroundings) complete(e *timeline.Entry, emit func(*timeline.Entry, bool)) {
	if c.open != nil && e.Kind != record.EventOpen {
		emit(c.open, true)
	}
	for _, s := range c.secure {
		emit(s, true)
	}
	c.open, c.secure, c.given = nil, nil, true
	if e.Dir == "" {
		return
	}
	switch h := &c.dirs[side(e.Dir)]; e.Frame.Kind {
	case decode.Declaration:
		h.header, h.given = nil, false
	case decode.Header:
		h.header, h.given = nil, true
	case decode.End:
		h.give(emit)
		h.given = false
	default:
		h.give(emit)
	}
}

func isStream(d record.Dir) bool { return d == record.CS || d == record.SC }
