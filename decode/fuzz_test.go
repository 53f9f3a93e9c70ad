package decode

import (
	"bufio"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
)

// seeds adds the tables and, where it lies beside the project, a corpus of examples.
func seeds(f *testing.F) {
	for _, c := range table {
		f.Add([]byte(c.input), uint8(3), uint16(0))
	}
	f.Add([]byte(open1+"<a>"+strings.Repeat("x", 200)+"</a>"), uint8(9), uint16(50))
	f.Add([]byte(open1+"<a>]<a>]]>"), uint8(0), uint16(8)) // two parts meet inside of ]]>
	f.Add([]byte(open1+"<a><a>]]>"), uint8(0), uint16(8))
	f.Add([]byte(open1+"<a><a>]]></a></a>"), uint8(0), uint16(9))
	corpus, err := os.Open("../../shared/corpus/xep-examples.jsonl")
	if err != nil {
		return
	}
	defer corpus.Close()
	lines := bufio.NewScanner(corpus)
	lines.Buffer(nil, 16<<20)
	for n := 0; lines.Scan(); n++ {
		var e struct{ XML string }
		if json.Unmarshal(lines.Bytes(), &e) == nil && len(e.XML) < 2000 && n%10 == 0 {
			f.Add([]byte(open1+e.XML), uint8(5), uint16(0))
		}
	}
}

// FuzzDecoder holds the frame laws: tiling, chunk invariance, bounds; and agreement with encoding/xml.
func FuzzDecoder(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, input []byte, chunk uint8, max uint16) {
		d := Decoder{MaxFrame: int(max)}
		if max > 0 && max < 8 {
			d.MaxFrame = 8
		}
		fresh := d
		whole := frames(t, &d, string(input), len(input)+1)
		d = fresh
		if cut := frames(t, &d, string(input), int(chunk)%16+1); strings.Join(cut, "\n") != strings.Join(whole, "\n") {
			t.Fatalf("chunks of %d:\n%q\nwhole:\n%q", int(chunk)%16+1, cut, whole)
		}
		agree(t, input)
	})
}

// What encoding/xml does not define as this package does, so that the two are not compared:
//   - comments, processing instructions and DTDs: well-formed there, errors here
//   - attributes that occur twice and prefixes that are not declared: encoding/xml does not look
//   - names with colons at odd places, and names of XML 1.0's fifth edition: encoding/xml has the fourth
//   - an entity that looks like a name but is none of the five: both refuse
//   - < in an attribute value: refused there only in strict mode, which is used
//   - a missing blank between attributes: accepted there
//   - control characters and bad UTF-8 inside a tag's blank: refused by both as syntax
var notCompared = map[Code]bool{CodeComment: true, CodeInstruction: true, CodeDuplicate: true, CodePrefix: true, CodeName: true,
	CodeNamespace: true, CodeBlank: true, CodeOutside: true, CodeTooDeep: true, CodeTooLong: true}

var oddName = regexp.MustCompile(`[^\x00-\x7f]|:`)

// agree wraps the input in an element and compares what is well-formed.
func agree(t *testing.T, input []byte) {
	if bytes.Contains(input, []byte("<?")) || bytes.Contains(input, []byte("<!")) || oddName.Match(input) {
		return // see notCompared
	}
	element := append(append([]byte("<x>"), input...), "</x>"...)
	var d Decoder
	d.Write([]byte(open1))
	d.Next()
	d.Write(element)
	f, ok := d.Next()
	if !ok {
		f, _ = d.Close()
	}
	if f.Err != nil && notCompared[f.Err.Code] {
		return
	}
	ours := f.Kind == Element && f.Err == nil && len(f.Raw) == len(element)
	theirs := wellFormed(element)
	if ours != (theirs == nil) {
		t.Fatalf("%q\nencoding/xml: %v\nhere: %v %v", element, theirs, f.Kind, f.Err)
	}
}

// wellFormed reads one element with encoding/xml and nothing behind it.
func wellFormed(b []byte) error {
	x := xml.NewDecoder(bytes.NewReader(b))
	depth := 0
	for n := 0; ; n++ {
		tok, err := x.Token()
		if errors.Is(err, io.EOF) && depth == 0 && n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
		if depth == 0 && n > 0 {
			return errors.New("more than one element")
		}
		switch tok.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		}
	}
}
