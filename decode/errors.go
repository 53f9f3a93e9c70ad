package decode

import "fmt"

// SyntaxError says what is wrong with a frame. It never stands for an I/O error.
type SyntaxError struct {
	Offset int64 // of the offending byte, counted as Frame.Offset is
	Code   Code
	Msg    string // in words, without the offset
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("decode: %s at byte %d", e.Msg, e.Offset) }

// reached is the offset of the byte that made it an error. The scan passes each ] of ]]> before it knows of the >, so
// that a part may have been handed out in between.
func (e *SyntaxError) reached() int64 {
	if e.Code == CodeCDATAEnd {
		return e.Offset + 2
	}
	return e.Offset
}

// Hard reports whether the nesting was lost, so that everything is junk up to the next stream header.
func (e *SyntaxError) Hard() bool { return e.Code.Hard() }

// Code classifies a SyntaxError. The numbers are no part of the interface, the names from String are.
type Code uint8

// Hard errors: the frame becomes Junk.
const (
	CodeSyntax      Code = iota + 1 // a tag that cannot be parsed
	CodeMismatch                    // an end tag that does not match the open element
	CodeStray                       // an end tag where nothing is open
	CodeTooDeep                     // nesting beyond MaxDepth
	CodeTooLong                     // a tag beyond MaxTag, or a name beyond MaxName
	CodeDeclaration                 // an XML declaration inside an element: the peer began anew
	CodeLost                        // skipped while the structure is lost
	CodeIncomplete                  // the input ended inside the frame
	lastHard        = CodeIncomplete
)

// Soft errors: the frame is kept whole.
const (
	CodeUTF8        Code = iota + lastHard + 1 // invalid UTF-8
	CodeChar                                   // a character that XML forbids, NUL among them
	CodeEntity                                 // a reference to an entity that XML does not define
	CodeReference                              // a malformed reference, or one to a forbidden character
	CodeCDATAEnd                               // ]]> in text
	CodeLess                                   // < in an attribute value
	CodeDuplicate                              // an attribute that occurs twice, by name or by namespace
	CodePrefix                                 // a prefix that is not declared
	CodeNamespace                              // a namespace declaration that is not allowed
	CodeName                                   // a colon where Namespaces in XML allows none
	CodeBlank                                  // no blank between attributes
	CodeComment                                // a comment (RFC 6120 §11.1)
	CodeInstruction                            // a processing instruction (RFC 6120 §11.1)
	CodeDoctype                                // a DTD (RFC 6120 §11.1)
	CodeXMLDecl                                // an XML declaration that is malformed, or not of XML 1.x in UTF-8
	CodeText                                   // text where only elements may be
	CodeOutside                                // an element outside a stream
	CodeStream                                 // a stream header in the wrong namespace (RFC 6120 §4.8.1)
	CodeEmpty                                  // a stream header that closes itself
)

var codeNames = [...]string{"", "syntax", "mismatch", "stray-end", "too-deep", "too-long", "declaration-inside", "lost",
	"incomplete", "utf-8", "character", "entity", "reference", "cdata-end", "less-than", "duplicate-attribute",
	"undeclared-prefix", "namespace", "name", "blank", "comment", "instruction", "doctype", "xml-declaration", "text",
	"outside-stream", "stream-namespace", "empty-stream"}

// String returns a stable short name.
func (c Code) String() string {
	if c == 0 || int(c) >= len(codeNames) {
		return fmt.Sprintf("code %d", int(c))
	}
	return codeNames[c]
}

// Hard reports whether an error with this code loses the nesting.
func (c Code) Hard() bool { return c >= CodeSyntax && c <= lastHard }

// soft notes an error at index i of the buffer. The one with the lowest offset is kept: within a tag errors are not found
// in order.
func (d *Decoder) soft(i int, c Code, msg string) {
	off := d.base + int64(i)
	if d.err == nil || off < d.err.Offset {
		d.err = &SyntaxError{Offset: off, Code: c, Msg: msg}
	}
}
