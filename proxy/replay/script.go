package replay

import (
	"fmt"
	"strings"
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record"
)

// MaxSteps bounds what is played of one recording.
const MaxSteps = 500_000

// Options say what of a recording is played. The zero value is everything, as
// the server said it.
type Options struct {
	Side record.Dir // which side is played: SC (also "") the server's, CS the client's
	Conn int        // only the session that this connection belongs to; 0 = all

	FromN, ToN int           // only entries with these numbers; 0 = no limit
	From, To   time.Duration // only what was said then, since the recording's start; 0 = no limit

	Progress func(pos int64, entries int) // how far the reading is; if nil, nobody wants to know
}

// A Script is what is to be played. It may be used by many goroutines.
type Script struct {
	Sessions []*Session
	Notes    []string // what of the recording cannot be played
	Start    time.Time
	store    store
}

// A Session is what was said from a login to its end, over as many connections
// as it was resumed on (XEP-0198 §5).
type Session struct {
	Conns   []int
	Account stanza.JID // that was bound, with the resource
	Offer   stanza.Offer
	TLS     bool // STARTTLS was offered, or TLS was there before the stream
	NoClear bool // STARTTLS was required
	Bind2   bool // bound with the login (XEP-0386)
	Began   time.Duration
	Steps   []Step

	features piece // after the login
	enabled  piece // the answer that switched stream management on; none without
	sm       string

	byMeaning map[string][]int32 // the steps of the peer that is live, by meaning
	number    int                // from 1
}

// A piece is an element of the recording.
type piece struct {
	at     int64
	size   int32
	stream *decode.Stream
}

// A Step is something that one side said.
type Step struct {
	N      int // of the entry
	T      time.Duration
	Dir    record.Dir
	Pair   int32 // the step that answers this iq, or that this one answers; -1 = none
	Answer bool  // it is an iq's result or error
	Ask    bool  // it is an iq that wants an answer
	Last   bool  // nothing came back after it: the answer was not waited for
	End    bool  // the stream's end
	Failed bool  // type is error
	weight weight

	meaning string
	detail  uint64
	piece   piece
}

// Close forgets the script.
func (s *Script) Close() error { return s.store.close() }

// frame returns an element with its tree.
func (s *Script) frame(p piece) (decode.Frame, *stanza.Node, error) {
	b, err := s.store.get(p.at, int(p.size))
	if err != nil {
		return decode.Frame{}, nil, err
	}
	f := decode.Frame{Kind: decode.Element, Raw: b, Stream: p.stream}
	root, err := stanza.Tree(f)
	if err != nil {
		return f, nil, fmt.Errorf("replay: a recorded stanza: %w", err)
	}
	f.Prefix, f.Name, f.NS = []byte(root.Prefix), []byte(root.Name), []byte(root.NS)
	return f, root, nil
}

// Summary is a step in words.
func (s *Script) Summary(st *Step) string {
	arrow := "→ "
	if st.Dir == record.SC {
		arrow = "← "
	}
	if st.End {
		return arrow + "stream end"
	}
	f, _, err := s.frame(st.piece)
	if err != nil {
		return arrow + err.Error()
	}
	p := stanza.Parse(f)
	return arrow + p.Summary
}

// index prepares the search for what the live peer says, and finds out which
// questions were not waited for.
func (s *Session) index(peer record.Dir) {
	s.byMeaning = make(map[string][]int32)
	for i := range s.Steps {
		st := &s.Steps[i]
		if st.Answer && st.Pair < 0 {
			st.weight = free // its question is not played
		}
		if st.Dir == peer && !st.Answer && !st.End {
			s.byMeaning[st.meaning] = append(s.byMeaning[st.meaning], int32(i))
		}
	}
	silent := map[record.Dir]bool{record.CS: true, record.SC: true} // nothing more comes from there
	for i := len(s.Steps) - 1; i >= 0; i-- {
		st := &s.Steps[i]
		other := record.SC
		if st.Dir == record.SC {
			other = record.CS
		}
		st.Last = st.Ask && st.Pair < 0 && silent[other]
		if !st.End && !strings.HasPrefix(st.meaning, "nonza|urn:xmpp:sm") {
			silent[st.Dir] = false
		}
	}
}
