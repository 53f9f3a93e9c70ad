package rule

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Every mistake has its place and its remedy, all of them at once.
func TestMistakes(t *testing.T) {
	for _, c := range []struct{ yaml, want string }{
		{"", "r.yaml:1: the file has no rules (begin with rules:)"},
		{"rules: 1", "r.yaml:1:8: rules is a list"},
		{"a: [", "r.yaml:1: not YAML: "},
		{"rules: []\n---\nrules: []", "r.yaml:2: a second document"},
		{"ruls: []", "r.yaml:1:1: unknown key \"ruls\" of the file (did you mean rules?)\nr.yaml:1:1: rules is a list"},
		{"rules:\n- wen: iq\n  do: drop", "r.yaml:2:3: unknown key \"wen\" of a rule (did you mean when?)"},
		{"rules:\n- do: drop", "r.yaml:2:3: when is missing"},
		{"rules:\n- when: iq", "r.yaml:2:3: do is missing"},
		{"rules:\n- when: iq\n  do: dorp", "r.yaml:3:7: unknown action \"dorp\" (did you mean drop?)"},
		{"rules:\n- when: iq and typ == \"get\"\n  do: drop", "r.yaml:2:16: the expression: unknown name typ (did you mean type?)"},
		{"rules:\n- when: 'iq and typ == \"get\"'\n  do: drop", "r.yaml:2:17: the expression: unknown name typ (did you mean type?)"},
		{"rules:\n- when: n > 3\n  do: drop", "r.yaml:2:9: the expression: n is not known"},
		{"rules:\n- when: iq\n  do: {delay: 2}", "r.yaml:3:15: \"2\" is no time (write a number with its unit: 500ms, 2s, 1m30s)"},
		{"rules:\n- when: iq\n  do: {delay: -2s}", "r.yaml:3:15: -2s is out of range"},
		{"rules:\n- when: iq\n  do: delay", "r.yaml:3:7: delay: for is missing (say how long: delay: 2s)"},
		{"rules:\n- when: iq\n  do: {answer: service-unavailble}", "r.yaml:3:16: unknown word \"service-unavailble\" (did you mean service-unavailable?)"},
		{"rules:\n- when: iq\n  do: {answer: {error: forbidden, result: <a/>}}", "an answer is one of error, result and xml"},
		{"rules:\n- when: iq\n  do: [drop, {note: x}]", "r.yaml:3:15: note never happens behind drop"},
		{"rules:\n- when: iq\n  do: {edit: [{set: '//[', to: x}]}", "r.yaml:3:21: xpath"},
		{"rules:\n- when: iq\n  do: {edit: [{set: //a, xml: x}]}", "set: to is missing"},
		{"rules:\n- when: iq\n  do: {edit: [{set: //a, to: \"a${form}\"}]}", "r.yaml:3:32: unknown value ${form} (did you mean ${from}?)"},
		{"rules:\n- when: iq\n  do: {cut: {how: rst, condition: reset}}", "a condition goes with stream-error only"},
		{"rules:\n- when: iq\n  do: {cut: rts}", "(one of fin, rst, half"},
		{"rules:\n- when: iq\n  do: {throttle: fast}", "is no speed"},
		{"rules:\n- when: iq\n  do: {truncate: 120%}", "neither a number of bytes"},
		{"rules:\n- {when: iq, do: drop, probability: 2}", "no probability"},
		{"rules:\n- {when: iq, do: drop, between: [2s, 1s]}", "between ends before it begins"},
		{"rules:\n- {when: iq, do: drop, between: 2s}", "between is two times"},
		{"rules:\n- {when: iq, do: drop, enabled: perhaps}", "neither yes nor no"},
		{"rules:\n- {when: iq, do: drop, limit: 0}", "not a number between 1"},
		{"rules:\n- {when: iq, do: drop, limit: &a 1, after: *a}", "aliases are not followed"},
		{"rules:\n- {name: a, when: iq, do: drop}\n- {name: a, when: iq, do: drop}", "r.yaml:3:3: a second rule is called \"a\" (the first one is in line 2)"},
		{"rules:\n- {when: iq, when: iq, do: drop}", "when is said twice"},
		{"rules:\n- {when: iq, do: drop, capture: {from: //a}}", "cannot be the name of a captured value"},
		{"rules:\n- when: iq\n  do: {drop: 3}", "drop takes nothing behind it"},
		{"rules:\n- when: iq and nme\n  do: drpo\n- when: iq\n  do: {delay: 5}", "r.yaml:3:7: unknown action"},
	} {
		_, err := Parse("r.yaml", []byte(c.yaml))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n got %v\nwant %s", c.yaml, err, c.want)
		}
		if bad := (Mistakes)(nil); !errors.As(err, &bad) {
			t.Errorf("%s: %T", c.yaml, err)
		}
	}
	_, err := Parse("r.yaml", []byte("rules:\n- when: iq and (\n  do: drpo\n- when: iq\n  do: {delay: 5}\n  bogus: 1"))
	if n := len(strings.Split(fmt.Sprint(err), "\n")); n != 4 {
		t.Errorf("%d mistakes, not 4:\n%v", n, err)
	}
}

// One line says the same as a file.
func TestParseLine(t *testing.T) {
	for line, want := range map[string]string{
		`drop if ns == "urn:xmpp:sm:3" and name == "a"`:                     "drop",
		`delay 2s jitter 1s if roster`:                                      "delay",
		`delay 2s and note "now it is slow" limit 3 if roster`:              "delay, note",
		`set /iq[@id='a b']/@type to error if iq`:                           "edit",
		`remove //roster:item and delay 1s if iq`:                           "edit, delay",
		`insert //roster:query xml "<item jid='a@b'/>" at first if roster`:  "edit",
		`answer service-unavailable type wait text "not now" if iq`:         "answer",
		`answer result '' if iq`:                                            "answer",
		`send client xml '<presence/>' in 2s if message`:                    "send",
		`stop recording if iq`:                                              "stop",
		`cut stream-error condition system-shutdown after 3 if message`:     "cut",
		`freeze after 2 every 3 probability 50% between 1s 2m if true`:      "freeze",
		`duplicate if message`:                                              "duplicate",
		`duplicate 2 per connection continue name "twice it is" if message`: "duplicate",
		`truncate 50% then rst if message`:                                  "truncate",
		`throttle off if true`:                                              "throttle",
		`hold if message and hello`:                                         "hold",
		`corrupt 3 if message`:                                              "corrupt",
	} {
		r, err := ParseLine(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
		} else if r.Do != want || !r.On {
			t.Errorf("%s: %+v", line, r)
		}
	}
	for line, want := range map[string]string{
		"":                               "a rule says when",
		"drop":                           "a rule says when",
		"drop if":                        "the expression behind if is missing",
		"drpo if iq":                     `column 1: unknown action "drpo" (did you mean drop?)`,
		"delay if iq":                    "column 1: delay: for is missing",
		"delay 2 if iq":                  `column 7: "2" is no time`,
		"drop if iq and typ == 'x'":      "column 16: the expression: unknown name typ (did you mean type?)",
		"drop limit if iq":               "column 6: limit: the value is missing",
		"answer 'x if iq":                "column 8: a quote that is not closed",
		"drop and delay 1s if iq":        "delay never happens behind drop",
		"send client if iq":              "xml is missing",
		"limit 3 if iq":                  "a rule does something",
		"drop 3 if iq":                   `column 6: unknown action "3"`,
		"note \"${form}\" if iq":         "column 6: unknown value ${form} (did you mean ${from}?)",
		"answer service-unavalable if 1": "did you mean service-unavailable?",
	} {
		_, err := ParseLine(line)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n got %v\nwant %s", line, err, want)
		}
	}
}

// Nothing that is written as rules brings the reader down, and what it takes can
// be asked.
func FuzzRules(f *testing.F) {
	f.Add("rules:\n- name: a\n  when: iq\n  do: [{delay: 2s}, drop]\n", false)
	f.Add("rules:\n- {when: message, do: {edit: [{set: //body, to: '${id}'}, {insert: /message, xml: <a/>, at: first}]}, capture: {x: //y}, limit: 2, probability: 0.5}", false)
	f.Add("rules:\n- {when: iq, do: {answer: {error: forbidden, text: x}}}\n- {when: iq, do: {send: {to: client, xml: '${stanza}'}}}", false)
	f.Add("a: &a [*a]", false)
	f.Add(`delay 2s jitter 1s and note "x ${from}" limit 3 if roster or message`, true)
	f.Add("set /iq[@id='a b']/@type to error if iq", true)
	f.Add("truncate 3 then rst if true", true)
	f.Fuzz(func(t *testing.T, text string, line bool) {
		var rules []*Rule
		var err error
		if line {
			var r *Rule
			if r, err = ParseLine(text); err == nil {
				rules = []*Rule{r}
			}
		} else {
			rules, err = Parse("f", []byte(text))
		}
		if err != nil {
			if bad := (Mistakes)(nil); !errors.As(err, &bad) || len(bad) == 0 || len(bad) > maxMistakes+1 {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		set := new(Set)
		if err := set.Replace("f", rules); err != nil {
			t.Fatal(err)
		}
		j := set.Judge(1, clockAt(0))
		for _, xml := range []string{"<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>", "<message><body>x</body></message>", "<a xmlns='urn:xmpp:sm:3' h='1'/>", " "} {
			j.Judge(seenIn("CS", frame(t, xml)))
		}
	})
}
