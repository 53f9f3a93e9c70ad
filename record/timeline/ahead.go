package timeline

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/xmpplens/xmpplens/record"
)

// This file reads a recording one step ahead of who folds it, in a goroutine of
// its own: reading lines takes about as long as framing what is in them.

const (
	aheadEvents = 128
	aheadBytes  = 128 << 10
	aheadMost   = 1 << 20 // buffers that are larger are not used again
)

// batch is events that were read at once.
type batch struct {
	evs  []placed
	data []byte // of the events
	end  error  // the last batch ends with it: io.EOF, ctx.Err()
}

// placed is an event with its position, or an error that stands there.
type placed struct {
	ev  record.Event
	pos int64
	err error
}

// readAhead hands out what r has until it ends. Damage is among what it hands
// out; the error that ends the reading is returned, nil where that is the end of
// the recording or of ctx. A batch is valid during the call.
func readAhead(ctx context.Context, r *record.Reader, take func([]placed)) error {
	full, free := make(chan *batch, 2), make(chan *batch, 3)
	for range cap(free) {
		free <- new(batch)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(full)
		for b := range free {
			b.fill(ctx, r)
			full <- b
			if b.end != nil {
				return
			}
		}
	})
	defer wg.Wait()
	for b := range full {
		take(b.evs)
		if b.end != nil {
			if errors.Is(b.end, io.EOF) || ctx.Err() != nil {
				return nil
			}
			return b.end
		}
		free <- b
	}
	return nil
}

func (b *batch) fill(ctx context.Context, r *record.Reader) {
	if cap(b.data) > aheadMost {
		b.data = nil
	}
	b.data = b.data[:0]
	if b.evs == nil {
		b.evs = make([]placed, 0, aheadEvents)
	}
	b.evs = b.evs[:0]
	for len(b.evs) < aheadEvents && len(b.data) < aheadBytes {
		b.evs = b.evs[:len(b.evs)+1]
		p := &b.evs[len(b.evs)-1]
		p.err = nil
		var err error
		b.data, err = r.NextInto(ctx, &p.ev, b.data)
		p.pos = r.Pos()
		var stopped *record.StoppedError
		switch {
		case err == nil:
		case record.IsDamage(err), errors.As(err, &stopped):
			p.err = err
		default:
			b.evs, b.end = b.evs[:len(b.evs)-1], err
			return
		}
	}
}
