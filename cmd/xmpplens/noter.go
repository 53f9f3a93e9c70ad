package main

import (
	"context"
	"sync"
	"time"

	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// A noter keeps the notes of the viewer: in the recording that is being written,
// or at the end of one that is finished.
type noter struct {
	index *timeline.Index
	log   *record.Log // nil: path is finished
	path  string
	grows bool // the index follows the file by itself

	mu sync.Mutex // one note at a time
}

// Note implements web.Noter.
func (n *noter) Note(entry int, text string) error {
	text, err := noteText(text)
	if err != nil {
		return err
	}
	var on *timeline.Entry
	if entry > 0 {
		es, err := n.index.Entries(entry, 1)
		if err != nil {
			return err
		}
		if len(es) > 0 {
			on = es[0]
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	var end time.Duration
	if n.log == nil {
		end = n.index.Moment(n.index.Status().Len).End
	}
	ev := noteOn(text, end, on)
	if _, err := readExpectation(ev); err != nil {
		return err
	}
	if n.log != nil {
		return n.log.Append(ev)
	}
	if err := record.Annotate(n.path, ev); err != nil || n.grows {
		return err
	}
	r, err := timeline.Open(n.path)
	if err != nil {
		return err
	}
	return n.index.More(context.Background(), r)
}
