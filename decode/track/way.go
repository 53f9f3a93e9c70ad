package track

// This file follows a stanza on its way: what a client sends to its server is seen
// again between servers, and where it is delivered. Servers keep the id, the type
// and the addresses (RFC 6120 §8.1.3, §10.3); rooms keep the id and put themselves
// in the sender's place (XEP-0045 §7.4).

// way relates a message or an iq to the same one a hop before, and remembers it
// for the next hop.
func (t *Tracker) way(c *Conn, in Frame, f *Facts) {
	s := in.Stanza
	sends := in.Dir == CS || c.fed.on
	if s.ID == "" || sends && s.To == "" || c.Bound.Domain != "" && (s.To == c.Bound.Domain || s.From == c.Bound.Domain) {
		return // what a client has with its own server goes no further
	}
	from, to, room := address(s.From), address(s.To), ""
	if s.From == "" && in.Dir == CS {
		from = c.Bound.Bare().String()
	}
	if s.To == "" {
		to = c.Bound.Bare().String()
	}
	if s.Type == "groupchat" {
		from, room = "", address(s.From)
	}
	id := func(from, to string) string { return key(s.Kind, s.Type, s.ID, from, to) }
	if in.Dir == SC || c.fed.on {
		n := t.ways.get(id(from, to))
		if n == 0 && room != "" {
			n = t.ways.get(id("", room))
		}
		f.relate(Delivers, n)
	}
	if sends {
		t.ways.put(id(from, to), in.N)
	}
}

// address is one without its resource, as it is compared.
func address(s string) string {
	if s == "" {
		return ""
	}
	j := normal(s)
	j.Resource = ""
	return j.String()
}
