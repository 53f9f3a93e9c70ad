package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
	"github.com/xmpplens/xmpplens/record"
)

// soakRules do something to many stanzas, in both directions, but do not end the
// connection: what was on its way then would have to be guessed.
const soakRules = `
rules:
  - {name: note, when: message, probability: 2%, do: {note: "message ${id}"}}
  - {name: send, when: message and dir == "CS", probability: 2%, do: {send: {to: client, xml: "<message from='somebody@localhost' id='${random}'><body>out of nowhere</body></message>"}}}
  - {name: ask, when: presence and dir == "CS", probability: 10%, do: {send: {to: server, xml: "<iq type='get' id='${random}' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>", in: 20ms}}}
  - {name: edit, when: message and body != "", probability: 10%, do: {edit: [{set: /message/body, to: "${count} was: ${id}"}, {insert: /message, xml: "<x xmlns='urn:example:edited'/>"}]}}
  - {name: double, when: message, probability: 5%, do: {duplicate: 2}}
  - {name: lose, when: message or presence or iq and type == "get", probability: 5%, do: drop} # but the resource is bound: nothing goes on without
  - {name: late, when: stanzas, probability: 3%, do: {delay: {for: 1ms, jitter: 60ms}}}
  - {name: behind, when: message or presence, probability: 5%, do: {reorder: {behind: 3, within: 200ms}}}
  - {name: refuse, when: 'dir == "CS" and iq and type == "get"', probability: 10%, do: {answer: service-unavailable}}
  - {name: hold, when: message, probability: 1%, do: {hold: {for: 50ms}}}
  - {name: acks, when: 'name == "a" and dir == "SC"', probability: 10%, do: drop}
  - {name: slow, when: message, every: 200, do: {throttle: {to: 20kB/s, dir: SC}}}
  - {name: fast, when: message, after: 100, every: 200, do: {throttle: {to: "off", dir: SC}}}
`

// open counts the descriptors of a process.
func (p *program) open(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		proxytest.Missing(t, "the system does not list descriptors: "+err.Error())
	}
	return len(list)
}

// A direction is a direction of a connection.
type direction struct {
	conn int
	dir  record.Dir
}

// carried applies the recording's edits, verdicts and injections to its data: what was
// received in a direction, and what was sent, of all connections one after another.
func (p *program) carried(t *testing.T) (received, sent map[record.Dir][]byte) {
	t.Helper()
	type change struct {
		from, n int64
		text    []byte
	}
	data, changes, held := make(map[direction][]byte), make(map[direction][]change), make(map[direction]map[int64]int64)
	r, err := record.Open(p.file)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	last := 0
	for {
		ev, err := r.Next(context.Background())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		last = max(last, ev.C)
		w, text := direction{ev.C, ev.D}, bytes.Clone(ev.Data)
		switch ev.E {
		case record.EventData:
			data[w] = append(data[w], text...)
		case record.EventEdit:
			changes[w] = append(changes[w], change{ev.O, ev.N, text})
		case record.EventInject:
			changes[w] = append(changes[w], change{ev.O, -1, text})
		case record.EventHold:
			if held[w] == nil {
				held[w] = make(map[int64]int64)
			}
			held[w][ev.O] = ev.N
		case record.EventVerdict:
			if ev.Verdict == "dropped" || ev.HasData {
				changes[w] = append(changes[w], change{ev.O, held[w][ev.O], text})
			}
		}
	}
	received, sent = make(map[record.Dir][]byte), make(map[record.Dir][]byte)
	for conn := 1; conn <= last; conn++ {
		for _, d := range []record.Dir{record.CS, record.SC} {
			w := direction{conn, d}
			list, got := changes[w], data[w]
			slices.SortStableFunc(list, func(a, b change) int { // injections come before what is at their place
				return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(min(a.n, 0), min(b.n, 0)))
			})
			at := int64(0)
			for _, c := range list {
				if c.from < at {
					t.Fatalf("two changes of %v at %d", w, c.from)
				}
				sent[d] = append(append(sent[d], got[at:c.from]...), c.text...)
				at = c.from + max(c.n, 0)
			}
			sent[d] = append(sent[d], got[at:]...)
			received[d] = append(received[d], got...)
		}
	}
	return received, sent
}

var viewerAddress = regexp.MustCompile(`viewer (http://[^/]+)/\?token=(\S+)`)

// goroutines is how many the program says that it has.
func (p *program) goroutines(t *testing.T) int {
	t.Helper()
	m := viewerAddress.FindStringSubmatch(p.err.String())
	if m == nil {
		t.Fatal("no viewer: ", p.err.String())
	}
	q, err := http.NewRequest("GET", m[1]+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer "+m[2])
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\ngo_goroutines ")
	line, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.Atoi(line)
	if err != nil {
		t.Fatalf("%v: %.300s", err, text)
	}
	return n
}

// A client and a server that talk all the time through random rules: what the wires
// on both sides carried is what the recording says, stream management adds up (the
// server ends a stream whose counters do not), and nothing is left open. For longer
// set XMPPLENS_SOAK to a number of seconds.
func TestSoakRandomRules(t *testing.T) {
	t.Parallel()
	seconds := 8
	if s := os.Getenv("XMPPLENS_SOAK"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			t.Fatalf("XMPPLENS_SOAK=%s is no number of seconds: for ten minutes set it to 600", s)
		}
		seconds = n
	}
	ca, server := prosody(t)
	leaf, err := ca.Leaf(host)
	if err != nil {
		t.Fatal(err)
	}
	rules := filepath.Join(t.TempDir(), "soak.yaml")
	if err := os.WriteFile(rules, []byte(soakRules), 0o600); err != nil {
		t.Fatal(err)
	}
	behind := proxytest.NewRelay(t, *leaf, server.Direct, ca.Pool(), host)
	p := startProxy(t, "--server-ca", ca.File, "--format=none", "--rules="+rules, "--seed="+strconv.Itoa(seconds), "tls://"+behind.Addr)
	front := proxytest.NewRelay(t, *leaf, p.addr, proxytest.Pool(t, p.ca), host)
	// What a first connection leaves for the next ones is not counted.
	if out, err := proxytest.SlixmppSoaks(t, ca.File, front.Addr, "juliet@localhost/balcony", "capulet", 1, 1); err != nil {
		t.Error(out)
	}
	p.goroutines(t)
	p.wait("closed by", func() string { return p.show("--format=line") })
	// Counting takes goroutines itself, not always the same number.
	threads, before := p.goroutines(t)+2, p.open(t)
	out, err := proxytest.SlixmppSoaks(t, ca.File, front.Addr, "juliet@localhost/balcony", "capulet", seconds, seconds)
	t.Log(out)
	if err != nil {
		t.Errorf("the client: %v", err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		n, m := p.open(t), p.goroutines(t)
		if n <= before && m <= threads { // once is enough: what leaks is always there
			break
		}
		if time.Now().After(end) {
			t.Errorf("%d descriptors are open and %d goroutines run, %d and %d before", n, m, before, threads)
			break
		}
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	received, sent := p.carried(t)
	for what, pair := range map[string][2][]byte{
		"received from the client": {received[record.CS], []byte(front.CS())},
		"received from the server": {received[record.SC], []byte(behind.SC())},
		"sent to the server":       {sent[record.CS], []byte(behind.CS())},
		"sent to the client":       {sent[record.SC], []byte(front.SC())},
	} {
		got, want := pair[0], pair[1]
		if bytes.Equal(got, want) && len(want) > 2000 {
			continue
		}
		at := 0
		for at < min(len(got), len(want)) && got[at] == want[at] {
			at++
		}
		from := max(at-200, 0)
		t.Errorf("%s: %d bytes in the recording, %d on the wire, differing at %d\n recorded %q\n wire %q", what, len(got), len(want), at, got[from:min(from+600, len(got))], want[from:min(from+600, len(want))])
	}
	for _, rule := range []string{"edit", "double", "lose", "late", "behind", "refuse", "send", "ask"} {
		if strings.Contains(p.err.String(), "rule "+rule+": fired 0 of") || strings.Contains(p.err.String(), "rule "+rule+": nothing") {
			t.Errorf("rule %s did nothing", rule)
		}
	}
}
