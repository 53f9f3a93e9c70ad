package filter

import (
	"errors"
	"strings"
	"testing"
)

func TestRefine(t *testing.T) {
	for _, c := range []struct{ source, how, field, value, want string }{
		{"", Only, "from", "a@b/c", `from == "a@b/c"`},
		{"", Not, "from", "a@b/c", `not (from == "a@b/c")`},
		{"", Or, "xep", "XEP-0045", `xep(45)`},
		{"iq", Not, "xep", "198", `iq and not xep(198)`},
		{"iq or message", Only, "conn", "3", `(iq or message) and conn == 3`},
		{"iq or message", Or, "conn", "3", `iq or message or conn == 3`},
		{"iq or conn == 3", Or, "conn", "3", `iq or conn == 3`},
		{"wherefore art", Only, "finding", "iq-wrong-jid", `text("wherefore art") and finding("iq-wrong-jid")`},
		{"romeo@montague.example", Or, "kind", "iq", `text("romeo@montague.example") or kind == "iq"`},
		{"iq and conn == 3", Only, "conn", "3", "iq and conn == 3"},
		{"iq and conn == 3", Not, "conn", "3", "iq and not (conn == 3)"},
		{"conn == 3", Not, "conn", "3", "not (conn == 3)"},
		{"not (conn == 3)", Only, "conn", "3", "conn == 3"},
		{"slow > 200ms or iq", Only, "dir", "CS", `(slow > 200ms or iq) and dir == "CS"`},
		{"", Only, "id", "\"\\'`\n\u202e\U000e0001\x00😀שלום", `id == "\"\\'` + "`" + `\u000a\u202e\U000e0001\u0000😀שלום"`},
		{"", Only, "id", "1s and 5ms", `id == "1s and 5ms"`},
		{"iq and (", Only, "id", "x", "error"},
		{"", Only, "nonsense", "x", "error"},
		{"", Only, "conn", "x", "error"},
		{"", Only, "xep", "1) or xep(2", "error"},
		{"", Only, "xep", "", "error"},
		{"", "sideways", "id", "x", "error"},
	} {
		clause, err := Clause(c.field, c.value)
		got := ""
		if err == nil {
			got, err = Refine(c.source, c.how, clause)
		}
		if err != nil {
			got = "error"
		}
		if got != c.want {
			t.Errorf("%s, %s %s %q:\n  %s, want\n  %s (%v)", c.source, c.how, c.field, c.value, got, c.want, err)
		}
	}
}

// Whatever a value is, its clause chooses what has it, and nothing else.
func TestClauseHolds(t *testing.T) {
	for _, v := range []string{"", `"`, `\`, `\"`, "`", "'", "a\nb", "\x00", "\u202e evil", "😀👩‍👩‍👧", "مرحبا", `" or true or "`, "200ms", "\U000e0001", "\ufeff", strings.Repeat("é", 5000)} {
		clause, err := Clause("id", v)
		if err != nil {
			t.Fatal(err)
		}
		f, err := Compile(clause)
		if err != nil {
			t.Errorf("%q: %v", v, err)
			continue
		}
		s := subject("<iq/>")
		if s.Stanza.ID = v; !f.Match(s) {
			t.Errorf("%q is not chosen by %.100s", v, clause)
		}
		if s.Stanza.ID = "x" + v; f.Match(s) {
			t.Errorf("%q is chosen by %.100s", "x"+v, clause)
		}
	}
}

func TestColumns(t *testing.T) {
	for source, want := range map[string]int{
		`slow > 1s and tipe == "x"`:               14,
		`slow > 200ms and slow < 5m and frob(1)`:  31,
		`iq and match("[")`:                       13,
		`slow > 1s and iq and jid("a b@c")`:       25,
		`body == "😀😀" and tipe == 1`:              17,
		`body == "5ms 1s" and slow>3s and tipe>1`: 33,
	} {
		_, err := Compile(source)
		var e *SyntaxError
		if !errors.As(err, &e) || e.Column != want {
			t.Errorf("%v, want column %d", err, want)
		}
	}
}

func FuzzRefine(f *testing.F) {
	f.Add("iq or message", "a\"b\\c")
	f.Add("slow > 1s", "\u202e")
	s := subject("<iq/>")
	f.Fuzz(func(t *testing.T, source, id string) {
		if len(source) > 300 || len(id) > 1000 || strings.ToValidUTF8(id, "") != id {
			return
		}
		clause, _ := Clause("id", id)
		refined, err := Refine(source, Only, clause)
		if err != nil {
			if _, bad := Compile(source); bad == nil {
				t.Fatalf("%q can be read, and with %s it cannot: %v", source, clause, err)
			}
			return
		}
		both, err := Compile(refined)
		if err != nil {
			t.Fatal(err)
		}
		if s.Stanza.ID = id + "x"; both.Match(s) {
			t.Fatalf("%s chooses another id", refined)
		}
	})
}
