package foreign

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/xmpplens/xmpplens/record"
)

// This file knows how programs write what they say and hear into their logs. The
// order matters where one's lines look like another's.
var dialects = []*dialect{
	{name: "prosody", headless: true, unindent: '\t', parse: prosodyLine,
		said: "Prosody logs stanzas as it understood them, not the bytes that it received, and no stream headers: those of RFC 6120 are assumed"},
	{name: "smack", parse: smackLine,
		said: "Smack logs characters as it read and wrote them, inside of TLS"},
	{name: "nbxmpp", parse: nbxmppLine,
		said: "nbxmpp and Gajim log what they made of it: Gajim's console indents it, and times are full seconds"},
	{name: "profanity", whole: true, parse: profanityLine,
		said: "Profanity (libstrophe) logs what it sent, and writes anew what it received: those are not its bytes, and the namespaces of the server's stream header, which it leaves out, were added"},
	{name: "slixmpp", whole: true, parse: slixmppLine,
		said: "slixmpp logs what it sent, and writes anew what it received: those are not its bytes, and the namespaces of the server's stream header, which it leaves out, were added"},
}

// prosody: Nov 25 19:55:44 c2s55fbb2d1d930<TAB>debug<TAB>RECV: <iq …
// (mod_stanza_debug), Received[c2s]: <iq …> and Sending[c2s]: <iq …> (always, of
// elements the start tag only), Stream encrypted (TLSv1.3 with …).
var prosodyRecord = regexp.MustCompile(`(\S+)\t(debug|info|warn|error)\t`)

func prosodyLine(line []byte, c *clock) logLine {
	if len(line) > 0 && line[0] == '\t' {
		return logLine{}
	}
	m := prosodyRecord.FindSubmatchIndex(line[:min(len(line), 200)])
	if m == nil {
		return logLine{}
	}
	l := logLine{kind: remarks, session: string(line[m[2]:m[3]])}
	l.t, _ = c.begin(line)
	out, in := record.SC, record.CS
	switch {
	case strings.HasPrefix(l.session, "c2s"):
	case strings.HasPrefix(l.session, "s2sin"):
		l.stream = "s2s"
	case strings.HasPrefix(l.session, "s2sout"):
		l.stream = "s2sout"
		out, in = record.CS, record.SC
	case strings.HasPrefix(l.session, "jcp"):
		l.stream = "component"
	default:
		return l
	}
	rest := line[m[1]:]
	speak := func(d record.Dir, text []byte, tag bool) logLine {
		l.kind, l.dir, l.text, l.tag = speaks, d, text, tag
		return l
	}
	if t, ok := bytes.CutPrefix(rest, []byte("RECV: ")); ok {
		return speak(in, t, false)
	}
	if t, ok := bytes.CutPrefix(rest, []byte("SEND: ")); ok {
		return speak(out, t, false)
	}
	for prefix, d := range map[string]record.Dir{"Received[": in, "Sending[": out} {
		if t, ok := bytes.CutPrefix(rest, []byte(prefix)); ok {
			if _, t, ok := bytes.Cut(t, []byte("]: ")); ok && bytes.HasPrefix(t, []byte("<")) && !bytes.HasPrefix(t, []byte("<?xml")) {
				return speak(d, t, true)
			}
		}
	}
	if t, ok := bytes.CutPrefix(rest, []byte("Stream encrypted (")); ok {
		version, cipher, _ := strings.Cut(strings.TrimSuffix(string(t), ")"), " with ")
		l.version, l.cipher = strings.Replace(version, "TLSv", "TLS ", 1), cipher
	}
	return l
}

// smack: 19:55:44.8 SENT (0): <iq … of ConsoleDebugger; FINE: RECV (0): … of
// JulDebugger, behind a line with the time; D/SMACK ( 123): SENT (0): … of
// AndroidDebugger; … DEBUG … - SENT: <iq … of the one for SLF4J.
var (
	smackRecord = regexp.MustCompile(`(?:^|[\s:])(SENT|RECV) \((\d+)\): ?`)
	smackSLF4J  = regexp.MustCompile(` DEBUG .*(?:smack|SMACK).* (SENT|RECV): `)
)

func smackLine(line []byte, c *clock) logLine {
	t, rest := c.begin(line)
	head := line[:min(len(line), 200)]
	m := smackRecord.FindSubmatchIndex(head)
	session := ""
	switch {
	case m != nil && !bytes.ContainsRune(line[:m[2]], '<'):
		session = string(line[m[4]:m[5]])
	default:
		if m = smackSLF4J.FindSubmatchIndex(head); m == nil {
			kind := proceeds
			if !t.IsZero() || bytes.HasPrefix(rest, []byte("FINE: ")) || bytes.HasPrefix(rest, []byte("INFO: ")) || bytes.HasPrefix(rest, []byte("WARNING: ")) || bytes.HasPrefix(rest, []byte("User logged (")) {
				kind = remarks
			}
			return logLine{kind: kind, t: t}
		}
	}
	l := logLine{kind: speaks, dir: record.SC, session: session, t: t, text: line[m[1]:]}
	if string(line[m[2]:m[3]]) == "SENT" {
		l.dir = record.CS
	}
	return l
}

// nbxmpp: 2026-11-25 19:55:44 (I) nbxmpp.connection | (juliet@example.org)
// ::::: DATA SENT :::: with the XML behind a blank line; Gajim's console:
// <!-- Outgoing Wed 25 Nov 2026 07:55:44 PM CET (account) --> with it on the
// next lines.
var (
	nbxmppRecord = regexp.MustCompile(`(?:\(([^()]*)\) )?::::: DATA (SENT|RECEIVED) ::::`)
	gajimComment = regexp.MustCompile(`^<!-- (Outgoing|Incoming|Out|In) (.*?) ?\((.*)\) -->\s*$`)
	gajimRecord  = regexp.MustCompile(`^\S+ \S+ (?:\x1b\[\d+m)?\([DIWEC]\)`)
)

func nbxmppLine(line []byte, c *clock) logLine {
	head := line[:min(len(line), 400)]
	if m := gajimComment.FindSubmatch(head); m != nil {
		l := logLine{kind: speaks, dir: record.SC, session: string(m[3])}
		if m[1][0] == 'O' {
			l.dir = record.CS
		}
		l.t, _ = c.begin(m[2])
		return l
	}
	t, _ := c.begin(line)
	if m := nbxmppRecord.FindSubmatch(head); m != nil {
		l := logLine{kind: speaks, dir: record.SC, session: string(m[1]), t: t}
		if m[2][0] == 'S' {
			l.dir = record.CS
		}
		return l
	}
	if !t.IsZero() || gajimRecord.Match(head) {
		return logLine{kind: remarks, t: t}
	}
	return logLine{}
}

// profanity: 2026-11-25T19:55:44.855306Z: conn: DBG: SENT: <iq …, with the number
// of the process behind the time in later versions.
var profanityRecord = regexp.MustCompile(`^\S+: (?:\d+: )?[a-z]+: [A-Z]{3}: (?:(SENT|RECV): )?`)

func profanityLine(line []byte, c *clock) logLine {
	m := profanityRecord.FindSubmatchIndex(line[:min(len(line), 200)])
	if m == nil {
		return logLine{}
	}
	l := logLine{kind: remarks}
	l.t, _ = c.begin(line)
	if m[2] >= 0 {
		l.kind, l.dir, l.text = speaks, record.SC, line[m[1]:]
		if line[m[2]] == 'S' {
			l.dir = record.CS
		} else {
			l.text = declared(l.text)
		}
	}
	return l
}

// slixmpp: what logging.basicConfig was told, and at its end SEND: <iq … or
// RECV: <iq …
var (
	slixmppRecord = regexp.MustCompile(`^([^<]*?)\b(SEND|RECV): `)
	pythonLevel   = regexp.MustCompile(`\b(DEBUG|INFO|WARNING|ERROR|CRITICAL)\b`)
)

func slixmppLine(line []byte, c *clock) logLine {
	head := line[:min(len(line), 400)]
	t, _ := c.begin(line)
	if m := slixmppRecord.FindSubmatchIndex(head); m != nil {
		l := logLine{kind: speaks, dir: record.SC, t: t, text: line[m[1]:]}
		if line[m[4]] == 'S' {
			l.dir = record.CS
		} else {
			l.text = declared(l.text)
		}
		return l
	}
	if !t.IsZero() || pythonLevel.Match(line[:min(len(line), 80)]) {
		return logLine{kind: remarks, t: t}
	}
	return logLine{}
}

// declared adds to a stream header the namespaces that slixmpp and libstrophe leave
// out when they log it.
func declared(text []byte) []byte {
	const open = "<stream:stream"
	if !bytes.HasPrefix(text, []byte(open)) || bytes.Contains(text, []byte("xmlns:stream")) {
		return text
	}
	out := append([]byte(open), " xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"...)
	return append(out, text[len(open):]...)
}
