// Package rule says what is to happen with the frames that pass a proxy: rules
// choose them with a filter and hold, delay, change, drop, repeat or answer them, or
// cut the line.
//
//	rules, err := rule.Parse("mine.yaml", text)        // every mistake at once, with its place
//	r, err := rule.ParseLine(`drop if ns == "urn:xmpp:sm:3" and name == "a"`)
//	var set rule.Set
//	err = set.Replace("mine.yaml", rules)
//	err = set.Add("command line", r)
//	proxy.Arm("rules", func(conn int) session.Judge { return set.Judge(conn, nil) })
//
// A file of rules is YAML:
//
//	rules:
//	  - name: slow roster
//	    when: roster and iq and type == "result"   # the filter language, see decode/filter
//	    do: {delay: {for: 2s, jitter: 1s}}
//	  - name: others' words
//	    when: dir == "SC" and message
//	    capture: {who: //delay:delay/@from}        # values for templates, by XPath
//	    do:                                        # several things, one after another
//	      - note: a message of ${from.bare}, late by ${who}
//	      - edit:
//	          - {set: /message/body, to: "${from.bare} says nothing"}
//	          - {remove: //delay:delay}
//	          - {insert: /message, xml: "<store xmlns='urn:xmpp:hints'/>", at: last}
//	    limit: 3            # fires so often; also after: N, every: N, probability: 10%,
//	    between: [10s, 1m]  # since the connection began; per: connection counts for each
//
// Rules are asked in their order, and the first one that fires decides. Those that
// only note, send or throttle, and those with continue: true, let the next be asked,
// too, which then go on with what they changed.
//
// Chance comes from a seed, a rule's name and the number of the connection: the same
// seed and the same traffic have the same fate. Edits change the bytes that an XPath
// selects and leave every other one as it came.
//
// The package is pure: who reads files, and watches them, is the command line.
package rule
