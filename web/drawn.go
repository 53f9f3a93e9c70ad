package web

// What the page only shows is drawn here, where it can be tested without a
// browser: a tree of elements, which the page makes one by one (made in
// ui/dom.js). There is no markup on the way. Text of the traffic is a text in a
// tree, or the value of an attribute that is only shown (title, data-…): never
// the name of something, never an address.

// drawn is an element: what it is, as a selector says it ("p.finding.error"),
// its attributes if it has any, and what is in it: strings and other elements.
type drawn []any

// attrs are the attributes of an element. What is clicked says what it leads to:
// data-go has the number of an entry to open, data-term a filter to set.
type attrs map[string]any

// group are several elements without one around them.
type group []any

// el draws an element. What is nil, or an empty string, is left out.
func el(what string, in ...any) drawn { return drawn(append(group{what}, all(in)...)) }

// all are the parts of a group, and of the groups in it.
func all(in []any) group {
	var out group
	for _, part := range in {
		switch p := part.(type) {
		case nil:
		case string:
			if p != "" {
				out = append(out, p)
			}
		case group:
			out = append(out, all(p)...)
		case drawn:
			if p != nil {
				out = append(out, p)
			}
		default:
			out = append(out, p)
		}
	}
	return out
}
