package replay

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/xdg-go/scram"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
)

// This file logs in to a real server: STARTTLS or direct TLS, SASL with SCRAM,
// PLAIN or ANONYMOUS (RFC 6120 §5 to §7).

// A wire is a connection that is read element by element.
type wire struct {
	sock net.Conn
	dec  decode.Decoder
	buf  []byte
}

// next returns the next frame that says something.
func (w *wire) next() (decode.Frame, error) {
	for {
		for f, ok := w.dec.Next(); ok; f, ok = w.dec.Next() {
			switch f.Kind {
			case decode.Whitespace, decode.Declaration:
				continue
			case decode.Header, decode.Element, decode.End:
				if f.Part != decode.Whole {
					return f, fmt.Errorf("replay: the server said more than %d MiB in one stanza", decode.DefaultMaxFrame>>20)
				}
				return f, nil
			}
			return f, errors.New("replay: the server says what is no XMPP")
		}
		if w.buf == nil {
			w.buf = make([]byte, readChunk)
		}
		n, err := w.sock.Read(w.buf)
		w.dec.Write(w.buf[:n])
		if n == 0 && err != nil {
			return decode.Frame{}, err
		}
	}
}

// element returns the next element, and fails where the stream ends.
func (w *wire) element() (*stanza.Node, error) {
	f, err := w.next()
	if err != nil {
		return nil, err
	}
	if f.Kind == decode.End {
		return nil, errors.New("replay: the server ended the stream")
	}
	root, err := stanza.Tree(f)
	if err != nil {
		return nil, err
	}
	if root.NS == nsStreams && root.Name == "error" {
		s := stanza.Parse(f)
		return nil, errors.New("replay: the server said: " + s.Summary)
	}
	return root, nil
}

func (w *wire) say(format string, args ...any) error {
	w.sock.SetWriteDeadline(time.Now().Add(writeLimit))
	_, err := fmt.Fprintf(w.sock, format, args...)
	return err
}

// open begins a stream and returns the features.
func (w *wire) open(domain string) (*stanza.Node, error) {
	w.dec.Reset(0)
	if err := w.say("<?xml version='1.0'?><stream:stream xmlns='%s' xmlns:stream='%s' to='%s' version='1.0'>", nsClient, nsStreams, escape(domain)); err != nil {
		return nil, err
	}
	f, err := w.next()
	if err != nil {
		return nil, err
	}
	if f.Kind != decode.Header {
		return nil, errors.New("replay: the server does not speak XMPP")
	}
	root, err := w.element()
	if err == nil && (root.NS != nsStreams || root.Name != "features") {
		err = fmt.Errorf("replay: the server said %s in place of its features", root.Name)
	}
	return root, err
}

// signIn logs in and binds. The live address is returned with the connection.
func (c *Client) signIn(ctx context.Context, account stanza.JID, password, resource string) (*wire, stanza.JID, error) {
	sock, direct, err := c.Dial(ctx, account.Domain)
	if err != nil {
		return nil, stanza.JID{}, err
	}
	stop := context.AfterFunc(ctx, func() { sock.Close() })
	defer stop()
	sock.SetDeadline(time.Now().Add(loginLimit))
	w := &wire{sock: sock}
	live, err := c.logIn(ctx, w, direct, account, password, resource)
	if err != nil {
		sock.Close()
		return nil, live, err
	}
	sock.SetDeadline(time.Time{})
	return w, live, nil
}

func (c *Client) logIn(ctx context.Context, w *wire, direct bool, account stanza.JID, password, resource string) (stanza.JID, error) {
	var cbs map[string]scram.ChannelBinding
	secure := func() error {
		cfg := c.TLS(account.Domain)
		if direct {
			cfg.NextProtos = []string{"xmpp-client"}
		}
		tc := tls.Client(w.sock, cfg)
		if err := tc.HandshakeContext(ctx); err != nil {
			return hintf("give the authority of the server with --server-ca=FILE, or accept any certificate with --insecure", "replay: TLS with the server: %w", err)
		}
		w.sock = tc
		cbs = bindings(tc.ConnectionState(), nil)
		return nil
	}
	if direct {
		if err := secure(); err != nil {
			return account, err
		}
	}
	features, err := w.open(account.Domain)
	if err != nil {
		return account, err
	}
	if offer := stanza.ReadOffer(features); offer.StartTLS && cbs == nil && !c.NoTLS {
		if err := w.say("<starttls xmlns='%s'/>", nsTLS); err != nil {
			return account, err
		}
		e, err := w.element()
		if err != nil {
			return account, err
		}
		if e.NS != nsTLS || e.Name != "proceed" {
			return account, errors.New("replay: the server refuses STARTTLS")
		}
		if err := secure(); err != nil {
			return account, err
		}
		if features, err = w.open(account.Domain); err != nil {
			return account, err
		}
	} else if cbs == nil && !c.NoTLS {
		return account, hintf("allow the clear text with --no-tls", "replay: the server offers no TLS")
	}
	offer := stanza.ReadOffer(features)
	if err := authenticate(w, &offer, account, password, cbs); err != nil {
		return account, err
	}
	if features, err = w.open(account.Domain); err != nil {
		return account, err
	}
	return bindAs(w, features, account, resource)
}

// authenticate logs in with the best mechanism that both sides know.
func authenticate(w *wire, offer *stanza.Offer, account stanza.JID, password string, cbs map[string]scram.ChannelBinding) error {
	if offer.SASL1 == nil {
		if offer.SASL2 != nil {
			return errors.New("replay: the server offers SASL2 (XEP-0388) only, which replay client does not speak")
		}
		return errors.New("replay: the server offers no login")
	}
	mechanism, step, err := choose(offer, account, password, cbs)
	if err != nil {
		return err
	}
	first, err := step("")
	if err != nil {
		return err
	}
	if first = encodeSASL(first); first == "" {
		first = "="
	}
	if err := w.say("<auth xmlns='%s' mechanism='%s'>%s</auth>", nsSASL, mechanism, first); err != nil {
		return err
	}
	const maxSteps = 10
	for range maxSteps {
		e, err := w.element()
		if err != nil {
			return err
		}
		message, err := decodeSASL(e.Text)
		switch {
		case e.NS != nsSASL:
			return fmt.Errorf("replay: the server said %s in the middle of the login", e.Name)
		case e.Name == "failure":
			condition, text := "", ""
			for _, n := range e.Children {
				if n.Name == "text" {
					text = ": " + n.Text
				} else {
					condition = n.Name
				}
			}
			return hintf("check --account and --password-file", "replay: the login of %s with %s failed: %s%s", account.Bare(), mechanism, condition, text)
		case err != nil:
			return err
		case e.Name == "success":
			if message != "" {
				_, err = step(message)
			}
			return err
		}
		answer, err := step(message)
		if err != nil {
			return err
		}
		if err := w.say("<response xmlns='%s'>%s</response>", nsSASL, encodeSASL(answer)); err != nil {
			return err
		}
	}
	return errors.New("replay: the login does not end")
}

// choose takes the best of the offered mechanisms and returns what makes its
// messages.
func choose(offer *stanza.Offer, account stanza.JID, password string, cbs map[string]scram.ChannelBinding) (string, func(string) (string, error), error) {
	has := func(m string) bool { return slices.Contains(offer.SASL1, m) }
	if account.Local == "" {
		if !has("ANONYMOUS") {
			return "", nil, hintf("give an account with its user: --account=user@"+account.Domain, "replay: the server does not let anybody in without an account (ANONYMOUS)")
		}
		return "ANONYMOUS", func(string) (string, error) { return "", nil }, nil
	}
	var cb scram.ChannelBinding
	for _, kind := range []string{"tls-exporter", "tls-unique", "tls-server-end-point"} {
		if v, ok := cbs[kind]; ok && cb.Data == nil && (slices.Contains(offer.Bindings, kind) || offer.Bindings == nil && kind == "tls-unique") {
			cb = v
		}
	}
	for _, h := range scramHashes {
		client, err := h.fn.NewClient(account.Local, password, "")
		if err != nil {
			return "", nil, fmt.Errorf("replay: the password: %w", err)
		}
		switch {
		case cb.Data != nil && has(h.name+"-PLUS"):
			return h.name + "-PLUS", client.NewConversationWithChannelBinding(cb).Step, nil
		case has(h.name):
			return h.name, client.NewConversation().Step, nil
		}
	}
	if has("PLAIN") {
		return "PLAIN", func(string) (string, error) { return "\x00" + account.Local + "\x00" + password, nil }, nil
	}
	return "", nil, fmt.Errorf("replay: the server offers %s, none of which replay client knows", strings.Join(offer.SASL1, ", "))
}

// bindAs binds a resource.
func bindAs(w *wire, features *stanza.Node, account stanza.JID, resource string) (stanza.JID, error) {
	ask := ""
	if resource != "" {
		ask = "<resource>" + escape(resource) + "</resource>"
	}
	answer, err := w.ask("<bind xmlns='"+nsBind+"'>"+ask+"</bind>", "bind")
	if err != nil {
		return account, err
	}
	j := answer.Child(nsBind, "bind").Child(nsBind, "jid")
	if j == nil {
		return account, errors.New("replay: the server binds no address")
	}
	live := stanza.SplitJID(strings.TrimSpace(j.Text))
	if s := features.Child(nsSession, "session"); s != nil && s.Child("", "optional") == nil {
		_, err = w.ask("<session xmlns='"+nsSession+"'/>", "session") // RFC 3921 §3
	}
	return live, err
}

// ask sends an iq and waits for its answer; nothing else is said before a client
// is available.
func (w *wire) ask(payload, what string) (*stanza.Node, error) {
	id := randomID()
	if err := w.say("<iq type='set' id='%s'>%s</iq>", id, payload); err != nil {
		return nil, err
	}
	for {
		e, err := w.element()
		if err != nil {
			return nil, err
		}
		if e.Name != "iq" || e.Attr("id") != id {
			continue
		}
		if e.Attr("type") != "result" {
			return nil, fmt.Errorf("replay: the server refuses %s", what)
		}
		return e, nil
	}
}
