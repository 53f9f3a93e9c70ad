package decode

// nsStreams is the namespace of stream headers (RFC 6120 §4.8.1), nsBOSH that of the wrappers of XEP-0124, nsXML the one
// that the prefix xml always has.
const (
	nsStreams = "http://etherx.jabber.org/streams"
	nsBOSH    = "http://jabber.org/protocol/httpbind"
	nsXML     = "http://www.w3.org/XML/1998/namespace"
	nsXMLNS   = "http://www.w3.org/2000/xmlns/"
)

// Attr is an attribute of a stream header.
type Attr struct{ Prefix, Name, Value string } // Value with references resolved

// Binding is a namespace declaration of a stream header; Prefix is empty for the default namespace.
type Binding struct{ Prefix, URI string }

// Stream is a stream header, the context of everything in its stream (RFC 6120 §4.8). It is never changed.
type Stream struct {
	Prefix, Name, NS string
	Attrs            []Attr    // without namespace declarations
	Bindings         []Binding // the namespace declarations
}

// Attr returns the value of an attribute, by its name with prefix (to, xml:lang), or "".
func (s *Stream) Attr(name string) string {
	if s == nil {
		return ""
	}
	for _, a := range s.Attrs {
		if a.Prefix == "" && a.Name == name || a.Prefix != "" && a.Prefix+":"+a.Name == name {
			return a.Value
		}
	}
	return ""
}

// Lookup returns the namespace that a prefix is bound to; "" is the default namespace.
func (s *Stream) Lookup(prefix string) (uri string, ok bool) {
	if s != nil {
		for i := range s.Bindings {
			if s.Bindings[i].Prefix == prefix {
				return s.Bindings[i].URI, true
			}
		}
	}
	if prefix == "xml" {
		return nsXML, true
	}
	return "", false
}

// newStream makes the header whose start tag was just parsed.
func (d *Decoder) newStream(prefix, name string, ns []byte) *Stream {
	s := &Stream{Prefix: prefix, Name: name, NS: string(ns)}
	for _, a := range d.work.attrs {
		q := string(d.bytes(a.name))
		v := string(plainValue(d.bytes(a.value)))
		switch {
		case q == "xmlns":
			s.Bindings = append(s.Bindings, Binding{"", v})
		case a.colon > 0 && q[:a.colon] == "xmlns":
			s.Bindings = append(s.Bindings, Binding{q[a.colon+1:], v})
		case a.colon > 0:
			s.Attrs = append(s.Attrs, Attr{q[:a.colon], q[a.colon+1:], v})
		default:
			s.Attrs = append(s.Attrs, Attr{"", q, v})
		}
	}
	return s
}
