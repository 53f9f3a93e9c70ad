package track

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
)

const nsBOSH = "http://jabber.org/protocol/httpbind"

// maxRID is the highest number that a BOSH request may have (XEP-0124 §14.1).
const maxRID = 1<<53 - 1

// maxUnanswered bounds the requests that are remembered of a client that sends
// more and more of them.
const maxUnanswered = 1000

// bosh is what is known of a BOSH session (XEP-0124).
type bosh struct {
	last       int64          // the highest rid so far
	unanswered map[int64]bool // requests without an answer
	requests   int            // so many may be unanswered; 0 = as many as the client likes
	polling    time.Duration  // the shortest time between polls
	polls      bool           // the client polls: requests are answered at once
	at         time.Duration  // when the last request came
	idle       bool           // the last request was empty
	nothing    bool           // and the last answer, too
	key        string         // the SHA-1 of the next key, in lower case; "" when no keys are used
	over       bool           // terminated
}

// Answered tells that a BOSH request needs no further answer: the answer came,
// which may be before its turn to be shown, or the request was given up.
func (t *Tracker) Answered(id int, rid int64) {
	if c := t.conns[id]; c != nil && c.bosh != nil {
		delete(c.bosh.unanswered, rid)
	}
}

// readRID reads the number of a BOSH request; 0 when there is none.
func readRID(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 || n > maxRID {
		return 0
	}
	return n
}

// body takes the start of a BOSH wrapper.
func (c *Conn) body(in Frame, f *Facts) {
	b, ok := stanza.ReadBody(in.Frame)
	if !ok {
		return
	}
	if c.bosh == nil {
		c.bosh = &bosh{unanswered: make(map[int64]bool)}
	}
	if in.Injected {
		return
	}
	if b.Type == "terminate" {
		c.bosh.over = true
		c.enter(PhaseClosing, in.At)
		if b.Condition != "" {
			f.find(Error, "bosh-terminated", "the BOSH session is ended with "+b.Condition, "XEP-0124 §17.2")
		}
	}
	if in.Dir == SC {
		c.bosh.answer(&b)
		return
	}
	if b.Asks() {
		c.headers[CS]++
		c.enter(PhaseStream, in.At)
	}
	c.bosh.request(&b, in.At, f)
}

// answer takes the wrapper of a response.
func (s *bosh) answer(b *stanza.Body) {
	s.nothing = b.Empty && b.Type == ""
	if !b.Grants() {
		return
	}
	s.requests, _ = strconv.Atoi(b.Requests)
	if n, err := strconv.Atoi(b.Polling); err == nil && n > 0 {
		s.polling = time.Duration(n) * time.Second
	}
	s.polls = s.polls || b.Wait == "0" || b.Hold == "0" || s.requests == 1
}

// request takes the wrapper of a request.
func (s *bosh) request(b *stanza.Body, at time.Duration, f *Facts) {
	rid := readRID(b.RID)
	switch {
	case rid == 0:
		f.find(Error, "bosh-rid", fmt.Sprintf("the request has no rid from 1 to %d", int64(maxRID)), "XEP-0124 §14.1")
		return
	case b.Asks():
		s.polls = b.Wait == "0" || b.Hold == "0"
	case s.last > 0 && rid <= s.last:
		f.find(Warning, "bosh-repeated", fmt.Sprintf("request %d is sent again: its answer did not reach the client", rid), "XEP-0124 §14.3")
		return
	case s.last > 0 && rid != s.last+1:
		f.find(Error, "bosh-rid", fmt.Sprintf("request %d comes where %d is due: the server waits for what is missing, or ends the session", rid, s.last+1), "XEP-0124 §14.2")
	}
	s.last = rid
	s.protect(b, f)
	last := b.Pause != "" || b.Type == "terminate"
	if len(s.unanswered) < maxUnanswered {
		s.unanswered[rid] = true
	}
	n := len(s.unanswered)
	if allowed := s.requests; allowed > 0 && (n > allowed+1 || n == allowed+1 && !last) {
		f.find(Error, "bosh-requests", fmt.Sprintf("%d requests at a time, the server allows %d", n, allowed), "XEP-0124 §11")
	}
	empty := b.Empty && !last && !b.Restart && !b.Asks()
	if soon := at - s.at; empty && s.at > 0 && soon < s.polling {
		again := s.polls && s.idle && s.nothing
		crowd := s.requests > 1 && n == s.requests
		if again || crowd {
			f.find(Error, "bosh-polling", fmt.Sprintf("an empty request after %.1f s, they have to be at least %.0f s apart", soon.Seconds(), s.polling.Seconds()), "XEP-0124 §12")
		}
	}
	s.at, s.idle = at, empty
}

// protect checks the key of a request (XEP-0124 §15).
func (s *bosh) protect(b *stanza.Body, f *Facts) {
	if s.key != "" {
		sum := sha1.Sum([]byte(b.Key))
		switch {
		case b.Key == "":
			f.find(Error, "bosh-key", "the request has no key, although the session is protected by keys: the server must end it", "XEP-0124 §15.4")
		case hex.EncodeToString(sum[:]) != s.key:
			f.find(Error, "bosh-key", "the key is not the one that is next in the sequence: the server must end the session, somebody else may be speaking", "XEP-0124 §15.4")
		}
	}
	switch {
	case b.NewKey != "":
		s.key = strings.ToLower(b.NewKey)
	case b.Key != "":
		s.key = strings.ToLower(b.Key)
	default:
		s.key = ""
	}
}

func isBody(f decode.Frame) bool { return f.Stream != nil && f.Stream.NS == nsBOSH }
