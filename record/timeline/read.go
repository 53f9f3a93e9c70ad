package timeline

import (
	"context"
	"errors"
	"io"

	"github.com/xmpplens/xmpplens/record"
)

// A Sink takes what reading a recording yields. Only Entry is required.
type Sink struct {
	Entry func(*Entry)
	// Trouble is told of damage, and of a recording that stopped early; the
	// rest is read all the same.
	Trouble func(error)
	// Before is called before the next event is asked for, which may take
	// a while, and Event before one is folded. An error ends the reading.
	Before func() error
	Event  func(record.Event) error
	// Derive adds events that are not in the recording but follow from it.
	Derive Deriver
}

// A Deriver makes events out of those of a recording. What it emits is folded at
// once, and its place is that of the event that it was made of.
type Deriver interface {
	Before(ev record.Event, emit func(record.Event)) // what stands in front of ev
	Behind(ev record.Event, emit func(record.Event))
	Finish(emit func(record.Event)) // what stands behind the last
}

// Read folds a recording from where r is. At its end, or when ctx is done, it
// hands out what is left and returns nil; any other error of r is returned as it
// is, and what is left is for Finish.
func (f *Folder) Read(ctx context.Context, r *record.Reader, to Sink) error {
	for {
		if to.Before != nil {
			if err := to.Before(); err != nil {
				return err
			}
		}
		ev, err := r.Next(ctx)
		var stopped *record.StoppedError
		switch {
		case err == nil:
			if to.Event != nil {
				if err := to.Event(ev); err != nil {
					return err
				}
			}
			if to.Derive == nil {
				f.Add(ev, r.Pos(), to.Entry)
				continue
			}
			add := func(ev record.Event) { f.Add(ev, r.Pos(), to.Entry) }
			to.Derive.Before(ev, add)
			add(ev)
			to.Derive.Behind(ev, add)
		case record.IsDamage(err), errors.As(err, &stopped):
			if record.IsGap(err) {
				f.gap(to.Entry)
			}
			if to.Trouble != nil {
				to.Trouble(err)
			}
		case errors.Is(err, io.EOF), ctx.Err() != nil:
			if to.Derive != nil {
				to.Derive.Finish(func(ev record.Event) { f.Add(ev, r.Pos(), to.Entry) })
			}
			f.Finish(to.Entry)
			return nil
		default:
			return err
		}
	}
}
