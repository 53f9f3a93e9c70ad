package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/xmpplens/xmpplens/decode/stanza"
)

// An Interceptor is what can be done to the sessions that are going on. All of it may
// be called by many at once, and never waits for a peer. An error may have a Hint.
type Interceptor interface {
	// Armed says in words what may change or hold frames, "" = nothing does, and how
	// many are held.
	Armed() (what string, held int)
	Sessions() []Session
	Decide(Verdict) error
	Inject(Injection) error
	// Arm adds a breakpoint, which holds what matches; Disarm takes it away and lets
	// pass what it holds, those of all expressions when it is "".
	Arm(expr string) error
	Disarm(expr string) error
	Breakpoints() []string
	Rules() []Rule
	Switch(rule string, on bool) error
	// Watch returns a channel that is poked when Armed may have changed.
	Watch() (changes <-chan struct{}, stop func())
}

// A Session is a connection that is open.
type Session struct {
	Conn   int         `json:"conn"`
	Client string      `json:"client"` // addresses
	Server string      `json:"server"`
	CS     string      `json:"cs"` // why nothing can be injected to the server; "" = it can
	SC     string      `json:"sc"` // and to the client
	Held   []HeldFrame `json:"held"`
}

// A HeldFrame waits for a Verdict.
type HeldFrame struct {
	Conn   int    `json:"conn"`
	Dir    string `json:"dir"`
	Offset int64  `json:"offset"`
	By     string `json:"by"`
	Behind int    `json:"behind"`           // bytes that wait behind it
	Until  int64  `json:"until"`            // then it passes by itself, in milliseconds of Unix time
	Size   int    `json:"size"`             // bytes
	XML    string `json:"xml"`              // "" = it is longer than maxHeld
	Masked bool   `json:"masked,omitempty"` // XML lacks secrets: an edit must bring them itself
}

// maxHeld bounds a frame that can be edited here, in bytes. Longer ones can only be
// decided about.
const maxHeld = 160 << 10

// A Verdict decides about a frame that is held.
type Verdict struct {
	Conn    int
	Dir     string
	Offset  int64
	Verdict string  // pass, edit, drop, answer, delay or hold
	XML     string  // of edit and answer
	Seconds float64 // of delay and hold
	All     bool    // about what is behind it in its direction, too
	By      string  // who decides, for the recording
	Dry     bool    // only checked: the error is the one that there would be
}

// An Injection puts elements into a session, at the next boundary between elements.
type Injection struct {
	Conn    int
	Dir     string // CS: to the server, SC: to the client
	XML     string
	Swallow bool   // the answer to an iq does not reach the other side
	By      string // who does it, for the recording
	Dry     bool   // only checked: the error is the one that there would be
}

// A Rule is one that can be switched.
type Rule struct {
	Name    string `json:"name"`
	When    string `json:"when"`
	Do      string `json:"do"`
	Source  string `json:"source"`
	On      bool   `json:"on"`
	Matched int64  `json:"matched"`
	Fired   int64  `json:"fired"`
	Limit   int    `json:"limit,omitempty"`
}

// answerTo is the answer to what changes something.
type answerTo struct {
	Op    string `json:"op"`
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
}

func answering(op string, err error) answerTo {
	out := answerTo{Op: op}
	if err != nil {
		out.Error = err.Error()
		if h := (interface{ Hint() string })(nil); errors.As(err, &h) {
			out.Hint = h.Hint()
		}
	}
	return out
}

// intercepts is nil and an error where nothing can be held or injected: what is
// shown is a recording, or one that was opened beside the live one.
func (p *page) intercepts() (Interceptor, error) {
	if p.server.Intercept == nil || p.shown.rec != "" {
		return nil, &refusal{Text: "no session is going on here: what is shown is a recording", Fix: "xmpplens proxy carries sessions, in which frames can be held and injected"}
	}
	return p.server.Intercept, nil
}

// sessions lists the connections that are open.
func (p *page) sessions(request) any {
	x, err := p.intercepts()
	if err != nil {
		return answering("sessions", err)
	}
	list := x.Sessions()
	for i := range list {
		list[i].Held = p.masked(list[i].Held)
	}
	return struct {
		Op       string    `json:"op"`
		Sessions []Session `json:"sessions"`
	}{"sessions", append([]Session{}, list...)}
}

// held lists the frames that are held, of all connections.
func (p *page) held(request) any {
	x, err := p.intercepts()
	if err != nil {
		return answering("held", err)
	}
	list := []HeldFrame{}
	for _, s := range x.Sessions() {
		list = append(list, p.masked(s.Held)...)
	}
	return struct {
		Op   string      `json:"op"`
		Held []HeldFrame `json:"held"`
	}{"held", list}
}

// masked takes secrets out of frames, unless they are to be shown.
func (p *page) masked(list []HeldFrame) []HeldFrame {
	out := append([]HeldFrame{}, list...)
	for i := range out {
		h := &out[i]
		if h.Size = len(h.XML); h.Size > maxHeld {
			h.XML = ""
		} else if !p.server.Secrets {
			h.XML, h.Masked = mask(h.XML)
		}
	}
	return out
}

// mask takes secrets out of an element.
func mask(xml string) (string, bool) {
	spans := stanza.SecretsAlone(xml)
	if len(spans) == 0 {
		return xml, false
	}
	return string(stanza.Mask([]byte(xml), spans)), true
}

// heldAt is the frame that a verdict is about; nil = it is not held any more.
func heldAt(x Interceptor, v Verdict) *HeldFrame {
	for _, s := range x.Sessions() {
		for i, h := range s.Held {
			if s.Conn == v.Conn && h.Dir == v.Dir && h.Offset == v.Offset {
				return &s.Held[i]
			}
		}
	}
	return nil
}

// unmasked refuses an edit of a frame that would send what is shown in the place of a
// secret.
func (p *page) unmasked(h *HeldFrame, v Verdict) error {
	if h == nil || p.server.Secrets || v.Verdict != "edit" {
		return nil
	}
	for _, span := range stanza.SecretsAlone(h.XML) {
		if strings.HasPrefix(span.Mask, "[") && strings.Contains(v.XML, span.Mask) {
			return &refusal{Text: fmt.Sprintf("%.80s stands for a secret, and would be sent in its place", span.Mask), Fix: "write the secret itself, or start the proxy with --show-secrets"}
		}
	}
	return nil
}

// asks reads a request that changes what passes into v: one that is not understood
// must not become another one.
func (p *page) asks(q request, v any) (Interceptor, error) {
	x, err := p.intercepts()
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(q.whole, v); err != nil {
		return nil, &refusal{Text: "the request is not understood: " + err.Error(), Fix: "go doc github.com/xmpplens/xmpplens/web says what an operation takes"}
	}
	return x, nil
}

// decide decides about a frame that is held.
func (p *page) decide(q request) any {
	var want Verdict
	x, err := p.asks(q, &want)
	if err == nil {
		err = direction(want.Dir)
	}
	if err == nil && want.Verdict == "edit" {
		err = p.unmasked(heldAt(x, want), want)
	}
	if err == nil {
		want.By = p.who(want.By)
		err = x.Decide(want)
	}
	return struct {
		answerTo
		Verdict string `json:"verdict"`
	}{answering("decide", err), want.Verdict}
}

// inject puts elements into a session.
func (p *page) inject(q request) any {
	var want Injection
	x, err := p.asks(q, &want)
	if err == nil {
		err = direction(want.Dir)
	}
	if err == nil && strings.TrimSpace(want.XML) == "" {
		err = &refusal{Text: "there is nothing to send", Fix: `send xml: {"conn":1,"dir":"SC","xml":"<message>…</message>"}`}
	}
	if err == nil {
		want.By = p.who(want.By)
		err = x.Inject(want)
	}
	return answering("inject", err)
}

// who is what the recording calls the person that asks, where they do not say.
func (p *page) who(by string) string {
	switch {
	case by != "":
		return by
	case p.ws == nil:
		return "api"
	}
	return "viewer"
}

// direction tells whether it is one.
func direction(d string) error {
	if d != "CS" && d != "SC" {
		return &refusal{Text: fmt.Sprintf("dir is %.20q", d), Fix: "CS is from the client to the server, SC from the server to the client"}
	}
	return nil
}

// arm adds a breakpoint, or takes it away, and lists those that there are.
func (p *page) arm(q request) any {
	var want struct {
		Expr string
		On   *bool // nil = only list them
	}
	x, err := p.asks(q, &want)
	switch expr := strings.TrimSpace(want.Expr); {
	case err != nil:
	case want.On == nil && expr != "":
		err = &refusal{Text: "it is not said whether the breakpoint is to be set", Fix: `send on as well: {"expr":"message","on":true}`}
	case want.On == nil:
	case !*want.On:
		err = x.Disarm(expr)
	case expr == "":
		err = &refusal{Text: "a breakpoint needs an expression", Fix: `for example: {"expr":"message","on":true}; {"expr":"stanzas","on":true} holds all`}
	default:
		err = x.Arm(expr)
	}
	if err != nil {
		return answering("arm", err)
	}
	what, held := x.Armed()
	return struct {
		Op          string   `json:"op"`
		Armed       string   `json:"armed"`
		Held        int      `json:"held"`
		Breakpoints []string `json:"breakpoints"`
	}{"arm", what, held, append([]string{}, x.Breakpoints()...)}
}

// rules lists the rules, after one was switched if that was asked.
func (p *page) rules(q request) any {
	var want struct {
		Name string
		On   *bool // nil = only list them
	}
	x, err := p.asks(q, &want)
	if err == nil && want.Name != "" && want.On == nil {
		err = &refusal{Text: "it is not said whether the rule is to be on", Fix: `send on as well: {"name":"lose","on":false}`}
	}
	if err == nil && want.On != nil {
		err = x.Switch(want.Name, *want.On)
	}
	if err != nil {
		return answering("rules", err)
	}
	return struct {
		Op    string `json:"op"`
		Rules []Rule `json:"rules"`
	}{"rules", append([]Rule{}, x.Rules()...)}
}

// armed is what the status says of it.
func (p *page) armed() (what string, held int) {
	if x, err := p.intercepts(); err == nil {
		return x.Armed()
	}
	return "", 0
}

// tellArmed has pages look again when what is armed, or held, has changed: an event
// in the recording may have come before that.
func (s *Server) tellArmed(ctx context.Context) {
	changes, stop := s.Intercept.Watch()
	defer stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changes:
			s.pokeAll()
		}
	}
}
