package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/xmpplens/xmpplens/decode"
	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/web"
)

type sendCmd struct {
	Conn    int           `arg:"" help:"Number of the connection, as the console and the viewer show it."`
	Dir     string        `arg:"" enum:"CS,SC" help:"CS: to the server, as if the client had said it; SC: to the client."`
	XML     string        `arg:"" optional:"" name:"xml" help:"One element or more; left out or -, it is read from stdin."`
	URL     string        `name:"url" placeholder:"URL" help:"The proxy, by the URL of its viewer as it was printed."`
	Port    int           `placeholder:"N" help:"The proxy, by the port of its viewer or for its clients, when several run."`
	Wait    bool          `short:"w" help:"Wait for the answer to the iq, and print it."`
	Swallow bool          `help:"Do not pass the answer to the iq on to the other side, which did not ask."`
	Timeout time.Duration `default:"30s" placeholder:"TIME" help:"How long to wait for the answer (${default})."`
}

func (sendCmd) Examples() string {
	return `  xmpplens send 1 SC '<message from="romeo@example.org"><body>out of nowhere</body></message>'
  xmpplens send 1 CS --wait --swallow '<iq type="get"><ping xmlns="urn:xmpp:ping"/></iq>'
                                                 ask the server, behind the client's back; prints the answer
  xmpplens send 2 CS < stanza.xml
  xmpplens send --port=5299 1 SC '<presence from="romeo@example.org" type="unavailable"/>'
                                                 several proxies run: the one with that port`
}

// maxSend bounds what is sent, in bytes: what the control API takes, as JSON, where
// a byte may need six.
const maxSend = 160 << 10

func (c *sendCmd) Run(s *streams) error {
	xml, err := c.read()
	if err != nil {
		return err
	}
	id := ""
	if c.Wait {
		if xml, id, err = awaitable(xml); err != nil {
			return err
		}
	}
	where := c.URL
	if where == "" {
		r, err := findRunning(c.Port)
		if err != nil {
			return err
		}
		where = r.URL
	}
	api, err := controlOf(where)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(s)
	defer stop()
	var before struct{ Total int }
	if c.Wait {
		if err := api.ask(ctx, "GET", "status", nil, &before); err != nil {
			return err
		}
	}
	if err := api.ask(ctx, "POST", "inject", web.Injection{Conn: c.Conn, Dir: c.Dir, XML: xml, Swallow: c.Swallow, By: "send"}, nil); err != nil {
		return err
	}
	if !c.Wait {
		s.say("xmpplens: sent into connection %d, %s", c.Conn, c.Dir)
		return nil
	}
	return c.await(ctx, s, api, before.Total+1, id)
}

// read takes what is to be sent from the arguments or from stdin.
func (c *sendCmd) read() (string, error) {
	if c.Port != 0 && c.URL != "" {
		return "", usagef("one of them is enough", "--url and --port do not go together")
	}
	if c.Timeout <= 0 {
		return "", usagef("for example --timeout=30s", "--timeout=%v is no time to wait", c.Timeout)
	}
	xml := c.XML
	if xml == "" || xml == "-" {
		b, err := io.ReadAll(io.LimitReader(os.Stdin, maxSend+1))
		if err != nil {
			return "", fmt.Errorf("stdin: %w", err)
		}
		xml = string(b)
	}
	xml = strings.TrimSpace(xml)
	switch {
	case xml == "":
		return "", usagef("give it as the last argument, or on stdin", "there is nothing to send")
	case len(xml) > maxSend:
		return "", usagef("rules and scripts can send more, see --rules", "there are more than %d bytes to send", maxSend)
	}
	return xml, nil
}

// awaitable returns the iq with an id by which its answer is recognised.
func awaitable(xml string) (with, id string, err error) {
	dec := decode.Decoder{Bare: true}
	dec.Write([]byte(xml))
	f, ok := dec.Close()
	if ok && f.Err != nil {
		return "", "", usagef("--wait needs one whole iq", "the XML cannot be sent: at byte %d: %s", f.Err.Offset, f.Err.Msg)
	}
	if !ok || len(f.Raw) != len(xml) || string(f.Name) != "iq" {
		return "", "", usagef("leave --wait out, or send one iq of type get or set", "only an iq is answered")
	}
	st := stanza.ParseFields(f)
	switch {
	case st.Type != "get" && st.Type != "set":
		return "", "", usagef(`add type="get" or type="set"`, "an iq of type %.40q is not answered", st.Type)
	case st.ID != "":
		return xml, st.ID, nil
	}
	id = "xmpplens-" + strings.ToLower(rand.Text()[:12])
	start := len("<iq")
	return xml[:start] + " id='" + id + "'" + xml[start:], id, nil
}

// await prints the answer when it comes.
func (c *sendCmd) await(ctx context.Context, s *streams, api *control, from int, id string) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	back := map[string]string{"CS": "SC", "SC": "CS"}[c.Dir]
	which := fmt.Sprintf(`conn == %d and (kind == "close" or dir == "%s" and iq)`, c.Conn, back)
	resp, err := api.open(ctx, "GET", fmt.Sprintf("follow?from=%d&filter=%s", from, url.QueryEscape(which)), nil)
	if err != nil {
		return c.unanswered(ctx, err)
	}
	defer resp.Body.Close()
	dec := json.NewDecoder(resp.Body)
	for {
		var e struct{ Kind, Type, ID, Raw, Error string }
		err := dec.Decode(&e)
		switch {
		case err != nil:
			return c.unanswered(ctx, err)
		case e.Error != "":
			return errors.New(e.Error)
		case e.Kind == "close":
			return &hinted{fmt.Errorf("connection %d was closed before the answer came", c.Conn), "xmpplens show of the recording tells why"}
		case e.ID == id && (e.Type == "result" || e.Type == "error"):
			_, err := fmt.Fprintln(s.stdout, e.Raw)
			return err
		}
	}
}

// unanswered says why no answer came.
func (c *sendCmd) unanswered(ctx context.Context, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &hinted{fmt.Errorf("no answer within %v", c.Timeout), "the iq was sent; wait longer with --timeout, or look in the viewer whether it is held"}
	case ctx.Err() != nil:
		return errors.New("interrupted before the answer came; the iq was sent")
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the proxy ended before the answer came")
	}
	return err
}

// control is the control API of a proxy.
type control struct{ base, token string }

// controlOf reads the URL of a viewer.
func controlOf(where string) (*control, error) {
	u, err := url.Parse(where)
	if err != nil || u.Scheme != "http" || u.Host == "" || u.Query().Get("token") == "" {
		return nil, usagef("it looks like http://127.0.0.1:5299/?token=…, and the proxy prints it when it starts", "--url=%s is not the URL of a viewer with its token", where)
	}
	return &control{"http://" + u.Host + "/api/", u.Query().Get("token")}, nil
}

// open asks; an answer that is a refusal becomes an error with its hint.
func (c *control) open(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	q, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	q.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		return nil, &hinted{fmt.Errorf("the proxy does not answer: %w", err), "does it still run? it prints another URL each time that it starts"}
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var no struct{ Error, Hint string }
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&no); err != nil || no.Error == "" {
		return nil, fmt.Errorf("the proxy answers %s", resp.Status)
	}
	return nil, &hinted{errors.New(no.Error), no.Hint}
}

// ask asks and reads the answer into v, unless that is nil.
func (c *control) ask(ctx context.Context, method, path string, body, v any) error {
	resp, err := c.open(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if v == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(v)
}
