package main

import (
	"context"

	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// walk hands out the entries of a recording, from the first to the last. Damage
// is said and stepped over.
func walk(s *streams, path string, emit func(*timeline.Entry)) (*timeline.Folder, record.Header, error) {
	r, err := timeline.Open(path)
	if err != nil {
		return nil, record.Header{}, err
	}
	defer r.Close()
	var fold timeline.Folder
	err = fold.Read(context.Background(), r, timeline.Sink{Entry: emit, Trouble: func(err error) { s.say("xmpplens: %v", err) }})
	return &fold, r.Header(), err
}
