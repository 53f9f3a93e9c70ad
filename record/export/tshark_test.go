package export

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/proxy/proxytest"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// tshark prints fields of the packets that a display filter chooses.
func tshark(t *testing.T, capture []byte, filter string, fields ...string) [][]string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "c.pcapng")
	if err := os.WriteFile(file, capture, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-n", "-r", file, "-Y", filter, "-T", "fields", "-E", "occurrence=f", "-E", "separator=|"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	cmd := exec.Command(proxytest.Need(t, "tshark", "tshark"), args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v\n%s", err, stderr.String())
	}
	var rows [][]string
	for line := range strings.Lines(string(out)) {
		rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "|"))
	}
	return rows
}

// Wireshark shows each stanza as one, with its direction, time and attributes.
func TestWiresharkShowsEveryStanza(t *testing.T) {
	for _, name := range []string{"demo", "newlines behind all, and TLS"} {
		read := recordings(t)[name]
		for _, secrets := range []bool{true, false} {
			c := captured(t, read(t), Options{Secrets: secrets})
			var want []string
			r := read(t)
			err := new(timeline.Folder).Read(t.Context(), r, timeline.Sink{Entry: func(e *timeline.Entry) {
				if e.Dir == "" || e.Frame.Kind == decode.Declaration || e.Kind == "whitespace" || e.Kind == "junk" {
					return
				}
				s := &e.Stanza
				at := r.Header().Time.Add(e.T)
				row := fmt.Sprintf("%d.%09d %s %s", at.Unix(), at.Nanosecond(), e.Dir, e.Kind)
				if e.Kind == "message" || e.Kind == "presence" || e.Kind == "iq" {
					row += fmt.Sprintf(" %s %s %s %s", s.ID, s.Type, s.From, s.To)
				}
				want = append(want, row)
			}})
			if err != nil {
				t.Fatal(err)
			}
			rows := tshark(t, c, "xmpp && tcp.len > 1", "frame.time_epoch", "tcp.dstport", "_ws.col.Info", "xmpp.id", "xmpp.type", "xmpp.from", "xmpp.to", "xml.tag")
			var got []string
			for i, f := range rows {
				dir := "SC"
				if f[1] == "5222" {
					dir = "CS"
				}
				row := f[0] + " " + dir
				if i < len(want) {
					kind := strings.Fields(want[i])[2]
					row += " " + kind
					if kind == "message" || kind == "presence" || kind == "iq" {
						row += " " + strings.Join(f[3:7], " ")
						if !strings.HasPrefix(f[2], strings.ToUpper(kind)) {
							row += " (" + f[2] + ")"
						}
					}
				}
				got = append(got, row)
			}
			diff(t, strings.Join(got, "\n"), strings.Join(want, "\n"))
			if rows := tshark(t, c, "(tcp.analysis.flags && !tcp.analysis.reused_ports) || tls || _ws.malformed && !xmpp", "frame.number", "_ws.col.Info"); len(rows) > 0 {
				t.Errorf("%s: %q", name, rows[0])
			}
		}
	}
}

func TestWiresharkSeesLongStanzas(t *testing.T) {
	body := strings.Repeat("a &gt;>", 60_000) // ">" wherever a packet ends
	r := recording(t,
		`{"t":1,"c":1,"e":"open","kind":"c2s","client":"unix:/run/a b.sock","server":"[2001:db8::1]:5269"}`,
		`{"t":2,"c":1,"e":"data","d":"CS","s":"`+header+`"}`,
		`{"t":3,"c":1,"e":"data","d":"CS","s":"<message id='long' type='chat'><body>`+body+`</body></message><message id='next'/>"}`,
		`{"t":4,"c":1,"e":"data","d":"SC","s":"`+header+` <iq id='answer' type='error'/>"}`,
		`{"t":5,"c":1,"e":"close","by":"server"}`)
	c := captured(t, r, Options{Secrets: true})
	rows := tshark(t, c, "xmpp.id", "frame.time_epoch", "xmpp.id", "ipv6.src", "tcp.srcport", "tcp.reassembled.length")
	if len(rows) != 3 || rows[0][1] != "long" || rows[1][1] != "next" || rows[2][1] != "answer" {
		t.Fatalf("%q", rows)
	}
	if n, _ := strconv.Atoi(rows[0][4]); n < len(body) {
		t.Errorf("reassembled %d bytes", n)
	}
	if rows[2][2] != "2001:db8::1" || rows[0][2] != "::ffff:198.18.0.1" {
		t.Errorf("addresses %q", rows)
	}
	if rows := tshark(t, c, "tcp.analysis.flags", "frame.number"); len(rows) > 0 {
		t.Errorf("%q", rows)
	}
	comments := fmt.Sprint(tshark(t, c, "frame.comment && tcp.flags.syn == 1", "frame.comment"))
	if !strings.Contains(comments, "unix:/run/a b.sock has the address 198.18.0.1 here") {
		t.Error(comments)
	}
}

// Findings, verdicts and notes are comments on the packets that they are about.
func TestWiresharkShowsComments(t *testing.T) {
	c := captured(t, recording(t, samples["edits"]...), Options{Secrets: true})
	all := fmt.Sprint(tsharkComments(t, c))
	for _, want := range []string{"not passed on, by proxy: no reason", "injected by rule ping", "changed by viewer", "here", "hint: look", "connection 1 closed by the server: reset"} {
		if !strings.Contains(all, want) {
			t.Errorf("no comment %q in %s", want, all)
		}
	}
	noted := append(slices.Clone(samples["edits"]), `{"t":8,"c":1,"e":"note","d":"CS","o":141,"n":4,"text":"this one was odd","by":"user"}`, `{"t":9,"e":"note","text":"the very end","by":"user"}`)
	notes, err := ReadNotes(t.Context(), recording(t, noted...))
	if err != nil {
		t.Fatal(err)
	}
	rows := tshark(t, captured(t, recording(t, noted...), Options{Notes: notes}), "frame.comment contains \"note: this one\" || frame.comment contains \"very end\"", "_ws.col.Info")
	if len(rows) != 2 || !strings.HasPrefix(rows[0][0], "MESSAGE") {
		t.Errorf("notes stand at %q", rows)
	}
	demo := tsharkComments(t, captured(t, open(t, "../../testdata/recordings/demo.jsonl"), Options{}))
	if s := fmt.Sprint(demo); !strings.Contains(s, "What follows was inside TLS and stands here as it was read") {
		t.Error(s)
	}
	bad := fmt.Sprint(tsharkComments(t, captured(t, open(t, "../../testdata/recordings/bad.jsonl"), Options{})))
	if !strings.Contains(bad, "error iq-missing-id: an iq without an id cannot be answered (RFC 6120 §8.1.3)") {
		t.Error("the finding is no comment")
	}
}

func tsharkComments(t *testing.T, c []byte) [][]string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "c.pcapng")
	if err := os.WriteFile(file, c, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(proxytest.Need(t, "tshark", "tshark"), "-n", "-r", file, "-Y", "frame.comment", "-T", "fields", "-e", "frame.comment").Output()
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	for line := range strings.Lines(string(out)) {
		rows = append(rows, []string{line})
	}
	return rows
}

// With --sent the capture is what went over to the other side.
func TestCaptureOfWhatWasSent(t *testing.T) {
	c := captured(t, recording(t, samples["edits"]...), Options{Sent: true})
	rows := tshark(t, c, "xmpp && tcp.len > 2", "_ws.col.Info")
	var got []string
	for _, r := range rows {
		got = append(got, strings.Fields(r[0])[0])
	}
	if s := strings.Join(got, " "); s != "STREAM MESSAGE IQ(get) MESSAGE PRESENCE" {
		t.Error(s)
	}
}
