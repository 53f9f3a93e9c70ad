package web

// cleared answers a request to clear the list.
type cleared struct {
	Op     string `json:"op"`
	Behind int    `json:"behind"`
}

// clear makes the list of the page start behind entry N, or behind the one that is
// last when N is -1; 0 undoes it. The recording keeps all.
func (p *page) clear(q request) any {
	total := p.source.Status().Len
	if q.N < 0 || q.N > total {
		q.N = total
	}
	p.chosen.clear(q.N)
	return cleared{"cleared", q.N}
}

// beat answers a page that wants to know whether somebody is there.
func (p *page) beat(request) any {
	return struct {
		Op string `json:"op"`
	}{"beat"}
}
