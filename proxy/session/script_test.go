package session

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/record"
)

// Scripts of inputs and effects, one file a story, in testdata/*.script:
//
//	config server-tls=starttls client-tls=off   the session's configuration
//	>> accepted                                 an input
//	>> CS <presence/>                           bytes; \n and \xNN as in Go strings
//	>> whole SC <compressed …/>late             bytes in one chunk, in the second run, too
//	<< log data CS <presence/>                  every effect that it must have, in order
//	<< send server <presence/>
//
// A script runs twice: as it stands, and with each chunk of bytes cut into
// single bytes; then only the bytes sent to each leg and the applied log count.

type script struct {
	cfg   Config
	lines []line
}

type line struct {
	n    int
	text string // with its >> or <<
}

func readScript(t *testing.T, path string) script {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sc := script{cfg: Config{Conn: 1, Domain: "upstream.test"}}
	for i, text := range strings.Split(string(b), "\n") {
		text = strings.TrimSpace(text)
		switch {
		case text == "" || strings.HasPrefix(text, "#"):
		case strings.HasPrefix(text, "config "):
			for _, f := range strings.Fields(text)[1:] {
				k, v, _ := strings.Cut(f, "=")
				switch k {
				case "client-tls":
					sc.cfg.ClientTLS = TLSMode(v)
				case "server-tls":
					sc.cfg.ServerTLS = TLSMode(v)
				case "mechanisms":
					sc.cfg.Mechanisms = strings.Split(v, ",")
				case "accounts":
					sc.cfg.Accounts = juliet
				case "own-certificate":
					sc.cfg.OwnCertificate = true
				case "transport":
					sc.cfg.Transport = Transport(v)
					sc.cfg.Lead = func(uri string) (string, error) {
						switch {
						case strings.Contains(uri, "proxy.test"):
							return uri, nil
						case strings.Contains(uri, "nowhere"):
							return "", errors.New("there is no way there")
						}
						return "ws://proxy.test" + uri[strings.LastIndexByte(uri, '/'):], nil
					}
				case "kind":
					sc.cfg.Kind = v
				case "secret":
					sc.cfg.Secret = v
				case "insecure":
					sc.cfg.Insecure = true
				case "tap":
					sc.cfg.Tap = true
				case "by-to":
					sc.cfg.ByTo = true
				case "compression":
					sc.cfg.Compression = v
				case "bosh":
					sc.cfg.Transport = BOSH
					sc.cfg.Lead = func(target string) (string, error) {
						if target == "https://elsewhere.test/" {
							return "", errors.New("there is no way there")
						}
						return "http://proxy.test/&" + strings.TrimPrefix(target, "https://upstream.test/"), nil
					}
				case "by-domain":
					sc.cfg.ByDomain = true
				default:
					t.Fatalf("%s:%d: unknown setting %q", path, i+1, k)
				}
			}
		default:
			sc.lines = append(sc.lines, line{i + 1, text})
		}
	}
	return sc
}

// parseInput reads the part behind >>.
func parseInput(t *testing.T, transport Transport, s string) Input {
	t.Helper()
	word, rest, _ := strings.Cut(s, " ")
	leg, tail, _ := strings.Cut(rest, " ")
	which := Client
	if leg == "server" {
		which = Server
	}
	switch word {
	case "accepted":
		if rest != "" {
			return Input{On: Accepted, Client: "client:1", Server: "upstream.test", Err: errors.New(rest)}
		}
		return Input{On: Accepted, Client: "client:1", Server: "upstream.test"}
	case "dialed":
		return Input{On: Dialed, Server: "server:5222"}
	case "dialed-direct":
		return Input{On: Dialed, Server: "server:5223", Direct: true}
	case "dial-failed":
		return Input{On: DialFailed, Err: errors.New("connection refused"), Hint: "start it"}
	case "whole": // a chunk that must not be cut
		return Input{On: Data, Dir: record.Dir(leg), Bytes: []byte(unescape(t, tail))}
	case "accepted-tls":
		return Input{On: Accepted, Client: "client:1", Server: "upstream.test", TLS: TLS{Version: "TLS 1.3"}}
	case "upgraded":
		return Input{On: Upgraded, Name: "/ws", Code: 101, Hint: rest}
	case "refused":
		return Input{On: Refused, Name: "/ws", Code: 404, Err: errors.New("404 Not Found")}
	case "CS", "SC":
		if transport == WebSocket {
			return Input{On: Data, Dir: record.Dir(word), Bytes: framesOf(t, record.Dir(word), rest)}
		}
		return Input{On: Data, Dir: record.Dir(word), Bytes: []byte(unescape(t, rest))}
	case "request", "request+", "answer", "answer+", "gone", "http", "http-over":
		in := Input{On: Data, Dir: record.CS, Bytes: []byte(unescape(t, tail)), More: strings.HasSuffix(word, "+")}
		if _, err := fmt.Sscan(leg, &in.RID); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		switch word {
		case "answer", "answer+":
			in.Dir = record.SC
		case "gone":
			return Input{On: Unanswered, RID: in.RID}
		case "http", "http-over":
			return Input{On: Unanswered, RID: in.RID, Err: errors.New(tail), Over: word == "http-over"}
		}
		return in
	case "idle":
		return Input{On: Idle}
	case "hello":
		in := Input{On: Hello}
		if leg != "-" {
			in.Name = leg
		}
		in.ALPN = strings.Fields(tail)
		return in
	case "secured":
		in := Input{On: Secured, Leg: which, TLS: TLS{Version: "TLS 1.3", Verified: which == Server}}
		for _, f := range strings.Fields(tail) {
			switch k, v, _ := strings.Cut(f, "="); k {
			case "peer":
				in.TLS.Names = strings.Split(v, ",")
				in.TLS.Peer, in.TLS.Verified = "CN="+in.TLS.Names[0], true
			case "problem":
				in.TLS.Problem, in.TLS.Verified = v, false
			case "shown":
				in.TLS.Shown = v
			default:
				in.TLS.ALPN = f
			}
		}
		return in
	case "tls-failed":
		return Input{On: TLSFailed, Leg: which, Err: errors.New(tail)}
	case "compressed":
		return Input{On: Compressed}
	case "redirected":
		return Input{On: Redirected, Name: rest}
	case "redirect-failed":
		return Input{On: Redirected, Err: errors.New(rest)}
	case "eof":
		in := Input{On: EOF, Leg: which, CloseNotify: tail == "close_notify"}
		if tail != "" && tail != "close_notify" {
			in.Err = errors.New(tail)
		}
		return in
	case "write-failed":
		return Input{On: WriteFailed, Leg: which, Err: errors.New("broken pipe")}
	case "untapped":
		return Input{On: Untapped, Manner: strings.Split(rest, ", ")}
	case "shutdown":
		return Input{On: Shutdown}
	case "arm":
		return Input{On: Arm, Judge: scripted(rest)}
	case "decide": // CS 123 edited <message/>
		v := Verdict{Dir: record.Dir(leg), By: "viewer"}
		at, what, _ := strings.Cut(tail, " ")
		decision, xml, _ := strings.Cut(what, " ")
		fmt.Sscan(at, &v.Offset)
		v.Decision, v.Bytes = Decision(decision), []byte(xml)
		return Input{On: Decided, Verdict: &v}
	case "put", "put-swallow":
		return Input{On: Put, Injection: &Injection{Reason: Reason{By: "viewer"}, Dir: record.Dir(leg), Bytes: []byte(tail), Swallow: word == "put-swallow"}}
	case "elapsed":
		in := Input{On: Elapsed}
		fmt.Sscan(rest, &in.Timer)
		return in
	}
	t.Fatalf("unknown input %q", s)
	return Input{}
}

// scripted is a judge: "hold message, drop presence, answer iq <iq/>"; "" is none.
func scripted(rules string) Judge {
	if rules == "" {
		return nil
	}
	return JudgeFunc(func(seen Seen) Plan {
		r := Reason{By: "rule"}
		for rule := range strings.SplitSeq(rules, ", ") {
			f := strings.SplitN(rule, " ", 3)
			if seen.Fixed || f[1] != string(seen.Frame.Name) {
				continue
			}
			switch f[0] {
			case "hold":
				return Plan{Hold{Reason: r}}
			case "drop":
				return Plan{Drop{r}}
			case "answer":
				return Plan{Answer{Reason: r, Bytes: []byte(f[2])}}
			case "edit":
				return Plan{Edit{r, []byte(f[2])}}
			case "twice":
				return Plan{Duplicate{r, 1}}
			case "behind":
				return Plan{Reorder{Reason: r}}
			case "reset":
				return Plan{Cut{Reason: r, Manner: RST}}
			}
		}
		return nil
	})
}

func unescape(t *testing.T, s string) string {
	t.Helper()
	s = strings.ReplaceAll(s, `\n`, "\n")
	for {
		i := strings.Index(s, `\x`)
		if i < 0 {
			return s
		}
		var c byte
		if _, err := fmt.Sscanf(s[i+2:i+4], "%x", &c); err != nil {
			t.Fatal(err)
		}
		s = s[:i] + string([]byte{c}) + s[i+4:]
	}
}

func escape(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		switch {
		case c == '\n':
			s.WriteString(`\n`)
		case c < ' ' || c > '~':
			fmt.Fprintf(&s, `\x%02x`, c)
		default:
			s.WriteByte(c)
		}
	}
	return s.String()
}

// number is which request of BOSH an event is about.
func number(ev record.Event) string {
	s := ""
	if ev.RID != 0 {
		s = fmt.Sprintf(" #%d", ev.RID)
	}
	if ev.More {
		s += "+"
	}
	return s
}

// show renders effects the way scripts expect them.
func show(transport Transport, effects []Effect) []string {
	var out []string
	say := func(format string, args ...any) {
		out = append(out, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	}
	for _, e := range effects {
		switch e.Do {
		case Record:
			for _, ev := range e.Events {
				switch ev.E {
				case record.EventOpen:
					say("log open %s %s %s %s", ev.Kind, ev.Client, ev.Server, ev.Transport)
				case record.EventData:
					say("log data %s%s %s", ev.D, number(ev), escape(ev.Data))
				case record.EventTLS:
					say("log tls %s %s", ev.D, escape(ev.Data))
				case record.EventEdit:
					say("log edit %s %d+%d %s (%s)", ev.D, ev.O, ev.N, escape(ev.Data), ev.Why)
				case record.EventVerdict:
					why := ""
					if ev.Verdict == "edited" && strings.HasPrefix(ev.Why, "the server sends") {
						why = " (" + ev.Why + ")"
					}
					say("log verdict %s %d %s %s%s", ev.D, ev.O, ev.Verdict, escape(ev.Data), why)
				case record.EventHold:
					say("log hold %s %d+%d", ev.D, ev.O, ev.N)
				case record.EventInject:
					say("log inject %s%s %d %s", ev.D, number(ev), ev.O, escape(ev.Data))
				case record.EventSecure:
					about := ev.ALPN
					if ev.Peer != "" {
						about = strings.TrimLeft(fmt.Sprintf("%s %s verified=%v %s", ev.ALPN, ev.Peer, ev.Verified, ev.Why), " ")
					}
					say("log secure %s %s", ev.Leg, about)
				case record.EventCompress:
					say("log compress %s %s", ev.Leg, ev.Method)
				case record.EventNote:
					say("log note%s %s %s", number(ev), ev.Level, ev.Text)
				case record.EventHTTP:
					say("log http %s %d %s", ev.Text, ev.Code, ev.Why)
				case record.EventControl:
					say("log control %s %s %s%s", ev.D, strings.TrimSpace(fmt.Sprint(ev.Op, " ", strings.TrimPrefix(fmt.Sprint(ev.Code), "0"))), escape(ev.Data), ev.Text)
				case record.EventClose:
					say("log close %s %s", ev.By, ev.Error)
				}
			}
		case Send:
			if transport == WebSocket {
				say("send %s %s", e.Leg, showFrames(e.Leg, e.Bytes))
				break
			}
			say("send %s %s", e.Leg, escape(e.Bytes))
		case Dial:
			kind := ""
			if e.Direct {
				kind = "direct"
			}
			say("dial %s %s", e.Name, kind)
		case Secure:
			as := ""
			if e.From != "" {
				as = " as " + e.From
			}
			say("secure %s %s %s%s%s", e.Leg, e.Name, strings.Join(e.ALPN, ","), escape(e.Unread), as)
		case Certificate:
			say("certificate %s %s", e.Name, strings.Join(e.ALPN, ","))
		case CloseWrite:
			say("close-write %s", e.Leg)
		case Close:
			say("close")
		case Compress:
			say("compress %s %s", e.Leg, escape(e.Unread))
		case Tap:
			say("tap %s %s", e.Leg, escape(e.Bytes))
		case Redirect:
			say("redirect %s", e.Name)
		case Upgrade:
			say("upgrade")
		case Wait:
			say("wait %d %v", e.Timer, e.For)
		case Slow:
			say("slow %s %d", e.Leg, e.Rate)
		case Abort:
			say("abort")
		case Sever:
			say("sever")
		case Linger:
			say("linger %s", e.Leg)
		}
	}
	return out
}

func TestScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.script")
	if err != nil || len(paths) < 10 {
		t.Fatalf("%d scripts, %v", len(paths), err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".script")
		sc := readScript(t, path)
		t.Run(name, func(t *testing.T) { runExactly(t, path, sc) })
		t.Run(name+"/bytewise", func(t *testing.T) { runBytewise(t, sc) })
	}
}

func runExactly(t *testing.T, path string, sc script) {
	s := New(sc.cfg)
	w := newWire()
	w.ws = sc.cfg.Transport == WebSocket
	var got []string
	input := line{}
	check := func() {
		for _, g := range got {
			t.Errorf("%s:%d: %s\n  also did: << %s", path, input.n, input.text, g)
		}
	}
	for _, l := range sc.lines {
		if in, ok := strings.CutPrefix(l.text, ">> "); ok {
			check()
			input = l
			effects := s.Handle(parseInput(t, sc.cfg.Transport, in))
			w.carryOut(t, effects)
			got = show(sc.cfg.Transport, effects)
			continue
		}
		want := strings.TrimPrefix(l.text, "<< ")
		if len(got) == 0 {
			t.Fatalf("%s:%d: after %s\n  missing: << %s", path, l.n, input.text, want)
		}
		// "…" ends a line whose rest does not matter.
		head, open := strings.CutSuffix(want, "…")
		if got[0] != want && !(open && strings.HasPrefix(got[0], head)) {
			t.Fatalf("%s:%d: after %s\n  got:  << %s\n  want: << %s", path, l.n, input.text, got[0], want)
		}
		got = got[1:]
	}
	check()
	w.compare(t)
}

func runBytewise(t *testing.T, sc script) {
	whole, cut := newWire(), newWire()
	for _, w := range []*wire{whole, cut} {
		w.ws = sc.cfg.Transport == WebSocket
		s := New(sc.cfg)
		for _, l := range sc.lines {
			text, ok := strings.CutPrefix(l.text, ">> ")
			if !ok {
				continue
			}
			in := parseInput(t, sc.cfg.Transport, text)
			// The bytes of a TLS handshake belong to crypto/tls.
			if strings.HasPrefix(text, "whole ") || w == whole || in.On != Data || sc.cfg.Transport == BOSH || len(in.Bytes) > 0 && in.Bytes[0] == tlsRecord {
				w.carryOut(t, s.Handle(in))
				continue
			}
			b := in.Bytes
			for i := range b {
				in.Bytes = b[i : i+1]
				w.carryOut(t, s.Handle(in))
			}
		}
		w.compare(t)
	}
	for l := range whole.sent {
		if string(whole.sent[l]) != string(cut.sent[l]) {
			t.Errorf("%v leg, cut into bytes:\n got %q\nwant %q", Leg(l), cut.sent[l], whole.sent[l])
		}
	}
}
