package rule

import (
	"errors"
	"fmt"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
)

// This file is what rules can do for others who change stanzas.

// ErrNothing says that a change had nothing to do: its XPath selects nothing.
var ErrNothing = errNothing

// Change edits a stanza as the edit of a rule does, and returns its new bytes: op
// is set, remove or insert, path an XPath, text what is set or inserted (XML), and
// where, for insert, is first, last, before or after.
func Change(f decode.Frame, op, path, text, where string) ([]byte, error) {
	e, err := newEdit(op, path)
	if err != nil {
		return nil, err
	}
	switch where {
	case "", atLast, atFirst, atBefore, atAfter:
		e.where = where
	default:
		return nil, fmt.Errorf("rule: insert goes first, last, before or after, not %q", where)
	}
	e.text = &template{}
	e.text.literal(text)
	return edited(f, []edit{e}, &values{})
}

// Refuse returns how a frame is answered with an error (RFC 6120 §8.3, §6.5;
// XEP-0198 §3, §5); kind and text can be empty.
func Refuse(f decode.Frame, s *stanza.Stanza, condition, kind, text string) (string, error) {
	shot := &shot{values: values{s: s}, frame: f}
	return shot.refusal(condition, kind, text)
}

// Result returns the answer of type result to an iq.
func Result(f decode.Frame, s *stanza.Stanza, payload string) (string, error) {
	if s.Kind != "iq" || s.Type != "get" && s.Type != "set" {
		return "", errors.New("only an iq of type get or set has a result (RFC 6120 §8.2.3)")
	}
	shot := &shot{values: values{s: s}, frame: f}
	return shot.back("result", payload), nil
}
