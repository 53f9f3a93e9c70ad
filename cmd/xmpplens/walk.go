package main

import (
	"context"
	"errors"
	"io"

	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// walk hands out the entries of a recording, from the first to the last. Damage
// is said and stepped over.
func walk(s *streams, path string, emit func(*timeline.Entry)) (*timeline.Folder, record.Header, error) {
	r, err := record.Open(path)
	if err != nil {
		return nil, record.Header{}, err
	}
	defer r.Close()
	var fold timeline.Folder
	for {
		ev, err := r.Next(context.Background())
		var torn *record.TornError
		var line *record.LineError
		switch {
		case err == nil:
			fold.Add(ev, r.Pos(), emit)
		case errors.As(err, &torn), errors.As(err, &line):
			s.say("xmpplens: %v", err)
		case errors.Is(err, io.EOF):
			fold.Finish(emit)
			return &fold, r.Header(), nil
		default:
			return nil, record.Header{}, err
		}
	}
}
