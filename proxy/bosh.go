package proxy

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xmpplens/xmpplens/proxy/session"
	"github.com/xmpplens/xmpplens/record"
)

// This file is the shell of sessions over BOSH (XEP-0124): it reads the bodies of
// requests and answers, lets package session see them, and sends on what that
// says. Requests of one session come on any connections, several at a time; each
// is a goroutine of net/http. A poll waits as long as its client and the server
// like: nothing here cuts it.

const (
	// boshBody bounds a body that is looked at as a whole, in bytes; a longer
	// one is passed on in pieces.
	boshBody = 4 << 20
	// boshDelay is how much longer than the server's inactivity a session is
	// kept: a request may be under way.
	boshDelay = 5 * time.Second
	// boshSilence ends a session whose server has not said how long it waits.
	boshSilence = time.Hour
	// maxBOSH bounds the sessions at a time: a client could begin one after
	// the other.
	maxBOSH = 10_000
	// boshError bounds what is read of an answer that is no BOSH, in bytes.
	boshError = 64 << 10
)

// A boshFront takes the BOSH requests of a front.
type boshFront struct {
	f *front

	mu       sync.Mutex
	sessions map[string]*boshSession   // guarded by mu; by sid
	all      map[*boshSession]struct{} // guarded by mu; also those without a sid
}

// boshSession is one session.
type boshSession struct {
	b  *boshFront
	id int

	mu      sync.Mutex // held while the log is written, which has the session's order
	sess    *session.Session
	sid     string
	waiters []*waiter
	timer   *time.Timer // ends the session when no request comes
	until   time.Time   // not before
	secured [2]bool     // said
	packed  bool        // said that answers are not compressed
	kept    atomic.Bool // said what was removed of the headers of answers
	gone    bool        // counted out
}

// A waiter is a request without answer.
type waiter struct {
	rid    int64
	answer []byte // what it gets when the proxy ends
}

func newBOSH(f *front) *boshFront {
	return &boshFront{f: f, sessions: make(map[string]*boshSession), all: make(map[*boshSession]struct{})}
}

// ServeHTTP implements http.Handler.
func (b *boshFront) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, rest, encoding, err := readBody(r.Body, r.Header)
	if err != nil {
		// Nothing of it was passed on.
		http.Error(w, "xmpplens: the request cannot be read: "+err.Error(), http.StatusBadRequest)
		return
	}
	if encoding != "" {
		r.Header.Del("Content-Encoding")
	}
	sid, rid := session.ReadBody(body)
	s, err := b.session(sid, r) // locked
	if err != nil {
		http.Error(w, "xmpplens: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	me := &waiter{rid: rid}
	var out bytes.Buffer
	s.waiters = append(s.waiters, me)
	s.handle(&out, session.Input{On: session.Data, Dir: record.CS, RID: rid, Bytes: body, More: rest != nil})
	s.packing(r, encoding)
	s.mu.Unlock()
	defer s.leave(me)

	length := int64(-1) // of what goes in pieces, where it is known
	if encoding == "" {
		length = r.ContentLength
	}
	resp, err := b.send(s, r, me, out.Bytes(), rest, length)
	switch {
	case err == nil:
		defer resp.Body.Close()
		s.answer(w, me, resp)
	case b.f.ctx.Err() != nil:
		b.shutdown()
		s.goodbye(w, me)
	case r.Context().Err() != nil:
		s.unanswered(me, nil)
	default:
		s.unanswered(me, err)
		http.Error(w, "xmpplens: "+err.Error(), http.StatusBadGateway)
	}
}

// session finds the session of a request, or begins one: without a sid the
// client asks for it, with one that is not known it began before the proxy did.
// The caller unlocks it.
func (b *boshFront) session(sid string, r *http.Request) (*boshSession, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.sessions[sid]; s != nil && sid != "" {
		s.mu.Lock()
		if !s.sess.Closed() {
			return s, nil
		}
		s.mu.Unlock()
	}
	p := b.f.p
	if len(b.all) >= maxBOSH {
		return nil, fmt.Errorf("%d sessions are open", maxBOSH)
	}
	if !p.beginBOSH() {
		return nil, errEnding
	}
	s := &boshSession{b: b, id: int(p.last.Add(1))}
	cfg := p.sessionConfig(s.id, door{up: b.f.up})
	cfg.Transport = session.BOSH
	cfg.Lead = func(target string) (string, error) { return b.f.lead(r, target) }
	j := p.judgesNow(s.id)
	cfg.Judge = j.as()
	s.sess = session.New(cfg)
	s.timer = time.AfterFunc(boshSilence, s.silence)
	b.all[s] = struct{}{}
	if sid != "" {
		s.sid = sid
		b.sessions[sid] = s
	}
	s.mu.Lock()
	s.handle(nil, session.Input{On: session.Accepted, Client: r.RemoteAddr, Server: b.f.up.String()})
	if tc := clientOf(r).tls; tc != nil {
		s.handle(nil, session.Input{On: session.Secured, Leg: session.Client, TLS: describe(tc.ConnectionState(), new(verdict))})
	}
	return s, nil
}

// handle gives the session an input and carries out the answer, but for bytes to
// the leg that they go on to, which are put into out. The caller holds mu.
func (s *boshSession) handle(out *bytes.Buffer, in session.Input) {
	defer s.b.f.p.fatal()
	for _, e := range s.sess.Handle(in) {
		switch {
		case e.Do == session.Record:
			s.b.f.p.Log.Append(e.Events...) // its error sticks in the log
		case e.Do == session.Send && e.RID != 0:
			for _, w := range s.waiters {
				if w.rid == e.RID && w.answer == nil {
					w.answer = e.Bytes
					break
				}
			}
		case e.Do == session.Send && out != nil:
			out.Write(e.Bytes)
		}
	}
	if s.sess.Closed() {
		s.timer.Stop()
		return
	}
	wait := boshSilence
	if p := s.sess.Patience(); p > 0 {
		wait = p + cmp.Or(s.b.f.p.boshDelay, boshDelay)
	}
	s.until = time.Now().Add(wait)
	if s.sess.Pending() == 0 {
		s.timer.Reset(wait)
	} else {
		s.timer.Stop()
	}
}

// silence ends a session in which no request comes.
func (s *boshSession) silence() {
	s.mu.Lock()
	if !s.sess.Closed() && s.sess.Pending() == 0 && !time.Now().Before(s.until) {
		s.handle(nil, session.Input{On: session.Idle})
	}
	s.mu.Unlock()
	s.settle()
}

// leave counts a request out.
func (s *boshSession) leave(w *waiter) {
	s.mu.Lock()
	for i := range s.waiters {
		if s.waiters[i] == w {
			s.waiters = append(s.waiters[:i], s.waiters[i+1:]...)
			break
		}
	}
	s.mu.Unlock()
	s.settle()
}

// settle keeps the list of sessions: by the sid that the session got, and
// without those that are over and have answered everybody.
func (s *boshSession) settle() {
	b := s.b
	b.mu.Lock()
	defer b.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if sid := s.sess.SID(); sid != s.sid && !s.sess.Closed() {
		s.sid = sid
		b.sessions[sid] = s
	}
	if !s.sess.Closed() {
		return
	}
	if b.sessions[s.sid] == s {
		delete(b.sessions, s.sid)
	}
	if len(s.waiters) == 0 && !s.gone {
		s.gone = true
		delete(b.all, s)
		b.f.p.wg.Done()
	}
}

// note records something about the session that is not its own finding.
func (s *boshSession) note(level, text, hint string) {
	s.b.f.p.Log.Append(record.Event{C: s.id, E: record.EventNote, Level: level, By: "proxy", Text: text, Hint: hint})
}

// packing says once that compression is taken off. The caller holds mu.
func (s *boshSession) packing(r *http.Request, encoding string) {
	accepts := r.Header.Get("Accept-Encoding")
	if s.packed || accepts == "" && encoding == "" {
		return
	}
	s.packed = true
	text := "HTTP compression is taken off, so that bodies can be read: Accept-Encoding (" + accepts + ") does not reach the server"
	if encoding != "" {
		text = "HTTP compression is taken off, so that bodies can be read: they are passed on without " + encoding
	}
	s.note("", text, "")
}

// send passes a request on and returns the answer.
func (b *boshFront) send(s *boshSession, r *http.Request, me *waiter, body []byte, rest io.Reader, length int64) (*http.Response, error) {
	u := b.f.up.origin()
	u.Path, u.RawPath, u.RawQuery = r.URL.Path, r.URL.RawPath, r.URL.RawQuery
	var content io.Reader = bytes.NewReader(body)
	if rest != nil {
		content = io.MultiReader(content, &boshPieces{s: s, me: me, r: rest})
	}
	out, err := http.NewRequestWithContext(r.Context(), http.MethodPost, u.String(), content)
	if err != nil {
		return nil, err
	}
	if rest != nil {
		out.ContentLength = length // servers do not like chunks (XEP-0124 §5)
	}
	out.Header = passedOn(r.Header)
	out.Header.Del("Accept-Encoding")
	b.f.comeFrom(out.Header, r)
	if _, ok := out.Header["User-Agent"]; !ok {
		out.Header.Set("User-Agent", "") // not net/http's own
	}
	if rest == nil {
		// A repeated request gets the same answer (XEP-0124 §14.3): one that
		// meets a connection that the server has just closed is sent again.
		// The empty list is for net/http alone.
		out.Header["Idempotency-Key"] = []string{}
	}
	return b.f.upstream.RoundTrip(out)
}

// boshPieces passes on the rest of a large request, recorded before it is sent.
type boshPieces struct {
	s    *boshSession
	me   *waiter
	r    io.Reader
	done bool
}

func (p *boshPieces) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if p.done || n == 0 && err == nil {
		return n, err
	}
	p.done = err != nil
	p.s.mu.Lock()
	p.s.handle(nil, session.Input{On: session.Data, Dir: record.CS, RID: p.me.rid, Bytes: b[:n], More: err == nil})
	p.s.mu.Unlock()
	return n, err
}

// answer passes the answer of a request back.
func (s *boshSession) answer(w http.ResponseWriter, me *waiter, resp *http.Response) {
	s.mu.Lock()
	if resp.TLS != nil && !s.secured[session.Server] {
		s.secured[session.Server] = true
		p, check := s.b.f.p, new(verdict)
		if err := Verify(*resp.TLS, ServerName(s.b.f.up.Host), p.ServerCA); err != nil {
			check.problem = plainReason(err)
		}
		s.handle(nil, session.Input{On: session.Secured, Leg: session.Server, TLS: describe(*resp.TLS, check)})
	}
	s.mu.Unlock()
	header := w.Header()
	for k, v := range passedOn(resp.Header) {
		header[k] = v
	}
	allow(resp, header)
	header.Del("Content-Length")
	if why := keepHere(header); len(why) > 0 && !s.kept.Swap(true) {
		s.note("", "HTTP: "+strings.Join(why, "; "), "")
	}
	if resp.StatusCode != http.StatusOK {
		s.failed(w, me, resp)
		return
	}
	body, rest, encoding, err := readBody(resp.Body, resp.Header)
	if err != nil {
		if s.b.f.ctx.Err() != nil {
			s.b.shutdown()
			s.goodbye(w, me)
			return
		}
		if resp.Request.Context().Err() != nil {
			s.unanswered(me, nil)
			return
		}
		err = fmt.Errorf("the server's answer ends early: %w", err)
		s.unanswered(me, err)
		http.Error(w, "xmpplens: "+err.Error(), http.StatusBadGateway)
		return
	}
	if encoding != "" {
		header.Del("Content-Encoding")
	}
	var out bytes.Buffer
	s.mu.Lock()
	if s.sess.Closed() { // the proxy ends
		s.mu.Unlock()
		s.goodbye(w, me)
		return
	}
	s.handle(&out, session.Input{On: session.Data, Dir: record.SC, RID: me.rid, Bytes: body, More: rest != nil})
	s.mu.Unlock()
	s.settle()
	flush := http.NewResponseController(w).Flush
	switch {
	case rest == nil:
		header.Set("Content-Length", fmt.Sprint(out.Len()))
	case encoding == "" && resp.ContentLength > 0:
		header.Set("Content-Length", fmt.Sprint(resp.ContentLength))
	}
	w.WriteHeader(http.StatusOK)
	w.Write(out.Bytes())
	err = flush()
	for piece := make([]byte, chunkSize); rest != nil && err == nil; {
		var n int
		n, err = rest.Read(piece)
		s.mu.Lock()
		s.handle(nil, session.Input{On: session.Data, Dir: record.SC, RID: me.rid, Bytes: piece[:n], More: err == nil})
		s.mu.Unlock()
		w.Write(piece[:n])
		if errors.Is(err, io.EOF) {
			return
		}
		if err == nil {
			err = flush()
		}
	}
	if err != nil {
		s.note("warning", fmt.Sprintf("the answer to request %d does not reach the client: %v", me.rid, endError(err)), "")
		if rest != nil {
			s.unanswered(me, err)
			panic(http.ErrAbortHandler) // the client must not take it for whole
		}
	}
}

// failed passes an answer back that is none of BOSH.
func (s *boshSession) failed(w http.ResponseWriter, me *waiter, resp *http.Response) {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, boshError))
	over := false
	hint := ""
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound: // XEP-0124 §17.1
		over = true
		hint = "404 is for a session that the server does not know any more, 403 for a client that asks too often; a server that knows no BOSH here says the same: check the path of the upstream"
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout:
		hint = "the server, or what stands in front of it, cannot answer: its log tells why"
	}
	text := "the server answers with HTTP " + resp.Status
	if said := strings.Join(strings.Fields(string(body[:min(len(body), 200)])), " "); said != "" {
		text += ": " + said
	}
	s.mu.Lock()
	s.handle(nil, session.Input{On: session.Unanswered, RID: me.rid, Err: errors.New(text), Hint: hint, Over: over})
	s.mu.Unlock()
	w.WriteHeader(resp.StatusCode)
	w.Write(body)
}

// unanswered tells the session that a request gets no answer.
func (s *boshSession) unanswered(me *waiter, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handle(nil, session.Input{On: session.Unanswered, RID: me.rid, Err: err, Hint: hintOf(err)})
}

// goodbye answers a request because the proxy ends.
func (s *boshSession) goodbye(w http.ResponseWriter, me *waiter) {
	s.mu.Lock()
	answer := me.answer
	s.mu.Unlock()
	if answer == nil {
		http.Error(w, "xmpplens: "+errEnding.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.Header().Set("Access-Control-Allow-Origin", "*") // a page of another origin may read why
	w.Write(answer)
}

// shutdown ends all sessions, because the proxy ends.
func (b *boshFront) shutdown() {
	b.mu.Lock()
	var list []*boshSession
	for s := range b.all {
		list = append(list, s)
	}
	b.mu.Unlock()
	for _, s := range list {
		s.mu.Lock()
		s.handle(nil, session.Input{On: session.Shutdown})
		s.mu.Unlock()
		s.settle()
	}
}

// passedOn returns the header of a message without what is between two
// neighbours (RFC 9110 §7.6.1).
func passedOn(h http.Header) http.Header {
	out := h.Clone()
	for _, list := range h.Values("Connection") {
		for name := range strings.SplitSeq(list, ",") {
			out.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range []string{"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect"} {
		out.Del(name)
	}
	return out
}

// beginBOSH counts a session in; false: it must not begin.
func (p *Proxy) beginBOSH() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ending {
		return false
	}
	p.wg.Add(1)
	return true
}
