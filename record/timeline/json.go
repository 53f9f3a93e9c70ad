package timeline

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/decode/track"
)

// JSONOptions are how an entry is written as JSON.
type JSONOptions struct {
	Start   time.Time // of the recording
	Secrets bool      // show them; they are masked otherwise
}

// object is an entry as --format=json prints it. Its keys are part of the
// command line's contract.
type object struct {
	N        int              `json:"n"`
	Time     string           `json:"time"`
	Conn     int              `json:"conn"`
	Dir      string           `json:"dir"`
	Kind     string           `json:"kind"`
	Name     string           `json:"name"`
	NS       string           `json:"ns"`
	Type     string           `json:"type"`
	ID       string           `json:"id"`
	From     string           `json:"from"`
	To       string           `json:"to"`
	Payloads []payload        `json:"payloads"`
	Summary  string           `json:"summary"`
	Size     int              `json:"size"`
	Latency  *float64         `json:"latency,omitempty"`
	Findings []track.Finding  `json:"findings"`
	Phase    string           `json:"phase,omitempty"`
	Related  []track.Relation `json:"related,omitempty"`
	Verdict  string           `json:"verdict"`
	By       string           `json:"by,omitempty"`
	Why      string           `json:"why,omitempty"`
	Level    string           `json:"level,omitempty"`
	Hint     string           `json:"hint,omitempty"`
	Raw      string           `json:"raw"`
	Base64   string           `json:"raw_base64,omitempty"` // the exact bytes, where raw is not UTF-8
	Sent     *string          `json:"sent,omitempty"`       // what was sent on, where that differs
}

type payload struct {
	NS   string `json:"ns"`
	Name string `json:"name"`
	XEP  string `json:"xep"`
}

// JSON appends the entry to dst as one JSON object without a line end.
func (e *Entry) JSON(dst []byte, o JSONOptions) []byte {
	s := &e.Stanza
	v := object{
		N: e.N, Time: o.Start.Add(e.T).Format(time.RFC3339Nano), Conn: e.Conn, Dir: string(e.Way()), Kind: e.Kind,
		Name: s.Name, NS: s.NS, Type: s.Type, ID: s.ID, From: s.From, To: s.To,
		Payloads: []payload{}, Findings: []track.Finding{}, Summary: s.Summary, Size: len(e.Frame.Raw),
		Phase: e.Facts.Phase, Related: e.Facts.Related,
		Verdict: e.Outcome(), By: e.By, Why: e.Why, Level: e.Event.Level, Hint: e.Event.Hint,
	}
	for _, p := range s.Payloads {
		v.Payloads = append(v.Payloads, payload(p))
	}
	if e.Facts.HasLatency {
		l := e.Facts.Latency.Seconds()
		v.Latency = &l
	}
	v.Findings = append(v.Findings, e.Facts.Findings...)
	raw := e.Frame.Raw
	if !o.Secrets {
		raw = stanza.Mask(raw, stanza.Secrets(e.Frame))
	}
	if v.Raw = string(raw); !utf8.Valid(raw) {
		v.Base64 = base64.StdEncoding.EncodeToString(raw)
	}
	if e.Edited {
		sent := string(e.MaskedSent(o.Secrets))
		v.Sent = &sent
	}
	out := bytes.NewBuffer(dst)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // strings and numbers only
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// MaskedSent returns what was sent instead of the frame, with its secrets
// masked unless they are wanted.
func (e *Entry) MaskedSent(secrets bool) []byte {
	if secrets {
		return e.Sent
	}
	f := e.Frame
	f.Raw, f.Err = e.Sent, nil
	return stanza.Mask(e.Sent, stanza.Secrets(f))
}

// Outcome says what became of a frame: passed, edited, dropped or injected;
// nothing for entries that are no frames.
func (e *Entry) Outcome() string {
	switch {
	case e.Dir == "":
		return ""
	case e.Injected:
		return "injected"
	case e.Verdict != "":
		return e.Verdict
	case e.Edited && len(e.Sent) == 0:
		return "dropped"
	case e.Edited:
		return "edited"
	}
	return "passed"
}
