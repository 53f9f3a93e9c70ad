package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"

	"github.com/xmpplens/xmpplens/record/timeline"
	"github.com/xmpplens/xmpplens/web"
)

type webCmd struct {
	File        string `arg:"" help:"The recording." type:"path"`
	Web         string `name:"web" default:"127.0.0.1:5299" placeholder:"ADDR" help:"Address of the viewer (${default}); port 0 takes a free one."`
	Follow      bool   `short:"F" help:"Show what is still being written to the file."`
	Diff        string `placeholder:"FILE" type:"path" help:"Compare with this recording, and show both side by side."`
	ShowSecrets bool   `help:"Show passwords, tokens and SASL payloads instead of masking them."`
}

func (webCmd) Examples() string {
	return `  xmpplens web login.jsonl
  xmpplens web works.jsonl --diff=fails.jsonl           both side by side`
}

func (c *webCmd) Run(s *streams) error {
	if c.Diff != "" {
		o, err := (&diffCmd{Slower: 3}).options(s)
		if err != nil {
			return err
		}
		return sideBySide(s, c.File, c.Diff, c.Web, c.ShowSecrets, o)
	}
	r, err := timeline.Open(c.File)
	if err != nil {
		return err
	}
	defer r.Close()
	if c.Follow {
		r.Follow()
	}
	ln, err := net.Listen("tcp", c.Web)
	if err != nil {
		return &usageError{fmt.Errorf("listen for the viewer: %w", err), "choose another address with --web=ADDR; port 0 takes a free one"}
	}
	ctx, stop := interruptible(s)
	defer stop()
	index, err := timeline.NewIndex(r)
	if err != nil {
		return err
	}
	srv := &web.Server{Source: index, Title: filepath.Base(c.File), Secrets: c.ShowSecrets, Say: s.say, Notes: &noter{index: index, path: c.File, grows: c.Follow}, Files: &filer{path: c.File, grows: c.Follow}}
	s.say("xmpplens: viewer %s (end with Ctrl-C)", srv.URL(ln.Addr()))
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := index.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			s.say("xmpplens: %v", err)
		}
	})
	err = srv.Serve(ctx, ln)
	wg.Wait()
	return err
}
