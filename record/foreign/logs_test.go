package foreign

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xmpplens/xmpplens/record"
)

var update = flag.Bool("update", false, "write the golden files anew")

// lastWritten is when the samples were written, for those who know no year.
var lastWritten = time.Date(2026, 11, 25, 21, 0, 0, 0, time.UTC)

func sample(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, lastWritten, lastWritten); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestLogs has samples that slixmpp 1.8.3, Prosody 0.12.3, nbxmpp 4.2.2 and Profanity
// 0.13 wrote, and such as Smack and Gajim would write by their source.
func TestLogs(t *testing.T) {
	for _, name := range []string{"slixmpp.log", "prosody.log", "nbxmpp.log", "profanity.log", "smack.log", "gajim.txt"} {
		r := importFile(t, sample(t, name), Options{Location: time.UTC})
		if r.err != nil {
			t.Errorf("%s: %v", name, r.err)
			continue
		}
		if want := strings.TrimSuffix(strings.TrimSuffix(name, ".log"), ".txt"); r.sum.Format != strings.Replace(want, "gajim", "nbxmpp", 1) {
			t.Errorf("%s is taken for one of %s", name, r.sum.Format)
		}
		var b strings.Builder
		for _, e := range r.entries() {
			fmt.Fprintf(&b, "%s %d %2s %s: %s", r.times[0].Add(e.T).Format("15:04:05.000"), e.Conn, e.Dir, e.Kind, e.Stanza.Summary)
			for _, f := range e.Facts.Findings {
				fmt.Fprintf(&b, " [%s %s]", f.Severity, f.Code)
			}
			b.WriteByte('\n')
		}
		golden := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if b.String() != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, b.String(), want)
		}
		for _, e := range r.entries() {
			if e.Kind == "junk" {
				t.Errorf("%s: junk: %q", name, e.Frame.Raw)
			}
		}
	}
}

func TestLogLines(t *testing.T) {
	const header = "<stream:stream to='a' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
	for _, c := range []struct {
		name, log, words string
		conns            int
		unknown          int64
	}{
		{"level only", "DEBUG    SEND: " + header + "\nDEBUG    SEND: <presence/>\nwhat is this\nINFO     bye\n", "open\nCS header\nCS presence", 1, 2},
		{"basicConfig", "DEBUG:slixmpp.xmlstream.xmlstream:SEND: " + header + "\nDEBUG:slixmpp.xmlstream.xmlstream:SEND: <message><body>a\nDEBUG is what I say\n\n</body></message>\n", "open\nCS header\nCS message", 1, 0},
		{"another connection", "DEBUG SEND: " + header + "\nDEBUG SEND: <presence/>\nDEBUG SEND: " + header + "\nDEBUG SEND: <iq type='get' id='1'/>\n", "open\nCS header\nCS presence\nclose: connection 1 closed by the import: another one begins", 2, 0},
		{"tags of Prosody", "Nov 25 10:00:00 c2s1\tdebug\tReceived[c2s]: <iq type='get' id='1'>\nNov 25 10:00:00 c2s1\tdebug\tSending[c2s]: <iq type='result' id='1'>\n", "open\nnote: in the log it is called c2s1\nCS iq\nSC iq", 1, 0},
		{"tags and wholes", "Nov 25 10:00:00 c2s1\tdebug\tSending[c2s]: <presence>\nNov 25 10:00:00 c2s1\tdebug\tSEND: <presence id='1'/>\nNov 25 10:00:00 c2s1\tdebug\tReceived[c2s]: <iq type='get' id='9'>\n", "open\nnote: in the log it is called c2s1\nSC presence", 1, 0},
		{"servers", "Nov 25 10:00:00 s2sout1\tdebug\tSEND: <message to='a'/>\nNov 25 10:00:00 s2sin2\tdebug\tRECV: <message to='b'/>\n", "open\nnote: in the log it is called s2sout1\nCS message", 2, 0},
	} {
		r := importBytes(t, "x.log", []byte(c.log), Options{})
		if r.err != nil || r.words(1) != c.words || r.sum.Conns != c.conns || r.sum.Unknown != c.unknown {
			t.Errorf("%s: %v, %s\n%s", c.name, r.err, r.sum.Words(), r.words(1))
		}
	}
	r := importBytes(t, "x.log", []byte("Nov 25 10:00:00 s2sout1\tdebug\tSEND: <message to='a'/>\n"), Options{})
	for _, ev := range r.events {
		if ev.E == record.EventOpen && ev.Kind != "s2s" {
			t.Errorf("kind %s", ev.Kind)
		}
	}
	r = importBytes(t, "x.log", []byte("nothing\n"), Options{Format: "smack"})
	if r.err == nil || !strings.Contains(r.err.Error(), "none of the 1 lines of") {
		t.Error(r.err)
	}
	r = importBytes(t, "x.log", []byte("nothing\n"), Options{})
	if r.err == nil || !strings.Contains(r.err.Error(), "neither a recording nor anything else that is known") {
		t.Error(r.err)
	}
	r = importBytes(t, "x.log", []byte("nothing\n"), Options{Format: "pcap"})
	if r.err == nil || !strings.Contains(r.err.Error(), "is no capture") {
		t.Error(r.err)
	}
}

func TestClock(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"2026-11-25 19:55:44,838 DEBUG x", "2026-11-25T19:55:44.838Z"},
		{"2026-11-25T19:55:44.838123Z: conn", "2026-11-25T19:55:44.838123Z"},
		{"2026-11-25T19:55:44+01:00 x", "2026-11-25T18:55:44Z"},
		{"[2026-11-25 19:55:44] x", "2026-11-25T19:55:44Z"},
		{"Nov 25 19:55:44 c2s", "2026-11-25T19:55:44Z"},
		{"Dec 31 19:55:44 c2s", "2025-12-31T19:55:44Z"},
		{"Nov 25, 2026 7:55:44 PM org", "2026-11-25T19:55:44Z"},
		{"Wed Nov 25 19:55:44 2026 (x)", "2026-11-25T19:55:44Z"},
		{"Wed 25 Nov 2026 07:55:44 PM CET (x)", "2026-11-25T19:55:44Z"},
		{"11-25 19:55:44.100 D/SMACK", "2026-11-25T19:55:44.1Z"},
		{"19:55:44.8 SENT", "2026-11-25T19:55:44.8Z"},
		{"SENT (0): 19:55", ""},
		{"99:99:99 x", ""},
		{"", ""},
	} {
		k := newClock(lastWritten, time.UTC)
		got := ""
		if at, _ := k.begin([]byte(c.line)); !at.IsZero() {
			got = at.UTC().Format(time.RFC3339Nano)
		}
		if got != c.want {
			t.Errorf("%q: %s, want %s", c.line, got, c.want)
		}
	}
	k := newClock(lastWritten, time.UTC)
	k.begin([]byte("23:59:59 x"))
	if at, _ := k.begin([]byte("00:00:01 x")); !at.Equal(time.Date(2026, 11, 26, 0, 0, 1, 0, time.UTC)) {
		t.Errorf("behind midnight: %v", at)
	}
}

func TestStreamFiles(t *testing.T) {
	dir := t.TempDir()
	cs := clientHeader + "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" + clientHeader + "<iq type='get' id='1'/><iq type='get' id='2'/><presence/></stream:stream>"
	sc := serverHeader + "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features><proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" + serverHeader + someFeatures + "<iq type='result' id='1'/><message/><iq type='result' id='2'/></stream:stream>"
	for name, text := range map[string]string{"1-cs.xml": cs, "1-sc.xml": sc, "2-cs.xml": clientHeader, "10-sc.xml": serverHeader, "README": "x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := `open
CS header
SC header
SC nonza
CS nonza
SC nonza
secure
CS header
SC header
SC nonza
CS iq
SC iq
CS iq
SC message
SC iq
CS presence
CS end
SC end
close: connection 1 closed by the client`
	r := importFile(t, dir, Options{})
	if r.err != nil || r.words(1) != want || r.said[1] != [2]string{cs, sc} || r.sum.Conns != 3 {
		t.Errorf("%v, %d connections\n%s", r.err, r.sum.Conns, r.words(1))
	}
	if r.said[2] != [2]string{clientHeader, ""} || r.said[3] != [2]string{"", serverHeader} {
		t.Errorf("%v", r.said)
	}
	for _, name := range []string{"1-cs.xml", "1-sc.xml"} {
		if r := importFile(t, filepath.Join(dir, name), Options{}); r.err != nil || r.words(1) != want || r.sum.Format != "streams" {
			t.Errorf("%s: %v\n%s", name, r.err, r.words(1))
		}
	}
	// One alone, without a name that tells.
	if r := importBytes(t, "log.xml", []byte(serverHeader+someFeatures), Options{}); r.said[1][1] != serverHeader+someFeatures {
		t.Errorf("%v %v", r.err, r.said)
	}
	if r := importBytes(t, "log.xml", []byte(clientHeader), Options{}); r.said[1][0] != clientHeader {
		t.Errorf("%v %v", r.err, r.said)
	}
	if r := importFile(t, t.TempDir(), Options{}); r.err == nil || !strings.Contains(r.err.Error(), "there are no stream files in") {
		t.Error(r.err)
	}
}
