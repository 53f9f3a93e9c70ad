package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/xmpplens/xmpplens/proxy"
	"github.com/xmpplens/xmpplens/proxy/mitmca"
	"github.com/xmpplens/xmpplens/testdata/recordings"
)

type demoCmd struct {
	Speed   float64 `default:"1" placeholder:"X" help:"X times as fast (${default})."`
	Write   string  `short:"w" placeholder:"FILE" type:"path" help:"Keep the recording; compressed when the name ends in .zst."`
	Force   bool    `help:"Overwrite the file of --write."`
	Web     string  `default:"127.0.0.1:0" placeholder:"ADDR" help:"Address of the viewer; port 0 takes a free one."`
	NoWeb   bool    `help:"No viewer; the demo then ends with the conversation."`
	display `embed:""`
}

func (demoCmd) Examples() string {
	return `  xmpplens demo
  xmpplens demo --no-web --speed=5
  xmpplens demo --no-web --format=json | jq -r .summary`
}

// maxPause is the longest silence of the demo: what took longer in the
// recording is cut.
const maxPause = 2 * time.Second

func (c *demoCmd) Run(s *streams) error {
	if c.Speed <= 0 {
		return usagef("1 is the recorded pace, 10 is ten times as fast", "--speed=%v is not above 0", c.Speed)
	}
	acts, err := readActs(recordings.Demo, c.Speed, maxPause)
	if err != nil {
		return err
	}
	stage, err := newStage(acts)
	if err != nil {
		return err
	}
	defer stage.close()
	ctx, stop := interruptible(s)
	defer stop()
	viewer := c.Web
	if c.NoWeb {
		viewer = ""
	}
	var played error
	l := &lens{
		title:   "demo",
		storage: storage{Write: c.Write, Force: c.Force}, web: viewer, display: c.display, proxy: stage.proxy, streams: s, quiet: true,
		greet: func(url string) {
			s.say("xmpplens: a conversation of Romeo and Juliet, recorded with two slixmpp clients and a Prosody server,")
			s.say("          is played through a real proxy over loopback, STARTTLS included.")
			if url != "" {
				s.say("xmpplens: watch it in the browser, too: %s", url)
			}
		},
		serve: func() error {
			serving, end := context.WithCancel(ctx)
			defer end()
			done := make(chan error, 1)
			go func() { done <- stage.proxy.Serve(serving, stage.front) }() // ends with serving
			played = stage.play(ctx)
			if played == nil && viewer != "" && ctx.Err() == nil {
				s.say("xmpplens: the conversation is over; the viewer stays open until Ctrl-C.")
				<-ctx.Done()
			}
			end()
			return <-done
		},
	}
	if err := l.run(); err != nil {
		return err
	}
	if played != nil && !errors.Is(played, context.Canceled) {
		return fmt.Errorf("demo: %w", played)
	}
	s.say("\nTry next:\n" +
		"  xmpplens proxy example.org                  your own domain; point a client at 127.0.0.1:5222\n" +
		"  xmpplens proxy -w s.jsonl localhost:5222    a server of your own, kept in a recording\n" +
		"  xmpplens show s.jsonl                       print the recording again\n" +
		"  xmpplens ca trust                           make your client trust the proxy")
	return nil
}

// A stage has the server that the actors play and the proxy in front of it.
type stage struct {
	acts     []*act
	front    net.Listener // of the proxy
	back     net.Listener // of the played server
	proxy    *proxy.Proxy
	serverCA *mitmca.Authority // signs for the played server; the proxy trusts it
}

// newStage makes certificates that live as long as the demo: nothing has to be
// trusted, nothing is left behind.
func newStage(acts []*act) (*stage, error) {
	front, err := mitmca.New()
	if err != nil {
		return nil, err
	}
	st := &stage{acts: acts}
	if st.serverCA, err = mitmca.New(); err != nil {
		return nil, err
	}
	if st.front, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("demo: listen: %w", err)
	}
	if st.back, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		st.front.Close()
		return nil, fmt.Errorf("demo: listen: %w", err)
	}
	up, err := proxy.ParseUpstream(st.back.Addr().String())
	if err != nil {
		st.close()
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(st.serverCA.Certificate())
	st.proxy = &proxy.Proxy{Upstream: up, CA: front, ServerCA: pool, Grace: time.Second}
	return st, nil
}

func (st *stage) close() {
	st.front.Close()
	st.back.Close()
}
