package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/diff"
	"github.com/xmpplens/xmpplens/record/timeline"
	"github.com/xmpplens/xmpplens/web"
)

// sideBySide compares two recordings and shows both in the viewer until it is
// interrupted.
func sideBySide(s *streams, a, b, addr string, secrets bool, o diff.Options) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return &usageError{fmt.Errorf("listen for the viewer: %w", err), "choose another address with --web=ADDR; port 0 takes a free one"}
	}
	defer ln.Close()
	ctx, stop := interruptible(s)
	defer stop()
	var readers [2]*record.Reader
	var indexes [2]*timeline.Index
	for i, path := range []string{a, b} {
		r, err := timeline.Open(path)
		if err != nil {
			return err
		}
		defer r.Close()
		from, err := r.Clone()
		if err != nil {
			return err
		}
		readers[i] = r
		if indexes[i], err = timeline.NewIndex(from); err != nil {
			return err
		}
		defer indexes[i].Close()
	}
	o.Rows = true
	rep, err := compare(ctx, readers[0], readers[1], a, b, o)
	if err == nil {
		for _, x := range indexes {
			err = errors.Join(err, x.Run(ctx))
		}
	}
	if errors.Is(err, context.Canceled) {
		return nil
	} else if err != nil {
		return err
	}
	srv := &web.Server{Source: indexes[0], Title: rep.A.Name, Secrets: secrets, Say: s.say, Diff: &web.SideBySide{Report: rep, A: indexes[0], B: indexes[1]}}
	s.say("xmpplens: %s", rep.Verdict)
	s.say("xmpplens: viewer %s (end with Ctrl-C)", srv.URL(ln.Addr()))
	return srv.Serve(ctx, ln)
}
