package track

import "github.com/xmpplens/xmpplens/decode/stanza"

// A State is where a connection stands, in numbers: for those who show many. By
// the direction of what is counted, CS and SC.
type State struct {
	Phase      string
	Bound      stanza.JID
	Mechanism  string // of the latest login
	Result     string // of that login: "", success, or the failure's condition
	SM         string // "", enabled, resumed
	Resumable  bool
	Sent       [2]uint32 // stanzas, as stream management counts them
	Acked      [2]uint32 // the latest h
	Unacked    [2]int
	Unanswered [2]int // iq requests without an answer
}

// State puts where the connection stands into s.
func (c *Conn) State(s *State) {
	s.Phase, s.Bound, s.SM = c.phase, c.Bound, c.SM
	s.Mechanism, s.Result = c.Login.Mechanism, c.Login.Result
	s.Unanswered = [2]int{len(c.ledger.open[CS]), len(c.ledger.open[SC])}
	if m := c.manage; m != nil {
		s.Resumable = m.id != ""
		for d := range m.sides {
			s.Sent[d], s.Acked[d], s.Unacked[d] = m.sides[d].sent, m.sides[d].acked, len(m.sides[d].queue)
		}
	}
}

// Asked is the namespace of the request that the last answer of the connection
// belongs to, "" when it had no payload.
func (c *Conn) Asked() string { return c.ledger.asked }
