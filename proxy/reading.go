package proxy

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/xmpplens/xmpplens/proxy/tap"
	"github.com/xmpplens/xmpplens/record"
)

// A Reading makes events of the recording out of one connection's TLS records: what was
// said, how the session is secured, and what is odd about it. It is not safe for
// concurrent use.
type Reading struct {
	Conn int
	Keys func(tap.Random) []tap.Key
	Emit func(record.Event) // the event is valid during the call

	d       *tap.Decrypter
	waits   *tap.Session // secrets are missing, as far as it is known
	random  tap.Random
	notes   int
	failed  string // why nothing more can be read
	manner  []string
	secured bool
}

// maxTapNotes bounds the notes of one connection: a peer may send alerts and change keys
// as often as it likes.
const maxTapNotes = 100

// Write takes what the client (CS) or the server (SC) sent.
func (r *Reading) Write(d record.Dir, b []byte) {
	if r.d == nil {
		r.d = tap.New()
	}
	from := tap.Client
	if d == record.SC {
		from = tap.Server
	}
	r.d.Write(from, b, r.take)
	r.Update()
}

// Update takes keys that are new. It reports whether some are still missing.
func (r *Reading) Update() bool {
	if r.d == nil {
		return false
	}
	random, wants := r.d.Wants()
	if !wants {
		return false
	}
	for _, k := range r.Keys(random) {
		r.d.AddKey(k, r.take)
	}
	_, wants = r.d.Wants()
	return wants
}

// End takes what can be read of what waits, and returns how the sides ended TLS.
func (r *Reading) End() []string {
	if r.d != nil {
		r.d.End(r.take)
	}
	return r.manner
}

// Backlog returns how many bytes wait for keys.
func (r *Reading) Backlog() int {
	if r.d == nil {
		return 0
	}
	return r.d.Backlog()
}

// Forgo gives up what waits: the recording has it.
func (r *Reading) Forgo() {
	if r.d != nil {
		r.d.Forgo(r.take)
	}
}

func (r *Reading) note(level, text, hint string) {
	if r.notes++; r.notes > maxTapNotes {
		return
	}
	if r.notes == maxTapNotes {
		level, text, hint = "warning", "more happens inside TLS than is noted here", ""
	}
	r.Emit(record.Event{C: r.Conn, E: record.EventNote, Level: level, Text: text, Hint: hint, By: "proxy"})
}

func (r *Reading) take(e tap.Event) {
	switch e.Kind {
	case tap.Plain:
		d := record.CS
		if e.From == tap.Server {
			d = record.SC
		}
		r.Emit(record.Event{C: r.Conn, E: record.EventData, D: d, Data: e.Data, HasData: true})
	case tap.Secure:
		r.secured = true
		r.Emit(secureEvent(r.Conn, e.Session))
	case tap.Waiting:
		r.random, r.waits = e.Random, e.Session
	case tap.Certificate:
		r.note("", "the client shows its certificate "+subject(e.Chain), "")
	case tap.Notice:
		r.note("", e.Text, "")
	case tap.Alert:
		level := "warning"
		if e.Fatal {
			level = "error"
		}
		r.note(level, fmt.Sprintf("the %s sent the TLS alert %s", e.From, e.Text), alertHint(e.Text))
	case tap.Closed:
		if say := e.From.String() + " sent close_notify"; !slices.Contains(r.manner, say) {
			r.manner = append(r.manner, say)
		}
	case tap.Undecryptable:
		if text := plainTap(e.Err); text != r.failed {
			r.failed = text
			r.note("error", "TLS cannot be read any further: "+text, "the bytes are in the recording and were passed on; once the keys are there: xmpplens show --keylog=FILE RECORDING")
		}
	}
}

// plainTap drops the package prefix.
func plainTap(err error) string { return strings.TrimPrefix(err.Error(), "tap: ") }

// alertHint says what to do where the alert has to do with trust: with a tap it is not
// the proxy's certificate.
func alertHint(name string) string {
	switch name {
	case "bad_certificate", "unknown_ca", "certificate_expired", "certificate_unknown", "unsupported_certificate":
		return "the server's own certificate is not trusted by its peer: xmpplens has no part in it"
	}
	return ""
}

// secureEvent tells of a session that goes past the proxy. Its channel bindings go along,
// in base64.
func secureEvent(conn int, s *tap.Session) record.Event {
	ev := record.Event{C: conn, E: record.EventSecure, Leg: record.BothLegs, Version: s.Version, Cipher: s.Cipher, ALPN: s.ALPN, Peer: subject(s.Chain)}
	var more []string
	if s.Resumed {
		more = append(more, "resumed")
	}
	if len(s.Bindings) > 0 {
		var types []string
		for t := range s.Bindings {
			types = append(types, t)
		}
		sort.Strings(types)
		more = append(more, "channel bindings known: "+strings.Join(types, ", "))
		if b, err := json.Marshal(s.Bindings); err == nil {
			ev.Extra = []record.Member{{Key: "bindings", Value: b}}
		}
	}
	ev.Text = strings.Join(more, "; ")
	return ev
}

// subject names a certificate.
func subject(chain [][]byte) string {
	if len(chain) == 0 {
		return ""
	}
	cert, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return "a certificate that cannot be read"
	}
	if s := cert.Subject.String(); s != "" {
		return s
	}
	return strings.Join(cert.DNSNames, ", ")
}

// waitText says that keys are missing, and keyHint how to come by them.
func (r *Reading) waitText() string {
	text := "waiting for keys of client random " + r.random.String()
	if s := r.waits; s != nil && s.Version != "" {
		text += " (" + s.Version + ", " + s.Cipher
		if s.Name != "" {
			text += ", server name " + s.Name
		}
		text += ")"
	}
	return text
}

// KeyHint says how programs are made to write their secrets.
func KeyHint(file string) string {
	return "start the client with SSLKEYLOGFILE=" + file + ": Python 3.8 and later (slixmpp), curl, browsers and what uses NSS heed it; Go wants tls.Config.KeyLogWriter, OpenSSL programs -keylogfile or SSL_CTX_set_keylog_callback, " +
		"Node.js --tls-keylog=" + file + ", Java an agent such as jSSLKeyLog; the server may write it as well"
}
