package session

import (
	"bytes"
	"strings"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/record"
)

// This file is stream compression (XEP-0138). By default it is taken out of the
// offer; with Inflate it is passed on, and each leg ends the zlib layer by
// itself, so that data is the text:
//
//	CS  <compress><method>zlib</method></compress>    what is behind it waits
//	SC  <compressed/>                                 both legs change over
//	CS  <stream:stream …>                             a new stream, inside
//
// The client has to wait for the answer. Bytes that it sends behind <compress/>
// all the same are of the layer that the answer begins, or, after <failure/>, of
// the one that goes on: they are not looked at and not recorded before that is
// known.

const (
	nsCompress    = "http://jabber.org/protocol/compress"
	nsCompression = "http://jabber.org/features/compress"
)

// Inflate is the value of Config.Compression that passes compression on.
const Inflate = "inflate"

// compressState is how far compression is.
type compressState uint8

const (
	uncompressed compressState = iota
	compressAsked
	compressing // the shell changes the legs over
	compressed
)

// zip is the state of stream compression.
type zip struct {
	state   compressState
	offered bool // after the login, the session stays armed for the client's choice
	behind  int  // bytes behind <compress/> that are not recorded yet
	failed  bool // there is no compression: they are looked at now
	rest    int  // bytes behind <compressed/>, at the end of the server's chunk
}

// editCompression leaves of an offer what the proxy can read.
func (s *Session) editCompression(n *stanza.Node, x *surgery) {
	if s.cfg.Compression != Inflate {
		x.cut(n)
		x.whys = append(x.whys, "compression removed: compressed streams are not read unless --compression=inflate is given (XEP-0138 is obsolete)")
		return
	}
	var cuts []*stanza.Node
	for _, m := range n.Children {
		if m.Name == "method" && !isZlib(m) {
			cuts = append(cuts, m)
		} else if m.Name == "method" {
			s.zip.offered = true
		}
	}
	if !s.zip.offered {
		cuts = []*stanza.Node{n}
	}
	for _, c := range cuts {
		x.cut(c)
		x.whys = append(x.whys, "compression with "+strings.TrimSpace(c.Text)+" removed: only zlib is read (XEP-0138)")
	}
}

func isZlib(method *stanza.Node) bool {
	return method != nil && strings.EqualFold(strings.TrimSpace(method.Text), "zlib")
}

// clientAsksCompression is <compress/> from the client.
func (s *Session) clientAsksCompression(f decode.Frame) {
	root, err := stanza.Tree(f)
	condition := ""
	switch {
	case err != nil || s.cfg.Compression != Inflate || s.zip.state != uncompressed:
		condition = "setup-failed"
	case !isZlib(root.Child(nsCompress, "method")):
		condition = "unsupported-method"
	default:
		s.zip.state = compressAsked
		s.forward(record.CS, f)
		return
	}
	why := "compression with this method cannot be read (XEP-0138 §3)"
	if s.cfg.Compression != Inflate {
		why = "compression is not passed on without --compression=inflate"
	}
	s.drop(record.CS, f, why)
	s.inject(record.SC, "<failure xmlns='"+nsCompress+"'><"+condition+"/></failure>", why)
}

// serverCompresses is <compressed/>: both legs change over.
func (s *Session) serverCompresses(f decode.Frame) {
	s.forward(record.SC, f)
	s.zip = zip{state: compressing}
	for _, l := range []Leg{Server, Client} {
		h := s.half(l.Receives())
		rest := bytes.Clone(h.dec.Unread())
		if l == Server {
			s.zip.rest = len(rest)
		}
		h.off -= int64(len(rest))
		h.dec.Reset(h.off)
		s.decl[l] = nil
		s.do(Effect{Do: Compress, Leg: l, Unread: rest})
		s.notes = append(s.notes, record.Event{E: record.EventCompress, Leg: l.String(), Method: "zlib"})
	}
}

// recordable is what of a chunk is recorded with it: what stands behind the
// offer's answer is of the next layer, what stands behind <compress/> perhaps.
func (s *Session) recordable(d record.Dir, b []byte) []byte {
	if d == record.SC {
		n := min(s.zip.rest, len(b))
		s.zip.rest = 0
		return b[:len(b)-n]
	}
	if s.zip.state != compressAsked {
		return b
	}
	unread := len(s.cs.dec.Unread())
	fresh := unread - s.zip.behind
	s.zip.behind = unread
	return b[:len(b)-fresh]
}

// uncompressed ends the wait for an answer without compression: after
// <failure/>, or because there is none.
func (s *Session) uncompressed() {
	if s.zip.state == compressAsked {
		s.zip.state, s.zip.failed = uncompressed, s.zip.behind > 0
	}
}

// catchUp looks at what the client said while it waited for an answer that was
// not <compressed/>.
func (s *Session) catchUp() {
	if !s.zip.failed {
		return
	}
	b := bytes.Clone(s.cs.dec.Unread())
	s.zip.failed, s.zip.behind = false, 0
	switch {
	case s.closed:
		s.edit(record.CS, s.cs.off-int64(len(b)), len(b), nil, "the session ended while compression was negotiated")
	case s.armed:
		s.frames(record.CS)
	}
	s.event(record.Event{E: record.EventData, D: record.CS, Data: b, HasData: true})
}
